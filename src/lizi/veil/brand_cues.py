"""Words → one regular expression that finds where one begins, also where a text ends inside one.

The fast path of the brand filter is one search with it: most deltas hold nothing of the kind. Pure.
Bound: the expression is linear in the words' letters; a search never goes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from lizi.text import Matcher

__all__ = ["Scan", "beginnings"]

_Node: TypeAlias = "dict[str, _Node]"
_INVISIBLE_CHARACTERS = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
_LINK_BEGINS = re.compile(r"(?<![a-z0-9])(?:h|ht|htt|w)\Z")
_LONG_CHARACTERS = 64
"""A shorter text, such as most deltas, is searched as soon as it is handed over."""
_LINK_BEGINNING = 4
"""Characters from which it is seen whether a text ends in one: the longest, and one before it."""
_INVISIBLE = f"[{_INVISIBLE_CHARACTERS}]*"
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


class Scan:
    """Where a word or a link may begin: says so wherever `beginnings` of the words or `links` match, and a little more often.

    The fast path of each delta. For Latin letters one search for the first ones that stand at a boundary, and a look into a set for the few
    that do: an expression that knew the second letters too would try all its alternatives at every `h` and `w`. Text that ends in one
    character with which a word may begin counts.
    """

    __slots__ = ("_cut", "_latin", "_link_letters", "_links", "_marks", "_matcher", "_others", "_pairs", "_with_links")

    def __init__(self, words: Iterable[str], links: re.Pattern[str], link_letters: str, marks: str) -> None:
        """`link_letters`: with which `links` may begin, beside `marks`; each of these counts where `links` match there, or has no part in
        them."""
        seconds: dict[str, set[str]] = {letter: set() for letter in link_letters}
        for word in words:
            seconds.setdefault(word[0], set()).update(_spellings(word[1].lower()))
        latin = {first: found for first, found in seconds.items() if first.isascii()}
        pairs = {first + second for first, found in latin.items() if found for second in found.union(_INVISIBLE_CHARACTERS)}
        self._pairs = frozenset(pairs.union(first for first, found in latin.items() if found))
        self._links, self._link_letters = links, frozenset(link_letters)
        self._latin = re.compile(_at_boundary({first: found for first, found in latin.items() if found}))
        self._with_links = re.compile(_at_boundary(latin, link_letters))
        self._marks = tuple(marks)
        # A full-width letter is rare enough by itself.
        wide = "".join(chr(ord(first) + _WIDE) for first in sorted(latin))
        others = [f"{first}(?:\\Z|[{re.escape(''.join(sorted(found)))}])" for first, found in sorted(seconds.items()) if first not in latin]
        self._others = re.compile("|".join([*others, *(f"{letter}(?<![A-Za-z0-9]{letter})" for letter in wide)]))
        self._cut = frozenset(seconds).union(marks, "htwHTW")
        named = "|".join(f"{first}(?:[{_ascii(found)}]|{_others(found)})" for first, found in latin.items() if found)
        self._matcher = Matcher(
            [
                (1, f"(?:^|[^A-Za-z0-9])(?:{named})"),
                *((1, first + second) for first, found in seconds.items() if first not in latin for second in found),
                *((1, re.escape(sign)) for sign in (*wide, *marks)),
                (1, f"[tT](?:{'|'.join(_INVISIBLE_CHARACTERS)})?[tT]|[wW][wW]"),
            ]
        )

    def first(self, text: str) -> int:
        """The place of the first character with which a word or a link may begin; -1 where there is none."""
        low = 0
        if len(text) > _LONG_CHARACTERS and self._matcher.signs(text) == 0:
            # Only what the end may cut is left.
            if text[-1] not in self._cut:
                return -1
            low = len(text) - _LINK_BEGINNING
        found = len(text)
        for mark in self._marks:
            if mark in text:
                found = self._mark(text, mark, low, found)
        latin = self._latin
        if not text.isascii():
            latin = self._with_links
            if (other := self._others.search(text, low)) is not None:
                found = min(found, other.start())
        elif _may_link(text.lower()):
            latin = self._with_links
        for match in latin.finditer(text, low, found):
            at = match.start()
            pair = text[at : at + 2]
            if pair in self._pairs or (pair[0] in self._link_letters and self._links.match(text, at) is not None):
                return at
        return found if found < len(text) else -1

    def _mark(self, text: str, mark: str, low: int, before: int) -> int:
        """Where this mark first counts, from `low` on; `before` if that is not before it."""
        at = text.find(mark, low, before)
        while at >= 0:
            if mark == "`" or self._links.match(text, at) is not None:
                return at
            at = text.find(mark, at + 1, before)
        return before


def _ascii(characters: set[str]) -> str:
    return re.escape("".join(sorted(one for one in characters if one.isascii())))


def _others(characters: set[str]) -> str:
    return "|".join(sorted([*_INVISIBLE_CHARACTERS, *(one for one in characters if not one.isascii())]))


def _at_boundary(seconds: dict[str, set[str]], any_second: str = "") -> str:
    """One of these letters, no letter or digit before it, and behind it no letter that rules it out: `Th` is common and begins nothing."""
    ruled_out = []
    for second in "abcdefghijklmnopqrstuvwxyz":
        firsts = "".join(first for first, found in sorted(seconds.items()) if second not in found and first not in any_second)
        if firsts:
            ruled_out.append(f"{second}(?<=[{firsts}].)")
    return f"[{''.join(sorted(seconds))}](?<![A-Za-z0-9].)(?!{'|'.join(ruled_out)})"


def _may_link(lower: str) -> bool:
    """Whether ASCII text in small letters can hold the beginning of a web address; most has many an `h` and `w`, and none of these."""
    if "ttp" in lower or "ww" in lower:
        return True
    return lower.endswith(("h", "t", "w")) and _LINK_BEGINS.search(lower, max(0, len(lower) - _LINK_BEGINNING)) is not None


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
