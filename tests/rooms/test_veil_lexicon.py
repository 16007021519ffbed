"""Placeholders: issued once, forged by nobody, read back however a model bends or a network cuts them."""

from __future__ import annotations

import json
import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.veil.lexicon import LABELS, Lexicon, Restorer, look_alikes

PHONE, MAIL = "13800138000", 'a"b@c.example'


def lexicon() -> Lexicon:
    made = Lexicon()
    assert made.placeholder("phone", PHONE) == "⟦PHONE_1⟧"
    assert made.placeholder("email", MAIL) == "⟦EMAIL_1⟧"
    made.placeholder("person", "李雷")
    made.placeholder("person", "韩梅梅")
    return made


def restored(text: str, *, cuts: tuple[int, ...] = (), as_json: bool = False, of: Lexicon | None = None) -> str:
    restorer = Restorer(lexicon() if of is None else of, json=as_json)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return "".join(restorer.feed(text[start:end]) for start, end in pairwise(edges)) + restorer.close()


@pytest.mark.parametrize(
    "bent",
    [
        "⟦PHONE_1⟧", "⟦ PHONE_1 ⟧", "⟦phone_1⟧", "⟦PHONE 1⟧", "⟦PHONE-1⟧", "⟦PHONE1⟧", "⟦PHONE⟧", "〚PHONE_1〛",
        "【PHONE_1】", "[PHONE_1]", "［PHONE＿1］",
        "[phone 1]", "<PHONE_1>", "〈PHONE_1〉", "PHONE_1", "PHONE\\_1", "⟦PHONE\\_1⟧", "⟦PHONE_１⟧",
        "\\u27e6PHONE_1\\u27e7", "\\u27E6PHONE_1\\u27E7",
    ],
)  # fmt: skip
def test_a_placeholder_is_known_however_a_model_bends_it(bent: str) -> None:
    assert restored(f"Call {bent}.") == f"Call {PHONE}."
    assert restored(f"电话{bent}，谢谢") == f"电话{PHONE}，谢谢"


@pytest.mark.parametrize(
    "text",
    [
        "⟦PHONE_2⟧",
        "⟦CARD_1⟧",
        "⟦PERSON⟧",
        "MY_PHONE_1",
        "PHONE_12",
        "PHONE_1x",
        "[phone](https://x.example)",
        "<phone_1>",
        "⟦",
        "⟦PHONE",
        "[EMAIL]",
        "⟦⟧",
    ],
)
def test_what_was_not_issued_stays_as_it_is(text: str) -> None:
    assert restored(text) == text


def test_a_placeholder_within_others_brackets_is_restored_and_they_stay() -> None:
    assert restored("⟦⟦PHONE_1⟧⟧ [⟦PHONE_1⟧](x)") == f"⟦{PHONE}⟧ [{PHONE}](x)"


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/?q=⟦PHONE_1⟧", "see (http://a.example/⟦PHONE_1⟧/⟦EMAIL_1⟧)", "[more](⟦PHONE_1⟧)",
        "![x](//e.example/⟦EMAIL_1⟧)",
        "www.evil.example/⟦PHONE_1⟧", "https://例子.example/路径/⟦PHONE_1⟧", "ftp://a.example/PHONE_1", "javascript://x/⟦PHONE_1⟧",
    ],
)  # fmt: skip
def test_nothing_is_restored_into_a_web_address(text: str) -> None:
    assert restored(text) == text
    for cut in range(len(text)):
        assert restored(text, cuts=(cut,)) == text


def test_a_web_address_ends_where_its_text_does() -> None:
    assert restored("网址https://a.example/x，电话⟦PHONE_1⟧") == f"网址https://a.example/x，电话{PHONE}"
    assert restored('<a href="https://a.example">⟦PHONE_1⟧</a>') == f'<a href="https://a.example">{PHONE}</a>'
    assert restored("[mail](mailto:⟦EMAIL_1⟧) [call](tel:⟦PHONE_1⟧)") == f"[mail](mailto:{MAIL}) [call](tel:{PHONE})"


def test_an_address_that_is_longer_than_what_is_remembered_is_still_one() -> None:
    text = "https://evil.example/" + "a" * 3_000 + "⟦PHONE_1⟧"
    assert restored(text) == text == restored(text, cuts=tuple(range(0, 3_000, 7)))


def test_in_json_an_original_is_escaped_and_an_escaped_address_is_an_address() -> None:
    text = '{"to": "⟦EMAIL_1⟧", "at": "https:\\/\\/e.example\\/⟦PHONE_1⟧", "n": "\\u27e6PHONE_1\\u27e7"}'
    for cut in range(len(text)):
        tree = json.loads(restored(text, cuts=(cut,), as_json=True))
        assert tree == {"to": MAIL, "at": "https://e.example/⟦PHONE_1⟧", "n": PHONE}


TEXTS = st.lists(
    st.sampled_from(
        [
            "⟦PHONE_1⟧",
            "⟦",
            "⟧",
            "[",
            "]",
            "PERSON_",
            "1",
            "2",
            "PHONE",
            "_1",
            "\\",
            "u27e6",
            "<",
            ">",
            " ",
            "a",
            "https://",
            "，",
            "李",
            "(",
            "X",
            "\\_",
        ]
    )
    | st.text(max_size=3),
    max_size=30,
).map("".join)


@given(TEXTS, st.lists(st.integers(0, 200), max_size=12), st.booleans())
def test_any_split_of_an_answer_gives_the_same_text(text: str, cuts: list[int], as_json: bool) -> None:
    assert restored(text, cuts=tuple(cuts), as_json=as_json) == restored(text, as_json=as_json)


@given(TEXTS)
def test_what_is_held_is_bounded(text: str) -> None:
    restorer, given_back = Restorer(lexicon()), 0
    for fed, character in enumerate(text, 1):
        given_back += len(restorer.feed(character))
        assert fed - given_back <= 48 or given_back > fed


@given(TEXTS)
def test_nobody_can_forge_one(text: str) -> None:
    """Whatever a text holds: with its look-alikes replaced by placeholders it comes back as it was, and with nothing of another's in it."""
    issued = lexicon()
    out, at = [], 0
    for start, end in look_alikes(text):
        out += [text[at:start], issued.placeholder("literal", text[start:end])]
        at = end
    masked = "".join([*out, text[at:]])
    back = restored(masked, of=issued)
    assert PHONE not in back
    if "/" not in text and "](" not in masked:  # in an address a literal stays hidden, too
        assert back == text


def test_the_same_value_has_one_placeholder_and_another_has_another() -> None:
    made = Lexicon()
    assert [made.placeholder("phone", value) for value in ("1", "2", "1")] == ["⟦PHONE_1⟧", "⟦PHONE_2⟧", "⟦PHONE_1⟧"]
    assert made.placeholder("order", "1") == "⟦ORDER_1⟧"
    assert made.counts == {"PHONE": 2, "ORDER": 1}


def test_with_a_conversations_key_numbers_outlive_a_cut_history_and_without_it_don_t_link_two() -> None:
    values = [f"1380013{number:04}" for number in range(40)]
    whole, cut, other = Lexicon(b"k" * 32), Lexicon(b"k" * 32), Lexicon(b"o" * 32)
    names = [whole.placeholder("phone", value) for value in values]
    assert len(set(names)) == len(values)
    same = [cut.placeholder("phone", value) for value in values[20:]]
    assert same == names[20:]
    assert sum(one == two for one, two in zip(names, (other.placeholder("phone", value) for value in values), strict=True)) < 3


def test_values_that_meet_on_a_number_part_again() -> None:
    made = Lexicon(b"k" * 32)
    names = [made.placeholder("order", str(number)) for number in range(3_000)]
    assert len(set(names)) == 3_000
    assert all(restored(name, of=made) == str(number) for number, name in enumerate(names))


def test_a_lexicon_can_t_be_taken_along() -> None:
    made = lexicon()
    with pytest.raises(TypeError):
        pickle.dumps(made)
    assert repr(made) == "<Lexicon of 4>"
    assert PHONE not in repr(made)


def test_every_kind_has_a_word_of_its_own() -> None:
    from lizi.text import KINDS

    assert set(KINDS) <= set(LABELS)
    assert len(set(LABELS.values())) == len(LABELS)
    assert max(map(len, LABELS.values())) <= 8, "what the bound on held text counts with"
