"""The blind accuracy set is the one that the manifest pins, and its labels are right."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from accuracy import generator
from accuracy.values import KINDS, Values

TEMPLATES, TABLES = generator.load()
MADE: set[tuple[str, str, str]] = set()


def records() -> list[dict[str, Any]]:
    """The set, while a listener writes down each value as it is made."""
    make = Values.make

    def heard(self: Values, kind: str, *rest: Any) -> tuple[str, str]:
        text, form = make(self, kind, *rest)
        MADE.add((kind, text, form))
        return text, form

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Values, "make", heard)
        return generator.generate(TEMPLATES, TABLES, Random(generator.SEED))


RECORDS = records()
SPANS = [(record, span, record["text"][span["start"] : span["end"]]) for record in RECORDS for span in record["spans"]]


def test_the_set_is_the_one_that_the_manifest_pins() -> None:
    written = (generator.FOLDER / "MANIFEST.toml").read_text(encoding="utf-8")
    assert generator.manifest(RECORDS, TEMPLATES) == written


def test_another_seed_gives_another_set() -> None:
    assert generator.lines(generator.generate(TEMPLATES, TABLES, Random(1))) != generator.lines(RECORDS)


def test_there_are_two_thousand_different_sentences() -> None:
    assert len(RECORDS) == len({record["text"] for record in RECORDS}) == len({record["id"] for record in RECORDS}) == 2000


def test_every_language_and_class_is_there_in_number() -> None:
    languages = Counter(record["language"] for record in RECORDS)
    assert languages["zh-Hans"] >= 900
    assert languages["zh-Hant"] >= 250
    assert languages["en"] >= 700
    assert sum(record["class"] == "ordinary" for record in RECORDS) >= 400
    assert sum(len(record["decoys"]) for record in RECORDS) >= 300


def test_there_are_enough_templates_and_no_two_are_alike() -> None:
    languages = Counter(template.language for template in TEMPLATES)
    assert languages["zh-Hans"] >= 200
    assert languages["zh-Hant"] >= 60
    assert languages["en"] >= 190
    assert len({template.text for template in TEMPLATES}) == len(TEMPLATES)
    assert {record["template"] for record in RECORDS} == {template.name for template in TEMPLATES}


def test_there_are_enough_values_of_each_kind() -> None:
    values = Counter(span["kind"] for _, span, _ in SPANS)
    least = dict.fromkeys(KINDS, 60) | {"phone": 150, "resident_id": 100, "email": 100}
    assert set(values) == set(KINDS)
    assert {kind: values[kind] for kind in KINDS if values[kind] < least[kind]} == {}
    split = Counter((span["kind"], record["language"] == "en") for record, span, _ in SPANS)
    assert split["person", False] >= 350
    assert split["person", True] >= 200
    assert split["address", False] >= 200
    assert split["address", True] >= 80


def test_each_span_marks_what_the_generator_made() -> None:
    assert [text for _, span, text in SPANS if (span["kind"], text, span["form"]) not in MADE] == []


def test_each_sentence_has_the_spans_of_its_template() -> None:
    slots = {template.name: template.slots() for template in TEMPLATES}
    assert [record["id"] for record in RECORDS if Counter(span["kind"] for span in record["spans"]) != slots[record["template"]]] == []


def test_spans_and_decoys_do_not_overlap() -> None:
    for record in RECORDS:
        edges = sorted((mark["start"], mark["end"]) for mark in [*record["spans"], *record["decoys"]])
        assert all(start < end <= len(record["text"]) for start, end in edges)
        assert all(end <= start for (_, end), (start, _) in pairwise(edges))


def test_only_personal_sentences_hold_something_to_find() -> None:
    for record in RECORDS:
        assert bool(record["spans"]) == (record["class"] == "personal"), record["id"]
        assert bool(record["decoys"]) == (record["class"] == "decoy"), record["id"]
        assert {decoy["resembles"] for decoy in record["decoys"]} <= set(KINDS)


def test_no_notation_is_left_in_a_sentence() -> None:
    assert [record["text"] for record in RECORDS if re.search(r"\{[|~?]|\|\}|[⟪⟫]|\\[nt]|\{[a-z_]+(:[a-z_]+)?\}", record["text"])] == []


def test_no_line_is_used_so_often_that_it_decides_the_result() -> None:
    assert max(Counter(record["template"] for record in RECORDS).values()) <= generator.MOST_USES


def test_addresses_of_mail_and_machines_are_reserved_ones() -> None:
    mail = [text for _, span, text in SPANS if span["kind"] == "email"]
    assert [text for text in mail if not re.search(r"\bexample\.(com|org|net)$|\.example$", text)] == []
    machines = [text for _, span, text in SPANS if span["kind"] == "ip_address"]
    reserved = r"(192\.0\.2|198\.51\.100|203\.0\.113|10\.|172\.(1[6-9]|2\d|3[01])\.|192\.168)|2001:db8:|fe80::"
    assert [text for text in machines if not re.match(reserved, text)] == []


# --- check digits, by other formulas than the generator's ---

CHINESE_DIGITS = str.maketrans("〇零一幺二三四五六七八九", "001123456789")


def plain(text: str) -> str:
    return re.sub(r"[\s\-\u200b\u200c\u2060]", "", unicodedata.normalize("NFKC", text).translate(CHINESE_DIGITS)).upper()


def luhn(text: str) -> bool:
    doubled = [int(char) if place % 2 == 0 else sum(divmod(2 * int(char), 10)) for place, char in enumerate(reversed(text))]
    return text.isdigit() and sum(doubled) % 10 == 0


def resident(text: str) -> bool:
    areas = {row[3] for row in TABLES["places"]["cn"]["rows"]}
    date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    total = sum((10 if char == "X" else int(char)) * 2**place for place, char in enumerate(reversed(text)))
    return len(text) == 18 and text[:6] in areas and total % 11 == 1


def organisation(text: str) -> bool:
    values = ["0123456789ABCDEFGHJKLMNPQRTUWXY".index(char) for char in text]
    return len(text) == 18 and (values[-1] + sum(value * 3**place for place, value in enumerate(values[:-1]))) % 31 == 0


def international(text: str) -> bool:
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def social(text: str) -> bool:
    return bool(re.fullmatch(r"(?!000|666|9)\d{3}(?!00)\d\d(?!0000)\d{4}", text))


@pytest.mark.parametrize(
    ("kind", "right"),
    [
        ("resident_id", resident), ("bank_card", luhn), ("imei", luhn), ("uscc", organisation), ("iban", international), ("ssn", social),
    ],
)  # fmt: skip
def test_check_digits_are_right_under_every_disguise(kind: str, right: Callable[[str], bool]) -> None:
    assert [text for _, span, text in SPANS if span["kind"] == kind and not right(plain(text))] == []


def test_identity_cards_of_taiwan_and_hong_kong_have_right_check_digits() -> None:
    taiwan = [text for _, span, text in SPANS if span["kind"] == "permit" and re.fullmatch(r"[A-Z][12]\d{8}", text)]
    hongkong = [text for _, span, text in SPANS if span["kind"] == "permit" and re.fullmatch(r"[A-Z]{1,2}\d{6}\([\dA]\)", text)]
    assert len(taiwan) >= 10
    assert len(hongkong) >= 10
    for text in taiwan:
        digits = [*divmod("ABCDEFGHJKLMNPQRSTUVXYWZIO".index(text[0]) + 10, 10), *map(int, text[1:])]
        assert sum(digit * weight for digit, weight in zip(digits, [1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1], strict=True)) % 10 == 0
    for text in hongkong:
        values = [36 if char == " " else int(char, 36) for char in text.replace("(", "").replace(")", "").rjust(9)]
        assert sum(value * weight for value, weight in zip(values, range(9, 0, -1), strict=True)) % 11 == 0


def test_numbers_that_only_look_like_cards_or_devices_fail_the_check() -> None:
    shown = [record["text"][decoy["start"] : decoy["end"]] for record in RECORDS for decoy in record["decoys"]]
    assert [text for text in shown if re.fullmatch(r"\d{15,16}", text) and luhn(text)] == []
    assert [text for text in shown if re.fullmatch(r"\d{18}", text) and text[0] != "9"] == []


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (resident, "11010519491231002X", "110105194912310021"),
        (luhn, "4111111111111111", "4111111111111112"),
        (international, "GB82WEST12345698765432", "GB82WEST12345698765433"),
        (organisation, "91350100M000100Y43", "91350100M000100Y44"),
    ],
)
def test_the_checks_tell_published_examples_from_wrong_ones(kind: Callable[[str], bool], right: str, wrong: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TABLES["places"]["cn"], "rows", [["", "", "", "110105"]])
        assert kind(right)
        assert not kind(wrong)
