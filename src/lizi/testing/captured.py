"""What a scripted partner notes of its clients, and what of a request decides the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from lizi.testing.behaviours import Asked, Behaviour

__all__ = ["Captured", "Departure", "Script", "asked_of"]


class Captured(Struct, kw_only=True):
    """One request as it arrived."""

    number: int
    head: bytes
    """Request line and headers, raw, with the empty line."""
    body: bytes
    at_mono: float
    asked: Asked
    in_flight: int = 1
    """Requests under way at its arrival, itself among them."""

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode("latin-1")

    @property
    def path(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case; a repeated header keeps its first value."""
        found: dict[str, str] = {}
        for line in self.head.split(b"\r\n")[1:]:
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                found.setdefault(name.strip().lower(), value.strip())
        return found

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Departure(Struct, frozen=True, kw_only=True):
    """A client closed its connection before the end of its answer."""

    number: int
    """Of the request."""
    at_mono: float
    after_steps: int
    """Writes that it had been sent, the header block being the first; 0: it left before any byte."""


Script: TypeAlias = Behaviour | Sequence[Behaviour] | Callable[[Captured], Behaviour]


class _StreamOptions(Struct):
    include_usage: bool = False


class _Format(Struct):
    type: str = "text"


class _Body(Struct):
    model: str = "unknown"
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    response_format: _Format | None = None
    tool_choice: Any = None


_decode_body = msgspec.json.Decoder(_Body).decode


def asked_of(body: bytes) -> Asked:
    """What of a request's body decides the bytes of its answer. Raises `msgspec.MsgspecError` for what is no request."""
    read = _decode_body(body)
    options, choice = read.stream_options, read.tool_choice
    forced = choice.get("name", "") if isinstance(choice, dict) and choice.get("type") == "tool" else ""
    return Asked(
        read.model,
        bool(read.stream),
        options is not None and options.include_usage,
        bool(forced) or (read.response_format is not None and read.response_format.type == "json_schema"),
        forced,
    )
