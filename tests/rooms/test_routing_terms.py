"""Terms as a filter of routing: what a request holds and where it would go must be allowed, for every target and every try."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi import routing
from lizi.errors import Forbidden, LiziError, PartnerError, Refused, Retry
from lizi.routing import Route, RoutingSettings, Traffic, Wanted
from lizi.types import Target, Terms

START, END = 1_000_000.0, 2_000_000.0
CLASSES = ("text", "personal", "sensitive", "image")
REGIONS = ("cn", "us")


def terms(data: Any = ("text",), regions: Any = ("cn",), since_at: float = START, until_at: float = END) -> Terms:
    return Terms(
        data=frozenset(data), regions=frozenset(regions), retention_days=0, training=False, contract="c", since_at=since_at,
        until_at=until_at, hash="0" * 64, signed_by="k",
    )  # fmt: skip


def target(name: str, region: str = "cn", agreed: Terms | None = None) -> Target:
    return Target(partner=name, model="m", region=region, dialect="openai_chat", base_url="", credential="", price_key="", terms=agreed)


def asked(route: Route, wanted: Wanted) -> list[Target]:
    """All that a plan names while every one of them fails."""
    plan = routing.plan(route, wanted, Traffic(RoutingSettings(retry_floor=100, attempts=8)), 0.0, lambda: 0.0)
    fault = PartnerError("down", code="upstream_failed", retry=Retry.OTHER_TARGET, internal="server_error")
    found = [next(plan)]
    try:
        while True:
            found.append(plan.send((fault, 0.0)))
    except StopIteration:
        return found


def refusal(route: Route, wanted: Wanted) -> LiziError:
    with pytest.raises(LiziError) as caught:
        asked(route, wanted)
    return caught.value


def test_a_target_whose_terms_do_not_allow_the_data_is_passed_over() -> None:
    route = Route(model="writer", targets=(target("a", agreed=terms()), target("b", agreed=terms(["text", "image"]))))
    assert {each.partner for each in asked(route, Wanted(data=frozenset({"text", "image"}), at=START))} == {"b"}
    assert {each.partner for each in asked(route, Wanted(data=frozenset({"text"}), at=START))} == {"a", "b"}


def test_data_that_nobody_may_be_given_is_a_typed_error_that_names_no_partner_outside() -> None:
    route = Route(model="writer", targets=(target("acme", agreed=terms()),))
    error = refusal(route, Wanted(data=frozenset({"text", "image"}), at=START))
    assert isinstance(error, Forbidden)
    assert (error.code, error.status) == ("data_not_permitted", 403)
    assert "image" in error.message
    assert "acme" not in error.message + str(error.hint) + str(error.extra)
    assert error.internal == "acme: its terms don't allow image: they allow text"


def test_classes_that_each_somebody_may_be_given_and_nobody_all_of_are_all_named() -> None:
    route = Route(model="writer", targets=(target("a", agreed=terms(["text"])), target("b", agreed=terms(["image"]))))
    assert "image, text" in refusal(route, Wanted(data=frozenset({"text", "image"}), at=START)).message


@pytest.mark.parametrize(
    ("agreed", "at", "says"),
    [
        (terms(), START - 1, "its terms begin on 1970-01-12"),
        (terms(), END, "its terms ended on 1970-01-24"),
        (terms(regions=["us"]), START, "it computes in cn, and its terms allow us only"),
    ],
)
def test_terms_that_do_not_hold_leave_nobody(agreed: Terms, at: float, says: str) -> None:
    route = Route(model="writer", targets=(target("acme", agreed=agreed),))
    error = refusal(route, Wanted(data=frozenset({"text"}), at=at))
    assert isinstance(error, Refused)
    assert (error.code, error.internal) == ("feature_unavailable", f"acme: {says}")
    assert "acme" not in error.message
    (verdict,) = routing.explain(route, Wanted(data=frozenset({"text"}), at=at), None)
    assert (verdict.place, verdict.state, verdict.reason) == (None, "terms", says)


def test_terms_hold_from_their_first_moment_to_the_last_before_their_end() -> None:
    route = Route(model="writer", targets=(target("a", agreed=terms()),))
    for at in (START, END - 0.001):
        assert asked(route, Wanted(data=frozenset({"text"}), at=at))


def test_synthetic_traffic_is_bound_by_terms_as_well() -> None:
    route = Route(model="writer", targets=(target("a", agreed=terms()),))
    assert refusal(route, Wanted(data=frozenset({"text"}), at=END, synthetic=True)).code == "feature_unavailable"


_agreed = st.none() | st.builds(
    terms, st.sets(st.sampled_from(CLASSES), min_size=1), st.sets(st.sampled_from(REGIONS), min_size=1),
    st.sampled_from([0.0, START]), st.sampled_from([START, END]),
)  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from(REGIONS), _agreed), min_size=1, max_size=6),
    st.sets(st.sampled_from(CLASSES)),
    st.none() | st.sets(st.sampled_from(REGIONS), min_size=1),
    st.sampled_from([START - 1, START, END]),
    st.sampled_from(["ordered", "weighted", "balanced", "cheapest"]),
)
def test_no_try_of_any_plan_goes_beyond_terms_or_regions(
    given: list[tuple[str, Terms | None]], data: set[Any], regions: set[str] | None, at: float, strategy: Any
) -> None:
    """Also when all of them fail, one after the other and a second time."""
    targets = tuple(target(f"p{number}", region, agreed) for number, (region, agreed) in enumerate(given))
    wanted = Wanted(data=frozenset(data), regions=None if regions is None else frozenset(regions), at=at)
    try:
        found = asked(Route(model="m", targets=targets, strategy=strategy), wanted)
    except LiziError:
        found = []
    for each in found:
        assert regions is None or each.region in regions
        if each.terms is not None:
            assert data <= each.terms.data
            assert each.region in each.terms.regions
            assert each.terms.since_at <= at < each.terms.until_at
    placed = [verdict for verdict in routing.explain(Route(model="m", targets=targets, strategy=strategy), wanted, None) if verdict.place]
    assert bool(placed) == bool(found), "explain says what plan does"
