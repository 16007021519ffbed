"""`lizi key …`: app keys made, listed, rotated and revoked.

Through the running service, where a change acts on every worker before the command returns, or on
the store while none runs. A secret is printed once, by the command that made it, on standard
output and nowhere else.
"""

from __future__ import annotations

import time
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from lizi.cli.output import USAGE, Output, money
from lizi.cli.running import House, landed
from lizi.settings import Name
from lizi.types import Plan

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["create", "listing", "plan_of", "revoke", "rotate"]

_MICRO = 1_000_000
_LARGEST = 10**12
"""Units of money; in micro-units it still fits SQLite's and JSON's 64-bit integers."""
_DAY_S = 24 * 3600.0


def plan_of(
    output: Output,
    *,
    models: list[str] | None,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    streams: int | None,
    money_per_day: str | None,
    money_per_month: str | None,
    market: str,
    regions: list[str] | None,
    synthetic: bool = False,
) -> Plan:
    """What the options say, money as exact micro-units."""
    return Plan(
        models=frozenset(models) if models else None,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        streams=streams,
        money_per_day_micros=_micros(output, "--money-per-day", money_per_day),
        money_per_month_micros=_micros(output, "--money-per-month", money_per_month),
        market=market,
        regions=frozenset(regions) if regions else None,
        synthetic=synthetic,
    )


def _micros(output: Output, option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or not 0 <= amount < _LARGEST:
        output.fail(f"{option}: {text!r} is no amount of money.", hint="Write a decimal number such as 12.50.", code=USAGE, error="usage")
    micros = amount * _MICRO
    if micros != micros.to_integral_value():
        output.fail(f"{option}: {text} is finer than the ledger can keep.", hint="Use six decimals at the most.", code=USAGE, error="usage")
    return int(micros)


def create(output: Output, config_path: Path, app: str, plan: Plan, expires_days: int | None) -> None:
    """A new key, shown once."""
    house = House(config_path)
    try:
        msgspec.convert(app, Name)
    except msgspec.ValidationError:
        hint = "Use lower-case letters, digits, '.', '_' and '-'; at most 64."
        output.fail(f"{app!r} is no name for an app.", hint=hint, code=USAGE, error="usage")
    unknown = sorted((plan.models or frozenset()) - house.config.models.keys())
    if unknown:
        known = ", ".join(sorted(house.config.models)) or "none yet"
        output.fail(f"There is no model '{unknown[0]}'.", hint=f"The configuration has: {known}.", code=USAGE, error="usage")
    now = time.time()
    expires_at = None if expires_days is None else now + expires_days * _DAY_S
    service = house.running()
    if service is not None:
        made = service.ask("POST", "/keys", {"app": app, "plan": plan, "expires_at": expires_at})
    else:
        shown, record = house.alone(lambda book: book.create(app, plan, now, expires_at))
        made = {"key": shown, **record.shown(), "landing": None}
    output.data(made, lambda console: _show_new(output, console, made))


def _show_new(output: Output, console: Console, made: dict[str, Any]) -> None:
    output.say(f"Key [bold]{made['key_id']}[/bold] of app [bold]{made['app']}[/bold]. Shown this once: keep it as you keep a password.")
    # Never folded, and nothing else on this line: it is copied, or piped into a safe.
    console.print(made["key"], soft_wrap=True, markup=False)
    if made["landing"] is None:
        output.say("[dim]The service is not running; the key works from its next start.[/dim]")
    else:
        output.say(f"[dim]It works now, {landed(made['landing'])}.[/dim]")


def _all(house: House) -> list[dict[str, Any]]:
    service = house.running()
    if service is not None:
        keys: list[dict[str, Any]] = service.ask("GET", "/keys")["keys"]
        return keys
    if not house.store_path.exists():
        return []
    from lizi.edge.store import Store

    with Store.open(house.store_path, read_only=True) as store:
        return [record.shown() for record in Store.keys(store)]


def listing(output: Output, config_path: Path) -> None:
    """All keys, oldest first; no secrets, since none are kept."""
    house = House(config_path)
    now = time.time()
    zone = ZoneInfo(house.config.metering.time_zone)
    rows = [{**key, "state": _state(key, now)} for key in sorted(_all(house), key=lambda key: (key["created_at"], key["key_id"]))]
    people = [
        {
            "key": row["key_id"],
            "app": row["app"],
            "state": row["state"],
            "made": _when(row["created_at"], zone),
            "ends": _when(row["revoked_at"] or row["expires_at"], zone),
            "limits": _limits(row["plan"], house.config.metering.currency),
        }
        for row in rows
    ]
    output.table(rows, shown=people, empty="There is no key yet: 'lizi key create APP' makes one.")


def _state(key: dict[str, Any], now: float) -> str:
    if key["revoked_at"] is not None:
        return "revoked"
    return "expired" if key["expires_at"] is not None and key["expires_at"] <= now else "active"


def _when(at: float | None, zone: ZoneInfo) -> str:
    return "" if at is None else datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M")


def _limits(plan: dict[str, Any], currency: str) -> str:
    counts = {"requests_per_minute": "requests/min", "tokens_per_minute": "tokens/min", "streams": "streams"}
    sums = {"money_per_day_micros": "day", "money_per_month_micros": "month"}
    words = [f"{plan[name]:,} {unit}" for name, unit in counts.items() if plan.get(name) is not None]
    words += [f"{money(plan[name])} {currency}/{period}" for name, period in sums.items() if plan.get(name) is not None]
    if plan.get("models") is not None:
        words.append("only " + ", ".join(sorted(plan["models"])))
    return " · ".join(words) or "none"


def rotate(output: Output, config_path: Path, key_id: str, overlap_hours: int) -> None:
    """A second key with the same plan; the first ends after the overlap."""
    key_id = _known(output, key_id)
    house = House(config_path)
    overlap_s = overlap_hours * 3600.0
    service = house.running()
    if service is not None:
        made = service.ask("POST", f"/keys/{key_id}/rotate", {"overlap_s": overlap_s})
        ends_at = next(key["expires_at"] for key in service.ask("GET", "/keys")["keys"] if key["key_id"] == key_id)
    else:
        shown, record, old = house.alone(lambda book: book.rotate(key_id, time.time(), overlap_s))
        made, ends_at = {"key": shown, **record.shown(), "landing": None}, old.expires_at
    value = {**made, "replaces": key_id, "replaced_ends_at": ends_at}

    def show(console: Console) -> None:
        _show_new(output, console, made)
        zone = ZoneInfo(house.config.metering.time_zone)
        output.say(f"The old key {key_id} ends at {_when(ends_at, zone)} ({house.config.metering.time_zone}).")

    output.data(value, show)


def revoke(output: Output, config_path: Path, key_id: str) -> None:
    """Refused everywhere when this returns, and how long that took."""
    key_id = _known(output, key_id)
    house = House(config_path)
    service = house.running()
    if service is not None:
        gone = service.ask("POST", f"/keys/{key_id}/revoke")
    else:
        gone = {**house.alone(lambda book: book.revoke(key_id, time.time())).shown(), "landing": None}

    def show(console: Console) -> None:
        how = "from the service's next start; it is not running" if gone["landing"] is None else landed(gone["landing"])
        console.print(f"{key_id} of app {gone['app']} is refused {how}.")

    output.data(gone, show)


def _known(output: Output, key_id: str) -> str:
    """What could not be an id is refused, and not repeated: it may be a whole key."""
    if not key_id.isascii() or not key_id.isalnum() or key_id != key_id.lower():
        hint = "Of a key 'lz-ID-SECRET' give the ID; 'lizi key list' shows it. A key that was typed here should be revoked."
        output.fail("That is no key's id.", hint=hint, code=USAGE, error="usage")
    return key_id
