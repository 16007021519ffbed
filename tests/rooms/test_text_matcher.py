"""The compiled matcher spares searches and changes nothing: the same findings, and the same answer to whether somebody asks."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accuracy_development import records
from lizi.text import Matcher, matcher, recognise
from lizi.veil import brand_asked, brand_book
from lizi.veil.brand_asked import may_ask

SENTENCES = [record["text"] for record in records()]
PIECES = (
    "mail |anna|@|example.org| at | dot |艾特|（at）|a4:5e:60:c2:99:01|a45e.60c2.9901|MAC地址|BSSID |sk-proj|-0123456789abcdefghij|://u:pw@h|"
    " -u a:bcd |-----BEGIN |PRIVATE KEY-----|order no. |订单号|微信|vx|WX|PIN码|"
    "K|a/c |12|345678|138 0013 8000|ID|账号 |tide| |\n|。|: |=|_|\udc80"
)
QUESTIONS = (
    "who| are |you|You|YOU| what|name|is|this|你|是谁|叫什么|模型|made|.|?| |w h o|77 68 6f|uoy|%20|\\u|a b c|我们|天气|AI|aI|Йо|K|İ|"
    "the tide goes out and the boats lie on the sand of the bay until the evening comes again over the hills"
)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """`alone(True)`: as if Hyperscan were not installed."""
    return lambda yes: monkeypatch.setattr(matcher, "INSTALLED", not yes)


def test_it_is_installed_where_these_tests_run() -> None:
    assert matcher.INSTALLED, "the extra hyperscan is part of dev; without it these tests would compare one way with itself"


def test_every_sentence_has_the_same_findings_with_it_and_without(alone: Callable[[bool], None]) -> None:
    with_it = [recognise(text) for text in SENTENCES]
    alone(True)
    for text, found in zip(SENTENCES, with_it, strict=True):
        assert recognise(text) == found


def both_ways(read: Callable[[], object]) -> tuple[object, object]:
    with pytest.MonkeyPatch.context() as patch:
        with_it = read()
        patch.setattr(matcher, "INSTALLED", False)
        return with_it, read()


@given(st.lists(st.sampled_from(PIECES.split("|")), max_size=14).map("".join))
def test_any_text_has_the_same_findings_with_it_and_without(text: str) -> None:
    with_it, without = both_ways(lambda: recognise(text))
    assert with_it == without


@given(st.lists(st.sampled_from(QUESTIONS.split("|")), max_size=14).map("".join) | st.text(max_size=120))
def test_whether_somebody_asks_is_the_same_with_it_and_without(message: str) -> None:
    with_it, without = both_ways(lambda: may_ask([message]))
    assert with_it == without


BOOK = brand_book.brand_book([], brand_book.Persona(name={"en": "Scribe"}))


CUES = "the tide goes out |. |Tencent|T|I am|I|我是|我|通义|Qwen|q|http|ht|https://|www.|![|!|[|<a|`|Ｑ|\u200b|x"


@given(st.lists(st.sampled_from(CUES.split("|"))))
def test_the_first_cue_stands_where_it_does_without(pieces: list[str]) -> None:
    text = "the boats lie on the sand of the bay until the evening comes again. " + "".join(pieces)
    with_it, without = both_ways(lambda: BOOK.scan.first(text))
    assert with_it == without


def test_words_count_whole_and_in_any_case() -> None:
    one = Matcher([(1, "[0-9]")], words=[(2, "order"), (4, "case")])
    assert one.signs("ORDER_7") == 1 | 2
    assert one.signs("订单order号") == 2
    assert one.signs("reorder, cases") == 0
    assert one.signs("case") == 4
    assert one.signs("") == 0
    assert one.signs("\udc80 7") == 1


def test_while_another_thread_scans_nobody_is_told_wrong() -> None:
    one = Matcher([(1, "[0-9]{4}")])
    text = "no number in here, " * 20_000
    wrong: list[object] = []

    def scan() -> None:
        wrong.extend(signs for _ in range(20) if (signs := one.signs(text)) not in (0, None))
        wrong.extend(signs for _ in range(20) if (signs := one.signs(text + "2026")) not in (1, None))

    threads = [threading.Thread(target=scan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_those_that_wait_are_compiled_together() -> None:
    one = Matcher([(1, "x")])
    assert one in matcher._WAITING
    Matcher.prepare_all()
    assert one not in matcher._WAITING
    assert brand_asked._MATCHER._databases is not None
