"""One worker's journal: a bounded queue and one thread that commits it, ledger and chain together.

Never loses a record while the process lives: a full or failing disk turns `room()` off, and
what waits is written when the disk is back. Never holds content. Bound: `queue_records` plus
what was in flight when the queue filled. `append` costs the loop a deque's append; rows are
built and hashed by the thread, 64 at a time. What a kill loses: docs/decisions/0003-store.md.
"""

from __future__ import annotations

import asyncio
import copy
import os
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from msgspec import Struct

from lizi.audit import Chain, Head, Record
from lizi.edge.keyring import KeyInfo, Keyring
from lizi.edge.ledger import write
from lizi.edge.store import Store, place, seq_of
from lizi.errors import Refused, Retry
from lizi.types import Exchange, Standing, Terms

__all__ = ["HouseChain", "Journal", "JournalState"]

_BATCH_RECORDS = 64
"""A transaction of 64 holds the interpreter's lock for some 0.5 ms and the store's for some 1 ms, so neither the loop
nor another worker waits longer; beyond 64 a record costs no less (docs/decisions/0003-store.md)."""
_CATCH_UP_RECORDS = 512
"""When that many wait, the thread is losing against a loaded machine: fewer, larger transactions, until it is level again."""
_PAUSE_S = 0.001
"""Between two transactions of a backlog the loop gets its turn on one core; 64 records a millisecond is above any worker's rate."""
_SWITCH_S = 0.0005
"""Who waits for the interpreter gets it after this long, and not after Python's 5 ms: rows and hashes of a batch take about one."""
_NICE = 5
"""sched(7): a third of the loop's weight, 25 % of a core that both want; at the loop's full rate the thread needs some 17 %."""
_RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Waits after a failed commit; the last repeats. A second is soon enough for a full disk."""
_CHECKPOINT_S = 5.0
"""How often the log is folded into the file and both are flushed: bounds what a power cut takes in batched mode."""
_VALUE_ERRORS = (
    OverflowError,
    TypeError,
    ValueError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    sqlite3.DataError,
)
"""The values are at fault, not the disk: the same batch would fail for ever."""


class JournalState(Struct, frozen=True, kw_only=True):
    """For metrics and readiness."""

    healthy: bool
    trouble: str | None
    """SQLite's name of the last failure, while it lasts."""
    waiting: int
    committed: int
    batches: int
    failures: int
    unrecordable: int
    """Exchanges whose values the ledger can't hold: a defect, never load. Their audit records stand where they could be made."""


class Journal:
    """Implements `ports.Journal` for one worker.

    Made and used on the loop's thread; the writer thread owns the connection and the chain.
    """

    def __init__(
        self,
        path: Path,
        chain: Chain,
        *,
        durability: Literal["batched", "strict"],
        batch_ms: int,
        queue_records: int,
        on_trouble: Callable[[str | None], None] | None = None,
    ) -> None:
        """`on_trouble` is called on the writer thread with SQLite's name of a failure, and with `None` when it is over."""
        self._path = path
        self._chain = chain
        self._durability: Literal["batched", "strict"] = durability
        self._strict = durability == "strict"
        # Half of the promised time is for gathering, half for commits (p99 1 to 9 ms with four workers).
        self._linger_s = batch_ms / 2000
        self._queue_records = queue_records
        self._on_trouble = on_trouble
        self._waiting: deque[Exchange] = deque()
        self._intents: deque[tuple[Exchange, asyncio.Future[None]]] = deque()
        self._wake = threading.Event()
        self._full = threading.Event()
        self._armed = False
        self._deadline_mono: float | None = None
        self._trouble: str | None = None
        self._committed = self._batches = self._failures = self._unrecordable = 0
        self._chain_no = -1
        self._folded_mono = 0.0
        self._unfolded = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the store and commit the chain's first record. Raises `StoreError` when that can't be done."""
        ready = threading.Event()
        failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(ready, failed), name="journal", daemon=True)
        self._thread.start()
        ready.wait()
        if failed:
            self._thread.join()
            raise failed[0]

    # --- the loop's side ---

    def room(self) -> bool:
        """Whether one more exchange can be recorded; strict mode needs a disk that works now as well, for the intent."""
        if self._deadline_mono is not None or (self._strict and self._trouble is not None):
            return False
        return len(self._waiting) < self._queue_records

    async def intend(self, exchange: Exchange) -> None:
        """Strict: returns once the intent is on disk, committed together with those of others who wait.

        Raises `Refused` when it could not be written: nothing has been released yet.
        """
        if not self._strict:
            return
        future = asyncio.get_running_loop().create_future()
        self._intents.append((exchange, future))
        self._full.set()
        self._wake.set()
        await future

    def append(self, exchange: Exchange) -> None:
        """Record a finished exchange; the caller doesn't touch it again. Never raises, never waits."""
        self._waiting.append(exchange)
        if not self._armed:
            self._armed = True
            self._wake.set()
        elif len(self._waiting) == _BATCH_RECORDS:
            self._full.set()

    @property
    def state(self) -> JournalState:
        """A snapshot."""
        return JournalState(
            healthy=self._trouble is None,
            trouble=self._trouble,
            waiting=len(self._waiting),
            committed=self._committed,
            batches=self._batches,
            failures=self._failures,
            unrecordable=self._unrecordable,
        )

    def close(self, deadline_s: float) -> int:
        """Commit what waits and end the thread, at the latest after `deadline_s`. Returns how many records were not written.

        Blocks: call it when the loop has nothing left to serve.
        """
        self._deadline_mono = time.monotonic() + deadline_s
        self._full.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(deadline_s + 1.0)  # a commit that is under way may still end
        return len(self._waiting)

    # --- the thread's side ---

    def _run(self, ready: threading.Event, failed: list[BaseException]) -> None:
        try:
            store = Store.open(self._path, durability=self._durability)
            try:
                self._chain_no = begin_chain(store, self._chain)
            except BaseException:
                store.close()
                raise
        except BaseException as error:  # noqa: BLE001 - `start` raises it on its own thread
            failed.append(error)
            return
        finally:
            ready.set()
        _give_way()
        with store:
            self._folded_mono = time.monotonic()
            while self._step(store):
                pass

    def _step(self, store: Store) -> bool:
        """Wait for work and commit one batch. False when the journal is closing and all is done or the deadline has passed."""
        if not self._waiting and not self._intents:
            if self._deadline_mono is not None:
                return False
            left = self._folded_mono + _CHECKPOINT_S - time.monotonic()
            if not self._wake.wait(max(0.0, left) if self._unfolded else None):
                self._fold(store)
                return True
        if self._deadline_mono is None and not self._intents and len(self._waiting) < _BATCH_RECORDS:
            self._full.wait(self._linger_s)
        # In this order: whoever appends after `_armed` is off wakes us again, whoever did before is read below.
        self._wake.clear()
        self._full.clear()
        self._armed = False
        intents = [self._intents.popleft() for _ in range(min(len(self._intents), _BATCH_RECORDS))]
        waiting = len(self._waiting)
        batch = [self._waiting[at] for at in range(min(waiting, _CATCH_UP_RECORDS if waiting >= _CATCH_UP_RECORDS else _BATCH_RECORDS))]
        if not self._commit(store, intents, batch):
            return False
        for _ in batch:  # only now: a record leaves the queue when it is on disk
            self._waiting.popleft()
        self._unfolded = True
        self._committed += len(batch)
        self._batches += 1
        if time.monotonic() >= self._folded_mono + _CHECKPOINT_S:
            self._fold(store)
        if self._waiting or self._intents:
            self._armed = True
            self._wake.set()
            if self._deadline_mono is None:
                time.sleep(_PAUSE_S)
        return True

    def _commit(self, store: Store, intents: list[tuple[Exchange, asyncio.Future[None]]], batch: list[Exchange]) -> bool:
        """Write until it is written. False when a deadline to close passed first."""
        exchanges, records = self._chained(batch)
        wanted = [exchange for exchange, _ in intents]
        tries = 0
        while True:
            try:
                self._transact(store.connection, wanted, exchanges, records, again=tries > 0)
            except (sqlite3.Error, OSError, MemoryError) as error:
                self._failed(getattr(error, "sqlite_errorname", None) or type(error).__name__)
                _answer(intents, refused=True)  # they can still be told "not now"; what has been served can't
                intents = []  # but their rows stay in what is tried again: an empty commit would prove nothing about the disk
            else:
                break
            if self._deadline_mono is not None and time.monotonic() >= self._deadline_mono:
                return False
            time.sleep(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
            tries += 1
        self._recovered()
        _answer(intents, refused=False)
        return True

    def _chained(self, batch: list[Exchange]) -> tuple[list[Exchange], list[Record]]:
        """The batch's audit records, made once however often the commit is tried."""
        exchanges: list[Exchange] = []
        records: list[Record] = []
        for exchange in batch:
            try:
                records.append(self._chain.append(exchange))
            except _VALUE_ERRORS:
                self._unrecordable += 1
            else:
                exchanges.append(exchange)
        return exchanges, records

    def _failed(self, name: str) -> None:
        self._failures += 1
        if name != self._trouble:
            self._trouble = name
            if self._on_trouble is not None:
                self._on_trouble(name)

    def _recovered(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            if self._on_trouble is not None:
                self._on_trouble(None)

    def _transact(
        self, connection: sqlite3.Connection, intents: list[Exchange], exchanges: list[Exchange], records: list[Record], *, again: bool
    ) -> None:
        """One transaction. `again`: the intents' callers have been refused, so their rows only try the disk and go at once."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            if again and records and self._is_written(connection, records[-1]):  # the failed commit had gone through after all
                connection.execute("ROLLBACK")
                return
            for exchange in intents:
                _insert_intent(connection, self._chain.name, exchange)
                if again:
                    connection.execute("DELETE FROM intents WHERE id = ?", (exchange.id,))
            connection.execute("SAVEPOINT batch")
            try:
                write(connection, self._chain_no, exchanges, records, intents=self._strict)
            except _VALUE_ERRORS:
                connection.execute("ROLLBACK TO batch")
                self._write_singly(connection, exchanges, records)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite may have rolled back by itself (SQLITE_FULL, SQLITE_IOERR); the first error counts
                connection.execute("ROLLBACK")
            raise

    def _is_written(self, connection: sqlite3.Connection, record: Record) -> bool:
        return connection.execute("SELECT 1 FROM audit WHERE place = ?", (place(self._chain_no, record.seq),)).fetchone() is not None

    def _write_singly(self, connection: sqlite3.Connection, exchanges: list[Exchange], records: list[Record]) -> None:
        """One exchange has values that the ledger can't hold: keep all others, and of that one the audit record."""
        for exchange, record in zip(exchanges, records, strict=True):
            connection.execute("SAVEPOINT one")
            try:
                write(connection, self._chain_no, [exchange], [record], intents=self._strict)
            except _VALUE_ERRORS:
                connection.execute("ROLLBACK TO one")
                write(connection, self._chain_no, [], [record], intents=False)
                self._unrecordable += 1
            connection.execute("RELEASE one")

    def _fold(self, store: Store) -> None:
        """Bring the log into the file as far as readers let it, and flush both."""
        self._folded_mono = time.monotonic()
        try:
            store.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:  # nothing is lost, the log still has it; the next commit shows whether the disk works
            self._failed(getattr(error, "sqlite_errorname", None) or type(error).__name__)
        else:
            self._unfolded = False
            self._recovered()


def _give_way() -> None:
    """Let the loop go first on one core: on the writer thread, once.

    At 85 % load a refusal waited 5 to 78 ms at p99 for this thread, 1.5 to 3 ms without it; with both of these 4 to 5 ms.
    """
    sys.setswitchinterval(_SWITCH_S)
    if sys.platform == "linux":  # elsewhere a priority is the whole process's
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _answer(intents: list[tuple[Exchange, asyncio.Future[None]]], *, refused: bool) -> None:
    """Wake those who wait for their intent: one call into the loop for all of them."""
    if not intents:
        return

    def resolve() -> None:
        for _, future in intents:
            if future.done():
                continue
            if refused:
                future.set_exception(
                    Refused("The service can't record requests right now.", code="busy", retry=Retry.LATER, retry_after_s=1.0)
                )
            else:
                future.set_result(None)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        intents[0][1].get_loop().call_soon_threadsafe(resolve)


def _insert_intent(connection: sqlite3.Connection, chain: str, exchange: Exchange) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO intents VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            exchange.id, chain, round(exchange.started_at * 1000), exchange.app, exchange.key_id, exchange.feature, exchange.model,
            exchange.stream, exchange.reserved_micros, exchange.config_hash, exchange.idempotency, exchange.synthetic,
        ),
    )  # fmt: skip


def begin_chain(store: Store, chain: Chain) -> int:
    """Give a new chain its number and commit its first record. Raises `StoreError` when its name was used before."""
    with store.writing(f"can't begin the audit chain {chain.name}") as connection:
        connection.execute("INSERT INTO chains (name) VALUES (?)", (chain.name,))
        number = int(connection.execute("SELECT last_insert_rowid()").fetchone()[0])
        write(connection, number, [], [chain.genesis], intents=False)
    return number


class HouseChain:
    """The supervisor's own chain: checkpoints over all others, and the settlement of what dead workers left open.

    Not thread-safe; few writes, each its own transaction. The chain moves on only when its
    record is on disk.
    """

    def __init__(self, store: Store, chain: Chain, keyring: Keyring) -> None:
        self._store = store
        self._chain = chain
        self._keyring = keyring
        self._number = begin_chain(store, chain)
        self._oldest_open = 0
        """Chains below this number belong to earlier boots and were covered by this boot's first checkpoint."""

    def checkpoint(self, at: float) -> Record | None:
        """Sign where every chain that moved since its last checkpoint stands. `None` when none did."""
        chain = copy.copy(self._chain)
        with self._store.writing("can't write the checkpoint") as connection:
            heads: list[Head] = []
            sealed: list[tuple[int, int]] = []
            for number, name, before in connection.execute(
                "SELECT no, name, sealed_seq FROM chains WHERE no >= ? AND no <> ?", (self._oldest_open, self._number)
            ).fetchall():
                last = connection.execute(
                    "SELECT place, hash FROM audit WHERE place >= ? AND place < ? ORDER BY place DESC LIMIT 1",
                    (place(number, 0), place(number + 1, 0)),
                ).fetchone()
                if last is not None and seq_of(last[0]) > before:
                    heads.append(Head(name, seq_of(last[0]), last[1]))
                    sealed.append((seq_of(last[0]), number))
            if not heads:
                return None
            record = chain.checkpoint(heads, at)
            key_id, signature = self._keyring.sign_checkpoint(record)
            write(connection, self._number, [], [record], intents=False)
            connection.execute("INSERT INTO checkpoints VALUES (?,?,?)", (place(self._number, record.seq), key_id, signature))
            connection.executemany("UPDATE chains SET sealed_seq = ? WHERE no = ?", sealed)
        self._chain = chain
        self._oldest_open = self._number
        return record

    def move(self, standing: Standing) -> None:
        """Record a move in a partner's life: its row and its place in the chain, or neither. Raises `StoreError`."""
        chain = copy.copy(self._chain)
        with self._store.writing("can't record the partner's move") as connection:
            connection.execute(
                "INSERT INTO partner_moves (partner, came_from, state, at, by, why) VALUES (?,?,?,?,?,?)",
                (standing.partner, standing.came_from, standing.state, standing.at, standing.by, standing.why),
            )
            write(connection, self._number, [], [chain.partner(standing)], intents=False)
        self._chain = chain

    def terms(self, partner: str, terms: Terms | None, *, at: float, was: str | None, by: str) -> None:
        """Record under which terms a partner is used from now on: its row and its place in the chain, or neither. Raises `StoreError`."""
        chain = copy.copy(self._chain)
        digest = None if terms is None else terms.hash
        with self._store.writing("can't record the partner's terms") as connection:
            connection.execute("INSERT INTO partner_terms (partner, hash, at, by) VALUES (?,?,?,?)", (partner, digest, at, by))
            write(connection, self._number, [], [chain.terms(partner, terms, made_at=at, was=was, by=by)], intents=False)
        self._chain = chain

    def keys(self, keys: Iterable[KeyInfo], by: str) -> None:
        """Record those of the keyring's keys that the store does not know yet, in one transaction. Raises `StoreError`."""
        chain = copy.copy(self._chain)
        with self._store.writing("can't record the keyring's keys") as connection:
            for key in keys:
                if connection.execute("INSERT OR IGNORE INTO meta VALUES (?,?)", (f"keyring.{key.key_id}", by)).rowcount:
                    record = chain.key(key.key_id, key.purpose, made_at=key.created_at, public=key.public, by=by)
                    write(connection, self._number, [], [record], intents=False)
        self._chain = chain

    def settle_unclosed(self, live: Collection[str], at: float) -> int:
        """Record every intent of a chain that is not among `live` as ended at its reserved maximum (law 5). Returns how many.

        What such a worker's partner billed is unknown, so both sides of the ledger carry the reservation, and the
        check `settlement` says `error`.
        """
        chain = copy.copy(self._chain)
        with self._store.writing("can't settle what was left open") as connection:
            left = [
                Exchange(
                    id=row[0], started_at=row[2] / 1000, started_mono=0.0, app=row[3], key_id=row[4], feature=row[5], model=row[6],
                    stream=bool(row[7]), reserved_micros=row[8], charged_micros=row[8], spent_micros=row[8], config_hash=row[9],
                    idempotency=row[10], synthetic=bool(row[11]), ended_at=at, outcome="internal", checks={"settlement": "error"},
                )
                for row in connection.execute("SELECT * FROM intents ORDER BY started_ms, id")
                if row[1] not in live
            ]  # fmt: skip
            write(connection, self._number, left, [chain.append(exchange) for exchange in left], intents=True)
        self._chain = chain
        return len(left)
