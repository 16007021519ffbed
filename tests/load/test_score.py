from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.load.record import Outcome, Record
from lizi.load.score import Slo, attainment, latencies, quantile, void_reason, wilson


def record(outcome: Outcome, took: float | None = 0.1, *, intended: float = 0.0, sent: float | None = None) -> Record:
    last = None if took is None else intended + took
    return Record(
        index=0,
        stream=False,
        t_intended=intended,
        t_sent=intended if sent is None else sent,
        t_first_content=last,
        t_last=last,
        outcome=outcome,
    )


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert quantile([4, 1, 3, 2], 0.5).value == 2
    assert quantile(list(range(1, 101)), 0.99).value == 99


def test_a_quantile_says_so_when_there_are_too_few_values() -> None:
    assert quantile([1.0] * 99, 0.99).at_least
    assert not quantile([1.0] * 100, 0.99).at_least
    assert str(quantile([0.001] * 5, 0.99)).startswith("≥")


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 0.99))
def test_at_least_q_of_the_values_are_not_above_the_quantile(values: list[float], q: float) -> None:
    found = quantile(values, q).value
    assert found in values
    assert sum(value <= found for value in values) >= q * len(values) - 1e-6


def test_wilson_agrees_with_the_published_example() -> None:
    low, high = wilson(81, 263)  # Newcombe 1998, table I, method 3
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_holds_the_share_and_stays_within_bounds(good: int, more: int) -> None:
    low, high = wilson(good, good + more)
    assert 0 <= low <= good / (good + more) <= high <= 1


def test_failures_refusals_and_drops_are_misses_and_censored_requests_are_not_judged() -> None:
    records = [record(outcome) for outcome in ("ok", "truncated")]
    records += [record(outcome, None) for outcome in ("error", "timeout", "refused", "client_dropped", "cut", "empty", "censored")]
    found = attainment(records, [Slo(metric="whole", limit_s=1)])
    assert (found.good, found.judged) == (2, 8)


def test_a_partner_that_fails_fast_scores_below_one_that_is_slow() -> None:
    failing = [record("error", 0.001) for _ in range(50)] + [record("ok", 0.1) for _ in range(50)]
    slow = [record("ok", 0.9) for _ in range(100)]
    slos = [Slo(metric="whole", limit_s=1)]
    assert attainment(failing, slos).share < attainment(slow, slos).share
    assert quantile(latencies(failing), 0.99).value == math.inf > quantile(latencies(slow), 0.99).value


def test_a_promise_is_counted_from_the_moment_the_user_came() -> None:
    waited = record("ok", 1.2, sent=1.1)
    assert attainment([waited], [Slo(metric="whole", limit_s=1)]).good == 0
    assert latencies([waited], since="sent") == [pytest.approx(0.1)]


def test_a_gap_can_only_be_judged_when_chunk_times_were_kept() -> None:
    silent = record("ok")
    with pytest.raises(ValueError, match="chunk_times"):
        attainment([silent], [Slo(metric="gap", limit_s=0.1)])
    silent.chunk_times = [0.0, 0.05, 0.3]
    assert attainment([silent], [Slo(metric="gap", limit_s=0.1)]).good == 0
    assert attainment([silent], [Slo(metric="gap", limit_s=0.3)]).good == 1


def test_a_generator_later_than_five_percent_of_the_tightest_promise_is_void() -> None:
    slos = [Slo(metric="whole", limit_s=1), Slo(metric="first_content", limit_s=0.1)]
    assert void_reason(0.0049, 0.0049, slos) is None
    assert "send lag" in str(void_reason(0.0051, 0.0, slos))
    assert "event-loop lag" in str(void_reason(0.0, 0.0051, slos))
