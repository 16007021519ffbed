"""What partners do differently, as a conversation through the corridor: answers withdrawn, reasoning brought back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corridor import CONFIG, SSE, Corridor, asking, end_of, stream, text_of
from lizi.testing import FakeReply
from lizi.types import Event, Fault, Retract, State, Text
from lizi.wire.openai import StreamEncoder, whole

pytestmark = pytest.mark.asyncio
PARTNERS = CONFIG + """
[partners.baidu]
base_url = "https://qianfan.example/v2"
dialect = "qianfan"
[partners.deep]
base_url = "https://deep.example"
dialect = "deepseek"
[models.withdrawing]
targets = [{ partner = "baidu", model = "ernie-5" }, { partner = "first", model = "large" }]
[models.thinking]
targets = [{ partner = "deep", model = "deepseek-v4", capabilities = ["tools"] }]
[models.other]
targets = [{ partner = "first", model = "large", capabilities = ["tools"] }]
[metering]
unpriced = "free"
"""
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def shown(events: list[Event], model: str) -> list[dict[str, Any]]:
    encoder = StreamEncoder(exchange_id="rq_x", model=model, created=1)
    lines = encoder.feed(events).decode().split("\n\n")
    return [json.loads(line[6:]) for line in lines if line and line != "data: [DONE]"]


# --- a partner that withdraws --------------------------------------------------------------------


async def test_a_device_that_can_retract_sees_the_answer_at_once_and_takes_it_back() -> None:
    corridor = Corridor(stream({"content": "One "}, {"content": "two"}, {"content": "!"}, flags={2: 4}), config=PARTNERS)
    batches: list[list[Event]] = []
    events = await corridor.ask(asking("withdrawing", x_can_retract=True), seen=batches.append)
    assert batches[0] == [Text("One ")], "nothing was held"
    assert [event for event in events if isinstance(event, Retract)]
    assert end_of(events) == "content_filter"
    chunks = shown(events, "withdrawing")
    assert chunks[-2]["choices"][0]["x_retract"] == {"scope": "all", "replacement": "", "reason_class": "content"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"


async def test_any_other_device_gets_it_only_when_it_can_no_longer_be_withdrawn() -> None:
    corridor = Corridor(stream({"content": "One "}, {"content": "two"}), config=PARTNERS)
    batches: list[list[Event]] = []
    events = await corridor.ask(asking("withdrawing"), seen=batches.append)
    assert len(batches) == 1
    assert text_of(events) == "One two"
    assert end_of(events) == "stop"
    (record,) = corridor.journal.records
    assert record.first_released_mono is not None
    assert record.attempts[0].released


async def test_what_was_withdrawn_before_it_was_shown_is_never_shown() -> None:
    corridor = Corridor(stream({"content": "One "}, {"content": "two"}, flags={1: 4}), config=PARTNERS)
    events = await corridor.ask(asking("withdrawing"))
    assert text_of(events) == ""
    assert not any(isinstance(event, Retract) for event in events)
    assert end_of(events) == "content_filter"
    (record,) = corridor.journal.records
    assert record.outcome == "ok"
    assert record.usage.output_tokens > 0, "the partner bills what it made"
    assert not record.attempts[0].released


async def test_what_is_held_has_been_seen_by_nobody_so_another_target_may_answer() -> None:
    broken = FakeReply(headers=SSE, pieces=stream({"content": "One "}).pieces[:1], fault_at=1)
    corridor = Corridor([broken, stream({"content": "Uno"})], config=PARTNERS)
    events = await corridor.ask(asking("withdrawing"))
    assert text_of(events) == "Uno"
    assert len(corridor.journal.records[0].attempts) == 2


async def test_a_policy_stop_of_a_held_answer_is_final() -> None:
    corridor = Corridor([stream({"content": "One "}, {"content": "x"}, flags={1: 3}), stream({"content": "Uno"})], config=PARTNERS)
    events = await corridor.ask(asking("withdrawing"))
    assert isinstance(events[-1], Fault)
    assert events[-1].error.code == "policy_blocked"
    assert len(corridor.upstream.calls) == 1


# --- reasoning that comes back -------------------------------------------------------------------


CALL = {"index": 0, "id": "call_of_deep", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


async def _first_turn(corridor: Corridor) -> tuple[list[Event], dict[str, Any]]:
    """The device's own record of the first turn, as an official client would keep it."""
    events = await corridor.ask(asking("thinking", tools=[TOOL]))
    answer = json.loads(whole(events, exchange_id=corridor.journal.records[-1].id, model="thinking", created=1))
    message: dict[str, Any] = answer["choices"][0]["message"]
    return events, message


def _second(message: dict[str, Any], model: str = "thinking") -> dict[str, Any]:
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "7"}
    return asking(model, tools=[TOOL], messages=[{"role": "user", "content": "Hello"}, message, result])


def _sent(corridor: Corridor) -> list[dict[str, Any]]:
    """The turns, without the line that keeps accounts' caches apart."""
    return [turn for turn in json.loads(corridor.upstream.calls[-1].body)["messages"] if turn["role"] != "system"]


THOUGHT = stream({"reasoning_content": "I need "}, {"reasoning_content": "f."}, {"tool_calls": [CALL]}, finish="tool_calls")


async def test_a_device_brings_the_reasoning_back_that_its_partner_demands() -> None:
    corridor = Corridor([THOUGHT, stream({"content": "Seven."})], config=PARTNERS)
    events, message = await _first_turn(corridor)
    assert sum(isinstance(event, State) for event in events) == 1
    assert "need" not in message["x_state"]
    assert corridor.journal.records[0].checks["state"] == "passed"
    assert shown(events, "thinking")[-1]["choices"][0]["delta"] == {"x_state": next(e.sealed for e in events if isinstance(e, State))}
    await corridor.ask(_second(message))
    assert _sent(corridor)[1]["reasoning_content"] == "I need f."
    assert b"x_state" not in corridor.upstream.calls[-1].body


async def test_without_it_the_turn_still_goes_through_and_says_nothing() -> None:
    corridor = Corridor([THOUGHT, stream({"content": "Seven."})], config=PARTNERS)
    _, message = await _first_turn(corridor)
    del message["x_state"]
    assert end_of(await corridor.ask(_second(message))) == "stop"
    assert _sent(corridor)[1]["reasoning_content"] == ""


async def test_a_changed_turn_loses_its_reasoning_and_the_record_says_so() -> None:
    corridor = Corridor([THOUGHT, stream({"content": "Seven."})], config=PARTNERS)
    _, message = await _first_turn(corridor)
    message["tool_calls"][0]["function"]["arguments"] = '{"a":2}'
    await corridor.ask(_second(message))
    assert _sent(corridor)[1]["reasoning_content"] == ""
    assert corridor.journal.records[-1].checks["state_back"] == "failed"


async def test_a_conversation_moves_to_another_partner_and_takes_no_reasoning_along() -> None:
    corridor = Corridor([THOUGHT, stream({"content": "Seven."})], config=PARTNERS)
    _, message = await _first_turn(corridor)
    assert end_of(await corridor.ask(_second(message, "other"))) == "stop"
    assert b"need" not in corridor.upstream.calls[-1].body
    assert "reasoning_content" not in _sent(corridor)[1]


async def test_a_partner_that_wants_nothing_back_makes_the_device_carry_nothing() -> None:
    corridor = Corridor([stream({"reasoning_content": "Hm."}, {"content": "Yes."})], config=PARTNERS)
    events = await corridor.ask(asking("other"))
    assert not any(isinstance(event, State) for event in events)


async def test_reasoning_beyond_the_cap_is_dropped_and_the_answer_is_not() -> None:
    pieces = [{"reasoning_content": "x" * 30_000} for _ in range(3)]
    corridor = Corridor([stream(*pieces, {"tool_calls": [CALL]}, finish="tool_calls")], config=PARTNERS)
    events = await corridor.ask(asking("thinking", tools=[TOOL]))
    assert end_of(events) == "tool_calls"
    assert not any(isinstance(event, State) for event in events)
    assert corridor.journal.records[0].checks["state"] == "skipped"
