"""Rewrite: what must be kept is kept whatever the model answers, and a candidate says where it comes from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lizi.errors import LiziError, ResultError
from lizi.features import FEATURES, Answer
from lizi.features.kept import invented, kept_in, missing
from lizi.features.script import foreign, to_script
from lizi.types import ChatRequest, FinishReason
from lizi.wire.tasks import TaskRequest


def request(text: str, style: str, locale: Any = "en", **fields: Any) -> TaskRequest:
    return TaskRequest(feature="writing.rewrite", text=text, style=style, locale=locale, **fields)


def said(text: str, finish: FinishReason = "stop") -> Answer:
    return Answer(text=text, finish=finish, fault=None)


def run(task: TaskRequest, *answers: Answer | str) -> tuple[list[dict[str, Any]], list[ChatRequest]]:
    steps = FEATURES[task.feature].plan(task, "assistant")
    asked = [next(steps)]
    while True:
        answer = answers[min(len(asked), len(answers)) - 1]
        try:
            asked.append(steps.send(said(answer) if isinstance(answer, str) else answer))
        except StopIteration as done:
            return done.value["candidates"], asked


def test_a_rewriting_that_keeps_everything_is_taken() -> None:
    candidates, asked = run(request("Return book 12 to Olga by Friday.", "friendly"), "Could you please return book 12 to Olga by Friday?")
    assert candidates == [
        {"text": "Could you please return book 12 to Olga by Friday?", "style": "friendly", "confidence": 0.9, "basis": "model"}
    ]
    assert len(asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "Could you please return the book to Olga by Friday?",
        "Could you please return book 12 to Otto by Friday?",
        "Could you please return book 12 to Olga by Friday, or pay $5?",
        "I'm unable to return book 12 to Olga by Friday.",
        "请在周五前把第 12 本书还给 Olga。",
        "Book 12, Olga, Friday. " * 20,
        "",
    ],
)
def test_a_loss_or_invention_is_asked_for_again_and_never_returned(answer: str) -> None:
    text = "Return book 12 to Olga by Friday."
    candidates, asked = run(request(text, "friendly"), answer)
    assert candidates == [{"text": text, "style": "friendly", "confidence": 0.1, "basis": "input"}]
    assert [ask.repairs for ask in asked] == [False, True]
    assert "12" in asked[1].messages[0]["content"] and "Olga" in asked[1].messages[0]["content"]


def test_the_repaired_answer_is_taken() -> None:
    candidates, _ = run(request("Return book 12 by Friday.", "friendly"), "Please return it.", "Please return book 12 by Friday!")
    assert (candidates[0]["text"], candidates[0]["basis"]) == ("Please return book 12 by Friday!", "model")


def test_sentences_that_hold_are_kept_when_the_whole_does_not() -> None:
    text = "Use the side door. Call 555-0100 after lunch."
    candidates, _ = run(request(text, "friendly"), "Please use the side door. Call us after lunch!")
    assert (candidates[0]["text"], candidates[0]["basis"]) == ("Please use the side door. Call 555-0100 after lunch.", "mixed")


def test_concise_is_never_longer() -> None:
    text = "The meeting was moved to 4 pm."
    assert run(request(text, "concise"), "The meeting, as you know, was moved to 4 pm.")[0][0]["basis"] == "input"
    assert run(request(text, "concise"), "Meeting moved to 4 pm.")[0][0]["basis"] == "model"


def test_code_and_protected_texts_stay_letter_by_letter() -> None:
    task = request("Read `README` and the “Ground rules” first.", "friendly", markdown=True, protected=((22, 34),))
    kept = "Please read `README` and the “Ground rules” first!"
    assert run(task, kept)[0][0]["text"] == kept
    assert run(task, "Please read `readme` and the “Ground rules” first!")[0][0]["basis"] == "input"
    assert run(task, "Please read `README` and the ground rules first!")[0][0]["basis"] == "input"


def test_a_simplified_answer_is_brought_into_the_locales_script_and_words() -> None:
    candidates, _ = run(
        request(
            "打印机坏了，请用软体修。".replace("软体", "軟體").replace("打印机", "印表機").replace("坏", "壞").replace("请", "請"),
            "friendly",
            "zh-Hant",
        ),
        "不好意思，打印机坏了，请用软件修哦！",
    )
    assert candidates[0]["text"] == "不好意思，印表機壞了，請用軟體修哦！"


def test_an_instruction_may_bring_its_own_numbers() -> None:
    task = request("Come early.", "custom", instruction="Say 8 o'clock.")
    assert run(task, "Come early, at 8.")[0][0]["basis"] == "model"


def test_candidates_are_bounded_distinct_and_best_first() -> None:
    text = "The shop opens at 8."
    answers = ("At 8 the shop opens.", "The shop is open from 8.", "At 8 the shop opens.")
    candidates, asked = run(request(text, "rephrase", candidates=3), *answers)
    assert [candidate["text"] for candidate in candidates] == ["At 8 the shop opens.", "The shop is open from 8."]
    assert [ask.seed for ask in asked] == [None, 1, 2]
    assert asked[0].temperature == 0.0
    assert len(run(request(text, "rephrase", candidates=3), "no")[1]) == 6


def test_the_writers_own_words_are_no_second_candidate() -> None:
    candidates, _ = run(request("The shop opens at 8.", "rephrase", candidates=2), "At 8 the shop opens.", "no")
    assert [candidate["basis"] for candidate in candidates] == ["model"]


def test_a_bound_that_cannot_be_kept_is_a_typed_error() -> None:
    with pytest.raises(ResultError) as caught:
        run(request("The shop opens at 8 every single day.", "concise", max_chars=10), "The shop opens at 8 daily.")
    assert caught.value.code == "result_check_failed"


def test_an_answer_cut_off_twice_is_a_typed_error() -> None:
    with pytest.raises(ResultError) as caught:
        run(request("The shop opens at 8.", "rephrase"), said("At 8 the", "length"))
    assert caught.value.code == "output_truncated"


def test_emoji_are_set_behind_the_writers_own_words() -> None:
    candidates, _ = run(request("We leave at 6:40.\n", "emojify"), "Sure! ✈️⏰⏰ have fun")
    assert candidates[0]["text"] == "We leave at 6:40. ✈️⏰\n"


def test_without_any_emoji_a_plain_one_stands_in_and_says_so() -> None:
    candidates, asked = run(request("We leave at 6:40.", "emojify"), "none")
    assert (candidates[0]["text"], candidates[0]["basis"], len(asked)) == ("We leave at 6:40. ✨", "mixed", 2)


# --- what is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "locale", "lost", "kept"),
    [
        ("It costs $1,200.", "en", "It costs $120.", "That's $1200!"),
        ("Two of 12 came.", "en", "Two came.", "Two of the twelve came."),
        ("Ask Noor on Monday.", "en", "Ask her on Monday.", "On Monday, ask Noor."),
        ("Write to hi@example.com today.", "en", "Write today.", "Today, write to hi@example.com."),
        ("See https://example.com/a?b=1.", "en", "See https://example.com.", "It is at https://example.com/a?b=1!"),
        ("请找陈经理，3 点。", "zh-Hans", "请找经理，3 点。", "三点请找陈经理。"),
        ("小敏，帶 iPhone 來。", "zh-Hant", "帶 iPhone 來。", "麻煩小敏帶 iPhone。"),
    ],
)
def test_a_loss_is_found_and_another_way_to_say_it_is_none(text: str, locale: str, lost: str, kept: str) -> None:
    assert missing(kept_in(text, locale), lost)
    assert not missing(kept_in(text, locale), kept)


def test_made_up_numbers_and_addresses_are_found() -> None:
    assert invented("We have twelve.", "We have 12.") == []
    assert invented("二十三個", "23 個") == []
    assert invented("At 14:00.", "At 14.") == []
    assert invented("We have 12.", "We have 13, see https://example.com") == ["13", "https://example.com"]


# --- script --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "locale", "expected"),
    [
        ("這個", "zh-Hans", "這個"),
        ("这个", "zh-Hant", "这个"),
        ("这个嘅", "zh-Hant-HK", "这个"),
        ("台灣人吃飯后來", "zh-Hant", ""),
        ("佢哋嘅嘢畀咗我，唔該晒", "zh-Hant-HK", ""),
        ("乾净的后台", "zh-Hans", ""),
        ("Hello 你好", "en", "你好"),
    ],
)
def test_foreign_characters_are_named(text: str, locale: str, expected: str) -> None:
    assert foreign(text, locale) == expected


def test_what_the_source_has_is_not_foreign() -> None:
    assert foreign("這個", "zh-Hans", source="他說「這個」") == ""


@given(
    st.text(st.sampled_from("这個软體软件里面台灣湾说話话唔該晒嘅abc，。 "), max_size=30),
    st.sampled_from(["zh-Hans", "zh-Hant", "zh-Hant-HK"]),
)
def test_a_converted_text_is_pure_and_stays_as_it_is(text: str, locale: str) -> None:
    once = to_script(text, locale)
    assert foreign(once, locale) == ""
    assert to_script(once, locale) == once
    assert len(to_script(text, locale, phrases=False)) == len(text)


@settings(deadline=None)
@given(
    text=st.text(st.sampled_from("ab cd. Olga 12 7:05 的他說 😀\n!"), min_size=1, max_size=40).filter(str.strip),
    answer=st.text(st.sampled_from("ab cd. Olga 12 7:05 的他说 😀\n!"), max_size=60),
    style=st.sampled_from(["friendly", "professional", "concise", "elaborate", "rephrase", "emojify"]),
    locale=st.sampled_from(["en", "zh-Hans", "zh-Hant", "zh-Hant-HK"]),
)
def test_whatever_the_model_says_nothing_is_lost_or_made_up(text: str, answer: str, style: str, locale: Any) -> None:
    try:
        candidates, _ = run(request(text, style, locale), answer)
    except LiziError as error:
        assert error.code == "output_truncated"
        return
    for candidate in candidates:
        assert not missing(kept_in(text, locale), candidate["text"])
        assert not invented(text, candidate["text"])
        assert not foreign(candidate["text"], locale, source=text)
        assert style != "concise" or len(candidate["text"]) <= len(text)


@pytest.mark.parametrize("locale", ["en", "zh-Hans", "zh-Hant", "zh-Hant-HK"])
@pytest.mark.parametrize("style", ["friendly", "custom", "emojify"])
def test_a_second_ask_has_no_words_beside_the_firsts_but_those_that_repair_states(style: str, locale: Any) -> None:
    text = "Return book 12 to Olga Novak by 7:05, see https://a.test/b `x` y."
    task = request(text, style, locale, protected=((0, 6),), markdown=True, instruction="Shorter." if style == "custom" else "")
    _, (first, second, *_) = run(task, "")
    stated = FEATURES[task.feature].repair(task)
    assert second.messages[-1]["content"].endswith(text)
    assert first.max_output_tokens == second.max_output_tokens
    had = "".join(message["content"] for message in first.messages)
    has = "".join(message["content"] for message in second.messages)
    assert len(has) <= len(had) + len(stated)
    assert stated in has
    if style != "emojify":
        assert "Olga Novak" in stated or locale != "en"
        assert "12" in stated
