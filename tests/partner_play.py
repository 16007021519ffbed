"""How a device asks for each of the planted behaviours: shared by the conformance table and the hidden-partner suite."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from lizi.config import built_in
from lizi.dialects.records import known
from lizi.testing.planted import THOUGHT, Variant
from partner_line import HURRIED, HURRIED_WHOLE, NOW, PATIENT, Got, Line

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Weather", "strict": True, "parameters": SCHEMA}}
MORE = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}
ALL = ("tools", "images", "json_object", "json_schema")
NUMBERS = ("13912345678", "13700001111")
"""Of two users."""
TRADITIONAL = "今天的會議改到下午三點，請大家準時參加。"


def question(*, stream: bool, **fields: Any) -> dict[str, Any]:
    return {"model": "assistant", "stream": stream, "messages": [{"role": "user", "content": "How is the river?"}], **fields}


async def asked(line: Line, variant: Variant, number: int, *, stream: bool) -> Got:
    """The request that shows the variant, as a device would send it."""
    deadlines = PATIENT
    if variant.hurried:
        deadlines = HURRIED if stream else HURRIED_WHOLE
    if variant.ask == "rewrite":
        body = {"input": {"text": TRADITIONAL}, "locale": "zh-Hant", "style": "friendly"}
        return await line.ask(body, feature="writing.rewrite")
    if variant.ask == "schema":
        # Held and checked here, also where the record trusts the partner to keep the schema; `refused` is tried from the top.
        wanted = ALL if variant.forced else tuple(capabilities(line))
        return await line.ask(question(stream=stream, response_format=FORMAT), capabilities=wanted, more=", strict_schema = false")
    fields: dict[str, Any] = {"x_can_retract": True} if variant.can_retract else {}
    if variant.ask == "personal":
        fields["messages"] = [{"role": "user", "content": f"My number is {NUMBERS[number]}."}]
    if "tools" in capabilities(line):
        fields["tools"] = [TOOL, MORE]
    return await line.ask(question(stream=stream, **fields), deadlines=deadlines)


def capabilities(line: Line) -> frozenset[str]:
    entry = known(built_in()[line.dialect], line.model, NOW)
    return entry.capabilities if entry is not None else frozenset()


async def looped(line: Line, variant: Variant, *, stream: bool) -> list[Got]:
    """A tool's call, and the conversation with its result, as an official client would carry it on."""
    fields: dict[str, Any] = {"tools": [TOOL], "reasoning_effort": "high", "max_tokens": 8_192}
    first = await line.ask(question(stream=stream, **fields), capabilities=ALL)
    message = json.loads(first.whole)["choices"][0]["message"]
    if variant.loses_state:
        message.pop("x_state", None)
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "7 °C"}
    again = question(stream=stream, **fields)
    again["messages"] += [message, result]
    second = await line.ask(again, capabilities=ALL)
    came = THOUGHT.encode() in line.partner.requests[-1].body
    wanted = line.speech.replays(line.model)
    if wanted != "optional":
        assert came == (wanted == "tool_loop" and not variant.loses_state), "its reasoning comes back to who demands it"
    return [first, second]


async def together(line: Line, variant: Variant, *, stream: bool) -> list[Got]:
    """All but the last begin before it and end after it."""
    count = len(variant.due) - 1
    others = [asyncio.create_task(asked(line, variant, number, stream=stream)) for number in range(count)]
    await line.partner.until(lambda: line.partner.in_flight == count)
    last = await asked(line, variant, count, stream=stream)
    return [*[await other for other in others], last]


async def played(line: Line, variant: Variant, *, stream: bool) -> list[Got]:
    """Every request of the variant, each to its end."""
    if variant.ask == "loop":
        return await looped(line, variant, stream=stream)
    if variant.together:
        return await together(line, variant, stream=stream)
    return [await asked(line, variant, number, stream=stream) for number in range(len(variant.due))]
