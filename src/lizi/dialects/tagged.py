"""Reasoning and tool calls that a model writes into its text, as open models do where their server does not take them out.

`<think>…</think>` at the start of an answer becomes `Reasoning`; `<tool_call>{"name":…,"arguments":…}</tool_call>`
becomes a `ToolDelta`. Never loses or reorders a character: what turns out to be no tag, and a call that is no JSON,
comes out as text. Any split of the text gives the same events once joined. Bound: 256 KiB of an unfinished call.
Form: the chat templates of Qwen 2.5/3, Hermes and DeepSeek-R1.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from lizi.types import Event, Json, Reasoning, Text, ToolDelta

__all__ = ["Tagged"]

_THINK, _THOUGHT = "<think>", "</think>"
_CALL, _CALLED = "<tool_call>", "</tool_call>"
_CALL_CHARACTERS = 256 * 1024
"""Above any arguments that a device could use; beyond it the text is only text."""


class _Call(Struct):
    name: str
    arguments: Json = {}


_decode = msgspec.json.Decoder(_Call).decode


class Tagged:
    """Machine: text in, events out. `close` gives what was held back."""

    __slots__ = ("_begun", "_gap", "_held", "_inside", "plain")

    def __init__(self) -> None:
        self._held = ""
        self._inside = ""
        """The tag that is open: its closing form; empty in plain text."""
        self._begun = False
        """Something else than a thought has been said: a later `<think>` is the model speaking about one."""
        self._gap = False
        """A thought has just ended: templates put empty lines between it and the answer."""

        self.plain = False
        """Text without a `<` is only text now, and need not come here: nearly every piece of every answer."""

    def feed(self, text: str) -> list[Event]:
        """The events that `text` settles."""
        events = self._read(self._held + text)
        self.plain = self._begun and not (self._held or self._inside or self._gap)
        return events

    def _read(self, rest: str) -> list[Event]:
        events: list[Event] = []
        self._held = ""
        while rest:
            if not self._inside:
                rest = self._plain(rest, events)
            else:
                before, closed, after = rest.partition(self._inside)
                if not closed:
                    self._keep(rest, events)
                    return events
                if self._inside is _THOUGHT:
                    _say(Reasoning, before, events)
                    self._gap = True
                else:
                    events.append(_called(before))
                self._inside, rest = "", after
        return events

    def close(self) -> list[Event]:
        """The end: an open thought was one, an open call was text."""
        rest, self._held = self._held, ""
        inside, self._inside = self._inside, ""
        if not rest and inside != _CALLED:
            return []
        if inside == _THOUGHT:
            return [Reasoning(rest)]
        return [Text((_CALL if inside else "") + rest)]

    def _plain(self, rest: str, events: list[Event]) -> str:
        """Text up to the next tag; what is left to look at."""
        if self._gap:
            rest = rest.lstrip("\n")
            if not rest:
                return ""
            self._gap = False
        tag, closing = (_CALL, _CALLED) if self._begun else (_THINK, _THOUGHT)
        if not self._begun:
            start = rest.lstrip()
            if start.startswith(_THINK):
                self._inside = closing
                return start[len(_THINK) :]
            if _THINK.startswith(start):
                self._held = rest
                return ""
            self._begun = True
            return rest
        before, found, after = rest.partition(tag)
        if found:
            _say(Text, before, events)
            self._inside = closing
            return after
        cut = len(rest) - _overlap(rest, tag)
        _say(Text, rest[:cut], events)
        self._held = rest[cut:]
        return ""

    def _keep(self, rest: str, events: list[Event]) -> None:
        """The closing tag is not there yet: a thought goes out as it comes, a call waits for its end."""
        if self._inside == _THOUGHT:
            cut = len(rest) - _overlap(rest, _THOUGHT)
            _say(Reasoning, rest[:cut], events)
            self._held = rest[cut:]
        elif len(rest) > _CALL_CHARACTERS:
            self._inside = ""
            events.append(Text(_CALL + rest))
        else:
            self._held = rest


def _say(kind: type[Text] | type[Reasoning], text: str, events: list[Event]) -> None:
    if text:
        events.append(kind(text))


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` may begin `tag`."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:size])), 0)


def _called(text: str) -> Event:
    try:
        call = _decode(text.strip())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Text(_CALL + text + _CALLED)
    arguments = call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode()
    return ToolDelta(index=0, name=call.name, arguments=arguments)
