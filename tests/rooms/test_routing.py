"""Routing: who is asked, who is asked next, and how often again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.errors import Forbidden, InvalidRequest, LiziError, PartnerError, Refused, ResultError, Retry
from lizi.routing import Route, RoutingSettings, Traffic, Wanted, explain, find, plan
from lizi.types import Attempt, Capability, LaneLimits, Target, Usage

SETTINGS = RoutingSettings()
STRATEGIES = ("ordered", "weighted", "balanced", "cheapest")


def target(name: str, *, capabilities: frozenset[Capability] = frozenset(), region: str = "local", **fields: Any) -> Target:
    return Target(
        partner=name,
        model="m",
        region=region,
        dialect="openai_chat",
        base_url="http://127.0.0.1:1/v1",
        credential="",
        price_key=f"{name}/m",
        capabilities=capabilities,
        **fields,
    )


def failed(internal: str = "overloaded", retry: Retry = Retry.OTHER_TARGET, retry_after_s: float | None = None) -> PartnerError:
    return PartnerError("It failed.", code="upstream_failed", retry=retry, internal=internal, retry_after_s=retry_after_s)


def draws(*values: float) -> Callable[[], float]:
    """The given ones in turn; the last one stays."""
    left = list(values)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def walk(
    route: Route,
    faults: Sequence[LiziError],
    *,
    traffic: Traffic | None = None,
    now: float = 0.0,
    draw: Callable[[], float] = lambda: 0.0,
    wanted: Wanted | None = None,
) -> list[str]:
    """Partners in the order in which they are asked, when each fails as given; the traffic is told as the corridor tells it."""
    traffic, wanted = traffic or Traffic(SETTINGS), wanted or Wanted(tokens=100)
    steps = plan(route, wanted, traffic, now, draw)
    asked = [next(steps)]
    for fault in faults:
        traffic.start(asked[-1], wanted.tokens, now, streamed=False).failed(fault, now)
        try:
            asked.append(steps.send((fault, now)))
        except StopIteration:
            break
    return [target.partner for target in asked]


def load(traffic: Traffic, of: Target, tokens: int, *, first_token_s: float | None = None, now: float = 0.0) -> None:
    """Put `tokens` under way."""
    passage = traffic.start(of, tokens, now, streamed=True)
    if first_token_s is not None:
        passage.first_token(now + first_token_s)


A, B, C, D = (target(name) for name in "abcd")
ORDERED = Route(model="writer", targets=(A, B, C, D))


# --- order and failover ----------------------------------------------------------


def test_targets_are_asked_in_their_order_up_to_the_bound_of_attempts() -> None:
    assert walk(ORDERED, [failed()] * 9) == ["a", "b", "c"]


def test_lower_ranks_are_asked_first_however_the_file_lists_them() -> None:
    route = Route(model="writer", targets=(target("c", rank=2), target("b", rank=1), target("a"), target("aa")))
    assert walk(route, [failed()] * 3) == ["a", "aa", "b"]


@pytest.mark.parametrize("internal", ["policy_input", "policy_output"])
def test_a_policy_block_ends_the_plan_whatever_else_there_is(internal: str) -> None:
    blocked = ResultError("Not allowed.", code="policy_blocked", retry=Retry.NEVER, internal=internal)
    assert walk(ORDERED, [blocked]) == ["a"]


def test_a_growth_refusal_is_not_handed_to_the_next_target() -> None:
    assert walk(ORDERED, [failed("rate_slope", Retry.LATER)]) == ["a"]


@pytest.mark.parametrize("internal", ["auth", "billing", "spend_cap", "not_found"])
def test_what_only_a_person_can_mend_fails_over_and_is_counted_for_the_page(internal: str) -> None:
    traffic = Traffic(SETTINGS)
    assert walk(ORDERED, [failed(internal)], traffic=traffic) == ["a", "b"]
    assert traffic.alarms == {("a", internal): 1}
    assert walk(ORDERED, [failed("overloaded")], traffic=traffic) == ["a", "b"]
    assert sum(traffic.alarms.values()) == 1


def test_a_single_target_gets_one_more_try_after_a_fault_of_the_moment_and_only_then() -> None:
    alone = Route(model="writer", targets=(A,))
    assert walk(alone, [failed("transport"), failed("transport")]) == ["a", "a"]
    assert walk(alone, [failed("billing")]) == ["a"]
    assert walk(alone, [failed("transport")], traffic=Traffic(RoutingSettings(attempts=1))) == ["a"]
    assert walk(alone, [failed("transport")], traffic=Traffic(RoutingSettings(retry_floor=0))) == ["a"]


def test_a_prompt_that_was_too_long_goes_on_only_to_a_window_known_to_be_larger() -> None:
    long = InvalidRequest("Too long.", code="context_size_exceeded", retry=Retry.OTHER_TARGET, internal="context_size")
    sizes = {"small": 8_000, "same": 8_000, "unknown": None, "large": 128_000}
    route = Route(model="writer", targets=tuple(target(name, context_tokens=size) for name, size in sizes.items()))
    assert walk(route, [long, long]) == ["small", "large"]
    unknown_first = Route(model="writer", targets=(target("unknown"), target("large", context_tokens=128_000)))
    assert walk(unknown_first, [long]) == ["unknown"]


# --- filters ---------------------------------------------------------------------


def test_only_targets_that_can_do_what_the_request_needs_are_asked() -> None:
    seeing = Route(model="writer", targets=(target("blind"), target("seeing", capabilities=frozenset({"images"}))))
    assert walk(seeing, [failed()], wanted=Wanted(needs=frozenset({"images"}))) == ["seeing"]
    with pytest.raises(InvalidRequest) as refusal:
        walk(ORDERED, [], wanted=Wanted(needs=frozenset({"images", "tools"})))
    assert refusal.value.code == "unsupported_content"
    assert "images, tools" in str(refusal.value)


def test_a_schema_never_excludes_a_target_since_the_ladder_reaches_it() -> None:
    assert walk(ORDERED, [], wanted=Wanted(needs=frozenset({"json_schema", "json_object"}))) == ["a"]
    assert list(ORDERED.able(frozenset({"json_schema"}))) == list(ORDERED.targets)


def test_a_reservation_covers_all_targets_that_can_serve_and_all_when_none_can() -> None:
    seeing = target("seeing", capabilities=frozenset({"images"}))
    route = Route(model="writer", targets=(A, seeing))
    assert list(route.able(frozenset({"images"}))) == [seeing]
    assert list(route.able(frozenset({"tools"}))) == [A, seeing]
    assert list(route.able(frozenset())) == [A, seeing]


def test_a_target_bound_to_markets_serves_no_other_and_no_key_without_one() -> None:
    route = Route(model="writer", targets=(target("cn", markets=frozenset({"CN"})), target("eu", markets=frozenset({"EU", "UK"}))))
    assert walk(route, [failed()], wanted=Wanted(market="CN")) == ["cn"]
    assert walk(route, [failed()], wanted=Wanted(market="UK")) == ["eu"]
    for market in ("", "US"):
        with pytest.raises(Forbidden) as refusal:
            walk(route, [], wanted=Wanted(market=market))
        assert refusal.value.code == "model_not_allowed"


def test_a_key_bound_to_regions_reaches_no_target_elsewhere_not_even_when_all_else_fails() -> None:
    route = Route(model="writer", targets=(target("far", region="us-east"), target("near", region="cn-north")))
    wanted = Wanted(regions=frozenset({"cn-north"}))
    assert walk(route, [failed("transport")] * 3, wanted=wanted) == ["near", "near"]
    with pytest.raises(Forbidden):
        walk(route, [], wanted=Wanted(regions=frozenset()))


def test_a_prompt_skips_targets_whose_window_it_passes_but_an_estimate_refuses_nobody() -> None:
    route = Route(
        model="writer", targets=(target("small", context_tokens=8_000), target("large", context_tokens=32_000), target("unknown"))
    )
    assert walk(route, [failed()] * 3, wanted=Wanted(input_tokens=8_000)) == ["small", "large", "unknown"]
    assert walk(route, [failed()] * 3, wanted=Wanted(input_tokens=8_001)) == ["large", "unknown"]
    known = Route(model="writer", targets=route.targets[:2])
    assert walk(known, [failed()], wanted=Wanted(input_tokens=99_000)) == ["large", "small"]


def test_a_model_without_any_target_is_not_available() -> None:
    with pytest.raises(Refused) as refusal:
        walk(Route(model="writer", targets=()), [])
    assert refusal.value.code == "feature_unavailable"


def test_a_model_is_found_when_it_is_there_and_allowed() -> None:
    routes = {"writer": ORDERED}
    assert find(routes, "writer", None) is find(routes, "writer", frozenset({"writer"})) is ORDERED
    for model, allowed, code in [
        ("", None, "feature_unavailable"),
        ("x", None, "model_not_found"),
        ("writer", frozenset({"x"}), "model_not_allowed"),
    ]:
        with pytest.raises(LiziError) as refusal:
            find(routes, model, allowed)
        assert refusal.value.code == code


# --- the choice among equals -------------------------------------------------------


def test_weights_decide_the_first_choice_in_proportion() -> None:
    route = Route(model="writer", targets=(target("a", weight=1), target("b", weight=3)), strategy="weighted")
    first = [walk(route, [], draw=draws(step / 100))[0] for step in range(100)]
    assert (first.count("a"), first.count("b")) == (25, 75)
    assert walk(route, [failed()]) == ["a", "b"]


def test_cheapest_follows_the_prices_of_the_day() -> None:
    route = Route(model="writer", targets=(A, B), strategy="cheapest")
    prices = {"a": 3, "b": 2}
    wanted = Wanted(cost=lambda target: prices[target.partner])
    assert walk(route, [failed()], wanted=wanted) == ["b", "a"]
    prices["b"] = 4
    assert walk(route, [failed()], wanted=wanted) == ["a", "b"]
    assert walk(route, [failed()]) == ["a", "b"], "without prices: as written"


BALANCED = Route(model="writer", targets=(A, B), strategy="balanced")


def test_of_two_cold_targets_the_quicker_one_is_asked_and_a_hot_one_is_not() -> None:
    traffic = Traffic(SETTINGS)
    load(traffic, A, 1_000, first_token_s=0.9)
    load(traffic, B, 9_000, first_token_s=0.2)
    assert walk(BALANCED, [failed()], traffic=traffic, now=1.0) == ["b", "a"]
    load(traffic, B, 50_000)
    assert walk(BALANCED, [], traffic=traffic, now=1.0) == ["a"], "60,000 tokens under way against 1,000: hot"


def test_when_all_are_hot_the_least_loaded_is_asked() -> None:
    route = Route(model="writer", targets=(*BALANCED.targets, target("idle", weight=100)), strategy="balanced")
    traffic = Traffic(SETTINGS)
    load(traffic, A, 90_000, first_token_s=0.1)
    load(traffic, B, 80_000, first_token_s=0.9)
    assert walk(route, [failed()] * 2, traffic=traffic, now=1.0, draw=draws(0.0, 0.0)) == ["b", "idle", "a"]


def test_a_target_never_measured_and_one_slow_long_ago_are_tried() -> None:
    traffic = Traffic(SETTINGS)
    load(traffic, A, 0, first_token_s=0.3)
    assert walk(BALANCED, [], traffic=traffic, now=1.0) == ["b"], "unknown counts as quick"
    load(traffic, B, 0, first_token_s=5.0)
    assert walk(BALANCED, [], traffic=traffic, now=1.0) == ["a"]
    load(traffic, A, 0, first_token_s=0.3, now=150.0)
    assert walk(BALANCED, [], traffic=traffic, now=150.5) == ["b"], "5 s halve every 30 s"


def test_larger_weights_carry_more_tokens_before_they_are_hot() -> None:
    big = target("big", weight=10)
    route = Route(model="writer", targets=(A, big), strategy="balanced")
    traffic = Traffic(SETTINGS)
    load(traffic, A, 20_000, first_token_s=0.5)
    load(traffic, big, 100_000, first_token_s=0.4)
    assert walk(route, [], traffic=traffic, now=1.0) == ["big"]


def test_a_whole_reply_tells_nothing_about_the_first_token() -> None:
    passage = Traffic(SETTINGS).start(A, 10, 0.0, streamed=False)
    assert not passage.waits


@given(
    data=st.data(),
    tokens=st.lists(st.integers(0, 200_000), min_size=3, max_size=6),
    one=st.floats(0, 1, exclude_max=True),
    two=st.floats(0, 1, exclude_max=True),
)
def test_of_the_two_drawn_the_better_one_is_asked_first(data: st.DataObject, tokens: list[int], one: float, two: float) -> None:
    targets = tuple(target(f"p{number}") for number in range(len(tokens)))
    traffic = Traffic(SETTINGS)
    for each, amount in zip(targets, tokens, strict=True):
        load(traffic, each, amount, first_token_s=data.draw(st.floats(0.01, 5.0)))
    order = walk(Route(model="m", targets=targets, strategy="balanced"), [failed()] * 2, traffic=traffic, now=5.0, draw=draws(one, two))
    first, second = int(one * len(tokens)), int(two * (len(tokens) - 1))
    drawn = {f"p{first}", f"p{second + (second >= first)}"}
    assert len(drawn) == 2
    assert order[0] in drawn


@given(
    draw=st.floats(0, 1, exclude_max=True),
    weights=st.lists(st.integers(1, 1000), min_size=1, max_size=6),
    ranks=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    count=st.integers(0, 8),
    strategy=st.sampled_from(STRATEGIES),
)
def test_a_plan_names_each_target_once_rank_by_rank_and_stays_within_its_bound(
    draw: float, weights: list[int], ranks: list[int], count: int, strategy: Any
) -> None:
    targets = tuple(target(f"p{number}", weight=weight, rank=ranks[number]) for number, weight in enumerate(weights))
    asked = walk(Route(model="m", targets=targets, strategy=strategy), [failed()] * count, draw=lambda: draw)
    assert len(asked) == len(set(asked)) <= SETTINGS.attempts
    seen = [ranks[int(name[1:])] for name in asked]
    assert seen == sorted(seen)


# --- health in the plan --------------------------------------------------------------


def sick(traffic: Traffic, of: Target, now: float = 0.0, count: int = 20, fault: LiziError | None = None) -> None:
    for _ in range(count):
        traffic.start(of, 100, now, streamed=False).failed(fault or failed(), now)


def test_a_resting_target_is_asked_last_but_is_asked_when_all_rest() -> None:
    traffic = Traffic(SETTINGS)
    for each in ORDERED.targets:
        sick(traffic, each, fault=failed(retry_after_s=20.0), count=1)
    assert walk(ORDERED, [failed()], traffic=traffic, now=1.0) == ["a", "b"]
    assert traffic.trouble(1.0) == {f"{name}/m": "resting" for name in "abcd"}
    well = Traffic(SETTINGS)
    sick(well, A)
    assert walk(ORDERED, [failed()] * 3, traffic=well, draw=lambda: 0.99, now=0.0)[0] == "a", "its first probe"
    assert walk(ORDERED, [failed()] * 3, traffic=well, draw=lambda: 0.99, now=0.0) == ["b", "c", "d"], "and then it comes last"


def test_a_target_that_fails_now_and_then_is_passed_over_by_its_share_only() -> None:
    traffic = Traffic(SETTINGS)
    for number in range(60):
        passage = traffic.start(A, 100, 0.0, streamed=False)
        if number % 5 < 3:
            passage.failed(failed(), 0.0)
        else:
            passage.left(answered(A), 0.0)
    share = traffic.views(0.0)["a/m@local"].refusal
    assert 0.1 < share < 0.5
    first = [walk(BALANCED_ORDER, [], traffic=traffic, draw=draws(step / 1000))[0] for step in range(1000)]
    assert first.count("b") == pytest.approx(share * 1000, abs=2)


BALANCED_ORDER = Route(model="writer", targets=(A, B))


def answered(of: Target, tokens: int = 0) -> Attempt:
    return Attempt(number=1, target=of, started_at=0.0, outcome="ok", usage=Usage(output_tokens=tokens))


def test_a_lone_target_is_never_kept_from_its_requests_by_a_guess_about_health() -> None:
    traffic = Traffic(SETTINGS)
    alone = Route(model="writer", targets=(A,))
    sick(traffic, A, count=50)
    sick(traffic, A, count=1, fault=failed(retry_after_s=20.0))
    assert [walk(alone, [], traffic=traffic) for _ in range(5)] == [["a"]] * 5


# --- lanes in the plan -----------------------------------------------------------------


def test_a_full_lane_passes_the_request_on_and_is_never_forced() -> None:
    narrow = target("narrow", lane=LaneLimits(concurrency=1))
    traffic = Traffic(SETTINGS)
    route = Route(model="writer", targets=(narrow, B))
    held = traffic.start(narrow, 100, 0.0, streamed=True)
    assert walk(route, [failed()] * 2, traffic=traffic) == ["b"]
    assert traffic.full == 1
    held.left(answered(narrow), 0.0)
    assert walk(route, [], traffic=traffic) == ["narrow"]


def test_when_all_lanes_are_full_the_refusal_is_ours_with_an_honest_time_and_counts_against_nobody() -> None:
    lanes = [target(name, lane=LaneLimits(requests_per_minute=limit)) for name, limit in (("slow", 2), ("quick", 6))]
    traffic = Traffic(SETTINGS)
    route = Route(model="writer", targets=tuple(lanes))
    for each in lanes:
        traffic.start(each, 100, 0.0, streamed=True).left(answered(each), 0.0)
    with pytest.raises(Refused) as refusal:
        walk(route, [], traffic=traffic)
    assert (refusal.value.code, refusal.value.status, refusal.value.side) == ("busy", 503, "lizi")
    assert refusal.value.retry_after_s is not None
    assert refusal.value.retry_after_s == pytest.approx(5.05)
    assert walk(route, [], traffic=traffic, now=refusal.value.retry_after_s) == ["quick"]
    assert traffic.trouble(0.0) == {}


def test_a_retry_after_a_failure_finds_the_lane_full_and_the_failure_stays_final() -> None:
    traffic = Traffic(SETTINGS)
    alone = Route(model="writer", targets=(target("a", lane=LaneLimits(requests_per_minute=2)),))
    assert walk(alone, [failed("transport")], traffic=traffic) == ["a"]


# --- the retry budget ---------------------------------------------------------------------


def test_second_tries_are_bounded_by_a_share_of_the_first_and_the_first_failure_is_final_then() -> None:
    traffic = Traffic(RoutingSettings(retry_floor=2, retry_percent=10, forgiven_failures=1_000_000))
    lengths = [len(walk(BALANCED_ORDER, [failed()], traffic=traffic, now=number / 10)) for number in range(100)]
    assert lengths[:2] == [2, 2], "the floor: a quiet service can fail over"
    assert lengths.count(2) == 2 + 10
    assert traffic.retries == 12
    assert traffic.retries_refused == 88


def test_the_budget_is_of_the_last_minute() -> None:
    traffic = Traffic(RoutingSettings(retry_floor=1, retry_percent=0, forgiven_failures=1_000_000))
    assert [len(walk(BALANCED_ORDER, [failed()], traffic=traffic, now=now)) for now in (0.0, 30.0, 59.9, 60.0, 61.0)] == [2, 1, 1, 2, 1]


@given(
    steps=st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=200),
    percent=st.integers(0, 50),
    floor=st.integers(0, 5),
)
def test_in_no_minute_there_are_more_second_tries_than_the_budget(steps: list[tuple[float, bool]], percent: int, floor: int) -> None:
    traffic = Traffic(RoutingSettings(retry_percent=percent, retry_floor=floor))
    now, firsts, seconds = 0.0, [], []
    for pause, again in steps:
        now += pause
        if again:
            if traffic.may_retry(now):
                seconds.append(now)
        else:
            traffic.tried(now)
            firsts.append(now)
        window = [int(now) - 60 < int(at) for at in seconds]
        if again and seconds and seconds[-1] == now:
            assert sum(window) <= floor + percent / 100 * sum(int(now) - 60 < int(at) for at in firsts)


# --- lanes as a whole ------------------------------------------------------------------------


def passages() -> Iterator[Callable[[Any, float], None]]:
    cancelled = Attempt(number=1, target=A, started_at=0.0, outcome="cancelled")
    yield lambda passage, now: passage.failed(failed(), now)
    yield lambda passage, now: passage.left(answered(A), now)
    yield lambda passage, now: passage.left(cancelled, now)
    yield lambda passage, now: (passage.failed(failed(), now), passage.left(cancelled, now))


@given(ends=st.lists(st.sampled_from(list(passages())), max_size=30), tokens=st.integers(0, 10_000))
def test_however_passages_end_what_is_under_way_comes_to_nothing(ends: list[Callable[[Any, float], None]], tokens: int) -> None:
    traffic = Traffic(SETTINGS)
    open_ = [traffic.start(A, tokens, 0.0, streamed=True) for _ in ends]
    if ends:
        view = traffic.views(0.0)["a/m@local"]
        assert (view.requests, view.tokens) == (len(ends), len(ends) * tokens)
    for passage, end in zip(open_, ends, strict=True):
        end(passage, 1.0)
    assert all((view.requests, view.tokens) == (0, 0) for view in traffic.views(1.0).values())


def test_lanes_are_of_partner_model_and_region_and_end_with_their_configuration() -> None:
    traffic = Traffic(SETTINGS)
    north, south = target("a", region="north"), target("a", region="south")
    sick(traffic, north)
    assert traffic.trouble(0.0) == {"a/m": "resting"}
    assert traffic.views(0.0)["a/m@north"].probing
    assert "a/m@south" not in traffic.views(0.0)
    load(traffic, south, 5)
    traffic.keep([south])
    assert list(traffic.views(0.0)) == ["a/m@south"]


def test_a_lane_follows_the_limits_of_a_new_configuration_and_keeps_what_it_counted() -> None:
    traffic = Traffic(SETTINGS)
    load(traffic, target("a"), 100)
    route = Route(model="writer", targets=(target("a", lane=LaneLimits(concurrency=1)),))
    with pytest.raises(Refused):
        walk(route, [], traffic=traffic)
    assert walk(Route(model="writer", targets=(target("a"),)), [], traffic=traffic) == ["a"]


@given(data=st.data(), strategy=st.sampled_from(("ordered", "balanced", "cheapest")))
def test_explain_names_the_targets_in_the_order_of_the_plan(data: st.DataObject, strategy: Any) -> None:
    """For two among equals and any number of ranks; the draws of larger balanced groups are chance, which explain can't know."""
    targets = tuple(
        target(f"p{number}", rank=number // 2, lane=LaneLimits(concurrency=data.draw(st.sampled_from((None, 1)))), context_tokens=size)
        for number, size in enumerate(data.draw(st.lists(st.sampled_from((None, 1_000, 9_000)), min_size=1, max_size=4)))
    )
    traffic = Traffic(RoutingSettings(attempts=9, retry_floor=99))
    for each in targets:
        for _ in range(data.draw(st.integers(0, 1))):
            load(traffic, each, data.draw(st.integers(1, 90_000)), first_token_s=data.draw(st.floats(0.01, 3.0)))
        if data.draw(st.booleans()):
            sick(traffic, each, count=1, fault=failed(retry_after_s=9.0))
    wanted = Wanted(input_tokens=data.draw(st.sampled_from((10, 5_000, 50_000))), tokens=100, cost=lambda each: len(each.partner))
    route = Route(model="m", targets=targets, strategy=strategy)
    verdicts = explain(route, wanted, traffic.views(4.0))
    expected = [verdict.target.partition("/")[0] for verdict in verdicts if verdict.place]
    try:
        steps = plan(route, wanted, traffic, 4.0, lambda: 0.0)
        asked = [next(steps).partner]
        while len(asked) < 9:
            asked.append(steps.send((failed(), 4.0)).partner)
    except StopIteration:
        assert asked == expected
    except Refused:
        assert expected == []


# --- the whole, on a clock by hand -----------------------------------------------------------


class Simulated:
    """Two partners, 50 requests a second; each answers or fails at once."""

    def __init__(self, settings: RoutingSettings = SETTINGS, tokens: int = 1_500) -> None:
        self.traffic = Traffic(settings)
        self.tokens = tokens
        self.draw = random.Random(7).random
        self.asked = {"a": 0, "b": 0}
        self.unanswered = 0
        self.now = 0.0

    def run(self, seconds: float, broken: str = "") -> dict[str, int]:
        """How often each was asked."""
        before = dict(self.asked)
        for _ in range(int(seconds * 50)):
            self.now += 0.02
            self.exchange(broken)
        return {name: count - before[name] for name, count in self.asked.items()}

    def exchange(self, broken: str) -> None:
        steps = plan(BALANCED_ORDER, Wanted(tokens=self.tokens), self.traffic, self.now, self.draw)
        chosen = next(steps)
        while True:
            self.asked[chosen.partner] += 1
            passage = self.traffic.start(chosen, self.tokens, self.now, streamed=False)
            if chosen.partner not in broken:
                passage.left(answered(chosen, 1_000), self.now)
                return
            passage.failed(failed(), self.now)
            try:
                chosen = steps.send((failed(), self.now))
            except StopIteration:
                self.unanswered += 1
                return


def test_an_outage_of_one_of_two_partners_costs_nobody_an_answer_and_the_partner_no_flood() -> None:
    service = Simulated()
    assert service.run(60.0) == {"a": 3_000, "b": 0}
    outage = service.run(60.0, broken="a")
    assert service.unanswered == 0
    assert outage["b"] == 3_000
    assert outage["a"] < 150, "5 % of the traffic, most of it in the first seconds"
    assert service.run(10.0, broken="a")["a"] <= 10, "then probes only: 1,000 tokens a second"
    service.run(30.0)
    assert service.run(10.0)["a"] > 490, "it is back"
    assert service.traffic.trouble(service.now) == {}


def test_short_requests_pay_for_no_more_probes_than_the_second_tries_that_they_need() -> None:
    service = Simulated(tokens=100)  # 1,000 tokens a second would be ten probes, 600 a minute; there are 400 second tries
    service.run(60.0)
    outage = service.run(300.0, broken="a")
    assert service.unanswered == 0 and service.traffic.retries_refused == 0
    assert outage["a"] <= 5 * 200 + 100, "half of each minute's budget at the most; the other half is for failures that nobody chose"
    service.run(30.0)
    assert service.run(10.0)["a"] > 490, "it is back as soon as ever"


def test_when_all_fail_the_second_tries_stay_within_the_budget() -> None:
    service = Simulated()
    service.run(60.0)
    service.run(60.0, broken="ab")
    assert service.traffic.retries <= 0.1 * 3_000 + 2 * SETTINGS.retry_floor + 0.1 * 3_000
    minute = service.traffic.retries
    service.run(60.0, broken="ab")
    assert service.traffic.retries - minute <= 0.1 * 3_000 + SETTINGS.retry_floor + 1


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b", "ab"]), st.integers(1, 40)), min_size=1, max_size=6))
def test_the_same_past_gives_the_same_state(past: list[tuple[str, int]]) -> None:
    one, two = Simulated(), Simulated()
    for broken, tenths in past:
        one.run(tenths / 10, broken)
        two.run(tenths / 10, broken)
    assert one.traffic.views(one.now) == two.traffic.views(two.now)
    assert (one.asked, one.unanswered) == (two.asked, two.unanswered)
