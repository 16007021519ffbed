"""Reports and quotes: sums that agree with the rows, to the micro-unit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from edge.journal_rows import finished, target
from lizi.audit import Chain
from lizi.edge.journal import begin_chain
from lizi.edge.ledger import Quote, quote, reconcile, report, write
from lizi.edge.store import Store
from lizi.metering import MeteringSettings, PriceBook, bill
from lizi.types import Attempt, Exchange, Usage

DAY = 86_400.0
NEW_YEAR = 1_767_225_600.0
"""2026-01-01T00:00Z."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lizi.sqlite") as opened:
        yield opened


def record(store: Store, *exchanges: Exchange) -> None:
    chain = Chain(boot="boot", worker=1, config_hash="c", version="0.1", started_at=1.0)
    number = begin_chain(store, chain)
    with store.writing("test") as connection:
        write(connection, number, exchanges, [chain.append(exchange) for exchange in exchanges], intents=False)


def failed_over(number: int) -> Exchange:
    """A first partner billed 100 and broke; a second answered for 350."""
    exchange = finished(number, partner="second")
    first = Attempt(
        number=1,
        target=target("first"),
        started_at=exchange.started_at,
        ended_at=exchange.started_at,
        status=200,
        outcome="stream_cut",
        usage=Usage(input_tokens=120, output_tokens=2, estimated=True),
        cost_micros=100,
    )
    exchange.attempts.insert(0, first)
    exchange.spent_micros = 450
    return exchange


def by(store: Store, what: Any, **span: Any) -> dict[str, Any]:
    return {row.name: row for row in report(store, by=what, **span)}


def test_batches_of_any_size_are_written_whole(store: Store) -> None:
    record(store, *(finished(number) for number in range(64 + 16 + 4 + 3)))
    row = by(store, "app")["notes"]
    assert (row.exchanges, row.attempts, row.charged_micros) == (87, 87, 87 * 350)


@pytest.mark.requirement("S58")
def test_reports_by_app_feature_and_day_add_up_to_the_same(store: Store) -> None:
    record(
        store,
        finished(1, app="notes", feature="chat", started_at=NEW_YEAR - 1),
        finished(2, app="notes", feature="writing.proofread", started_at=NEW_YEAR),
        finished(3, app="mail", feature="chat", started_at=NEW_YEAR + DAY),
    )
    assert {name: row.exchanges for name, row in by(store, "app").items()} == {"mail": 1, "notes": 2}
    assert {name: row.exchanges for name, row in by(store, "feature").items()} == {"chat": 2, "writing.proofread": 1}
    assert {name: row.exchanges for name, row in by(store, "day").items()} == {"2025-12-31": 1, "2026-01-01": 1, "2026-01-02": 1}
    for what in ("app", "feature", "partner", "day"):
        rows = by(store, what).values()
        assert sum(row.charged_micros for row in rows) == 3 * 350, what
        assert sum(row.spent_micros for row in rows) == 3 * 350, what
        assert sum(row.cached_tokens for row in rows) == 60, what


@pytest.mark.parametrize(
    ("zone", "day"), [("Asia/Shanghai", "2026-01-01"), ("America/New_York", "2025-12-31"), ("Asia/Kathmandu", "2026-01-01")]
)
def test_days_are_those_of_the_configured_zone(store: Store, zone: str, day: str) -> None:
    record(store, finished(1, started_at=NEW_YEAR - 3600))
    assert list(by(store, "day", zone=ZoneInfo(zone))) == [day]


def test_a_span_takes_its_first_instant_and_leaves_its_last(store: Store) -> None:
    record(store, finished(1, started_at=100.0), finished(2, started_at=200.0))
    assert by(store, "app", since=100.0, until=200.0)["notes"].exchanges == 1
    assert by(store, "app", since=200.001) == {}


def test_a_failed_attempt_that_was_billed_is_spent_and_not_charged(store: Store) -> None:
    record(store, failed_over(1))
    row = by(store, "app")["notes"]
    assert (row.attempts, row.charged_micros, row.spent_micros, row.failed) == (2, 350, 450, 0)
    partners = by(store, "partner")
    assert (partners["first"].charged_micros, partners["first"].spent_micros) == (0, 100)
    assert (partners["second"].charged_micros, partners["second"].spent_micros) == (350, 350)
    assert (partners["first"].failed, partners["second"].failed) == (1, 0)
    assert partners["first"].estimated == 1


@pytest.mark.requirement("S56")
def test_the_ledger_equals_the_sum_of_what_partners_reported(store: Store) -> None:
    record(store, *(failed_over(number) for number in range(30)))
    partners = by(store, "partner")
    assert sum(row.input_tokens for row in partners.values()) == 30 * 240
    assert sum(row.output_tokens for row in partners.values()) == 30 * 82


def test_what_a_client_left_is_not_counted_as_failed(store: Store) -> None:
    left, broken = finished(1), finished(2)
    left.outcome = left.attempts[0].outcome = "cancelled"
    broken.outcome = broken.attempts[0].outcome = "upstream_failed"
    broken.charged_micros = 0
    record(store, left, broken)
    assert by(store, "app")["notes"].failed == 1
    assert by(store, "partner")["acme"].charged_micros == 350


def book(*prices: dict[str, Any]) -> PriceBook:
    return PriceBook(msgspec.convert({"prices": list(prices)}, MeteringSettings))


def price(key: str, since: str, asked: object, answered: object) -> dict[str, Any]:
    return {"key": key, "from": since, "input_per_million": asked, "output_per_million": answered}


def test_a_quote_replays_each_exchange_at_the_price_of_its_day(store: Store) -> None:
    record(store, finished(1, started_at=NEW_YEAR), finished(2, started_at=NEW_YEAR + DAY))
    prices = book(price("other/m", "2026-01-01", 1, 2), price("other/m", "2026-01-02", 10, 20))
    assert quote(store, prices, {"writer": "other/m"}.get) == Quote(
        exchanges=2, charged_micros=700, quoted_micros=280 + 2800, unpriced=0, estimated=0
    )


def test_a_quote_says_what_it_left_out(store: Store) -> None:
    early, unknown, idle = finished(1, started_at=NEW_YEAR - 1), finished(2, started_at=NEW_YEAR), finished(3, started_at=NEW_YEAR)
    unknown.model = "painter"
    idle.usage = Usage()
    record(store, early, unknown, idle, finished(4, started_at=NEW_YEAR))
    made = quote(store, book(price("other/m", "2026-01-01", 1, 2)), {"writer": "other/m"}.get)
    assert (made.exchanges, made.unpriced, made.charged_micros, made.quoted_micros) == (1, 2, 350, 280)


@pytest.mark.requirement("S61")
def test_an_old_invoice_comes_out_as_it_was_after_prices_fell(store: Store) -> None:
    prices = book(price("acme/large-1", "2025-12-31", 1, 2), price("acme/large-1", "2026-01-01", "0.1", "0.2"))
    old, new = finished(1, started_at=NEW_YEAR - 60), finished(2, started_at=NEW_YEAR + 60)
    for exchange in (old, new):
        attempt = exchange.attempts[0]
        attempt.cost_micros = prices.cost_micros(attempt.usage, attempt.target.price_key, attempt.started_at)
    record(store, old, new)
    checked = reconcile(store, prices)
    assert (checked.attempts, checked.differing, checked.unpriced) == (2, 0, 0)
    assert checked.stored_micros == checked.computed_micros == 280 + 28
    dearer = book(price("acme/large-1", "2026-01-01", 5, 5))
    assert (reconcile(store, dearer).differing, reconcile(store, dearer).unpriced) == (1, 1)


@pytest.mark.parametrize("before_s", [0.0004, 0.0006, 0.0])
def test_an_attempt_at_the_edge_of_two_prices_has_the_price_of_the_time_that_the_ledger_keeps(store: Store, before_s: float) -> None:
    prices = book(price("acme/large-1", "2025-12-31", 1, 2), price("acme/large-1", "2026-01-01", 10, 20))
    exchange = finished(1, started_at=NEW_YEAR - 1.0)
    exchange.attempts[0].started_at = NEW_YEAR - before_s
    exchange.charged_micros = exchange.spent_micros = 0
    bill.charge(exchange, prices)
    record(store, exchange)
    checked = reconcile(store, prices)
    assert (checked.attempts, checked.differing) == (1, 0)
    assert checked.stored_micros == exchange.charged_micros


@pytest.mark.parametrize("ended", ["ok", "cancelled", "upstream_failed", "internal"])
def test_a_partners_report_charges_for_what_the_corridor_charges_for(store: Store, ended: str) -> None:
    """The rule has one home: `bill.PAID`."""
    exchange = finished(1, started_at=NEW_YEAR)
    exchange.charged_micros = exchange.spent_micros = 0
    exchange.usage, exchange.outcome = Usage(), ended
    exchange.attempts = [
        Attempt(
            number=number,
            target=target(outcome),
            started_at=NEW_YEAR,
            outcome=outcome,
            usage=Usage(input_tokens=10**number),
        )
        for number, outcome in enumerate(("ok", "cancelled", "rejected", "stream_cut"))
    ]
    bill.charge(
        exchange, book(*(price(f"{outcome}/large-1", "2026-01-01", 1, 1) for outcome in ("ok", "cancelled", "rejected", "stream_cut")))
    )
    record(store, exchange)
    partners = by(store, "partner")
    assert sum(row.charged_micros for row in partners.values()) == by(store, "app")["notes"].charged_micros == exchange.charged_micros
    assert sum(row.spent_micros for row in partners.values()) == exchange.spent_micros == 1111
    assert {name for name, row in partners.items() if row.charged_micros} == set(bill.PAID.get(ended, ()))
