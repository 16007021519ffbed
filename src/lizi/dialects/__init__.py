"""How partners speak: a request → their HTTP call, their bytes → events, their failures → classes.

Pure. A dialect never forwards what it did not build, and never lets a partner's wording out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lizi.dialects import anthropic, openai_chat
from lizi.types import Call, ChatRequest, Event, Target

__all__ = ["DIALECTS", "Dialect", "ReplyReader"]


class ReplyReader(Protocol):
    """Machine: the bytes of one reply → its events, with `Finish` or `Fault` exactly once. Never raises."""

    unknown_finish: bool
    """Whether the partner gave a reason to stop that no table knows."""
    warned: bool
    """Whether its moderation lets the answer stand and wants no further turn."""

    def feed(self, data: bytes) -> list[Event]:
        """Events of these bytes, as split by the network."""
        ...

    def close(self) -> list[Event]:
        """The body ended; gives a `Fault` if it ended too early."""
        ...


class Dialect(Protocol):
    """One way of speaking: a module with these two names."""

    def encode(self, request: ChatRequest, target: Target) -> Call:
        """The HTTP call for `request`, built from known keys only."""
        ...

    def Reader(self, streamed: bool, status: int, headers: Mapping[str, str], target: Target) -> ReplyReader:
        """A reader for one reply, made when its headers (names in lower case) are there."""
        ...


DIALECTS: dict[str, Dialect] = {"openai_chat": openai_chat, "anthropic": anthropic}
"""By the name that a target carries."""
