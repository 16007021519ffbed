"""The owner of all counters: deducts before it grants, and takes back what was not used.

Never waits, never reads a clock, never raises for a refusal. Invariant: charged = used + reserved +
what lies in leases. Bounds: one small record per app, 62 slots per window, `claims_limit` keys.
"""

from __future__ import annotations

from collections import OrderedDict

from lizi.admission.terms import HOT_REQUESTS, LEASE_S, Ask, Grant, Moment, Refusal, Return
from lizi.types import Plan

__all__ = ["Owner"]

_WINDOW_S = 60
_SHARE = 0.025
"""Of what remains, over all workers, in one generation of leases; a worker has two at most: 5 % together."""
_NEARING = 0.8
_SOON_S = 1.0
"""Places in flight come free when somebody finishes, which no clock knows; a second is short and no hammering."""


class _Window:
    """What was charged in the last minute, by second.

    A slot counts until all of it is older than 60 s, and a lease is charged to the second in which
    it ends: no 60 seconds ever hold more than the limit. The cost: room comes back up to 1.1 s late.
    """

    __slots__ = ("slots", "total")

    def __init__(self) -> None:
        self.slots: dict[int, int] = {}
        self.total = 0

    def advance(self, now: float) -> None:
        oldest = int(now) - _WINDOW_S
        while self.slots:
            first = next(iter(self.slots))
            if first >= oldest:
                return
            self.total -= self.slots.pop(first)

    def charge(self, slot: int, amount: int) -> None:
        self.slots[slot] = self.slots.get(slot, 0) + amount
        self.total += amount

    def give_back(self, slot: int, amount: int) -> None:
        """A slot that has left the window took its charge with it."""
        amount = min(amount, self.slots.get(slot, 0))
        if amount:
            self.slots[slot] -= amount
            self.total -= amount

    def frees_in(self, excess: int, now: float) -> float:
        """Seconds until at least `excess` has left by itself."""
        for slot, amount in self.slots.items():
            excess -= amount
            if excess <= 0:
                return slot + _WINDOW_S + 1 - now
        return _WINDOW_S + 1.0


class _App:
    """One app's truth."""

    __slots__ = ("day_micros", "day_start", "month_micros", "month_start", "requests", "streams", "tokens")

    def __init__(self) -> None:
        self.requests = _Window()
        self.tokens = _Window()
        self.streams = 0
        self.day_start = self.month_start = 0.0
        self.day_micros = self.month_micros = 0

    def advance(self, moment: Moment) -> None:
        self.requests.advance(moment.mono)
        self.tokens.advance(moment.mono)
        # Only forward: a wall clock that is set back must not open a spent budget again.
        if moment.day_start > self.day_start:
            self.day_start, self.day_micros = moment.day_start, 0
        if moment.month_start > self.month_start:
            self.month_start, self.month_micros = moment.month_start, 0


class _Held:
    """What one worker holds of one app and loses when it dies."""

    __slots__ = ("leased", "leases", "places", "streams")

    def __init__(self) -> None:
        self.leases = self.leased = self.places = self.streams = 0


class Owner:
    """The truth over all workers. Never waits; every method is O(1) but for a refusal (62 slots)."""

    def __init__(self, *, workers: int, in_flight: int, claims: int = 250_000, claim_life_s: float = 86_400.0) -> None:
        """`claims`: about 300 bytes each, so 75 MB at the most."""
        self.workers = workers
        self.in_flight_limit = in_flight
        self.claims_limit = claims
        self.claim_life_s = claim_life_s
        self.in_flight = 0
        self._leased = 0
        self._apps: dict[str, _App] = {}
        self._held: dict[str, dict[str, _Held]] = {}
        self._claims: OrderedDict[str, tuple[str, str, float]] = OrderedDict()
        self._open_claims: dict[str, set[str]] = {}

    def grant(self, worker: str, ask: Ask, moment: Moment) -> Grant | Refusal:
        """What `ask` needs, and in a hot app some more; or why not. Claims its idempotency key first."""
        if ask.key_hash:
            taken = self._claim(worker, ask, moment.at)
            if taken is not None:
                return taken
        answer = self._grant(worker, ask, moment)
        if ask.key_hash and isinstance(answer, Refusal):
            self.close_claim(worker, ask.key_hash, ask.exchange_id, None)
        return answer

    def _grant(self, worker: str, ask: Ask, moment: Moment) -> Grant | Refusal:
        app = self._apps.get(ask.app)
        if app is None:
            app = self._apps[ask.app] = _App()
        app.advance(moment)
        refusal = self._refusal(app, ask, moment)
        if refusal is not None:
            return refusal
        held = self._held.setdefault(worker, {}).setdefault(ask.app, _Held())
        count = self._size(app, ask, held)
        if ask.ahead and count < HOT_REQUESTS:
            return Refusal(ask.id, "busy", "ahead")
        tokens, money, streams = ask.tokens * count, ask.money_micros * count, ask.streams * count
        slot = int(moment.mono + LEASE_S)
        app.requests.charge(slot, count)
        app.tokens.charge(slot, tokens)
        app.day_micros += money
        app.month_micros += money
        app.streams += streams
        self.in_flight += count
        held.places += count
        held.streams += streams
        if count > 1:
            held.leases += 1
            held.leased += count
            self._leased += count
        nearing, resets_at = self._nearing(app, ask.plan, moment)
        return Grant(
            ask.id, ask.app, slot, app.day_start, app.month_start, moment.mono + LEASE_S, count, tokens, money, streams, nearing, resets_at
        )

    def _refusal(self, app: _App, ask: Ask, moment: Moment) -> Refusal | None:
        plan = ask.plan
        for which, spent, limit, end in (
            ("money_per_month", app.month_micros, plan.money_per_month_micros, moment.month_end),
            ("money_per_day", app.day_micros, plan.money_per_day_micros, moment.day_end),
        ):
            # A free request harms no budget, not even an empty one.
            if limit is not None and 0 < ask.money_micros > limit - spent:
                return Refusal(ask.id, "quota_reached", which, limit, max(end - moment.at, _SOON_S))
        for which, window, limit, need in (
            ("requests", app.requests, plan.requests_per_minute, 1),
            ("tokens", app.tokens, plan.tokens_per_minute, ask.tokens),
        ):
            if limit is not None and need > limit - window.total:
                wait = window.frees_in(window.total + need - limit, moment.mono) if need <= limit else None
                return Refusal(ask.id, "rate_limited", which, limit, wait)
        if plan.streams is not None and ask.streams and app.streams + ask.streams > plan.streams:
            return Refusal(ask.id, "rate_limited", "streams", plan.streams, _SOON_S)
        if self.in_flight >= self.in_flight_limit:
            return Refusal(ask.id, "busy", "in_flight", self.in_flight_limit, _SOON_S)
        return None

    def _size(self, app: _App, ask: Ask, held: _Held) -> int:
        """How many requests like this one the grant holds: one, or what the worker's rate needs within the share."""
        count = int(ask.rate_per_s * LEASE_S)
        if count < HOT_REQUESTS or held.leases >= 2:
            return 1
        plan, share = ask.plan, _SHARE / self.workers
        for spent, limit, need in (
            (app.requests.total, plan.requests_per_minute, 1),
            (app.tokens.total, plan.tokens_per_minute, ask.tokens),
            (app.streams, plan.streams, ask.streams),
            (app.day_micros, plan.money_per_day_micros, ask.money_micros),
            (app.month_micros, plan.money_per_month_micros, ask.money_micros),
            (self.in_flight, self.in_flight_limit, 1),
        ):
            if limit is not None and need:
                count = min(count, int((limit - spent) * share / need))
        # Many hot apps share the places in flight, so their leases have one bound together.
        return max(1, min(count, int(self.in_flight_limit * 2 * _SHARE) - self._leased))

    @staticmethod
    def _nearing(app: _App, plan: Plan, moment: Moment) -> tuple[bool, float]:
        """Whether 80 % of some limit is gone, and when the tightest such limit eases (Unix seconds)."""
        tightest, resets_at = _NEARING, 0.0
        for spent, limit, end in (
            (app.day_micros, plan.money_per_day_micros, moment.day_end),
            (app.month_micros, plan.money_per_month_micros, moment.month_end),
        ):
            if limit and spent / limit >= tightest:
                tightest, resets_at = spent / limit, end
        for window, limit in ((app.requests, plan.requests_per_minute), (app.tokens, plan.tokens_per_minute)):
            if limit and window.total / limit >= tightest:
                tightest = window.total / limit
                excess = window.total - int(_NEARING * limit) + 1
                resets_at = moment.at + window.frees_in(excess, moment.mono)
        return resets_at > 0.0, resets_at

    def give_back(self, worker: str, back: Return, moment: Moment) -> None:
        """Take a grant's amounts back; each exactly once, which the worker's `Leases` sees to."""
        app = self._apps[back.app]
        app.advance(moment)
        held = self._held[worker][back.app]
        app.requests.give_back(back.slot, back.requests)
        if back.tokens >= 0:
            app.tokens.give_back(back.slot, back.tokens)
        else:
            # Used beyond the reservation: known only now, so charged to now.
            app.tokens.charge(int(moment.mono + LEASE_S), -back.tokens)
        if back.day_start == app.day_start:
            app.day_micros -= back.money_micros
        if back.month_start == app.month_start:
            app.month_micros -= back.money_micros
        app.streams -= back.streams
        self.in_flight -= back.places
        self._leased -= back.leased
        held.streams -= back.streams
        held.places -= back.places
        held.leases -= back.leases
        held.leased -= back.leased

    def drop(self, worker: str) -> None:
        """A worker is gone: its places come free, its requests, tokens and money stay charged, its claims end."""
        for name, held in self._held.pop(worker, {}).items():
            self._apps[name].streams -= held.streams
            self.in_flight -= held.places
            self._leased -= held.leased
        for key_hash in self._open_claims.pop(worker, set()):
            exchange_id, _, at = self._claims[key_hash]
            self._claims[key_hash] = (exchange_id, "internal", at)

    def restore(self, app: str, moment: Moment, *, day_micros: int, month_micros: int) -> None:
        """At start: what the ledger says was spent in the periods around `moment`."""
        state = self._apps.setdefault(app, _App())
        state.advance(moment)
        state.day_micros += day_micros
        state.month_micros += month_micros

    def restore_claim(self, key_hash: str, exchange_id: str, state: str, at: float) -> None:
        """At start: an idempotency key from the ledger, oldest first."""
        self._claims[key_hash] = (exchange_id, state, at)
        if len(self._claims) > self.claims_limit:
            self._claims.popitem(last=False)

    def _claim(self, worker: str, ask: Ask, at: float) -> Refusal | None:
        while self._claims:
            oldest = next(iter(self._claims))
            _, state, began_at = self._claims[oldest]
            if at - began_at < self.claim_life_s or state == "open":
                break
            del self._claims[oldest]
        first = self._claims.get(ask.key_hash)
        for other in ask.other_hashes:
            first = first or self._claims.get(other)
        if first is not None and first[0] != ask.exchange_id:
            return Refusal(ask.id, "idempotency_conflict", "claims", 0, None, first[0], first[1])
        if first is None:
            if len(self._claims) >= self.claims_limit:
                # Forgetting an early key could run a repeat twice; refusing a new one can't.
                return Refusal(ask.id, "busy", "claims", self.claims_limit, _SOON_S)
            self._claims[ask.key_hash] = (ask.exchange_id, "open", at)
            self._open_claims.setdefault(worker, set()).add(ask.key_hash)
        return None

    def close_claim(self, worker: str, key_hash: str, exchange_id: str, outcome: str | None) -> None:
        """The exchange behind a claim ended in `outcome`; with None nothing ran, and the key is free again."""
        first = self._claims.get(key_hash)
        if first is None or first[0] != exchange_id or first[1] != "open":
            return
        self._open_claims.get(worker, set()).discard(key_hash)
        if outcome is None:
            del self._claims[key_hash]
        else:
            self._claims[key_hash] = (exchange_id, outcome, first[2])

    def spent(self, app: str, moment: Moment) -> dict[str, int]:
        """What is charged to `app` now, reservations included."""
        state = self._apps.get(app) or _App()
        state.advance(moment)
        return {
            "requests": state.requests.total,
            "tokens": state.tokens.total,
            "streams": state.streams,
            "money_per_day": state.day_micros,
            "money_per_month": state.month_micros,
        }
