"""`GET /v1/notices` on the wire: market and language as asked, refused where they are not there."""

from __future__ import annotations

import json
from datetime import date

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.errors import InvalidRequest
from lizi.wire.notices import NoticeRow, NoticesQuestion, notices_body, read_question
from lizi.wire.openapi import document

KNOWN = frozenset({"CN", "EU", "HK"})


def language(accept: str = "", *, locale: str | None = None, market: str = "CN") -> str:
    pairs = [("market", market)] + ([("locale", locale)] if locale is not None else [])
    return read_question(pairs, accept, "", KNOWN).language


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("", "zh-Hans"),
        ("en", "en"),
        ("zh-TW", "zh-Hant"),
        ("zh-HK, en;q=0.9", "zh-Hant"),
        ("zh-CN", "zh-Hans"),
        ("fr, de;q=0.9, en;q=0.1", "en"),
        ("en;q=0.3, zh-Hant;q=0.8", "zh-Hant"),
        ("en ; q=0.5 , zh-TW;Q=1.000", "zh-Hant"),
        ("en;q=0, fr", "zh-Hans"),
        ("en;q=5, zh-Hant;q=0.1", "zh-Hant"),
        ("*", "zh-Hans"),
        (", ".join(["fr"] * 16 + ["en"]), "zh-Hans"),
    ],
)
def test_the_language_is_what_the_client_likes_best_of_those_that_there_are(accept: str, answered: str) -> None:
    assert language(accept) == answered


def test_who_names_no_language_gets_the_markets_own() -> None:
    assert [language(market=market) for market in ("CN", "HK", "EU")] == ["zh-Hans", "zh-Hant", "en"]


def test_a_locale_in_the_query_goes_before_the_header_and_is_refused_where_it_is_not_there() -> None:
    assert language("en", locale="zh-Hant-HK") == "zh-Hant"
    with pytest.raises(InvalidRequest) as caught:
        language("en", locale="fr")
    assert caught.value.code == "unsupported_locale"


@given(st.text(max_size=80))
def test_no_header_breaks_it(accept: str) -> None:
    assert language(accept) in ("zh-Hans", "zh-Hant", "en")


@pytest.mark.parametrize(
    ("pairs", "code", "param"),
    [
        ([("market", "XX")], "unsupported_market", "market"),
        ([("market", "cn")], "unsupported_market", "market"),
        ([], "invalid_request", "market"),
        ([("market", "")], "invalid_request", "market"),
        ([("market", "CN"), ("market", "CN")], "invalid_request", "market"),
        ([("market", "CN"), ("region", "cn")], "unknown_field", "region"),
    ],
)
def test_what_is_no_question_is_a_typed_400(pairs: list[tuple[str, str]], code: str, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_question(pairs, "", "", KNOWN)
    assert (caught.value.code, caught.value.param, caught.value.status) == (code, param, 400)


def test_a_query_without_a_market_means_the_keys_own() -> None:
    assert read_question([], "", "HK", KNOWN).market == "HK"
    assert read_question([("market", "CN")], "", "HK", KNOWN).market == "CN"


@pytest.mark.parametrize(
    ("tongue", "text"),
    [
        ("zh-Hans", "此功能使用已备案的模型：某模型，备案号：N-1。"),
        ("zh-Hant", "此功能使用已備案的模型：某模型，備案號：N-1。"),
        ("en", "This feature uses a registered model: 某模型, registration number N-1."),
    ],
)
def test_the_answer_has_a_sentence_to_show_and_fits_the_document(tongue: str, text: str) -> None:
    row = NoticeRow(models=["a"], features=["writing.rewrite"], name="某模型", number="N-1", filed_on=date(2026, 2, 3), authority=None)
    body = json.loads(notices_body(NoticesQuestion(market="CN", language=tongue), [row]))  # type: ignore[arg-type]
    assert (body["market"], body["locale"]) == ("CN", tongue)
    (shown,) = body["notices"]
    assert (shown["text"], shown["filed_on"], shown["authority"]) == (text, "2026-02-03", None)
    made = document(version="1", features=[])
    assert jsonschema_rs.validator_for({"$ref": "#/components/schemas/Notices", "components": made["components"]}).is_valid(body)
