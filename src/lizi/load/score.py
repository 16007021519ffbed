"""What a run is worth: quantiles, attainment, intervals, and whether it counts at all.

The denominator is honest: a request that failed, timed out, was refused or never left is a miss;
only one cut by the run's own end is counted on neither side. Quantiles are order statistics,
and say so when the sample is too small to hold them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from lizi.load.record import Record

__all__ = ["Attainment", "Quantile", "Slo", "attainment", "latencies", "quantile", "void_reason", "wilson"]

SERVED = ("ok", "truncated")
# A request that was cut short by its own token limit was served: the load itself set that limit.

VOID_SHARE = 0.05
# interview.md §3.3: a generator later than 5 % of the tightest SLO measures itself.

SLO_WHEN_NONE_S = 1.0
# With no SLO stated the generator is held to 5 % of a second.


class Slo(Struct, frozen=True, kw_only=True):
    """A promise to one user. `gap` is the longest silence between two events of a stream."""

    metric: Literal["first_content", "whole", "gap"]
    limit_s: float


class Quantile(Struct, frozen=True, kw_only=True):
    """A value at a quantile. `at_least` when fewer than 1/(1-q) values were there to find it among."""

    value: float
    at_least: bool
    count: int

    def __str__(self) -> str:
        return f"{'≥ ' if self.at_least else ''}{self.value * 1000:.2f} ms"


class Attainment(Struct, frozen=True, kw_only=True):
    """Share of users whose promise was kept, with its 95 % Wilson interval."""

    good: int
    judged: int
    share: float
    low: float
    high: float


def quantile(values: Sequence[float], q: float) -> Quantile:
    """The ⌈q·n⌉-th smallest value; no interpolation between values that nobody saw."""
    if not values or not 0 < q < 1:
        raise ValueError(f"a quantile needs values and 0 < q < 1, got {len(values)} values and q = {q}")
    ordered = sorted(values)
    rank = math.ceil(q * len(ordered) - 1e-9)
    return Quantile(value=ordered[max(rank, 1) - 1], at_least=len(ordered) * (1 - q) < 1 - 1e-9, count=len(ordered))


def wilson(good: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's interval of a share; 95 % by default. With nothing counted it is (0, 1)."""
    if total == 0:
        return 0.0, 1.0
    share = good / total
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    middle = share + z * z / (2 * total)
    scale = 1 + z * z / total
    # At the ends the bound is exact; rounding must not push it past the share itself.
    low = 0.0 if good == 0 else (middle - spread) / scale
    high = 1.0 if good == total else (middle + spread) / scale
    return low, high


def latencies(
    records: Iterable[Record],
    metric: Literal["first_content", "whole"] = "whole",
    *,
    since: Literal["intended", "sent"] = "intended",
    unserved: Literal["infinite", "left_out"] = "infinite",
) -> list[float]:
    """Seconds from `t_intended` (what a user feels) or `t_sent` (what the service did).

    Requests that were not served count as infinite unless left out; the caller then says so.
    """
    out: list[float] = []
    for record in records:
        if record.outcome == "censored":
            continue
        end = record.t_first_content if metric == "first_content" else record.t_last
        start = record.t_intended if since == "intended" else record.t_sent
        if record.outcome in SERVED and end is not None and start is not None:
            out.append(end - start)
        elif unserved == "infinite":
            out.append(math.inf)
    return out


def attainment(records: Iterable[Record], slos: Sequence[Slo]) -> Attainment:
    """Requests that kept every SLO, counted from `t_intended`, over all that were not cut by the run's end."""
    good = judged = 0
    for record in records:
        if record.outcome == "censored":
            continue
        judged += 1
        good += record.outcome in SERVED and all(_kept(record, slo) for slo in slos)
    low, high = wilson(good, judged)
    return Attainment(good=good, judged=judged, share=good / judged if judged else 0.0, low=low, high=high)


def void_reason(send_lag_p99_s: float, loop_lag_p99_s: float, slos: Sequence[Slo]) -> str | None:
    """Why the run says nothing about the served side, or `None`."""
    tightest = min((slo.limit_s for slo in slos), default=SLO_WHEN_NONE_S)
    bound = VOID_SHARE * tightest
    for name, lag in (("send", send_lag_p99_s), ("event-loop", loop_lag_p99_s)):
        if lag > bound:
            return f"generator-limited: {name} lag p99 {lag * 1000:.1f} ms is above {bound * 1000:.2f} ms (5 % of {tightest} s)"
    return None


def _kept(record: Record, slo: Slo) -> bool:
    if slo.metric == "gap":
        times = record.chunk_times
        if times is None:
            raise ValueError("a `gap` SLO needs Options(chunk_times=True)")
        return all(after - before <= slo.limit_s for before, after in itertools.pairwise(times))
    end = record.t_first_content if slo.metric == "first_content" else record.t_last
    return end is not None and end - record.t_intended <= slo.limit_s
