"""The journal: batches, order, a disk that fails and comes back, strict intents, closing."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.journal_rows import finished
from lizi.audit import Chain
from lizi.edge.journal import Journal
from lizi.edge.store import Store
from lizi.errors import Refused, StoreError
from lizi.types import Usage

_PATIENCE_S = 20.0
"""How long a test waits for what must come; only a failing test waits that long."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lizi.sqlite"


@pytest.fixture
def start(path: Path) -> Iterator[Callable[..., Journal]]:
    opened: list[Journal] = []

    def make(worker: int = 1, **values: Any) -> Journal:
        chain = Chain(boot="boot", worker=worker, config_hash="c" * 64, version="0.1", started_at=1.0)
        journal = Journal(path, chain, **{"durability": "batched", "batch_ms": 20, "queue_records": 1000, **values})
        journal.start()
        opened.append(journal)
        return journal

    yield make
    for journal in opened:
        journal.close(5.0)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def ids(path: Path) -> list[str]:
    with Store.open(path, read_only=True) as store:
        return [row[0] for row in store.connection.execute("SELECT id FROM exchanges ORDER BY no")]


def verified(path: Path) -> int:
    """Records in the chain, all in order."""
    with Store.open(path, read_only=True) as store:
        verdict = store.verify()
    assert verdict.broken is None
    return verdict.records


def test_ledger_and_chain_hold_each_exchange_once_and_in_order(start: Callable[..., Journal], path: Path) -> None:
    journal = start()
    exchanges = [finished(number) for number in range(700)]
    for exchange in exchanges:
        journal.append(exchange)
    assert journal.close(_PATIENCE_S) == 0
    assert ids(path) == [exchange.id for exchange in exchanges]
    assert verified(path) == 701
    with Store.open(path, read_only=True) as store:
        assert store.connection.execute("SELECT count(*), sum(cost_micros) FROM attempts").fetchone() == (700, 700 * 350)
    assert journal.state.batches < 700, "records are committed together"


def test_a_lone_record_is_committed_without_another_to_push_it(start: Callable[..., Journal]) -> None:
    journal = start()
    journal.append(finished(1))
    until(lambda: journal.state.committed == 1)
    journal.append(finished(2))
    until(lambda: journal.state.committed == 2)


def test_workers_write_chains_of_their_own_into_one_store(start: Callable[..., Journal], path: Path) -> None:
    journals = [start(worker) for worker in (1, 2, 3)]
    for number in range(200):
        for journal in journals:
            journal.append(finished(number))
    assert [journal.close(_PATIENCE_S) for journal in journals] == [0, 0, 0]
    assert verified(path) == 3 * 201


def test_a_chain_name_used_twice_stops_the_start(start: Callable[..., Journal]) -> None:
    start(1)
    with pytest.raises(StoreError, match="can't begin the audit chain"):
        start(1)


def test_a_store_that_cannot_be_opened_stops_the_start(start: Callable[..., Journal], path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to look at" * 100)
    with pytest.raises(StoreError, match="SQLITE_NOTADB"):
        start()


# --- a disk that fails


class Blocked:
    """Holds the store's write lock, as a hung process would."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        self.connection.execute("ROLLBACK")
        self.connection.close()


def limit_pages(store_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the journal's connection meet SQLITE_FULL, as on a full disk; returns what makes space again."""
    full = threading.Event()
    full.set()
    real = Journal._transact

    def transact(self: Journal, connection: sqlite3.Connection, *arguments: Any, **named: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages if full.is_set() else 1_000_000}")
        real(self, connection, *arguments, **named)

    monkeypatch.setattr(Journal, "_transact", transact)
    return full.clear


def test_a_full_disk_turns_room_off_loses_nothing_and_recovers(
    start: Callable[..., Journal], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str | None] = []
    journal = start(queue_records=300, on_trouble=told.append)
    make_space = limit_pages(path, journal, monkeypatch)
    number = 0
    while journal.room():
        journal.append(finished(number))
        number += 1
        if number % 50 == 0:
            time.sleep(0.01)
    until(lambda: journal.state.trouble == "SQLITE_FULL")
    in_flight = [finished(number + extra) for extra in range(20)]
    for exchange in in_flight:  # admitted before the room ended: they must be kept, too
        journal.append(exchange)
    assert not journal.room()
    assert not journal.state.healthy
    assert journal.state.waiting >= 300
    make_space()
    until(lambda: journal.state.waiting == 0)
    assert journal.room()
    assert journal.state.healthy
    assert told == ["SQLITE_FULL", None]
    assert journal.close(_PATIENCE_S) == 0
    assert ids(path) == [finished(each).id for each in range(number + 20)]
    assert verified(path) == number + 21


def test_a_held_lock_delays_records_and_loses_none(start: Callable[..., Journal], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lizi.edge.store._BUSY_MS", 20)
    journal = start()
    blocked = Blocked(path)
    for number in range(100):
        journal.append(finished(number))
    until(lambda: journal.state.trouble is not None)
    assert journal.state.trouble == "SQLITE_BUSY"
    assert journal.room(), "batched mode goes on while there is room"
    blocked.end()
    until(lambda: journal.state.committed == 100)
    assert verified(path) == 101


def test_a_commit_that_fails_after_it_went_through_is_not_written_twice(
    start: Callable[..., Journal], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start()
    real = Journal._transact
    failures = [1]

    def transact(self: Journal, *arguments: Any, **named: Any) -> None:
        real(self, *arguments, **named)
        if failures:
            failures.pop()
            raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Journal, "_transact", transact)
    journal.append(finished(1))
    until(lambda: journal.state.committed == 1)
    assert journal.state.failures == 1
    assert ids(path) == [finished(1).id]
    assert verified(path) == 2


def test_an_exchange_that_the_ledger_cannot_hold_is_counted_and_stops_nobody(start: Callable[..., Journal], path: Path) -> None:
    journal = start()
    huge, broken = finished(1), finished(2)
    huge.usage = Usage(input_tokens=2**70)
    broken.feature = "\ud800"
    for exchange in (finished(0), huge, broken, finished(3)):
        journal.append(exchange)
    until(lambda: journal.state.committed == 4)
    assert journal.state.unrecordable == 2
    assert ids(path) == [finished(0).id, finished(3).id]
    assert verified(path) in (3, 4), "the audit record stands where it could be made"


def test_closing_with_a_dead_disk_ends_at_its_deadline_and_tells_what_was_not_written(
    start: Callable[..., Journal], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start()
    limit_pages(path, journal, monkeypatch)
    for number in range(300):
        journal.append(finished(number))
    until(lambda: journal.state.trouble is not None)
    left = journal.close(0.1)
    assert 0 < left <= 300
    assert left + journal.state.committed == 300
    assert not journal.room()


# --- strict


async def test_strict_puts_the_intent_on_disk_before_it_returns(start: Callable[..., Journal], path: Path) -> None:
    journal = start(durability="strict")
    exchange = finished(1)
    await journal.intend(exchange)
    with Store.open(path, read_only=True) as store:
        row = store.connection.execute("SELECT id, chain, reserved_micros FROM intents").fetchone()
        assert row == (exchange.id, "boot.1", 900)
        journal.append(exchange)
        await asyncio.to_thread(until, lambda: journal.state.committed == 1)
        assert store.connection.execute("SELECT count(*) FROM intents").fetchone() == (0,)


async def test_strict_commits_the_intents_of_many_together(start: Callable[..., Journal]) -> None:
    journal = start(durability="strict")
    await asyncio.gather(*(journal.intend(finished(number)) for number in range(200)))
    assert journal.state.batches < 100


async def test_strict_refuses_when_the_disk_is_full_and_takes_no_new_work(
    start: Callable[..., Journal], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start(durability="strict")
    make_space = limit_pages(path, journal, monkeypatch)
    with pytest.raises(Refused) as caught:
        while True:
            await asyncio.gather(*(journal.intend(finished(number)) for number in range(500)))
    assert caught.value.code == "busy"
    assert not journal.room()
    make_space()
    await asyncio.to_thread(until, journal.room)
    await journal.intend(finished(600))


async def test_a_caller_that_leaves_while_its_intent_is_written_harms_nobody(start: Callable[..., Journal], path: Path) -> None:
    journal = start(durability="strict")
    gone, stays = finished(1), finished(2)
    task = asyncio.create_task(journal.intend(gone))
    await asyncio.sleep(0)
    task.cancel()
    journal.append(gone)
    await journal.intend(stays)
    await asyncio.to_thread(until, lambda: journal.state.committed == 1)
    with Store.open(path, read_only=True) as store:
        assert store.connection.execute("SELECT id FROM intents").fetchall() == [(stays.id,)]


async def test_batched_writes_no_intent(start: Callable[..., Journal], path: Path) -> None:
    journal = start()
    await journal.intend(finished(1))
    with Store.open(path, read_only=True) as store:
        assert store.connection.execute("SELECT count(*) FROM intents").fetchone() == (0,)


def test_the_log_is_folded_into_the_file_without_new_records(
    start: Callable[..., Journal], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lizi.edge.journal._CHECKPOINT_S", 0.05)
    journal = start()
    journal.append(finished(1))
    until(lambda: journal.state.committed == 1 and not journal._unfolded)
    with sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True) as file_alone:  # reads no log
        assert file_alone.execute("SELECT count(*) FROM exchanges").fetchone() == (1,)
    file_alone.close()
