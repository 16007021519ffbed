"""Really killed: SIGKILL in the middle of commits, again and again, and a disk that is really full.

What was told as committed is there, in order and without a hole; the file is whole; the chain
verifies; and no more is missing than docs/decisions/0003-store.md says.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lizi.audit import Chain
from lizi.edge.journal import HouseChain
from lizi.edge.keyring import Keyring
from lizi.edge.store import Store

CHILD = Path(__file__).with_name("crash_child.py")
TESTS = CHILD.parent.parent
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


class Child:
    """One process that journals; its words go to a file, so that nothing waits for this one to read."""

    def __init__(self, store: Path, boot: str, worker: int, mode: str) -> None:
        self.worker = worker
        self.said = store.with_name(f"{boot}.{worker}.said")
        self._out = self.said.open("wb")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])}
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(store), boot, str(worker), mode], stdout=self._out, env=environment
        )

    def wait_for(self, words: int) -> None:
        """Until it has said so many lines."""
        deadline = time.monotonic() + 30
        while len(self.lines()) < words:
            assert self.process.poll() is None, "the child ended by itself"
            assert time.monotonic() < deadline, "the child said too little"
            time.sleep(0.005)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self._out.close()

    def lines(self) -> list[str]:
        """Whole lines only: the last may have been cut by the kill."""
        return self.said.read_text().split("\n")[:-1]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "lizi.sqlite"


@pytest.fixture
def start(store: Path) -> Iterator[Callable[[str, int, str], Child]]:
    children: list[Child] = []

    def make(boot: str, worker: int, mode: str) -> Child:
        children.append(Child(store, boot, worker, mode))
        return children[-1]

    yield make
    for child in children:
        child.kill()


def numbers(opened: Store, worker: int) -> list[int]:
    """What `worker` left in the ledger, in the order of its rows."""
    rows = opened.connection.execute("SELECT id FROM exchanges ORDER BY no").fetchall()
    found = [int(row[0].removeprefix("rq_")) for row in rows]
    return [number % 1_000_000_000 for number in found if number // 1_000_000_000 == worker]


def whole(opened: Store) -> None:
    assert opened.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    verdict = opened.verify()
    assert verdict.broken is None
    exchanges = opened.connection.execute("SELECT count(*) FROM exchanges").fetchone()[0]
    assert verdict.records - verdict.chains - verdict.checkpoints == exchanges, "ledger and chain hold the same"
    assert opened.connection.execute("SELECT count(*) FROM attempts").fetchone() == (exchanges,)


def test_a_worker_killed_again_and_again_leaves_all_that_was_committed_and_no_hole(
    start: Callable[[str, int, str], Child], store: Path
) -> None:
    draw = random.Random(5)
    for worker in range(1, 9):
        child = start("boot", worker, "flood")
        child.wait_for(3)
        time.sleep(draw.random() * 0.25)
        child.kill()
        with Store.open(store) as opened:
            whole(opened)
            kept = numbers(opened, worker)
        assert kept == list(range(len(kept))), "a prefix of what was appended"
        appended, committed = map(int, child.lines()[-1].split())
        assert committed <= len(kept), "what was told as committed is there"
        assert appended - len(kept) <= 2000, "no more than the queue holds is lost"


def test_all_workers_killed_at_one_moment_leave_a_whole_store(start: Callable[[str, int, str], Child], store: Path) -> None:
    children = [start("boot", worker, "flood") for worker in (1, 2, 3)]
    for child in children:
        child.wait_for(3)
    time.sleep(0.3)
    for child in children:
        child.process.send_signal(signal.SIGKILL)
    for child in children:
        child.kill()
    with Store.open(store) as opened:
        whole(opened)
        for child in children:
            kept = numbers(opened, child.worker)
            assert kept == list(range(len(kept)))
            assert int(child.lines()[-1].split()[1]) <= len(kept)


def test_batched_loses_at_most_its_window(start: Callable[[str, int, str], Child], store: Path) -> None:
    for worker in (1, 2, 3):
        child = start("boot", worker, "paced")
        child.wait_for(30)
        child.kill()
        appended = [int(line.split()[0]) for line in child.lines()[1:]]
        with Store.open(store) as opened:
            kept = len(numbers(opened, worker))
        # 500 a second and a window of 100 ms: 50 records; ten times that on a machine that is busy with other tests.
        assert appended[-1] - kept <= 500
        assert kept > 0


def test_strict_loses_nothing_that_was_released(start: Callable[[str, int, str], Child], store: Path, tmp_path: Path) -> None:
    keyring = Keyring.open(tmp_path / "keyring", 1.0)
    for worker in (1, 2, 3, 4):
        child = start("boot", worker, "strict")
        child.wait_for(60)
        child.kill()
        released = set(child.lines()[1:])
        with Store.open(store, durability="strict") as opened:
            house = HouseChain(opened, Chain(boot=f"after{worker}", worker=0, config_hash="c", version="0", started_at=2.0), keyring)
            settled = house.settle_unclosed((), 2_000_000_000.0)
            charged = dict(opened.connection.execute("SELECT id, charged_micros FROM exchanges").fetchall())
            assert released <= charged.keys(), "each has its place in the ledger"
            assert settled > 0, "the kill came while something was open"
            assert sorted(set(charged.values())) == [350, 900], "as served, or as reserved"
            assert opened.connection.execute("SELECT count(*) FROM intents").fetchone() == (0,)
            house.checkpoint(2_000_000_000.0)
            assert opened.verify(keyring.trusts).broken is None


def test_a_file_system_that_is_really_full_stops_new_work_and_loses_nothing(tmp_path: Path) -> None:
    """In a mount namespace of its own, which needs no rights of root where user namespaces are on."""
    own = ["unshare", "--user", "--map-root-user", "--mount"]
    allowed = shutil.which("unshare") and subprocess.run([*own, "true"], capture_output=True, check=False).returncode == 0
    if not allowed:
        reason = "this machine lets no process make a file system of its own (unshare --user --mount)"
        if IN_CI:
            pytest.fail(f"{reason}; under CI=true it must")
        pytest.skip(reason=reason)
    folder = tmp_path / "small"
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])}
    done = subprocess.run(
        [*own, sys.executable, str(CHILD), str(folder / "lizi.sqlite"), "boot", "1", "full"],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    during, after = (json.loads(line) for line in done.stdout.splitlines()[1:])
    assert during["trouble"] == "SQLITE_FULL"
    assert (during["healthy"], during["room"], during["waiting"]) == (False, False, 400)
    assert (during["healthy_after"], during["room_after"], during["lost"]) == (True, True, 0)
    assert after == {"broken": "None", "rows": during["appended"], "integrity": "ok"}
