"""Many expressions and words over a text in one pass, where the compiled matcher is installed: which are in it, and nothing else.

The matcher is Hyperscan, the extra `hyperscan` (docs/decisions/0010-hyperscan.md). It only ever spares a search that would find nothing:
whoever asks keeps a way without it, and the same results. Never keeps a text. Bound: two passes, whatever the text holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

try:
    import hyperscan
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

__all__ = ["Matcher"]

_BITS = 256
_LETTERS = bytes(ord(chr(byte).lower()) if chr(byte).isascii() and chr(byte).isalpha() else 0x20 for byte in range(256))
"""Small letters for letters of ASCII, blanks for all else."""


class Matcher:
    """Compiled when it is first used or by `prepare_all`, within some tenths of a second.

    Words are found in any case between signs that are no letters of ASCII; as plain strings they compile a hundred times as fast as
    expressions. These are Hyperscan's: as in `re`, but without groups that look around or refer back, and over bytes of UTF-8, so that a
    class holds ASCII only. One that Hyperscan refuses is a defect and raises `hyperscan.error`.
    """

    __slots__ = ("__weakref__", "_databases", "_expressions", "_words")

    def __init__(self, expressions: Iterable[tuple[int, str]], words: Iterable[tuple[int, str]] = ()) -> None:
        """Each with its bit, of eight; several may have the same."""
        self._expressions = [(bit, expression) for bit, expression in expressions]
        self._words = [(bit, f" {word} ") for bit, word in words]
        self._databases: tuple[hyperscan.Database, hyperscan.Database | None] | None = None
        _WAITING.add(self)

    def signs(self, text: str) -> int | None:
        """The bits of what is in `text`, or'ed; `None` where nobody can tell: the caller looks for himself."""
        if not INSTALLED:
            return None
        found: list[int] = []
        expressions, words = self._databases or self._compiled()
        data = text.encode("utf-8", "replace")  # what UTF-8 can't say is no part of any expression
        try:
            expressions.scan(data, match_event_handler=_note, context=found)
            if words is not None:
                words.scan(b" %b " % data.translate(_LETTERS), match_event_handler=_note, context=found)
        except hyperscan.error:
            return None  # another thread is scanning with it
        signs = 0
        for bit in found:
            signs |= bit
        return signs

    @classmethod
    def prepare_all(cls) -> None:
        """Compile those that are waiting for their first text: a service does so before it takes requests."""
        if INSTALLED:
            for matcher in list(_WAITING):
                matcher._compiled()

    def _compiled(self) -> tuple[hyperscan.Database, hyperscan.Database | None]:
        self._databases = _compiled(self._expressions), _compiled(self._words) if self._words else None
        _WAITING.discard(self)
        return self._databases


_WAITING: WeakSet[Matcher] = WeakSet()


def _compiled(expressions: list[tuple[int, str]]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[expression.encode() for _, expression in expressions],
        ids=[number * _BITS + bit for number, (bit, _) in enumerate(expressions)],  # a hundred times as fast to compile as few ids
        elements=len(expressions),
        flags=[hyperscan.HS_FLAG_SINGLEMATCH] * len(expressions),
    )
    return database


def _note(number: int, start: int, end: int, flags: int, found: Any) -> None:
    found.append(number % _BITS)
