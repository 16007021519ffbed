"""A partner's rate headers → `LimitHint`, by the names that its record gives (`Facts.rate_headers`).

Never raises: what can't be read was not said. A reset comes in five forms: seconds (`59.7`), a duration (`6m0s`, `20ms`: OpenAI,
*Rate limits in headers*), a time (RFC 3339: Anthropic, *Rate limits*, response headers), and Unix time in seconds or milliseconds.
Bound: 40 characters of each header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from math import isfinite

from lizi.types import LimitHint

__all__ = ["rates"]

_CHARACTERS = 40
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS_S = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_UNIX_S = 1e9
"""A number above it is a time and no duration: September 2001, or 31 years."""
_UNIX_MS = 1e12


def rates(headers: Mapping[str, str], names: Mapping[str, str], now: float) -> LimitHint | None:
    """What a reply's `headers` (names in lower case) say is left; `None` when they say nothing. `now` is Unix time."""

    def said(part: str) -> str:
        return headers.get(names.get(part, ""), "").strip()[:_CHARACTERS]

    hint = LimitHint(
        requests_limit=_count(said("requests_limit")),
        requests_remaining=_count(said("requests_remaining")),
        requests_reset_s=_reset_s(said("requests_reset"), now),
        tokens_limit=_count(said("tokens_limit")),
        tokens_remaining=_count(said("tokens_remaining")),
        tokens_reset_s=_reset_s(said("tokens_reset"), now),
    )
    return None if hint.requests_remaining is None and hint.tokens_remaining is None else hint


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _reset_s(text: str, now: float) -> float | None:
    """Seconds from now."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        if not isfinite(number):
            return None
        number = number / 1000 if number > _UNIX_MS else number
        return max(0.0, number - now if number > _UNIX_S else number)
    match = _DURATION.fullmatch(text)
    if match is not None:
        return sum(float(amount) * unit for amount, unit in zip(match.groups(), _UNITS_S, strict=True) if amount)
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return max(0.0, at.timestamp() - now) if at.tzinfo is not None else None
