"""`ports.Limits` of a worker: from its leases at once, else by one question to the owner.

Never lets anything start that the owner has not deducted: with the owner gone, late or silent, it
refuses (`busy`). Questions of one turn of the loop leave in one write, and returns always leave
before the next question. Bounds: one wait of at most 1 s per request; no queue of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lizi.admission import Ask, Grant, Leases, Refusal
from lizi.edge.channel import Asks, ClaimClosed, Message, Returns
from lizi.errors import Refused
from lizi.ports import Clock
from lizi.types import Caller, Claim, Demand, Ticket, Usage

__all__ = ["OwnerLimits"]

_OWNER_WAIT_S = 1.0
"""The owner answers in well under a millisecond; one that takes a second is not there."""
_RETURN_S = 0.005
"""Differences of finished exchanges wait this long for company, unless the app's streams are limited."""
_SWEEP_S = 0.05
"""Half a lease's life: an unused lease is back with the owner at most 150 ms after it was granted."""


class _Unanswered(Exception):
    """No usable answer from the owner in time."""


class OwnerLimits:
    """`lizi.ports.Limits`. Belongs to one loop; `send` writes messages to the owner in order."""

    def __init__(self, send: Callable[..., None], clock: Clock) -> None:
        self._send = send
        self._clock = clock
        self._leases = Leases()
        self._waiting: dict[int, asyncio.Future[Ticket | Refusal | None]] = {}
        self._asks: list[Ask] = []
        self._closed_claims: list[Message] = []
        self._flush_at: asyncio.Handle | None = None
        self._soon = False
        self._sweep_at: asyncio.TimerHandle | None = None
        self._gone = False

    @property
    def in_flight(self) -> int:
        """Exchanges that hold a reservation."""
        return self._leases.in_flight

    async def reserve(self, caller: Caller, demand: Demand, claim: Claim | None) -> Ticket:
        """See `lizi.ports.Limits.reserve`. Awaits nothing when the lease suffices."""
        clock = self._clock
        now = clock.monotonic()
        taken = self._leases.take(caller, demand, now, clock.now(), claimed=claim is not None)
        if isinstance(taken, Ticket):
            if self._leases.runs_out(caller.app, now):
                self._question(self._leases.ask(caller, demand, ahead=True))
            return taken
        if taken is not None:
            raise taken.error()
        try:
            return await self._ask(caller, demand, claim, now + _OWNER_WAIT_S)
        except (_Unanswered, asyncio.CancelledError) as end:
            if claim is not None:
                # Whether the owner saw it or not: nothing ran, so a repeat may.
                self._closed_claims.append(ClaimClosed(claim.key_hash, claim.exchange_id, None))
                self._flush_soon()
            if isinstance(end, asyncio.CancelledError):
                raise
            raise Refused(
                "The service can't check this app's limits right now.", code="busy", retry_after_s=1.0, hint="Try again in a second."
            ) from None

    async def _ask(self, caller: Caller, demand: Demand, claim: Claim | None, deadline_mono: float) -> Ticket:
        """Ask the owner; again if its grant came after the grant's own end (a loop held up)."""
        loop = asyncio.get_running_loop()
        while (left := deadline_mono - self._clock.monotonic()) > 0 and self._owner_there():
            ask = self._leases.ask(caller, demand, claim)
            if ask is None:
                break
            answer: asyncio.Future[Ticket | Refusal | None] = loop.create_future()
            self._waiting[ask.id] = answer
            self._question(ask)
            timer = loop.call_later(left, _expire, answer)
            try:
                outcome = await answer
            except asyncio.CancelledError:
                if answer.done() and not answer.cancelled() and isinstance(ticket := answer.result(), Ticket):
                    # Cancelled in the very turn in which the ticket came.
                    self._leases.release(ticket)
                    self._flush_soon()
                raise
            finally:
                timer.cancel()
                self._waiting.pop(ask.id, None)
                self._leases.abandon(ask.id)
            if isinstance(outcome, Ticket):
                return outcome
            if outcome is not None:
                raise outcome.error()
        raise _Unanswered

    def _owner_there(self) -> bool:
        return not self._gone

    def answered(self, answers: list[Grant | Refusal]) -> None:
        """The owner's answers, from the channel."""
        now, at = self._clock.monotonic(), self._clock.now()
        for answer in answers:
            outcome = self._leases.answered(answer, now, at)
            future = self._waiting.pop(answer.id, None)
            if future is not None and not future.done():
                future.set_result(outcome)
            elif isinstance(outcome, Ticket):
                self._leases.release(outcome)
        self._flush_later()
        if self._sweep_at is None and self._leases.leases:
            self._sweep_at = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def settle(self, ticket: Ticket, usage: Usage, charged_micros: int, outcome: str) -> None:
        """See `lizi.ports.Limits.settle`."""
        if not self._leases.settle(ticket, usage.input_tokens + usage.output_tokens, charged_micros):
            return
        if ticket.claim is not None:
            self._closed_claims.append(ClaimClosed(ticket.claim.key_hash, ticket.claim.exchange_id, outcome))
        if ticket.demand.streams or ticket.claim is not None:
            # Somebody may wait for just this place.
            self._flush_soon()
        else:
            self._flush_later()

    def closed(self) -> None:
        """The owner is gone: whoever waits is refused, and so is everybody after."""
        self._gone = True
        self._leases.expire(float("inf"))
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)
        for handle in (self._flush_at, self._sweep_at):
            if handle is not None:
                handle.cancel()

    def flush(self) -> None:
        """Write what is owed, then what is asked."""
        if self._flush_at is not None:
            self._flush_at.cancel()
        self._flush_at, self._soon = None, False
        if self._gone:
            return
        messages: list[Message] = []
        returns = self._leases.returns()
        if returns:
            messages.append(Returns(returns))
        if self._closed_claims:
            messages += self._closed_claims
            self._closed_claims = []
        if self._asks:
            messages.append(Asks(self._asks))
            self._asks = []
        if messages:
            self._send(*messages)

    def _question(self, ask: Ask | None) -> None:
        if ask is not None:
            self._asks.append(ask)
            self._flush_soon()

    def _flush_soon(self) -> None:
        """At the end of this turn of the loop, with all that it brings."""
        if not self._soon:
            if self._flush_at is not None:
                self._flush_at.cancel()
            self._soon = True
            self._flush_at = asyncio.get_running_loop().call_soon(self.flush)

    def _flush_later(self) -> None:
        if self._flush_at is None:
            self._flush_at = asyncio.get_running_loop().call_later(_RETURN_S, self.flush)

    def _sweep(self) -> None:
        self._sweep_at = None
        self._leases.expire(self._clock.monotonic())
        self.flush()
        if self._leases.leases:
            self._sweep_at = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)


def _expire(answer: asyncio.Future[Ticket | Refusal | None]) -> None:
    if not answer.done():
        answer.set_result(None)
