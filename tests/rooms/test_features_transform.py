"""Transform: typed results that say only what the text says, whatever the model answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lizi.errors import LiziError, ResultError
from lizi.features import FEATURES, Answer
from lizi.features.kept import invented
from lizi.features.script import foreign
from lizi.features.sentences import clauses, sentences, words
from lizi.types import ChatRequest, FinishReason
from lizi.wire.tasks import TaskRequest


def request(text: str, to: str, locale: Any = "en", **fields: Any) -> TaskRequest:
    return TaskRequest(feature="writing.transform", text=text, to=to, locale=locale, **fields)


def said(text: str, finish: FinishReason = "stop") -> Answer:
    return Answer(text=text, finish=finish, fault=None)


def run(task: TaskRequest, *answers: Answer | str) -> tuple[dict[str, Any], list[ChatRequest]]:
    steps = FEATURES[task.feature].plan(task, "assistant")
    asked = [next(steps)]
    while True:
        answer = answers[min(len(asked), len(answers)) - 1]
        try:
            asked.append(steps.send(said(answer) if isinstance(answer, str) else answer))
        except StopIteration as done:
            return done.value, asked


STORY = "The pool opens on 1 June. It stays open until 9 pm. Children pay $2."


def test_a_summary_is_one_text() -> None:
    result, _ = run(request(STORY, "summary"), "Summary: The pool opens on 1 June and stays open until 9 pm.")
    assert result == {"summary": "The pool opens on 1 June and stays open until 9 pm.", "confidence": 0.9, "basis": "model"}


@pytest.mark.parametrize(
    "answer", [STORY, "The pool opens on 3 June.", "Swimming is healthy and everybody should try.", "泳池六月开放", ""]
)
def test_a_summary_that_repeats_invents_or_strays_gives_way_to_a_sentence_of_the_text(answer: str) -> None:
    result, asked = run(request(STORY, "summary"), answer)
    assert result["basis"] == "input"
    assert result["summary"] in STORY
    assert [ask.repairs for ask in asked] == [False, True]


def test_a_summary_keeps_its_bound() -> None:
    assert len(run(request(STORY, "summary", max_chars=30), "The pool opens on 1 June and stays open until 9 pm.")[0]["summary"]) <= 30
    with pytest.raises(ResultError) as caught:
        run(request(STORY, "summary", max_chars=3), "no")
    assert caught.value.code == "result_check_failed"


@pytest.mark.parametrize(
    "answer",
    ["- milk\n- 3 eggs\n- bread", "1. milk\n2. 3 eggs\n3. bread", "* milk\n\n* **3 eggs**\n* bread.\n* milk", "milk, 3 eggs and bread"],
)
def test_a_list_is_items_without_marks_or_repeats(answer: str) -> None:
    result, _ = run(request("Buy milk, 3 eggs and bread.", "list"), answer)
    assert (result["items"], result["basis"]) == (["milk", "3 eggs", "bread"], "model")


def test_items_are_clipped() -> None:
    result, _ = run(request("Buy milk, 3 eggs and bread.", "list", max_items=2), "- milk\n- 3 eggs\n- bread")
    assert result["items"] == ["milk", "3 eggs"]


def test_items_from_elsewhere_are_dropped_and_a_list_without_the_rest_is_none() -> None:
    result, _ = run(request("我带了毛巾、衬衫和帽子。", "list", "zh-Hans"), "- 洗车\n- 毛巾")
    assert (result["items"], result["basis"]) == (["我带了毛巾", "衬衫", "帽子"], "input")


def test_points_hold_what_the_text_says() -> None:
    answer = "- The pool opens on 1 June\n- It stays open until 10 pm\n- Children pay $2"
    result, _ = run(request(STORY, "key_points", max_items=3), answer)
    assert result["points"] == ["The pool opens on 1 June", "Children pay $2"]


def test_a_table_is_a_rectangle() -> None:
    answer = "| Drink | Price |\n|---|---:|\n| Tea | $2 |\n| Coffee | $3 |\n| Tea | $2 |\n| odd |"
    result, _ = run(request("Tea costs $2 and coffee costs $3.", "table"), answer)
    assert (result["columns"], result["rows"]) == (["Drink", "Price"], [["Tea", "$2"], ["Coffee", "$3"]])


def test_a_table_without_a_header_gets_one() -> None:
    result, _ = run(request("茶 15 元，咖啡 20 元。", "table", "zh-Hans"), "茶 | 15 元\n咖啡 | 20 元")
    assert result == {"columns": ["项目", "内容"], "rows": [["茶", "15 元"], ["咖啡", "20 元"]], "confidence": 0.9, "basis": "model"}


def test_a_table_with_invented_cells_gives_way_to_the_text() -> None:
    result, _ = run(request("Tea costs $2, coffee costs $3.", "table"), "Drink | Price\nTea | $5\nCocoa | $9")
    assert (result["columns"], result["rows"]) == (["Item", "Details"], [["Tea costs", "$2"], ["coffee costs", "$3"]])
    assert result["basis"] == "input"


def test_a_simplified_answer_comes_back_in_the_locales_script() -> None:
    result, _ = run(request("帶帳篷、睡袋和水。", "list", "zh-Hant"), "- 帐篷\n- 睡袋\n- 水")
    assert (result["items"], result["basis"]) == (["帳篷", "睡袋", "水"], "model")


def test_an_answer_cut_off_twice_is_a_typed_error_and_one_that_runs_away_is_none() -> None:
    with pytest.raises(ResultError) as caught:
        run(request(STORY, "key_points"), said("- The pool opens", "length"))
    assert caught.value.code == "output_truncated"
    result, _ = run(request(STORY, "key_points"), said("- la la\n" * 90, "length"))
    assert result["basis"] == "input"


ANYTHING = st.text(st.sampled_from("ab cd. 12 7:05, |-\n的他說话。、，泳池"), max_size=60)


@settings(deadline=None)
@given(
    text=ANYTHING.filter(str.strip),
    answer=ANYTHING,
    to=st.sampled_from(["summary", "key_points", "list", "table"]),
    locale=st.sampled_from(["en", "zh-Hans", "zh-Hant", "zh-Hant-HK"]),
    most=st.integers(1, 4),
)
def test_whatever_the_model_says_the_result_is_typed_and_true(text: str, answer: str, to: str, locale: Any, most: int) -> None:
    try:
        result, _ = run(request(text, to, locale, max_items=None if to == "summary" else most), answer)
    except LiziError as error:
        assert error.code in ("output_truncated", "result_check_failed")
        return
    if to == "summary":
        lines = [result["summary"]]
        assert 0 < len(result["summary"]) <= len(text)
    elif to == "table":
        assert 0 < len(result["rows"]) <= most
        assert {len(row) for row in result["rows"]} == {len(result["columns"])}
        lines = [cell for row in result["rows"] for cell in row]
    else:
        lines = result["points" if to == "key_points" else "items"]
        assert 0 < len(lines) <= most
        assert len(set(lines)) == len(lines)
        assert all(line.strip() for line in lines)
    for line in lines:
        assert not invented(text, line)
        assert not foreign(line, locale, source=text)


@given(st.text(max_size=80))
def test_cutting_loses_nothing(text: str) -> None:
    assert "".join(sentences(text)) == text
    assert "".join(words(text)) == text


def test_numbers_and_addresses_are_not_cut() -> None:
    assert sentences("It is 3.5 km. See https://a.example.com/b. Good?” Yes.") == [
        "It is 3.5 km. ",
        "See https://a.example.com/b. ",
        "Good?” ",
        "Yes.",
    ]
    assert clauses("甲，乙；丙。") == ["甲，", "乙；", "丙。"]


@pytest.mark.parametrize("locale", ["en", "zh-Hans", "zh-Hant", "zh-Hant-HK"])
@pytest.mark.parametrize("to", ["summary", "key_points", "list", "table"])
def test_a_second_ask_has_no_words_beside_the_firsts_but_those_that_repair_states(to: str, locale: Any) -> None:
    task = request(STORY, to, locale)
    _, (first, second) = run(task, "")
    stated = FEATURES[task.feature].repair(task)
    had = first.messages[0]["content"] if first.messages[0]["role"] == "system" else ""
    assert second.messages[0] == {"role": "system", "content": had + stated}
    assert second.messages[1:] == first.messages[bool(had) :]
    assert first.max_output_tokens == second.max_output_tokens
