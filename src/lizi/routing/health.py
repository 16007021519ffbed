"""How often a target answers of late, as a fold over outcomes; and how much it may still be sent.

Never counts what was not the partner's doing: a client that left, a bad request, a policy block, a refusal of our own
(surge.md §2.6: two limiters in a row once refused a healthy server by counting each other's refusals). Bound: five numbers a
target. Sources: the client throttle of Google's *Site Reliability Engineering*, chapter 21, `max(0, (requests - K·accepts) /
(requests + 1))`; Envoy's admission control filter, which has the same shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct

from lizi.errors import LiziError, Retry

__all__ = ["Health", "RoutingSettings", "counts"]

_REMEMBERED = 20.0
"""Outcomes that count: enough to tell 60 % from 90 %, few enough that an outage is known, and a recovery believed, within about as many."""
_RESTS = 0.5
"""From this share on a target rests: what it still gets is measured in tokens, since one long prompt weighs a hundred short ones."""
_OURS = frozenset({"pool", "address_refused"})
"""Failures of the wall that the partner never heard of: our own bound on connections, an address that we refuse."""


class RoutingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How failover, health and the retry budget behave; all of it per worker."""

    attempts: Annotated[int, Meta(ge=1, le=10, description="tries per exchange over all targets")] = 3
    retry_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="second and later tries of the last minute, as a share of its first tries; beyond it a failure is final",
        ),
    ] = 10
    retry_floor: Annotated[
        int, Meta(ge=0, description="second and later tries a minute that are always allowed, so that a quiet service can fail over")
    ] = 100  # a sixth of what Finagle's default budget allows beside its share; enough when all streams of a young service are cut
    tolerance_percent: Annotated[
        int,
        Meta(
            ge=101,
            le=1_000,
            description="a target is passed over once its recent requests are more than this percentage of its recent successes",
        ),
    ] = 150
    forgiven_failures: Annotated[int, Meta(ge=0, description="recent failures of a target that change nothing yet")] = 2
    memory_ms: Annotated[int, Meta(ge=100, description="an outcome counts half after this long")] = 20_000
    rest_limit_ms: Annotated[int, Meta(ge=1, description="longest rest that a partner's Retry-After is believed for")] = 30_000
    probe_tokens_per_second: Annotated[
        int, Meta(ge=1, description="what a resting target is still sent, to find out whether it answers again")
    ] = 1_000


def counts(fault: LiziError) -> bool:
    """Whether `fault` says anything against the partner.

    A growth refusal does not: it slows the lane (partners.md §3.4), and a target that is passed over for it
    would hand its ramp to the next.
    """
    return fault.side == "partner" and fault.retry is not Retry.NEVER and fault.internal not in _OURS and fault.internal != "rate_slope"


class Health:
    """One target's recent past. The same outcomes at the same times give the same state."""

    __slots__ = ("_asked", "_at", "_good", "_probe", "_probe_at", "resting_until")

    def __init__(self) -> None:
        self._asked = self._good = 0.0
        self._at = 0.0
        self._probe = self._probe_at = 0.0
        self.resting_until = 0.0

    def observe(self, good: bool, now: float, settings: RoutingSettings) -> None:
        """Fold one outcome."""
        fade: float = 0.5 ** ((now - self._at) * 1000 / settings.memory_ms) if now > self._at else 1.0
        asked = self._asked * fade + 1.0
        fade = fade if asked <= _REMEMBERED else fade * _REMEMBERED / asked
        self._good = self._good * fade + 1.0 if good else self._good * fade
        if self._good > asked:
            self._good = asked
        self._asked = asked if asked <= _REMEMBERED else _REMEMBERED
        if now > self._at:
            self._at = now

    def told(self, retry_after_s: float, now: float, settings: RoutingSettings) -> None:
        """The partner said when to come back: it is believed, up to the limit."""
        self.resting_until = max(self.resting_until, now + min(retry_after_s, settings.rest_limit_ms / 1000))

    def refusal(self, now: float, settings: RoutingSettings) -> float:
        """Share of requests that should pass it over now, in [0, 1)."""
        if self._good >= self._asked:
            return 0.0
        fade: float = 0.5 ** (max(0.0, now - self._at) * 1000 / settings.memory_ms)
        asked, good = self._asked * fade, self._good * fade
        return max(0.0, (asked - good * settings.tolerance_percent / 100 - settings.forgiven_failures) / (asked + 1.0))

    def rests(self, now: float, settings: RoutingSettings) -> bool:
        """Whether it gets probes at the most."""
        return now < self.resting_until or self.refusal(now, settings) >= _RESTS

    def admits(
        self, tokens: int, now: float, draw: Callable[[], float], settings: RoutingSettings, may_probe: Callable[[float], bool]
    ) -> bool:
        """Whether a request of `tokens` may go there now; a probe is paid from its budget, and made only if `may_probe` lets it.

        A budget that is not overdrawn lets a request of any size through, which the next ones wait for: else a service
        with long prompts only would never find out. `draw` is asked only while some are passed over, `may_probe` only at rest.
        """
        if now < self.resting_until:
            return False
        share = self.refusal(now, settings)
        if share == 0.0:
            return True
        if share < _RESTS:
            return draw() >= share
        if not may_probe(now):
            return False
        saved = min(0.0, self._probe + (now - self._probe_at) * settings.probe_tokens_per_second)
        self._probe_at = now
        self._probe = saved - tokens if saved >= 0.0 else saved
        return saved >= 0.0
