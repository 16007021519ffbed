"""Reasoning that travels with the device: only for its app, its turn, its time, its partner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.carry import LIMIT_BYTES, Carrier, Memory, Part, Thoughts, for_partner, turn_digest
from lizi.types import Event, Reasoning, Text, ToolDelta

KEYS = {"00" * 8: bytes(32), "11" * 8: b"k" * 32}
NOW = 1_764_000_000.0
THOUGHTS = Thoughts("acme", [Part("I ask f.", "sig=="), Part("And g.")])
TURN = turn_digest("It rains.", [("f", '{"city":"杭州"}')])


def carrier(current: str = "11" * 8, life_s: int = 3600) -> Carrier:
    return Carrier(KEYS, current, life_s)


def sealed(**more: str) -> str:
    word = carrier().seal(THOUGHTS, "notes", TURN, NOW, more.get("unique", "rq_1"))
    assert word is not None
    return word


def test_what_was_sealed_comes_back_whole() -> None:
    assert carrier().open(sealed(), "notes", TURN, NOW + 3599) == THOUGHTS


def test_another_app_another_turn_or_too_late_and_there_is_nothing() -> None:
    assert carrier().open(sealed(), "mail", TURN, NOW) is None
    assert carrier().open(sealed(), "notes", turn_digest("It rains!", []), NOW) is None
    assert carrier().open(sealed(), "notes", TURN, NOW + 3600) is None


def test_an_older_key_opens_and_a_removed_one_does_not() -> None:
    old = carrier("00" * 8).seal(THOUGHTS, "notes", TURN, NOW, "rq_1")
    assert old is not None
    assert carrier().open(old, "notes", TURN, NOW) == THOUGHTS
    assert Carrier({"11" * 8: b"k" * 32}, "11" * 8, 60).open(old, "notes", TURN, NOW) is None


def test_the_word_says_nothing_and_is_no_handle() -> None:
    word = sealed()
    assert "ask" not in word and "acme" not in word
    assert sealed(unique="rq_2")[20:] != word[20:]
    assert set(word) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_reasoning_beyond_the_cap_is_dropped_by_rule_and_below_it_fits() -> None:
    assert carrier().seal(Thoughts("acme", [Part("x" * 48 * 1024)]), "notes", TURN, NOW, "rq_1") is None
    word = carrier().seal(Thoughts("acme", [Part("x" * 47 * 1024)]), "notes", TURN, NOW, "rq_1")
    assert word is not None
    assert len(word) <= LIMIT_BYTES
    assert carrier().open(word, "notes", TURN, NOW) is not None


@pytest.mark.parametrize("word", ["", "A", "=", "é", "AQ", "A" * 80, "x" * (LIMIT_BYTES + 1), " " + "A" * 60])
def test_what_is_no_word_of_ours_is_nothing(word: str) -> None:
    assert carrier().open(word, "notes", TURN, NOW) is None


@given(st.integers(0, 200), st.integers(1, 255))
def test_any_changed_octet_makes_it_nothing(at: int, by: int) -> None:
    import base64

    word = sealed()
    raw = bytearray(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))
    raw[at % len(raw)] ^= by
    changed = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
    assert carrier().open(changed, "notes", TURN, NOW) is None


@given(st.text())
def test_no_text_at_all_breaks_it(text: str) -> None:
    assert carrier().open(text, "notes", TURN, NOW) is None


def test_a_turn_is_the_same_as_a_string_or_as_parts_and_calls_dont_run_together() -> None:
    assert turn_digest("ab", []) == turn_digest([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], [])
    assert turn_digest(None, []) == turn_digest("", [])
    assert turn_digest("", [("a", "bc")]) != turn_digest("", [("ab", "c")])
    assert turn_digest("", [("a", "b"), ("c", "d")]) != turn_digest("", [("c", "d"), ("a", "b")])


def remembered(*events: Event) -> Memory:
    memory = Memory()
    for event in events:
        memory.feed([event])
    return memory


def test_thoughts_between_words_and_calls_keep_their_places_and_the_usual_order_needs_no_words() -> None:
    thought, word, call = Reasoning("Hm.", "sig"), Text("潮汐"), ToolDelta(index=0, id="a", name="f", arguments="{")
    found = remembered(thought, word, Text("!"), call, thought, ToolDelta(index=0, arguments="}")).thoughts("acme", "m")
    assert found == Thoughts("acme", [Part("Hm.", "sig"), Part("Hm.", "sig")], "m", [-1, 3, 0, -1])
    usual = remembered(Reasoning("H"), Reasoning("m."), Reasoning("", "sig"), thought, word, call).thoughts("acme", "m")
    assert usual == Thoughts("acme", [Part("Hm.", "sig"), Part("Hm.", "sig")], "m")
    assert remembered(word, Reasoning("unsigned"), call).thoughts("acme", "m") == Thoughts("acme", [Part("unsigned")], "m")


def test_what_is_too_long_is_dropped_whole_and_never_in_part() -> None:
    memory = remembered(Reasoning("Hm.", "sig"), Text("x"), Reasoning("y" * LIMIT_BYTES, "sig"), Reasoning("Hm.", "sig"))
    assert memory.too_long and memory.thoughts("acme", "m") is None


def test_a_signature_goes_to_the_model_that_gave_it_and_words_to_any_of_its_partners() -> None:
    thoughts = Thoughts("acme", [Part("signed", "sig"), Part("plain")], "m-1", [3, -1])
    turn = {"role": "assistant", "content": "abc", "reasoning": thoughts}
    both = [{"text": "signed", "signature": "sig"}, {"text": "plain", "signature": ""}]
    bare = {"role": "assistant", "content": "abc"}
    assert for_partner([turn], "acme", "m-1") == [bare | {"reasoning": both, "places": [3, -1]}]
    assert for_partner([turn], "acme", "m-2") == [bare | {"reasoning": both[1:]}]
    assert for_partner([turn], "umbrella", "m-1") == [bare]


def test_what_was_sealed_before_places_were_kept_still_opens() -> None:
    import msgspec

    class Before(msgspec.Struct):
        partner: str
        parts: list[Part]

    old = Before("acme", [Part("I ask f.", "sig==")])
    word = carrier().seal(old, "notes", TURN, NOW, "rq_1")  # type: ignore[arg-type]
    assert word is not None
    found = carrier().open(word, "notes", TURN, NOW)
    assert found == Thoughts("acme", old.parts)
    assert for_partner([{"reasoning": found}], "acme", "m")[0]["reasoning"] == [{"text": "I ask f.", "signature": "sig=="}]
