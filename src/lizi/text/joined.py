"""Numbers taken apart, put together again: sign by sign with blanks or dashes between, or spoken in English words.

"E 2 7 7 7 5 5 4 4" and "six four six, five five five, oh one five three" hide from every form; joined, all recognisers know them. Never
joins counting ("one two three four"), bits, nor a part of a row of longer numbers. Bound: a run has at most 48 signs or words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

from lizi.text.tries import any_of

__all__ = ["Run", "runs"]

Run: TypeAlias = tuple[int, int, list[tuple[str, int]]]
"""Start, end, and what stands there instead: signs with the places that they came from, in rising order."""

_NUMERALS = "〇零○幺一二三四五六七八九壹贰叁肆伍陆柒捌玖貳參叄陸"
_ONE = f"[0-9A-Za-z{_NUMERALS}]"
_BETWEEN = r"(?: ?[·•\-_] ?| {1,3})"
_PROVINCES = "京津沪滬渝冀豫云雲辽遼黑湘皖鲁魯新苏蘇浙赣贛鄂桂甘晋晉蒙陕陝吉闽閩贵貴粤粵青藏川宁寧琼瓊"
# What every such run has: two digits that stand alone side by side.
_ALONE = re.compile(rf"(?<![0-9{_NUMERALS}])[0-9{_NUMERALS}][ ·•\-_]{{1,3}}[0-9{_NUMERALS}](?![0-9{_NUMERALS}])")
_SINGLE = re.compile(rf"(?<![0-9A-Za-z{_NUMERALS}])(?:[{_PROVINCES}] ?)?{_ONE}(?:{_BETWEEN}{_ONE}){{4,47}}(?![0-9A-Za-z{_NUMERALS}])")
_MORE_BEFORE = re.compile(rf"[0-9{_NUMERALS}]{{2}}[ \-]{{1,3}}$")
_MORE_AFTER = re.compile(rf"[ \-]{{1,3}}[0-9{_NUMERALS}]{{2}}")
_SIGN = re.compile(f"[0-9A-Za-z{_NUMERALS}{_PROVINCES}]")
_DIGIT = re.compile(f"[0-9{_NUMERALS}]")
_ARTICLES = frozenset("aAiI")
_VALUES = dict(zip(_NUMERALS, "00011234567891234567892336", strict=True))

_WORDS = {
    "zero": "0", "oh": "0", "o": "0", "nought": "0", "naught": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9",
}  # fmt: skip
_TIMES = {"double": 2, "triple": 3, "treble": 3}
_SPOKEN_WORD = f"(?:{any_of(_WORDS)})"
_SPOKEN = re.compile(
    rf"(?<![A-Za-z'’-])(?:(?:{any_of(_TIMES)})[ -])?{_SPOKEN_WORD}(?:(?:, ?|\.{{3}} ?| - |\s|-| {{2,3}})"
    rf"(?:(?:{any_of(_TIMES)})[ -])?(?:{_SPOKEN_WORD}|hundred)(?![a-z])){{2,47}}(?![a-z'’])",
    re.IGNORECASE,
)
_SPOKEN_PART = re.compile(rf"(?:({any_of(_TIMES)})[ -])?({any_of([*_WORDS, 'hundred'])})", re.IGNORECASE)
_LEAST = 4
_LEAST_WORDS = 3


def runs(text: str, digits: bool) -> list[Run]:
    """The runs in order; `digits` says whether an ASCII digit stands there at all."""
    out: list[Run] = []
    if _may_stand_alone(text, digits) and _ALONE.search(text) is not None:
        out += _single(text)
    if _may_speak(text):
        out += _spoken(text)
        out.sort()
    return out


def _may_stand_alone(text: str, digits: bool) -> bool:
    return (digits or not text.isascii()) and (" " in text or "-" in text or "·" in text or "•" in text or "_" in text)


def _single(text: str) -> Iterator[Run]:
    for match in _SINGLE.finditer(text):
        start, end = match.span()
        if _MORE_BEFORE.search(text, max(0, start - 5), start) is not None or _MORE_AFTER.match(text, end) is not None:
            continue
        signs = [(one.group(), one.start()) for one in _SIGN.finditer(text, start, end)]
        if signs[0][0] in _ARTICLES and text[start + 1] == " " and all(_DIGIT.match(sign) for sign, _ in signs[1:]):
            del signs[0]  # "a 5 4 3 2 1"
        figures = "".join(_VALUES.get(sign, sign) for sign, _ in signs if _DIGIT.match(sign))
        shouted = len(figures) >= 2 and len(signs) <= 8 and "".join(sign for sign, _ in signs).isupper()
        least = 2 if shouted else _LEAST - (signs[0][0] >= "一")
        if len(signs) >= 6 and len(figures) >= least and (len(figures) < len(signs) or not _counts(figures)):
            yield signs[0][1], end, signs


def _counts(figures: str) -> bool:
    """Whether these are no number: counted up or down, or bits."""
    steps = {int(second) - int(first) for first, second in pairwise(figures)}
    return steps in ({1}, {-1}) or (figures[0] in "123" and steps <= {1, -9}) or set(figures) <= {"0", "1"}


def _may_speak(text: str) -> bool:
    """Whether three different English digits stand there; hardly a number has fewer, and hardly a text has as many."""
    there = ("seven" in text) + ("five" in text) + ("four" in text) + ("eight" in text) + ("three" in text)
    there += ("two" in text) + ("zero" in text) + ("nine" in text) + ("six" in text)
    if there < 2:
        return False
    there += int(" oh" in text or " o " in text)
    return there + (" one" in text) >= _LEAST_WORDS


def _spoken(text: str) -> Iterator[Run]:
    for match in _SPOKEN.finditer(text):
        start, end = match.span()
        signs: list[tuple[str, int]] = []
        for part in _SPOKEN_PART.finditer(text, start, end):
            word = part[2].lower()
            said = "00" if word == "hundred" else _WORDS[word] * _TIMES.get((part[1] or "").lower(), 1)
            # The last letters of a word stand for its digits: a finding ends where the word ends.
            signs += [(digit, part.end() - len(said) + place) for place, digit in enumerate(said)]
        figures = "".join(digit for digit, _ in signs)
        if len(figures) < _LEAST or _counts(figures):
            continue
        signs[0] = (signs[0][0], start)
        if len(figures) == 10 and figures[0] > "1" and figures[3] > "1":
            # As a number of North America is written, which needs no word beside it.
            signs[6:6] = [("-", signs[6][1] - 1)] if signs[6][1] - 1 > signs[5][1] else []
            signs[3:3] = [("-", signs[3][1] - 1)] if signs[3][1] - 1 > signs[2][1] else []
        yield start, end, signs
