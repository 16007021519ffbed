"""Names that a text has announced once → the same names elsewhere in it, where nothing announces them.

"我叫沈知夏 … 知夏说 …", "My name is Priya Nair … Priya asked …". Remembered while one text is read, never longer.
A name that is also an ordinary word is not remembered. Bound: 64 names and parts of names.
"""

from __future__ import annotations

import re

from lizi.text.chinese_name_tables import COMPOUND, SURNAMES, WORDS
from lizi.text.chinese_titles import ends_here
from lizi.text.chinese_words import FOLLOWING, LONGER, UNITS
from lizi.text.english_name_tables import AMBIGUOUS, NO_NAMES
from lizi.text.found import CUED, GUESSED, Report

__all__ = ["Remembered"]

_MOST = 64  # names of one text: a list with more has them beside cues or in a form that is found anyway
_NO_NAME = frozenset((*UNITS, *LONGER))
_HAN_NAME = re.compile("[\u3400-\u9fff]{2,4}")
_LATIN_NAME = re.compile("[A-Z][^\\W\\d_]{2,19}(?:['’-][A-Z][^\\W\\d_]{1,19})?")
_SENTENCE_OPENS = re.compile("(?:^|[.!?:;\n\"“(])\\s{0,3}$")


class Remembered:
    """The names of one text. `learn` and `find` take the same text as the recognisers of names; belongs to one reader."""

    __slots__ = ("_given", "_latin", "_whole")

    def __init__(self) -> None:
        self._whole: dict[str, None] = {}
        self._given: dict[str, None] = {}
        self._latin: dict[str, None] = {}

    def learn(self, text: str, reports: list[Report]) -> None:
        """Keeps the persons that are certain enough, and the parts by which they may be called later."""
        for start, end, kind, _, rank in reports:
            if kind != "person" or rank < CUED:
                continue
            if len(self._whole) + len(self._given) + len(self._latin) >= _MOST:
                return
            name = text[start:end]
            if _HAN_NAME.fullmatch(name) is not None:
                self._learn_chinese(name)
            elif name.isascii() or _HAN_NAME.search(name) is None:
                for part in _LATIN_NAME.findall(name):
                    if part not in NO_NAMES:
                        self._latin[part] = None

    def _learn_chinese(self, name: str) -> None:
        width = 2 if name[:2] in COMPOUND else 1
        if name[:width] not in COMPOUND and name[0] not in SURNAMES:
            return
        if name in WORDS or name in _NO_NAME or (len(name) == 2 and name[1] in FOLLOWING.get(name[0], ())):
            return
        self._whole[name] = None
        given = name[width:]
        if len(given) == 2 and given not in WORDS and given not in _NO_NAME and given[1] not in FOLLOWING.get(given[0], ()):
            self._given[given] = None

    def find(self, text: str, low: int, high: int) -> list[Report]:
        """Reports of remembered names that begin in `low` to `high`."""
        out: list[Report] = []
        for name in self._whole:
            place = text.find(name, low)
            while 0 <= place < high:
                out.append((place, place + len(name), "person", 0, GUESSED))
                place = text.find(name, place + len(name))
        for name in self._given:
            place = text.find(name, low)
            while 0 <= place < high:
                if ends_here(text, place + len(name)):
                    out.append((place, place + len(name), "person", 0, GUESSED))
                place = text.find(name, place + len(name))
        for name in self._latin:
            place = text.find(name, low)
            while 0 <= place < high:
                if _whole_word(text, place, place + len(name)) and (name not in AMBIGUOUS or not _opens(text, place)):
                    out.append((place, place + len(name), "person", 0, GUESSED))
                place = text.find(name, place + len(name))
        return out


def _whole_word(text: str, start: int, end: int) -> bool:
    """Whether no letter, digit or sign of an address touches the word, and no further capitalised word goes on with it."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if (before.isalnum() and before.isascii()) or before in _JOINED or (after.isalnum() and after.isascii()) or after in _JOINED_AFTER:
        return False
    return not (after == " " and text[end + 1 : end + 2].isupper() and text[end + 2 : end + 3].islower())


def _opens(text: str, place: int) -> bool:
    return _SENTENCE_OPENS.search(text, max(0, place - 6), place) is not None


_JOINED = frozenset("_@/\\-.")
_JOINED_AFTER = frozenset("_@/\\-")
