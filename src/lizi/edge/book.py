"""The supervisor's hold on the store: app keys, what the counters start from, all in one thread.

Never blocks the loop and never keeps a secret: a new key's secret is returned once. Each change is
on disk before it is told to a worker, so that a crash can't bring a revoked key back. Bound: one
thread, one connection; calls wait for each other.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lizi.callers import RANDOM_BYTES, KeyRecord, mint
from lizi.edge.journal import HouseChain
from lizi.edge.store import Store
from lizi.errors import InvalidRequest
from lizi.standing import check_move, check_words
from lizi.types import Plan, Standing, Terms

__all__ = ["Book", "Past"]

_Value = TypeVar("_Value")


class Past(Struct, frozen=True, kw_only=True):
    """What the ledger says about the time before this start."""

    day_micros: dict[str, int]
    month_micros: dict[str, int]
    claims: list[tuple[str, str, str, float, str]]
    """`(app, key hash, exchange id, started_at, state)`, oldest first."""


class Book:
    """Opened by `open`; every other method after it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # SQLite connections belong to one thread.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lizi-book")
        self._store: Store | None = None
        self.keys: dict[str, KeyRecord] = {}
        self.standings: dict[str, Standing] = {}
        """Where each partner stands: its last move."""
        self.terms: dict[str, str | None] = {}
        """Partner → hash of the terms that the chain last said it is used under."""

    async def run(self, work: Callable[[Store], _Value]) -> _Value:
        """`work` on the store, in its thread."""

        def inside() -> _Value:
            if self._store is None:
                # Few writes, each of them final: a revocation or a move must outlive a power cut whatever the ledger's durability.
                self._store = Store.open(self._path, durability="strict")
            return work(self._store)

        return await asyncio.get_running_loop().run_in_executor(self._thread, inside)

    async def open(self) -> None:
        """Open the store and read the keys. Raises `StoreError`."""
        self.keys = {record.key_id: record for record in await self.run(Store.keys)}
        self.standings = {move.partner: move for move in await self.run(Store.partner_moves)}
        self.terms = await self.run(Store.partner_terms)

    async def past(self, *, day_start: float, month_start: float, claims_since: float) -> Past:
        """What counters and claims start from."""

        def read(store: Store) -> Past:
            return Past(
                day_micros=store.spends_since(day_start),
                month_micros=store.spends_since(month_start),
                claims=store.idempotency_since(claims_since),
            )

        return await self.run(read)

    async def close(self) -> None:
        """Close the store and end the thread."""
        store = self._store
        if store is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, store.close)
        self._thread.shutdown(wait=False)

    async def create(self, app: str, plan: Plan, now: float, expires_at: float | None = None) -> tuple[str, KeyRecord]:
        """A new key: `(the whole key, shown once, its record)`."""
        shown, record = mint(app, plan, now, os.urandom(RANDOM_BYTES))
        record = replace(record, expires_at=expires_at)
        await self.run(lambda store: store.add_key(record))
        self.keys[record.key_id] = record
        return shown, record

    async def revoke(self, key_id: str, now: float) -> KeyRecord:
        """Revoke for good. A key that is revoked already stays so, with its first date."""
        record = self._known(key_id)
        if record.revoked_at is None:
            await self.run(lambda store: store.revoke_key(key_id, now))
            record = self.keys[key_id] = replace(record, revoked_at=now)
        return record

    async def rotate(self, key_id: str, now: float, overlap_s: float) -> tuple[str, KeyRecord, KeyRecord]:
        """A new key for the same app and plan; the old one lasts `overlap_s` more: `(key, its record, the old record)`."""
        old = self._known(key_id)
        if old.revoked_at is not None:
            raise InvalidRequest(f"The key {key_id} is revoked.", code="invalid_request", hint="Create a new key instead.")
        shown, record = mint(old.app, old.plan, now, os.urandom(RANDOM_BYTES))
        ends_at = now + overlap_s if old.expires_at is None else min(now + overlap_s, old.expires_at)
        await self.run(lambda store: store.rotate_key(key_id, record, ends_at))
        self.keys[key_id] = replace(old, expires_at=ends_at)
        self.keys[record.key_id] = record
        return shown, record, self.keys[key_id]

    async def set_plan(self, key_id: str, plan: Plan) -> KeyRecord:
        """Give a key another plan."""
        record = replace(self._known(key_id), plan=plan)
        text = msgspec.json.encode(plan, order="sorted").decode()

        def write(store: Store) -> None:
            with store.writing("can't change the key's plan") as connection:
                connection.execute("UPDATE keys SET plan=? WHERE key_id=?", (text, key_id))

        await self.run(write)
        self.keys[key_id] = record
        return record

    def moved(self, partner: str, wanted: str, *, at: float, by: str, why: str) -> Standing:
        """The move, not yet made. Raises `InvalidRequest` for a partner that nobody knows, a move that is not allowed, or bad words."""
        check_words(by, why)
        before = self.standings.get(partner)
        if before is None:
            hint = "'lizi partner list' shows them; one that was just written into the file is known after a reload (SIGHUP)."
            raise InvalidRequest(f"There is no partner '{partner[:64]}'.", code="not_found", param="partner", hint=hint)
        state = check_move(partner, before.state, wanted)
        return Standing(partner=partner, state=state, at=at, by=by, why=why, came_from=before.state)

    async def move(self, chain: HouseChain, standing: Standing) -> None:
        """Record a move; its row and its place in the audit chain are on disk when this returns."""
        await self.run(lambda _: chain.move(standing))
        self.standings[standing.partner] = standing

    async def agree(self, chain: HouseChain, partner: str, terms: Terms | None, *, at: float, by: str) -> bool:
        """Record under which terms a partner is used, where that changed; on disk when this returns. Says whether it did."""
        was, digest = self.terms.get(partner), None if terms is None else terms.hash
        if was == digest:
            return False
        await self.run(lambda _: chain.terms(partner, terms, at=at, was=was, by=by))
        self.terms[partner] = digest
        return True

    def _known(self, key_id: str) -> KeyRecord:
        record = self.keys.get(key_id)
        if record is None:
            raise InvalidRequest(f"There is no key {key_id}.", code="not_found", hint="'lizi key list' shows the keys.")
        return record
