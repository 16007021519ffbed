"""`lizi ledger …`, `lizi audit …`, `lizi store …`: money and evidence, read back.

Days are those of the ledger's time zone; money is decimals for people and integer micro-units for
programs. Reads beside a running service and never changes a record; `restore` replaces the store
only while none runs, and keeps the old one.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from lizi.audit import Verdict
from lizi.cli.output import FAILED, NO, USAGE, Output, money
from lizi.cli.running import House
from lizi.config import Config
from lizi.edge import backup as copying
from lizi.edge import ledger
from lizi.edge.store import Store
from lizi.metering.prices import PriceBook, periods

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["backup", "quote", "reconcile", "report", "restore", "verify"]

_ALWAYS = (0.0, 1e11)
"""All there is: 1e11 is the year 5138."""


def _span(output: Output, house: House, since: str | None, until: str | None) -> tuple[float, float]:
    """Both days inclusive, from the first instant of one to the last of the other."""
    zone = ZoneInfo(house.config.metering.time_zone)
    first = _ALWAYS[0] if since is None else periods(_noon(output, "--since", since, zone), zone).day_start
    last = _ALWAYS[1] if until is None else periods(_noon(output, "--until", until, zone), zone).day_end
    if first >= last:
        output.fail("--until lies before --since.", hint="Both days are included.", code=USAGE, error="usage")
    return first, last


def _noon(output: Output, option: str, text: str, zone: ZoneInfo) -> float:
    """An instant that lies in the day in every zone: clocks never change around noon."""
    try:
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day, 12, tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        output.fail(f"{option}: {text!r} is no day.", hint="Write it as 2026-11-24.", code=USAGE, error="usage")


def report(
    output: Output, config_path: Path, by: Literal["app", "feature", "partner", "day"], since: str | None, until: str | None
) -> None:
    """One row for each name."""
    house = House(config_path)
    metering = house.config.metering
    first, last = _span(output, house, since, until)
    with output.progress("adding up"), Store.open(house.store_path, read_only=True) as store:
        found = ledger.report(store, by=by, since=first, until=last, zone=ZoneInfo(metering.time_zone))
    rows = [{**msgspec.structs.asdict(row), "currency": metering.currency} for row in found]

    def tokens(row: ledger.ReportRow, count: int) -> str:
        return f"{'≈' if row.estimated else ''}{count:,}"

    shown = [
        {
            by: f"{row.name} (synthetic)" if row.synthetic else row.name,
            "exchanges": f"{row.exchanges:,}",
            "attempts": f"{row.attempts:,}",
            "failed": f"{row.failed:,}",
            "input": tokens(row, row.input_tokens),
            "cached": tokens(row, row.cached_tokens),
            "output": tokens(row, row.output_tokens),
            "reasoning": tokens(row, row.reasoning_tokens),
            f"charged {metering.currency}": money(row.charged_micros),
            f"spent {metering.currency}": money(row.spent_micros),
        }
        for row in found
    ]
    output.table(rows, shown=shown, empty="Nothing was used in that time.")
    if any(row.estimated for row in found):
        output.say("[dim]≈ some of these counts are our estimates: the partner reported none.[/dim]")


def reconcile(output: Output, config_path: Path, since: str | None, until: str | None) -> None:
    """Whether the price book as it stands gives the costs that were written; ends with 1 when one differs or has no price."""
    house = House(config_path)
    first, last = _span(output, house, since, until)
    with output.progress("pricing"), Store.open(house.store_path, read_only=True) as store:
        found = ledger.reconcile(store, PriceBook(house.config.metering), since=first, until=last)
    currency = house.config.metering.currency

    def show(console: Console) -> None:
        console.print(f"{found.attempts:,} attempts cost {money(found.stored_micros)} {currency} when they were made.")
        if found.differing:
            console.print(
                f"[bold red]{found.differing:,} cost another amount by the price book of today[/bold red]: "
                f"{money(found.computed_micros)} {currency} for those that it prices."
            )
            output.say("[bold]hint:[/bold] A price or a rate of the past was changed: give the new one a later `from` instead.")
        if found.unpriced:
            console.print(f"[bold red]{found.unpriced:,} have no price any more[/bold red] for their model or day.")
        if not found.differing and not found.unpriced:
            console.print("[green]Each comes out as it was.[/green]")

    output.data({"currency": currency, **msgspec.structs.asdict(found)}, show)
    if found.differing or found.unpriced:
        raise SystemExit(NO)


def quote(output: Output, config_path: Path, partner: str, model: str | None, since: str | None, until: str | None) -> None:
    """What the same usage would have been charged at another partner's prices."""
    house = House(config_path)
    config = house.config
    first, last = _span(output, house, since, until)
    book = PriceBook(config.metering)
    priced = book.keys()
    keys = sorted(key for key in priced if key.startswith(f"{partner}/")) + _named(config, partner, priced)
    if not keys:
        output.fail(
            f"The price book has no prices of '{partner}'.",
            hint=f'Add [[metering.prices]] with key = "{partner}/MODEL" and the day they hold from.',
            code=NO,
            error="no_prices",
        )
    if model is not None and f"{partner}/{model}" not in keys:
        models = ", ".join(key.removeprefix(f"{partner}/") for key in keys)
        output.fail(f"The price book has no '{partner}/{model}'.", hint=f"It has: {models}.", code=USAGE, error="usage")

    def choose(logical: str) -> str | None:
        """The given model, else what this partner has for the logical one, else its only one."""
        if model is not None:
            return f"{partner}/{model}"
        targets = config.models[logical].targets if logical in config.models else ()
        its = [key for key in (_key(target) for target in targets if target.partner == partner) if key in keys]
        return its[0] if its else keys[0] if len(keys) == 1 else None

    with output.progress("pricing"), Store.open(house.store_path, read_only=True) as store:
        found = ledger.quote(store, book, choose, since=first, until=last)
    currency = config.metering.currency
    value = {"partner": partner, "model": model, "currency": currency, **msgspec.structs.asdict(found)}

    def show(console: Console) -> None:
        difference = found.quoted_micros - found.charged_micros
        console.print(
            f"{found.exchanges:,} exchanges were charged {money(found.charged_micros)} {currency}; at {partner}'s prices "
            f"{money(found.quoted_micros)} {currency} ({'+' if difference >= 0 else ''}{money(difference)})."
        )
        if found.estimated:
            output.say(f"[dim]≈ the counts of {found.estimated:,} exchanges are estimates.[/dim]")
        if found.unpriced:
            output.say(f"[dim]{found.unpriced:,} exchanges stand on neither side: {partner} has no price for their model or day.[/dim]")
            if model is None and len(keys) > 1:
                output.say("[dim]--model says which of its models would have answered.[/dim]")

    output.data(value, show)


def _key(target: Any) -> str:
    return target.price_key or f"{target.partner}/{target.model}"


def _named(config: Config, partner: str, known: frozenset[str]) -> list[str]:
    """Keys of that partner's targets that do not begin with its name."""
    keys = {_key(target) for model in config.models.values() for target in model.targets if target.partner == partner}
    return sorted(key for key in keys & known if not key.startswith(f"{partner}/"))


def verify(output: Output, config_path: Path, store_path: Path | None) -> None:
    """Check every link, place and signature, and the partners' moves; ends with 1 and names the first record or row that is wrong."""
    house = House(config_path) if store_path is None or config_path.exists() else None
    path = store_path or (house.store_path if house is not None else config_path)
    trusted = house.trust() if house is not None else None
    with output.progress("checking the chain"), Store.open(path, read_only=True) as store:
        verdict = store.verify(trusted)
    broken = verdict.broken
    value = {
        "whole": broken is None,
        "records": verdict.records,
        "chains": verdict.chains,
        "checkpoints": verdict.checkpoints,
        "signatures_checked": trusted is not None,
        "broken": broken,
    }

    def show(console: Console) -> None:
        if broken is not None:
            # A chain's name comes from a file that somebody may have written on purpose.
            console.print(f"broken at {broken.where}: {broken.why}", style="bold red", markup=False, soft_wrap=True)
            return
        console.print(f"[green]whole[/green]: {_counted(verdict)}, {verdict.checkpoints:,} signed checkpoints")
        if trusted is None:
            output.say("[dim]Signatures were not checked: no keyring here. --config names the configuration with the store's own.[/dim]")

    output.data(value, show)
    if broken is not None:
        output.say("[bold]hint:[/bold] 'lizi store restore' puts a good backup in its place; keep this file as evidence.")
        raise SystemExit(NO)


def _counted(verdict: Verdict) -> str:
    return f"{verdict.records:,} records in {verdict.chains:,} chain{'' if verdict.chains == 1 else 's'}"


def backup(output: Output, config_path: Path, to: Path) -> None:
    """A checked copy of the store at one moment; the service goes on."""
    house = House(config_path)
    trusted = house.trust()
    with output.progress("copying") as bar, Store.open(house.store_path, read_only=True) as store:
        done = copying.backup(store, to, trusted=trusted, progress=bar)
    value = {"path": str(to), "size_bytes": done.size_bytes, "records": done.verdict.records, "chains": done.verdict.chains}

    def show(console: Console) -> None:
        console.print(f"{to}: {done.size_bytes:,} bytes, {_counted(done.verdict)}, checked.", soft_wrap=True, markup=False)
        output.say("[dim]The keyring is not in it: keep a copy of it in another safe.[/dim]")

    output.data(value, show)


def restore(output: Output, config_path: Path, source: Path) -> None:
    """Put a checked backup in the store's place."""
    house = House(config_path)
    if house.running() is not None:
        output.fail(
            "The service is running on this store.",
            hint="Stop it first (SIGTERM), then restore.",
            code=FAILED,
            error="store_failed",
        )
    at = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%SZ")
    with output.progress("copying") as bar:
        done = copying.restore(source, house.store_path, at=at, trusted=house.trust(), progress=bar)
    value = {"size_bytes": done.size_bytes, "records": done.verdict.records, "chains": done.verdict.chains, "kept": done.kept}

    def show(console: Console) -> None:
        console.print(f"Restored: {done.size_bytes:,} bytes, {_counted(done.verdict)}.")
        if done.kept:
            output.say(f"The old store is kept as {done.kept}. What happened after the backup is in that one only, revocations too.")

    output.data(value, show)
