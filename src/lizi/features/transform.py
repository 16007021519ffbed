"""Transform: a text → a typed summary, points, list or table, made of what the text says.

Never lets a number or an address through that the text does not hold, another script, or a line
about something else. The model gives plain lines; they are parsed, checked one by one and clipped
to `max_items` (`basis` is `mixed` when a line fell out). When too little is left it is asked once
more, then the text's own sentences stand in (`basis` is `input`). Invariants: a summary is not
longer than the text; points and items are distinct and not empty; a table is rectangular with at
least one row. Bound: two asks.
"""

from __future__ import annotations

import math
import re
from typing import Any, TypeAlias

from lizi.errors import ResultError
from lizi.features.asking import Answer, Steps, ask, bare, tokens
from lizi.features.kept import invented
from lizi.features.prompts import TRANSFORM, Prompt
from lizi.features.script import foreign, has_han, is_han, to_script
from lizi.features.sentences import clauses, sentences, words
from lizi.wire.tasks import TaskRequest

__all__ = ["VERSION", "plan", "repair"]

VERSION = "1"

Result: TypeAlias = dict[str, Any]

_MAX_ITEMS = 10  # where the caller names none; a short text has no more to say
_LINES = 60  # of an answer that are looked at: three times the most that is given
_COLUMNS = 8  # wider does not fit a device's screen
_FROM_TEXT = {"summary": 0.6, "key_points": 0.6, "list": 0.75, "table": 0.6}
"""The least part of a line's meaningful words that stands in the text; a line about something else is far below."""
_AGAIN = {
    "en": " Use only words from the text.",
    "zh-Hans": "只用原文里的内容，不要解释。",
    "zh-Hant": "只用原文裡的內容，不要解釋。",
    "zh-Hant-HK": "只用原文裡的內容，不要解釋。",
}
_HEADERS = {"en": ("Item", "Details"), "zh-Hans": ("项目", "内容"), "zh-Hant": ("項目", "內容"), "zh-Hant-HK": ("項目", "內容")}
_BULLET = re.compile(r"\A\s*(?:[-*•·–—]+\s+|[-•·]|\(?\d{1,2}(?:[.)](?!\d)|[、）])\s*|#+\s+)")
_MARKUP = re.compile(r"\*\*|__|`")
_RULE = re.compile(r"[\s|:+=-]*")
_SEPARATOR = re.compile(
    r"[、，；]|[,;](?!\d)\s(?:and\s|then\s)?|\sand\s|(?<=[\u4e00-\u9fff ])(?:和|同|及|以及)(?=[\u4e00-\u9fff A-Za-z0-9])"
)
_LEAD = re.compile(r"\A[^:：\n]{1,20}[:：](?!//|\d)\s*")
_MARGIN = 120  # letters for bullets, a header, bars between cells
_COVERED = {"key_points": 0.45, "list": 0.6}
"""The least part of the text's meaningful words that the lines hold together, unless they were clipped."""
_SMALL_WORDS = frozenset({"the", "and", "then", "you", "your", "our", "for", "are", "was", "has", "have", "with", "this", "that", "will"})
_WEIGHED = 60  # sentences that are compared with each other; what matters stands early
_END = " \t\r\n。．.；;，,、"


def plan(request: TaskRequest, model: str) -> Steps:
    """Ask for lines; once more when too few of them hold; then the text itself."""
    text, shape = request.text, request.to
    prompt = TRANSFORM[request.locale][shape]
    # Lines repeat the text with marks between; a table adds a header and separators.
    ceiling = tokens(text) + 160
    answer = yield ask(model, prompt, text, max_output_tokens=ceiling)
    found = _read(request, answer) if answer.finish != "length" else None
    if found is not None:
        return {**found, "confidence": 0.9 if found["basis"] == "model" else 0.6}
    again = Prompt(prompt.system + _AGAIN[request.locale], prompt.shots, prompt.opening)
    answer = yield ask(model, again, text, max_output_tokens=ceiling, repairs=True)
    found = _read(request, answer)
    if found is not None:
        return {**found, "confidence": 0.7 if found["basis"] == "model" else 0.5}
    return {**_from_text(request), "confidence": 0.3, "basis": "input"}


def repair(request: TaskRequest) -> str:
    """What the second ask has beside the first one's words."""
    return _AGAIN[request.locale]


def _read(request: TaskRequest, answer: Answer) -> Result | None:
    """The answer as a typed result, or `None` when too little of it holds."""
    said = to_script(bare(answer, request.text, len(request.text) + _MARGIN), request.locale, source=request.text)
    if request.to == "summary":
        return _summary(request, said)
    if request.to == "table":
        return _table(request, said)
    lines = [_item(line) for line in said.split("\n")]
    if request.to == "list" and len(lines) == 1:
        lines = [_item(part) for part in _SEPARATOR.split(lines[0])]
    whole = _meaningful(request.text, request.locale)
    held = [line for line in lines[:_LINES] if _holds(request, whole, line)]
    dropped = len(held) < sum(map(bool, lines))
    kept = _distinct(held)[: _most(request)]
    clipped = len(kept) == _most(request)
    if kept and not clipped and _covered(request, whole, kept) < _COVERED[request.to]:
        return None
    # One line out of a text of several sentences is no list of its points.
    if not kept or (len(kept) < 2 and _most(request) > 1 and len(clauses(request.text)) > 1):
        return None
    return {"points" if request.to == "key_points" else "items": kept, "basis": "mixed" if dropped else "model"}


def _most(request: TaskRequest) -> int:
    return request.max_items or _MAX_ITEMS


def _item(line: str) -> str:
    return _MARKUP.sub("", _BULLET.sub("", line)).strip().rstrip(_END)


def _distinct(items: list[str]) -> list[str]:
    seen: dict[str, str] = {}
    for item in items:
        seen.setdefault(item.casefold(), item)
    return list(seen.values())


def _holds(request: TaskRequest, whole: set[str], line: str) -> bool:
    """Whether the text says this line: its numbers, its script, most of its words, and not more than it."""
    text, locale = request.text, request.locale
    if not line or len(line) > len(text) or invented(text, line) or foreign(line, locale, source=text):
        return False
    mine = _meaningful(line, locale)
    if not mine:
        return bool(line.strip("|-: ")) and line.casefold() in text.casefold()
    if locale != "en" and has_han(text) and not has_han(line) and line not in text:
        return False
    return len(mine & whole) >= _FROM_TEXT[request.to] * len(mine)


def _covered(request: TaskRequest, whole: set[str], lines: list[str]) -> float:
    return len(whole & _meaningful("\n".join(lines), request.locale)) / len(whole) if whole else 1.0


def _meaningful(text: str, locale: str) -> set[str]:
    if locale == "en":
        return {word[:4] for word in words(text.casefold()) if word.isalnum() and len(word) > 2 and word not in _SMALL_WORDS}
    return {character for character in text if is_han(character)} | {
        word for word in words(text.casefold()) if word.isascii() and word.isalnum()
    }


# --- summary ---------------------------------------------------------------------------------


def _summary(request: TaskRequest, said: str) -> Result | None:
    line = _MARKUP.sub("", " ".join(_BULLET.sub("", part) for part in said.split("\n") if part.strip())).strip()
    limit = min(len(request.text), request.max_chars or len(request.text))
    if len(line) > limit:
        line = _first_that_fit(sentences(line), limit)
    # Repeating the whole text is not summing it up.
    if not line or line == request.text.strip() or not _holds(request, _meaningful(request.text, request.locale), line):
        return None
    return {"summary": line, "basis": "model"}


def _first_that_fit(pieces: list[str], limit: int) -> str:
    out = ""
    for piece in pieces:
        if len((out + piece).rstrip()) > limit:
            break
        out += piece
    return out.strip()


# --- table -----------------------------------------------------------------------------------


def _table(request: TaskRequest, said: str) -> Result | None:
    """Pipe rows → a rectangle. The header is the model's own words; every cell under it must hold."""
    rows = [
        [_MARKUP.sub("", cell).strip() for cell in line.strip().strip("|").split("|")]
        for line in said.split("\n")
        if "|" in line and not _RULE.fullmatch(line)
    ]
    if len(rows) < 2 or not 1 < len(rows[0]) <= _COLUMNS:
        return None
    if len(rows[0]) == 2 and any(re.search(r"\d", cell) for cell in rows[0]):
        rows.insert(0, list(_HEADERS[request.locale]))  # the model began with its first row
    columns = rows[0]
    if not all(columns) or len(set(columns)) < len(columns) or foreign("".join(columns), request.locale, source=request.text):
        return None
    if invented(request.text, " ".join(columns)) or (has_han(request.text) and not all(map(has_han, columns))):
        return None
    body: dict[tuple[str, ...], list[str]] = {}
    dropped = False
    whole = _meaningful(request.text, request.locale)
    for row in rows[1 : _LINES + 1]:
        if len(row) == len(columns) and any(row) and all(not cell or _holds(request, whole, cell) for cell in row):
            body.setdefault(tuple(row), row)
        else:
            dropped = True
    kept = list(body.values())[: _most(request)]
    # Half of the model's rows or more fell out: what is left misrepresents the text.
    if not kept or 2 * len(kept) < min(len(rows) - 1, _most(request)):
        return None
    return {"columns": columns, "rows": kept, "basis": "mixed" if dropped else "model"}


# --- the text itself -------------------------------------------------------------------------


def _plain_lines(text: str) -> list[str]:
    return [line for line in (_item(part) for part in text.split("\n")) if line]


def _from_text(request: TaskRequest) -> Result:
    """A result made of the text's own pieces: dull, but nothing in it is made up."""
    lines = _plain_lines(request.text)
    # A text of nothing but marks has no line of its own: it is its own only line.
    pieces = _distinct([_item(piece) for line in lines for piece in sentences(line) if _item(piece)]) or [request.text.strip()]
    most = _most(request)
    if request.to == "summary":
        return {"summary": _extract(request, [piece.strip() for line in lines for piece in sentences(line) if piece.strip()])}
    if request.to == "key_points":
        return {"points": pieces[:most]}
    if request.to == "list":
        parts = [part.strip(_END) for line in lines for piece in sentences(line) for part in _SEPARATOR.split(_LEAD.sub("", piece))]
        return {"items": _distinct([part for part in parts if part])[:most] or pieces[:most]}
    if len(pieces) == 1:
        parts = [part.strip(_END) for part in _SEPARATOR.split(_LEAD.sub("", pieces[0]))]
        pieces = _distinct([part for part in parts if part]) or pieces
    rows = [_two(piece) for piece in pieces][:most]
    return {"columns": list(_HEADERS[request.locale]), "rows": rows}


def _two(piece: str) -> list[str]:
    """A piece as subject and rest: at its colon or first comma, else before its last number, else with nothing beside it."""
    match = re.search(r"[:：](?!//|\d)\s*|[，,](?!\d)\s*", piece)
    if match is not None and piece[match.end() :].strip():
        return [piece[: match.start()].strip(), piece[match.end() :].strip()]
    last = re.search(r"\A(.*[^\d.,:$€£¥/-])([$€£¥]?\d.*)\Z", piece, re.DOTALL)
    return [last[1].strip(), last[2].strip()] if last and last[1].strip() else [piece, ""]


def _extract(request: TaskRequest, pieces: list[str]) -> str:
    """The sentence that shares most words with the others; in a text of one sentence, its first clauses."""
    limit = min(len(request.text), request.max_chars or len(request.text))
    fitting = [piece for piece in pieces[:_WEIGHED] if len(piece) <= limit]
    if not fitting:
        short = _first_that_fit(clauses(request.text), limit).rstrip(_END)
        if not short and request.max_chars is None:
            return request.text.strip()  # nothing but marks
        if not short:
            raise ResultError(
                "No part of the text fits `options.max_chars`.", code="result_check_failed", hint="Raise `options.max_chars`."
            )
        return short
    meanings = {piece: _meaningful(piece, request.locale) for piece in fitting}
    whole = [_meaningful(piece, request.locale) for piece in pieces[:_WEIGHED]]

    def weight(piece: str) -> float:
        mine = meanings[piece]
        return sum(len(mine & other) for other in whole) / math.sqrt(len(mine) or 1)

    return max(fitting, key=weight)  # the first of equals: what comes first weighs most
