"""Long and hostile texts: every offset, every border between stretches, linear work, the house's own phrases, the way back."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from re._constants import MAXREPEAT
from re._parser import parse
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lizi.text
from lizi.text import ALL, KINDS, Found, Phrases, keys, passages, recognise
from lizi.text.found import CERTAIN, GUESSED, KEY, settle
from lizi.text.normal import plain, with_digits

STRETCH = 512  # of lizi.text.stretches; the borders that the tests below move texts across

SAMPLES = [
    "手机号13800138000。",
    "身份证号11010519491231002X，",
    "邮箱ruoxi.lin@example.com，",
    "请联系张伟，谢谢。",
    "我住在北京市朝阳区建国路88号院3号楼2单元501室。",
    "订单号：2024010512345678，",
    "密码：Abc123!，",
    "key sk-" + "proj-abcdefghijklmnop1234567890, ",
    "Contact Marcus Reilly at once. ",
    "IBAN GB82 WEST 1234 5698 7654 32. ",
    "一三八零零一三八零零零，",
    "１３８００１３８０００，",
    "138\u200b0013\u200b8000，",
]

# Pieces that recognisers begin or end at, next to plain characters of all kinds.
MARKS = ["@", "-----BEGIN" + " PRIVATE KEY-----", "-----END PRIVATE KEY-----", "sk-"]
RARE = ["eyJ", "://", "İ", "ß", "𝟏𝟑𝟖", "°", "号", "路", "·", "\u200b", "Mr. ", "Dear ", "密码：", "验证码", "\x00", "0" * 70, "9 " * 40]
MORE_MARKS = ["(", ")", "+", "/F", "Box", "王", "1.2.3.4", "12:", "AB12", "\n", '"', "{"]
PIECES = st.one_of(
    st.sampled_from([*SAMPLES, *MARKS, *RARE, *MORE_MARKS]),
    st.text(max_size=8),
    st.text(alphabet="0123456789 -.:@+()XxAa", max_size=24),
)
TEXTS = st.lists(PIECES, max_size=60).map("".join)


def sound(text: str, findings: list[Found]) -> None:
    end = 0
    for one in findings:
        assert end <= one.start < one.end <= len(text)
        assert 0 <= one.keep <= one.end - one.start
        assert one.kind in KINDS
        end = one.end


@given(TEXTS)
def test_any_text_has_sound_findings(text: str) -> None:
    sound(text, recognise(text))


@given(st.text(), st.sets(st.sampled_from(KINDS)))
def test_any_text_and_kinds_have_sound_findings(text: str, kinds: set[str]) -> None:
    findings = recognise(text, frozenset(kinds))
    sound(text, findings)
    assert {one.kind for one in findings} <= kinds


@given(TEXTS)
def test_the_steps_together_are_the_whole(text: str) -> None:
    steps = list(passages(text))
    assert [one for step in steps for one in step] == recognise(text)
    assert len(steps) == max(1, -(-len(text) // STRETCH))


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("filler", ["好", "x ", "，"])
def test_a_finding_at_any_place_around_a_border_is_found(sample: str, filler: str) -> None:
    alone = [(one.start, one.end, one.kind, one.keep) for one in recognise("，" + sample)]
    assert alone
    for place in range(STRETCH - 80, STRETCH + 20):
        before = (filler * STRETCH * 2)[: place - 1] + "，"
        text = before + sample + filler * 300
        moved = [(one.start - place + 1, one.end - place + 1, one.kind, one.keep) for one in recognise(text)]
        assert moved == alone, place


@given(st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=80), st.integers(0, 40))
def test_a_long_text_has_the_findings_of_its_sentences(sentences: list[str], shift: int) -> None:
    text = "好" * shift + "。"
    expected = []
    for sentence in sentences:
        expected += [(one.start + len(text), one.end + len(text), one.kind) for one in recognise("。" + sentence + "。")]
        text += "。" + sentence + "。"
    assert [(one.start, one.end, one.kind) for one in recognise(text)] == expected


# --- work ---------------------------------------------------------------------------------------


def lines_run(work: Callable[[], Any]) -> int:
    """Lines of the package that run: a measure that doesn't depend on the machine."""
    count = 0

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return local

    def tracer(frame: FrameType, event: str, argument: Any) -> Any:
        return local if "/lizi/text/" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def endless(parsed: Any) -> bool:
    """Whether a repetition without a bound stands anywhere in a parsed expression."""
    for operation, argument in parsed:
        if str(operation) in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            if argument[1] == MAXREPEAT or endless(argument[2]):
                return True
        elif str(operation) == "BRANCH":
            if any(endless(branch) for branch in argument[1]):
                return True
        elif str(operation) in ("SUBPATTERN", "ASSERT", "ASSERT_NOT", "ATOMIC_GROUP") and endless(
            argument[-1] if isinstance(argument, tuple) else argument
        ):
            return True
    return False


def test_every_repetition_in_every_expression_has_a_bound() -> None:
    patterns = [
        (f"{module.name}.{name}", value)
        for module in pkgutil.iter_modules(lizi.text.__path__)
        for name, value in vars(importlib.import_module(f"lizi.text.{module.name}")).items()
        if isinstance(value, re.Pattern)
    ]
    patterns += [(f"keys {literals}", form) for literals, form in keys._FORMS]
    assert len(patterns) > 100
    assert [name for name, pattern in patterns if endless(parse(pattern.pattern, pattern.flags))] == []
    assert endless(parse("a(?:b|c+)d"))
    assert endless(parse("(?=a*)b"))


HOSTILE = ["1", "1 ", "1-", "张", "路", "号1", "<", "@", "a@", "([{", "Aa ", "sk-", "AB12 ", "一", "1\u200b", "密码", "://a:b", "1.2."]


@pytest.mark.parametrize("unit", HOSTILE)
def test_twice_the_text_is_at_most_twice_the_work(unit: str) -> None:
    short, long = (unit * 8_000)[:8_000], (unit * 16_000)[:16_000]
    assert lines_run(lambda: recognise(long)) <= 2.2 * lines_run(lambda: recognise(short))


@pytest.mark.parametrize("unit", HOSTILE)
def test_no_step_of_a_hostile_text_works_much_more_than_another(unit: str) -> None:
    def steps(text: str) -> Iterator[int]:
        plan = passages(text)
        while True:
            counted = lines_run(lambda: results.append(next(plan, None)))
            if results[-1] is None:
                return
            yield counted

    results: list[Any] = []
    work = sorted(steps((unit * 8_000)[:8_000]))
    assert work[-1] <= 3 * work[len(work) // 2] + 200
    assert work[-1] <= 90 * STRETCH  # where each character may begin a name and end a street's


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hundred_thousand_hostile_characters_are_read(unit: str) -> None:
    text = (unit * 100_000)[:100_000]
    sound(text, recognise(text))


# --- overlaps, phrases, the way back ------------------------------------------------------------


def test_overlaps_are_settled_by_length_then_certainty() -> None:
    reports = [(0, 5, "person", 0, GUESSED), (3, 10, "address", 2, GUESSED), (3, 10, "order", 0, CERTAIN), (12, 14, "phone", 0, CERTAIN)]
    assert settle(reports) == [Found(3, 10, "order"), Found(12, 14, "phone")]


def test_a_key_stands_before_what_is_longer() -> None:
    assert settle([(0, 20, "email", 0, CERTAIN), (5, 9, "secret", 0, KEY)]) == [Found(5, 9, "secret")]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12), st.sampled_from(KINDS), st.just(0), st.integers(1, 5))))
def test_settled_reports_never_overlap_and_leave_no_gap_unused(rows: list[tuple[int, int, str, int, int]]) -> None:
    reports = [(start, start + length, kind, keep, rank) for start, length, kind, keep, rank in rows]
    stands = settle(reports)
    sound("x" * 100, stands)
    for start, end, *_ in reports:
        assert any(one.start < end and start < one.end for one in stands)


def test_phrases_of_the_house_are_found_in_any_case_and_width() -> None:
    phrases = Phrases({"Acme Robotics": "secret", "栗子": "account"})
    text = "ＡＣＭＥ robotics与栗子手机，acmerobotics和Acme Roboticsx不算"
    assert [(text[one.start : one.end], one.kind) for one in recognise(text, phrases=phrases)] == [
        ("ＡＣＭＥ robotics", "secret"),
        ("栗子", "account"),
    ]


@pytest.mark.parametrize("bad", [{"": "secret"}, {"x" * 65: "secret"}, {"x": "nothing"}, {str(n): "secret" for n in range(1001)}])
def test_phrases_say_what_is_wrong_with_them(bad: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="phrases: "):
        Phrases(bad)


def test_no_phrases_find_nothing() -> None:
    assert recognise("anything", phrases=Phrases({})) == []


@given(st.text())
def test_the_plain_text_knows_where_each_character_came_from(text: str) -> None:
    shown, places = plain(text)
    if places is None:
        assert len(shown) == len(text)
    else:
        assert len(places) == len(shown)
        assert list(places) == sorted(set(places))
    assert len(with_digits(shown)) == len(shown)


def test_what_needs_no_change_is_not_copied() -> None:
    for text in ("plain ASCII, 123", "普通的中文，没有伪装：一二三。"):
        shown, places = plain(text)
        assert shown is text
        assert places is None
        assert with_digits(text) is text


def test_all_kinds_are_the_default() -> None:
    assert frozenset(KINDS) == ALL
    assert recognise("电话13800138000") == recognise("电话13800138000", ALL)


PIECES = (
    "Dear Anna,|J. R. Okafor |SMITH, JOHN|Bob|a4:5e:60:c2:99:01|a4-5e-60-c2-99-01|a45e.60c2.9901|mac |sk-proj|-0123456789abcdefghij|gh|p_|"
    "0123456789abcdefABCDEF01|12 Oak Street, Leeds|G/F, Hang Lung House|PO Box 12|x@example.org|order no. 55-29301|my name is |token |"
    "bearer |, |. |\n|: |the tide goes out|T|A.|-----BEGIN |user: |password=|AbCdEfGh"
)
ASCII_PIECES = st.sampled_from(PIECES.split("|"))


@given(st.lists(ASCII_PIECES, max_size=12))
def test_the_short_ways_of_ascii_text_find_what_the_long_ways_do(pieces: list[str]) -> None:
    text = "".join(pieces)
    # One character that is none of ASCII, behind the text and in a line of its own, and every search goes the long way.
    assert recognise(text + "\n") == [one for one in recognise(text + "\n\u00b6") if one.start < len(text)]
