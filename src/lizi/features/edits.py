"""Two versions of a text → the edits between them, and what kind each is.

Never judges whether an edit is right. Invariant: `apply(text, edits(text, changed)) == changed`,
and edits are sorted and disjoint. Bound: sentences are aligned first, so the word-level
comparison, quadratic at worst, sees what differs only and at most 200 tokens a side; a longer
differing stretch is one edit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import pairwise

from msgspec import Struct

from lizi.features.script import has_han
from lizi.features.sentences import sentences, words

__all__ = ["Edit", "apply", "edits", "kind_of", "likeness"]

_TOKENS = 200  # a long sentence; its comparison takes 4 ms at worst
_SENTENCE_PAIRS = 2_500  # fifty sentences by fifty
_LETTERS = 120  # up to here likeness is exact; longer texts are compared by their pairs of letters
_BLANK_OR_MARK = re.compile(r"[\s\W_]+")
_ENDINGS = ("ing", "ies", "ed", "es", "en", "er", "est", "ly", "s", "d", "n", "y", "e", "")
_FUNCTION_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "to",
        "of",
        "in",
        "on",
        "at",
        "for",
        "from",
        "by",
        "with",
        "and",
        "or",
        "but",
        "so",
        "as",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "am",
        "do",
        "does",
        "did",
        "has",
        "have",
        "had",
        "not",
        "no",
        "it",
        "its",
        "it's",
        "their",
        "there",
        "they're",
        "your",
        "you're",
        "you",
        "i",
        "me",
        "my",
        "we",
        "us",
        "our",
        "he",
        "him",
        "his",
        "she",
        "her",
        "they",
        "them",
        "this",
        "that",
        "these",
        "those",
        "who",
        "whom",
        "whose",
        "which",
        "what",
        "than",
        "then",
        "will",
        "would",
        "can",
        "could",
        "should",
        "may",
        "might",
        "must",
        "if",
        "since",
        "for",
        "less",
        "fewer",
        "more",
        "most",
        "very",
        "much",
        "many",
        "some",
        "any",
        "let's",
        "lets",
        "too",
        "two",
    ]
)


class Edit(Struct, frozen=True, kw_only=True):
    """Replace [start, end) of the text, in scalars, by `replacement`."""

    start: int
    end: int
    replacement: str


def apply(text: str, changes: Iterable[Edit]) -> str:
    """The text with sorted, disjoint edits made."""
    out = []
    position = 0
    for edit in changes:
        out += [text[position : edit.start], edit.replacement]
        position = edit.end
    out.append(text[position:])
    return "".join(out)


def edits(text: str, changed: str) -> list[Edit]:
    """What turns `text` into `changed`: words in Latin script, characters in Chinese, neighbours as one."""
    found: list[Edit] = []
    position = 0
    for before, after in _stretches(sentences(text), sentences(changed)):
        old, new = "".join(before), "".join(after)
        if old != new:
            found += _by_word(old, new, position)
        position += len(old)
    return found


def _stretches(before: list[str], after: list[str]) -> Iterable[tuple[list[str], list[str]]]:
    if len(before) == len(after):  # the usual case: no sentence came or went
        return (([left], [right]) for left, right in zip(before, after, strict=True))
    # What is alike at both ends needs no comparing.
    short = min(len(before), len(after))
    head = next((index for index in range(short) if before[index] != after[index]), short)
    tail = next((index for index in range(short - head) if before[-1 - index] != after[-1 - index]), short - head)
    left, right = before[head : len(before) - tail], after[head : len(after) - tail]
    if len(left) * len(right) > _SENTENCE_PAIRS:
        middle = [(left, right)]
    else:
        codes = SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
        middle = [(left[a0:a1], right[b0:b1]) for _, a0, a1, b0, b1 in codes]
    same = [([sentence], [sentence]) for sentence in before[:head]], [([sentence], [sentence]) for sentence in before[len(before) - tail :]]
    return [*same[0], *middle, *same[1]]


def _by_word(old: str, new: str, offset: int) -> list[Edit]:
    left, right = words(old), words(new)
    if len(left) > _TOKENS or len(right) > _TOKENS:
        return [Edit(start=offset, end=offset + len(old), replacement=new)]
    starts = [offset]
    for word in left:
        starts.append(starts[-1] + len(word))
    return [
        Edit(start=starts[a0], end=starts[a1], replacement="".join(right[b0:b1]))
        for tag, a0, a1, b0, b1 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
        if tag != "equal"
    ]


def likeness(left: str, right: str) -> float:
    """0 for nothing in common, 1 for the same, letter by letter; of longer texts, pair of letters by pair."""
    if left == right:
        return 1.0
    if max(len(left), len(right)) <= _LETTERS:
        return SequenceMatcher(None, left, right, autojunk=False).ratio()
    first, second = Counter(map("".join, pairwise(left))), Counter(map("".join, pairwise(right)))
    return 2 * (first & second).total() / max(1, first.total() + second.total())


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if ending and word.endswith(ending) and len(word) - len(ending) >= 2:
            return word[: -len(ending)]
    return word


def kind_of(text: str, edit: Edit) -> str:
    """`spacing`, `punctuation`, `capitalization`, `repetition`, `spelling`, `grammar` or `wording`, by form alone."""
    old, new = text[edit.start : edit.end], edit.replacement
    if old.split() == new.split() or "".join(old.split()) == "".join(new.split()):
        return "spacing"
    if _BLANK_OR_MARK.sub("", old) == _BLANK_OR_MARK.sub("", new):
        return "punctuation"
    if old.casefold() == new.casefold():
        return "capitalization"
    piece = old.strip()
    if not new.strip() and piece and (text[: edit.start].rstrip().endswith(piece) or text[edit.end :].lstrip().startswith(piece)):
        return "repetition"
    if has_han(old + new):
        if {*old, *new} <= {*"的地得"} or not old or not new:
            return "grammar"
        return "spelling" if len(old) == len(new) <= 3 else "wording" if max(len(old), len(new)) > 4 else "grammar"
    first, second = old.casefold().strip(), new.casefold().strip()
    if not first or not second or {*first.split(), *second.split()} <= _FUNCTION_WORDS:
        return "grammar"
    if " " in first or " " in second:
        return (
            "spelling" if first.replace(" ", "") == second.replace(" ", "") else "grammar" if likeness(first, second) >= 0.5 else "wording"
        )
    if _stem(first) == _stem(second):
        return "grammar"
    return "spelling" if likeness(first, second) >= 0.6 else "wording"
