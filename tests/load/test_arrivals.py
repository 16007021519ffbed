from __future__ import annotations

import math
import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.load.arrivals import Stage, constant, flash_crowd, gamma, poisson, profile


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_constant_arrivals_are_evenly_spaced_from_zero() -> None:
    assert constant(4, 1) == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("cv", [0.5, 1.0, 3.0])
def test_gamma_arrivals_have_the_asked_variation_within_five_percent(cv: float) -> None:
    found = gaps(gamma(1000, cv, 200, seed=7))
    assert len(found) > 150_000
    assert statistics.pstdev(found) / statistics.fmean(found) == pytest.approx(cv, rel=0.05)
    assert statistics.fmean(found) == pytest.approx(1 / 1000, rel=0.05)


def test_poisson_gaps_follow_the_exponential_law() -> None:
    found = sorted(gaps(poisson(100, 200, seed=3)))
    n = len(found)
    distance = max(abs((index + 1) / n - (1 - math.exp(-100 * gap))) for index, gap in enumerate(found))
    assert distance < 1.95 / math.sqrt(n)  # Kolmogorov-Smirnov, one in a thousand


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    assert gamma(50, 2, 20, seed=1) == gamma(50, 2, 20, seed=1)
    assert gamma(50, 2, 20, seed=1) != gamma(50, 2, 20, seed=2)


def test_a_flash_crowd_brings_its_factor_and_leaves() -> None:
    times = profile(flash_crowd(50, 10, before_s=20, crowd_s=20, after_s=20), cv=1, seed=5)
    counts = [sum(low <= at < low + 20 for at in times) for low in (0, 20, 40)]
    assert counts[0] == pytest.approx(1000, rel=0.15)
    assert counts[1] == pytest.approx(10_000, rel=0.05)
    assert counts[2] == pytest.approx(1000, rel=0.15)


def test_a_ramp_grows_evenly() -> None:
    times = profile((Stage(duration_s=10, rate_start_per_s=0, rate_end_per_s=100),), cv=0, seed=0)
    assert len(times) == 500
    assert sum(at < 5 for at in times) == pytest.approx(125, abs=1)


@given(st.floats(0.1, 200), st.floats(0, 5), st.floats(0.1, 5), st.integers())
def test_schedules_are_ordered_and_within_their_time(rate: float, cv: float, duration: float, seed: int) -> None:
    times = gamma(rate, cv, duration, seed=seed)
    assert times == sorted(times)
    assert all(0 <= at <= duration * (1 + 1e-9) for at in times)


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        constant(0, 1)
