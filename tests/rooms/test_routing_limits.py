"""A lane's limits: level, concurrency and growth, configured and learned, on a clock by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.errors import PartnerError, Retry
from lizi.routing import RoutingSettings, Traffic
from lizi.routing.limits import Limits
from lizi.types import Attempt, LaneLimits, LimitHint, Target, Usage

PAUSES = st.lists(st.floats(0, 3), min_size=1, max_size=300)


def limits(workers: int = 1, **given: Any) -> Limits:
    return Limits(LaneLimits(**given), workers)


def has_room(lane: Limits, now: float, in_flight: int = 0) -> bool:
    return lane.full(in_flight, now)[0] <= 0.0


def flood(lane: Limits, start: float, seconds: float, per_second: int = 50, tokens: int = 1) -> int:
    """How many of `per_second` requests a second get through."""
    sent = 0
    for number in range(int(seconds * per_second)):
        now = start + number / per_second
        if has_room(lane, now):
            lane.take(tokens, now)
            sent += 1
    return sent


def test_nothing_limits_a_lane_that_is_not_configured_and_has_learned_nothing() -> None:
    lane = limits()
    assert lane.open
    assert flood(lane, 0.0, 10.0, per_second=1_000) == 10_000
    assert lane.full(10_000, 0.0) == (0.0, "")


# --- level -------------------------------------------------------------------------


@given(pauses=PAUSES, limit=st.integers(1, 600), workers=st.integers(1, 8))
def test_no_minute_holds_more_requests_than_the_limit_its_burst_and_one(pauses: list[float], limit: int, workers: int) -> None:
    lane, now, sent = limits(workers, requests_per_minute=limit), 0.0, []
    for pause in pauses:
        now += pause
        if has_room(lane, now):
            lane.take(1, now)
            sent.append(now)
    for at in sent:
        window = sum(at <= other < at + 60.0 for other in sent)
        assert window <= limit / workers * 65 / 60 + 1 + 1e-6


@given(pauses=PAUSES, sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=20), limit=st.integers(100, 100_000))
def test_no_minute_holds_more_tokens_than_the_limit_its_burst_and_one_request(pauses: list[float], sizes: list[int], limit: int) -> None:
    lane, now, sent = limits(tokens_per_minute=limit), 0.0, []
    for number, pause in enumerate(pauses):
        now += pause
        if has_room(lane, now):
            size = sizes[number % len(sizes)]
            lane.take(size, now)
            sent.append((now, size))
    for at, _ in sent:
        window = [size for other, size in sent if at <= other < at + 60.0]
        assert sum(window[:-1]) <= limit * 65 / 60 + 1e-6


@given(limit=st.integers(1, 6_000), seconds=st.floats(0, 100))
def test_the_time_that_a_full_lane_names_is_true(limit: int, seconds: float) -> None:
    lane = limits(requests_per_minute=limit)
    while has_room(lane, seconds):
        lane.take(1, seconds)
    wait_s, which = lane.full(0, seconds)
    assert which == "requests_per_minute"
    assert wait_s < 1e-9 or not has_room(lane, seconds + wait_s * 0.9)
    assert has_room(lane, seconds + wait_s + 1e-6)


def test_a_level_keeps_its_pace_in_the_long_run() -> None:
    assert flood(limits(requests_per_minute=600), 0.0, 60.0) == pytest.approx(600 + 50, abs=1)


def test_tokens_that_were_not_used_come_back() -> None:
    lane = limits(tokens_per_minute=6_000)
    lane.take(3_000, 0.0)
    assert lane.full(0, 0.0) == (pytest.approx(25.0), "tokens_per_minute")
    lane.give_back(2_900)
    assert has_room(lane, 0.0)
    lane.give_back(1_000_000)
    lane.take(3_000, 0.0)
    assert not has_room(lane, 0.0), "nothing can be saved up"


def test_a_request_larger_than_the_minute_goes_when_there_is_room_and_is_waited_for() -> None:
    lane = limits(tokens_per_minute=1_000)
    lane.take(2_000, 0.0)
    assert not has_room(lane, 100.0)
    assert has_room(lane, 115.1)


# --- concurrency -------------------------------------------------------------------


def test_concurrency_is_shared_among_workers_and_each_has_one_at_least() -> None:
    assert [has_room(limits(2, concurrency=5), 0.0, under_way) for under_way in (1, 2)] == [True, False]
    assert [has_room(limits(8, concurrency=5), 0.0, under_way) for under_way in (0, 1)] == [True, False]
    assert limits(concurrency=5).full(5, 0.0) == (1.0, "concurrency")


def test_refusals_of_one_burst_find_the_partners_concurrency_which_then_fades() -> None:
    lane = limits()
    for under_way in range(19, 4, -1):
        lane.refused("rate_concurrency", under_way, 0.0)
    assert lane.concurrency == 5
    assert not has_room(lane, 59.0, 5)
    assert has_room(lane, 61.0 + 60.0, 5), "a tenth more each clean minute"
    assert lane.concurrency == 6
    assert has_room(lane, 100_000.0, 5_000)
    assert lane.concurrency is None


def test_a_learned_concurrency_leaves_one_and_does_not_widen_the_configured_one() -> None:
    lane = limits(concurrency=3)
    lane.refused("rate_concurrency", 0, 0.0)
    assert lane.concurrency == 1
    lane = limits(concurrency=3)
    lane.refused("rate_concurrency", 50, 0.0)
    assert lane.concurrency == 3


# --- growth --------------------------------------------------------------------------


def test_a_cold_lane_starts_at_its_floor_and_grows_by_r_in_each_span() -> None:
    lane = limits(growth_percent=50, cold_requests_per_minute=60)
    spans = [flood(lane, start, 10.0) for start in range(0, 60, 10)]
    assert spans == [10, 15, 22, 33, 49, 73]


def test_a_span_is_spread_and_not_sent_in_its_first_moment() -> None:
    lane = limits(growth_percent=50, cold_requests_per_minute=600)
    assert flood(lane, 0.0, 1.0, per_second=1_000) == 20
    assert flood(lane, 1.0, 1.0, per_second=1_000) == 10


def test_a_pause_sends_a_lane_back_to_its_floor() -> None:
    lane = limits(growth_percent=100, cold_requests_per_minute=60)
    assert [flood(lane, start, 10.0) for start in (0.0, 10.0)] == [10, 20]
    assert flood(lane, 40.0, 10.0) == 10


@given(pauses=st.lists(st.floats(0, 1.5), min_size=1, max_size=400), percent=st.integers(1, 300), floor=st.integers(6, 300))
def test_no_span_holds_more_than_the_one_before_allows(pauses: list[float], percent: int, floor: int) -> None:
    lane, now, spans = limits(growth_percent=percent, cold_requests_per_minute=floor), 0.0, dict.fromkeys(range(-1, 100), 0)
    for pause in pauses:
        now += pause
        if has_room(lane, now):
            lane.take(1, now)
            spans[int(now // 10)] += 1
    for span in range(100):
        assert spans[span] <= max(floor / 6, spans[span - 1] * (1 + percent / 100)) + 1e-6


def test_a_growth_refusal_halves_the_slope_and_clean_minutes_bring_it_back() -> None:
    lane = limits(growth_percent=80)
    lane.refused("rate_slope", 5, 0.0)
    assert lane.growth_percent == 40
    lane.refused("rate_slope", 5, 1.0)
    assert lane.growth_percent == 20
    has_room(lane, 62.0)
    has_room(lane, 75.0)
    assert lane.growth_percent == 22
    has_room(lane, 6_000.0)
    assert lane.growth_percent == 80, "never above what is configured"
    for _ in range(20):
        lane.refused("rate_slope", 5, 7_000.0)
    assert lane.growth_percent == 5


def test_a_growth_limit_is_learned_from_the_partners_refusal_and_starts_from_what_went_well() -> None:
    lane = limits(cold_requests_per_minute=6)
    assert flood(lane, 0.0, 10.0, per_second=10) == 100
    assert lane.growth_percent is None
    lane.take(1, 10.0)
    lane.refused("rate_slope", 5, 10.0)
    assert lane.growth_percent == 25
    assert flood(lane, 10.0, 10.0) == 125
    has_room(lane, 100_000.0)
    assert lane.growth_percent is None
    assert lane.open, "what has bound nobody for long is forgotten"


def test_another_configuration_changes_the_limit_and_keeps_the_count() -> None:
    lane = limits(growth_percent=50, cold_requests_per_minute=60)
    assert flood(lane, 0.0, 10.0) == 10
    lane.follow(LaneLimits(growth_percent=100, cold_requests_per_minute=60))
    assert flood(lane, 10.0, 10.0) == 20
    lane.follow(LaneLimits(requests_per_minute=60))
    assert lane.growth_percent is None
    lane.follow(LaneLimits(requests_per_minute=6_000))
    assert flood(lane, 20.0, 10.0) == 500
    lane.follow(LaneLimits())
    assert lane.open


# --- headers ---------------------------------------------------------------------------


def test_what_headers_say_is_left_binds_until_their_reset() -> None:
    lane = limits()
    lane.learn(LimitHint(requests_remaining=2, requests_reset_s=30.0), 0.0)
    assert flood(lane, 0.0, 1.0) == 2
    assert lane.full(0, 1.0) == (29.0, "requests_remaining")
    assert has_room(lane, 30.0)
    assert lane.open


def test_a_limit_that_refills_comes_back_a_tenth_at_a_time() -> None:
    lane = limits(2)
    lane.learn(LimitHint(requests_limit=100, requests_remaining=0, requests_reset_s=50.0), 0.0)
    assert lane.full(0, 0.0) == (5.0, "requests_remaining")
    assert [flood(lane, float(start), 5.0) for start in range(5, 50, 5)] == [5] * 9
    assert has_room(lane, 50.0)
    assert lane.open


@given(limit=st.integers(1, 1_000), reset_s=st.floats(1.0, 60.0), workers=st.integers(1, 8))
def test_all_workers_together_take_no_more_than_refills(limit: int, reset_s: float, workers: int) -> None:
    lane = limits(workers)
    lane.learn(LimitHint(requests_limit=limit, requests_remaining=0, requests_reset_s=reset_s), 0.0)
    sent = flood(lane, 0.0, min(reset_s, 59.0) - 0.1, per_second=20)
    assert sent * workers <= limit + workers, "each worker may be one ahead"


def test_headers_are_shared_among_workers_and_newer_ones_win() -> None:
    lane = limits(4)
    lane.learn(LimitHint(requests_remaining=9, requests_reset_s=30.0), 0.0)
    assert flood(lane, 0.0, 1.0) == 2
    lane.learn(LimitHint(requests_remaining=400), 1.0)
    assert has_room(lane, 1.0)


def test_tokens_left_are_spent_and_the_last_request_may_pass_them() -> None:
    lane = limits()
    lane.learn(LimitHint(tokens_remaining=1_000, tokens_reset_s=60.0), 0.0)
    lane.take(900, 0.0)
    assert has_room(lane, 0.0)
    lane.take(900, 0.0)
    assert lane.full(0, 0.0) == (60.0, "tokens_remaining")


@pytest.mark.parametrize(("remaining", "reset_s", "closed_s"), [(0, None, 1.0), (0, 5.0, 5.0), (0, 86_400.0, 60.0), (0, -3.0, 0.0)])
def test_a_reset_is_believed_within_reason(remaining: int, reset_s: float | None, closed_s: float) -> None:
    lane = limits()
    lane.learn(LimitHint(requests_remaining=remaining, requests_reset_s=reset_s), 0.0)
    assert lane.full(0, 0.0)[0] == pytest.approx(closed_s)


def test_a_limit_without_a_remainder_binds_nobody_since_its_span_is_unknown() -> None:
    lane = limits()
    lane.learn(LimitHint(requests_limit=1, tokens_limit=1), 0.0)
    assert lane.open


# --- through the traffic -----------------------------------------------------------------


def test_what_an_answer_did_not_use_comes_back_and_what_a_failure_reserved_does_not() -> None:
    target = Target(
        partner="a",
        model="m",
        region="r",
        dialect="openai_chat",
        base_url="",
        credential="",
        price_key="",
        lane=LaneLimits(tokens_per_minute=60_000),
    )
    traffic = Traffic(RoutingSettings())
    answered = Attempt(number=1, target=target, started_at=0.0, outcome="ok", usage=Usage(input_tokens=500, output_tokens=500))
    traffic.start(target, 10_000, 0.0, streamed=True).left(answered, 0.0)
    assert traffic.views(0.0)["a/m@r"].full == ""
    fault = PartnerError("It failed.", code="upstream_failed", retry=Retry.OTHER_TARGET, internal="rate_tpm")
    traffic.start(target, 10_000, 0.0, streamed=True).failed(fault, 0.0)
    view = traffic.views(0.0)["a/m@r"]
    assert (view.full, view.full_s) == ("tokens_per_minute", 6.0)


def test_refusals_of_a_partner_and_its_headers_reach_the_lane() -> None:
    target = Target(partner="a", model="m", region="r", dialect="openai_chat", base_url="", credential="", price_key="")
    traffic = Traffic(RoutingSettings())
    slope = PartnerError("Too quick.", code="upstream_failed", retry=Retry.LATER, internal="rate_slope")
    crowd = PartnerError("Too many.", code="upstream_failed", retry=Retry.OTHER_TARGET, internal="rate_concurrency")
    held = [traffic.start(target, 10, 0.0, streamed=True) for _ in range(4)]
    held[0].failed(slope, 0.0)
    held[1].failed(crowd, 0.0)
    traffic.learn(target, LimitHint(requests_remaining=0, requests_reset_s=9.0), 0.0)
    view = traffic.views(0.0)["a/m@r"]
    assert (view.growth_percent, view.concurrency, view.full) == (25, 2, "concurrency")
    held[2].learn(LimitHint(tokens_remaining=0, tokens_reset_s=20.0), 0.0)
    for passage in held[2:]:
        passage.failed(slope, 0.0)
    assert traffic.views(0.0)["a/m@r"].full_s == 20.0
