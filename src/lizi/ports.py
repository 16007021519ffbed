"""What the corridor awaits. Five Protocols, three methods at most; the wall implements them.

Each has a port suite in tests/conformance that any implementation must pass, the fakes of
`lizi.testing` first.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from lizi.types import Call, Caller, Claim, Demand, Exchange, Ticket, Usage


class Reply(Protocol):
    """A partner's answer, headers first. Closing it before its end cancels the request there."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case. A repeated header keeps its first value."""

    async def read(self, deadline_mono: float) -> bytes:
        """The next bytes of the body as they arrived; `b""` at its end.

        Raises `PartnerError` (`upstream_timeout` past the deadline, `stream_cut` when the
        connection ended before the body did, `upstream_failed` for broken HTTP).
        """
        ...


class Upstream(Protocol):
    """Asks a partner over HTTP."""

    def ask(self, call: Call, *, connect_deadline_mono: float, headers_deadline_mono: float) -> AbstractAsyncContextManager[Reply]:
        """Send `call`; the context is entered when the response's headers are there.

        Leaving the context early (client gone, failover) closes the partner's connection at
        once, before or after its headers; a fully read reply gives its connection back to the
        pool. Redirects are never followed. Raises `PartnerError` with `retry=OTHER_TARGET`.
        """
        ...


class Limits(Protocol):
    """The counters that must be right across workers."""

    async def reserve(self, caller: Caller, demand: Demand, claim: Claim | None) -> Ticket:
        """Take one request, `demand` and a place in flight, or raise `Refused` at once (never queues).

        With a `claim`, the idempotency key is claimed first: a repeat raises `InvalidRequest`
        `idempotency_conflict` whose `extra` holds the first `exchange_id` and its `state` (`open`, or
        its outcome). A claim whose reservation is refused is let go: nothing ran, so a repeat may.
        """
        ...

    def settle(self, ticket: Ticket, usage: Usage, charged_micros: int, outcome: str) -> None:
        """Give back what was not used and close the claim. Synchronous, never raises: cancellation can't skip it."""
        ...


class Journal(Protocol):
    """Ledger and audit behind a bounded queue."""

    def room(self) -> bool:
        """Whether one more exchange can be recorded. False means: refuse new work, lose none."""
        ...

    async def intend(self, exchange: Exchange) -> None:
        """`durability = "strict"`: returns once the intent is on disk. A no-op when batched."""
        ...

    def append(self, exchange: Exchange) -> None:
        """Record a finished exchange and its attempts. Synchronous; the room was kept by `room`."""
        ...


class Images(Protocol):
    """Takes out of a picture what it says beside what it shows."""

    async def clean(self, url: str, deadline_mono: float) -> str:
        """The picture of a `data:` URL as another `data:` URL, PNG or JPEG: its pixels, upright, and nothing else of the file.

        Base64 in and out, since ten megabytes of it are work as well. The same picture gives the same answer.
        Never fetches anything. Raises `InvalidRequest` `unsupported_content` for what is broken, too large or of no type
        that is taken; `Refused` `busy` at once when too many wait, and past the deadline. Leaving early ends the work.
        """
        ...


class Clock(Protocol):
    """Time and names."""

    def now(self) -> float:
        """Unix time in seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; shared by all processes of the machine."""
        ...

    def new_id(self, prefix: str) -> str:
        """A fresh, unguessable id: `prefix` + 26 characters, no information in it."""
        ...
