"""A lane's health: what counts, how much it is passed over, how it comes back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.errors import InvalidRequest, LiziError, PartnerError, Refused, ResultError, Retry
from lizi.routing import RoutingSettings
from lizi.routing.health import Health, counts

SETTINGS = RoutingSettings()


def always(_: float) -> bool:
    """The budget of second tries has room for a probe."""
    return True
OUTCOMES = st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60)


def fed(outcomes: list[tuple[float, bool]], settings: RoutingSettings = SETTINGS) -> tuple[Health, float]:
    health, now = Health(), 0.0
    for pause, good in outcomes:
        now += pause
        health.observe(good, now, settings)
    return health, now


def failed(internal: str, retry: Retry = Retry.OTHER_TARGET) -> PartnerError:
    return PartnerError("It failed.", code="upstream_failed", retry=retry, internal=internal)


@pytest.mark.parametrize(
    "internal", ["overloaded", "server_error", "transport", "timeout_read", "truncated", "rate_rpm", "auth", "billing"]
)
def test_a_partners_own_failure_counts(internal: str) -> None:
    assert counts(failed(internal))


@pytest.mark.parametrize(
    "fault",
    [
        InvalidRequest("Wrong.", code="invalid_request", retry=Retry.OTHER_TARGET),
        InvalidRequest("Long.", code="context_size_exceeded", retry=Retry.OTHER_TARGET, internal="context_size"),
        ResultError("Blocked.", code="policy_blocked", internal="policy_input"),
        ResultError("Declined.", code="refused", internal="refused"),
        Refused("Busy.", code="busy", retry=Retry.LATER),
        failed("bad_request", Retry.NEVER),
        failed("pool"),
        failed("address_refused"),
        failed("rate_slope", Retry.LATER),
    ],
    ids=lambda fault: fault.internal or fault.code,
)
def test_what_is_not_the_partners_doing_never_counts_against_it(fault: LiziError) -> None:
    assert not counts(fault)


def test_a_few_failures_change_nothing_and_more_of_them_more_and_more() -> None:
    health = Health()
    shares = []
    for _ in range(20):
        health.observe(False, 0.0, SETTINGS)
        shares.append(health.refusal(0.0, SETTINGS))
    assert shares[:2] == [0.0, 0.0]
    assert shares[2] == pytest.approx(1 / 4)
    assert all(before < after for before, after in pairwise(shares[1:]))
    assert shares[-1] == pytest.approx(18 / 21)


@pytest.mark.parametrize(("good_of_ten", "passed_over"), [(10, False), (9, False), (8, False), (7, False), (4, True), (2, True)])
def test_a_success_rate_within_the_tolerance_is_not_throttled(good_of_ten: int, passed_over: bool) -> None:
    health, now = fed([(0.01, number % 10 < good_of_ten) for number in range(100)])
    assert (health.refusal(now, SETTINGS) > 0.0) is passed_over


@given(OUTCOMES)
def test_a_success_never_makes_it_worse_and_a_failure_never_better(outcomes: list[tuple[float, bool]]) -> None:
    (better, now), (worse, _), (same, _) = fed(outcomes), fed(outcomes), fed(outcomes)
    better.observe(True, now, SETTINGS)
    worse.observe(False, now, SETTINGS)
    assert better.refusal(now, SETTINGS) <= same.refusal(now, SETTINGS) + 1e-9
    assert worse.refusal(now, SETTINGS) >= same.refusal(now, SETTINGS) - 1e-9


@given(OUTCOMES, st.floats(0, 1_000))
def test_the_same_outcomes_at_the_same_times_give_the_same_state_within_bounds(outcomes: list[tuple[float, bool]], later: float) -> None:
    (one, now), (two, _) = fed(outcomes), fed(outcomes)
    assert one.refusal(now + later, SETTINGS) == two.refusal(now + later, SETTINGS)
    assert 0.0 <= one.refusal(now, SETTINGS) < 1.0
    assert one.refusal(now + later, SETTINGS) <= one.refusal(now, SETTINGS) + 1e-9, "time heals"


def test_time_alone_forgives() -> None:
    health, _ = fed([(0.0, False)] * 50)
    assert health.rests(0.0, SETTINGS)
    assert health.rests(20.0, SETTINGS)
    assert not health.rests(60.0, SETTINGS)
    assert health.refusal(70.0, SETTINGS) == 0.0


def test_a_clock_that_stands_or_steps_back_loses_nothing() -> None:
    health, _ = fed([(5.0, False)] * 20)
    health.observe(False, 1.0, SETTINGS)
    assert health.rests(100.0, SETTINGS)


def test_a_throttled_target_gets_its_share_by_the_draw() -> None:
    health, now = fed([(0.0, number % 5 > 2) for number in range(60)])
    share = health.refusal(now, SETTINGS)
    assert 0.0 < share < 0.5
    assert not health.admits(10, now, lambda: share - 0.01, SETTINGS, always)
    assert health.admits(10, now, lambda: share, SETTINGS, always)


def test_a_healthy_target_needs_no_draw() -> None:
    def draw() -> float:
        raise AssertionError("asked for chance without a choice")

    assert Health().admits(10, 0.0, draw, SETTINGS, always)


def test_a_resting_target_gets_probes_that_are_paid_in_tokens() -> None:
    health, _ = fed([(0.0, False)] * 20)
    assert health.admits(3_000, 0.0, lambda: 0.0, SETTINGS, always)
    assert not health.admits(1, 2.9, lambda: 0.99, SETTINGS, always)
    assert health.admits(100_000, 3.0, lambda: 0.0, SETTINGS, always), "of any size, or a service with long prompts would never find out"
    assert not health.admits(1, 20.0, lambda: 0.99, SETTINGS, always)


def test_no_request_is_risked_at_a_resting_target_while_its_second_try_is_not_sure() -> None:
    health, _ = fed([(0.0, False)] * 20)
    assert not health.admits(100, 0.0, lambda: 0.99, SETTINGS, lambda _: False)
    assert health.admits(100, 0.0, lambda: 0.99, SETTINGS, always), "and what was not sent is not paid for"


@given(st.lists(st.tuples(st.floats(0, 0.05), st.integers(1, 50_000)), min_size=1, max_size=100))
def test_probes_never_pass_their_budget_by_more_than_one_request(asks: list[tuple[float, int]]) -> None:
    health, _ = fed([(0.0, False)] * 20)
    now, sent = 0.0, []
    for pause, tokens in asks:
        now += pause
        if health.admits(tokens, now, lambda: 0.99, SETTINGS, always):
            sent.append(tokens)
    assert sum(sent[:-1]) <= now * SETTINGS.probe_tokens_per_second + 1e-3


def test_probes_that_succeed_bring_it_back_step_by_step() -> None:
    health, _ = fed([(0.0, False)] * 20)
    now, probes, shares = 0.0, 0, []
    while health.refusal(now, SETTINGS) > 0.0 and now < 120.0:
        now += 1.0
        if health.admits(1_500, now, lambda: 0.5, SETTINGS, always):
            health.observe(True, now, SETTINGS)
            probes += 1
        shares.append(health.refusal(now, SETTINGS))
    assert now < 30.0, "a partner that answers again is back within half a minute, on a trickle alone"
    assert probes >= 3
    assert shares == sorted(shares, reverse=True)


def test_a_partner_that_says_when_to_come_back_is_believed_up_to_the_limit() -> None:
    health = Health()
    health.told(7.0, 0.0, SETTINGS)
    assert health.rests(6.9, SETTINGS)
    assert not health.admits(1, 6.9, lambda: 0.99, SETTINGS, always), "no probe before the time that it named"
    assert not health.rests(7.0, SETTINGS)
    health.told(86_400.0, 10.0, SETTINGS)
    assert not health.rests(10.0 + SETTINGS.rest_limit_ms / 1000, SETTINGS)
    health.told(1.0, 10.0, SETTINGS)
    assert health.rests(39.0, SETTINGS), "a shorter word does not cut a longer one"
