"""Routing: who is asked, who is asked next, and what counts against a target."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.errors import InvalidRequest, PartnerError, ResultError, Retry
from lizi.routing import Health, Route, RoutingSettings, fits, plan
from lizi.types import Capability, Target

SETTINGS = RoutingSettings()


def target(name: str, *, weight: int = 1, capabilities: frozenset[Capability] = frozenset()) -> Target:
    return Target(
        partner=name,
        model="m",
        region="local",
        dialect="openai_chat",
        base_url="http://127.0.0.1:1/v1",
        credential="",
        price_key=f"{name}/m",
        weight=weight,
        capabilities=capabilities,
    )


def failed(internal: str = "overloaded", retry: Retry = Retry.OTHER_TARGET, retry_after_s: float | None = None) -> PartnerError:
    return PartnerError("It failed.", code="upstream_failed", retry=retry, internal=internal, retry_after_s=retry_after_s)


def walk(
    route: Route,
    faults: list[PartnerError | ResultError],
    *,
    health: Health | None = None,
    now: float = 0.0,
    draw: float = 0.0,
    needs: frozenset[Capability] = frozenset(),
) -> list[str]:
    """Partners in the order in which they are asked, when each fails as given."""
    steps = plan(route, needs, health or Health(SETTINGS), SETTINGS, now, draw)
    asked = [next(steps).partner]
    for fault in faults:
        try:
            asked.append(steps.send(fault).partner)
        except StopIteration:
            break
    return asked


ORDERED = Route(model="writer", targets=(target("a"), target("b"), target("c"), target("d")))


def test_targets_are_asked_in_their_order_up_to_the_bound_of_attempts() -> None:
    assert walk(ORDERED, [failed()] * 9) == ["a", "b", "c"]


def test_a_fault_that_nothing_can_mend_ends_the_plan() -> None:
    blocked = ResultError("Not allowed.", code="policy_blocked", retry=Retry.NEVER, internal="policy_output")
    assert walk(ORDERED, [blocked]) == ["a"]


def test_a_single_target_gets_one_more_try_after_a_fault_of_the_moment_and_only_then() -> None:
    alone = Route(model="writer", targets=(target("a"),))
    assert walk(alone, [failed("transport"), failed("transport")]) == ["a", "a"]
    assert walk(alone, [failed("billing")]) == ["a"]


def test_only_targets_that_can_do_what_the_request_needs_are_asked() -> None:
    seeing = Route(model="writer", targets=(target("blind"), target("seeing", capabilities=frozenset({"images"}))))
    assert walk(seeing, [failed()], needs=frozenset({"images"})) == ["seeing"]
    with pytest.raises(InvalidRequest) as refusal:
        walk(ORDERED, [], needs=frozenset({"images", "tools"}))
    assert refusal.value.code == "unsupported_content"
    assert "images, tools" in str(refusal.value)


def test_a_schema_never_excludes_a_target_since_the_ladder_reaches_it() -> None:
    assert fits(target("a"), frozenset({"json_schema"}))


def test_weights_decide_the_first_choice_in_proportion() -> None:
    route = Route(model="writer", targets=(target("a", weight=1), target("b", weight=3)), strategy="weighted")
    first = [walk(route, [], draw=step / 100)[0] for step in range(100)]
    assert (first.count("a"), first.count("b")) == (25, 75)
    assert walk(route, [failed()], draw=0.0) == ["a", "b"]


def test_a_target_rests_after_failures_in_a_row_and_longer_each_time() -> None:
    health, broken = Health(SETTINGS), target("a")
    for _ in range(SETTINGS.eject_after_failures - 1):
        health.observe(broken, failed(), 0.0)
    assert not health.rests(broken, 0.0)
    health.observe(broken, failed(), 0.0)
    assert health.rests(broken, 0.9)
    assert not health.rests(broken, 1.0)
    health.observe(broken, failed(), 1.0)
    assert health.rests(broken, 2.9)
    assert health.snapshot(2.9) == {"a/m": "resting"}
    assert health.snapshot(3.0) == {"a/m": "failing"}
    health.observe(broken, None, 3.0)
    assert health.snapshot(3.0) == {}


def test_a_partner_that_says_when_to_come_back_is_believed_up_to_the_limit() -> None:
    health, busy = Health(SETTINGS), target("a")
    health.observe(busy, failed("rate_rpm", Retry.LATER, retry_after_s=7.0), 0.0)
    assert health.rests(busy, 6.9)
    assert not health.rests(busy, 7.0)
    health.observe(busy, failed("rate_rpm", Retry.LATER, retry_after_s=86_400.0), 10.0)
    assert not health.rests(busy, 10.0 + SETTINGS.rest_limit_ms / 1000)


def test_what_is_not_the_partners_failure_never_counts_against_it() -> None:
    health, good = Health(SETTINGS), target("a")
    for _ in range(50):
        health.observe(good, InvalidRequest("Wrong.", code="invalid_request", retry=Retry.OTHER_TARGET), 0.0)
        health.observe(good, failed("bad_request", Retry.NEVER), 0.0)
    assert not health.rests(good, 0.0)


def test_a_resting_target_is_asked_last_but_is_asked_when_all_rest() -> None:
    health = Health(SETTINGS)
    for name in "abcd":
        health.observe(target(name), failed(retry_after_s=20.0), 0.0)
    assert walk(ORDERED, [failed()], health=health, now=1.0) == ["a", "b"]
    health.observe(target("b"), None, 1.0)
    assert walk(ORDERED, [failed()], health=health, now=1.0) == ["b", "a"]


@given(draw=st.floats(0, 1, exclude_max=True), weights=st.lists(st.integers(1, 1000), min_size=1, max_size=6), count=st.integers(0, 8))
def test_a_plan_names_each_target_once_and_stays_within_its_bound(draw: float, weights: list[int], count: int) -> None:
    targets = tuple(target(f"p{number}", weight=weight) for number, weight in enumerate(weights))
    asked = walk(Route(model="m", targets=targets, strategy="weighted"), [failed()] * count, draw=draw)
    assert len(asked) == len(set(asked)) <= SETTINGS.attempts
