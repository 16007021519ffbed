"""The store: versions, modes of its file, keys, what counters start from, backup and restore."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.journal_rows import finished
from lizi.audit import Chain
from lizi.callers import KeyRecord
from lizi.edge.backup import backup, restore
from lizi.edge.journal import HouseChain, begin_chain
from lizi.edge.keyring import Keyring
from lizi.edge.ledger import write
from lizi.edge.store import Lock, Store, mapped
from lizi.errors import Retry, StoreError
from lizi.types import Exchange, Plan


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "lizi.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(path) as opened:
        yield opened


def new_chain(worker: int = 1, boot: str = "boot") -> Chain:
    return Chain(boot=boot, worker=worker, config_hash="c" * 64, version="0.1", started_at=1.0)


def record(store: Store, exchanges: list[Exchange], worker: int = 1) -> Chain:
    chain = new_chain(worker)
    number = begin_chain(store, chain)
    with store.writing("test") as connection:
        write(connection, number, exchanges, [chain.append(exchange) for exchange in exchanges], intents=False)
    return chain


def key(key_id: str = "k1", **values: object) -> KeyRecord:
    plan = Plan(models=frozenset({"writer", "small"}), requests_per_minute=60, money_per_day_micros=5_000_000)
    return KeyRecord(**{"key_id": key_id, "app": "notes", "digest": b"d" * 32, "created_at": 5.5, "plan": plan, **values})  # type: ignore[arg-type]


# --- the file


def test_a_new_store_is_for_its_owner_only(store: Store, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store.add_key(key())
    assert {stat.S_IMODE(part.stat().st_mode) for part in path.parent.glob("lizi.sqlite-*")} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(("durability", "level"), [("batched", 1), ("strict", 2)])
def test_strict_flushes_every_commit_and_batched_does_not(path: Path, durability: str, level: int) -> None:
    with Store.open(path, durability=durability) as opened:  # type: ignore[arg-type]
        assert opened.connection.execute("PRAGMA synchronous").fetchone() == (level,)
        assert opened.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_opening_again_changes_nothing(store: Store, path: Path) -> None:
    store.add_key(key())
    with Store.open(path) as again:
        assert again.keys() == [key()]


def test_processes_that_open_a_new_store_together_migrate_it_once(path: Path) -> None:
    program = "import sys; from pathlib import Path; from lizi.edge.store import Store; Store.open(Path(sys.argv[1])).close()"
    started = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(4)]
    assert [process.wait(30) for process in started] == [0] * 4


def test_a_store_of_a_newer_version_is_refused_with_the_way_out(store: Store, path: Path) -> None:
    store.connection.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="version 99") as caught:
        Store.open(path)
    assert caught.value.hint is not None
    assert "newer version" in caught.value.hint


def test_a_foreign_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="no store of this program"):
        Store.open(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_gives_an_error_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "lizi.sqlite"
    path.write_bytes(b"this is a text file, and long enough to be read as a page" * 100)
    with pytest.raises(StoreError, match="SQLITE_NOTADB") as caught:
        Store.open(path)
    assert caught.value.hint


def test_reading_only_neither_makes_nor_changes_a_store(tmp_path: Path, store: Store, path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        Store.open(tmp_path / "none.sqlite", read_only=True)
    assert not (tmp_path / "none.sqlite").exists()
    with Store.open(path, read_only=True) as reader, pytest.raises(StoreError, match="SQLITE_READONLY"):
        reader.add_key(key())


@pytest.mark.parametrize(
    ("code", "retry"), [("SQLITE_FULL", Retry.LATER), ("SQLITE_CORRUPT", Retry.NEVER), ("SQLITE_IOERR_WRITE", Retry.NEVER)]
)
def test_errors_of_sqlite_become_ours_with_a_hint(code: str, retry: Retry) -> None:
    error = sqlite3.OperationalError("words with a /path")
    error.sqlite_errorname = code
    with pytest.raises(StoreError) as caught, mapped("can't write"):
        raise error
    assert caught.value.internal == code
    assert caught.value.retry is retry
    assert caught.value.hint
    assert "/path" not in caught.value.message


def test_a_second_service_on_one_store_is_refused_until_the_first_is_gone(path: Path) -> None:
    with Lock(path), pytest.raises(StoreError, match="running service"):
        Lock(path)
    Lock(path).release()


# --- keys


def test_keys_come_back_as_they_were_stored(store: Store) -> None:
    full = key("k2", created_at=6.25, expires_at=99.5, revoked_at=50.0, plan=Plan())
    store.add_key(full)
    store.add_key(key("k1"))
    assert store.keys() == [key("k1"), full]


def test_a_key_id_is_taken_once(store: Store) -> None:
    store.add_key(key())
    with pytest.raises(StoreError, match="can't store the key"):
        store.add_key(key(app="other"))
    assert store.keys() == [key()]


def test_a_revocation_keeps_its_first_date(store: Store) -> None:
    store.add_key(key())
    assert store.revoke_key("k1", 10.0)
    assert not store.revoke_key("k1", 20.0)
    assert not store.revoke_key("none", 20.0)
    assert store.keys()[0].revoked_at == 10.0


def test_a_rotation_is_one_step_and_never_lengthens_the_old_keys_life(store: Store) -> None:
    store.add_key(key("k1", expires_at=15.0))
    store.rotate_key("k1", key("k2", created_at=9.0), 20.0)
    kept = store.keys()
    assert [(each.key_id, each.expires_at) for each in kept] == [("k1", 15.0), ("k2", None)]
    store.rotate_key("k2", key("k3", created_at=10.0), 20.0)
    assert store.keys()[1].expires_at == 20.0
    with pytest.raises(StoreError, match="no valid key nobody"):
        store.rotate_key("nobody", key("k4"), 20.0)
    with pytest.raises(StoreError):
        store.rotate_key("k3", key("k1"), 20.0)  # the new id is taken: the old key stays as it was
    assert store.keys()[2].expires_at is None


# --- what counters start from


def test_spend_counts_from_the_start_of_an_exchange_and_open_intents_in_full(store: Store) -> None:
    record(store, [finished(1, started_at=100.0), finished(2, started_at=200.0), finished(3, app="mail", started_at=300.0)])
    with store.writing("test") as connection:
        connection.execute("INSERT INTO intents VALUES ('rq_x','boot.1',250000,'notes','k','chat','writer',0,900,'c',NULL,0)")
    assert store.spends_since(0.0) == {"notes": 1600, "mail": 350}
    assert store.spend_since("notes", 200.0) == 1250
    assert store.spend_since("notes", 200.001) == 900
    assert store.spend_since("nobody", 0.0) == 0


def test_idempotency_entries_within_their_life_come_back_with_their_state(store: Store) -> None:
    used, failed, plain = finished(1, started_at=100.0), finished(2, started_at=200.0), finished(3, started_at=300.0)
    used.idempotency, failed.idempotency, failed.outcome = "h1", "h2", "upstream_failed"
    record(store, [used, failed, plain])
    with store.writing("test") as connection:
        connection.execute("INSERT INTO intents VALUES ('rq_x','boot.1',250000,'notes','k','chat','writer',0,900,'c','h3',0)")
    assert store.idempotency_since(150.0) == [
        ("notes", "h2", failed.id, 200.0, "upstream_failed"),
        ("notes", "h3", "rq_x", 250.0, "open"),
    ]


# --- the chain in the file


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.open(tmp_path / "keyring", 1.0)


def test_a_stored_chain_verifies_and_a_change_in_the_file_is_named(store: Store) -> None:
    record(store, [finished(number) for number in range(5)])
    assert store.verify().broken is None
    store.connection.execute(
        "UPDATE audit SET body = CAST(replace(CAST(body AS TEXT), '\"notes\"', '\"n0tes\"') AS BLOB) WHERE place & 255 = 3"
    )
    broken = store.verify().broken
    assert broken is not None
    assert (broken.chain, broken.seq, broken.why) == ("boot.1", 3, "changed")


def test_a_name_is_used_for_one_chain_only(store: Store) -> None:
    record(store, [])
    with pytest.raises(StoreError, match="can't begin the audit chain"):
        begin_chain(store, new_chain())


def test_checkpoints_are_signed_and_see_what_a_chain_cannot(store: Store, keyring: Keyring) -> None:
    record(store, [finished(number) for number in range(5)])
    house = HouseChain(store, new_chain(0), keyring)
    made = house.checkpoint(9.0)
    assert made is not None
    assert house.checkpoint(10.0) is None, "nothing has moved"
    verdict = store.verify(keyring.trusts)
    assert (verdict.broken, verdict.checkpoints) == (None, 1)
    store.connection.execute("DELETE FROM audit WHERE place = (SELECT max(place) FROM audit WHERE place >> 40 = 1)")
    broken = store.verify(keyring.trusts).broken
    assert broken is not None
    assert (broken.chain, broken.seq, broken.why) == ("boot.1", 5, "truncated")


def test_a_checkpoint_by_an_unknown_key_or_without_signature_is_named(store: Store, keyring: Keyring, tmp_path: Path) -> None:
    record(store, [finished(1)])
    HouseChain(store, new_chain(0), keyring).checkpoint(9.0)
    stranger = Keyring.open(tmp_path / "another", 1.0)
    broken = store.verify(stranger.trusts).broken
    assert broken is not None
    assert (broken.chain, broken.seq, broken.why) == ("boot.0", 1, "signature")
    store.connection.execute("DELETE FROM checkpoints")
    broken = store.verify(keyring.trusts).broken
    assert broken is not None
    assert broken.why == "signature"


def test_a_rotated_keyring_still_trusts_old_checkpoints(store: Store, keyring: Keyring) -> None:
    record(store, [finished(1)])
    HouseChain(store, new_chain(0), keyring).checkpoint(9.0)
    keyring.rotate("audit-signing", 20.0)
    assert store.verify(keyring.trusts).broken is None


def test_a_chain_whose_records_are_all_gone_is_missing(store: Store) -> None:
    record(store, [finished(1)])
    store.connection.execute("DELETE FROM audit")
    broken = store.verify().broken
    assert broken is not None
    assert (broken.chain, broken.seq, broken.why) == ("boot.1", 0, "missing")


def test_records_of_a_chain_without_a_name_are_found(store: Store) -> None:
    record(store, [finished(1)])
    store.connection.execute("DELETE FROM chains")
    broken = store.verify().broken
    assert broken is not None
    assert (broken.chain, broken.why) == ("#1", "reordered")


def test_a_checkpoint_covers_the_chains_of_earlier_boots_once(store: Store, keyring: Keyring) -> None:
    record(store, [finished(1)])
    HouseChain(store, new_chain(0), keyring).checkpoint(9.0)
    later = HouseChain(store, new_chain(0, "later"), keyring)
    made = later.checkpoint(20.0)
    assert made is not None
    assert b'"chain":"boot.0"' in made.body
    assert b'"chain":"boot.1"' not in made.body, "it stands in the first boot's checkpoint"
    assert store.verify(keyring.trusts).broken is None


def test_what_a_dead_worker_left_open_settles_at_the_reserved_maximum(store: Store, keyring: Keyring) -> None:
    record(store, [])
    with store.writing("test") as connection:
        connection.execute("INSERT INTO intents VALUES ('rq_dead','boot.1',250000,'notes','k','chat','writer',1,900,'c','h',0)")
        connection.execute("INSERT INTO intents VALUES ('rq_live','boot.2',250000,'notes','k','chat','writer',1,700,'c',NULL,0)")
    house = HouseChain(store, new_chain(0), keyring)
    assert house.settle_unclosed({"boot.2"}, 300.0) == 1
    assert house.settle_unclosed({"boot.2"}, 300.0) == 0
    rows = store.connection.execute("SELECT id, outcome, charged_micros, spent_micros, idempotency FROM exchanges").fetchall()
    assert rows == [("rq_dead", "internal", 900, 900, "h")]
    assert store.connection.execute("SELECT id FROM intents").fetchall() == [("rq_live",)]
    assert b'"checks":{"settlement":"error"}' in [row.body for row in store.audit_rows()][1]
    assert store.verify(keyring.trusts).broken is None


# --- backup and restore


def test_a_backup_of_a_store_in_use_is_one_moment_and_verifies(store: Store, path: Path, tmp_path: Path) -> None:
    record(store, [finished(number) for number in range(3000)])
    stop = threading.Event()

    def keep_writing() -> None:
        with Store.open(path) as other:
            chain = new_chain(2)
            number = begin_chain(other, chain)
            while not stop.is_set():
                with other.writing("test") as connection:
                    write(connection, number, [finished(1)], [chain.append(finished(1))], intents=False)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    steps: list[tuple[int, int]] = []
    try:
        report = backup(store, tmp_path / "copy.sqlite", progress=lambda done, total: steps.append((done, total)))
    finally:
        stop.set()
        writer.join()
    assert report.verdict.broken is None
    assert report.verdict.records >= 3001
    assert steps[-1][0] == steps[-1][1]
    assert sorted(part.name for part in tmp_path.glob("copy*")) == ["copy.sqlite"], "one file, nothing beside it"
    assert stat.S_IMODE((tmp_path / "copy.sqlite").stat().st_mode) == 0o600
    with pytest.raises(StoreError, match="exists"):
        backup(store, tmp_path / "copy.sqlite")


def test_a_backup_with_a_broken_chain_is_refused_and_leaves_no_file(store: Store, tmp_path: Path) -> None:
    record(store, [finished(1), finished(2)])
    store.connection.execute("DELETE FROM audit WHERE place & 255 = 1")
    with pytest.raises(StoreError, match=r"broken at record 1 of chain boot\.1: missing"):
        backup(store, tmp_path / "copy.sqlite")
    assert list(tmp_path.glob("copy*")) == []


def test_a_restore_puts_the_backup_in_place_and_keeps_the_old_store(path: Path, tmp_path: Path) -> None:
    with Store.open(path) as store:
        record(store, [finished(1)])
        store.add_key(key())
        backup(store, tmp_path / "copy.sqlite")
        store.add_key(key("later"))
        report = restore(tmp_path / "copy.sqlite", path, at="now")  # the old file is still open, so its log is still beside it
    assert report.kept == "lizi.sqlite.before-now"
    with Store.open(path) as restored:
        assert restored.keys() == [key()]
        assert restored.verify().broken is None
    with Store.open(path.with_name("lizi.sqlite.before-now"), read_only=True) as old:
        assert len(old.keys()) == 2


def test_a_restore_is_refused_while_a_service_runs(store: Store, path: Path, tmp_path: Path) -> None:
    backup(store, tmp_path / "copy.sqlite")
    store.add_key(key())
    with Lock(path), pytest.raises(StoreError, match="running service"):
        restore(tmp_path / "copy.sqlite", path, at="now")
    assert store.keys() == [key()]


def test_a_damaged_backup_is_refused_and_the_store_stays(store: Store, path: Path, tmp_path: Path) -> None:
    record(store, [finished(number) for number in range(200)])
    copy = tmp_path / "copy.sqlite"
    backup(store, copy)
    blob = bytearray(copy.read_bytes())
    blob[len(blob) // 2 : len(blob) // 2 + 3000] = b"\xff" * 3000
    copy.write_bytes(blob)
    with pytest.raises(StoreError):
        restore(copy, path, at="now")
    assert len(list(store.audit_rows())) == 201
    assert not path.with_name("lizi.sqlite.before-now").exists()


def test_a_store_that_is_gone_can_be_restored(store: Store, tmp_path: Path) -> None:
    record(store, [finished(1)])
    backup(store, tmp_path / "copy.sqlite")
    fresh = tmp_path / "new" / "lizi.sqlite"
    assert restore(tmp_path / "copy.sqlite", fresh, at="now").kept is None
    with Store.open(fresh) as restored:
        assert restored.verify().records == 2
