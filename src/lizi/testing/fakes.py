"""Fakes of the ports, in process: a scripted upstream, limits, a journal, a cleaner of images.

They keep what happened as plain lists, so that a test asserts values instead of calls. No socket,
no thread, no real waiting. Each passes the port suite of its port where that needs no wall.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from lizi.edge import picture
from lizi.errors import InvalidRequest, LiziError, PartnerError, Refused, Retry
from lizi.testing.behaviours import Asked, Behaviour
from lizi.testing.rendering import render
from lizi.types import Call, Caller, Claim, Demand, Exchange, Ticket, Usage

__all__ = ["FakeImages", "FakeLimits", "FakeReply", "FakeUpstream", "MemoryJournal"]

FaultKind: TypeAlias = Literal["timeout", "cut", "broken_http", "hang"]
CONNECTING, HEADERS = -2, -1
"""Values of `FakeReply.fault_at` before the first read."""


class FakeReply(Struct, frozen=True, kw_only=True):
    """One scripted answer: each of `pieces` is what one `read` returns.

    `fault_at` is the position at which `fault` happens: `CONNECTING`, `HEADERS`, or the number of
    reads that succeed before it (`len(pieces)` is the read that would have returned the end).
    `hang` waits until it is cancelled.
    """

    status: int = 200
    headers: Mapping[str, str] = msgspec.field(default_factory=lambda: {"content-type": "application/json"})
    pieces: tuple[bytes, ...] = ()
    fault_at: int | None = None
    fault: FaultKind = "cut"

    @staticmethod
    def of(behaviour: Behaviour, asked: Asked, seed: int = 0) -> FakeReply:
        """What a real client would read from a scripted partner with this behaviour, a piece an event.

        Faults of a stream become the fault that a client reports; gzip and floods are for real sockets only.
        """
        plain = msgspec.structs.replace(behaviour, transfer="eof")
        rendering = render(plain, asked, seed)
        if behaviour.fault == "close_before_headers":
            return FakeReply(fault_at=HEADERS, fault="cut")
        if behaviour.fault == "garbage_head":
            return FakeReply(fault_at=HEADERS, fault="broken_http")
        lines = rendering.steps[0].data.split(b"\r\n")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                headers.setdefault(name.lower(), value.strip())
        pieces = tuple(step.data for step in rendering.steps[1:])
        fault: FaultKind | None = None
        if behaviour.fault in ("cut", "reset"):
            fault = "cut"
        elif behaviour.fault == "stall":
            fault = "hang"
        elif behaviour.fault == "garbage_chunk":
            fault = "broken_http"
        return FakeReply(
            status=int(lines[0].split(b" ", 2)[1]),
            headers=headers,
            pieces=pieces,
            fault_at=None if fault is None else len(pieces),
            fault=fault or "cut",
        )


_FAULTS: dict[FaultKind, tuple[str, str, str]] = {
    "timeout": ("upstream_timeout", "timeout_read", "The feature took too long to answer."),
    "cut": ("stream_cut", "cut", "The answer broke off."),
    "broken_http": ("upstream_failed", "broken_http", "The feature could not be reached."),
}


async def _fail(kind: FaultKind) -> None:
    if kind == "hang":
        await asyncio.get_running_loop().create_future()
    code, internal, message = _FAULTS[kind]
    raise PartnerError(message, code=code, retry=Retry.OTHER_TARGET, internal=internal)


class _Reply:
    def __init__(self, script: FakeReply) -> None:
        self._script = script
        self.status = script.status
        self.headers = script.headers
        self.position = 0
        self.ended = False

    async def read(self, deadline_mono: float) -> bytes:
        script, position = self._script, self.position
        if script.fault_at == position:
            await _fail(script.fault)
        if position >= len(script.pieces):
            self.ended = True
            return b""
        self.position = position + 1
        return script.pieces[position]


UpstreamScript: TypeAlias = FakeReply | Behaviour | Sequence[FakeReply | Behaviour] | Callable[[Call], FakeReply | Behaviour]


class FakeUpstream:
    """An `Upstream` without a network. A list is used in turn, its last entry stays.

    `calls` holds what was asked; `read_to_end`, `left_early` and `open_now` count how replies were left.
    """

    def __init__(self, script: UpstreamScript | None = None) -> None:
        self._script: UpstreamScript = script if script is not None else Behaviour()
        self.calls: list[Call] = []
        self.read_to_end = 0
        self.left_early = 0
        self.open_now = 0

    def ask(self, call: Call, *, connect_deadline_mono: float, headers_deadline_mono: float) -> AbstractAsyncContextManager[_Reply]:
        """As `lizi.ports.Upstream.ask`."""
        return self._ask(call)

    @asynccontextmanager
    async def _ask(self, call: Call) -> AsyncIterator[_Reply]:
        number = len(self.calls)
        self.calls.append(call)
        entry = self._entry(call, number)
        script = FakeReply.of(entry, _asked(call.body)) if isinstance(entry, Behaviour) else entry
        reply = _Reply(script)
        self.open_now += 1
        try:
            if script.fault_at in (CONNECTING, HEADERS):
                await _fail(script.fault)
            yield reply
        finally:
            self.open_now -= 1
            if reply.ended:
                self.read_to_end += 1
            else:
                self.left_early += 1

    def _entry(self, call: Call, number: int) -> FakeReply | Behaviour:
        script = self._script
        if isinstance(script, FakeReply | Behaviour):
            return script
        if callable(script):
            return script(call)
        return script[min(number, len(script) - 1)]


def _asked(body: bytes) -> Asked:
    tree = msgspec.json.decode(body) if body else {}
    return Asked(
        model=tree.get("model", "unknown"),
        stream=bool(tree.get("stream")),
        include_usage=bool((tree.get("stream_options") or {}).get("include_usage")),
        json_schema=(tree.get("response_format") or {}).get("type") == "json_schema",
    )


class FakeLimits:
    """`Limits` that grant everything up to `places`, or refuse with `refusal` while it is set.

    `settled` keeps `(ticket id, usage, charged_micros, outcome)` in order; a ticket settled twice or
    never taken stands in `mistakes`, since `settle` itself must not raise.
    """

    def __init__(self, places: int = 1_000_000) -> None:
        self.places = places
        self.refusal: Refused | None = None
        self.open: dict[int, Ticket] = {}
        self.demands: list[Demand] = []
        """What was reserved, in order."""
        self.settled: list[tuple[int, Usage, int, str]] = []
        self.mistakes: list[str] = []
        self.claims: dict[tuple[str, str], tuple[str, str]] = {}
        self._claimed: dict[int, tuple[str, str]] = {}
        self._ids = 0

    async def reserve(self, caller: Caller, demand: Demand, claim: Claim | None) -> Ticket:
        """As `lizi.ports.Limits.reserve`."""
        key = None if claim is None else (caller.app, claim.key_hash)
        taken = [] if claim is None else [one for one in (claim.key_hash, *claim.others) if (caller.app, one) in self.claims]
        if taken:
            exchange_id, state = self.claims[caller.app, taken[0]]
            raise InvalidRequest(
                "This Idempotency-Key was already used; the request was not run again.",
                code="idempotency_conflict",
                param="Idempotency-Key",
                hint="Use a new key for a new request.",
                extra={"exchange_id": exchange_id, "state": state},
            )
        if self.refusal is not None:
            raise self.refusal
        if len(self.open) >= self.places:
            raise Refused("Too many requests are under way.", code="busy", retry=Retry.LATER, retry_after_s=1.0)
        self._ids += 1
        ticket = Ticket(id=self._ids, app=caller.app, demand=demand, reserved_at=0.0)
        self.open[ticket.id] = ticket
        self.demands.append(demand)
        if key is not None and claim is not None:
            self.claims[key] = (claim.exchange_id, "open")
            self._claimed[ticket.id] = key
        return ticket

    def settle(self, ticket: Ticket, usage: Usage, charged_micros: int, outcome: str) -> None:
        """As `lizi.ports.Limits.settle`."""
        if self.open.pop(ticket.id, None) is None:
            self.mistakes.append(f"ticket {ticket.id} was settled twice or never taken")
        self.settled.append((ticket.id, usage, charged_micros, outcome))
        key = self._claimed.pop(ticket.id, None)
        if key is not None:
            self.claims[key] = (self.claims[key][0], outcome)


class FakeImages:
    """`Images` by the same decoders, but in this process and at once; it refuses with `refusal` while that is set.

    `cleaned` holds each data: URL that it gave back, in order.
    """

    def __init__(self) -> None:
        self.refusal: LiziError | None = None
        self.cleaned: list[str] = []

    async def clean(self, url: str, deadline_mono: float) -> str:
        """As `lizi.ports.Images.clean`; the deadline can't pass, as nothing is waited for."""
        if self.refusal is not None:
            raise self.refusal
        try:
            self.cleaned.append(picture.clean(url.encode("ascii", "replace")).decode("ascii"))
        except picture.Unfit as unfit:
            raise InvalidRequest(f"the image {unfit}", code="unsupported_content") from None
        return self.cleaned[-1]


class MemoryJournal:
    """A `Journal` in a list. `capacity` bounds what `room` grants; `failure` is raised by `intend`."""

    def __init__(self, capacity: int = 1_000_000) -> None:
        self.capacity = capacity
        self.failure: LiziError | None = None
        self.intents: list[str] = []
        """Ids of exchanges, in the order in which they were intended."""
        self.records: list[Exchange] = []

    def room(self) -> bool:
        """As `lizi.ports.Journal.room`."""
        return len(self.records) < self.capacity

    async def intend(self, exchange: Exchange) -> None:
        """As `lizi.ports.Journal.intend`."""
        if self.failure is not None:
            raise self.failure
        self.intents.append(exchange.id)

    def append(self, exchange: Exchange) -> None:
        """As `lizi.ports.Journal.append`."""
        self.records.append(exchange)
