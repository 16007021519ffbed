"""The port `Images`: pictures are cleaned in a few processes of their own, so that no decoder runs where keys and texts are.

Threads would not do: unpacking WebP and base64 holds the interpreter for up to 100 ms, and a decoder that
crashes or hangs could be neither survived nor ended. A process starts with the first picture, ends after `_PICTURES`
or `_IDLE_S`, and is killed when its asker leaves. Bounds: `_PROCESSES` at work, `_WAITING` waiting behind them, `_PICTURE_S` each.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time

from lizi.edge.decoder import HEAD, NO_PILLOW
from lizi.edge.runtime import spawn
from lizi.errors import InvalidRequest, LiziError, Refused, Retry

__all__ = ["ImageCleaner"]

_LOG = logging.getLogger("lizi.images")
_PROCESSES = 2
"""Per worker, and a worker is given about one core: a second one serves a small picture beside a large one."""
_WAITING = 64
"""A photo of 12 million pixels takes 0.3 s: the last in line waits 10 s."""
_PICTURE_S = 30.0
"""Four times the processor time that a picture gets: only an overloaded machine needs longer."""
_PICTURES = 100
"""Then a new process (0.1 s): what a decoder left in its memory is gone with it."""
_IDLE_S = 10.0
"""The same for a quiet hour; between two pictures of one conversation it usually stays."""
_READ_BYTES = 1 << 24
"""Above any answer, so that reading one is never paused."""
_PASSED_ON = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "PATH", "GLIBC_TUNABLES", "PYTHONMALLOC")
"""All that the process learns of our environment: what finds Python and its libraries, and whether it overwrites what it frees
(`server.wipe_memory`). Credentials stand in others."""


class _Process:
    """One running decoder."""

    __slots__ = ("child", "expiry", "left")

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child
        self.left = _PICTURES
        self.expiry: asyncio.TimerHandle | None = None

    async def ask(self, url: bytes) -> tuple[bytes, bytes]:
        """Its answer: `+` or `-`, and the bytes. Raises `EOFError` or `OSError` when it died."""
        source, sink = self.child.stdout, self.child.stdin
        if source is None or sink is None:
            raise EOFError
        self.left -= 1
        sink.write(HEAD.pack(b"+", len(url)))
        sink.write(url)
        await sink.drain()
        kind, size = HEAD.unpack(await source.readexactly(HEAD.size))
        return kind, await source.readexactly(size)

    def end(self) -> None:
        """At once, whatever it does; `child.wait` then takes its record off the system's table."""
        if self.expiry is not None:
            self.expiry.cancel()
        if self.child.stdin is not None:
            self.child.stdin.close()
        if self.child.returncode is None:
            try:
                self.child.kill()
            except ProcessLookupError:
                pass  # it ended by itself a moment ago


class ImageCleaner:
    """`lizi.ports.Images` over processes. `close` ends them all; `cleaned`, `refused` and `failures` count pictures."""

    def __init__(self, *, processes: int = _PROCESSES, waiting: int = _WAITING, module: str = "lizi.edge.decoder") -> None:
        self._places = asyncio.Semaphore(processes)
        self._most = processes + waiting
        self._module = module
        self._idle: list[_Process] = []
        self._busy: set[_Process] = set()
        self._ending: set[asyncio.Task[int]] = set()
        self.pending = 0
        """Pictures that are at work or wait."""
        self.cleaned = 0
        self.refused = 0
        """Broken, or of no kind that is taken."""
        self.failures = 0
        """Not cleaned for a reason of ours: too many at once, too late, a process that died."""

    async def clean(self, url: str, deadline_mono: float) -> str:
        """As `lizi.ports.Images.clean`."""
        if self.pending >= self._most:
            self.failures += 1
            raise _busy()
        self.pending += 1
        try:
            async with asyncio.timeout(max(0.0, deadline_mono - time.monotonic())):
                async with self._places, asyncio.timeout(_PICTURE_S):
                    return await self._answer(url)
        except TimeoutError:
            self.failures += 1
            raise _busy() from None
        finally:
            self.pending -= 1

    async def close(self) -> None:
        """End every process and see it gone. Who still waits for one gets an error."""
        for process in (*self._idle, *self._busy):
            self._end(process)
        self._idle.clear()
        await asyncio.gather(*self._ending)

    async def _answer(self, url: str) -> str:
        process = self._taken() or await self._start()
        self._busy.add(process)
        whole = False
        try:
            kind, answer = await process.ask(url.encode("ascii", "replace"))
            whole = True
        except (EOFError, OSError):
            raise await self._died(process) from None
        finally:
            self._busy.discard(process)
            self._give_back(process, whole)
        if kind != b"+":
            self.refused += 1
            raise InvalidRequest(f"the image {answer.decode()}", code="unsupported_content")
        self.cleaned += 1
        return answer.decode("ascii")

    # --- processes ---

    async def _start(self) -> _Process:
        environ = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # a library's complaint may quote the file
                limit=_READ_BYTES,
                env=environ,
                cwd="/" if "PYTHONPATH" not in environ else None,  # its entries may be relative
            )  # fmt: skip
        except OSError as error:
            self.failures += 1
            _LOG.error("image process can't start", extra={"error": error.strerror or type(error).__name__})
            raise _busy() from None
        return _Process(child)

    def _taken(self) -> _Process | None:
        while self._idle:
            process = self._idle.pop()
            if process.expiry is not None:
                process.expiry.cancel()
            if process.child.returncode is None:
                return process
            self._end(process)
        return None

    def _give_back(self, process: _Process, whole: bool) -> None:
        """Only a process that has answered to the end is asked again."""
        if whole and process.left > 0:
            process.expiry = asyncio.get_running_loop().call_later(_IDLE_S, self._expire, process)
            self._idle.append(process)
        else:
            self._end(process)

    def _expire(self, process: _Process) -> None:
        self._idle.remove(process)
        self._end(process)

    def _end(self, process: _Process) -> None:
        process.end()
        task = spawn(process.child.wait(), "image-process-end")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _died(self, process: _Process) -> LiziError:
        """What the death of a process means for the picture that it had."""
        status = await process.child.wait()
        if status == -signal.SIGPROF:
            self.refused += 1
            return InvalidRequest("the image takes too long to decode; save it again and send that", code="unsupported_content")
        self.failures += 1
        _LOG.error("image process died", extra={"status": status})
        if status == NO_PILLOW:
            why = "pillow is missing or can't be loaded: install Lizi's requirements again"
            _LOG.error(why)
            return LiziError("Images can't be checked here, so none is passed on.", code="internal", internal=why)
        if status in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL):
            return InvalidRequest("the image breaks its decoder; save it again and send that", code="unsupported_content")
        return _busy()


def _busy() -> Refused:
    return Refused("Too many images are waiting to be checked.", code="busy", retry=Retry.LATER, retry_after_s=1.0)
