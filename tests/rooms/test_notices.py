"""Notices: what a market is shown, of whom, from which day."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from lizi.notices import Disclosure, Notice, disclosed, markets
from lizi.types import Target, Terms

NOW = 1_795_500_000.0  # 2026-11-24
FEATURES = {"writing.proofread": "writer", "writing.rewrite": "writer", "writing.transform": "tables"}


def target(partner: str, model: str = "large", **fields: Any) -> Target:
    return Target(partner=partner, model=model, region="cn", dialect="openai_chat", base_url="", credential="", price_key="", **fields)


def notice(partner: str = "acme", model: str = "large", number: str = "N-1", **fields: Any) -> Notice:
    return Notice(market="CN", partner=partner, model=model, name=f"Name {number}", number=number, **fields)


def shown(notices: list[Notice], serving: dict[str, list[Target]], market: str = "CN") -> list[Disclosure]:
    return disclosed(notices, market, NOW, serving, FEATURES)


def numbers(notices: list[Notice], serving: dict[str, list[Target]], market: str = "CN") -> list[str]:
    return [each.notice.number for each in shown(notices, serving, market)]


def test_a_filed_model_is_shown_once_with_all_that_it_stands_behind() -> None:
    (one,) = shown([notice()], {"writer": [target("acme"), target("bolt")], "assistant": [target("acme")], "tables": [target("bolt")]})
    assert (one.notice.number, one.models) == ("N-1", ("writer", "assistant"))
    assert one.features == ("writing.proofread", "writing.rewrite")


def test_only_targets_of_the_market_are_shown() -> None:
    serving = {"writer": [target("acme", markets=frozenset({"HK"})), target("bolt", markets=frozenset({"CN"})), target("core")]}
    filed = [notice(), notice("bolt", number="N-2"), notice("core", number="N-3")]
    assert numbers(filed, serving) == ["N-2", "N-3"]
    assert numbers(filed, serving, "HK") == []


def test_the_day_and_the_exact_name_decide_which_notice_holds() -> None:
    serving = {"writer": [target("acme", "large-7")]}
    old = notice(model="large-*", number="old", since=date(2025, 1, 1))
    new = notice(model="large-*", number="new", since=date(2026, 11, 1))
    later = notice(model="large-*", number="later", since=date(2026, 12, 1))
    gone = notice(model="large-7", number="gone", until=date(2026, 11, 24))
    exact = notice(model="large-7", number="exact")
    assert numbers([old, new, later, gone], serving) == ["new"]
    assert numbers([old, new, exact], serving) == ["exact"]
    assert numbers([later, gone], serving) == []


def test_a_target_without_a_notice_shows_the_number_of_its_record() -> None:
    (one,) = shown([], {"writer": [target("acme", filing="R-9"), target("bolt")]})
    assert (one.notice.name, one.notice.number, one.notice.filed) == ("large", "R-9", None)
    assert numbers([notice()], {"writer": [target("acme", filing="R-9")]}) == ["N-1"]


@pytest.mark.parametrize(("since_at", "until_at", "there"), [(NOW - 9, NOW + 9, True), (NOW - 9, NOW, False), (NOW + 1, NOW + 9, False)])
def test_a_partner_that_its_terms_drain_is_not_shown(since_at: float, until_at: float, there: bool) -> None:
    terms = Terms(
        data=frozenset(), regions=frozenset(), retention_days=0, training=False, contract="c", since_at=since_at, until_at=until_at,
        hash="", signed_by="",
    )  # fmt: skip
    assert bool(numbers([notice()], {"writer": [target("acme", terms=terms)]})) is there


def test_markets_are_those_with_a_notice_and_those_that_a_target_names() -> None:
    assert markets([notice()], [target("acme"), target("bolt", markets=frozenset({"HK", "EU"}))]) == {"CN", "HK", "EU"}
    assert markets([], [target("acme")]) == frozenset()
