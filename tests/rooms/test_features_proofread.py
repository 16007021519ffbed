"""Proofread: its contract holds whatever the model answers, and only corrections count."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lizi.errors import LiziError, PartnerError, ResultError
from lizi.features import FEATURES, Answer
from lizi.features.edits import apply, edits
from lizi.types import ChatRequest, FinishReason
from lizi.wire.tasks import TaskRequest


def request(text: str, locale: Any = "en", **fields: Any) -> TaskRequest:
    return TaskRequest(feature="writing.proofread", text=text, locale=locale, **fields)


def said(text: str, finish: FinishReason | None = "stop", fault: str | None = None) -> Answer:
    return Answer(text=text, finish=finish, fault=fault)


def run(task: TaskRequest, *answers: Answer | str) -> tuple[dict[str, Any], list[ChatRequest]]:
    """The result, and what was asked; the last answer is given again as often as it is wanted."""
    steps = FEATURES[task.feature].plan(task, "assistant")
    asked = [next(steps)]
    while True:
        answer = answers[min(len(asked), len(answers)) - 1]
        try:
            asked.append(steps.send(said(answer) if isinstance(answer, str) else answer))
        except StopIteration as done:
            return done.value, asked


def pairs(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(edit["original"], edit["replacement"]) for edit in result["edits"]]


def test_edits_are_computed_from_the_corrected_text() -> None:
    result, asked = run(request("She go to school by bus every days."), "She goes to school by bus every day.")
    assert result["corrected"] == "She goes to school by bus every day."
    assert pairs(result) == [("go", "goes"), ("days", "day")]
    assert [edit["range"] for edit in result["edits"]] == [[4, 6], [30, 34]]
    assert (result["basis"], len(asked)) == ("model", 1)


def test_a_clean_text_has_no_edits() -> None:
    result, _ = run(request("今天天气真好。", "zh-Hans"), "今天天气真好。")
    assert (result["edits"], result["corrected"], result["basis"]) == ([], "今天天气真好。", "model")


def test_chinese_edits_are_characters_with_a_localised_explanation() -> None:
    result, _ = run(request("他跑的很快。", "zh-Hant"), "他跑得很快。")
    assert result["edits"] == [
        {"range": [2, 3], "original": "的", "replacement": "得", "kind": "grammar", "severity": "error", "explanation": "語法。"}
    ]


@pytest.mark.parametrize(("unit", "expected"), [("scalar", [3, 8]), ("utf16", [5, 10])])
def test_ranges_count_in_the_callers_unit(unit: Any, expected: list[int]) -> None:
    result, _ = run(request("😀𠮷 thier car", offset_unit=unit), "😀𠮷 their car")
    assert result["edits"][0]["range"] == expected


def test_no_edit_in_a_protected_range() -> None:
    text = "He wrote “teh” and ment it."
    result, _ = run(request(text, protected=((10, 13),)), "He wrote “the” and meant it.")
    assert result["corrected"] == "He wrote “teh” and meant it."
    assert result["basis"] == "mixed"


def test_addresses_and_markdown_code_are_protected_by_themselves() -> None:
    text = "Pleas run `recieve` and see https://exmaple.com/teh now."
    result, _ = run(request(text, markdown=True), "Please run `receive` and see https://example.com/the now.")
    assert result["corrected"] == "Please run `recieve` and see https://exmaple.com/teh now."


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The bill is $45.20, pay by Friday.", "The bill is $54.20, pay by Friday."),
        ("It costs 3 dollars.", "It costs three hundred dollars."),
        ("I like my dog.", "You like your dog."),
        ("Great news 🎉, we won.", "Great news, we won."),
        ("Please find attach the documents.", "Please find the documents."),
        ("Send it befor noon.", "Send it at noon."),
    ],
)
def test_what_is_no_correction_is_taken_back(text: str, answer: str) -> None:
    result, _ = run(request(text), answer)
    assert (result["corrected"], result["edits"], result["basis"]) == (text, [], "input")
    assert result["confidence"] < 0.5


def test_another_persons_words_in_chinese_are_taken_back() -> None:
    result, _ = run(request("你不用等了，他以经走了。", "zh-Hans"), "我们不用等了，他已经走了。")
    assert result["corrected"] == "你不用等了，他已经走了。"


def test_an_answer_to_the_text_is_asked_for_again_and_then_dropped() -> None:
    text = "What time is it in London?"
    result, asked = run(request(text), "I'm sorry, I can't tell the time.", "It's 10:00 in London.")
    assert (result["corrected"], result["edits"], result["basis"]) == (text, [], "input")
    assert [ask.repairs for ask in asked] == [False, True]


def test_a_second_answer_that_holds_is_taken() -> None:
    result, _ = run(request("I has a cat."), "Cats are lovely animals that many people keep.", "I have a cat.")
    assert (result["corrected"], result["basis"]) == ("I have a cat.", "model")


def test_a_simplified_answer_comes_back_in_the_locales_script() -> None:
    result, _ = run(request("這個軟體跑的很快。", "zh-Hant"), "这个软件跑得很快。")
    assert result["corrected"] == "這個軟體跑得很快。"


@pytest.mark.parametrize(
    "answer", ["Here is the corrected text:\nI have a cat.", "```\nI have a cat.\n```", '"I have a cat."', "I have a cat.\n\nNote: fixed."]
)
def test_wrapping_is_not_part_of_the_text(answer: str) -> None:
    assert run(request("I has a cat."), answer)[0]["corrected"] == "I have a cat."


def test_margins_and_line_ends_of_the_text_stay() -> None:
    result, _ = run(request("\n  I has a cat.\nIt sleep.  \n"), "I have a cat.\nIt sleeps.")
    assert result["corrected"] == "\n  I have a cat.\nIt sleeps.  \n"


def test_level_spelling_leaves_grammar_alone() -> None:
    answer = "She has their parcel and will receive it."
    assert run(request("She has there parcel and will recieve it.", level="spelling"), answer)[0]["corrected"] == (
        "She has there parcel and will receive it."
    )


def test_an_answer_cut_off_twice_is_a_typed_error() -> None:
    with pytest.raises(ResultError) as caught:
        run(request("I has a cat and a dog."), said("I have a", "length"))
    assert (caught.value.code, caught.value.status) == ("output_truncated", 502)


def test_an_answer_that_runs_away_is_dropped_not_cut() -> None:
    result, _ = run(request("I has a cat."), said("la la " * 50, "length"))
    assert (result["corrected"], result["basis"]) == ("I has a cat.", "input")


def test_a_refusal_and_a_partner_that_cannot_are_typed_errors() -> None:
    with pytest.raises(ResultError) as refused:
        run(request("I has a cat."), said("", "content_filter"))
    assert refused.value.code == "refused"
    with pytest.raises(PartnerError) as failed:
        run(request("I has a cat."), said("", None, "bad_request"))
    assert (failed.value.code, failed.value.internal) == ("upstream_failed", "bad_request")


def test_the_model_is_asked_for_little() -> None:
    _, asked = run(request("I has a cat."), "I have a cat.")
    assert asked[0].model == "assistant"
    assert asked[0].temperature == 0.0
    assert not asked[0].stream
    assert asked[0].max_output_tokens is not None and asked[0].max_output_tokens < 60
    assert asked[0].messages[-1]["content"].endswith("I has a cat.")


LETTERS = st.text(st.sampled_from("ab c.,的他她 😀𠮷1\n!`"), max_size=40)


@given(text=LETTERS, changed=LETTERS)
def test_applying_the_edits_gives_the_changed_text(text: str, changed: str) -> None:
    found = edits(text, changed)
    assert apply(text, found) == changed
    assert all(left.end <= right.start for left, right in itertools.pairwise(found))


@settings(deadline=None)
@given(
    text=LETTERS.filter(str.strip),
    answer=LETTERS,
    unit=st.sampled_from(["scalar", "utf16"]),
    locale=st.sampled_from(["en", "zh-Hans", "zh-Hant", "zh-Hant-HK"]),
    data=st.data(),
)
def test_whatever_the_model_says_the_contract_holds(text: str, answer: str, unit: Any, locale: Any, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    task = request(text, locale, protected=((start, end),), offset_unit=unit)
    try:
        result, _ = run(task, answer)
    except LiziError as error:
        assert error.code == "output_truncated"
        return
    width, codec = (2, "utf-16-le") if unit == "utf16" else (4, "utf-32-le")
    raw, built, past = text.encode(codec), b"", 0
    left, right = (len(text[:place].encode(codec)) for place in (start, end))
    for edit in result["edits"]:
        first, last = (place * width for place in edit["range"])
        assert past <= first <= last
        assert raw[first:last].decode(codec) == edit["original"] != edit["replacement"]
        assert last <= left or first >= right
        built += raw[past:first] + edit["replacement"].encode(codec)
        past = last
    assert (built + raw[past:]).decode(codec) == result["corrected"]


@pytest.mark.parametrize("locale", ["en", "zh-Hans", "zh-Hant", "zh-Hant-HK"])
def test_a_second_ask_has_no_words_beside_the_firsts_but_those_that_repair_states(locale: Any) -> None:
    task = request("She go to school.", locale)
    _, (first, second) = run(task, "no")
    stated = FEATURES[task.feature].repair(task)
    assert second.messages[0]["content"] == stated
    assert first.messages[-1] == second.messages[-1]
    assert all(message in first.messages for message in second.messages[1:])
    assert first.max_output_tokens == second.max_output_tokens
