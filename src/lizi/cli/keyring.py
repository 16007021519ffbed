"""`lizi keyring …`: the service's own keys, listed and rotated.

Never shows a private key. A rotation makes a new current key; the old ones stay for what they have signed or sealed.
Through the running service, where it acts on every worker before the command returns, or on the folder while none runs.
Each new key is a record of the audit chain.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from lizi.cli.output import Output
from lizi.cli.running import House, landed, user_name

__all__ = ["listing", "rotate"]

_MEANS = {
    "audit-signing": "Checkpoints made from now on are signed by it; earlier ones still verify with the keys that signed them.",
    "idempotency": "Idempotency-Keys are remembered by it from now on; a repeat of an earlier one is refused as before.",
    "state": "x_state is sealed by it from now on; what devices bring back from before still opens until it is too old.",
}


def listing(output: Output, config_path: Path) -> None:
    """Every key's id, purpose and age; of signing keys the public half, for whoever checks an exported chain."""
    house = House(config_path)
    zone = ZoneInfo(house.config.metering.time_zone)
    rows = _keys(house)
    shown = [
        {
            "key": row["key_id"],
            "purpose": row["purpose"],
            "made": datetime.fromtimestamp(row["created_at"], zone).strftime("%Y-%m-%d %H:%M"),
            "current": "yes" if row["current"] else "",
            "public": row["public"] or "",
        }
        for row in rows
    ]
    output.table(rows, shown=shown, empty="There is no keyring yet: the service makes it at its first start.")


def _keys(house: House) -> list[dict[str, Any]]:
    """As the running service has them, or as they lie in the folder. Makes none."""
    from lizi.edge.keyring import Keyring

    service = house.running()
    if service is not None:
        keys: list[dict[str, Any]] = service.ask("GET", "/keyring")["keys"]
        return keys
    folder = house.data_dir / "keyring"
    return [msgspec.to_builtins(key) for key in Keyring.read(folder).keys()] if folder.is_dir() else []  # noqa: SIM118 - no mapping


def rotate(output: Output, config_path: Path, purpose: Literal["audit-signing", "idempotency", "state"]) -> None:
    """A new current key for `purpose`; says what that means for what the old one did."""
    house = House(config_path)
    service = house.running()
    done: dict[str, Any]
    if service is not None:
        done = service.ask("POST", "/keyring/rotate", {"purpose": purpose, "user": user_name()})
    else:
        done = {"key_id": _alone(house, purpose), "landing": None}
    done["purpose"] = purpose
    landing = done["landing"]
    where = "from the next start" if landing is None else landed(landing)
    output.data(done, lambda console: console.print(f"New key [bold]{done['key_id']}[/bold] for {purpose}, {where}."))
    output.say(f"[dim]{_MEANS[purpose]}[/dim]")
    output.say("[dim]Copy the keyring to where its backup lies.[/dim]")


def _alone(house: House, purpose: Literal["audit-signing", "idempotency", "state"]) -> str:
    """In the folder of a service that does not run, recorded in a chain of this command's own."""
    from lizi.edge.book import Book
    from lizi.edge.runtime import SystemClock

    clock, by = SystemClock(), user_name()

    async def work(book: Book) -> str:
        now = clock.now()
        own, keyring = await house.record(book)
        await book.run(lambda _: own.keys(keyring.keys(), "service"))
        key_id = await book.run(lambda _: keyring.add(purpose, now, lambda key: own.keys([key], by)))
        keyring.turn(purpose)
        await book.run(lambda _: own.checkpoint(clock.now()))
        return key_id

    return house.alone(work)
