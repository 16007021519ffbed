"""Phrases of the house's own, such as the maker's name: found literally, whatever their case.

`Phrases` is built once from the configuration. Bound: a phrase has at most 64 characters, a set at most 1,000 phrases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lizi.text.found import CERTAIN, KINDS, Report
from lizi.text.normal import plain
from lizi.text.tries import any_of

__all__ = ["LONGEST_PHRASE", "PHRASE", "Phrases"]

PHRASE = "phrase"
"""The kind of what is nobody's data, and still not to be read."""
LONGEST_PHRASE = 64
"""Characters of one phrase: a long name of a company; also how far a passage looks beyond its end."""
_MOST_PHRASES = 1000


class Phrases:
    """Literal phrases and the kind that each stands for. Immutable; may be shared by any number of exchanges.

    A phrase of Latin letters or digits is found as a whole word only, one of Chinese characters anywhere.
    Raises `ValueError` for an unknown kind, an empty or a too long phrase, or too many of them.
    """

    __slots__ = ("_forms", "_kinds")

    def __init__(self, kinds: Mapping[str, str]) -> None:
        if len(kinds) > _MOST_PHRASES:
            raise ValueError(f"phrases: at most {_MOST_PHRASES} are possible, here are {len(kinds)}")
        self._kinds: dict[str, str] = {}
        for phrase, kind in kinds.items():
            if kind != PHRASE and kind not in KINDS:
                raise ValueError(f"phrases: unknown kind {kind!r}; known are {', '.join(KINDS)}")
            shown = _lower(plain(phrase.strip())[0])
            if not 1 <= len(shown) <= LONGEST_PHRASE:
                raise ValueError(f"phrases: each has 1 to {LONGEST_PHRASE} characters; one has {len(shown)}")
            self._kinds[shown] = kind
        groups: dict[tuple[bool, bool], list[str]] = {}
        for shown in self._kinds:
            groups.setdefault((_latin(shown[0]), _latin(shown[-1])), []).append(shown)
        self._forms = [
            re.compile(("(?<![0-9a-z])" if before else "") + any_of(words, "~") + ("(?![0-9a-z])" if after else ""))
            for (before, after), words in groups.items()
        ]

    def find(self, lower: str) -> list[Report]:
        """Reports of the phrases in a text that is normalised and in lower case."""
        return [(*match.span(), self._kinds[match.group()], 0, CERTAIN) for form in self._forms for match in form.finditer(lower)]


def _latin(sign: str) -> bool:
    return sign.isascii() and sign.isalnum()


def _lower(text: str) -> str:
    """Lower case of the same length: the one letter whose lower case is longer stays as it is."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
