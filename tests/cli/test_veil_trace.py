"""What reached a partner and turned up elsewhere is traced to it: data terms (f) of docs/concepts/privacy.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lizi.testing import Partner
from running_program import Program


@pytest.fixture(scope="module")
def spoken(lizi: Program, partner: Partner) -> Iterator[list[str]]:
    """Two prompts as the partner got them, an exchange under each of two keys of the keyring."""
    with lizi.serving("--json") as said:
        address = json.loads(said)["address"]
        key = lizi("key", "create", "notes", "--json").json["key"]
        prompts = []
        for number in (1, 2):
            assert lizi("chat", f"Say something, number {number}", "--url", address, LIZI_KEY=key).code == 0
            prompts.append("\n".join(str(message["content"]) for message in list(partner.requests)[-1].json["messages"]))
            assert lizi("keyring", "rotate", "idempotency").code == 0
    yield prompts


@pytest.mark.requirement("S46")
def test_a_leaked_prompt_names_the_partner_and_the_attempt(lizi: Program, spoken: list[str], tmp_path: Path) -> None:
    leak = tmp_path / "leak.txt"
    leak.write_text("Some page.\n" + spoken[0] + "\nMore of it.", encoding="utf-8")
    done = lizi("veil", "trace", str(leak), "--json")
    assert done.code == 0
    (row,) = done.json
    assert row["partner"] == "acme"
    assert row["exchange"].startswith("rq_")
    assert row["attempt"] == 1


def test_the_key_of_its_day_is_tried_too_and_the_mark_alone_is_enough(lizi: Program, spoken: list[str], tmp_path: Path) -> None:
    first, second = (prompt.partition("(")[2].partition(")")[0] for prompt in spoken)
    both = tmp_path / "both.txt"
    both.write_text(f"{first} … {second}", encoding="utf-8")
    assert len(lizi("veil", "trace", str(both), "--json").json) == 2


def test_what_nobody_here_sent_is_not_known_and_says_so(lizi: Program, spoken: list[str], tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("(abcdefghijklmnop) and 9e107d9d372bb6826bd81d3542a419d6", encoding="utf-8")
    done = lizi("veil", "trace", str(other))
    assert done.code == 1
    assert "proves nothing" in done.out
    assert "2 possible marks, 2 attempts compared" in done.err + done.out


def test_a_file_that_is_not_there_is_a_clear_error(lizi: Program, tmp_path: Path) -> None:
    done = lizi("veil", "trace", str(tmp_path / "none.txt"))
    assert done.code == 2
    assert "can't be read" in done.err
