"""Recognisers against marked sentences: recall by kind, language and form, precision, decoys, false names, what is left of a text.

A value counts as found when every character of it that is no space or mark is covered by findings, whatever their kind: then none of
it leaves. An address counts when nine tenths of it are, since where one begins is a matter of taste. A finding that touches no value is
false. `PYTHONPATH=src:tests python -m recogniser_score` prints the tables.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from accuracy.generator import generate, load
from accuracy_development import records
from lizi.text import KINDS, recognise

__all__ = ["PAGE", "SEED", "STRUCTURED", "Score", "figures", "page", "score", "sentences"]

ROOT = Path(__file__).parents[1]
PAGE = Path("docs/reference/accuracy.md")
SEED = 20261126
GUESSED = frozenset({"person", "address"})
STRUCTURED = frozenset(KINDS) - GUESSED
ADDRESS_SHARE = 0.9
PART_OF_A_NAME = frozenset({"nickname", "given_only", "surname_only", "initial"})
"""Forms of a name that nobody could tell from a word without knowing the person; counted apart."""


@dataclass
class Score:
    """Counts; a key is (kind, language group, form)."""

    values: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    found: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    sentences: int = 0
    decoys: int = 0
    masked_decoys: int = 0
    ordinary: int = 0
    with_false_name: int = 0
    characters_outside: int = 0
    characters_lost: int = 0
    missed: list[tuple[str, str]] = field(default_factory=list)

    def recall(self, kinds: Iterable[str], language: str = "", *, whole_names: bool = True) -> float:
        """Share of values of these kinds that were found."""
        wanted = set(kinds)
        keys = [
            key
            for key in self.values
            if key[0] in wanted and language in ("", key[1]) and not (whole_names and key[0] == "person" and key[2] in PART_OF_A_NAME)
        ]
        return sum(self.found[key] for key in keys) / max(1, sum(self.values[key] for key in keys))

    @property
    def precision(self) -> float:
        """Share of findings that touch a value."""
        return 1 - sum(self.false.values()) / max(1, sum(self.findings.values()))

    @property
    def decoy_rate(self) -> float:
        return self.masked_decoys / max(1, self.decoys)

    @property
    def false_name_rate(self) -> float:
        return self.with_false_name / max(1, self.ordinary)

    @property
    def remainder(self) -> float:
        """Share of the characters outside values that a reader still has."""
        return 1 - self.characters_lost / max(1, self.characters_outside)


def sentences(seed: int) -> list[Mapping[str, Any]]:
    """The set, made anew."""
    templates, tables = load()
    return list(generate(templates, tables, Random(seed)))


def score(records: Iterable[Mapping[str, Any]]) -> Score:
    """Run the recognisers over every sentence."""
    result = Score()
    for record in records:
        text: str = record["text"]
        result.sentences += 1
        language = "zh" if record["language"].startswith("zh") else "en"
        findings = recognise(text)
        covered = bytearray(len(text))
        for one in findings:
            covered[one.start : one.end] = b"\1" * (one.end - one.start)
            result.findings[one.kind] += 1
            if not any(span["start"] < one.end and one.start < span["end"] for span in record["spans"]):
                result.false[one.kind] += 1
        inside = bytearray(len(text))
        for span in record["spans"]:
            start, end = span["start"], span["end"]
            inside[start:end] = b"\1" * (end - start)
            weight = [covered[at] for at in range(start, end) if text[at].isalnum()]
            share = sum(weight) / max(1, len(weight))
            key = (span["kind"], language, span["form"])
            result.values[key] += 1
            if share >= (ADDRESS_SHARE if span["kind"] == "address" else 1.0):
                result.found[key] += 1
            else:
                result.missed.append((span["kind"], text))
        result.characters_outside += inside.count(0)
        result.characters_lost += sum(1 for at in range(len(text)) if covered[at] and not inside[at])
        for decoy in record["decoys"]:
            result.decoys += 1
            result.masked_decoys += any(
                one.kind in STRUCTURED and one.start < decoy["end"] and decoy["start"] < one.end for one in findings
            )
        if record["class"] == "ordinary":
            result.ordinary += 1
            result.with_false_name += any(one.kind == "person" for one in findings)
    return result


FIRST = {
    "structured": 0.9082,
    "zh names": 0.8976,
    "en names": 0.7713,
    "zh addresses": 0.9074,
    "en addresses": 0.9176,
    "precision": 0.9664,
    "decoys": 0.0401,
    "false names": 0.0341,
    "remainder": 0.9920,
}
"""The blind measurement: of recognisers whose writer knew nothing of the set, not even a figure (2026-11-26)."""
PRVL = (30, 35)
"""Values found and values in all of the 20 published PRvL cases; tests/rooms/test_text_accuracy.py counts them."""
GOALS = {"structured": "≥ 99.5 %", "zh names": "≥ 96 %", "zh addresses": "≥ 90 %", "decoys": "< 0.5 %", "false names": "≤ 2 %"}
_NAMES = {
    "structured": "structured kinds, found",
    "zh names": "Chinese names, found (whole names and surnames with a title)",
    "en names": "English names, found (the same)",
    "zh addresses": "Chinese addresses, found",
    "en addresses": "English addresses, found",
    "precision": "findings that touch a value",
    "decoys": "decoys masked",
    "false names": "ordinary sentences with a false name",
    "remainder": "characters outside values that a reader still has",
}


def figures(result: Score) -> dict[str, float]:
    """The score in the figures of the page."""
    return {
        "structured": result.recall(STRUCTURED),
        "zh names": result.recall(["person"], "zh"),
        "en names": result.recall(["person"], "en"),
        "zh addresses": result.recall(["address"], "zh"),
        "en addresses": result.recall(["address"], "en"),
        "precision": result.precision,
        "decoys": result.decoy_rate,
        "false names": result.false_name_rate,
        "remainder": result.remainder,
    }


def table(result: Score) -> str:
    """The score by kind, as Markdown."""
    lines = ["| kind | values | found, Chinese | found, English | false findings |", "| --- | ---: | ---: | ---: | ---: |"]
    for kind in KINDS:
        cells = []
        for language in ("zh", "en"):
            keys = [key for key in result.values if key[0] == kind and key[1] == language]
            count = sum(result.values[key] for key in keys)
            cells.append(f"{sum(result.found[key] for key in keys)} of {count}" if count else "–")
        count = sum(number for key, number in result.values.items() if key[0] == kind)
        lines.append(f"| {kind} | {count} | {cells[0]} | {cells[1]} | {result.false[kind]} |")
    return "\n".join(lines)


def page(result: Score) -> str:
    """docs/reference/accuracy.md."""
    now = figures(result)
    seen = list(records())
    tuned = figures(score(seen))
    rows = [f"| {_NAMES[name]} | {GOALS.get(name, '–')} | {FIRST[name]:.1%} | {now[name]:.1%} | {tuned[name]:.1%} |" for name in now]
    return f"""<!-- Generated by `PYTHONPATH=src:tests python -m recogniser_score --write`. Don't edit. -->

# What the recognisers find

Measured on the blind set, `tests/accuracy`: {result.sentences:,} sentences in simplified and traditional Chinese and English, made from
613 templates with seed {SEED}, whose hash was committed before the recognisers ([how, and its limits](../../tests/accuracy/README.md)).
A value counts as found when each letter and digit of it is covered; an address when nine tenths of it are.

The **first** measurement was of recognisers that were written without any knowledge of the set. They were changed after it, with its
figures by kind, language, form and template in mind, and no sentence of it: so the figures of **now** are no longer blind in the strict
sense. Two thirds of these sentences hold personal data, far more than real text: precision here is no forecast, and recall on your users'
text will differ. A template is used several times, so that one phrase that is not understood costs up to five values.

The **development set**, `tests/accuracy_development`, has {len(seen):,} sentences, written by hand without knowing the recognisers;
rules were made while looking at them, so its figures are no forecast either. Its names are harder on purpose: many are words.

| | goal | first, blind | now | development set |
| --- | ---: | ---: | ---: | ---: |
{chr(10).join(rows)}

{table(result)}

Parts of names (given name alone, nickname, initials) are in the table by kind, and not in the lines above: without the person nobody
can tell them from words.
On the 20 published PRvL cases (Chinese and English; third-party data, not in this repository) {PRVL[0]} of {PRVL[1]} values are hidden; the
five that are not are illnesses, which are no kind here.

`lizi veil try` shows what happens to a text of yours.
"""


def main() -> int:
    """Print the figures, or write the page."""
    if "--development" in sys.argv:
        result = score(records())
        sys.stdout.writelines(f"{name}: {value:.2%}\n" for name, value in figures(result).items())
        sys.stdout.write(table(result) + "\n")
        return 0
    result = score(sentences(SEED))
    if "--write" in sys.argv:
        (ROOT / PAGE).write_text(page(result), encoding="utf-8")
    sys.stdout.write(page(result) + "\n")
    if "--missed" in sys.argv:
        sys.stdout.writelines(f"{kind} | {text}\n" for kind, text in result.missed)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
