"""What keeps content from staying in memory, and memory from being read: for processes that handle what people write.

`close()` ends core dumps and reading by the same user. `environment()` is what a process must be *started* with so that freed memory is
overwritten: glibc reads it once. `Scrub` does the rest while it runs: circles of objects that the collector has not come to, the names
that the JSON decoder keeps, and the loop's read buffer. Never touches living objects: content of an exchange under way is in memory, as
it must be.
Only glibc on Linux overwrites; elsewhere the settings are ignored. Bound: at most one collection a second, and none while people wait.
Sources: glibc's manual, "Memory Allocation Tunables"; prctl(2); setrlimit(2); Python's documentation, PYTHONMALLOC.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
import socket
import sys
from collections.abc import Mapping

import msgspec

__all__ = ["Scrub", "close", "environment"]

_PR_SET_DUMPABLE = 4  # linux/prctl.h
_TUNABLES = "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0"
"""Any octet but 0 overwrites what is freed; blocks that a thread keeps for itself are not, so it keeps none."""
_NAMES = msgspec.json.encode({f"n{number}": 0 for number in range(8_000)})
"""msgspec keeps short names of fields in 512 places, by their hash: 8,000 others leave one of the old 512 once in 12,000 times."""


def close() -> None:
    """No core dump of this process, and nobody but root reads its memory, its open files or its environment.

    The price: a debugger or profiler of the same user can't attach either; root's can.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        pass  # a sandbox may forbid any change of limits; the flag below ends dumps by itself
    if sys.platform == "linux":
        # The limit alone does not hold for a core pattern that is a pipe (core(5)).
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def environment(environ: Mapping[str, str], *, wipe: bool) -> dict[str, str]:
    """`environ`; where `wipe` is wanted with what makes glibc overwrite freed memory, and Python take every object from glibc."""
    if not wipe:
        return dict(environ)
    tunables = ":".join(part for part in (environ.get("GLIBC_TUNABLES", ""), _TUNABLES) if part)
    return {**environ, "GLIBC_TUNABLES": tunables, "PYTHONMALLOC": "malloc"}


READ_BYTES = 256_000
"""uvloop reads every connection into one buffer of this size; what a shorter read leaves of a longer one stays there."""
_FILLER = b"x" * READ_BYTES


class _Sink(asyncio.Protocol):
    """Throws away what comes, and notes how much came at once."""

    largest = 0

    def data_received(self, data: bytes) -> None:
        self.largest = max(self.largest, len(data))


class Scrub:
    """Asked once a second by a worker that wipes; does something only after there was something to do. Begins with `start`."""

    def __init__(self) -> None:
        self._served = 0
        self._ours, self._theirs = socket.socketpair()
        self._transport: asyncio.BaseTransport | None = None
        self.sink = _Sink()

    async def start(self) -> None:
        """On the loop whose buffer is to be overwritten."""
        for sock in (self._ours, self._theirs):
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * READ_BYTES)  # the kernel's own headers count as well
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(lambda: self.sink, sock=self._theirs)

    def turn(self, served: int, in_flight: int) -> bool:
        """`served`: requests begun so far. Returns whether anything was overwritten.

        Circles are looked for when nobody waits: the search stops the loop for some milliseconds, and few exchanges leave one.
        """
        if served == self._served:
            return False
        if not in_flight:
            self._served = served
            gc.collect()
        msgspec.json.decode(_NAMES)
        try:
            self._ours.send(_FILLER)
        except BlockingIOError:
            pass  # the last one has not been read yet: it overwrites as well
        return True

    def close(self) -> None:
        """Let the sockets go."""
        self._ours.close()
        if self._transport is not None:
            self._transport.close()
        else:
            self._theirs.close()
