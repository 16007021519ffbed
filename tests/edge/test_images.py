"""Pictures are cleaned beside the loop, in processes that may die."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from lizi.edge import images as images_module
from lizi.edge.images import ImageCleaner
from lizi.errors import InvalidRequest, LiziError, Refused
from planted_pictures import photo, saved, says_nothing, scene, url_of

SMALL = url_of(saved(scene(), "PNG"))


def soon() -> float:
    return time.monotonic() + 30


@pytest_asyncio.fixture
async def images() -> AsyncIterator[ImageCleaner]:
    made = ImageCleaner()
    yield made
    await made.close()
    assert made.pending == 0


def pids(images: ImageCleaner) -> list[int]:
    return [process.child.pid for process in (*images._idle, *images._busy)]


async def until(true: object) -> None:
    async with asyncio.timeout(20):
        while not true():  # type: ignore[operator]  # noqa: ASYNC110 - what a system does with a process tells no event
            await asyncio.sleep(0.005)


def shown(pid: int, file: str) -> bytes:
    return Path(f"/proc/{pid}/{file}").read_bytes()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_no_process_runs_before_the_first_picture_and_then_it_is_kept(images: ImageCleaner) -> None:
    assert pids(images) == []
    await images.clean(SMALL, soon())
    first = pids(images)
    await images.clean(SMALL, soon())
    assert len(first) == 1
    assert pids(images) == first
    assert (images.cleaned, images.refused, images.failures) == (2, 0, 0)


async def test_the_loop_turns_while_a_large_picture_is_cleaned(images: ImageCleaner) -> None:
    """In proportion and not by the clock: on the loop, or in a thread that holds the interpreter, most of the time would be one step."""
    data = saved(photo(4000, 3000), "WEBP", quality=80, method=0)
    url = url_of(data)
    await images.clean(SMALL, soon())
    turns, steps, done = 0, [0.0], False

    async def turn() -> None:
        nonlocal turns
        last = time.monotonic()
        while not done:
            await asyncio.sleep(0.001)
            turns, now = turns + 1, time.monotonic()
            steps.append(now - last)
            last = now

    ticking = asyncio.create_task(turn())
    began = time.monotonic()
    assert says_nothing(await images.clean(url, soon()))
    took = time.monotonic() - began
    done = True
    await ticking
    assert turns > 50
    assert max(steps) < took / 3, f"longest of {turns} turns: {max(steps) * 1000:.0f} ms of {took * 1000:.0f} ms"


async def test_at_most_two_work_and_the_rest_waits_in_line(images: ImageCleaner) -> None:
    work = [asyncio.create_task(images.clean(SMALL, soon())) for _ in range(30)]
    await until(lambda: images._busy)
    assert images.pending == 30
    for url in await asyncio.gather(*work):
        assert says_nothing(url)
    assert len(pids(images)) <= 2


async def test_a_full_line_refuses_at_once() -> None:
    images = ImageCleaner(processes=1, waiting=2)
    work = [asyncio.create_task(images.clean(SMALL, soon())) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as caught:
        await images.clean(SMALL, soon())
    assert (caught.value.code, caught.value.status, caught.value.retry_after_s) == ("busy", 503, 1.0)
    await asyncio.gather(*work)
    assert says_nothing(await images.clean(SMALL, soon())), "the line is empty again"
    assert images.failures == 1
    await images.close()


async def test_a_deadline_ends_the_wait_and_the_work(images: ImageCleaner) -> None:
    await images.clean(SMALL, soon())
    (pid,) = pids(images)
    with pytest.raises(Refused) as caught:
        await images.clean(url_of(saved(photo(4000, 3000), "PNG", compress_level=1)), time.monotonic() + 0.05)
    assert caught.value.code == "busy"
    await until(lambda: gone(pid))
    with pytest.raises(Refused):
        await images.clean(SMALL, time.monotonic() - 1)
    assert says_nothing(await images.clean(SMALL, soon()))


async def test_leaving_early_ends_the_work_and_gives_the_place_back() -> None:
    images = ImageCleaner(processes=1)
    large = url_of(saved(photo(4000, 3000), "PNG", compress_level=1))
    for delay in (0, 0.01, 0.2, 0.4):
        task = asyncio.create_task(images.clean(large, soon()))
        await asyncio.sleep(delay)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert images.pending == 0
        assert images._busy == set()
    assert says_nothing(await images.clean(SMALL, soon()))
    await images.close()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, "busy"), (signal.SIGSEGV, "unsupported_content"), (signal.SIGPROF, "unsupported_content")]
)
async def test_a_process_that_dies_takes_one_picture_with_it(images: ImageCleaner, number: int, code: str) -> None:
    """Killed by the machine: not the picture's fault. A crash, or too much time on the processor: the picture's."""
    large = asyncio.create_task(images.clean(url_of(saved(photo(4000, 3000), "PNG", compress_level=1)), soon()))
    await until(lambda: images._busy)
    await asyncio.sleep(0.2)
    os.kill(pids(images)[0], number)
    with pytest.raises(LiziError) as caught:
        await large
    assert caught.value.code == code
    assert says_nothing(await images.clean(SMALL, soon()))


async def test_one_that_died_while_idle_costs_no_picture(images: ImageCleaner) -> None:
    await images.clean(SMALL, soon())
    (pid,) = pids(images)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: images._idle[0].child.returncode is not None)
    assert says_nothing(await images.clean(SMALL, soon()))
    assert pids(images) != [pid]


async def test_a_process_does_not_grow_old(images: ImageCleaner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "_PICTURES", 2)
    seen, start = [], images._start

    async def started() -> images_module._Process:
        process = await start()
        seen.append(process.child.pid)
        return process

    monkeypatch.setattr(images, "_start", started)
    for _ in range(4):
        await images.clean(SMALL, soon())
    assert len(set(seen)) == 2
    await until(lambda: all(map(gone, seen)))


async def test_an_idle_process_ends(images: ImageCleaner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "_IDLE_S", 0.01)
    await images.clean(SMALL, soon())
    (pid,) = pids(images)
    await until(lambda: gone(pid))
    assert pids(images) == []
    assert says_nothing(await images.clean(SMALL, soon()))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_process_knows_no_secret_and_writes_no_file(images: ImageCleaner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", "sk-very-secret")
    await images.clean(SMALL, soon())
    (pid,) = pids(images)
    assert b"sk-very-secret" not in shown(pid, "environ")
    limits = {line[:26].strip(): line[26:].split()[0] for line in shown(pid, "limits").decode().splitlines()}
    assert (limits["Max core file size"], limits["Max file size"]) == ("0", "0")
    assert int(limits["Max address space"]) == 1 << 30
    links = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    assert len(links) == 3, "the three standard streams, and no socket of the worker"


async def test_a_picture_at_the_bound_fits_into_the_processs_memory(images: ImageCleaner) -> None:
    data = saved(photo(5000, 5000), "WEBP", quality=60, method=0)
    assert says_nothing(await images.clean(url_of(data), soon()))


async def test_without_its_library_no_picture_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "PIL").mkdir()
    (tmp_path / "PIL" / "__init__.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    images = ImageCleaner()
    with pytest.raises(LiziError) as caught:
        await images.clean(SMALL, soon())
    assert (caught.value.code, caught.value.status) == ("internal", 500)
    assert "pillow" in (caught.value.internal or "")
    assert "pillow" not in caught.value.message
    await images.close()


async def test_closing_ends_what_is_at_work(images: ImageCleaner) -> None:
    await images.clean(SMALL, soon())
    task = asyncio.create_task(images.clean(url_of(saved(photo(4000, 3000), "PNG", compress_level=1)), soon()))
    await until(lambda: images._busy)
    seen = pids(images)
    await images.close()
    with pytest.raises(LiziError):
        await task
    await until(lambda: all(map(gone, seen)))


async def test_a_broken_picture_is_counted_and_named_without_its_content(images: ImageCleaner) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await images.clean("data:image/png;base64,iVBORw0KGgo=", soon())
    assert caught.value.message == "the image is no PNG that can be read to its end"
    assert (images.cleaned, images.refused) == (0, 1)
