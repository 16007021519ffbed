"""An answer on its way back: originals in the place of placeholders, the feature in the place of the model's maker.

Machine: a partner's events → the device's, the same for any split. Text, reasoning and each tool call are channels of their own.
The arguments of a tool that carries data out of the device keep their placeholders. Bound: what a restorer and a brand filter hold,
for each channel.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from lizi.types import Event, Json, Reasoning, Text, ToolDelta
from lizi.veil.brand import BrandBook, BrandFilter
from lizi.veil.brand_text import language
from lizi.veil.lexicon import Lexicon, Restorer

__all__ = ["Unveiling", "asked_of"]

UNKNOWN_TOOL = "unknown_tool"
"""What a call of a tool is called that nobody offered: a device can only say that it has no such tool."""
_MESSAGES = 8
"""As many of a user's messages as the brand filter looks at."""


def asked_of(messages: Sequence[dict[str, Json]]) -> tuple[str, ...]:
    """The user's own last words, the latest last: what tells a question for the writer's name from a text about a company."""
    found: list[str] = []
    for message in reversed(messages):
        if message["role"] == "user":
            content = message["content"]
            found.append(content if isinstance(content, str) else "\n".join(part["text"] for part in content if part["type"] == "text"))
            if len(found) == _MESSAGES:
                break
    return tuple(reversed(found))


class Unveiling:
    """One answer. `json`: its text is JSON. `brand`: whom it must not name as its writer, told by what the user `asked`, which is a text to
    work on where it `works`. A call of a tool that is not among `tools` is no tool's of the device's: its name may be a partner's.
    """

    __slots__ = ("_asked", "_brand", "_calls", "_json", "_lexicon", "_locale", "_outbound", "_reasoning", "_text", "_tools", "_works")

    def __init__(
        self,
        lexicon: Lexicon,
        brand: BrandBook | None,
        *,
        asked: Sequence[str] = (),
        works: bool = False,
        json: bool = False,
        tools: Set[str] = frozenset(),
        outbound_tools: Set[str] = frozenset(),
    ) -> None:
        # Without anything to restore there is no restorer; what a channel does not need it does not have, and it costs nothing.
        self._lexicon = lexicon if len(lexicon) else None
        self._brand = brand
        self._asked = asked
        self._locale = language(asked[-1], "en") if asked and brand is not None else "en"
        self._works = works
        self._json = json
        self._tools = tools
        self._outbound = outbound_tools
        self._text: _Channel | None = None
        self._reasoning = Restorer(lexicon) if len(lexicon) else None
        self._calls: dict[int, _Channel] = {}

    def feed(self, events: list[Event]) -> list[Event]:
        """The events as the device may see them."""
        if self._lexicon is None and self._brand is None:
            return events
        out: list[Event] = []
        for event in events:
            kind = type(event)
            if kind is Text:
                if self._text is None:
                    self._text = self._channel(json=self._json)
                if text := self._text.feed(event.text):  # type: ignore[union-attr]
                    out.append(event if text is event.text else Text(text))  # type: ignore[union-attr]
            elif kind is Reasoning and self._reasoning is not None:
                out.append(Reasoning(self._reasoning.feed(event.text), event.signature))  # type: ignore[union-attr]
            elif kind is ToolDelta:
                call = self._call(event)  # type: ignore[arg-type]
                if call.name is not None or call.arguments:  # else all of it is held
                    out.append(call)
            else:
                out.append(event)
        return out

    def close(self) -> list[Event]:
        """The answer ended: what the channels hold."""
        out: list[Event] = []
        if self._text is not None and (rest := self._text.close()):
            out.append(Text(rest))
        if self._reasoning is not None and (rest := self._reasoning.close()):
            out.append(Reasoning(rest))
        for index, channel in self._calls.items():
            if rest := channel.close():
                out.append(ToolDelta(index=index, arguments=rest))
        return out

    def _channel(self, *, json: bool, sealed: bool = False) -> _Channel:
        restorer = Restorer(self._lexicon, json=json) if self._lexicon is not None and not sealed else None
        brand = None
        if self._brand is not None:
            brand = BrandFilter(self._brand, asked=self._asked, locale=self._locale, form="json" if json else "text", works=self._works)
        return _Channel(restorer, brand)

    def _call(self, event: ToolDelta) -> ToolDelta:
        channel = self._calls.get(event.index)
        if channel is None:
            self._calls[event.index] = channel = self._channel(json=True, sealed=event.name in self._outbound)
        name = event.name if event.name is None or event.name in self._tools or self._brand is None else UNKNOWN_TOOL
        if not event.arguments and name == event.name:
            return event
        return ToolDelta(index=event.index, id=event.id, name=name, arguments=channel.feed(event.arguments))


class _Channel:
    """One text of an answer: first the originals, then the names."""

    __slots__ = ("_brand", "_restorer")

    def __init__(self, restorer: Restorer | None, brand: BrandFilter | None) -> None:
        self._restorer = restorer
        self._brand = brand

    def feed(self, text: str) -> str:
        if self._restorer is not None:
            text = self._restorer.feed(text)
        if self._brand is not None and text:
            text = self._brand.feed(text)
        return text

    def close(self) -> str:
        rest = self._restorer.close() if self._restorer is not None else ""
        if self._brand is not None:
            rest = (self._brand.feed(rest) if rest else "") + self._brand.close()
        return rest
