"""The ledger's rows: written with the chain in one transaction, read back as reports and quotes.

Never holds content. All money is integer micro-units of the ledger's currency. `spent` is what
all attempts cost the maker, `charged` what the app pays: a failed attempt that a partner billed
stands in the first only. Bound: a batch is written by at most some twenty statements, whatever
its size; quotes stream over the rows and keep sums only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain as joined
from sqlite3 import Connection
from typing import Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from lizi.audit import Record
from lizi.edge.store import Store, mapped, place
from lizi.errors import ConfigError
from lizi.metering import PriceBook
from lizi.metering.bill import PAID
from lizi.types import Exchange, Usage

__all__ = ["Quote", "Reconciliation", "ReportRow", "Sent", "quote", "reconcile", "report", "sent", "write"]

_EXCHANGE_COLUMNS = 23
_ATTEMPT_COLUMNS = 19
_AUDIT_COLUMNS = 3
_STEPS = (64, 16, 4, 1)
"""Rows per INSERT. Every statement that runs gives the interpreter's lock away and must win it back, up to a
switch interval later on a busy loop; one statement for 64 rows does so once. Few sizes, so that all stay prepared."""


def _insert(connection: Connection, table: str, columns: int, rows: Sequence[tuple[Any, ...]]) -> None:
    one = "(" + ",".join("?" * columns) + ")"
    at = 0
    for step in _STEPS:
        while len(rows) - at >= step:
            sql = f"INSERT INTO {table} VALUES " + ",".join([one] * step)  # noqa: S608 - our own table names
            connection.execute(sql, tuple(joined.from_iterable(rows[at : at + step])))
            at += step


def write(connection: Connection, chain_no: int, exchanges: Sequence[Exchange], records: Sequence[Record], *, intents: bool) -> None:
    """Insert a batch within the caller's transaction: ledger rows, audit records, and (strict) the end of their intents."""
    last = connection.execute("SELECT coalesce(max(no), 0) FROM exchanges").fetchone()[0]
    rows: list[tuple[Any, ...]] = []
    tries: list[tuple[Any, ...]] = []
    for no, exchange in enumerate(exchanges, last + 1):
        usage = exchange.usage
        released = exchange.first_released_mono
        rows.append(
            (
                no, exchange.id, round(exchange.started_at * 1000), round(exchange.ended_at * 1000),
                None if released is None else round((released - exchange.started_mono) * 1000),
                exchange.app, exchange.key_id, exchange.feature, exchange.model, exchange.stream, exchange.outcome, exchange.finish,
                usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens, usage.estimated,
                exchange.charged_micros, exchange.spent_micros, exchange.reserved_micros, exchange.config_hash, exchange.idempotency,
                exchange.synthetic,
            )
        )  # fmt: skip
        for number, attempt in enumerate(exchange.attempts, 1):
            target, usage = attempt.target, attempt.usage
            tries.append(
                (
                    no, number, target.partner, target.model, target.region, target.price_key,
                    round(attempt.started_at * 1000), round(attempt.ended_at * 1000), attempt.status, attempt.outcome, attempt.finish,
                    usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens, usage.estimated,
                    attempt.cost_micros, attempt.released, None if target.terms is None else target.terms.short,
                )
            )  # fmt: skip
    _insert(connection, "exchanges", _EXCHANGE_COLUMNS, rows)
    _insert(connection, "attempts", _ATTEMPT_COLUMNS, tries)
    _insert(connection, "audit", _AUDIT_COLUMNS, [(place(chain_no, record.seq), record.body, record.hash) for record in records])
    if intents:
        connection.executemany("DELETE FROM intents WHERE id = ?", [(exchange.id,) for exchange in exchanges])


# --- attempts ------------------------------------------------------------------


class Sent(Struct, frozen=True, kw_only=True):
    """Where and when one attempt was sent."""

    exchange_id: str
    number: int
    partner: str
    model: str
    region: str
    started_ms: int
    terms: str | None
    """The short hash of the terms that it was sent under."""


def sent(store: Store) -> Iterator[Sent]:
    """Every attempt of the ledger, in the order of its exchanges; a row at a time."""
    with mapped("can't read the attempts"):
        for row in store.connection.execute(
            "SELECT e.id, a.number, a.partner, a.model, a.region, a.started_ms, a.terms "
            "FROM exchanges e JOIN attempts a ON a.exchange_no = e.no ORDER BY e.no, a.number"
        ):
            yield Sent(
                exchange_id=row[0], number=row[1], partner=row[2], model=row[3], region=row[4], started_ms=row[5], terms=row[6]
            )


# --- reports -------------------------------------------------------------------


class ReportRow(Struct, frozen=True, kw_only=True):
    """Sums over one app, feature, partner or day; what users asked for and what was made for examining stand in rows of their own."""

    name: str
    synthetic: bool
    exchanges: int
    attempts: int
    failed: int
    """Exchanges (by partner: attempts) that did not end well; one that its caller left is not among them."""
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    estimated: int
    """Exchanges (by partner: attempts) with at least one count that is ours and not the partner's."""
    charged_micros: int
    spent_micros: int


_QUARTER_MS = 900_000
"""All time zones in use since 1972 are whole quarters of an hour from UTC, so a day in any of them is a set of quarters."""

_KEYS = {"app": "app", "feature": "feature", "day": f"started_ms / {_QUARTER_MS}"}
_SUMS = (
    "sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(reasoning_tokens), sum(estimated), "
    "sum(outcome NOT IN ('ok', 'cancelled'))"
)
_PAID = " OR ".join(f"(e.outcome, a.outcome) = ('{ended}', '{outcome}')" for ended, outcomes in PAID.items() for outcome in outcomes)
"""Whether the corridor charges for an attempt `a` of an exchange `e`: the rule of `metering.bill`, in SQL."""


def report(
    store: Store, *, by: Literal["app", "feature", "partner", "day"], since: float = 0.0, until: float = 1e11, zone: ZoneInfo | None = None
) -> list[ReportRow]:
    """Sums over the exchanges that started in `[since, until)` (Unix seconds), by name, synthetic ones apart.

    Tokens are those charged, except by partner, where they are those of every attempt; and the
    charge stands with the attempts that the corridor charges for (law 9). `zone` cuts the days
    (default UTC).
    """
    span = (round(since * 1000), round(until * 1000))
    if by == "partner":
        sql = (
            f"SELECT name, synthetic, count(DISTINCT no), count(*), {_SUMS}, "  # noqa: S608 - only constants
            "sum(CASE WHEN paid THEN cost_micros ELSE 0 END), sum(cost_micros) "
            "FROM (SELECT a.partner AS name, e.synthetic AS synthetic, e.no AS no, a.*, "
            f"{_PAID} AS paid "
            "FROM exchanges e JOIN attempts a ON a.exchange_no = e.no WHERE e.started_ms >= ? AND e.started_ms < ?) GROUP BY 1, 2"
        )
    else:
        key = _KEYS[by]
        sql = (
            f"SELECT {key}, synthetic, count(*), "  # noqa: S608 - only constants
            f"sum((SELECT count(*) FROM attempts WHERE exchange_no = no)), {_SUMS}, "
            "sum(charged_micros), sum(spent_micros) FROM exchanges WHERE started_ms >= ? AND started_ms < ? GROUP BY 1, 2"
        )
    sums: dict[tuple[str, bool], list[int]] = {}
    with mapped("can't read the ledger"):
        for name, synthetic, *values in store.connection.execute(sql, span):
            if by == "day":
                name = datetime.fromtimestamp(name * _QUARTER_MS / 1000, zone or UTC).date().isoformat()
            total = sums.setdefault((name, bool(synthetic)), [0] * len(values))
            for at, value in enumerate(values):
                total[at] += value
    return [
        ReportRow(
            name=name, synthetic=synthetic,
            exchanges=v[0], attempts=v[1], input_tokens=v[2], output_tokens=v[3], cached_tokens=v[4], reasoning_tokens=v[5],
            estimated=v[6], failed=v[7], charged_micros=v[8], spent_micros=v[9],
        )
        for (name, synthetic), v in sorted(sums.items())
    ]  # fmt: skip


# --- quotes --------------------------------------------------------------------


class Quote(Struct, frozen=True, kw_only=True):
    """The past at other prices. Token counts stay as they were: another partner's tokenizer would count otherwise."""

    exchanges: int
    """Exchanges that used tokens and have a price in this quote."""
    charged_micros: int
    """What those were charged."""
    quoted_micros: int
    """What they would have been charged."""
    unpriced: int
    """Exchanges left out on both sides: no price of that partner for their model or on their day."""
    estimated: int
    """Exchanges whose counts are estimates."""


def _usages(store: Store, sql: str, span: tuple[int, int]) -> Iterator[tuple[str, float, Usage, int]]:
    with mapped("can't read the ledger"):
        for key, started_ms, asked, answered, cached, reasoning, estimated, micros in store.connection.execute(sql, span):
            usage = Usage(
                input_tokens=asked, output_tokens=answered, cached_tokens=cached, reasoning_tokens=reasoning, estimated=bool(estimated)
            )
            yield key, started_ms / 1000, usage, micros


def quote(store: Store, book: PriceBook, choose: Callable[[str], str | None], *, since: float = 0.0, until: float = 1e11) -> Quote:
    """Replay what was charged for users at another partner's prices, each exchange at the price of its own start.

    `choose` gives the price key for a logical model, or `None` when that partner has none for it.
    """
    exchanges = charged = quoted = unpriced = estimated = 0
    keys: dict[str, str | None] = {}
    sql = (
        "SELECT model, started_ms, input_tokens, output_tokens, cached_tokens, reasoning_tokens, estimated, charged_micros "
        "FROM exchanges WHERE started_ms >= ? AND started_ms < ? AND input_tokens + output_tokens > 0 AND NOT synthetic"
    )
    for model, at, usage, micros in _usages(store, sql, (round(since * 1000), round(until * 1000))):
        if model not in keys:
            keys[model] = choose(model)
        key = keys[model]
        try:
            cost = None if key is None else book.cost_micros(usage, key, at)
        except ConfigError:  # no price that early
            cost = None
        if cost is None:
            unpriced += 1
            continue
        exchanges += 1
        charged += micros
        quoted += cost
        estimated += usage.estimated
    return Quote(exchanges=exchanges, charged_micros=charged, quoted_micros=quoted, unpriced=unpriced, estimated=estimated)


class Reconciliation(Struct, frozen=True, kw_only=True):
    """Whether the price book, as it stands, gives the costs that were written then."""

    attempts: int
    stored_micros: int
    computed_micros: int
    differing: int
    unpriced: int


def reconcile(store: Store, book: PriceBook, *, since: float = 0.0, until: float = 1e11) -> Reconciliation:
    """Price every attempt again at its own key and start: an old invoice must come out as it was."""
    attempts = stored = computed = differing = unpriced = 0
    sql = (
        "SELECT a.price_key, a.started_ms, a.input_tokens, a.output_tokens, a.cached_tokens, a.reasoning_tokens, a.estimated, "
        "a.cost_micros FROM exchanges e JOIN attempts a ON a.exchange_no = e.no WHERE e.started_ms >= ? AND e.started_ms < ?"
    )
    for key, at, usage, micros in _usages(store, sql, (round(since * 1000), round(until * 1000))):
        attempts += 1
        stored += micros
        try:
            cost = book.cost_micros(usage, key, at)
        except ConfigError:
            unpriced += 1
            continue
        computed += cost
        differing += cost != micros
    return Reconciliation(attempts=attempts, stored_micros=stored, computed_micros=computed, differing=differing, unpriced=unpriced)
