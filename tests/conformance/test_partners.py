"""The conformance table: each dialect against each of the thirty behaviours, through the real corridor and the real client.

The cells, what is due in each, and why some are empty stand in `lizi.testing.planted`; docs/reference/conformance.md is made of
the same table. What holds of every exchange (one end, one settlement, bounded memory, no word of the partner's to the device, none
of ours to the partner) is asserted by `partner_line` for every request here.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from lizi.config import built_in
from lizi.dialects.rates import rates
from lizi.dialects.records import on_day
from lizi.errors import Retry
from lizi.features.script import foreign
from lizi.testing.behaviours import Behaviour
from lizi.testing.planted import PLANTED, Planted, Variant
from lizi.testing.remembering import GOOD
from lizi.testing.speeches import SPEECHES
from partner_line import NOW, Line
from partner_play import FORMAT, MORE, NUMBERS, TOOL, capabilities, played, question
from planted_pictures import saved, scene, url_of

CELLS = [
    pytest.param(
        dialect,
        planted,
        id=f"{dialect}-{planted.number:02d}-{planted.name}",
        marks=[pytest.mark.skip(reason=planted.absent[dialect])] if dialect in planted.absent else [],
    )
    for dialect in SPEECHES
    for planted in PLANTED
]


async def run(dialect: str, variant: Variant, *, stream: bool) -> None:
    async with Line(dialect, variant.script) as line:
        found = await played(line, variant, stream=stream)
        assert tuple(got.due for got in found) == variant.due
        for number, (got, due) in enumerate(zip(found, variant.due, strict=True)):
            line.check(got, forced=variant.forced)
            said = None if variant.said is None else variant.said[min(number, len(variant.said) - 1)]
            if said is not None and due in ("stop", "length", "content_filter", "tool_calls"):
                assert got.text == said
            elif said is not None:
                assert said.startswith(got.text), "what broke off was right as far as it went"
            assert variant.checks.items() <= got.exchange.checks.items()
            if due == "retract":
                assert b'"x_retract":{"scope":"all"' in got.bytes
            elif due == "result":
                candidate = json.loads(got.bytes)["candidates"][0]
                assert candidate["basis"] == "model" and foreign(candidate["text"], "zh-Hant") == ""
            elif due.startswith("!"):
                assert got.error.retry_after_s == variant.retry_after_s
                if due in ("!policy_input", "!policy_output", "!refused"):
                    assert got.error.retry is Retry.NEVER, "a block is not taken to another partner"
            if variant.arguments:
                assert got.arguments == variant.arguments
                named = b"get_weather" if "tools" in capabilities(line) else b"unknown_tool"  # nobody offered it one
                assert got.bytes.count(b'"name":"%b"' % named) == len(variant.arguments), "each call with its name"
            if variant.usage is not None:
                usage = got.exchange.usage
                assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (*variant.usage, False)
        if variant.ask == "personal":
            assert NUMBERS[0].encode() not in found[1].bytes
            assert not any(number.encode() in request.body for number in NUMBERS for request in line.partner.requests)
        await line.partner.until(lambda: line.partner.in_flight == 0)
        assert len(line.journal.records) == len(line.limits.settled) == len(found) and line.limits.open == {}


@pytest.mark.parametrize(("dialect", "planted"), CELLS)
async def test_a_partner_that_behaves_so_costs_the_device_nothing_but_this(dialect: str, planted: Planted) -> None:
    speech = SPEECHES[dialect]
    names = [variant.name for variant in planted.variants(speech)]
    assert names and len(set(names)) == len(names)
    for index, name in enumerate(names):
        for stream in (True, False):
            variant = planted.variants(speech)[index]  # made anew: some remember
            if stream not in variant.streamed:
                continue
            try:
                await run(dialect, variant, stream=stream)
            except AssertionError as error:
                error.add_note(f"variant '{name}', {'streamed' if stream else 'whole'}")
                raise


# --- what it asks ---------------------------------------------------------------------------------

HISTORY = [
    {"role": "system", "content": "Be brief."},
    {"role": "developer", "content": [{"type": "text", "text": "Use the metric system."}]},
    {"role": "user", "name": "olga", "content": "What is the weather?"},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call:1/a", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"杭州"}'}},
        {"id": "call_2", "type": "function", "function": {"name": "get_time", "arguments": "no JSON"}},
        {"id": "call_3", "type": "function", "function": {"name": "get_time", "arguments": ""}},
    ]},
    {"role": "tool", "tool_call_id": "call:1/a", "content": "7 °C"},
    {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "noon"}]},
    {"role": "tool", "tool_call_id": "call_3", "content": "noon"},
    {"role": "assistant", "content": "It is cold."},
    {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "tomorrow?"}]},
]  # fmt: skip
SAMPLING = {
    "temperature": 1.7, "top_p": 0.9, "presence_penalty": 0.5, "frequency_penalty": 0.5, "seed": 7, "stop": ["END"], "max_tokens": 300,
    "user": "olga", "metadata": {"a": "b"}, "store": True,
}  # fmt: skip
IMAGE = {"type": "image_url", "image_url": {"url": url_of(saved(scene(8, 8), "PNG")), "detail": "low"}}
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "every field of sampling": SAMPLING,
    "an object": {"response_format": {"type": "json_object"}},
    "a schema": {"response_format": FORMAT},
    "a schema, thinking": {"response_format": FORMAT, "reasoning_effort": "high", "max_tokens": 8_192},
    "a conversation": {"messages": HISTORY, "tools": [TOOL, MORE]},
    "one call at a time": {"tools": [TOOL, MORE], "parallel_tool_calls": False},
    **{f"tools, {choice}": {"tools": [TOOL, MORE], "tool_choice": choice} for choice in ("none", "auto", "required")},
    "a named tool": {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
    **{f"effort {effort}": {"reasoning_effort": effort} for effort in ("none", "minimal", "low", "medium", "high", "xhigh")},
    "a short thought": {"reasoning_effort": "high", "max_tokens": 300},
    "all at once": SAMPLING
    | {"messages": HISTORY, "tools": [TOOL], "tool_choice": "required", "reasoning_effort": "high", "max_tokens": 8_192},
    "an image": {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]}]},
}
MODELS = [(dialect, model) for dialect, speech in SPEECHES.items() for model in speech.models]


@pytest.mark.parametrize(("dialect", "model"), MODELS, ids=["-".join(pair) for pair in MODELS])
async def test_a_partner_takes_whatever_it_is_asked(dialect: str, model: str) -> None:
    answer = Behaviour(text='{"city":"杭州"}', chunks=2)
    async with Line(dialect, answer, model=model) as line:
        able = capabilities(line)
        for name, fields in SHAPES.items():
            if ("tools" in fields and "tools" not in able) or (name == "an image" and "images" not in able):
                continue
            for stream in (True, False):
                asked_before = line.partner.requests_total
                got = await line.ask(question(stream=stream, **fields))
                assert list(line.partner.refused) == [], f"{name}, {'streamed' if stream else 'whole'}"
                assert got.due in ("stop", "tool_calls"), name
                assert line.partner.requests_total == asked_before + 1, f"{name}: taken as it was asked first"
                line.check(got)


@pytest.mark.parametrize("dialect", SPEECHES)
def test_what_its_rate_headers_say_is_read(dialect: str) -> None:
    speech = SPEECHES[dialect]
    names = on_day(built_in()[dialect], speech.models[0], NOW).rate_headers
    hint = rates(dict(speech.rate_headers), names, NOW)
    assert (hint is not None) == bool(speech.rate_headers) == bool(names)
    if hint is not None:
        assert hint.requests_remaining is not None and hint.requests_limit is not None
        assert hint.requests_remaining < hint.requests_limit


async def test_a_key_of_another_region_is_refused_as_a_failure_of_ours() -> None:
    async with Line("qwen", GOOD) as line:
        line.partner._key = "sk-of-another-region"
        got = await line.ask(question(stream=True))
    assert got.due == "!auth" and got.error.code == "upstream_failed" and "acme" not in got.words


def test_every_cell_is_run_or_explained() -> None:
    assert sorted(SPEECHES) == sorted(built_in()), "each record has its double: a row of src/lizi/testing/speeches.py"
    assert [planted.number for planted in PLANTED] == list(range(1, 31))
    tagged = {name for name, record in built_in().items() if record.dialect.tags}
    assert tagged == SPEECHES.keys() - PLANTED[6].absent.keys(), "who thinks between tags is tried so: `_FIELDS` of planted.py names them"
    assert all(dialect in SPEECHES and why for planted in PLANTED for dialect, why in planted.absent.items())
