"""Planted words are found in every form, however the octets come in pieces, and nothing else is."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.edge.scan.seeker import HITS, Canaries, Hit, Seeker, forms

DOORS = ("prompt", "image", "answer")
CANARIES = Canaries(latin="qzkfwvhxjymb", han="厓厣叆呇咍哌", doors=DOORS)
WORDS = {"latin": CANARIES.word("image"), "han": CANARIES.hanzi("image")}
EVERY_FORM = [(f"{script}, {name}", data) for script, word in WORDS.items() for name, data in forms(word)]


def sought(*parts: bytes, canaries: Canaries = CANARIES) -> list[Hit]:
    seeker = Seeker(canaries)
    return [hit for part in parts for hit in seeker.feed(part)] + seeker.close()


@pytest.mark.parametrize("data", [data for _, data in EVERY_FORM], ids=[name for name, _ in EVERY_FORM])
def test_a_word_in_any_form_split_at_any_byte_is_found_once_with_its_door_and_place(data: bytes) -> None:
    around = b"\x01\xff before "
    whole = around + data + b" after \x02"
    for cut in range(len(whole) + 1):
        hits = sought(whole[:cut], whole[cut:])
        assert [hit.door for hit in hits] == ["image"], cut
        assert hits[0].offset == len(around)


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("UTF-8", WORDS["latin"].encode("latin-1")),
        ("UTF-8", WORDS["han"].encode()),
        ("UTF-16", WORDS["latin"].encode("utf-16-le")),
        ("UTF-16", WORDS["han"].encode("utf-16-be")),
        ("UTF-32", WORDS["latin"].encode("utf-32-le")),
        ("UTF-32", WORDS["han"].encode("utf-32-be")),
        ("GB 18030", WORDS["han"].encode("gb18030")),
        ("UTF-8 in hexadecimal", WORDS["latin"].encode().hex().encode()),
        ("UTF-8 in hexadecimal", WORDS["han"].encode().hex().upper().encode()),
        ("percent-encoded", quote(WORDS["han"]).encode()),
        (r"\u-escaped", json.dumps(WORDS["han"]).strip('"').encode()),
        (r"\u-escaped", json.dumps(json.dumps(WORDS["han"]))[3:-3].encode()),
        (r"\x-escaped", repr(WORDS["han"].encode())[2:-1].encode()),
        ("UTF-8 in capitals", WORDS["latin"].upper().encode()),
        ("UTF-8 in capitals", WORDS["latin"].capitalize().encode()),
    ],
)
def test_what_other_encoders_write_is_found(form: str, data: bytes) -> None:
    assert [(hit.form, hit.door) for hit in sought(b"x" + data + b"y")] == [(form, "image")]


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode], ids=["standard", "URL-safe"])
@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
@given(before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_base_64_is_found_at_each_phase(encode: object, word: str, before: bytes, after: bytes) -> None:
    data = encode(before + word.encode() + after)  # type: ignore[operator]
    assert [hit.door for hit in sought(data)] == ["image"]


@given(st.lists(st.sampled_from([data for _, data in EVERY_FORM]), max_size=5), st.lists(st.integers(0, 2_000), max_size=8))
def test_as_many_words_are_found_as_there_are_whatever_the_pieces(words: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(b" \x07 " + word + b" \x07 " for word in words)
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    hits = sought(*(whole[start:end] for start, end in pairwise(places)))
    assert [hit.door for hit in hits] == ["image"] * len(words)
    assert hits == sought(whole)


@given(st.binary(max_size=4_000))
def test_nothing_is_found_where_nothing_was_planted(data: bytes) -> None:
    assert sought(data) == []


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_what_is_held_between_pieces_is_bounded(parts: list[bytes]) -> None:
    seeker = Seeker(CANARIES)
    for part in parts:
        seeker.feed(part)
        assert len(seeker._tail) <= seeker.overlap_bytes


def test_another_scans_words_are_not_ours() -> None:
    other = Canaries(latin="mbqzkfwvhxjy", han="坻垌垓垡垧厓", doors=DOORS)
    assert sought(CANARIES.word("prompt").encode() + CANARIES.hanzi("prompt").encode(), canaries=other) == []


def test_a_word_that_is_cut_off_after_its_mark_is_found_all_the_same() -> None:
    assert [hit.door for hit in sought(b"log: " + WORDS["latin"][:-1].encode())] == ["cut off before its end"]


def test_a_place_full_of_words_lists_a_thousand_and_counts_the_rest() -> None:
    seeker = Seeker(CANARIES)
    hits = seeker.feed(b" ".join([WORDS["latin"].encode()] * (HITS + 7))) + seeker.close()
    assert (len(hits), seeker.more) == (HITS, 7)


def test_each_door_has_words_of_its_own() -> None:
    many = Canaries(latin="qzkfwvhxjymb", han="厓厣叆呇咍哌", doors=tuple(f"door {number}" for number in range(300)))
    assert len({many.word(door) for door in many.doors} | {many.hanzi(door) for door in many.doors}) == 600
