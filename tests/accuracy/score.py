"""Recognisers against marked sentences: recall by kind, language and form, precision, decoys, false names, what is left of a text.

A value counts as found when every character of it that is no space or mark is covered by findings, whatever their kind: then none of
it leaves. An address counts when nine tenths of it are, since where one begins is a matter of taste. A finding that touches no value is
false. `PYTHONPATH=src:tests python -m accuracy.score` prints the tables.
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
from lizi.text import KINDS, recognise

__all__ = ["Score", "score", "sentences"]

HERE = Path(__file__).parent
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


def table(result: Score) -> str:
    """The score as Markdown."""
    lines = ["| kind | values | found, zh | found, en | false findings |", "| --- | ---: | ---: | ---: | ---: |"]
    for kind in KINDS:
        cells = []
        for language in ("zh", "en"):
            keys = [key for key in result.values if key[0] == kind and key[1] == language]
            count = sum(result.values[key] for key in keys)
            cells.append(f"{sum(result.found[key] for key in keys)} of {count}" if count else "–")
        lines.append(f"| {kind} | {sum(n for key, n in result.values.items() if key[0] == kind)} | {cells[0]} | {cells[1]} | {result.false[kind]} |")
    return "\n".join(lines)


def main() -> int:
    result = score(sentences(20261126))
    print(table(result))
    print(f"structured recall {result.recall(STRUCTURED):.4f}; zh names {result.recall(['person'], 'zh'):.4f} (all forms {result.recall(['person'], 'zh', whole_names=False):.4f})")
    print(f"en names {result.recall(['person'], 'en'):.4f}; zh addresses {result.recall(['address'], 'zh'):.4f}; en addresses {result.recall(['address'], 'en'):.4f}")
    print(f"precision {result.precision:.4f}; decoys masked {result.decoy_rate:.4f}; ordinary with a false name {result.false_name_rate:.4f}; remainder {result.remainder:.4f}")
    if "--missed" in sys.argv:
        for kind, text in result.missed:
            print(kind, "|", text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
