"""A worker's side of the limits: takes from leases without asking, asks the owner otherwise.

Never grants what the owner has not deducted; owes every difference exactly once, also when an
answer comes too late or a waiter has gone. Bounds: one lease per app, `_PENDING` open asks.
"""

from __future__ import annotations

from msgspec.structs import replace

from lizi.admission.terms import HOT_REQUESTS, LEASE_S, Ask, Grant, Refusal, Return
from lizi.types import Caller, Claim, Demand, Plan, Ticket

__all__ = ["Leases"]

_REFUSAL_S = 0.02
"""A worker repeats the owner's refusal for this long by itself: a flood costs the owner 50 questions a second per app."""
_PENDING = 20_000
"""Asks that one worker may have open; as many as it has connections by default."""
_FOR_ALL = {"requests", "in_flight"}
"""Refusals that hold for any request of the app, however small."""
_AHEAD_S = 0.03
"""A hot lease is renewed this long before it ends: many round trips to the owner, which take well under 1 ms each."""


class _Source:
    """One grant in a worker's hands: what is left of it, and what waits to be returned."""

    __slots__ = ("back", "dirty", "grant", "leased", "money", "plan", "requests", "streams", "tokens")

    def __init__(self, grant: Grant, plan: Plan) -> None:
        self.grant = grant
        self.plan = plan
        self.requests, self.tokens = grant.requests, grant.tokens
        self.money, self.streams = grant.money_micros, grant.streams
        self.back = [0, 0, 0, 0, 0, 0, 0]
        self.dirty = False
        self.leased = grant.requests > 1


class _Line:
    """One app as a worker sees it."""

    __slots__ = ("ahead", "asked", "count", "lease", "rate", "refusal", "refused_until", "seen", "since")

    def __init__(self, now: float) -> None:
        self.lease: _Source | None = None
        self.refusal: Refusal | None = None
        self.asked: tuple[Caller, Demand] | None = None
        self.refused_until = 0.0
        self.ahead = False
        self.rate, self.count = 0.0, 0
        self.since = self.seen = now


class Leases:
    """A worker's side: takes from leases without asking, and owes the owner every difference once.

    A machine: `take` or `ask` → `answered` → `settle`; `returns` drains what is owed. Never raises for an
    unknown answer or a second settlement. Bound: one lease per app, `_PENDING` open asks.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._pending: dict[int, tuple[Caller, Demand, Claim | None, bool]] = {}
        self._tickets: dict[int, _Source] = {}
        self._dirty: list[_Source] = []
        self._next = 0

    @property
    def in_flight(self) -> int:
        """Tickets not yet settled."""
        return len(self._tickets)

    @property
    def leases(self) -> int:
        """Leases that are open and will have to be expired."""
        return sum(line.lease is not None for line in self._lines.values())

    def take(self, caller: Caller, demand: Demand, now: float, at: float, *, claimed: bool = False) -> Ticket | Refusal | None:
        """From the lease if it suffices; a refusal that still holds; or None: ask the owner.

        `claimed`: an Idempotency-Key comes with it, which only the owner can judge.
        """
        line = self._lines.get(caller.app)
        if line is None:
            line = self._lines[caller.app] = _Line(now)
        line.count += 1
        line.seen = now
        elapsed = now - line.since
        if elapsed >= LEASE_S:
            # Half of the old rate smooths bursts; after a second of silence it says nothing any more.
            fresh = line.count / elapsed
            line.rate = fresh if elapsed > 1.0 else (line.rate + fresh) / 2
            line.count, line.since = 0, now
        lease = line.lease
        if lease is not None and not claimed and now < lease.grant.expires_mono and _fits(lease, demand) and _same(lease.plan, caller.plan):
            ticket = self._ticket(lease, caller.app, demand, at, None)
            if lease.requests == 0:
                self._end(lease)
                line.lease = None
            return ticket
        refusal = line.refusal
        if refusal is not None and now < line.refused_until and line.asked is not None:
            refused, least = line.asked
            if _same(refused.plan, caller.plan) and (refusal.which in _FOR_ALL or _at_least(demand, least)):
                return refusal
        return None

    def runs_out(self, app: str, now: float) -> bool:
        """Whether a hot app's lease should be renewed now, ahead of need."""
        line = self._lines[app]
        lease = line.lease
        if lease is None or line.ahead or line.rate * LEASE_S < HOT_REQUESTS:
            return False
        return lease.requests * 4 <= lease.grant.requests or lease.grant.expires_mono - now < _AHEAD_S

    def ask(self, caller: Caller, demand: Demand, claim: Claim | None = None, *, ahead: bool = False) -> Ask | None:
        """The question to the owner; None when too many are open already."""
        if len(self._pending) >= _PENDING:
            return None
        line = self._lines[caller.app]
        line.ahead = line.ahead or ahead
        self._next += 1
        self._pending[self._next] = (caller, demand, claim, ahead)
        elapsed = line.seen - line.since
        # A flood shows before its first tenth of a second is over: eight requests are no chance.
        rate = max(line.rate, line.count / elapsed) if line.count >= 8 and elapsed > 0 else line.rate
        key_hash, exchange_id, others = (claim.key_hash, claim.exchange_id, claim.others) if claim is not None else ("", "", ())
        return Ask(
            self._next,
            caller.app,
            _bare(caller.plan),
            demand.tokens,
            demand.money_micros,
            demand.streams,
            rate,
            ahead,
            key_hash,
            exchange_id,
            others,
        )

    def abandon(self, ask_id: int) -> None:
        """Nobody waits for this answer any more: whatever it grants goes back."""
        self._pending.pop(ask_id, None)

    def answered(self, answer: Grant | Refusal, now: float, at: float) -> Ticket | Refusal | None:
        """The owner's answer → a ticket for who asked; None if the grant came too late or nobody waits."""
        pending = self._pending.pop(answer.id, None)
        if pending is None:
            if isinstance(answer, Grant):
                self._end(_Source(answer, Plan()))
            return None
        caller, demand, claim, ahead = pending
        line = self._lines[caller.app]
        line.ahead = line.ahead and not ahead
        if isinstance(answer, Refusal):
            if not ahead and answer.which != "claims":
                wait = _REFUSAL_S if answer.retry_after_s is None else min(_REFUSAL_S, answer.retry_after_s)
                line.refusal, line.asked, line.refused_until = answer, (caller, demand), now + wait
            return answer
        source = _Source(answer, caller.plan)
        ticket = None
        fresh = now < answer.expires_mono
        if fresh and not ahead:
            ticket = self._ticket(source, caller.app, demand, at, claim)
        if fresh and source.leased:
            if line.lease is not None:
                self._end(line.lease)
            line.lease, line.refusal = source, None
        else:
            self._end(source)
        return ticket

    def _ticket(self, source: _Source, app: str, demand: Demand, at: float, claim: Claim | None) -> Ticket:
        source.requests -= 1
        source.tokens -= demand.tokens
        source.money -= demand.money_micros
        source.streams -= demand.streams
        self._next += 1
        self._tickets[self._next] = source
        grant = source.grant
        return Ticket(
            id=self._next,
            app=app,
            demand=demand,
            reserved_at=at,
            quota_state="nearing" if grant.nearing else "ok",
            quota_resets_at=grant.resets_at if grant.nearing else None,
            claim=claim,
        )

    def settle(self, ticket: Ticket, tokens: int, money_micros: int) -> bool:
        """Owe the owner what was not used of `ticket`. False, and no effect, the second time."""
        return self._close(ticket, 0, tokens, money_micros)

    def release(self, ticket: Ticket) -> bool:
        """Owe all of `ticket`, its request too: nothing was started with it."""
        return self._close(ticket, 1, 0, 0)

    def _close(self, ticket: Ticket, requests: int, tokens: int, money_micros: int) -> bool:
        source = self._tickets.pop(ticket.id, None)
        if source is None:
            return False
        demand = ticket.demand
        self._owe(source, requests, demand.tokens - tokens, demand.money_micros - money_micros, demand.streams, 1, 0)
        line = self._lines[ticket.app]
        if line.refusal is not None and line.refusal.which in {"streams", "in_flight", "tokens"}:
            line.refusal = None
        return True

    def _end(self, source: _Source) -> None:
        """What is left of a grant goes back; with nothing left, only the end of the lease is told."""
        self._owe(source, source.requests, source.tokens, source.money, source.streams, source.requests, int(source.leased))
        source.requests = source.tokens = source.money = source.streams = 0
        source.leased = False

    def _owe(self, source: _Source, requests: int, tokens: int, money: int, streams: int, places: int, leases: int) -> None:
        back = source.back
        back[0] += requests
        back[1] += tokens
        back[2] += money
        back[3] += streams
        back[4] += places
        back[5] += leases
        back[6] += leases * source.grant.requests
        if not source.dirty:
            source.dirty = True
            self._dirty.append(source)

    def expire(self, now: float) -> None:
        """End the leases whose time is over."""
        for line in self._lines.values():
            lease = line.lease
            if lease is not None and now >= lease.grant.expires_mono:
                self._end(lease)
                line.lease = None

    def returns(self) -> list[Return]:
        """Everything owed, once; must reach the owner before any later ask."""
        owed = []
        for source in self._dirty:
            grant = source.grant
            if any(source.back):
                owed.append(Return(grant.app, grant.slot, grant.day_start, grant.month_start, *source.back))
                source.back = [0] * 7
            source.dirty = False
        self._dirty.clear()
        return owed


def _fits(lease: _Source, demand: Demand) -> bool:
    return lease.requests > 0 and lease.tokens >= demand.tokens and lease.money >= demand.money_micros and lease.streams >= demand.streams


def _at_least(demand: Demand, least: Demand) -> bool:
    return demand.tokens >= least.tokens and demand.money_micros >= least.money_micros and demand.streams >= least.streams


def _same(left: Plan, right: Plan) -> bool:
    """Two keys of one app may have different plans; a lease is for one of them."""
    return left is right or left == right


def _bare(plan: Plan) -> Plan:
    """The plan without its model list, which the owner doesn't need on each ask."""
    return plan if plan.models is None else replace(plan, models=None)
