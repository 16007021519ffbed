"""The key book: few changes, each final. None may be undone by a power cut, whatever the ledger's durability."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge_service import serving, write
from lizi.callers import KeyRecord
from lizi.edge.book import Book
from lizi.edge.store import Store
from lizi.errors import InvalidRequest, StoreError
from lizi.types import Plan

FULL = 2  # PRAGMA synchronous: 1 is NORMAL, which flushes a commit only when the log is folded into the file


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[Book]:
    opened = Book(tmp_path / "lizi.sqlite")
    await opened.open()
    yield opened
    await opened.close()


def on_disk(tmp_path: Path) -> dict[str, KeyRecord]:
    """What another process finds."""
    with Store.open(tmp_path / "lizi.sqlite", read_only=True) as store:
        return {record.key_id: record for record in Store.keys(store)}


async def synchronous(book: Book) -> int:
    (level,) = await book.run(lambda store: store.connection.execute("PRAGMA synchronous").fetchone())
    return int(level)


async def test_every_commit_is_flushed(book: Book) -> None:
    assert await synchronous(book) == FULL


async def test_it_is_flushed_beside_a_batched_ledger_too(tmp_path: Path) -> None:
    async with serving(write(tmp_path, durability="batched")) as service:
        assert service.supervisor.config.store.durability == "batched"
        assert await synchronous(service.supervisor.book) == FULL


async def test_a_change_is_there_for_others_when_it_returns(book: Book, tmp_path: Path) -> None:
    shown, record = await book.create("notes", Plan(streams=3), 10.0)
    assert on_disk(tmp_path) == book.keys == {record.key_id: record}
    assert shown not in (tmp_path / "lizi.sqlite").read_bytes().decode("latin-1")
    _, new, old = await book.rotate(record.key_id, 20.0, 5.0)
    assert on_disk(tmp_path) == book.keys
    assert (old.expires_at, new.plan) == (25.0, record.plan)
    changed = await book.set_plan(new.key_id, Plan(streams=4))
    assert on_disk(tmp_path)[new.key_id].plan == changed.plan == Plan(streams=4)
    await book.revoke(new.key_id, 30.0)
    assert on_disk(tmp_path)[new.key_id].revoked_at == 30.0


async def test_a_revoked_key_keeps_its_first_date_and_is_not_rotated(book: Book, tmp_path: Path) -> None:
    _, record = await book.create("notes", Plan(), 10.0)
    await book.revoke(record.key_id, 20.0)
    assert (await book.revoke(record.key_id, 30.0)).revoked_at == 20.0
    with pytest.raises(InvalidRequest, match="is revoked"):
        await book.rotate(record.key_id, 40.0, 5.0)
    assert on_disk(tmp_path)[record.key_id].revoked_at == 20.0


async def test_what_is_not_on_disk_is_not_believed(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    _, record = await book.create("notes", Plan(), 10.0)

    def full(store: Store, key_id: str, at: float) -> None:
        raise StoreError("can't change the key: SQLITE_FULL", code="store_failed")

    monkeypatch.setattr(Store, "revoke_key", full)
    with pytest.raises(StoreError):
        await book.revoke(record.key_id, 20.0)
    assert book.keys[record.key_id].revoked_at is None


async def test_a_key_that_nobody_made_is_not_found(book: Book) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await book.revoke("nobody", 1.0)
    assert caught.value.code == "not_found"
