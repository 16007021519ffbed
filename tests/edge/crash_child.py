"""A process that journals until it is killed, and reports on its standard output what it was promised.

`python crash_child.py STORE BOOT WORKER MODE` with MODE
`flood`: as fast as there is room; lines `appended committed`.
`paced`: 500 a second; the same lines.
`strict`: intents, "released" ids one a line, the record a little later.
`full`: STORE's folder becomes a small file system of this process; fills it, frees it, and tells what was seen.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from edge.journal_rows import finished
from lizi.audit import Chain
from lizi.edge.journal import Journal
from lizi.types import Exchange


def exchange(worker: int, number: int) -> Exchange:
    """Numbered by worker, so that what one wrote can be told."""
    return finished(worker * 1_000_000_000 + number)


def say(*words: object) -> None:
    """One line, at once."""
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


def flood(journal: Journal, worker: int) -> None:
    """As fast as there is room."""
    number = 0
    while True:
        if journal.room():
            journal.append(exchange(worker, number))
            number += 1
        else:
            time.sleep(0.001)
        if number % 50 == 0:
            say(number, journal.state.committed)


def paced(journal: Journal, worker: int) -> None:
    """Well below what the thread can write."""
    started = time.monotonic()
    number = 0
    while True:
        while number < (time.monotonic() - started) * 500:
            journal.append(exchange(worker, number))
            number += 1
        say(number, journal.state.committed)
        time.sleep(0.01)


async def strict(journal: Journal, worker: int) -> None:
    """Twenty exchanges at once, each: intent, release, a moment of streaming, record."""

    async def serve(lane: int) -> None:
        number = lane
        while True:
            one = exchange(worker, number)
            await journal.intend(one)
            say(one.id)
            await asyncio.sleep(0.005)
            journal.append(one)
            number += 20

    await asyncio.gather(*(serve(lane) for lane in range(20)))


def full(journal: Journal, worker: int, ballast: Path) -> None:
    """Run the disk full under load, see the room end, free it, see all of it written."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    number = 0
    while journal.room():
        journal.append(exchange(worker, number))
        number += 1
        time.sleep(0.0002)
    state = journal.state
    seen = {"trouble": state.trouble, "healthy": state.healthy, "waiting": state.waiting, "room": journal.room()}
    ballast.unlink()
    deadline = time.monotonic() + 20
    while journal.state.waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    after = {"room_after": journal.room(), "healthy_after": journal.state.healthy}
    say(json.dumps({**seen, **after, "appended": number, "lost": journal.close(10.0)}))


def main() -> None:
    store, boot, worker, mode = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    if mode == "full":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(store.parent)], check=True)
    chain = Chain(boot=boot, worker=worker, config_hash="c" * 64, version="0.1", started_at=1.0)
    journal = Journal(
        store,
        chain,
        durability="strict" if mode == "strict" else "batched",
        batch_ms=100,
        queue_records=400 if mode == "full" else 2000,
    )
    journal.start()
    say("ready")
    if mode == "flood":
        flood(journal, worker)
    elif mode == "paced":
        paced(journal, worker)
    elif mode == "strict":
        asyncio.run(strict(journal, worker))
    else:
        full(journal, worker, store.parent / "ballast")
        from lizi.edge.store import Store

        with Store.open(store) as opened:
            verdict = opened.verify()
            rows = opened.connection.execute("SELECT count(*) FROM exchanges").fetchone()[0]
            whole = opened.connection.execute("PRAGMA integrity_check").fetchone()[0]
        say(json.dumps({"broken": str(verdict.broken), "rows": rows, "integrity": whole}))


if __name__ == "__main__":
    main()
