"""What is known of every lane of this process, and the budget of second tries: one fold, fed by the corridor.

`start` takes a place in a lane, the `Passage` that it gives tells what became of it. Never waits, never reads a clock, never
refuses: `routing.plan` asks before it names a target. Survives reloads. Bound: one lane per partner, model and region of the
configuration, 60 pairs of numbers for the budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from lizi.errors import LiziError
from lizi.routing.health import Health, RoutingSettings, counts
from lizi.routing.limits import Limits
from lizi.types import Attempt, LaneLimits, LimitHint, Target

__all__ = ["Lane", "LaneView", "Passage", "Traffic"]

_PAGES = frozenset({"auth", "billing", "spend_cap", "not_found"})
"""Failures that only a person can mend (partners.md §3.4: "yes, page ops")."""
_FADE_S = 30.0
"""A first-token time counts half after this long, so that a target that was slow once is tried again."""
_KEEP = 0.8
"""Of the first-token time before, at the next one: about the last five decide."""
_WINDOW_S = 60


class LaneView(Struct, frozen=True, kw_only=True):
    """One lane as an operator sees it; of one worker, or of all together."""

    requests: int = 0
    """Under way."""
    tokens: int = 0
    """Under way: prompts and the longest answers."""
    first_token_s: float = 0.0
    refusal: float = 0.0
    """Share of requests that should pass it over."""
    rests_s: float = 0.0
    """What is left of the rest that the partner asked for."""
    probing: bool = False
    """It gets probes only."""
    full_s: float = 0.0
    full: str = ""
    """The limit that it has reached, for that many seconds."""
    growth_percent: int | None = None
    concurrency: int | None = None


class Lane:
    """One partner, model and region: health, limits and load."""

    __slots__ = ("_first_at", "_first_s", "given", "health", "limits", "requests", "tokens")

    def __init__(self, given: LaneLimits, workers: int) -> None:
        self.given = given
        self.health = Health()
        self.limits = Limits(given, workers)
        self.requests = self.tokens = 0
        self._first_s = self._first_at = 0.0

    def first_token_s(self, now: float) -> float:
        """Decayed first-token time; 0.0 while none is known, so that a new target is tried."""
        return self._first_s * 0.5 ** ((now - self._first_at) / _FADE_S) if self._first_s else 0.0

    def saw_first_token(self, seconds: float, now: float) -> None:
        kept = _KEEP * 0.5 ** ((now - self._first_at) / _FADE_S) if self._first_s else 0.0
        self._first_s = kept * self._first_s + (1.0 - kept) * max(0.0, seconds)
        self._first_at = now

    def view(self, now: float, settings: RoutingSettings) -> LaneView:
        full_s, full = self.limits.full(self.requests, now)
        return LaneView(
            requests=self.requests,
            tokens=self.tokens,
            first_token_s=round(self.first_token_s(now), 4),
            refusal=round(self.health.refusal(now, settings), 3),
            rests_s=round(max(0.0, self.health.resting_until - now), 3),
            probing=self.health.rests(now, settings),
            full_s=round(full_s, 3),
            full=full,
            growth_percent=self.limits.growth_percent,
            concurrency=self.limits.concurrency,
        )


class Passage:
    """One attempt's place in a lane. However it ends, `failed` or `left` frees the place, once."""

    __slots__ = ("_lane", "_open", "_started", "_target", "_tokens", "_traffic", "waits")

    def __init__(self, traffic: Traffic, lane: Lane, target: Target, tokens: int, now: float, streamed: bool) -> None:
        self._traffic = traffic
        self._lane = lane
        self._target = target
        self._tokens = tokens
        self._started = now
        self._open = True
        self.waits = streamed
        """Whether the first token is still to come. A whole reply has none: its time is the answer's length, not the partner's speed."""

    def first_token(self, now: float) -> None:
        """The first event of a stream came."""
        self.waits = False
        self._lane.saw_first_token(now - self._started, now)

    def learn(self, hint: LimitHint | None, now: float) -> None:
        """The partner's headers said what is left, or nothing."""
        if hint is not None:
            self._lane.limits.learn(hint, now)

    def failed(self, fault: LiziError, now: float) -> None:
        """It failed. What was reserved of a level stays used: partners count what they refuse as well."""
        if not self._close():
            return
        lane, traffic = self._lane, self._traffic
        if counts(fault):
            lane.health.observe(False, now, traffic.settings)
            if fault.retry_after_s is not None:
                lane.health.told(fault.retry_after_s, now, traffic.settings)
        if fault.internal in _PAGES:
            key = (self._target.partner, str(fault.internal))
            traffic.alarms[key] = traffic.alarms.get(key, 0) + 1
        if fault.internal in ("rate_slope", "rate_concurrency"):
            lane.limits.refused(fault.internal, lane.requests, now)

    def left(self, attempt: Attempt, now: float) -> None:
        """It ended otherwise: answered, or given up by the client, which says nothing about the partner."""
        if not self._close():
            return
        lane = self._lane
        if attempt.outcome == "ok":
            lane.health.observe(True, now, self._traffic.settings)
        if not lane.limits.open:
            usage = attempt.usage
            lane.limits.give_back(max(0, self._tokens - usage.input_tokens - usage.output_tokens))

    def _close(self) -> bool:
        if not self._open:
            return False
        self._open = False
        self._lane.requests -= 1
        self._lane.tokens -= self._tokens
        return True


class Traffic:
    """All lanes of one process. `workers` share each configured limit: this one keeps to its part.

    The exact version, one limit for all workers at once, belongs to the owner of the counters; this one costs no question.
    """

    __slots__ = ("_lanes", "_slots", "_workers", "alarms", "full", "retries", "retries_refused", "settings", "shut")

    def __init__(self, settings: RoutingSettings, workers: int = 1) -> None:
        self.settings = settings
        self._workers = workers
        self._lanes: dict[tuple[str, str, str], Lane] = {}
        self._slots: dict[int, list[int]] = {}
        self.alarms: dict[tuple[str, str], int] = {}
        """(partner, class) → failures so far that only a person can mend."""
        self.shut: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        """Partners that may not be asked: for users, and for synthetic traffic. It holds for exchanges that began before, too."""
        self.full = self.retries = self.retries_refused = 0
        """So far: lanes passed over for a limit, second and later tries, and those that the budget did not allow."""

    def lane(self, target: Target) -> Lane:
        """The lane of `target`, with the limits that it carries."""
        key = (target.partner, target.model, target.region)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(target.lane, self._workers)
        elif lane.given is not target.lane:
            if lane.given != target.lane:
                lane.limits.follow(target.lane)
            lane.given = target.lane
        return lane

    def start(self, target: Target, tokens: int, now: float, *, streamed: bool) -> Passage:
        """An attempt goes to `target` now; `tokens` is its prompt and its longest answer."""
        lane = self.lane(target)
        lane.requests += 1
        lane.tokens += tokens
        lane.limits.take(tokens, now)
        return Passage(self, lane, target, tokens, now, streamed)

    def learn(self, target: Target, hint: LimitHint, now: float) -> None:
        """What `target`'s headers said is left."""
        self.lane(target).limits.learn(hint, now)

    def keep(self, targets: Iterable[Target]) -> None:
        """Forget the lanes that no target of the new configuration uses and nothing is under way in."""
        keys = {(target.partner, target.model, target.region) for target in targets}
        self._lanes = {key: lane for key, lane in self._lanes.items() if lane.requests or key in keys}

    # --- the budget of second tries ---

    def tried(self, now: float) -> None:
        """A first try: each earns a share of a second one."""
        second = int(now)
        slot = self._slots.get(second)
        if slot is None:
            slot = self._slot(second)
        slot[0] += 1

    def may_retry(self, now: float) -> bool:
        """Whether one more second try fits into the last minute's budget; if so, it is counted."""
        slot = self._slot(int(now))
        again, most = self._budget()
        if again + 1 > most:
            self.retries_refused += 1
            return False
        slot[1] += 1
        self.retries += 1
        return True

    def may_probe(self, now: float) -> bool:
        """Whether a user's request may be risked at a target that rests: only while its second try is sure.

        Half of the budget at the most goes that way. Probes come for as long as an outage lasts, and with short requests there
        are many: they would use up what the exchanges need that fail without anybody's choice.
        """
        self._slot(int(now))
        again, most = self._budget()
        return again + 1 <= most / 2

    def _budget(self) -> tuple[int, float]:
        """Second tries of the last minute, and how many there may be."""
        first = again = 0
        for tried, repeated in self._slots.values():
            first += tried
            again += repeated
        settings = self.settings
        return again, settings.retry_floor + first * settings.retry_percent / 100

    def _slot(self, second: int) -> list[int]:
        slots = self._slots
        slot = slots.setdefault(second, [0, 0])
        while (oldest := next(iter(slots))) <= second - _WINDOW_S:
            del slots[oldest]
        return slot

    # --- what is seen ---

    def trouble(self, now: float) -> Mapping[str, str]:
        """`partner/model` → `resting` or `failing`, for the operator; healthy targets are absent."""
        found: dict[str, str] = {}
        for (partner, model, _), lane in self._lanes.items():
            name = f"{partner}/{model}"
            if lane.health.rests(now, self.settings):
                found[name] = "resting"
            elif lane.health.refusal(now, self.settings) > 0.0:
                found.setdefault(name, "failing")
        return found

    def views(self, now: float) -> dict[str, LaneView]:
        """`partner/model@region` → how it does."""
        return {f"{partner}/{model}@{region}": lane.view(now, self.settings) for (partner, model, region), lane in self._lanes.items()}
