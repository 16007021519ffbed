"""What a double asks of the model: the dialect's request, translated back and nothing lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lizi.config import built_in
from lizi.dialects import DIALECTS
from lizi.dialects.records import known, on_day
from lizi.testing.captured import Captured, asked_of
from lizi.testing.live import LIVE, Live, question_of
from lizi.testing.partners import Behaviour, Partner
from lizi.testing.speeches import SPEECHES
from lizi.types import ChatRequest, JsonSchemaFormat, Target

NOW = 1_795_600_000.0
"""2026-11-25: the day for which the records are read, whenever the tests run."""
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
TURNS: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Name a river."}, {"type": "text", "text": "In China."}]},
    {"role": "assistant", "content": "The Yangtze."},
    {"role": "user", "content": "Another."},
]


def built(dialect: str, **fields: Any) -> bytes:
    """The body that the dialect sends."""
    record, model = built_in()[dialect], SPEECHES[dialect].models[0]
    entry = known(record, model, NOW)
    target = Target(
        partner="acme", model=model, region="local", dialect=record.family, base_url="http://127.0.0.1:1/v1", credential="",
        price_key="acme/m", facts=on_day(record, model, NOW),
        capabilities=entry.capabilities if entry is not None else frozenset({"json_object", "json_schema"}),
    )  # fmt: skip
    return DIALECTS[record.family].encode(ChatRequest(model="assistant", messages=TURNS, max_output_tokens=12, **fields), target).body


@pytest.mark.parametrize("dialect", LIVE)
def test_a_conversation_and_its_limit_come_back_as_they_were(dialect: str) -> None:
    found = question_of(msgspec.json.decode(built(dialect)), SPEECHES[dialect])
    assert [(turn["role"], turn["content"]) for turn in found["messages"]] == [
        ("system", "Be brief."), ("user", "Name a river.\nIn China."), ("assistant", "The Yangtze."), ("user", "Another."),
    ]  # fmt: skip
    assert found["max_tokens"] == 12 and "response_format" not in found


@pytest.mark.parametrize("dialect", LIVE)
def test_a_schema_comes_back_wherever_the_dialect_put_it(dialect: str) -> None:
    wanted = JsonSchemaFormat(name="place", schema=SCHEMA)
    found = question_of(msgspec.json.decode(built(dialect, response_format=wanted)), SPEECHES[dialect])
    assert found["response_format"]["json_schema"]["schema"] == SCHEMA


def test_tools_of_a_device_are_refused_and_not_forgotten() -> None:
    tree = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "tools": [{"type": "function"}]}
    with pytest.raises(ValueError, match="tools"):
        question_of(tree, SPEECHES["openai_chat"])


def test_what_the_model_said_is_what_the_partner_says() -> None:
    body = built("minimax")
    captured = Captured(number=0, head=b"", body=body, at_mono=0.0, asked=asked_of(body))
    with Partner(Behaviour(text="The Yellow River.", finish="length", input_tokens=7, output_tokens=4)) as model:
        script = Live(SPEECHES["minimax"], model.base_url.removesuffix("/v1"), "key")
        behaviour = script(captured)
    assert (behaviour.text, behaviour.finish, behaviour.input_tokens) == ("The Yellow River.", "length", 7)
    assert behaviour.output_tokens == 8, "its thought and its answer"
    assert behaviour.reasoning == "The Yellow River." and model.requests_total == 2
    assert script.said[-1].asked["messages"] == model.requests[0].json["messages"]


def test_a_model_that_refuses_is_no_answer() -> None:
    body = built("qwen")
    captured = Captured(number=0, head=b"", body=body, at_mono=0.0, asked=asked_of(body))
    with Partner(Behaviour(status=400, error={"error": {}})) as model, pytest.raises(ValueError, match="400"):
        Live(SPEECHES["qwen"], model.base_url.removesuffix("/v1"), "key")(captured)
