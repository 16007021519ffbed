"""What is reserved covers all that a plan may ask: never charged more, as long as each ask keeps to its estimate and its ceiling."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor import Corridor
from lizi import pipeline
from lizi.metering.tokens import estimate_request
from lizi.testing import FakeReply
from lizi.types import Call, ChatRequest, Exchange

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
LONG = "The meeting on 12 May at https://a.test/x was moved by Anna Kowalski, who could not come, to the 14th. " * 3
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("chat", {"model": "assistant", "messages": [{"role": "user", "content": LONG}], "max_tokens": 60}),
    (
        "chat",
        {
            "model": "assistant",
            "messages": [{"role": "user", "content": LONG}],
            "max_tokens": 60,
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
        },
    ),
    ("writing.proofread", {"input": {"text": LONG}, "locale": "en"}),
    ("writing.rewrite", {"input": {"text": LONG}, "locale": "en", "style": "friendly", "options": {"candidates": 3}}),
    ("writing.rewrite", {"input": {"text": LONG}, "locale": "en", "style": "emojify", "options": {"candidates": 2}}),
    ("writing.transform", {"input": {"text": LONG}, "locale": "en", "to": "summary"}),
]
ANSWERS = ("", "yes", "no idea", LONG, LONG.upper(), '{"a": 1}', '{"a": "x"}', "12", "😀 🎉", "Anna moved it.")


class Greedy:
    """A partner that uses all it may: as many prompt tokens as the estimate says, as many answer tokens as the ceiling allows."""

    def __init__(self, answers: list[str], fails: set[int]) -> None:
        self.answers = answers
        self.fails = fails
        self.asked = 0

    def __call__(self, call: Call) -> FakeReply:
        number, self.asked = self.asked, self.asked + 1
        if number in self.fails:
            return FakeReply(status=503, pieces=(b"{}",))
        body = json.loads(call.body)
        asked = ChatRequest(model="m", messages=body["messages"], tools=body.get("tools"))
        usage = {"prompt_tokens": estimate_request(asked), "completion_tokens": body["max_tokens"]}
        message = {"role": "assistant", "content": self.answers[number % len(self.answers)]}
        tree = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
        return FakeReply(pieces=(json.dumps(tree).encode(),))


async def _ask(feature: str, body: dict[str, Any], partner: Greedy, leave_after: int | None) -> tuple[Corridor, Exchange]:
    corridor = Corridor(partner)
    opened = corridor.open(body, feature=feature)
    async with aclosing(pipeline.serve(opened, corridor.ports)) as batches:
        if leave_after is None:
            async for _ in batches:
                pass
        else:
            work = asyncio.ensure_future(anext(batches, None))
            for _ in range(leave_after):
                await asyncio.sleep(0)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
    corridor.check_settled()
    (record,) = corridor.journal.records
    return corridor, record


@settings(max_examples=150, deadline=None)
@given(
    request=st.sampled_from(REQUESTS),
    answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=8),
    fails=st.sets(st.integers(0, 5), max_size=2),
    leave_after=st.one_of(st.none(), st.integers(1, 12)),
)
def test_whatever_is_answered_repaired_failed_over_or_left_the_charge_is_within_the_reservation(
    request: tuple[str, dict[str, Any]], answers: list[str], fails: set[int], leave_after: int | None
) -> None:
    feature, body = request
    corridor, record = asyncio.run(_ask(feature, body, Greedy(answers, fails), leave_after))
    assert record.charged_micros <= record.reserved_micros
    assert record.usage.input_tokens + record.usage.output_tokens <= corridor.limits.demands[0].tokens
    assert record.spent_micros >= record.charged_micros


@pytest.mark.parametrize("candidates", [1, 2, 3])
def test_candidates_are_reserved_each(candidates: int) -> None:
    body = {"input": {"text": LONG}, "locale": "en", "style": "friendly", "options": {"candidates": candidates}}
    alone = body | {"options": {"candidates": 1}}
    one = asyncio.run(_ask("writing.rewrite", alone, Greedy([LONG], set()), None))[1]
    record = asyncio.run(_ask("writing.rewrite", body, Greedy(["Anna could not come on 12 May: https://a.test/x."], set()), None))[1]
    assert record.reserved_micros == candidates * one.reserved_micros
