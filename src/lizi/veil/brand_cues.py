"""Words → one regular expression that finds where one begins, also where a text ends inside one.

The fast path of the brand filter is one search with it: most deltas hold nothing of the kind. Pure.
Bound: the expression is linear in the words' letters; a search never goes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

__all__ = ["beginnings", "first_letters"]

_Node: TypeAlias = "dict[str, _Node]"
_INVISIBLE = "[\u00ad\u200b-\u200d\u2060\ufeff]*"
_APOSTROPHES = "'’"
_MORE = "\0"
"""Ends a path that is only the beginning of its word."""
_ENOUGH = 6
"""Letters of a Latin word that tell it from ordinary ones: a cue need not be sure, and shorter expressions compile sooner."""
_WIDE = 0xFEE0
"""From a character of ASCII to its full-width form."""
_WIDE_FROM, _HAN_FROM = "\uff00", "\u2e80"


def beginnings(words: Iterable[str]) -> str:
    """Alternatives, without a group, for any of `words`: also with invisible characters inside and line ends for blanks.

    The first letter counts as it is given, the others in any case; a full-width letter with which one may begin matches alone.
    The beginning of a word matches too where the text ends. Latin words begin and end at a boundary, Chinese ones anywhere.
    """
    root: _Node = {}
    for word in words:
        node = root
        enough = _ENOUGH if word.isascii() else len(word)
        for index, character in enumerate(word[:enough]):
            node = node.setdefault(character.lower() if index else character, {})
        node["" if len(word) <= enough else _MORE] = {}
    for character in [character for character in root if character.isascii() and character.isalnum()]:
        root[chr(ord(character) + _WIDE)] = {_MORE: {}}  # a full-width letter is rare enough by itself
    # A literal first, then its boundary: the engine skips to the literals of all alternatives without trying them.
    return "|".join(
        f"{re.escape(character)}{_boundary(character)}{_rest(character, below)}"
        for character, below in sorted(root.items())
    )


def _rest(character: str, below: _Node) -> str:
    return "" if _MORE in below else f"{_joint(character)}(?:\\Z|{_branches(below, character)})"


def first_letters(words: Iterable[str]) -> str:
    """A smaller expression that matches wherever that of `beginnings` does, and a little more: by two letters only."""
    pairs: dict[str, set[str]] = {}
    for word in words:
        pairs.setdefault(word[0], set()).update(_spellings(word[1].lower()))
        if word[0].isascii() and word[0].isalnum():
            pairs.setdefault(chr(ord(word[0]) + _WIDE), set())
    return "|".join(f"{re.escape(first)}{_boundary(first)}{_second(first, seconds)}" for first, seconds in sorted(pairs.items()))


def _second(first: str, seconds: set[str]) -> str:
    if not seconds:
        return ""
    return f"(?:\\Z|[{re.escape(''.join(sorted(seconds)))}{_INVISIBLE[1:-2] if first.isascii() else ''}])"


def _boundary(character: str) -> str:
    return f"(?<![A-Za-z0-9]{re.escape(character)})" if character < _HAN_FROM or character >= _WIDE_FROM else ""


def _joint(character: str) -> str:
    return _INVISIBLE if character.isascii() and character.isalpha() else ""


def _branches(node: _Node, previous: str) -> str:
    found = []
    for character, below in sorted(node.items(), reverse=True):
        if character == _MORE:
            found.append("")
        elif character == "":
            found.append("(?![A-Za-z])" if previous.isascii() and previous.isalpha() else "")
        if character in ("", _MORE):
            continue
        inside = _branches(below, character)
        # A word is complete here, or the text ends here, or it goes on.
        found.append(f"{_one(character)}{_joint(character)}(?:\\Z|{inside})")
    return "|".join(found)


def _spellings(character: str) -> str:
    if character in _APOSTROPHES:
        return _APOSTROPHES
    if character == " ":
        return " \t\n\u00a0\u3000"
    if not character.isascii() or not character.isalnum():
        return character
    upper = character.upper()
    return character if upper == character else character + upper


def _one(character: str) -> str:
    spellings = _spellings(character)
    return re.escape(spellings) if len(spellings) == 1 else f"[{re.escape(spellings)}]"
