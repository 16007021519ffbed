"""Compressed streams within octets: where one may begin, and what is in it.

`streams(read)` reads through `read(offset, size)`, which the caller gives, and yields each stream's content. Knows gzip, zlib (of any
window), bzip2, xz, zstd, deflate within ZIP, and deflate that begins where the octets begin; deflate in the midst of something has no
mark and is not found. Never raises for any octets: a damaged stream gives what came before the damage, but for a kilobyte. Bounds:
`STREAM_BYTES` of content a stream, `ALL_BYTES` of all streams together; what is beyond is said, not skipped in silence.
Standards: RFC 1950, 1951, 1952, 8878; PKWARE's APPNOTE 4.3.7.
"""

from __future__ import annotations

import bz2
import importlib
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

__all__ = ["ALL_BYTES", "STREAM_BYTES", "Stream", "pieces", "streams", "zstd"]

STREAM_BYTES = 64 << 20
"""A rotated log of a busy day is some tens of megabytes; held in memory, one at a time."""
ALL_BYTES = 1 << 30
"""A minute of decompression; beyond it somebody feeds us a bomb, or a disk image."""
PIECE_BYTES = 1 << 20
"""Read at once: large enough for the search's speed, small enough to hold."""
_TASTE_BYTES = 512
"""A false beginning shows itself within the first block."""
_LONGEST_MARK = 10
_INPUT_BYTES = 1024
"""Given to a decompressor at once: where it meets damage, what it made of the same piece is lost."""

Read = Callable[[int, int], bytes]
"""(offset, size) → so many octets, fewer at the end."""


def _pairs() -> dict[int, bytes]:
    """Every first pair of octets that RFC 1950 allows without a dictionary: first → all that may be second."""
    return {
        method: bytes(flags for flags in range(256) if (method << 8 | flags) % 31 == 0 and not flags & 0x20)
        for method in range(0x08, 0x80, 0x10)
    }


_MARKS = re.compile(
    b"|".join(
        [rb"\x1f\x8b\x08", rb"\x28\xb5\x2f\xfd", rb"BZh[1-9]1AY&SY", rb"\xfd7zXZ\x00", rb"PK\x03\x04"]
        + [re.escape(bytes((first,))) + b"[" + re.escape(seconds) + b"]" for first, seconds in _pairs().items()]
    ),
    re.DOTALL,
)
"""Without groups: they cost the search its quick look at the first octet."""
_KINDS = {0x1F: "gzip", 0x42: "bzip2", 0xFD: "xz", 0x50: "zip"}


def _kind(mark: bytes) -> str:
    return "zstd" if mark.startswith(b"\x28\xb5\x2f\xfd") else _KINDS.get(mark[0], "zlib")


class Stream(Struct, frozen=True, kw_only=True):
    """One compressed stream. `missed` says why not all of it was read; empty: all was."""

    kind: str
    offset: int
    content: bytes
    end: int = 0
    """Where the compressed octets end, if they do."""
    missed: str = ""


def zstd() -> Any:
    """Something that decompresses zstd, or `None`: Python has it from 3.14 on, before that the package `backports.zstd` brings it."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name).ZstdDecompressor()
        except ImportError:
            continue
    return None


def pieces(read: Read) -> Iterator[bytes]:
    """All that there is, in order."""
    at = 0
    while data := read(at, PIECE_BYTES):
        yield data
        at += len(data)


def streams(read: Read) -> Iterator[Stream]:
    """Every compressed stream, in order of its beginning; nothing within a stream is tried again."""
    spent, past, at, tail = 0, 0, 0, b""
    raw = _opened("deflate", read, 0, STREAM_BYTES)
    if raw is not None:
        yield raw
        past = raw.end
    for data in pieces(read):
        held = tail + data
        start = at - len(tail)
        for mark in _MARKS.finditer(held):
            offset = start + mark.start()
            # One that is cut by the piece's end comes again at the next one's start.
            if offset < past or (mark.start() > len(held) - _LONGEST_MARK and len(data) == PIECE_BYTES):
                continue
            kind = _kind(mark[0])
            if spent >= ALL_BYTES:
                yield Stream(kind=kind, offset=offset, content=b"", missed=f"more than {ALL_BYTES} octets of content before it")
                return
            found = _opened(kind, read, offset, STREAM_BYTES)
            if found is not None:
                spent += len(found.content)
                past = max(offset + 1, found.end)
                yield found
        tail = held[1 - _LONGEST_MARK :]
        at += len(data)


def _opened(kind: str, read: Read, offset: int, limit_bytes: int) -> Stream | None:
    """The stream at `offset`; `None` when there is none after all."""
    begin, machine = offset, _machine(kind)
    if kind == "zip":
        head = read(offset, 30)
        if len(head) < 30 or head[8:10] != b"\x08\x00":
            return None  # stored ones are plain, other methods are not ours
        begin += 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    if machine is None:
        return Stream(kind=kind, offset=offset, content=b"", missed="no decoder for zstd: use Python 3.14, or install backports.zstd")
    content, failed, ended = bytearray(), False, False
    at, size = begin, _TASTE_BYTES
    try:
        while not ended and len(content) <= limit_bytes:
            data = read(at, size)
            if not data:
                break
            at, size = at + len(data), _INPUT_BYTES
            content += machine.decompress(data, limit_bytes + 1 - len(content))
            while not machine.eof and len(content) <= limit_bytes and (rest := _waiting(machine)) is not None:
                more = machine.decompress(rest, limit_bytes + 1 - len(content))
                if not more:
                    break
                content += more
            ended = machine.eof
    except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError):
        failed = True
    except Exception as error:  # the zstd decoders have classes of their own
        if type(error).__name__ != "ZstdError":
            raise
        failed = True
    if not content or (kind == "deflate" and failed):
        return None
    missed = f"more than {limit_bytes} octets of content" if len(content) > limit_bytes else ""
    return Stream(kind=kind, offset=offset, content=bytes(content), end=at - len(machine.unused_data) if ended else 0, missed=missed)


def _waiting(machine: Any) -> bytes | None:
    """Input that a decompressor holds back because its output was full; `None`: it wants more input."""
    if hasattr(machine, "unconsumed_tail"):
        return machine.unconsumed_tail or None
    return None if machine.needs_input else b""


def _machine(kind: str) -> Any:
    if kind in ("zlib", "gzip"):
        return zlib.decompressobj(zlib.MAX_WBITS | (16 if kind == "gzip" else 0))
    if kind in ("zip", "deflate"):
        return zlib.decompressobj(-zlib.MAX_WBITS)
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor() if kind == "xz" else zstd()
