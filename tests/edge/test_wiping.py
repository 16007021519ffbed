"""Freed memory is overwritten where it is wanted, and nobody but root reads a process that handles content."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop

from lizi.edge import wiping
from lizi.edge.scan.memory import look_into
from lizi.edge.scan.places import Look
from lizi.edge.scan.seeker import Canaries

CANARIES = Canaries(latin="qzkfwvhxjymb", han="厓厣叆呇咍哌", doors=("prompt",))
HOLDER = """
import sys
import msgspec
words = [sys.stdin.readline().strip() * 2 for _ in range(200)]
texts = [f"the word {word}{number}" for number, word in enumerate(words)]
sizes = [("江水" + text) * 50 for text in texts] + [text.encode() for text in texts]
print("held", flush=True)
sys.stdin.readline()
del words, texts, sizes
print("freed", flush=True)
sys.stdin.readline()
"""
GLIBC = hasattr(os, "confstr") and "glibc" in (os.confstr("CS_GNU_LIBC_VERSION") or "" if "CS_GNU_LIBC_VERSION" in os.confstr_names else "")


def found_after_freeing(*, wipe: bool) -> tuple[int, int]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env=wiping.environment(os.environ, wipe=wipe),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    counts = []
    try:
        # Letters alone would be the mark itself in our own command; they come through a pipe, and the pipe's buffer is overwritten after.
        process.stdin.write(f"{CANARIES.word('prompt')}\n" * 200)
        for _ in range(2):
            process.stdout.readline()
            look = Look(CANARIES)
            look_into(look, process.pid, "holder")
            assert not look.unread
            counts.append(len(look.found) + look.beyond)
            process.stdin.write("x" * 20_000 + "\n")
    finally:
        process.communicate()
    return counts[0], counts[1]


@pytest.mark.skipif(not GLIBC, reason="only glibc overwrites what is freed")
def test_what_is_freed_is_overwritten_where_it_is_wanted_and_stays_where_it_is_not() -> None:
    held, left = found_after_freeing(wipe=True)
    assert held > 10_000
    assert left <= 20, "the buffer of standard input may hold the last lines"
    assert found_after_freeing(wipe=False)[1] > 100


def test_an_environment_of_the_operators_own_is_kept() -> None:
    made = wiping.environment({"GLIBC_TUNABLES": "glibc.rtld.nns=4", "X": "1"}, wipe=True)
    assert made["GLIBC_TUNABLES"].startswith("glibc.rtld.nns=4:glibc.malloc.perturb=")
    assert (made["X"], made["PYTHONMALLOC"]) == ("1", "malloc")
    assert wiping.environment({"X": "1"}, wipe=False) == {"X": "1"}


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's flag is Linux's")
def test_a_closed_process_leaves_no_core_dump_and_is_nobodys_but_roots(tmp_path: Path) -> None:
    program = "from lizi.edge import wiping; wiping.close(); import os; print('closed', flush=True); input(); os.abort()"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        assert next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4:6] == ["0", "0"]
        assert os.stat(f"/proc/{process.pid}/mem").st_uid == 0, "the kernel gives the files of such a process to root"
    finally:
        process.communicate(b"\n")
    assert list(tmp_path.iterdir()) == []


async def test_a_scrub_looks_for_circles_only_when_nobody_waits() -> None:
    scrub = wiping.Scrub()
    await scrub.start()
    assert not scrub.turn(0, 0), "nothing was served"
    assert scrub.turn(5, 2)
    assert scrub.turn(5, 0), "what was under way then has left something since"
    assert not scrub.turn(5, 0)
    scrub.close()


def test_a_scrub_overwrites_the_loops_whole_read_buffer_at_once() -> None:
    async def scrubbed() -> int:
        scrub = wiping.Scrub()
        await scrub.start()
        scrub.turn(1, 0)
        async with asyncio.timeout(5):
            while not scrub.sink.largest:  # noqa: ASYNC110 - it is told by nobody: it is there to be overwritten
                await asyncio.sleep(0)
        scrub.close()
        return scrub.sink.largest

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scrubbed()) == wiping.READ_BYTES
