"""Tables in a text, with bars, commas, semicolons, tabs or wide gaps between the cells: the cells below a head that a word explains.

Never looks at a row with fewer cells than its head. Bound: the rows of 1,024 characters below a head of 256, 16 rows at most.
"""

from __future__ import annotations

import re

__all__ = ["below"]

_HEAD_ENDS = re.compile(r"[ \"'（(#]{0,3}(?:\||,|，|;|\t|  |\r?\n)")
_ROWS = 16
_REACH = 1024


def below(text: str, start: int, end: int, form: re.Pattern[str]) -> list[tuple[int, int]]:
    """Where the cells stand in the column of the head at `start` to `end` that are of this form as a whole."""
    if _HEAD_ENDS.match(text, end) is None:
        return []
    first = text.rfind("\n", max(0, start - 256), start) + 1
    last = text.find("\n", end, end + 256)
    if last < 0 or (first == 0 and start > 256):
        return []
    line = text[first:last]
    sign = next((one for one in ("|", "\t", ";", ",", "，", "  ") if one in line), "")
    if not sign:
        return []
    head = _cells(text, first, last, sign)
    column = next((place for place, (begin, close) in enumerate(head) if begin <= start < close), -1)
    if column < 0 or len(head) < 2 or head[column][1] - head[column][0] > end - start + 12:
        return []
    out: list[tuple[int, int]] = []
    for _ in range(_ROWS):
        first = last + 1
        last = text.find("\n", first, end + _REACH)
        if last < 0:
            last = min(len(text), end + _REACH)
        row = _cells(text, first, last, sign)
        if len(row) < len(head):
            break
        begin, close = row[column]
        if form.fullmatch(text, begin, close) is not None:
            out.append((begin, close))
        if last >= len(text) or last >= end + _REACH:
            break
    return out


def _cells(text: str, first: int, last: int, sign: str) -> list[tuple[int, int]]:
    """The places of the cells of a line, without the blanks and quotes around them."""
    out: list[tuple[int, int]] = []
    begin = first
    while begin <= last:
        close = text.find(sign, begin, last)
        close = last if close < 0 else close
        low, high = begin, close
        while low < high and text[low] in " \"'\r":
            low += 1
        while high > low and text[high - 1] in " \"'\r":
            high -= 1
        if low < high or sign != "  ":
            out.append((low, high))
        begin = close + len(sign)
    return out
