"""Rate headers: five ways to say when a limit is back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.dialects.rates import rates
from lizi.types import LimitHint

NOW = 1_790_000_000.0
NAMES = {f"{kind}_{part}": f"x-ratelimit-{part}-{kind}" for kind in ("requests", "tokens") for part in ("limit", "remaining", "reset")}


def reset(text: str) -> float | None:
    hint = rates({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": text}, NAMES, NOW)
    assert hint is not None
    return hint.requests_reset_s


def test_headers_are_read_by_the_names_of_the_record() -> None:
    headers = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert rates(headers, NAMES, NOW) == LimitHint(
        requests_limit=500,
        requests_remaining=499,
        requests_reset_s=pytest.approx(0.12),
        tokens_limit=30_000,
        tokens_remaining=0,
        tokens_reset_s=360.0,
    )
    assert rates(headers, {}, NOW) is None
    assert rates({}, NAMES, NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("59.7", 59.7),
        ("1s", 1.0),
        ("1m30.5s", 90.5),
        ("2h3m", 7_380.0),
        ("1d", 86_400.0),
        ("7ms", 0.007),
        ("2026-09-21T14:13:20Z", 0.0),
        ("2026-09-21T14:14:20+00:00", 60.0),
        ("1790000012", 12.0),
        ("1790000012500", 12.5),
        ("-5", 0.0),
        ("nan", None),
        ("soon", None),
        ("2026-09-21T14:14:20", None),
        ("", None),
    ],
)
def test_a_reset_is_understood_in_each_of_its_forms(text: str, seconds: float | None) -> None:
    assert reset(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("text", ["", "-1", "many", "1e3", "１２", " "])
def test_a_count_that_is_none_was_not_said(text: str) -> None:
    assert rates({"x-ratelimit-remaining-requests": text}, NAMES, NOW) is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_that_a_partner_sends_breaks_it(count: str, when: str) -> None:
    hint = rates({"x-ratelimit-remaining-tokens": count, "x-ratelimit-reset-tokens": when}, NAMES, NOW)
    if hint is not None:
        assert hint.tokens_remaining is not None
        assert hint.tokens_remaining >= 0
        assert hint.tokens_reset_s is None or hint.tokens_reset_s >= 0.0
