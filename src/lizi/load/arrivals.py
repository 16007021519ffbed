"""Arrival schedules: pure functions from a seed to absolute offsets in seconds from the run's start.

Every schedule is complete before the first request leaves, so nothing the served side does can move
an arrival. Rates are not rescaled to hit n/rate exactly: the count varies as it does in life.
Bound: one float per arrival.
"""

from __future__ import annotations

import math
import random
from itertools import pairwise

from msgspec import Struct

__all__ = ["Stage", "constant", "flash_crowd", "gamma", "poisson", "profile"]


class Stage(Struct, frozen=True, kw_only=True):
    """A stretch of time whose rate goes linearly from one value to another."""

    duration_s: float
    rate_start_per_s: float
    rate_end_per_s: float


def constant(rate_per_s: float, duration_s: float) -> list[float]:
    """Evenly spaced arrivals, the first at 0."""
    _check(rate_per_s, duration_s)
    return [index / rate_per_s for index in range(int(rate_per_s * duration_s + 1e-9))]


def poisson(rate_per_s: float, duration_s: float, *, seed: int) -> list[float]:
    """Independent users: exponential gaps (CV 1)."""
    return gamma(rate_per_s, 1.0, duration_s, seed=seed)


def gamma(rate_per_s: float, cv: float, duration_s: float, *, seed: int) -> list[float]:
    """Gamma renewal process with mean gap 1/rate and the given coefficient of variation.

    Shape is 1/CV². CV 1 is Poisson; real code-completion traffic has been seen at CV 13
    (Azure LLM 2023 code trace). CV 0 is `constant`.
    """
    return profile((Stage(duration_s=duration_s, rate_start_per_s=rate_per_s, rate_end_per_s=rate_per_s),), cv=cv, seed=seed)


def flash_crowd(base_per_s: float, factor: float, *, before_s: float, crowd_s: float, after_s: float) -> tuple[Stage, ...]:
    """A crowd out of nothing: base, then `factor` times base at once, then base again."""
    crowd = base_per_s * factor
    return (
        Stage(duration_s=before_s, rate_start_per_s=base_per_s, rate_end_per_s=base_per_s),
        Stage(duration_s=crowd_s, rate_start_per_s=crowd, rate_end_per_s=crowd),
        Stage(duration_s=after_s, rate_start_per_s=base_per_s, rate_end_per_s=base_per_s),
    )


def profile(stages: tuple[Stage, ...], *, cv: float, seed: int) -> list[float]:
    """Steps and ramps: a renewal process of unit rate, read through the cumulative rate of the stages."""
    if cv < 0:
        raise ValueError(f"cv must not be negative, got {cv}")
    for stage in stages:
        _check(max(stage.rate_start_per_s, stage.rate_end_per_s), stage.duration_s)
    expected = sum(_mass(stage) for stage in stages)
    if cv < 1e-6:  # the squares of smaller ones are no numbers any more, and nobody could see them
        units = [float(index) for index in range(int(expected + 1e-9))]
    else:
        source = random.Random(seed)
        shape = 1.0 / (cv * cv)
        scale = cv * cv
        units = []
        position = source.gammavariate(shape, scale)
        while position < expected:
            units.append(position)
            position += source.gammavariate(shape, scale)
    return _through(units, stages)


def _check(rate_per_s: float, duration_s: float) -> None:
    if rate_per_s <= 0 or duration_s <= 0:
        raise ValueError(f"rate and duration must be above 0, got {rate_per_s} per s for {duration_s} s")


def _mass(stage: Stage) -> float:
    """Arrivals expected in a stage."""
    return stage.duration_s * (stage.rate_start_per_s + stage.rate_end_per_s) / 2


def _through(units: list[float], stages: tuple[Stage, ...]) -> list[float]:
    """Map positions of the unit-rate process to times, stage by stage (inverse of the cumulative rate)."""
    edges = [0.0]
    starts = [0.0]
    for stage in stages:
        edges.append(edges[-1] + _mass(stage))
        starts.append(starts[-1] + stage.duration_s)
    times: list[float] = []
    index = 0
    for number, (low, high) in enumerate(pairwise(edges)):
        stage = stages[number]
        while index < len(units) and units[index] < high:
            times.append(starts[number] + _inverse(units[index] - low, stage))
            index += 1
    return times


def _inverse(mass: float, stage: Stage) -> float:
    slope = (stage.rate_end_per_s - stage.rate_start_per_s) / stage.duration_s
    start = stage.rate_start_per_s
    if mass <= 0:
        return 0.0
    if abs(slope) < 1e-12:
        return mass / start
    # The root of  mass = start·t + slope·t²/2  that lies within the stage.
    return 2 * mass / (start + math.sqrt(start * start + 2 * slope * mass))
