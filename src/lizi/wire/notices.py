"""`GET /v1/notices`: its question, from query and header, and its answer in one of three languages.

Never answers in a language that was not asked for while it has the one that was. Standards followed: RFC 9110 §12.5.4
(`Accept-Language`), RFC 5646 for tags. Bound: linear in the header, of which 16 ranges are read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from lizi.errors import InvalidRequest
from lizi.wire.locales import LOCALES, resolve_locale

__all__ = ["Language", "NoticeRow", "NoticesQuestion", "notices_body", "read_question"]

Language: TypeAlias = Literal["zh-Hans", "zh-Hant", "en"]

_RANGES = 16
"""Browsers send a handful; whoever sends more has said enough by then."""
_WEIGHT = re.compile(r"\s*;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE)
_AT_HOME: dict[str, Language] = {"CN": "zh-Hans", "HK": "zh-Hant", "MO": "zh-Hant", "TW": "zh-Hant"}
"""Whoever names no language is answered in the market's own: a notice that its readers can't read is none."""
_TEXT: dict[Language, str] = {
    "zh-Hans": "此功能使用已备案的模型：{name}，备案号：{number}。",
    "zh-Hant": "此功能使用已備案的模型：{name}，備案號：{number}。",
    "en": "This feature uses a registered model: {name}, registration number {number}.",
}


class NoticesQuestion(Struct, frozen=True, kw_only=True):
    """Which market's notices, in which language."""

    market: str
    language: Language


class NoticeRow(Struct, frozen=True, kw_only=True):
    """One filed model as it is shown."""

    models: Sequence[str]
    features: Sequence[str]
    name: str
    number: str
    filed_on: date | None
    authority: str | None


def read_question(pairs: Iterable[tuple[str, str]], accept_language: str, market: str, known: Collection[str]) -> NoticesQuestion:
    """The question in a decoded query; `market` is what the key's plan says, for a query that names none.

    Raises `InvalidRequest`: `unknown_field`, `invalid_request` (twice the same, no market), `unsupported_market`, `unsupported_locale`.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in ("market", "locale"):
            hint = "There are: market, locale."
            raise InvalidRequest("There is no such parameter here.", code="unknown_field", param=name[:64], hint=hint)
        if name in found:
            raise InvalidRequest(f"'{name}' is there twice.", code="invalid_request", param=name)
        found[name] = value
    market = found.get("market", market)
    if not market:
        raise InvalidRequest("Which market?", code="invalid_request", param="market", hint="Add ?market=…, or give the key's plan one.")
    if market not in known:
        raise InvalidRequest(
            "market: there are no notices for this market; there are for " + (", ".join(sorted(known)) or "none"),
            code="unsupported_market",
            param="market",
            extra={"markets": sorted(known)},
        )
    if "locale" in found:
        language = _language(found["locale"])
    else:
        language = _accepted(accept_language) or _AT_HOME.get(market, "en")
    return NoticesQuestion(market=market, language=language)


def _language(tag: str) -> Language:
    """Hong Kong's notice is the one in traditional script. Raises `InvalidRequest` (`unsupported_locale`)."""
    locale = resolve_locale(tag, LOCALES)
    return "zh-Hant" if locale == "zh-Hant-HK" else locale


def _accepted(header: str) -> Language | None:
    """The language that a client likes best of those that there are; the first of equals."""
    best: Language | None = None
    highest = 0.0
    for part in header.split(",")[:_RANGES]:
        tag, mark, _ = part.partition(";")
        weight = _WEIGHT.fullmatch(part[len(tag) :]) if mark else None
        quality = (float(weight[1]) if weight is not None else 0.0) if mark else 1.0
        if quality > highest:
            try:
                best, highest = _language(tag.strip()), quality
            except InvalidRequest:  # a language that is not there: the next one may be
                continue
    return best


def notices_body(question: NoticesQuestion, rows: Iterable[NoticeRow]) -> bytes:
    """The answer, with a sentence for each model that can be shown as it stands."""
    shown = [
        {
            "features": list(row.features),
            "models": list(row.models),
            "name": row.name,
            "number": row.number,
            "filed_on": row.filed_on,
            "authority": row.authority,
            "text": _TEXT[question.language].format(name=row.name, number=row.number),
        }
        for row in rows
    ]
    return msgspec.json.encode({"market": question.market, "locale": question.language, "notices": shown})
