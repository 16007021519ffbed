"""Disguises undone, with the way back: full-width forms, other scripts' digits, circled digits, Chinese digits, zero-width characters.

`plain` is for the recognisers only; no text that leaves is ever the normalised one. Chinese digits
change only in runs of five and more, so that ordinary numerals stay. Every change but the removal
of zero-width characters and the joining of numbers that were taken apart keeps the length, so most texts need no map of offsets.
Bound: linear.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from lizi.text.joined import Run, runs

__all__ = ["has_digit", "plain", "with_digits"]

# Format characters, variation selectors and the keycap's frame: nothing that a reader sees.
_UNSEEN = "\u00ad\u034f\u061c\u115f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\u20e3"
_SPACES = "\u00a0\u2000-\u200a\u202f\u205f\u3000"
_DASHES = "\u2010-\u2013\u2212\ufe58\ufe63\uff0d"
_WIDE = (
    "\uff03-\uff06\uff0b\uff0e-\uff19\uff1d\uff20-\uff3a\uff3c\uff3f\uff41-\uff5a\uff5e"  # ，：；（）！？ stay: the recognisers read them
)
_DIGITS = (
    "\u00b2\u00b3\u00b9\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u2070-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u24ea\u24f5-\u24fd"
    "\u2776-\u277e\u2780-\u2788\u278a-\u2792"
)
_MATHEMATICAL = "\U0001d400-\U0001d7ff\U0001f100-\U0001f10a\U0001fbf0-\U0001fbf9"  # letters and digits in other faces


def _members(ranges: str) -> list[str]:
    members, place = [], 0
    while place < len(ranges):
        first = last = ord(ranges[place])
        if ranges[place + 1 : place + 2] == "-" and place + 2 < len(ranges):
            last = ord(ranges[place + 2])
            place += 2
        place += 1
        members += [chr(code) for code in range(first, last + 1)]
    return members


def _table() -> dict[int, str | None]:
    table: dict[int, str | None] = {ord(one): None for one in _members(_UNSEEN)}
    table |= {ord(one): " " for one in _members(_SPACES)} | {ord(one): "-" for one in _members(_DASHES)}
    for one in _members(_WIDE + _DIGITS + _MATHEMATICAL):
        value = unicodedata.digit(one, None)
        same = str(value) if value is not None else unicodedata.normalize("NFKC", one)
        if len(same) == 1 and same != one:
            table[ord(one)] = same
    return table


_TABLE = _table()
_DISGUISED = re.compile(f"[{_UNSEEN}{_SPACES}{_DASHES}{_WIDE}{_DIGITS}{_MATHEMATICAL}]")

_NUMERALS = dict(
    zip(
        "〇零○幺一二三四五六七八九壹贰叁肆伍陆柒捌玖貳參叄陸",
        "00011234567891234567892336",
        strict=True,
    )
)
_CLASS = "".join(_NUMERALS)
# Five: below it stand years and ordinary numerals; a code or a number that anybody dials has more. 40: no number has more digits.
# A person's name may end in a numeral before a number: "张三 138…".
# A number that is read out has commas between its groups: "幺八九，幺零九七，幺七六五".
_SPELT = re.compile(
    f"[{_CLASS}](?! [0-9]{{3}})(?:[ \\-]?[{_CLASS}0-9]){{4,40}}|"
    f"[{_CLASS}](?=[{_CLASS}，,、]{{8}})[{_CLASS}]{{2,5}}(?:[，,、][{_CLASS}]{{3,6}}){{1,5}}(?:[，,、][{_CLASS}]{{2}})?"
)
# A lock's code may have four.
_LOCK_CODE = re.compile(f"[码碼令][:：是为為係 ]?[{_CLASS}]{{4}}(?![{_CLASS}0-9])")
_TO_DIGITS = {ord(numeral): digit for numeral, digit in _NUMERALS.items()} | {ord(sign): "-" for sign in "，,、"}


def plain(text: str) -> tuple[str, Sequence[int] | None]:
    """The text as a reader takes it, and for each character its place in `text`; `None` where the places are the same."""
    shown, places = _seen(text)
    apart = runs(shown, has_digit(shown))
    return _joined(shown, places, apart) if apart else (shown, places)


def _seen(text: str) -> tuple[str, Sequence[int] | None]:
    if text.isascii() or _DISGUISED.search(text) is None:
        return text, None
    shown = text.translate(_TABLE)
    if len(shown) == len(text):
        return shown, None
    return shown, [place for place, one in enumerate(text) if _TABLE.get(ord(one), "") is not None]


def _joined(shown: str, places: Sequence[int] | None, apart: list[Run]) -> tuple[str, Sequence[int]]:
    parts: list[str] = []
    kept: list[int] = []
    done = 0
    for start, end, signs in apart:
        if start < done:
            continue
        parts += [shown[done:start], *(sign for sign, _ in signs)]
        kept += [*range(done, start), *(place for _, place in signs)]
        done = end
    parts.append(shown[done:])
    kept += range(done, len(shown))
    return "".join(parts), kept if places is None else [places[place] for place in kept]


def with_digits(text: str) -> str:
    """The text with runs of Chinese digits written as digits; of the same length."""
    if text.isascii():
        return text
    if _SPELT.search(text) is not None:
        text = _SPELT.sub(_as_digits, text)
    if ("码" in text or "碼" in text or "令" in text) and _LOCK_CODE.search(text) is not None:
        text = _LOCK_CODE.sub(_as_digits, text)
    return text


def _as_digits(run: re.Match[str]) -> str:
    return run.group().translate(_TO_DIGITS)


def has_digit(text: str) -> bool:
    """Whether an ASCII digit stands there. Ten searches for one sign each are five times as fast as one search for ten signs."""
    return (
        "1" in text
        or "2" in text
        or "0" in text
        or "3" in text
        or "4" in text
        or "5" in text
        or "6" in text
        or "7" in text
        or "8" in text
        or "9" in text
    )
