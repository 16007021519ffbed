r"""Planted words, the forms that a computer may keep them in, and a machine that finds them in bytes.

    canaries = Canaries(latin="qzkfwvhxjymb", han="…", doors=("prompt", "image"))
    seeker = Seeker(canaries)
    hits = seeker.feed(data); …; hits = seeker.close()

All words of a scan begin with one random mark, in Latin letters and in Chinese characters: the mark is looked for, what follows it tells
the door. Never raises for any bytes and never gives back what it read. Bound: `overlap_bytes` octets held, `HITS` hits given; further
ones are counted. Forms: UTF-8 (which is CPython's Latin-1 for letters), UTF-16 and UTF-32 in both orders (CPython's UCS-2 and UCS-4),
GB 18030, capitals, base 64 in its three phases in both alphabets, hexadecimal, percent, `\u` and `\x` escapes in both cases.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

__all__ = ["HITS", "Canaries", "Hit", "Seeker", "forms"]

HITS = 1_000
"""One place that is full of words needs no longer list than this."""
_LETTERS = "bcdfghjkmnpqrstvwxz"
"""Of a door's number: no vowels, so that no word arises, and none that base 64 or an escape changes in form."""
_HAN_DIGITS = "甪僰翀邡郯鄄酆叁仝怹"
"""The same among Chinese characters: rare ones of Unicode's first plane, which GB 18030 has as well."""
_ENCODINGS = (
    ("UTF-8", "utf-8"), ("UTF-16", "utf-16-le"), ("UTF-16", "utf-16-be"), ("UTF-32", "utf-32-le"), ("UTF-32", "utf-32-be"),
    ("GB 18030", "gb18030"),
)  # fmt: skip
"""One name for both orders: in a run of letters each order occurs in the other, one octet on."""


class Canaries(Struct, frozen=True, kw_only=True):
    """The words of one scan. `latin` (lower-case letters) and `han` (Chinese characters) are random and occur nowhere else.

    A word ends with a letter that tells nothing: base 64 decides its last bits together with whatever follows.
    """

    latin: str
    han: str
    doors: tuple[str, ...]

    def word(self, door: str) -> str:
        """The word in Latin letters that goes in by `door`."""
        number = self.doors.index(door)
        return self.latin + _LETTERS[number // len(_LETTERS)] + _LETTERS[number % len(_LETTERS)] + _LETTERS[0]

    def hanzi(self, door: str) -> str:
        """The word in Chinese characters that goes in by `door`."""
        return self.han + "".join(_HAN_DIGITS[int(digit)] for digit in f"{self.doors.index(door):03d}0")


class Hit(Struct, frozen=True, kw_only=True):
    """A word was found: where (octets from the start of what was fed), in which form, and by which door it had gone in."""

    offset: int
    form: str
    door: str


def forms(word: str) -> Iterator[tuple[str, bytes]]:
    """(name, octets) for every form of `word`. What a longer word with this beginning has in each form begins with the same octets."""
    seen: set[bytes] = set()
    for name, octets in _all_forms(word):
        if octets and octets not in seen:
            seen.add(octets)
            yield name, octets


def _all_forms(word: str) -> Iterator[tuple[str, bytes]]:
    for name, encoding in _ENCODINGS:
        raw = word.encode(encoding)
        yield name, raw
        if name == "UTF-32":
            continue  # an inner form of memory, which nobody encodes further
        yield f"{name} in hexadecimal", raw.hex().encode()
        yield f"{name} in hexadecimal", raw.hex().upper().encode()
        for phase in range(3):
            whole = base64.b64encode(bytes(phase) + raw)
            # Six bits a character: only those that `raw` alone decides.
            inner = whole[-(-8 * phase // 6) : 8 * (phase + len(raw)) // 6]
            yield f"{name} in base 64", inner
            yield f"{name} in base 64", inner.translate(bytes.maketrans(b"+/", b"-_"))
    yield "UTF-8 in capitals", word.upper().encode()
    yield "UTF-8 in capitals", word.title().encode()
    raw, units = word.encode(), word.encode("utf-16-be")
    for case in (str.lower, str.upper):
        yield "percent-encoded", "".join("%" + case(f"{octet:02x}") for octet in raw).encode()
        for slash in ("\\", "\\\\"):  # a JSON text within a JSON text has two
            yield r"\u-escaped", "".join(f"{slash}u{case(units[at : at + 2].hex())}" for at in range(0, len(units), 2)).encode()
            yield r"\x-escaped", "".join(f"{slash}x{case(f'{octet:02x}')}" for octet in raw).encode()


@lru_cache(maxsize=4)  # every region of memory has a machine of its own
def _made(canaries: Canaries) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes, str]]]:
    """The marks in every form, and the whole words in every form with their doors."""
    needles = [(name, octets) for mark in (canaries.latin, canaries.han) for name, octets in forms(mark)]
    words = [(word, door) for door in canaries.doors for word in (canaries.word(door), canaries.hanzi(door))]
    return needles, [(name, octets, door) for word, door in words for name, octets in forms(word)]


class Seeker:
    """Finds the words of `canaries` in octets that come in pieces of any size."""

    def __init__(self, canaries: Canaries) -> None:
        self._needles, self._doors = _made(canaries)
        longest = max(len(octets) for _, octets, _ in self._doors)
        self.overlap_bytes = longest - 1
        self.more = 0
        """Hits beyond `HITS`."""
        self._given = 0
        self._tail = b""
        self._start = 0
        """Offset of the tail's first octet."""
        self._told_to = 0
        """Octets before this one belong to a hit already given."""

    def feed(self, data: bytes) -> list[Hit]:
        """What is certain by now; a word at the very end may need the next octets to tell its door."""
        held = self._tail + data if self._tail else data
        decided = max(0, len(held) - self.overlap_bytes)
        hits = self._hits(held, decided)
        self._tail, self._start = held[decided:], self._start + decided
        return hits

    def close(self) -> list[Hit]:
        """What the last octets hold. A word that is cut off after its mark is a hit as well."""
        hits = self._hits(self._tail, len(self._tail))
        self._tail = b""
        return hits

    def _hits(self, held: bytes, decided: int) -> list[Hit]:
        if not held or (held[0] == 0 and held.count(0) == len(held)):
            return []  # memory is mostly empty pages
        found: list[tuple[int, int, str]] = []
        for name, needle in self._needles:
            at = held.find(needle)
            while 0 <= at < decided:
                found.append((at, at + len(needle), name))
                at = held.find(needle, at + len(needle))
        found.sort()
        hits = []
        for at, end, name in found:
            if self._start + at < self._told_to:
                continue  # the same octets, read in another form
            self._told_to = self._start + end
            if self._given >= HITS:
                self.more += 1
                continue
            self._given += 1
            hits.append(Hit(offset=self._start + at, form=name, door=self._door(held, at, name)))
        return hits

    def _door(self, held: bytes, at: int, name: str) -> str:
        return next((door for form, octets, door in self._doors if form == name and held.startswith(octets, at)), "cut off before its end")
