"""A partner's reply as every family reads it: whole or streamed, one JSON object at a time, with exactly one end.

A machine to build a reader on: it finds out which form the body has, frames it, classifies failures, and sees to it that a
`Finish` or a `Fault` comes once. Never raises, never repeats a partner's wording. What an object means is the family's: it
gives `_payload`. Bounds: 8 MiB an event, 16 MiB a whole reply, 64 KiB of an error.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import msgspec

from lizi.dialects.classes import ERROR_BODY_BYTES, classify, error_of
from lizi.types import Event, Fault, Finish, Json, Retract, Target, Usage
from lizi.wire.sse import SseReader

__all__ = ["MOST_TOKENS", "TOOL_CALLS", "Body", "fitting"]

MOST_TOKENS = 1_000_000_000
"""A report beyond this is a defect, not a bill."""
TOOL_CALLS = 128
"""As many as there may be tools."""
_WHOLE_BYTES = 16 * 1024 * 1024  # far above any text answer
_SNIFFED_BYTES = 4096  # a stream under a wrong content type shows itself at once


class Body(ABC):
    """The machine: `feed` bytes, `close` at their end. After a `Fault`, or once `_ended` is set, there is nothing more."""

    __slots__ = (
        "_ended",
        "_facts",
        "_finished",
        "_headers",
        "_held",
        "_held_bytes",
        "_said",
        "_sse",
        "_status",
        "_usage",
        "unknown_finish",
        "warned",
    )

    def __init__(self, streamed: bool, status: int, headers: Mapping[str, str], target: Target) -> None:
        """`headers` in lower case. Streamed or not does not matter: a reply is read as what it is."""
        self._facts = target.facts
        self._status = status
        self._headers = headers
        events_come = headers.get("content-type", "").lower().startswith("text/event-stream")
        self._sse = SseReader() if events_come and status < 300 else None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._said = False
        self._usage: Usage | None = None
        self._finished = False
        self._ended = False
        self.unknown_finish = False
        """The partner named a reason to stop that is in no table."""
        self.warned = False
        """The partner's moderation lets the answer stand and wants no further turn of this conversation."""

    @abstractmethod
    def _payload(self, payload: bytes, events: list[Event], broken: str = "server_error") -> None:
        """What one JSON object says: an event's payload, or a whole reply. `broken`: the class if it is none."""

    def feed(self, data: bytes) -> list[Event]:
        """Events of these bytes."""
        events: list[Event] = []
        sse = self._sse
        if sse is None:
            sse = self._hold(data, events)
            if sse is None:
                return events
            data, self._held = b"".join(self._held), []
        for payload in sse.feed(data):
            if self._ended:
                return events  # bytes after the end are nobody's
            self._payload(payload, events)
        if sse.fault is not None and not self._ended:
            self._fail("server_error", events)
        return events

    def close(self) -> list[Event]:
        """The body ended."""
        events: list[Event] = []
        if self._ended:
            return events
        rest = b"".join(self._held)
        self._held.clear()
        if self._status >= 300:
            self._ended = True
            events.append(Fault(classify(self._status, self._headers, rest, self._facts)))
        elif self._sse is not None:
            for payload in self._sse.close():
                # The reply ended without closing this event: half a chunk means cut, not garbage.
                self._payload(payload, events, broken="truncated")
        else:
            self._payload(rest, events, broken="server_error" if rest.strip() else "truncated")
        self._done(events)
        return events

    def _hold(self, data: bytes, events: list[Event]) -> SseReader | None:
        """Keep a whole reply or an error's body. Gives a reader as soon as it is clear that it is a stream."""
        if self._ended:
            return None
        if self._status >= 300:
            data = data[: ERROR_BODY_BYTES - self._held_bytes]
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _WHOLE_BYTES:
            self._held.clear()
            self._fail("server_error", events)
        elif self._status < 300 and self._held_bytes - len(data) < _SNIFFED_BYTES:
            start = b"".join(self._held).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
            if start and start in b"deir:":  # data, event, id, retry or a comment
                self._sse = SseReader()
        return self._sse

    # --- the end ---

    def _withdraw(self, events: list[Event]) -> None:
        """The partner takes its answer back: what was shown has to go, and there will be no other."""
        if not self._finished:
            self._finished = True
            events += (Retract(replacement="", reason_class="content"), Finish("content_filter"))
        self._ended = True

    def _done(self, events: list[Event]) -> None:
        """The stream says that it ended, or did end; without a finish that is a cut."""
        if not self._ended:
            if not self._finished:
                self._fail("truncated", events)
            self._ended = True

    def _fail(self, name: str, events: list[Event]) -> None:
        self._ended = True
        if name == "policy_input" and self._said:
            name = "policy_output"  # partners use one code for both; once it speaks, the question has passed
        if not self._finished:  # an answered request stays answered, whatever follows
            events.append(Fault(error_of(name)))


def fitting(value: Json, kind: Any) -> Any:
    """`value` as `kind`; `None` for one of another type: an odd field costs only itself."""
    try:
        return None if value is None else msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None
