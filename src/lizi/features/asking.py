"""How a feature asks: one closed chat request, and the model's bare words out of its answer.

Never keeps an answer that was cut off, refused or empty: those are typed errors. Invariant: a
request always has a token ceiling that follows from its input. Bound: linear in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import Any, TypeAlias

from msgspec import Struct

from lizi.errors import PartnerError, ResultError
from lizi.features.prompts import Prompt
from lizi.types import ChatRequest, FinishReason
from lizi.wire.tasks import TaskRequest

__all__ = ["Answer", "Feature", "Steps", "ask", "bare", "tokens"]


class Answer(Struct, frozen=True, kw_only=True):
    """What one ask of a plan brought back."""

    text: str
    finish: FinishReason | None
    """Why the model stopped; `None` when it did not get that far."""
    fault: str | None
    """Canonical class of the partner's failure (partners.md §3.4) that the plan may react to; `None` when it answered."""


Steps: TypeAlias = Generator[ChatRequest, Answer, dict[str, Any]]


class Feature(Struct, frozen=True, kw_only=True):
    """A task: `plan(request, model)` yields chat requests, is sent answers, returns the result or raises."""

    version: str
    """Of its prompts and its checker together."""
    plan: Callable[[TaskRequest, str], Steps]
    repair: Callable[[TaskRequest], str]
    """The most words that an ask which repairs has beside those of the plan's first: with `asks` what a reservation has to cover."""
    asks: Callable[[TaskRequest], int] = lambda request: 1
    """How many answers of a plan may count, repaired ones once."""


_FENCE = re.compile(r"\A```[\w-]*\n(.*?)\n?```\Z", re.DOTALL)
_PREAMBLE = re.compile(
    r"\A(?:(?:sure|certainly|of course|okay|ok)[,!.:]?\s*)?"
    r"(?:here(?:'s| is| are)\b[^\n:]{0,80}:|(?:the )?(?:corrected|rewritten|revised|new|shorter)(?: \w+){0,3}:"
    r"|(?:summary|key points|list|table|answer|output|text|rewrite):"
    r"|(?:好的|当然|當然)[，,。！!]?[^\n:：]{0,40}[:：]|(?:以下|下面|改正|改写|改寫|修改|校对|校對|输出|輸出|概括|摘要|总结|總結|要点|重點|清单|清單|文字|答案)[^\n:：，。]{0,20}[:：])\s*",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "“": "”", "「": "」", "'": "'", "『": "』", "‘": "’"}


def tokens(text: str) -> int:
    """A generous count for the ceiling: Latin text takes a token per three letters, any other character up to two."""
    wide = sum(character >= "\u2e80" for character in text)
    return (len(text) - wide) // 3 + wide * 2 + 1


def ask(
    model: str,
    prompt: Prompt,
    text: str,
    *,
    max_output_tokens: int,
    temperature: float = 0.0,
    seed: int | None = None,
    repairs: bool = False,
) -> ChatRequest:
    """One request: the instruction, its examples as earlier turns, the text as the last one."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": prompt.system}] if prompt.system else []
    for shown, ideal in prompt.shots:
        messages += [{"role": "user", "content": prompt.opening + shown}, {"role": "assistant", "content": ideal}]
    messages.append({"role": "user", "content": prompt.opening + text})
    return ChatRequest(
        model=model, messages=messages, max_output_tokens=max_output_tokens, temperature=temperature, seed=seed, repairs=repairs
    )


def bare(answer: Answer, source: str, longest: int) -> str:
    """The answer's own words: no fence, no opening phrase, no quotes around the whole, unless `source` has them too.

    Raises `PartnerError` when the partner could not take the request, `ResultError` when the
    answer was refused (`refused`) or cut off (`output_truncated`). An answer that ran past
    `longest`, the most letters that a right one can have, was not cut off before its end but
    is none at all: it comes back empty, like an empty one.
    """
    if answer.fault is not None:
        raise PartnerError("This feature is not available right now.", code="upstream_failed", internal=answer.fault)
    if answer.finish == "content_filter":
        raise ResultError("The text was not processed.", code="refused", hint="Change the text and try again.")
    if answer.finish == "length" and len(answer.text) > longest:
        return ""
    if answer.finish != "stop":
        raise ResultError("The result was cut off before its end.", code="output_truncated", hint="Send a shorter text.")
    text = answer.text.strip()
    fenced = _FENCE.match(text)
    if fenced and not source.lstrip().startswith("```"):
        text = fenced[1].strip()
    opening = _PREAMBLE.match(text)
    if opening and not _PREAMBLE.match(source):
        text = text[opening.end() :].strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in source[:1]:
        text = text[1:-1].strip()
    return text
