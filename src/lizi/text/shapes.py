"""ASCII text in two or three signs: where a form needs a shape, most texts are told apart by one search for a string.

A translation and a search for a fixed string cost a fifth of what a regular expression takes to try every place. Pure. Only for ASCII:
other text is translated character by character, which is slower than any search. Bound: linear.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["capitals", "has_run", "hexadecimals", "places_of"]

_ASCII = "".join(map(chr, range(0x80)))
_RUN_SIGNS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:=?&+%")
_CAPITALS = str.maketrans(
    _ASCII, "".join("A" if sign.isupper() else "a" if sign.islower() else "." if sign == "." else " " for sign in _ASCII)
)
_HEXADECIMALS = str.maketrans(
    _ASCII, "".join("1" if sign in "0123456789abcdefABCDEF" else "x" if sign.isalnum() else sign for sign in _ASCII)
)
_RUNS = str.maketrans(_ASCII, "".join("1" if sign in _RUN_SIGNS else " " for sign in _ASCII))


def capitals(text: str) -> str:
    """`A` for each capital, `a` for each small letter, full stops as they are, blanks for all else; of the same length."""
    return text.translate(_CAPITALS)


def hexadecimals(text: str) -> str:
    """`1` for each hexadecimal digit, `x` for each other letter, marks as they are; of the same length."""
    return text.translate(_HEXADECIMALS)


def has_run(text: str, length: int) -> bool:
    """Whether so many signs of keys and addresses stand in a row: letters, digits and `_-./:=?&+%`."""
    return "1" * length in text.translate(_RUNS)


def places_of(piece: str, shape: str, low: int, high: int) -> Iterator[int]:
    """Where `piece` stands within `low` to `high`, in order; pieces don't overlap."""
    place = shape.find(piece, low, high)
    while place >= 0:
        yield place
        place = shape.find(piece, place + len(piece), high)
