"""BCP-47 tags → the four locales that features are written for; refuses rather than guess a script.

Never answers in another script than the one asked for: a tag that names a script or region
which has no locale of its own is refused with the list of what is offered. Standard followed:
RFC 5646 §2.1 (language, script and region subtags; variants and extensions are let through).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, TypeAlias

from lizi.errors import InvalidRequest

__all__ = ["LOCALES", "Locale", "resolve_locale"]

Locale: TypeAlias = Literal["en", "zh-Hans", "zh-Hant", "zh-Hant-HK"]

LOCALES: tuple[Locale, ...] = ("en", "zh-Hans", "zh-Hant", "zh-Hant-HK")

_TAG = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|\d{3}))?((?:-[a-z0-9]{1,8})*)", re.IGNORECASE)
_LENGTH = 35  # RFC 5646 §4.4.1: room for every tag that needs no extension
_HONG_KONG = frozenset({"HK", "MO"})  # Macao writes as Hong Kong does


def resolve_locale(tag: str, offered: Collection[str]) -> Locale:
    """The locale for `tag`; it must be among `offered`. Raises `InvalidRequest` (`unsupported_locale`)."""
    matched = _TAG.fullmatch(tag) if len(tag) <= _LENGTH else None
    found = _match(matched[1].lower(), (matched[2] or "").title(), (matched[3] or "").upper()) if matched else None
    if found is None or found not in offered:
        names = sorted(offered)
        raise InvalidRequest(
            "locale: this language is not offered for this feature; offered are " + (", ".join(names) or "none"),
            code="unsupported_locale",
            param="locale",
            extra={"locales": names},
        )
    return found


def _match(language: str, script: str, region: str) -> Locale | None:
    if language == "en":
        return "en" if script in ("", "Latn") else None
    if language == "yue":
        return "zh-Hant-HK" if script in ("", "Hant") else None
    if language not in ("zh", "cmn"):
        return None
    if script == "Hant" or (script == "" and region in (*_HONG_KONG, "TW")):
        return "zh-Hant-HK" if region in _HONG_KONG else "zh-Hant"
    return "zh-Hans" if script in ("", "Hans") else None
