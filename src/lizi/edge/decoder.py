"""The process in which pictures are decoded (`python -m lizi.edge.decoder`), asked by `edge/images.py` over pipes.

What a decoder of foreign bytes might do ends here: this process has no secret in its environment, opens no connection,
writes no file, and says nothing but its answers. It ends with its worker: then there is nothing more to read.
Bound: one picture at a time, `_CPU_S` and `_MEMORY_BYTES` for it; beyond the first the system ends the process.
"""

from __future__ import annotations

import resource
import signal
import struct
from typing import BinaryIO

__all__ = ["HEAD", "NO_PILLOW", "main"]

HEAD = struct.Struct(">cI")
"""Before each message in both directions: `+` for a data: URL, `-` for the reason of a refusal; then how many bytes follow."""

NO_PILLOW = 3
"""Exit status of a process that can't load the library."""

_CPU_S = 10.0
"""The slowest honest picture (25 million pixels as PNG) takes 2 s; a JPEG of ten thousand passes takes minutes."""
_MEMORY_BYTES = 1 << 30
"""Twice what the largest picture was seen to take."""


def _confine() -> None:
    """A second line behind our own bounds, kept by the system; a sandbox around us may forbid even setting it."""
    for what, most in (
        (resource.RLIMIT_CORE, 0),  # a picture must not end in a core file
        (resource.RLIMIT_FSIZE, 0),  # nor in any other
        (resource.RLIMIT_AS, _MEMORY_BYTES),
    ):
        try:
            resource.setrlimit(what, (most, most))
        except (OSError, ValueError):
            pass  # not settable here: the bounds on pixels hold all the same


def _serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the other end closes."""
    from lizi.edge.picture import Unfit, clean

    while len(head := _taken(source, HEAD.size)) == HEAD.size:
        url = _taken(source, HEAD.unpack(head)[1])
        # Time on the processor and not on the clock: a busy machine is not the picture's fault. The signal ends the process.
        signal.setitimer(signal.ITIMER_PROF, _CPU_S)
        try:
            kind, answer = b"+", clean(url)
        except Unfit as unfit:
            kind, answer = b"-", str(unfit).encode()
        signal.setitimer(signal.ITIMER_PROF, 0)
        _given(sink, HEAD.pack(kind, len(answer)) + answer)
        del url, answer


def _taken(source: BinaryIO, size: int) -> bytes:
    """So many bytes, fewer at the end."""
    data = bytearray(size)
    at = 0
    while at < size and (count := source.readinto(memoryview(data)[at:])):  # type: ignore[attr-defined]
        at += count
    return bytes(data[:at])


def _given(sink: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[sink.write(rest) :]


def main() -> int:
    """0 when its worker is gone, `NO_PILLOW` when it can't begin."""
    _confine()
    try:
        # Without buffers of their own: those would keep a small picture for as long as the process rests.
        with open(0, "rb", buffering=0, closefd=False) as source, open(1, "wb", buffering=0, closefd=False) as sink:
            _serve(source, sink)
    except ImportError:
        return NO_PILLOW
    except BrokenPipeError:
        return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
