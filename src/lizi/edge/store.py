"""The one SQLite file: opening, migrating, keys, and what goes wrong with files.

Never holds content or a secret (keys are digests). WAL mode, so that readers never stop the
writers; `synchronous` is NORMAL for batched durability and FULL for strict. What a kill or a
power cut can lose is in docs/decisions/0003-store.md. Bound: every wait for a lock ends after
`_BUSY_MS`. Standard: https://sqlite.org/wal.html, https://sqlite.org/pragma.html.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from lizi.audit import Broken, Head, Record, Verdict, verify
from lizi.callers import KeyRecord
from lizi.errors import Retry, StoreError
from lizi.types import Plan, Standing

__all__ = ["Lock", "Store", "mapped", "place", "seq_of"]

_APPLICATION_ID = 0x4C697A69
"""`Lizi` in ASCII; tells our file from any other SQLite file."""
_SQLITE_NEEDED = (3, 37)
"""The first with STRICT tables."""
_BUSY_MS = 5_000
"""A commit of 512 rows takes some 10 ms; with 256 workers before us that is 2.6 s. Twice that is a fault."""
_SEQ_BITS = 40
"""`place = chain_no << 40 | seq`: 10^12 records a chain, 8 million chains. One integer keeps a chain together, without an index."""
_SEQ_MASK = (1 << _SEQ_BITS) - 1

_MIGRATIONS: tuple[str, ...] = (
    # 1: the ledger, the chain, intents, keys
    """
    CREATE TABLE exchanges (
        no INTEGER PRIMARY KEY,
        id TEXT NOT NULL, started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, released_after_ms INTEGER,
        app TEXT NOT NULL, key_id TEXT NOT NULL, feature TEXT NOT NULL, model TEXT NOT NULL, stream INTEGER NOT NULL,
        outcome TEXT NOT NULL, finish TEXT,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL, estimated INTEGER NOT NULL,
        charged_micros INTEGER NOT NULL, spent_micros INTEGER NOT NULL, reserved_micros INTEGER NOT NULL,
        config_hash TEXT NOT NULL, idempotency TEXT
    ) STRICT;
    CREATE INDEX exchanges_by_time ON exchanges (started_ms);
    CREATE TABLE attempts (
        exchange_no INTEGER NOT NULL, number INTEGER NOT NULL,
        partner TEXT NOT NULL, model TEXT NOT NULL, region TEXT NOT NULL, price_key TEXT NOT NULL,
        started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, status INTEGER, outcome TEXT NOT NULL, finish TEXT,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL, estimated INTEGER NOT NULL,
        cost_micros INTEGER NOT NULL, released INTEGER NOT NULL,
        PRIMARY KEY (exchange_no, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE chains (
        no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, sealed_seq INTEGER NOT NULL DEFAULT -1
    ) STRICT;
    CREATE TABLE audit (place INTEGER PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
    CREATE TABLE checkpoints (place INTEGER PRIMARY KEY, key_id TEXT NOT NULL, signature BLOB NOT NULL) STRICT;
    CREATE TABLE intents (
        id TEXT PRIMARY KEY, chain TEXT NOT NULL, started_ms INTEGER NOT NULL, app TEXT NOT NULL, key_id TEXT NOT NULL,
        feature TEXT NOT NULL, model TEXT NOT NULL, stream INTEGER NOT NULL, reserved_micros INTEGER NOT NULL,
        config_hash TEXT NOT NULL, idempotency TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE keys (
        key_id TEXT PRIMARY KEY, app TEXT NOT NULL, digest BLOB NOT NULL, created_at REAL NOT NULL,
        expires_at REAL, revoked_at REAL, plan TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    """,
    # 2: the life of partners, and what is asked of them before they are active
    """
    ALTER TABLE exchanges ADD COLUMN synthetic INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE intents ADD COLUMN synthetic INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE partner_moves (
        no INTEGER PRIMARY KEY, partner TEXT NOT NULL, came_from TEXT, state TEXT NOT NULL, at REAL NOT NULL,
        by TEXT NOT NULL, why TEXT NOT NULL
    ) STRICT;
    """,
    # 3: under which terms partners are used, and each attempt was made
    """
    ALTER TABLE attempts ADD COLUMN terms TEXT;
    CREATE TABLE partner_terms (
        no INTEGER PRIMARY KEY, partner TEXT NOT NULL, hash TEXT, at REAL NOT NULL, by TEXT NOT NULL
    ) STRICT;
    """,
)

_HINTS = {
    "SQLITE_FULL": "free some space on the volume that holds the store; recording goes on by itself",
    "SQLITE_CORRUPT": "the file is damaged: stop the service and run `lizi store restore` with the last good backup",
    "SQLITE_NOTADB": "this is no SQLite file: check `server.data_dir`, or restore a backup with `lizi store restore`",
    "SQLITE_BUSY": "another program holds the store's write lock: end it, or wait",
    "SQLITE_READONLY": "the store can't be written: check owner and mode of the file and of its folder",
    "SQLITE_CANTOPEN": "check that the folder exists and that this user may write there",
    "SQLITE_IOERR": "the disk reported an error: look at the system's log before anything else",
}


@contextmanager
def mapped(what: str) -> Iterator[None]:
    """Turn SQLite's and the file system's errors into a `StoreError` with a hint; the one place for it."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", None) or type(error).__name__
        hint = next((text for prefix, text in _HINTS.items() if name.startswith(prefix)), None)
        later = name.startswith(("SQLITE_FULL", "SQLITE_BUSY"))
        raise StoreError(
            f"{what}: {name}", code="store_failed", hint=hint, internal=name, retry=Retry.LATER if later else Retry.NEVER
        ) from error
    except OSError as error:
        raise StoreError(
            f"{what}: {error.strerror or type(error).__name__}",
            code="store_failed",
            hint="check that the folder exists, that this user may write there, and that the volume has space",
            internal=type(error).__name__,
        ) from error


class Lock:
    """Says that a service runs on a store, for as long as the process lives; the kernel drops it at a kill."""

    def __init__(self, path: Path) -> None:
        """Take the lock beside `path`. Raises `StoreError` at once when somebody has it."""
        with mapped(f"can't lock {path.name}"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise StoreError(
                f"a running service holds {path.name}",
                code="store_failed",
                hint="stop it first (SIGTERM to the supervisor), or use another `server.data_dir`",
            ) from None

    def release(self) -> None:
        """Let go. The file stays: removing it would let two holders lock two files."""
        os.close(self._fd)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Store:
    """One connection to the store. Not for sharing between threads: each opens its own."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False, durability: Literal["batched", "strict"] = "batched") -> Store:
        """Open `path`, making and migrating it when needed.

        Raises `StoreError` for a file of a newer version, a foreign or a damaged one. Read-only
        opens neither make nor migrate anything.
        """
        with mapped(f"can't open the store {path.name}"):
            if read_only:
                if not path.exists():
                    raise StoreError(
                        f"there is no store {path.name}", code="store_failed", hint="start the service once, or check `server.data_dir`"
                    )
            else:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite would make it by the umask
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}",
                uri=True,
                isolation_level=None,  # transactions are written out
                timeout=_BUSY_MS / 1000,
                cached_statements=64,
                check_same_thread=True,
            )
            try:
                store = cls(connection, path)
                store._prepare(read_only, durability)
            except BaseException:
                connection.close()
                raise
        return store

    def _prepare(self, read_only: bool, durability: str) -> None:
        if sqlite3.sqlite_version_info < _SQLITE_NEEDED:
            raise StoreError(
                f"SQLite {sqlite3.sqlite_version} is too old", code="store_failed", hint="use a Python that brings SQLite 3.37 or later"
            )
        run = self.connection.execute
        run("BEGIN")  # one snapshot: another process may be making the store right now
        try:
            found = run("PRAGMA user_version").fetchone()[0]
            application = run("PRAGMA application_id").fetchone()[0]
            tables = run("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        finally:
            run("ROLLBACK")
        if application != _APPLICATION_ID and (tables or read_only):
            raise StoreError(f"{self.path.name} is no store of this program", code="store_failed", hint="check `server.data_dir`")
        if found > len(_MIGRATIONS):
            raise StoreError(
                f"{self.path.name} has version {found}, this program knows {len(_MIGRATIONS)}",
                code="store_failed",
                hint="it was written by a newer version: run that one, or restore a backup made before the change",
            )
        if read_only:
            if found < len(_MIGRATIONS):
                raise StoreError(
                    f"{self.path.name} has version {found}, this program needs {len(_MIGRATIONS)}",
                    code="store_failed",
                    hint="start the service once: it brings the store up to date",
                )
            run("PRAGMA query_only=ON")
            return
        run("PRAGMA journal_mode=WAL")
        run(f"PRAGMA synchronous={'FULL' if durability == 'strict' else 'NORMAL'}")
        run("PRAGMA journal_size_limit=67108864")  # 64 MiB: a long backup may let the log grow; give the space back after it
        if found < len(_MIGRATIONS):
            self._migrate()

    def _migrate(self) -> None:
        """Each step in its own transaction; several processes may try at once, the lock lets one."""
        run = self.connection.execute
        for number in range(1, len(_MIGRATIONS) + 1):
            run("BEGIN IMMEDIATE")
            try:
                if run("PRAGMA user_version").fetchone()[0] < number:
                    for statement in _MIGRATIONS[number - 1].split(";"):
                        if statement.strip():
                            run(statement)
                    run(f"PRAGMA user_version={number}")
                    run(f"PRAGMA application_id={_APPLICATION_ID}")
                run("COMMIT")
            except BaseException:
                run("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the connection; the last one to close folds the log into the file."""
        self.connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def writing(self, what: str) -> Iterator[sqlite3.Connection]:
        """One write transaction: all of it or nothing."""
        with mapped(what):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    # --- keys ---

    def add_key(self, record: KeyRecord) -> None:
        """Keep a new key. Raises `StoreError` when its id is taken."""
        with self.writing("can't store the key") as connection:
            _insert_key(connection, record)

    def keys(self) -> list[KeyRecord]:
        """All keys, revoked and expired ones too, oldest first."""
        with mapped("can't read the keys"):
            rows = self.connection.execute(
                "SELECT key_id, app, digest, created_at, expires_at, revoked_at, plan FROM keys ORDER BY created_at, key_id"
            ).fetchall()
        return [
            KeyRecord(
                key_id=key_id,
                app=app,
                digest=digest,
                created_at=created,
                expires_at=expires,
                revoked_at=revoked,
                plan=msgspec.json.decode(plan, type=Plan),
            )
            for key_id, app, digest, created, expires, revoked, plan in rows
        ]

    def revoke_key(self, key_id: str, at: float) -> bool:
        """Mark a key as revoked. False when there is none, or it already was (its first date stays)."""
        with self.writing("can't revoke the key") as connection:
            return connection.execute("UPDATE keys SET revoked_at=? WHERE key_id=? AND revoked_at IS NULL", (at, key_id)).rowcount == 1

    def rotate_key(self, old_id: str, record: KeyRecord, old_expires_at: float) -> None:
        """Keep `record` and let the old key run out at `old_expires_at` (never later than it would have), in one step."""
        with self.writing("can't rotate the key") as connection:
            changed = connection.execute(
                "UPDATE keys SET expires_at=min(coalesce(expires_at, ?), ?) WHERE key_id=? AND revoked_at IS NULL",
                (old_expires_at, old_expires_at, old_id),
            ).rowcount
            if changed != 1:
                raise StoreError(f"there is no valid key {old_id}", code="store_failed", hint="`lizi key list` shows the keys")
            _insert_key(connection, record)

    # --- partners ---

    def partner_terms(self) -> dict[str, str | None]:
        """Partner → hash of the terms that it was last used under; `None`: under none any more."""
        with mapped("can't read the partners' terms"):
            return dict(self.connection.execute("SELECT partner, hash FROM partner_terms ORDER BY no").fetchall())

    def partner_moves(self) -> list[Standing]:
        """Every move of every partner, oldest first; a partner stands where its last one brought it."""
        with mapped("can't read the partners"):
            return [
                Standing(partner=partner, came_from=came_from, state=state, at=at, by=by, why=why)
                for partner, came_from, state, at, by, why in self.connection.execute(
                    "SELECT partner, came_from, state, at, by, why FROM partner_moves ORDER BY no"
                )
            ]

    # --- what the counters are rebuilt from ---

    def spend_since(self, app: str, at: float) -> int:
        """Micro-units charged to `app` for exchanges that started at or after `at`; open intents count in full."""
        return self.spends_since(at).get(app, 0)

    def spends_since(self, at: float) -> dict[str, int]:
        """The same for all apps at once."""
        with mapped("can't read the ledger"):
            return dict(
                self.connection.execute(
                    "SELECT app, sum(micros) FROM ("
                    "SELECT app, charged_micros AS micros FROM exchanges WHERE started_ms >= ?1 "
                    "UNION ALL SELECT app, reserved_micros FROM intents WHERE started_ms >= ?1) GROUP BY app",
                    (round(at * 1000),),
                ).fetchall()
            )

    def idempotency_since(self, at: float) -> list[tuple[str, str, str, float, str]]:
        """`(app, key hash, exchange id, started_at, state)` of claimed keys, oldest first; state is `open` or the outcome."""
        with mapped("can't read the ledger"):
            return [
                (app, key_hash, exchange_id, started_ms / 1000, state)
                for app, key_hash, exchange_id, started_ms, state in self.connection.execute(
                    "SELECT app, idempotency, id, started_ms, outcome FROM exchanges WHERE started_ms >= ?1 AND idempotency IS NOT NULL "
                    "UNION ALL SELECT app, idempotency, id, started_ms, 'open' FROM intents "
                    "WHERE started_ms >= ?1 AND idempotency IS NOT NULL "
                    "ORDER BY 4",
                    (round(at * 1000),),
                )
            ]

    # --- the chain ---

    def chain_names(self) -> dict[str, int]:
        """Every chain with its number. A number without a name, left by tampering, is named `#number`."""
        with mapped("can't read the audit chain"):
            names: dict[int, str] = dict(self.connection.execute("SELECT no, name FROM chains").fetchall())
            found = {name: no for no, name in names.items()}
            at = -1 << 62
            while row := self.connection.execute("SELECT place FROM audit WHERE place >= ? ORDER BY place LIMIT 1", (at,)).fetchone():
                no = row[0] >> _SEQ_BITS
                if no not in names:
                    found[f"#{no}"] = no
                at = (no + 1) << _SEQ_BITS
            return found

    def audit_rows(self) -> Iterator[Record]:
        """The records ordered by chain and seq, as `audit.verify` wants them; streamed."""
        names = self.chain_names()
        with mapped("can't read the audit chain"):
            for name in sorted(names):
                first = names[name] << _SEQ_BITS
                for place, body, hash_ in self.connection.execute(
                    "SELECT place, body, hash FROM audit WHERE place BETWEEN ? AND ? ORDER BY place", (first, first | _SEQ_MASK)
                ):
                    yield Record(name, place & _SEQ_MASK, body, hash_)

    def checkpoint_claims(self) -> Iterator[Head]:
        """All heads that checkpoints claim, ordered by chain and seq; SQLite sorts them, on disk if they are many."""
        with mapped("can't read the audit chain"):
            for chain, seq, hash_ in self.connection.execute(
                "SELECT DISTINCT json_extract(h.value, '$.chain'), json_extract(h.value, '$.seq'), json_extract(h.value, '$.hash') "
                "FROM ("
                # a damaged body claims nothing here: the pass over its own chain names it
                "SELECT CASE WHEN json_valid(CAST(body AS TEXT)) THEN CAST(body AS TEXT) ELSE '{}' END AS text FROM audit "
                "WHERE place IN (SELECT place FROM checkpoints)) AS c, json_each(c.text, '$.heads') AS h "
                "WHERE json_type(h.value) = 'object' ORDER BY 1, 2"
            ):
                if isinstance(chain, str) and isinstance(seq, int) and isinstance(hash_, str):
                    yield Head(chain, seq, _unhex(hash_))

    def verify(self, trusted: Callable[[Record, tuple[str, bytes] | None], bool] | None = None) -> Verdict:
        """Check the whole audit chain at one moment, and the partners' moves against it; others may write meanwhile.

        `trusted` is given each checkpoint with its key id and signature (`Keyring.trusts`).
        """
        connection = self.connection
        with mapped("can't read the audit chain"):
            connection.execute("BEGIN")  # one snapshot for records, claims and moves
            try:
                check = None if trusted is None else lambda record: trusted(record, self.signature(record))
                moves, began = self.partner_moves(), self.chain_names()
                verdict = verify(self.audit_rows(), self.checkpoint_claims(), check, moves=moves, began=began)
                if verdict.broken is None:
                    seen = {head.chain for head in verdict.heads}
                    gone = min((name for name in self.chain_names() if name not in seen), default=None)
                    if gone is not None:
                        verdict = msgspec.structs.replace(verdict, broken=Broken(gone, 0, "missing"))
                return verdict
            finally:
                connection.execute("COMMIT")

    def signature(self, record: Record) -> tuple[str, bytes] | None:
        """Key id and signature of a checkpoint; `None` when it has none."""
        with mapped("can't read the audit chain"):
            row = self.connection.execute(
                "SELECT key_id, signature FROM checkpoints WHERE place = (SELECT no FROM chains WHERE name = ?) << ? | ?",
                (record.chain, _SEQ_BITS, record.seq),
            ).fetchone()
            return None if row is None else (row[0], row[1])


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""  # equals no hash


def seq_of(key: int) -> int:
    """Place of a record in its chain, from its key in the `audit` table."""
    return key & _SEQ_MASK


def place(chain_no: int, seq: int) -> int:
    """Key of a record in the `audit` table."""
    return chain_no << _SEQ_BITS | seq


def _insert_key(connection: sqlite3.Connection, record: KeyRecord) -> None:
    connection.execute(
        "INSERT INTO keys VALUES (?,?,?,?,?,?,?)",
        (
            record.key_id,
            record.app,
            record.digest,
            record.created_at,
            record.expires_at,
            record.revoked_at,
            msgspec.json.encode(record.plan, order="sorted").decode(),
        ),
    )
