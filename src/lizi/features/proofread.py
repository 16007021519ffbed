"""Proofread: the model gives corrected text, the edits are computed, and each is judged before it counts.

Never edits a protected range, an address, a number or code; never lets a model that answers,
translates or retells the text pass for a corrector: an edit that looks like that is taken
back. Invariants, by construction: applying `edits` gives `corrected`; every text the model's
answer does not touch stands letter by letter. Bound: two asks.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any

from lizi.features.asking import Steps, ask, bare, tokens
from lizi.features.edits import Edit, apply, edits, kind_of, likeness
from lizi.features.kept import invented, kept_in, missing
from lizi.features.prompts import PROOFREAD, Prompt
from lizi.features.ranges import Span, in_unit, protected_spans, touches
from lizi.features.script import foreign, has_han, to_script
from lizi.features.sentences import sentences, words
from lizi.wire.tasks import TaskRequest

__all__ = ["VERSION", "plan", "repair"]

VERSION = "1"

_LONGEST = 1.3
"""Times the text: no correction is longer."""
_ALIKE = 0.6
"""Below this likeness the answer as a whole is no correction of the text: real ones measured 0.8 and up."""
_CHANGED = {"spelling": 0.4, "grammar": 0.4, "style": 0.7}
"""The largest part of a sentence that may change."""
_SMALL = 12  # letters: in a sentence as short as this one corrected word is most of it
_DROPPABLE = frozenset(
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
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "do",
        "does",
        "did",
        "has",
        "have",
        "had",
        "that",
        "which",
        "more",
        "most",
        "very",
        "much",
        "it",
        "its",
        "then",
        "than",
        "will",
        "would",
        "can",
    ]
)
"""Words whose removal can be a correction; a lost word of any other kind is lost meaning."""
_SMALL_WORDS = _DROPPABLE | frozenset(
    [
        "their",
        "there",
        "they're",
        "your",
        "you're",
        "its",
        "it's",
        "whose",
        "who's",
        "who",
        "whom",
        "which",
        "what",
        "these",
        "those",
        "this",
        "fewer",
        "less",
        "not",
        "don't",
        "doesn't",
        "isn't",
        "aren't",
        "wasn't",
        "weren't",
        "am",
        "any",
        "some",
        "let's",
        "lets",
        "me",
        "i",
    ]
)
_WORD_ALIKE = 0.5
"""`goed`/`went` is below it and lost; so is `soon`/`never`, which must be."""
_PERSONS = {
    word: person
    for person, group in {
        "1": "i i'm i've i'd i'll me my mine myself 我 俺",
        "1+": "we we're us our ours 我们 我們 咱 我哋 们 們 哋",
        "2": "you you're your yours 你 您 妳",
        "3": "he he's she she's him her his hers 他 她 佢",
    }.items()
    for word in group.split()
}
_PICTURE = re.compile("[\u2190-\u2bff\u3030\u303d\ufe0f\u200d\U0001f000-\U0001faff]")
_PARTICLES = frozenset("的地得了着著过過是在有个個就都也和与與嘅咗")
_SYNONYMS = frozenset(
    {("把", "将"), ("把", "將"), ("和", "与"), ("和", "與"), ("和", "跟"), ("很", "非常"), ("还", "也"), ("我们", "咱们")}
)
"""Both are right, so neither corrects the other."""
_LEVELS = {
    "spelling": frozenset({"spelling", "spacing", "capitalization", "punctuation", "repetition"}),
    "grammar": frozenset({"spelling", "spacing", "capitalization", "punctuation", "repetition", "grammar", "wording"}),
}
_ERRORS = frozenset({"spelling", "grammar", "repetition"})
_EXPLANATIONS = {
    "spelling": ("Spelling or word choice.", "错别字或用词。", "錯別字或用詞。"),
    "grammar": ("Grammar.", "语法。", "語法。"),
    "wording": ("Clearer wording.", "措辞更清楚。", "措辭更清楚。"),
    "repetition": ("A word stands twice.", "词语重复。", "詞語重複。"),
    "punctuation": ("Punctuation.", "标点。", "標點。"),
    "spacing": ("Spacing.", "空格。", "空格。"),
    "capitalization": ("Capital or small letter.", "大小写。", "大小寫。"),
}
_SECOND_TRY = {
    "en": "Copy the text word for word. Fix only the spelling mistakes.",
    "zh-Hans": "照抄这段文字，只改错别字，不要回答，不要解释。",
    "zh-Hant": "照抄這段文字，只改錯別字，不要回答，不要解釋。",
    "zh-Hant-HK": "照抄這段文字，只改錯別字，不要回答，不要解釋，粵語保留粵語。",
}


def plan(request: TaskRequest, model: str) -> Steps:
    """Ask for the corrected text; once more, more strictly, when the answer is no correction of it."""
    text, locale = request.text, request.locale
    ceiling = tokens(text) + 24  # a correction is as long as its text, give or take a few words
    prompt = PROOFREAD[locale]
    longest = int(len(text) * _LONGEST) + 20
    answer = yield ask(model, prompt, text, max_output_tokens=ceiling)
    changed = "" if answer.finish == "length" else _version(bare(answer, text, longest), request)
    if likeness(text, changed) < _ALIKE:
        second = Prompt(_SECOND_TRY[locale], prompt.shots[:2], prompt.opening)
        answer = yield ask(model, second, text, max_output_tokens=ceiling, repairs=True)
        changed = _version(bare(answer, text, longest), request)
    return _result(request, changed)


def repair(request: TaskRequest) -> str:
    """What the second ask has beside the first one's words: an instruction in place of a longer one, and fewer examples."""
    return _SECOND_TRY[request.locale]


def _version(answer: str, request: TaskRequest) -> str:
    """The answer with the text's own margins, in the locale's script."""
    text = request.text
    core = text.strip()
    if "\n" not in core:
        answer = answer.split("\n")[0].strip()  # what follows a one-line correction is talk
    start = len(text) - len(text.lstrip())
    margin = text[len(text.rstrip()) :]
    # By characters, or with the region's words: whichever is nearer to what the writer wrote.
    versions = [to_script(answer, request.locale, source=text, phrases=phrases) for phrases in (False, True)]
    nearest = max(versions, key=lambda version: likeness(text, version))
    return text[:start] + nearest + margin


def _result(request: TaskRequest, changed: str) -> dict[str, Any]:
    text = request.text
    offered = edits(text, changed) if likeness(text, changed) >= _ALIKE else None
    kept = _judged(request, offered or [])
    if offered is None:
        confidence, basis = 0.1, "input"
    elif len(kept) == len(offered):
        confidence, basis = 0.9, "model"
    else:
        # The more of the answer had to be taken back, the less the rest is worth.
        confidence = round(0.3 + 0.5 * len(kept) / len(offered), 2)
        basis = "mixed" if kept else "input"
    places = in_unit(text, [(edit.start, edit.end) for edit in kept], request.offset_unit)
    return {
        "corrected": apply(text, kept),
        "edits": [_described(request, edit, place) for edit, place in zip(kept, places, strict=True)],
        "confidence": confidence,
        "basis": basis,
    }


def _described(request: TaskRequest, edit: Edit, place: list[int]) -> dict[str, Any]:
    kind = kind_of(request.text, edit)
    said = _EXPLANATIONS[kind]
    return {
        "range": place,
        "original": request.text[edit.start : edit.end],
        "replacement": edit.replacement,
        "kind": kind,
        "severity": "error" if kind in _ERRORS else "suggestion",
        "explanation": said[0] if request.locale == "en" else said[1] if request.locale == "zh-Hans" else said[2],
    }


def _judged(request: TaskRequest, offered: list[Edit]) -> list[Edit]:
    """The edits that are corrections, sentence by sentence: one rewritten beyond `_CHANGED` keeps none of its edits."""
    protected = protected_spans(request)
    kept = deque(edit for edit in offered if _is_correction(request, edit, protected))
    out: list[Edit] = []
    end = 0
    for sentence in sentences(request.text):
        end += len(sentence)
        mine = []
        while kept and (kept[0].start < end or end == len(request.text)):
            mine.append(kept.popleft())
        moved = sum(_moved(request.text[edit.start : edit.end], edit.replacement) for edit in mine)
        if moved <= max(_CHANGED[request.level] * len(sentence), _SMALL):
            out += mine
    return out


def _moved(old: str, new: str) -> float:
    """How many letters an edit really changes."""
    return max(len(old), len(new)) * (1 - likeness(old, new))


def _is_correction(request: TaskRequest, edit: Edit, protected: list[Span]) -> bool:
    text, locale = request.text, request.locale
    old, new = text[edit.start : edit.end], edit.replacement
    kind = kind_of(text, edit)
    if touches(edit.start, edit.end, protected) or (request.level in _LEVELS and kind not in _LEVELS[request.level]):
        return False
    if foreign(new, locale, source=old) or (has_han(new) and locale == "en" and not has_han(old)):
        return False
    facts = kept_in(old, locale)
    if any(piece not in new for piece in facts.numbers) or missing(facts, new) or invented(old, new):
        return False
    if {*_PICTURE.findall(old)} != {*_PICTURE.findall(new)} or _persons(old) != _persons(new):
        return False
    if kind in ("spacing", "punctuation", "capitalization", "repetition"):
        return True
    if locale == "en":
        return _is_english_correction(text, edit, old, new, request.level)
    return _is_chinese_correction(old, new, request.level)


def _persons(text: str) -> set[str]:
    """Who is spoken of: a correction may not make you out of me."""
    return {_PERSONS[word] for word in words(text.casefold()) if word in _PERSONS}


def _is_english_correction(text: str, edit: Edit, old: str, new: str, level: str) -> bool:
    before = [word for word in words(old.casefold()) if word.isalpha() or "'" in word or "’" in word]
    after = [word for word in words(new.casefold()) if word.isalpha() or "'" in word or "’" in word]
    added = [word for word in after if word not in before]
    lost = [word for word in before if word not in after]
    if not added:
        return all(word in _DROPPABLE for word in lost)
    if not lost:
        return level == "style" or all(word in _DROPPABLE or len(word) <= 2 for word in added)
    # A name is not the corrector's business, unless only a letter or two are at stake.
    opens = not text[: edit.start].strip()
    if old[:1].isupper() and not opens and likeness(old, new) < 0.7:
        return False
    if level == "style":
        return len(added) <= len(lost) + 2
    if len(added) == len(lost):
        # Word by word: a letter or two, or one small word for another; never a small word for one with meaning.
        return all(
            likeness(before_, after_) >= _WORD_ALIKE or (before_ in _SMALL_WORDS and after_ in _SMALL_WORDS)
            for before_, after_ in zip(lost, added, strict=True)
        )
    # Words were split or joined ("alot", "can not"), or a small one came or went beside a changed one.
    return abs(len(added) - len(lost)) <= 1 and likeness(old.casefold(), new.casefold()) >= _WORD_ALIKE


def _is_chinese_correction(old: str, new: str, level: str) -> bool:
    if level == "style":
        return True
    if not new:
        return {*old} <= _PARTICLES  # a lost word of any other kind is lost meaning
    if not old:
        return len(new) <= 2
    if (old, new) in _SYNONYMS or (new, old) in _SYNONYMS:
        return False
    return abs(len(new) - len(old)) <= 1 and max(len(new), len(old)) <= 4
