"""`explain` in words: each place and each exclusion has its reason, live and from the configuration alone."""

from __future__ import annotations

from typing import Any

import pytest

from lizi.routing import LaneView, Route, Wanted, explain
from lizi.routing.explain import merged
from lizi.types import Target


def target(name: str, **fields: Any) -> Target:
    given = {"region": "north", "model": "m", **fields}
    return Target(partner=name, dialect="openai_chat", base_url="", credential="", price_key="", **given)


A, B = target("a"), target("b", weight=3)


def said(route: Route, wanted: Wanted | None = None, **views: LaneView) -> list[tuple[int | None, str, str]]:
    """Place, partner and reason of each target; `views` by partner, none of them without a service."""
    live = {f"{name}/m@north": view for name, view in views.items()} if views else None
    return [(verdict.place, verdict.target[0], verdict.reason) for verdict in explain(route, wanted or Wanted(), live)]


def route(*targets: Target, strategy: Any = "ordered") -> Route:
    return Route(model="writer", targets=targets, strategy=strategy)


@pytest.mark.parametrize(
    ("strategy", "first", "reason"),
    [
        ("ordered", "a", "as written, in rank 0"),
        ("weighted", "b", "weight 3 in rank 0"),
        ("balanced", "a", "balanced in rank 0"),
        ("cheapest", "b", "by price in rank 0: at most 0.000001"),
    ],
)
def test_the_strategy_gives_the_reason(strategy: str, first: str, reason: str) -> None:
    wanted = Wanted(cost=lambda each: {"a": 2, "b": 1}[each.partner])
    assert said(route(A, B, strategy=strategy), wanted)[0] == (1, first, reason)


def test_shares_are_told_for_the_first_rank_only() -> None:
    verdicts = explain(route(A, B, target("c", rank=1), strategy="weighted"), Wanted(), None)
    assert [verdict.first_percent for verdict in verdicts] == [75, 25, None]
    assert verdicts[2].reason == "alone in rank 1"


def test_prices_are_left_out_where_none_are_known() -> None:
    assert said(route(A, B, strategy="cheapest"))[0] == (1, "a", "by price in rank 0")


def test_load_is_told_where_a_service_runs() -> None:
    (first, second) = said(route(A, B, strategy="balanced"), a=LaneView(tokens=9, first_token_s=0.25), b=LaneView())
    assert first == (1, "b", "balanced in rank 0: 0 tokens under way, no first token seen yet")
    assert second == (2, "a", "balanced in rank 0: 9 tokens under way, 250 ms to the first token")


def test_trouble_moves_a_target_back_and_says_why() -> None:
    rows = said(route(A, B), a=LaneView(rests_s=4.0, probing=True), b=LaneView(refusal=0.2))
    assert [(place, name) for place, name, _ in rows] == [(1, "b"), (2, "a")]
    assert "20%" in rows[0][2]
    assert "4.0 s more, as the partner asked" in rows[1][2]
    assert "probes only" in said(route(A, B), a=LaneView(probing=True, refusal=0.8))[1][2]


def test_a_lone_target_keeps_its_place_whatever_its_health() -> None:
    assert said(route(A), a=LaneView(probing=True, rests_s=3.0)) == [(1, "a", "the only one that may")]


def test_a_full_lane_has_no_place() -> None:
    rows = said(route(A, B), a=LaneView(full="growth_percent", full_s=2.5))
    assert rows[1] == (None, "a", "its lane is full (growth_percent) for 2.5 s more")


def test_exclusions_name_what_is_missing() -> None:
    targets = (target("a", markets=frozenset({"CN", "HK"})), target("b", region="south"), target("c"), target("d", context_tokens=100))
    rows = said(route(*targets), Wanted(regions=frozenset({"north"}), input_tokens=500))
    assert rows[0] == (1, "c", "the only one that may")
    assert [reason for _, _, reason in rows[1:]] == [
        "it answers for CN, HK only, and the request is for no market",
        "it computes in south, and the request may go to north only",
        "its window of 100 tokens is smaller than the prompt of about 500",
    ]
    (row,) = said(route(A), Wanted(needs=frozenset({"images", "tools"})))
    assert row == (None, "a", "it can't do: images, tools")


def test_when_no_window_is_large_enough_it_says_that_this_is_an_estimate() -> None:
    rows = said(route(target("a", context_tokens=100), target("b", context_tokens=200)), Wanted(input_tokens=500))
    assert [(place, name) for place, name, _ in rows] == [(1, "b"), (2, "a")]
    assert "estimate" in rows[0][2]


def test_lanes_of_all_workers_are_added_up_and_full_only_where_all_are() -> None:
    one = {"a": LaneView(requests=2, tokens=10, first_token_s=0.2, probing=True, full="concurrency", full_s=1.0, concurrency=2)}
    two = {"a": LaneView(requests=1, tokens=30, refusal=0.4, growth_percent=25, concurrency=2, full_s=3.0, full="growth_percent")}
    both = merged([one, two])["a"]
    assert (both.requests, both.tokens, both.first_token_s, both.refusal) == (3, 40, 0.2, 0.2)
    assert (both.full, both.full_s, both.concurrency, both.growth_percent) == ("concurrency", 1.0, 4, 25)
    assert not both.probing
    free = merged([one, two, {"a": LaneView()}])["a"]
    assert (free.full, free.full_s, free.growth_percent) == ("", 0.0, 25)
    assert merged([]) == {}
