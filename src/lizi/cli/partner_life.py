"""`lizi partner move` and `history`: a partner's life, changed and read.

Through the running service, where a move acts on every worker before the command returns, or on the store while
none runs. Each move is a record of the audit chain: who, when, why, for good.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import msgspec

from lizi.cli.output import USAGE, Output
from lizi.cli.running import House, landed, user_name
from lizi.edge.partners import who
from lizi.errors import StoreError
from lizi.settings import Name
from lizi.types import Standing

__all__ = ["history", "move", "standings"]


def move(output: Output, config_path: Path, name: str, state: str, *, why: str, by: str | None, force: bool) -> None:
    """Move a partner to `state`; says on how many workers it acts."""
    house = House(config_path)
    _known(output, house, name)
    service = house.running()
    if service is not None:
        done = service.ask("POST", f"/partners/{name}/move", {"state": state, "by": by, "user": user_name(), "why": why, "force": force})
    else:
        if name not in house.config.partners:
            _absent(output, house, name)
        done = {**msgspec.structs.asdict(_alone(house, name, state, by=who(by, user_name()), why=why, force=force)), "landing": None}
    landing = done["landing"]
    where = "from the next start" if landing is None else landed(landing)
    output.data(done, lambda console: console.print(f"[bold]{name}[/bold]: {done['came_from']} → [bold]{done['state']}[/bold], {where}"))
    if done["state"] == "retired":
        output.say("[dim]No new attempt goes there; what is under way ends as it began.[/dim]")


def _alone(house: House, name: str, state: str, *, by: str, why: str, force: bool) -> Standing:
    """In the store of a service that does not run, with a chain of this command's own."""
    from lizi.edge.book import Book
    from lizi.edge.partners import check_left, first_seen
    from lizi.edge.runtime import SystemClock

    clock = SystemClock()

    async def work(book: Book) -> Standing:
        first = None
        if name not in book.standings:
            first = book.standings[name] = first_seen(house.config, name, clock.now())
        now = {partner: standing.state for partner, standing in book.standings.items()}
        made = book.moved(name, state, at=clock.now(), by=by, why=why)
        if not force:
            check_left(house.config, now, made)
        own, _ = await house.record(book)
        if first is not None:
            await book.move(own, first)
        await book.move(own, made)
        await book.run(lambda _: own.checkpoint(clock.now()))
        return made

    return house.alone(work)


def _known(output: Output, house: House, name: str) -> None:
    """What could not be a partner's name must not become part of a path."""
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError:
        known = ", ".join(house.config.partners) or "none yet"
        output.fail(f"{name!r} is no name of a partner.", hint=f"The configuration has: {known}.", code=USAGE, error="usage")


def _absent(output: Output, house: House, name: str) -> NoReturn:
    known = ", ".join(house.config.partners) or "none yet"
    output.fail(f"There is no partner '{name}'.", hint=f"The configuration has: {known}.", code=USAGE, error="usage")


def standings(house: House) -> dict[str, dict[str, Any]]:
    """Each partner's last move, from the running service or the store; empty for one that neither knows."""
    service = house.running()
    if service is not None:
        seen = service.ask("GET", "/status")["partners"]
        return {name: partner["standing"] for name, partner in seen.items() if partner.get("standing")}
    if not house.store_path.exists():
        return {}
    from lizi.edge.store import Store

    try:
        with Store.open(house.store_path, read_only=True) as store:
            return {move.partner: msgspec.to_builtins(move) for move in store.partner_moves()}
    except StoreError as error:
        if "start the service once" in (error.hint or ""):  # written by a version that knew no moves
            return {}
        raise


def history(output: Output, config_path: Path, name: str) -> None:
    """Every move of a partner, oldest first."""
    house = House(config_path)
    _known(output, house, name)
    service = house.running()
    if service is not None:
        moves: list[dict[str, Any]] = service.ask("GET", f"/partners/{name}/history")["moves"]
    elif house.store_path.exists():
        from lizi.edge.store import Store

        with Store.open(house.store_path, read_only=True) as store:
            moves = [msgspec.to_builtins(move) for move in store.partner_moves() if move.partner == name]
    else:
        moves = []
    if not moves and name not in house.config.partners:
        _absent(output, house, name)
    zone = ZoneInfo(house.config.metering.time_zone)
    shown = [
        {
            "when": datetime.fromtimestamp(move["at"], zone).strftime("%Y-%m-%d %H:%M"),
            "from": move["came_from"] or "",
            "to": move["state"],
            "by": move["by"],
            "why": move["why"],
        }
        for move in moves
    ]
    output.table(moves, shown=shown, empty=f"Nothing is known of '{name}' yet: it is introduced at the service's next start or reload.")
