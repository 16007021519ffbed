"""The memory of other processes, as far as this one may read it: /proc/PID/maps says what there is, /proc/PID/mem gives it.

Stops nothing and writes nothing: a process goes on while it is read, so that a word that moves meanwhile may be missed or seen twice.
What was paged out is read back by the kernel; memory without a right to read (guard pages, reserves) is not looked at. Linux only.
Bound: `_PIECE_BYTES` at a time. Standard: proc_pid_maps(5), proc_pid_mem(5).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lizi.edge.scan.places import Look, Unread

__all__ = ["look_into", "name_of"]

_PIECE_BYTES = 1 << 20
_KERNELS_OWN = frozenset({"[vvar]", "[vvar_vclock]", "[vsyscall]", "[vdso]"})
"""Clocks and code that the kernel shows to every process; nothing of ours is there."""
_NAMES = {"lizi.edge.worker": "worker", "lizi.edge.local_model": "local model", "lizi.edge.decoder": "image process"}


def name_of(pid: int) -> str:
    """`worker 4711`, `local model 4712`, `image process 4713`, else `service 4710`: by what it runs."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        arguments = []
    runs = arguments[arguments.index("-m") + 1 :][:1] if "-m" in arguments else []
    return f"{_NAMES.get(runs[0], 'service') if runs else 'service'} {pid}"


def look_into(look: Look, pid: int, name: str) -> int:
    """Everything readable of one process. Returns octets read; 0 and an entry in `look.unread` where it may not be read."""
    try:
        regions = list(_regions(pid))
        descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        why = f"{error.strerror or type(error).__name__}: run this as root, or as a user with CAP_SYS_PTRACE in the same container"
        look.unread.append(Unread(place=f"memory of {name}", why=why))
        return 0
    size = 0
    try:
        for start, end, what in regions:
            place = f"memory of {name}, {what or 'anonymous'}"
            size += look.plain(place, _octets(look, descriptor, pid, start, end, place))
    finally:
        os.close(descriptor)
    if size == 0:
        look.unread.append(Unread(place=f"memory of {name}", why="nothing of it could be read"))
    return size


def _regions(pid: int) -> Iterator[tuple[int, int, str]]:
    for line in Path(f"/proc/{pid}/maps").read_text("utf-8", "surrogateescape").splitlines():
        span, rights, *rest = line.split(None, 5)
        what = rest[3] if len(rest) > 3 else ""
        if rights.startswith("r") and what not in _KERNELS_OWN:
            start, _, end = span.partition("-")
            yield int(start, 16), int(end, 16), what


def _octets(look: Look, descriptor: int, pid: int, start: int, end: int, place: str) -> Iterator[tuple[int, bytes]]:
    at = start
    while at < end:
        try:
            data = os.pread(descriptor, min(_PIECE_BYTES, end - at), at)
        except (OSError, OverflowError) as error:
            # What the process has given back to the kernel meanwhile holds nothing any more; a mapped file that shrank is another matter.
            if _still_there(pid, at):
                look.unread.append(Unread(place=f"{place} from {at:#x}", why=getattr(error, "strerror", None) or type(error).__name__))
            return
        if not data:
            return
        yield at, data
        at += len(data)


def _still_there(pid: int, at: int) -> bool:
    try:
        return any(start <= at < end for start, end, _ in _regions(pid))
    except OSError:  # the process has ended
        return False
