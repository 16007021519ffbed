"""One full request as each partner gets it: the diff of a snapshot is the review of a record.

`GOLDEN=write pytest tests/golden` writes them anew; look at the diff before you keep it.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lizi.carry import Part, Thoughts, for_partner
from lizi.config import built_in
from lizi.dialects import DIALECTS
from lizi.dialects.records import known, on_day
from lizi.testing.speeches import SPEECHES
from lizi.types import Target
from lizi.wire.openai import decode_chat

HERE = Path(__file__).parent
DAY = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
MODELS = {name: speech.models[0] for name, speech in SPEECHES.items()} | {"anthropic": "claude-sonnet-4-5", "qwen": "qwen3-vl-plus"}

NEWER = {"anthropic": ("claude-opus-4-7", "claude-opus-5-5")}
"""Models that are spoken to in another form than the one above."""
SPOKEN = [*((name, MODELS[name], name) for name in MODELS), *((name, model, model) for name in NEWER for model in NEWER[name])]


def target(name: str, model: str) -> Target:
    record = built_in()[name]
    entry = known(record, model, DAY)
    return Target(
        partner="acme", model=model, region="cn", dialect=record.family, base_url="https://acme.test/v1", credential="env:ACME_KEY",
        price_key="acme", capabilities=entry.capabilities if entry else frozenset(),
        strict_schema=entry is not None and entry.schema == "strict", facts=on_day(record, model, DAY),
    )  # fmt: skip


def test_every_record_has_a_model_here() -> None:
    assert sorted(MODELS) == sorted(built_in()), "each record has its double: a row of src/lizi/testing/speeches.py"


@pytest.mark.parametrize(("name", "model", "file"), SPOKEN, ids=[file for _, _, file in SPOKEN])
def test_the_full_request_as_this_partner_gets_it(name: str, model: str, file: str) -> None:
    asked = decode_chat((HERE / "requests" / "full.json").read_bytes())
    thoughts = Thoughts("acme", [Part("I should look at the calendar first.", "c2lnbmF0dXJl")])
    turns = [turn | {"reasoning": thoughts} if turn["role"] == "assistant" else turn for turn in asked.messages]
    at = target(name, model)
    request = replace(asked, messages=for_partner(turns, "acme", at.model), reasoning_effort="medium", stream=True)
    call = DIALECTS[at.dialect].encode(request, at)
    shown: dict[str, Any] = {
        "url": call.url,
        "authorization": call.authorization,
        "headers": [f"{field.decode()}: {value.decode()}" for field, value in call.headers],
        "body": json.loads(call.body),
    }
    path = HERE / "snapshots" / f"record.{file}.json"
    made = json.dumps(shown, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(made, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == made
