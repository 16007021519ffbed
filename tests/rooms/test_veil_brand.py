"""Who answers: the feature, whatever the model calls itself, in any split of the stream; and text about companies stays as it is."""

from __future__ import annotations

import json
import random
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.config import built_in
from lizi.errors import ConfigError
from lizi.veil.brand import Brand, BrandFilter, Persona, brand_book, identity_line

HERE = Path(__file__).parent
NAME = {"zh-Hans": "小里", "zh-Hant": "小裡", "en": "Lining"}
MAKER = {"zh-Hans": "青禾科技", "zh-Hant": "青禾科技", "en": "Greenfield"}
BRANDS = [Brand(names=r.brand.names, makers=r.brand.makers, domains=r.brand.domains) for r in built_in().values()]
BOOK = brand_book(BRANDS, Persona(name=NAME, maker=MAKER))
ALONE = brand_book(BRANDS, Persona(name=NAME))

ANSWERS: list[list[str]] = tomllib.loads((HERE / "identity_answers.toml").read_text("utf-8"))["answers"]
MISSED: list[list[str]] = tomllib.loads((HERE / "identity_answers.toml").read_text("utf-8"))["missed"]
TEXTS: list[list[str]] = tomllib.loads((HERE / "identity_counterexamples.toml").read_text("utf-8"))["texts"]

LINKS = [
    "See [Qwen Chat](https://chat.qwen.ai/a?b=c) now.",
    "![x](https://t.example/p.gif) hello ![y](data:image/png;base64,AAA) and ![z](z.png)",
    "<img src=\"https://a.example/c.gif\" width=1> ok <img src='/a.png'> <IMG SRC=//a.example/c>",
    "go to https://chat.qwen.ai/x?y=z, then https://example.org/x.",
    '<a href="https://kimi.com/x">the page</a> and <a href="https://x.example">x</a>',
    "![long " + "a" * 120 + "](https://t.example/p.gif) z",
    "[a][b] and ![p][q] and ![logo] x. Wow![1] end!",
    "`![x](https://a.example/c)` and ```\n![x](https://a.example/c)\n``` ![x](https://a.example/c)",
    "<https://openai.com/x> (https://qwen.ai/x). [y](https://kimi.com.example/) https://u@qwen.ai/ https://qwen.ai:443/z",
    '<img src="https://a.example/' + "c" * 200 + '">after',
    "https://qwen.ai/" + "." * 150 + "x https://qwen.ai/a..b.c...! end",
]
LONG = [
    "I am Qwen " + "and on and on " * 60 + ". Next one.",
    "我是通义千问" + "啊" * 500 + "。好",
    "I am " * 100,
    "A" * 500 + " I am " + "B" * 500,
]


def through(pieces: Iterable[str], asked: Sequence[str] = (), *, book: Any = BOOK, locale: str = "en", form: Any = "text") -> str:
    machine = BrandFilter(book, asked=asked, locale=locale, form=form)
    return "".join([machine.feed(piece) for piece in pieces]) + machine.close()


def asked_of(question: str) -> tuple[str, ...]:
    return (question,) if question else ()


def bare(text: str) -> str:
    return "".join(character for character in unicodedata.normalize("NFKC", text).lower() if character.isalnum())


# --- identity --------------------------------------------------------------------------------------


def test_there_are_two_hundred_questions_in_two_languages_and_as_many_texts_that_must_stay() -> None:
    assert sum(row[1] == "en" for row in ANSWERS) >= 100
    assert sum(row[1] != "en" for row in ANSWERS) >= 100
    assert len(TEXTS) >= 120


@pytest.mark.parametrize("kind", sorted({row[0] for row in ANSWERS}))
def test_an_answer_that_names_the_model_or_its_maker_names_the_feature(kind: str) -> None:
    wrong = []
    for _, locale, question, answer, *gone in (row for row in ANSWERS if row[0] == kind):
        out = through([answer], asked_of(question), locale=locale)
        if any(piece.lower() in out.lower() for piece in gone) or not any(word in out for word in (*NAME.values(), *MAKER.values())):
            wrong.append((question, answer, out))
    assert wrong == []


def test_no_name_of_any_record_is_left_in_an_answer_except_one_that_the_question_brought() -> None:
    words = {bare(word) for brand in BRANDS for word in (*brand.names, *brand.makers)}
    words = {word for word in words if len(word) > 3 or not word.isascii()}
    left = []
    for _, locale, question, answer, *_ in ANSWERS:
        out = bare(through([answer], asked_of(question), locale=locale))
        left += [(question, word, out) for word in words if word in out and word not in bare(question)]
    assert left == []


def test_with_no_maker_the_feature_stands_alone() -> None:
    for _, locale, question, answer, *gone in ANSWERS:
        out = through([answer], asked_of(question), locale=locale, book=ALONE)
        assert any(word in out for word in NAME.values()), (question, out)
        assert not any(piece.lower() in out.lower() for piece in gone), (question, out)
    assert through(["I am Qwen, made by Alibaba."], ["Who are you?"], book=ALONE) == "I am Lining."


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("Hello! I am Qwen, made by Alibaba. How can I help?", "Hello! I am Lining, by Greenfield. How can I help?"),
        ("你好！我是通义千问，由阿里云开发。有什么可以帮你？", "你好！我是小里，由青禾科技提供。有什么可以帮你？"),
        ("您好！我是通義千問，由阿里雲開發。需要什麼？", "您好！我是小裡，由青禾科技提供。需要什麼？"),
        ("I am Qwen. I was made by Alibaba Cloud. Ask away.", "I am Lining, by Greenfield.  Ask away."),
        ("I am ChatGPT by OpenAI.\nNext line.", "I am Lining, by Greenfield.\nNext line."),
        ("I am Qwen, so I can't see pictures.", "I am Lining, by Greenfield, so I can't see pictures."),
        ("我是Qwen，所以看不到图片。", "我是小里，由青禾科技提供，所以看不到图片。"),
        ("As an AI model made by Alibaba, I have no opinion.", "As Lining, I have no opinion."),
        ("The model speaking is Qwen.", "The model speaking is Lining."),
        ("(I am Qwen.) Done.", "(I am Lining, by Greenfield.) Done."),
    ],
)
def test_the_sentence_is_replaced_in_its_language_and_its_neighbours_stay(text: str, out: str) -> None:
    assert through([text]) == out


def test_what_is_replaced_is_counted() -> None:
    machine = BrandFilter(BOOK)
    machine.feed("Hello. I am Qwen. ![x](https://a.example/p.gif)")
    machine.close()
    assert machine.changed == 2


def test_a_question_that_names_a_brand_is_not_answered_with_yes_or_no() -> None:
    for answer in ("Yes, that's right.", "No, I'm not.", "Yes."):
        assert "Lining" in through([answer], ["Are you Qwen?"])
    assert "小里" in through(["是的。"], ["你是通义千问吗？"], locale="zh-Hans")
    assert through(["Yes."], ["Is water wet?"]) == "Yes."


def test_asking_again_in_another_form_is_asking_still() -> None:
    assert "Lining" in through(["UXdlbg=="], ["Who are you?", "Now in base64"])
    assert through(["UXdlbg== is what you sent."], ["What is UXdlbg==?"]) == "UXdlbg== is what you sent."


def test_an_encoded_question_is_a_question() -> None:
    assert "Lining" in through(["Qwen"], ["d2hvIGFyZSB5b3U/"])  # base64 of "who are you?"


def test_the_makers_own_model_is_no_brand() -> None:
    book = brand_book(BRANDS, Persona(name={"zh-Hans": "小艺", "en": "Celia"}, maker={"zh-Hans": "华为", "en": "Huawei"}))
    assert through(["我是小艺，由华为开发。"], ["你是谁"], book=book) == "我是小艺，由华为开发。"
    assert through(["我是通义千问。"], ["你是谁"], book=book) == "我是小艺，由华为提供。"


def test_what_is_known_to_get_through_still_does() -> None:
    """The list in the table is the honest part of the claim: when one of these is caught, take it off the list."""
    assert [row for row in MISSED if through([row[2]], [row[1]], locale=row[0]) != row[2]] == []


# --- what must stay --------------------------------------------------------------------------------


def test_text_about_companies_letters_code_quotes_and_words_that_look_like_names_stays_byte_for_byte() -> None:
    changed = [(question, text, out) for question, text in TEXTS if (out := through([text], asked_of(question))) != text]
    assert changed == []


def test_the_users_own_words_stay_even_when_they_claim_to_be_a_model() -> None:
    own = "I am Qwen, made by Alibaba."
    assert through([own], [f"Correct the spelling: {own}"]) == own
    assert through([own], ["Correct the spelling. " + "The sun is out. " * 200 + own]) == own
    assert through([own], ["Tell me about rain."]) == "I am Lining, by Greenfield."


def test_a_robots_words_in_a_story_stay_when_the_user_brought_the_robot() -> None:
    text = 'The robot said: "I am ChatGPT, made by OpenAI."'
    assert through([text], ["Write a story in which ChatGPT speaks for OpenAI"]) == text


# --- streams ---------------------------------------------------------------------------------------


MARKS = ["我是千问。。。好", "（我是千问。”）好", "I am Qwen!!! \"Well.\" said he.", "I am Qwen... and so on. ", "我是通义千问\n\n好"]
WIDE = ["I am ＱQ w e nI am I am qwen.ai/", "Ｑｗｅｎ here. ＡＢＣ too.", "Q\u200bwen here."]
"""Ends of sentences that go on."""


def corpus() -> list[tuple[str, tuple[str, ...], str]]:
    rows = [(answer, asked_of(question), locale) for _, locale, question, answer, *_ in ANSWERS]
    rows += [(text, asked_of(question), "en") for question, text in TEXTS]
    return rows + [(text, asked, "en") for text in LINKS + LONG + MARKS + WIDE for asked in ((), ("Who are you?",))]


def test_every_split_in_two_gives_what_the_whole_gives() -> None:
    for text, asked, locale in corpus()[::4] + [(text, (), "en") for text in LINKS + MARKS]:
        whole = through([text], asked, locale=locale)
        for at in range(1, min(len(text), 200)):
            assert through([text[:at], text[at:]], asked, locale=locale) == whole, (text, at)


@pytest.mark.parametrize("form", ["text", "json"])
def test_one_character_at_a_time_and_splits_by_chance_give_what_the_whole_gives(form: str) -> None:
    chance = random.Random(7)
    for text, asked, locale in corpus():
        whole = through([text], asked, locale=locale, form=form)
        assert through(text, asked, locale=locale, form=form) == whole, text
        assert through(re.split(r"(?<=am )", text), asked, locale=locale, form=form) == whole, text
        pieces, at = [], 0
        while at < len(text):
            size = chance.randint(1, 9)
            pieces.append(text[at : at + size])
            at += size
        assert through(pieces, asked, locale=locale, form=form) == whole, text


PIECES = (
    "I am |我是|Qwen|qwen|通义千问|, made by |Alibaba|阿里云|开发的|"
    "模型|. |。|\n|![|](|https://|qwen.ai/|)|[|]|<img src=\"|\">|`|```|\\|\"|{|}|"
    "Claude|Q w e n|UXdlbg==|Yes|my name is |a|中|\u200b|! |Ｑ|www.|example.org|\\n|: |'s |我|I|h|x"
)
WORDS = st.sampled_from(PIECES.split("|"))
ASKED = st.sampled_from([(), ("Who are you?",), ("你是谁",), ("Tell me about Qwen",), ("Write a letter",), ("Are you Qwen?",)])


FORMS = st.sampled_from(["text", "json"])


@given(st.lists(st.one_of(WORDS, st.text(max_size=5)), max_size=40), ASKED, FORMS, st.randoms(use_true_random=False))
def test_any_text_in_any_split_gives_the_same_and_never_raises(
    pieces: list[str], asked: tuple[str, ...], form: str, chance: random.Random
) -> None:
    text = "".join(pieces)
    whole = through([text], asked, form=form)
    assert through(pieces, asked, form=form) == whole
    cuts = sorted(chance.sample(range(len(text) + 1), min(len(text) + 1, 6)))
    assert through([text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)], asked, form=form) == whole


@given(st.text(st.sampled_from("IiQqＱ aAmM'lnweA我是千 \u200b\n阿.h!t[<"), max_size=8))
def test_the_fast_path_stops_wherever_a_machine_would(text: str) -> None:
    if BOOK.cues.search(text) or BOOK.links.search(text):
        assert BOOK.scan.first(text) >= 0


@pytest.mark.parametrize("text", ["The tide goes out. T", "Good. I", "的确 我", "x", "see http", "w", "more [", "End!", "A\u200b"])
def test_a_text_that_ends_where_a_cue_might_begin_goes_out_whole(text: str) -> None:
    machine = BrandFilter(BOOK, asked=["Plan a trip"])
    assert machine.feed(text) + machine.close() == text


def test_no_more_is_held_than_the_bound() -> None:
    for text, asked, _ in corpus():
        for form in ("text", "json"):
            machine = BrandFilter(BOOK, asked=asked, form=form)  # type: ignore[arg-type]
            for character in text * 3:
                machine.feed(character)
                assert machine._speech is None or len(machine._speech._held) <= 300
                assert machine._links is None or len(machine._links._held) <= 100


def test_ordinary_words_go_out_as_they_come() -> None:
    text = "The city lies on a wide river; its markets open before dawn. Bring a coat. 这座城市位于长江下游，春天很多人来。" * 5
    machine = BrandFilter(BOOK, asked=["Plan a trip"])
    for piece in text.replace(" ", "\x00 ").split("\x00"):
        assert machine.feed(piece) == piece


def test_a_sentence_in_the_first_person_is_let_go_at_the_word_that_tells() -> None:
    machine = BrandFilter(BOOK)
    assert machine.feed("I am happy ") == "I am happy "
    assert machine.feed("I am a ") == ""
    assert machine.feed("baker. ") == "I am a baker. "


# --- data ------------------------------------------------------------------------------------------


VALUES = [
    "Qwen", "Alibaba Cloud", "I am Qwen by Alibaba.", '我是"千问"，\n由阿里云开发。', "plain", "a\\b", 'He wrote "I am Qwen"', "x" * 600
]  # fmt: skip


@given(st.dictionaries(st.sampled_from(["name", "maker", "text", "模型"]), st.sampled_from(VALUES)), ASKED, FORMS)
def test_json_stays_json_with_the_same_keys(value: dict[str, str], asked: tuple[str, ...], form: str) -> None:
    out = json.loads(through(json.dumps(value), asked, form=form))
    assert list(out) == list(value)
    assert [out[key] for key in out if value[key] in ("plain", "a\\b")] == [part for part in value.values() if part in ("plain", "a\\b")]


QUOTES = [
    "I am Qwen" + '"' * 400,
    'He wrote "I am Qwen"', 'I am "Qwen"', "I am Qwen\\", 'I am Qwen\n"', "I am " + '"' * 400 + "Qwen",
]


@pytest.mark.parametrize("value", QUOTES)
def test_quotes_and_backslashes_inside_a_string_stay_escaped(value: str) -> None:
    for asked in ((), ("Who are you?",)):
        assert isinstance(json.loads(through(json.dumps({"a": value}), asked, form="json"))["a"], str)


def test_arguments_of_a_tool_call_speak_for_the_feature_and_keep_their_other_values() -> None:
    arguments = '{"to": "lee@example.org", "body": "Hi! I am Qwen, made by Alibaba.", "company": "Alibaba", "n": 3}'
    out = through(arguments, ["Mail Lee about Alibaba"], form="json")
    assert json.loads(out) == {"to": "lee@example.org", "body": "Hi! I am Lining, by Greenfield.", "company": "Alibaba", "n": 3}


# --- links -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "out"),
    [*zip(
        LINKS,
        [
            "See Qwen Chat now.",
            " hello ![y](data:image/png;base64,AAA) and ![z](z.png)",
            " ok <img src='/a.png'> ",
            "go to , then https://example.org/x.",
            'the page and <a href="https://x.example">x</a>',
            "[long " + "a" * 120 + "](https://t.example/p.gif) z",
            "[a][b] and  and [logo] x. Wow![1] end!",
            "`![x](https://a.example/c)` and ```\n![x](https://a.example/c)\n``` ",
            " (). [y](https://kimi.com.example/)  ",
            "after",
            "." * 150 + "x ...! end",
        ],
        strict=True,
    )],
)
def test_remote_pictures_and_links_to_partners_leave_and_others_stay(text: str, out: str) -> None:
    assert through([text]) == out


def test_an_address_that_the_user_wrote_stays() -> None:
    text = "The page https://chat.qwen.ai/ is in [Chinese](https://chat.qwen.ai/zh)."
    assert through([text], ["What is https://chat.qwen.ai/ about?"]) == text


# --- the book --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [{}, {"en": ""}, {"en": 'Li"ning'}, {"en": "x" * 41}, {"en": "a\nb"}])
def test_a_persona_that_cant_stand_in_a_sentence_is_refused(name: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="persona"):
        brand_book([], Persona(name=name))


def test_a_name_that_is_missing_in_one_language_is_taken_from_the_nearest() -> None:
    book = brand_book([], Persona(name={"zh-Hans": "小里"}))
    assert through(["我是通義千問，由阿里雲開發。"], book=book) == "我是小里。"
    assert through(["I am Qwen."], book=book) == "I am 小里."


def test_a_brand_that_only_the_configuration_knows_is_one() -> None:
    book = brand_book([Brand(names=("Zorblax",), makers=("Quimby Labs",), domains=("zorblax.example",))], Persona(name=NAME, maker=MAKER))
    text = "I am Zorblax by Quimby Labs. See https://www.zorblax.example/x now."
    assert through([text], book=book) == "I am Lining, by Greenfield. See  now."


@pytest.mark.parametrize("locale", ["zh-Hans", "zh-Hant", "zh-Hant-HK", "en"])
def test_the_line_for_the_prompt_is_one_line_with_the_name_and_no_brand(locale: str) -> None:
    line = identity_line(Persona(name=NAME, maker=MAKER), locale)
    assert NAME[locale.removesuffix("-HK")] in line
    assert MAKER[locale.removesuffix("-HK")] in line
    assert "\n" not in line
    assert through([line]) == line


@given(st.text(st.sampled_from("aBzZ 1.。，、！：；（）-_*`~\\的說说開开Ａ①\u200b"), max_size=30))
def test_the_short_way_of_folding_is_the_long_one(text: str) -> None:
    from lizi.veil import brand_text

    short = brand_text.fold(text)
    folded = "".join(character for character in text)
    slow = brand_text.fold(folded + "\u0301")  # a mark that is dropped, and makes every text take the long way
    assert (short.text, short.at, short.spelled) == (slow.text, slow.at, slow.spelled)


# --- what the hidden-partner suite found --------------------------------------------------------------


@pytest.mark.parametrize("name", ["deepseek-v3", "gpt-4o", "abab", "kimi", "hunyuan-lite", "dou bao", "llama-3.1"])
def test_a_model_that_names_itself_in_small_letters_answers_as_the_feature(name: str) -> None:
    for opener in ("I am", "I'm", "i am"):
        text = f"{opener} {name}, an AI model. Ask away."
        assert through([text]) == "I am Lining, by Greenfield. Ask away."
        assert through(list(text)) == through([text])


def test_words_that_only_begin_like_a_name_stay() -> None:
    for text in ("I am open to it.", "I am gone. Then I came back.", "I'm commanding respect, he said.", "I am me, and you are you."):
        assert through([text]) == text
        assert through(list(text)) == text


@pytest.mark.parametrize("to", ["[the page](https://qwen.ai/chat?from=x)", "the page https://www.qwen.ai/chat?from=x", "the page <https://qwen.ai/a>"])
def test_behind_an_introduction_a_link_to_the_partner_goes_like_any_other(to: str) -> None:
    for text in (f"I am Qwen. See {to} now.", f"我是通义千问。See {to} now."):
        out = through([text])
        assert out.endswith((" See the page now.", "See the page now.", "See the page  now."))
        assert through(list(text)) == out


def test_a_link_to_a_partner_does_not_leave_its_name_for_a_label() -> None:
    assert through(["Powered by [Qwen](https://qwen.ai/?from=x)"], ["How is the river?"]) == "Powered by Lining"
    assert through(["更多请见[通义千问](https://qwen.ai)。"], ["天气怎么样？"]) == "更多请见小里。"
    assert through(["See [Qwen Chat](https://chat.qwen.ai/a) there."], ["Where is Qwen Chat?"]) == "See Qwen Chat there."
    assert through(["See [how it works](https://chat.qwen.ai/a)."], ["How is the river?"]) == "See how it works."


def test_powered_by_is_said_in_chinese_too() -> None:
    assert through(["天气很好。\n由通义千问提供支持。"]) == "天气很好。\n由小里提供支持。"
    assert through(["天气很好。（由Kimi大模型强力驱动）"]) == "天气很好。（由小里大模型强力驱动）"
    kept = "由腾讯提供支持的赛事今天开幕。"
    assert through([kept]) == kept


def test_a_host_that_is_cut_is_not_taken_for_one_that_the_user_wrote() -> None:
    text = "Hello. ![.](https://track.example/a.gif) there"
    for question in ("Is it a test?", "See track.example.org and track.examples", "not-track.example"):
        for at in range(len(text)):
            assert through([text[:at], text[at:]], [question]) == "Hello.  there"
    assert through(list(text), ["Show https://track.example/b.gif"]) == text


def test_a_label_that_holds_an_address_of_the_users_does_not_let_another_through() -> None:
    assert "track" not in through(["![//a.example/x](https://track.example/a.gif)"], ["See //a.example/x"])


def test_an_address_behind_a_broken_one_is_looked_at() -> None:
    assert "kimi.com" not in through(["See [the page](https://x.example](https://kimi.com/chat?from=x) now."])


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Hi! The meeting is at three. I am Qwen, made by Alibaba.", "Hi! The meeting is at three."),
        ("The meeting is at three. ![](https://t.example/p.gif)", "The meeting is at three. "),
        ("会议三点开始。我是通义千问，由阿里云开发。", "会议三点开始。"),
        ("As an AI model by Alibaba, I shortened it. The meeting is at three.", "The meeting is at three."),
    ],
)
def test_in_a_text_that_is_worked_on_the_model_does_not_speak_at_all(said: str, left: str) -> None:
    def worked(pieces: Iterable[str]) -> str:
        machine = BrandFilter(BOOK, asked=["the meeting starts at 3, who are you to say no"], works=True)
        return "".join([machine.feed(piece) for piece in pieces]) + machine.close()

    assert worked([said]).strip() == left.strip()
    assert worked(list(said)) == worked([said])


def test_and_its_people_may_say_who_they_are() -> None:
    english = ("Hi, I'm Kimi, and I work on Kimi at Moonshot.", "I am Claude. Who are you?", "I was made in Meta.")
    for text in (*english, "我是通义千问的产品经理，由阿里云支持。"):
        machine = BrandFilter(BOOK, asked=[text], works=True)
        assert machine.feed(text.replace("Hi", "Hello")) + machine.close() == text.replace("Hi", "Hello")


def test_nor_does_one_that_is_written_as_a_tag() -> None:
    for text, out in (
        ('See <a href="https://kimi.com/x">Kimi</a> now.', "See Lining now."),
        ('See <a href="https://kimi.com/x"><b>Kimi</b> by Moonshot</a> now.', "See Lining now."),
        ('See <a href="https://kimi.com/x">how it works</a> now.', "See how it works now."),
        ('See <a href="https://x.example/">how it works</a> now.', 'See <a href="https://x.example/">how it works</a> now.'),
        ('See <a href="https://kimi.com/x">' + "how it works " * 20 + "</a> now.", "See " + "how it works " * 20 + " now."),
    ):
        assert through([text], ["How is the river?"]) == out
        assert through(list(text), ["How is the river?"]) == out
