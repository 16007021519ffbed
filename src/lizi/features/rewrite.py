"""Rewrite: the model gives a new wording, and what it had to keep is checked.

Never returns a candidate that lost or made up a number, an address, a known name, code or a
protected range, left the locale's script, or talks instead of rewriting. What fails is asked
for once more with the losses named; what fails again is put together from the sentences that
hold, the writer's own where none do (`basis`). Emoji are asked for alone and set behind the
writer's own words. Bound: two asks a candidate, six in all; a text grows to at most
three times its length and 200 characters, a concise one not at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator
from typing import Any

from lizi.errors import ResultError
from lizi.features.asking import Answer, Steps, ask, bare, tokens
from lizi.features.kept import Kept, invented, kept_in, missing
from lizi.features.prompts import REWRITE, Prompt
from lizi.features.ranges import protected_texts
from lizi.features.script import foreign, has_han, is_han, to_script
from lizi.features.sentences import sentences, words
from lizi.types import ChatRequest
from lizi.wire.tasks import TaskRequest

__all__ = ["VERSION", "plan", "repair"]

VERSION = "1"

_CUSTOM = {
    "en": "{instruction}\n\n{text}",
    "zh-Hans": "要求：{instruction}\n文字：{text}",
    "zh-Hant": "要求：{instruction}\n文字：{text}",
    "zh-Hant-HK": "要求：{instruction}\n文字：{text}",
}
_KEEP = {
    "en": " Your text must hold exactly: {pieces}. Answer with the new text only.",
    "zh-Hans": "必须原样包含：{pieces}。只输出改写后的文字，不要解释。",
    "zh-Hant": "必須原樣包含：{pieces}。只輸出改寫後的文字，不要解釋。",
    "zh-Hant-HK": "必須原樣包含：{pieces}。只輸出改寫後的文字，不要解釋。",
}
_AGAIN = {
    "en": " Answer with the new text only.",
    "zh-Hans": "不要解释，不要回答。",
    "zh-Hant": "不要解釋，不要回答。",
    "zh-Hant-HK": "不要解釋，不要回答。",
}
_SHARED = {"friendly": 0.3, "professional": 0.25, "concise": 0.3, "elaborate": 0.45, "rephrase": 0.25, "custom": 0.2}
"""The least part of the source's meaningful words (Chinese: characters) that its rewriting holds; talk about other things is below 0.2."""
_GROWTH = {"concise": 1.0, "elaborate": 3.0}
_GROWTH_ELSE = 2.0
_ALLOWANCE = {"concise": 0, "elaborate": 200}
_ALLOWANCE_ELSE = 60  # "Could you please …, thank you" around one word
_EMOJI = re.compile(
    "(?:[\U0001f1e6-\U0001f1ff]{2}|[\u2600-\u27bf\u2b50\u2b55\u231a\u231b\u23e9-\u23f3\U0001f300-\U0001faff][\U0001f3fb-\U0001f3ff\ufe0f]*"
    "(?:\u200d[\u2640\u2642\U0001f300-\U0001faff\u2600-\u27bf]\ufe0f?)*)"
)
_EMOJIS = 3  # a row of them says no more than two do
_PLAIN_EMOJI = "✨"
_VARIETY = 0.8
"""Temperature of the second and third candidate; the first is the likeliest text."""


def plan(request: TaskRequest, model: str) -> Steps:
    """One candidate after another, each asked for at most twice; equal ones are given once."""
    found: dict[str, dict[str, Any]] = {}
    for number in range(request.candidates):
        if request.style == "emojify":
            text, basis, confidence = yield from _emojify(request, model, number)
        else:
            text, basis, confidence = yield from _candidate(request, model, number)
        found.setdefault(text, {"text": text, "style": request.style, "confidence": confidence, "basis": basis})
    # The writer's own words are a candidate only when there is no other.
    best = [candidate for candidate in found.values() if candidate["basis"] != "input"] or list(found.values())[:1]
    if request.max_chars is not None and any(len(candidate["text"]) > request.max_chars for candidate in best):
        raise ResultError(
            "The text could not be brought under `options.max_chars`.", code="result_check_failed", hint="Raise `options.max_chars`."
        )
    return {"candidates": sorted(best, key=lambda candidate: -candidate["confidence"])}


def repair(request: TaskRequest) -> str:
    """What a second ask has beside the first one's words: the pieces to keep, named again; that for emoji has fewer words."""
    if request.style == "emojify":
        return ""
    return _more(request, kept_in(request.text, request.locale, extra=protected_texts(request)))


def _more(request: TaskRequest, kept: Kept) -> str:
    pieces = (*kept.numbers, *kept.addresses, *kept.names, *kept.exact)
    return _KEEP[request.locale].format(pieces=", ".join(pieces)) if pieces else _AGAIN[request.locale]


def _candidate(request: TaskRequest, model: str, number: int) -> Generator[ChatRequest, Answer, tuple[str, str, float]]:
    text, locale = request.text, request.locale
    prompt = REWRITE[locale][request.style]
    kept = kept_in(text, locale, extra=protected_texts(request))
    put = _CUSTOM[locale].format(instruction=request.instruction, text=text) if request.style == "custom" else text
    ceiling = int(tokens(text) * _growth(request)) + 64
    temperature, seed = (0.0, None) if number == 0 else (_VARIETY, number)
    answer = yield ask(model, prompt, put, max_output_tokens=ceiling, temperature=temperature, seed=seed)
    first = _version(answer, request) if answer.finish != "length" else ""
    if not _judge(request, kept, first):
        return first, "model", 0.9 if number == 0 else 0.7
    answer = yield ask(
        model,
        Prompt(prompt.system + _more(request, kept), prompt.shots, prompt.opening),
        put,
        max_output_tokens=ceiling,
        repairs=True,
        temperature=temperature,
        seed=seed,
    )
    second = _version(answer, request)
    if not _judge(request, kept, second):
        return second, "model", 0.7
    return _put_together(request, kept, (second, first))


def _growth(request: TaskRequest) -> float:
    return _GROWTH.get(request.style, _GROWTH_ELSE)


def _limit(request: TaskRequest, source: str) -> int:
    """The most letters that a rewriting of `source` may have."""
    return int(len(source) * _growth(request)) + _ALLOWANCE.get(request.style, _ALLOWANCE_ELSE)


def _version(answer: Answer, request: TaskRequest) -> str:
    text = request.text.strip()
    said = bare(answer, text, _limit(request, text))
    if "\n" not in text:
        said = said.split("\n\n")[0].strip()  # a note about the rewriting, not the rewriting
        said = " ".join(said.split("\n")) if request.locale == "en" else said.replace("\n", "")
    return to_script(said, request.locale, source=text)


def _judge(request: TaskRequest, kept: Kept, said: str, *, source: str | None = None) -> list[str]:
    """What is wrong with `said` as a rewriting of `source` (the whole text, or one sentence of it)."""
    source = request.text if source is None else source
    faults = []
    if not said:
        faults.append("empty")
    if said.strip() == source.strip():
        faults.append("unchanged")
    if missing(kept, said):
        faults.append("lost")
    if invented(source + " " + request.instruction, said):
        faults.append("invented")
    if foreign(said, request.locale, source=source) or _wrong_language(request.locale, source, said):
        faults.append("script")
    if len(said) > _limit(request, source):
        faults.append("long")
    if request.max_chars is not None and len(said) > request.max_chars:
        faults.append("long")
    if _shared(source, said, request.locale) < _SHARED[request.style] or (_ASSISTANT.search(said) and not _ASSISTANT.search(source)):
        faults.append("talk")
    if _repeats(said) > max(2, _repeats(source)):
        faults.append("loop")
    return faults


def _wrong_language(locale: str, source: str, said: str) -> bool:
    """Chinese answered in English: fewer Chinese characters than half of what the source's share would give."""
    if locale == "en" or not has_han(source):
        return False
    share = sum(map(is_han, source)) / len(source)
    return sum(map(is_han, said)) < 0.5 * share * len(said)


def _shared(source: str, said: str, locale: str) -> float:
    """The part of the source's meaningful words that `said` holds, by their first letters; 1 when it has none."""
    before, after = _meaningful(source, locale), _meaningful(said, locale)
    return len(before & after) / len(before) if before else 1.0


def _meaningful(text: str, locale: str) -> set[str]:
    if locale == "en":
        return {word[:5] for word in words(text.casefold()) if word.isalpha() and len(word) > 3} or set(words(text.casefold()))
    return {character for character in text if is_han(character) and character not in _EMPTY_HAN}


_ASSISTANT = re.compile(
    r"\b(?:unable to|as an? (?:text-based )?ai|language model|assist you|sorry for your loss|how can i help)\b"
    r"|作为(?:一个|一名)?(?:AI|人工智能)|作為(?:一個|一名)?(?:AI|人工智慧)|语言模型|語言模型|无法提供|無法提供",
    re.IGNORECASE,
)
"""A model speaking as an assistant to the writer, instead of for the writer."""
_EMPTY_HAN = frozenset("的了是在我你他她它们們这那這個个和与與就都也很有不把给給請请您吧呢啊哦喔嘅咗係喺呀啦")


def _repeats(text: str) -> int:
    """How often the most repeated sentence or clause stands there: small models go in circles."""
    pieces = [piece.strip(" ,，。.!！") for piece in re.split(r"(?<=[,，。.!！?？\n])", text) if len(piece.strip()) > 3]
    return max(Counter(pieces).values(), default=0)


def _put_together(request: TaskRequest, kept: Kept, versions: tuple[str, ...]) -> tuple[str, str, float]:
    """Sentence by sentence, the first version that holds on its own; the writer's sentence where none does."""
    source = sentences(request.text)
    extra = protected_texts(request)
    pieces, changed = list(source), 0
    for version in versions:
        said = sentences(version)
        if len(said) != len(source) or len(source) == 1:
            continue
        for index, (old, new) in enumerate(zip(source, said, strict=True)):
            mine = kept_in(old, request.locale, extra=[text for text in extra if text in old])
            if pieces[index] == old and new.strip() != old.strip() and not _judge(request, mine, new.strip(), source=old.strip()):
                pieces[index] = new.rstrip() + old[len(old.rstrip()) :]
                changed += 1
    text = "".join(pieces).strip()
    if changed and not _judge(request, kept, text):
        return text, "mixed", 0.5
    return request.text, "input", 0.1


# --- emoji -----------------------------------------------------------------------------------


def _emojify(request: TaskRequest, model: str, number: int) -> Generator[ChatRequest, Answer, tuple[str, str, float]]:
    """Ask for emoji alone; the text's own words are never in the model's hands."""
    prompt = REWRITE[request.locale]["emojify"]
    temperature, seed = (0.0, None) if number == 0 else (_VARIETY, number)
    answer = yield ask(model, prompt, request.text, max_output_tokens=32, temperature=temperature, seed=seed)
    found = _EMOJI.findall(answer.text)
    if not found:
        if answer.finish == "stop" or answer.fault is not None:
            bare(answer, request.text, 0)  # a fault of the partner is not for us to mend
        answer = yield ask(
            model,
            Prompt(prompt.system, prompt.shots[:2]),
            request.text,
            max_output_tokens=32,
            repairs=True,
            temperature=temperature,
            seed=seed,
        )
        found = _EMOJI.findall(answer.text)
    if not found and answer.fault is not None:
        bare(answer, request.text, 0)
    chosen = list(dict.fromkeys(found))[:_EMOJIS]
    body = request.text.rstrip()
    end = request.text[len(body) :]
    return f"{body} {''.join(chosen) or _PLAIN_EMOJI}{end}", "model" if chosen else "mixed", 0.8 if chosen else 0.2
