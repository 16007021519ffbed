"""`lizi veil trace`: to which partner a text went that has turned up where it should not be."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from lizi.cli.output import USAGE, Output
from lizi.cli.running import House
from lizi.edge.keyring import Keyring
from lizi.edge.ledger import sent
from lizi.edge.store import Store
from lizi.veil.marks import marks_in, salt, veil_key

__all__ = ["trace"]

_MOST_CHARACTERS = 100_000_000  # a dump of some size; more is cut into pieces
_MARK = 16


def trace(output: Output, config_path: Path, source: str) -> None:
    """Compare every mark in `source` (a file, or `-`) with every attempt of the ledger. Ends with 0 if one is known, else with 1."""
    house = House(config_path)
    text = _read(output, source)
    marks = marks_in(text)
    rows: list[dict[str, Any]] = []
    looked = 0
    if marks:
        keys = [veil_key(secret) for secret in Keyring.read(house.data_dir / "keyring").idempotency_secrets()]
        with output.progress("comparing"), Store.open(house.store_path, read_only=True) as store:
            for attempt in sent(store):
                looked += 1
                if any(salt(key, attempt.exchange_id, attempt.number)[:_MARK] in marks for key in keys):
                    rows.append(
                        {
                            "partner": attempt.partner,
                            "model": attempt.model,
                            "region": attempt.region,
                            "sent_ms": attempt.started_ms,
                            "exchange": attempt.exchange_id,
                            "attempt": attempt.number,
                            "terms": attempt.terms,
                        }
                    )
    zone = ZoneInfo(house.config.metering.time_zone)
    shown = [
        {**row, "sent_ms": datetime.fromtimestamp(row["sent_ms"] / 1000, zone).strftime("%Y-%m-%d %H:%M:%S"), "terms": row["terms"] or ""}
        for row in rows
    ]
    output.table(rows, shown=shown, empty="No mark of this service's requests is in it. That proves nothing: a mark is easily lost.")
    output.say(f"[dim]{len(marks):,} possible marks, {looked:,} attempts compared.[/dim]")
    if not rows:
        raise SystemExit(1)


def _read(output: Output, source: str) -> str:
    try:
        with sys.stdin if source == "-" else Path(source).open(encoding="utf-8", errors="replace") as file:
            text = file.read(_MOST_CHARACTERS + 1)
    except OSError as error:
        output.fail(f"{source} can't be read: {error.strerror}.", hint="Give a file of text, or `-`.", code=USAGE, error="usage")
    if len(text) > _MOST_CHARACTERS:
        output.fail(f"The text is longer than {_MOST_CHARACTERS:,} characters.", hint="Cut it into pieces.", code=USAGE, error="usage")
    return text
