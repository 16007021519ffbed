"""Backup and restore of the store: whole, checked, and never over the only copy.

A backup is one moment's snapshot of a running store; writers don't wait for it. A copy counts
only after SQLite's own integrity check and the audit chain's verification. The keyring is not
in it: private keys belong in another safe. Bound: memory of a few hundred pages; while it runs
the store's log can't be folded and grows. Standard: https://sqlite.org/backup.html.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from lizi.audit import Record, Verdict
from lizi.edge.store import Lock, Store, mapped
from lizi.errors import StoreError

__all__ = ["BackupReport", "backup", "restore"]

Trust = Callable[[Record, tuple[str, bytes] | None], bool]
Progress = Callable[[int, int], None]
_STEP_PAGES = 512
"""2 MiB of 4 KiB pages between two calls of the progress function: some 5 ms each."""


class BackupReport(Struct, frozen=True, kw_only=True):
    """What was copied and how its chain stands."""

    size_bytes: int
    verdict: Verdict
    kept: str | None = None
    """`restore`: name of the file that the old store was moved to."""


def backup(store: Store, to: Path, *, trusted: Trust | None = None, progress: Progress | None = None) -> BackupReport:
    """Copy the open `store` to the new file `to`, then check the copy.

    Raises `StoreError` when `to` exists, the copy is damaged or its chain is broken; then no
    file `to` is left. `progress(done, total)` counts pages.
    """
    if to.exists():
        raise StoreError(f"{to.name} exists", code="store_failed", hint="name a new file: a backup never overwrites one")
    partial = to.with_name(to.name + ".partial")
    try:
        with mapped("can't write the backup"):
            # An open read transaction pins one moment: without it every commit of another process would start the copy over.
            store.connection.execute("BEGIN")
            try:
                store.connection.execute("SELECT count(*) FROM meta").fetchone()
                _copy(store.connection, partial, progress)
            finally:
                store.connection.execute("COMMIT")
        verdict = _checked(partial, trusted)
        _publish(partial, to)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return BackupReport(size_bytes=to.stat().st_size, verdict=verdict)


def restore(source: Path, to: Path, *, at: str, trusted: Trust | None = None, progress: Progress | None = None) -> BackupReport:
    """Put the backup `source` in the place of the store `to`; the old store is kept as `NAME.before-AT`.

    Raises `StoreError` while a service holds `to`, and for a source that is damaged, foreign,
    newer than this program or broken in its chain; then `to` is as it was.
    """
    with Lock(to):
        verdict = _checked(source, trusted)
        partial = to.with_name(to.name + ".partial")
        kept = to.with_name(f"{to.name}.before-{at}")
        if kept.exists():
            raise StoreError(f"{kept.name} exists", code="store_failed", hint="move it away, or wait a second")
        try:
            with mapped("can't copy the backup"), Store.open(source, read_only=True) as opened:
                _copy(opened.connection, partial, progress)
            had = to.exists()
            with mapped("can't put the backup in place"):
                if had:
                    # Log and index go with their file, by name; a damaged store must be kept as it is, so SQLite doesn't touch it here.
                    for suffix in ("-wal", "-shm", ""):
                        part = to.with_name(to.name + suffix)
                        if part.exists():
                            part.rename(kept.with_name(kept.name + suffix))
            _publish(partial, to)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return BackupReport(size_bytes=to.stat().st_size, verdict=verdict, kept=kept.name if had else None)


def _copy(source: sqlite3.Connection, partial: Path, progress: Progress | None) -> None:
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    target = sqlite3.connect(partial, isolation_level=None)
    try:
        report = None if progress is None else lambda _status, left, total: progress(total - left, total)
        source.backup(target, pages=_STEP_PAGES, progress=report)
        target.execute("PRAGMA journal_mode=DELETE")  # one file without a log beside it, readable from a read-only medium
    finally:
        target.close()


def _checked(path: Path, trusted: Trust | None) -> Verdict:
    """The verdict over a file that is whole; anything else is a `StoreError`."""
    with mapped(f"can't check {path.name}"), Store.open(path, read_only=True) as store:
        found = store.connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreError(f"{path.name} is damaged", code="store_failed", hint="use another backup", internal=str(found))
        verdict = store.verify(trusted)
    if verdict.broken is not None:
        broken = verdict.broken
        raise StoreError(
            f"the audit chain of {path.name} is broken at {broken.where}: {broken.why}",
            code="store_failed",
            hint="use another backup; `lizi audit verify` says more about the one in use",
        )
    return verdict


def _publish(partial: Path, to: Path) -> None:
    """Flush the finished copy and give it its name."""
    with mapped(f"can't finish {to.name}"):
        for path, flags in ((partial, os.O_RDONLY), (to.parent, os.O_RDONLY | os.O_DIRECTORY)):
            if path == to.parent:
                partial.rename(to)
            descriptor = os.open(path, flags | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
