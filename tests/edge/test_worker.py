"""A worker's own decisions, without its process: what a new day changes, and other keys of the service's own."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from lizi.carry import Part, Thoughts
from lizi.config import parse
from lizi.edge.channel import Generation, Secrets
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


async def test_the_services_own_keys_change_without_touching_anything_else(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    clock = ManualClock(datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp())
    config = parse(FILE, clock.now())
    worker = Worker(number=1, boot="b", channel=ours, listening=[])
    worker.clock = clock  # type: ignore[assignment]
    worker.base_dir, worker.traffic = tmp_path, Traffic(config.routing)
    worker.app = SimpleNamespace(house=None)  # type: ignore[assignment]
    old, new = {"00" * 8: b"o" * 32}, {"11" * 8: b"n" * 32}
    generation = Generation(
        change=0, number=1, config=config, keys=[], idempotency_key=b"old", base_urls={}, base_dir=str(tmp_path), state_keys=old
    )
    worker._swap(worker._house(generation))
    before = worker.house
    assert before.carrier is not None
    thoughts = Thoughts("p", [Part("hm")])
    sealed = before.carrier.seal(thoughts, "notes", b"turn", clock.now(), "1")
    assert sealed is not None

    worker._rekey(Secrets(1, b"old", [b"new"], new | old))  # known, not used yet
    told = worker.house
    worker._rekey(Secrets(2, b"new", [b"old"], old | new))
    after = worker.house
    assert (told.idempotency_key, told.other_idempotency_keys) == (b"old", (b"new",))
    assert (after.idempotency_key, after.other_idempotency_keys) == (b"new", (b"old",))
    assert told.carrier is not None
    assert after.carrier is not None
    late = after.carrier.seal(thoughts, "notes", b"turn", clock.now(), "2")
    assert late is not None
    assert before.carrier.open(late, "notes", b"turn", clock.now()) is None, "which is why all are told before one uses it"
    for word in (sealed, late):
        for house in (told, after):
            assert house.carrier is not None
            assert house.carrier.open(word, "notes", b"turn", clock.now()) == thoughts
    assert worker.app.house is after
    assert (after.callers, after.routes, after.prices) == (before.callers, before.routes, before.prices)

    clock.advance(86_400.0)
    worker._begin_day()
    assert (worker.house.idempotency_key, worker.house.carrier) == (b"new", after.carrier), "a new day brings no old key back"
    ours.close()
    theirs.close()
