"""A partner that shows whose it is wherever a partner can say something: what the hidden-partner suite is tried against.

`branded` puts a `Brandmark` into what a script answers: status text, headers, trailers, comments and fields of the stream, ids, model,
fingerprint, errors, text, reasoning and tool calls. What the script shows besides stays. Pure. Bound: one answer made for each of the
script's, as many as `_KEPT`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lizi.config import built_in
from lizi.testing.behaviours import Behaviour, Mark
from lizi.testing.captured import Captured, Script

__all__ = ["Brandmark", "branded", "introductions", "mark_of"]

Json = Any
_KEPT = 512
"""Answers by identity; past it all are made anew."""
_LENT = {"openai_chat": "deepseek", "vllm": "qwen", "sglang": "qwen", "llamacpp": "kimi"}
"""Records that are nobody's: whose model runs there."""
_INTRODUCTIONS = (
    "I am {name}, made by {maker}. ",
    "我是{name}，由{maker}开发的人工智能助手。",
    "As an AI model developed by {maker}, I can say this. ",
    "我是{maker}訓練的語言模型{name}。",
    "Hello! My name is {name}. ",
    "作为由{maker}开发的AI助手，我想说：",
    "I'm {name}, a large language model trained by {maker}, and I was asked this. ",
)
_LINKS = (
    "See [the page](https://{domain}/chat?from={request}). ",
    "![](https://{domain}/pixel.gif?r={request}) ",
    "![.](https://track.example/{model}/{request}.gif) ",
    '<img src="https://track.example/p.gif?m={model}" width="1" height="1"> ',
    "More: https://www.{domain}/app?r={request} ",
    '<a href="https://{domain}/x">Read on</a>. ',
)


class Brandmark(Struct, frozen=True, kw_only=True):
    """What must not reach a device."""

    names: tuple[str, ...]
    makers: tuple[str, ...]
    domains: tuple[str, ...]
    model: str
    host: str = "gw-17.internal.acme.example"
    request: str = "acme-7781-5f0e"

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """As gateways set them; values that a header may hold."""
        plain = next((word for word in (*self.names, *self.makers) if word.isascii()), self.model)
        return (
            ("server", f"{plain}-gateway/3.1"),
            ("via", f"1.1 {self.host}"),
            ("x-request-id", self.request),
            ("x-served-by", self.host),
            ("x-model", self.model),
            ("openai-organization", f"{plain} org"),
            ("openai-processing-ms", "7781"),
            ("server-timing", f'inference;desc="{self.model}";dur=7781'),
            ("set-cookie", f"seen={self.request}; domain={self.domains[0]}"),
            ("link", f'<https://{self.domains[0]}/docs>; rel="help"'),
            ("alt-svc", f'h3="{self.host}:443"'),
            ("x-powered-by", plain),
        )

    @property
    def words(self) -> tuple[str, ...]:
        """Each of them, to be looked for."""
        said = (self.model, self.host, self.request, "track.example", "x-powered-by", "x-served-by", "server-timing", "x-model")
        return (*self.names, *self.makers, *self.domains, *said, *(value for name, value in self.headers if name != "openai-processing-ms"))


def mark_of(dialect: str, model: str) -> Brandmark:
    """Of the record `dialect`; of a known partner's whose model may run there where the record names none."""
    brand = built_in()[_LENT.get(dialect, dialect)].brand
    return Brandmark(names=brand.names, makers=brand.makers, domains=brand.domains, model=model)


def introductions(mark: Brandmark, number: int) -> str:
    """The `number`th way to name oneself and to lead away from the feature; every name, maker and domain has its turn."""
    fields = {
        "name": mark.names[number % len(mark.names)],
        "maker": mark.makers[number % len(mark.makers)],
        "domain": mark.domains[number % len(mark.domains)],
        "model": mark.model,
        "request": mark.request,
    }
    said = _INTRODUCTIONS[number % len(_INTRODUCTIONS)] + _LINKS[number % len(_LINKS)]
    return said.format(**fields)


def branded(script: Script, mark: Brandmark, number: int = 0) -> Script:
    """`script` in its partner's name. `number` chooses the words."""
    if isinstance(script, Behaviour):
        return _branded(script, mark, number)
    if callable(script):
        return _Branded(script, mark, number)
    return [_branded(behaviour, mark, number + at) for at, behaviour in enumerate(script)]


class _Branded:
    """A script that remembers; each of its answers is made once, since its bytes are kept by its identity."""

    def __init__(self, script: Callable[[Captured], Behaviour], mark: Brandmark, number: int) -> None:
        self._script, self._mark, self._number = script, mark, number
        self._made: dict[int, tuple[Behaviour, Behaviour]] = {}

    def __call__(self, captured: Captured) -> Behaviour:
        behaviour = self._script(captured)
        found = self._made.get(id(behaviour))
        if found is None:
            if len(self._made) >= _KEPT:
                self._made.clear()
            # The first stays, so that its id is its own.
            found = self._made[id(behaviour)] = behaviour, _branded(behaviour, self._mark, self._number + len(self._made))
        return found[1]


def _branded(b: Behaviour, mark: Brandmark, number: int) -> Behaviour:
    said = introductions(mark, number)
    name, maker = mark.names[number % len(mark.names)], mark.makers[number % len(mark.makers)]
    changes: dict[str, Any] = {
        "reason": f"{b.reason} ({mark.model} at {mark.host})",
        "headers": b.headers + mark.headers,
        "sse_lines": (f": {name} by {maker}, {mark.model}", f": {mark.host}", f"id: {mark.request}"),
        "trailers": (("x-model", mark.model), ("x-request-id", mark.request)),
        "model": b.model or f"{mark.model}-{mark.request}",
        "marks": (
            *b.marks,
            Mark(
                chunk={
                    "id": f"chatcmpl-{mark.request}",
                    "system_fingerprint": f"fp_{mark.model}",
                    "provider": {"name": name, "maker": maker, "host": mark.host},
                    "x_request_id": mark.request,
                },
                choice={"served_by": name, "logprobs": {"content": [{"token": name, "logprob": -0.1, "top_logprobs": []}]}},
            ),
        ),
        "tools": tuple(replace(call, id=f"call_{mark.request}_{call.id}") for call in b.tools),
    }
    # JSON and calls written into the text are to be read by a program: what may stand in their strings is tried apart. A text whose
    # pieces come in another order, or cut and twice, holds no sentence that anybody could read.
    if b.text and b.text[0] not in "{<" and not b.swap_chunks:
        changes["text"] = said + b.text
        if b.duplicate_chunks:
            changes["chunks"] = 1
    if not (b.reasoning or b.swap_chunks or b.duplicate_chunks or b.body or b.error):
        changes["reasoning"] = f"I am {name} of {maker}, at {mark.host}."
    if b.error is not None:
        changes["error"] = _signed(b.error, mark, f"{name} ({maker})")
    if b.error_event is not None:
        changes["error_event"] = _signed(b.error_event, mark, f"{name} ({maker})")
    if b.body is not None:
        changes["body"] = b.body.replace(b"acme", mark.model.encode())
    return replace(b, **changes)


def _signed(tree: Json, mark: Brandmark, name: str) -> Json:
    """An error with more words and more fields at every level, of which none says what went wrong."""
    if not isinstance(tree, dict):
        return tree
    more = f" Call {name}: {mark.model}, https://{mark.domains[0]}/errors, {mark.host}, {mark.request}"
    made = {
        field: value + more if field in ("message", "status_msg") and isinstance(value, str) else _signed(value, mark, name)
        for field, value in tree.items()
    }
    return msgspec.to_builtins(made) | {"served_by": name, "trace": {"host": mark.host, "request_id": mark.request, "model": mark.model}}
