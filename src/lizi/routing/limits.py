"""What one lane may be sent right now: level, concurrency and growth, configured or learned.

Never waits and never reads a clock: `wait` says how long it would take, `take` deducts. A worker holds its share of each limit,
configured value ÷ workers, so that all together keep it; a worker with less than its share of the traffic leaves the rest unused.
Bound: a dozen numbers a lane. Level is the generic cell rate algorithm (ITU-T I.371); growth is the moving threshold that Alibaba
Model Studio's manual describes, `allowed = rate of the last 10 s × (1 + r)` (surge.md §6.6).
"""

from __future__ import annotations

from math import inf

from lizi.types import LaneLimits, LimitHint

__all__ = ["Limits"]

_BURST_S = 5.0
"""What a level may be ahead of its even pace. Partners check by the second (a minute's limit ÷ 60) or by the minute: this is between."""
_SPAN_S = 10.0
"""The span over which growth is counted."""
_R_FIRST = 0.5
"""Growth over one span that a lane is believed to bear before anything is known."""
_R_LEAST = 0.05
"""However often it was halved: a lane that may not grow at all never gets out of its floor."""
_R_FORGOTTEN = 4.0
"""A learned limit that let a lane grow fivefold in 10 s binds nobody any more. 30 clean minutes lead there from one refusal."""
_CLEAN_S = 60.0
_CLEAN = 1.1
_CONCURRENCY_FORGOTTEN = 10_000.0
"""Requests under way in one worker that no bound on connections reaches: a learned concurrency above it binds nobody."""
_SOON_S = 1.0
"""Places come free when somebody finishes, which no clock knows."""
_HINT_S = 10.0
"""How long a remainder without a reset is believed."""
_LONGEST_S = 60.0
"""Level limits are by the minute: what a header puts further off is asked again then."""
_STEPS = 10
_ROOM = (0.0, "")


class _Pace:
    """Generic cell rate algorithm: `due` is when the next cell would come at an even pace."""

    __slots__ = ("_due", "_per_unit_s")

    def __init__(self, per_minute: float) -> None:
        self._per_unit_s = 60.0 / per_minute
        self._due = 0.0

    def set(self, per_minute: float) -> None:
        self._per_unit_s = 60.0 / per_minute

    def wait(self, now: float) -> float:
        """What is larger than the room left goes all the same, and is waited for afterwards: no request is too large for ever."""
        return self._due - now - _BURST_S

    def take(self, units: float, now: float) -> None:
        self._due = max(self._due, now) + units * self._per_unit_s

    def give_back(self, units: float) -> None:
        self._due -= units * self._per_unit_s


class _Growth:
    """The moving threshold, in spans of 10 s: each allows the requests of the one before × (1 + r), and at least the floor.

    Counts always, so that a limit learned in the middle of traffic starts from what went well. `r` is `None` while nothing limits.
    """

    __slots__ = ("_allowed", "_before", "_clean_at", "_due", "_end", "_most", "_taken", "floor", "learned", "r")

    def __init__(self) -> None:
        self.r: float | None = None
        self.learned = False
        self.floor = 1.0
        self._most = _R_FORGOTTEN
        self._before = self._taken = 0.0
        self._end = self._due = self._clean_at = 0.0
        self._allowed = 0.0

    def limit(self, r: float, *, learned: bool) -> None:
        self.r, self.learned, self._most = r, learned, r
        self._allowed = max(self.floor, self._before * (1.0 + r))
        self._clean_at = self._end - _SPAN_S + _CLEAN_S

    def unlimit(self) -> None:
        self.r, self._most = None, _R_FORGOTTEN

    def advance(self, now: float) -> None:
        if now < self._end:
            return
        spans = int((now - self._end) // _SPAN_S) + 1
        self._before = self._taken if spans == 1 else 0.0
        self._taken = 0.0
        self._end += spans * _SPAN_S
        if self.r is None:
            return
        while now >= self._clean_at and self.r < self._most:
            self.r = min(self.r * _CLEAN, self._most)
            self._clean_at += _CLEAN_S
        if self.learned and self.r >= _R_FORGOTTEN:
            self.r = None
        else:
            self._allowed = max(self.floor, self._before * (1.0 + self.r))

    def wait(self, now: float) -> float:
        self.advance(now)
        if self.r is None:
            return 0.0
        if self._taken + 1.0 > self._allowed:
            return self._end - now
        # Spread over the span, a second's worth ahead: all of it in one moment would be a steeper slope than any.
        return self._due - now - 1.0

    def take(self, now: float) -> None:
        self.advance(now)
        self._taken += 1.0
        if self.r is not None:
            self._due = max(self._due, now) + _SPAN_S / self._allowed

    def refused(self, now: float) -> None:
        self.advance(now)
        self._taken = max(0.0, self._taken - 1.0)  # it was not served: no rate to grow from
        self.r = max(_R_LEAST, (_R_FIRST if self.r is None else self.r) / 2)
        self._clean_at = now + _CLEAN_S
        self._allowed = max(self.floor, self._before * (1.0 + self.r))


class _Remainder:
    """What headers said is left, shared among the workers.

    Most partners refill evenly and name the time until all is back, so a lane that has used up its part gets a tenth of the limit
    after a tenth of that time; one that refills all at once says again that nothing is left, and costs a request a tenth.
    """

    __slots__ = ("_opens", "_refill", "_step_s", "left", "until")

    def __init__(self, remaining: int, limit: int | None, reset_s: float | None, workers: int, now: float) -> None:
        # Rounded down: the last request is nobody's rather than everybody's.
        self.left = float(remaining // workers)
        believed_s = (_HINT_S if remaining else _SOON_S) if reset_s is None else max(0.0, min(reset_s, _LONGEST_S))
        self.until = now + believed_s
        self._step_s, self._refill = believed_s, inf
        if limit is not None and limit > remaining and reset_s is not None:
            self._step_s, self._refill = max(_SOON_S, believed_s / _STEPS), limit / _STEPS / workers
        self._opens = min(self.until, now + self._step_s)

    def wait(self, now: float) -> float:
        while self.left <= 0.0 and now >= self._opens:
            self.left += self._refill
            self._opens += self._step_s
        return 0.0 if self.left > 0.0 else self._opens - now


class Limits:
    """One lane's limits. `open` means that nothing limits it: `full` need not be asked."""

    __slots__ = (
        "_concurrency",
        "_grows_at",
        "_growth",
        "_left_requests",
        "_left_tokens",
        "_pace_requests",
        "_pace_tokens",
        "_workers",
        "configured",
        "open",
    )

    def __init__(self, configured: LaneLimits, workers: int) -> None:
        self._workers = workers
        self._pace_requests: _Pace | None = None
        self._pace_tokens: _Pace | None = None
        self._growth = _Growth()
        self._concurrency: float | None = None
        self._grows_at = 0.0
        self._left_requests: _Remainder | None = None
        self._left_tokens: _Remainder | None = None
        self.follow(configured)

    def follow(self, configured: LaneLimits) -> None:
        """Another configuration: what was counted and learned stays."""
        self.configured = configured
        share = 1.0 / self._workers
        self._pace_requests = _paced(self._pace_requests, configured.requests_per_minute, share)
        self._pace_tokens = _paced(self._pace_tokens, configured.tokens_per_minute, share)
        growth = self._growth
        growth.floor = max(1.0, configured.cold_requests_per_minute * _SPAN_S / 60.0 * share)
        if configured.growth_percent is not None:
            growth.limit(configured.growth_percent / 100, learned=False)
        elif not growth.learned:
            growth.unlimit()
        self._see()

    def _see(self) -> None:
        configured = self.configured
        learned = (self._left_requests, self._left_tokens, self._growth.r, self._concurrency)
        given = (configured.requests_per_minute, configured.tokens_per_minute, configured.concurrency)
        self.open = all(limit is None for limit in (*learned, *given))

    def full(self, in_flight: int, now: float) -> tuple[float, str]:
        """Seconds until it takes a request again, and which limit says so; `(0.0, "")` when it takes one now."""
        if self.open:
            return _ROOM
        self._recover(now)
        if self.concurrency is not None and in_flight >= self.concurrency:
            return _SOON_S, "concurrency"
        found = _ROOM
        for which, limit in (
            ("requests_per_minute", self._pace_requests),
            ("tokens_per_minute", self._pace_tokens),
            ("growth_percent", self._growth),
            ("requests_remaining", self._left_requests),
            ("tokens_remaining", self._left_tokens),
        ):
            if limit is not None and (wait_s := limit.wait(now)) > found[0]:
                found = wait_s, which
        return found

    def take(self, tokens: int, now: float) -> None:
        """One request of `tokens` goes there now."""
        self._growth.take(now)
        if self.open:
            return
        if self._pace_requests is not None:
            self._pace_requests.take(1.0, now)
        if self._pace_tokens is not None:
            self._pace_tokens.take(tokens, now)
        if self._left_requests is not None:
            self._left_requests.left -= 1.0
        if self._left_tokens is not None:
            self._left_tokens.left -= tokens

    def give_back(self, tokens: int) -> None:
        """What a request reserved and did not use. The request itself was made: of growth and of their number nothing comes back."""
        if self._pace_tokens is not None:
            self._pace_tokens.give_back(tokens)

    def refused(self, internal: str | None, in_flight: int, now: float) -> None:
        """The partner refused for a limit of its own, while `in_flight` others were under way: learn from it."""
        if internal == "rate_slope":
            self._growth.learned = self._growth.learned or self._growth.r is None
            self._growth.refused(now)
        elif internal == "rate_concurrency":
            # Refusals of one burst come one after another and count down to what the partner really took.
            self._concurrency = max(1.0, min(in_flight, self._concurrency or in_flight))
            self._grows_at = now + _CLEAN_S
        self._see()

    def learn(self, hint: LimitHint, now: float) -> None:
        """What the partner's headers said. A limit of theirs has no known span, so only what is left until the reset binds."""
        if hint.requests_remaining is not None:
            self._left_requests = _Remainder(hint.requests_remaining, hint.requests_limit, hint.requests_reset_s, self._workers, now)
        if hint.tokens_remaining is not None:
            self._left_tokens = _Remainder(hint.tokens_remaining, hint.tokens_limit, hint.tokens_reset_s, self._workers, now)
        self._see()

    def _recover(self, now: float) -> None:
        """What was learned fades, and what headers said ends."""
        while self._concurrency is not None and now >= self._grows_at:
            self._concurrency *= _CLEAN
            self._grows_at += _CLEAN_S
            if self._concurrency > _CONCURRENCY_FORGOTTEN:
                self._concurrency = None
        if self._left_requests is not None and now >= self._left_requests.until:
            self._left_requests = None
        if self._left_tokens is not None and now >= self._left_tokens.until:
            self._left_tokens = None
        self._growth.advance(now)
        self._see()

    @property
    def growth_percent(self) -> int | None:
        """How much the next 10 s may bring more than the last; `None` while nothing limits it."""
        return None if self._growth.r is None else round(self._growth.r * 100)

    @property
    def concurrency(self) -> int | None:
        """What this worker may have under way there; at least one, or it could do nothing."""
        learned, given = self._concurrency, self.configured.concurrency
        if given is None:
            return None if learned is None else int(learned)
        share = max(1, given // self._workers)
        return share if learned is None else min(share, int(learned))


def _paced(pace: _Pace | None, per_minute: int | None, share: float) -> _Pace | None:
    if per_minute is None:
        return None
    if pace is None:
        return _Pace(per_minute * share)
    pace.set(per_minute * share)
    return pace
