"""`lizi keyring …`: the service's own keys, listed and rotated.

Never shows a private key. A rotation makes a new current key; the old ones stay for what they have signed or sealed.
Through the running service, where it acts on every worker before the command returns, or on the folder while none runs.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from lizi.cli.output import Output
from lizi.cli.running import House
from lizi.edge.keyring import Keyring
from lizi.edge.store import Lock

__all__ = ["listing", "rotate"]

_MEANS = {
    "audit-signing": "checkpoints made from now on are signed by it; earlier ones still verify with the keys that signed them",
    "idempotency": "Idempotency-Keys that were used before are forgotten: a repeat of one runs again",
    "state": "x_state is sealed by it from now on; what devices bring back from before still opens until it is too old",
}


def listing(output: Output, config_path: Path) -> None:
    """Every key's id, purpose and age; of signing keys the public half, for whoever checks an exported chain."""
    house = House(config_path)
    folder = house.data_dir / "keyring"
    if not folder.is_dir():
        output.table([], empty="There is no keyring yet: the service makes it at its first start.")
        return
    zone = ZoneInfo(house.config.metering.time_zone)
    keys = Keyring.open(folder, time.time()).keys()
    rows = [msgspec.to_builtins(key) for key in keys]
    shown = [
        {
            "key": key.key_id,
            "purpose": key.purpose,
            "made": datetime.fromtimestamp(key.created_at, zone).strftime("%Y-%m-%d %H:%M"),
            "current": "yes" if key.current else "",
            "public": key.public or "",
        }
        for key in keys
    ]
    output.table(rows, shown=shown)


def rotate(output: Output, config_path: Path, purpose: Literal["audit-signing", "idempotency", "state"]) -> None:
    """A new current key for `purpose`; says what that means for what the old one did."""
    house = House(config_path)
    service = house.running()
    done: dict[str, Any]
    if service is not None:
        done = service.ask("POST", "/keyring/rotate", {"purpose": purpose})
    else:
        with Lock(house.store_path):
            done = {"key_id": Keyring.open(house.data_dir / "keyring", time.time()).rotate(purpose, time.time()), "landing": None}
    done["purpose"] = purpose
    output.data(done, lambda console: console.print(f"New key [bold]{done['key_id']}[/bold] for {purpose}."))
    output.say(f"[dim]{_MEANS[purpose][0].upper()}{_MEANS[purpose][1:]}.[/dim]")
