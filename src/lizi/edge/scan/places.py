"""Where planted words are looked for: octets at hand, files, what processes hold open, core dumps.

Reads and never writes. What can't be read is listed, never called clean; what a hit is surrounded by is never shown. A file is read once,
by its device and number, whatever names it has. Bounds: `_DEPTH` compressions within each other, and those of `unpack`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from lizi.edge.scan.seeker import Canaries, Hit, Seeker
from lizi.edge.scan.unpack import Read, pieces, streams

__all__ = ["Finding", "Look", "Unread", "family"]

_DEPTH = 3
"""A log within a rotated archive within a backup."""


class Finding(Struct, frozen=True, kw_only=True):
    """A planted word that is somewhere: the place, how far into it, in which form, and the door that the word went in by."""

    place: str
    offset: int
    form: str
    door: str
    within: str = ""
    """Compressed streams on the way to it, outermost first; `offset` counts inside the innermost."""


class Unread(Struct, frozen=True, kw_only=True):
    """Something that could not be looked at, or not wholly."""

    place: str
    why: str


class Look:
    """One search: what was found, what could not be read, and how much was."""

    def __init__(self, canaries: Canaries) -> None:
        self._canaries = canaries
        self._seen: set[tuple[int, int]] = set()
        self.found: list[Finding] = []
        self.unread: list[Unread] = []
        self.files = 0
        self.bytes_read = 0
        self.beyond = 0
        """Hits beyond what a place may list."""

    # --- octets ---

    def octets(self, place: str, data: bytes) -> None:
        """What is at hand already, such as the answer to a request."""
        self._through(place, lambda at, size: data[at : at + size], ())

    def plain(self, place: str, parts: Iterable[tuple[int, bytes]]) -> int:
        """Parts of something without looking for compression; each is (offset, octets), side by side or apart. Returns octets read."""
        seeker, base, expected, size = Seeker(self._canaries), 0, -1, 0
        for offset, data in parts:
            if offset != expected:
                self._note(place, base, seeker.close(), ())
                self.beyond += seeker.more
                seeker, base = Seeker(self._canaries), offset
            self._note(place, base, seeker.feed(data), ())
            expected, size = offset + len(data), size + len(data)
        self._note(place, base, seeker.close(), ())
        self.beyond += seeker.more
        self.bytes_read += size
        return size

    def _through(self, place: str, read: Read, within: tuple[str, ...]) -> None:
        seeker = Seeker(self._canaries)
        for data in pieces(read):
            self.bytes_read += len(data)
            self._note(place, 0, seeker.feed(data), within)
        self._note(place, 0, seeker.close(), within)
        self.beyond += seeker.more
        for stream in streams(read):
            inner = (*within, f"{stream.kind} at {stream.offset}")
            if stream.missed:
                self.unread.append(Unread(place=f"{place}, {', '.join(inner)}", why=stream.missed))
            if len(inner) > _DEPTH:
                self.unread.append(Unread(place=place, why=f"more than {_DEPTH} compressions within each other"))
                return
            content = stream.content
            if content:
                self._through(place, lambda at, size, content=content: content[at : at + size], inner)  # type: ignore[misc]

    def _note(self, place: str, base: int, hits: list[Hit], within: tuple[str, ...]) -> None:
        self.found += [
            Finding(place=place, offset=base + hit.offset, form=hit.form, door=hit.door, within=" > ".join(within)) for hit in hits
        ]

    # --- files ---

    def file(self, path: Path, place: str = "") -> None:
        """One file, through whatever name. One that vanished meanwhile is no file any more; sockets and pipes hold nothing to read."""
        place = place or str(path)
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                return
            # Not a plain open: a pipe that has come in its place would block it.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except FileNotFoundError:
            return
        except OSError as error:
            self.unread.append(Unread(place=place, why=error.strerror or type(error).__name__))
            return
        try:
            found = os.fstat(descriptor)
            if (found.st_dev, found.st_ino) in self._seen:
                return
            self._seen.add((found.st_dev, found.st_ino))
            self._through(place, lambda at, size: os.pread(descriptor, size, at), ())
            self.files += 1
        except OSError as error:
            self.unread.append(Unread(place=place, why=error.strerror or type(error).__name__))
        finally:
            os.close(descriptor)

    def tree(self, folder: Path) -> None:
        """A file, or every file under a folder; links are followed to files, not to folders."""
        if not folder.exists():
            self.unread.append(Unread(place=str(folder), why="it is not there"))
            return
        if not folder.is_dir():
            self.file(folder)
            return

        def refused(error: OSError) -> None:
            self.unread.append(Unread(place=str(error.filename), why=error.strerror or type(error).__name__))

        for parent, _, names in os.walk(folder, onerror=refused):
            for name in sorted(names):
                self.file(Path(parent) / name)

    # --- processes ---

    def open_files(self, pid: int, name: str, *, logs_given: bool) -> None:
        """What a process holds open, removed files and memory files too. A log that goes into a pipe is out of reach unless given."""
        folder = Path(f"/proc/{pid}/fd")
        try:
            numbers = sorted(os.listdir(folder), key=int)
        except OSError as error:
            self.unread.append(Unread(place=f"open files of {name}", why=error.strerror or type(error).__name__))
            return
        for number in numbers:
            try:
                target = os.readlink(folder / number)
            except FileNotFoundError:
                continue
            if number == "2" and not logs_given and (target.startswith(("pipe:", "socket:", "/dev/")) and target != "/dev/null"):
                why = f"it goes to {target}: give the file that it ends in, or an export of it, with --log"
                self.unread.append(Unread(place=f"standard error of {name}", why=why))
            if not target.startswith("/dev/") or target.startswith("/dev/shm/"):  # noqa: S108 - a place that is read, not used
                self.file(folder / number, f"{target}, open in {name}")

    def cores(self, pids: Iterable[int], since: float) -> None:
        """Core dumps written since `since` (Unix seconds), where the kernel's pattern puts them (core(5)); a pipe's usual shelves too."""
        pattern = Path("/proc/sys/kernel/core_pattern").read_text("utf-8").strip()
        if pattern.startswith("|"):
            shelves, begins = [Path("/var/lib/systemd/coredump"), Path("/var/crash"), Path("/var/lib/apport/coredump")], ""
        else:
            begins = Path(pattern).name.partition("%")[0]
            shelves = [Path(pattern).parent] if pattern.startswith("/") else [Path(f"/proc/{pid}/cwd") for pid in pids]
        for shelf in shelves:
            try:
                names = [name for name in os.listdir(shelf) if name.startswith(begins)]
                fresh = [name for name in names if (shelf / name).stat().st_mtime >= since]
            except FileNotFoundError:
                continue
            except OSError as error:
                self.unread.append(Unread(place=f"core dumps in {shelf}", why=error.strerror or type(error).__name__))
                continue
            for name in fresh:
                self.file(shelf / name)


def family(pid: int) -> list[int]:
    """The process and all that descend from it, parents first."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = Path(f"/proc/{entry}/stat").read_text("utf-8", "replace")
            except OSError:  # it has ended
                continue
            # The name in parentheses may hold anything; what follows it does not.
            children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(entry))
    found = [pid]
    for parent in found:
        found += sorted(children.get(parent, ()))
    return found
