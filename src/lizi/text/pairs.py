"""Accounts and passwords in the pairs that people and programs write: `admin / Admin@888`, `user=pkowal`, `login -u kim`, `改成`.

Also what a second password of a sentence is ("from … to …", "you typed the old one, …") and the numbers that payment services give their
records. Never looks for a word in running text: each form has a sign that ordinary text lacks. Bound: each looks at 160 characters.
"""

from __future__ import annotations

import re

from lizi.text.chosen import NOTHING, ORDINARY
from lizi.text.found import CUED, KEY, LIKELY, Report

__all__ = ["PAIR_SIGNS", "another", "pairs"]

PAIR_SIGNS = (
    r"(?:buyer|seller|owner|operator|member|customer|player|author|user|uid) ?=|[a-z0-9_.] ?/ ?[!-~]{6}|(?:ch|"
    r"re|pi|cus|sub|txn|ord|pm|py)_[a-z0-9]{10}"
)
"""What `pairs` needs in small letters."""
_PAIR = re.compile(
    r"(?<![\w/.:\-])(?:(?:admin|root|administrator|guest|test|sa|user|demo)|([a-z][a-z0-9_.]{2,24}[0-9_][a-z0-9_.]{0,12})) ?/ ?"
    r"((?=[^\s]{0,40}[0-9])(?=[^\s]{0,40}[A-Za-z])(?=[^\s]{0,40}[A-Z!#$%&*@^])[!#-&(-+\--:=?-_a-~]{6,40})"
)
_LOGGED = re.compile(
    r"(?<![A-Za-z0-9_.])(?:buyer|seller|owner|operator|member|customer|player|author|user|uid|login|account)"
    r"=[\"']?([A-Za-z0-9][A-Za-z0-9_.\-]{3,39})"
    r"(?=[\"']?(?:[ &;]|$|\n))"
)
_GOES_ON = re.compile(r"[\"']?(?:&|\n|$| [\w.]{1,24}=)")
_RECORD = re.compile(
    r"(?<![A-Za-z0-9_])(?:ch|re|pi|cus|sub|txn|ord|pm|py)_(?=[A-Z]{0,30}[a-z0-9])(?=[a-z]{0,30}[A-Z0-9])[A-Za-z0-9]{10,32}(?![A-Za-z0-9_])"
)
_ANOTHER = re.compile(
    r"[\"'”」』]?(?:了|，|,|。| |\.){0,3}[^0-9A-Za-z\n]{0,10}?(?:改成|改为|改為|换成|換成|变成|變成|旧的|舊的|新的|老的|"
    r"原来的|原來的|以前的|之前的|或者|或|"
    r"(?:to|or|and|with|not)(?: the)?(?: old| new)?(?: one)?(?: is)? )(?:是|：|:)?\s?[\"'“「『]?((?=[^\s]{0,40}[0-9])"
    r"(?=[^\s]{0,40}[A-Za-z])[!#-&(-+\--:=?-_a-~]{5,64})"
)


def pairs(text: str) -> list[Report]:
    """Reports of accounts and passwords by the sign between them."""
    out: list[Report] = []
    if "/" in text:
        for match in _PAIR.finditer(text):
            out.append((*match.span(2), "secret", 0, CUED))
            if match[1]:
                out.append((*match.span(1), "account", 0, LIKELY))
    if "=" in text:
        for match in _LOGGED.finditer(text):
            name = match[1].lower()
            # Names of variables stand there too.
            if (
                name not in NOTHING
                and name not in ORDINARY
                and (any(map(str.isdigit, name)) or (name.isalpha() and _GOES_ON.match(text, match.end())))
            ):
                out.append((*match.span(1), "account", 0, LIKELY))
    if "_" in text:
        for match in _RECORD.finditer(text):
            if sum(map(str.isupper, match.group())) >= 2 and any(map(str.isdigit, match.group())):
                out.append((*match.span(), "order", 0, LIKELY))
    return out


def another(text: str, end: int) -> Report | None:
    """The second password of a sentence of which the first ends at `end`."""
    match = _ANOTHER.match(text, end)
    return (match.start(1), match.start(1) + len(match[1].rstrip(".,:?)]}")), "secret", 0, KEY) if match is not None else None
