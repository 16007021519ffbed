"""A worker's own decisions, without its process: what a new day changes."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from lizi.config import parse
from lizi.edge.channel import Generation
from lizi.edge.worker import Worker
from lizi.routing import Traffic
from lizi.testing import ManualClock

FILE = """
[metering]
unpriced = "free"
[records.acme]
title = "Acme"
[[records.acme.models]]
model = "acme-*"
since = 2026-01-01
[[records.acme.models]]
model = "acme-*"
since = 2026-12-01
inputs = ["text", "image"]
[partners.p]
base_url = "http://127.0.0.1:9/v1"
dialect = "acme"
[models.m]
targets = [{ partner = "p", model = "acme-7" }]
"""


async def test_a_record_takes_over_at_midnight_without_a_reload_and_touches_nothing_else(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    clock = ManualClock(datetime(2026, 11, 30, 23, 59, 30, tzinfo=UTC).timestamp())
    config = parse(FILE, clock.now())
    worker = Worker(number=1, boot="b", channel=ours, listening=[])
    worker.clock = clock  # type: ignore[assignment]
    worker.base_dir, worker.traffic = tmp_path, Traffic(config.routing)
    worker.app = SimpleNamespace(house=None)  # type: ignore[assignment]
    generation = Generation(
        change=0, number=1, config=config, keys=[], idempotency_key=b"k", base_urls={}, base_dir=str(tmp_path), states={"p": "active"}
    )
    worker._swap(worker._house(generation))
    before = worker.house

    worker._begin_day()
    assert worker.house is before, "nothing is made anew within a day"
    assert before.routes["m"].targets[0].capabilities == frozenset()

    clock.advance(60.0)
    worker._begin_day()
    assert worker.house.routes["m"].targets[0].capabilities == {"images"}
    assert worker.app.house is worker.house
    assert worker.house.callers is before.callers, "keys that came since the generation stay"
    assert before.routes["m"].targets[0].capabilities == frozenset(), "an exchange under way keeps what it began with"
    ours.close()
    theirs.close()
