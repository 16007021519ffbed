"""Scene 2: the active partner is swapped in the middle of a stream load, then the next one dies at once.

Two scripted partners on real sockets stand for two companies' clouds; they speak differently (one sends reasoning,
one wants it elsewhere, their errors and limits differ). What the device gets must not show that anything happened.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lizi.testing import Behaviour, Partner
from lizi.testing.device import Seen, read_stream
from tour.checks import verdict
from tour.service import Service

__all__ = ["play"]

CONFIG = """
[server]
listen = "127.0.0.1:0"
workers = 2
data_dir = "{data}"
grace_ms = 0
drain_ms = 2000

[metering]
unpriced = "free"

[partners.north]
dialect = "qwen"
base_url = "{north}"
[partners.south]
dialect = "kimi"
base_url = "{south}"
state = "approved"
[partners.third]
dialect = "deepseek"
base_url = "{third}"
state = "approved"

[models.assistant]
critical = true
targets = [
    {{ partner = "north", model = "qwen-plus" }},
    {{ partner = "south", model = "kimi-k3" }},
    {{ partner = "third", model = "deepseek-v4" }},
]
"""
RATE_PER_S, LOAD_S, SWAP_S, DEATH_S = 40.0, 6.0, 2.0, 4.2
LONGEST_S = 30.0
"""A machine on which three commands take longer than this shows nothing."""
CHUNKS = 12
ASKED = "Tell me of the harbour."


async def play(console: Console) -> bool:
    """The whole scene; whether every check held."""
    console.rule("[bold]Scene 2 · a partner is swapped under load[/bold]")
    checks: list[tuple[str, bool]] = []
    words = "The harbour was quiet before the ships came in, and then it was not."
    with tempfile.TemporaryDirectory(prefix="lizi-tour-") as name:
        folder = Path(name)
        slow = Behaviour(text=words, chunks=CHUNKS, interval_ms=40)
        async with (
            Partner(slow) as north,
            Partner(Behaviour(text=words, chunks=CHUNKS, interval_ms=40, reasoning="The question is about a harbour.")) as south,
            Partner(slow) as third,
        ):
            config = CONFIG.format(data=folder / "var", north=north.base_url, south=south.base_url, third=third.base_url)
            service = Service(folder, config)
            await service.start()
            try:
                _, made = await service.lizi("key", "create", "notes")
                await _load(console, service, (north, south, third), made["key"], words, checks)
            finally:
                service.stop()
    return verdict(console, checks)


async def _load(
    console: Console, service: Service, partners: tuple[Partner, Partner, Partner], key: str, words: str, checks: list[tuple[str, bool]]
) -> None:
    north, south, third = partners
    console.print(
        f"\n{RATE_PER_S:.0f} streams a second for at least {LOAD_S:.0f} s. At {SWAP_S} s [bold]north[/bold] is retired and "
        f"[bold]south[/bold] made active; at {DEATH_S} s south's process dies with every stream that it has not begun to answer."
    )
    began = time.monotonic()
    moved: dict[str, Any] = {}
    landed, over = asyncio.Event(), asyncio.Event()

    async def swap() -> None:
        await asyncio.sleep(SWAP_S)
        await asyncio.gather(*(service.lizi("partner", "move", one, "active", "--why", "tour: the next one") for one in ("south", "third")))
        code, done = await service.lizi("partner", "move", "north", "retired", "--why", "tour: swapped overnight")
        moved.update(done, code=code, at_s=time.monotonic() - began)
        moved["asked_then"] = north.requests_total
        landed.set()

    async def die() -> None:
        await asyncio.sleep(DEATH_S)
        await landed.wait()  # a slow machine takes seconds for three commands
        # From here on it takes connections and drops them before a byte of its answer: nothing was released of those.
        south.play(Behaviour(fault="close_before_headers"))

        await asyncio.sleep(LOAD_S - DEATH_S)
        over.set()

    async def load() -> list[tuple[float, Seen]]:
        """Streams at their times, until those after the death are under way: as long as a slow machine's commands take."""
        streams: list[asyncio.Task[tuple[float, Seen]]] = []
        while not over.is_set() and len(streams) < RATE_PER_S * LONGEST_S:
            at_s = len(streams) / RATE_PER_S
            streams.append(asyncio.create_task(_stream(service, key, at_s, began)))
            await asyncio.sleep(max(0.0, began + at_s + 1 / RATE_PER_S - time.monotonic()))
        return await asyncio.gather(*streams)

    timed, _, _ = await asyncio.gather(load(), swap(), die())
    seen = [one for _, one in timed]
    shapes = {one.form for one in seen if one.ended}
    late = [at_s for at_s, _ in timed if at_s > moved["at_s"] + 0.05]
    by_partner = {"north": north, "south": south, "third": third}
    table = Table(title="who was asked", show_edge=False)
    for column in ("partner", "requests", "state now"):
        table.add_column(column)
    _, rows = await service.lizi("partner", "list")
    states = {row["partner"]: row["state"] for row in rows}
    for partner_name, partner in by_partner.items():
        table.add_row(partner_name, str(partner.requests_total), states[partner_name])
    console.print(table)

    whole = sum(one.ended and one.status == 200 and one.text == words for one in seen)
    checks.append((f"no exchange failed at the device: {whole} of {len(seen)} came whole", whole == len(seen)))
    checks.append((f"every stream is made of the same chunks, whoever answered: {len(shapes)} form", len(shapes) == 1))
    prompt = moved["code"] == 0 and moved["landing"]["elapsed_ms"] < 1000
    checks.append((f"the move acted on both workers within a second ({moved['landing']['elapsed_ms']:.0f} ms)", prompt))
    unasked = north.requests_total == moved["asked_then"] or not late
    checks.append(("nobody was sent to the old partner after it retired", unasked))
    checks.append(("its streams ended as they began: it drained", not north.cancelled))
    checks.append(("the third partner answered for the one that died", third.requests_total > 0 and south.requests_total > 0))
    named = [word for word in ("qwen", "kimi", "deepseek", "north", "south", "third") if any(word.encode() in one.raw for one in seen)]
    checks.append(("no partner's name or model in any byte that a device got", not named))
    code, _ = await service.lizi("audit", "verify")
    _, history = await service.lizi("partner", "history", "north")
    checks.append(("the audit chain holds, and the swap with its reason stands in it", code == 0 and history[-1]["state"] == "retired"))


async def _stream(service: Service, key: str, at_s: float, began: float) -> tuple[float, Seen]:
    """One device: asks at its time, reads to the end."""
    await asyncio.sleep(max(0.0, began + at_s - time.monotonic()))
    return at_s, await read_stream(service.port, key, {"model": "assistant", "messages": [{"role": "user", "content": ASKED}]})
