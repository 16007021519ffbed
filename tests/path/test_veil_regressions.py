"""What went wrong in other gateways' masking, one test each, named after it; privacy.md §7.1 has their issues and numbers."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from corridor import CONFIG, SSE, Corridor, asking, stream, text_of
from lizi import pipeline
from lizi.testing import FakeReply
from lizi.types import Call, Text, ToolDelta

PHONE, OTHER, MAIL = "13912345678", "13700001111", "li.lei@mail.example"
ANTHROPIC = CONFIG.replace('credential = "env:FIRST"', 'credential = "env:FIRST"\ndialect = "anthropic"')


def said(*contents: str) -> list[dict[str, Any]]:
    return [{"role": "user" if number % 2 == 0 else "assistant", "content": content} for number, content in enumerate(contents)]


def sent(corridor: Corridor, number: int = -1) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(corridor.upstream.calls[number].body)
    return body


def whole(content: str) -> FakeReply:
    tree = {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}
    return FakeReply(pieces=(json.dumps(tree).encode(),))


def events_of(*events: dict[str, Any]) -> bytes:
    """An Anthropic stream."""
    return b"".join(
        b"event: " + event["type"].encode() + b"\ndata: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n" for event in events
    )


@pytest.mark.parametrize("streamed", [True, False])
async def test_masking_and_restoring_know_of_each_other(streamed: bool) -> None:
    """LiteLLM #14516: two instances, and the map of the first was gone."""
    corridor = Corridor([stream({"content": "⟦PHONE_1⟧"}) if streamed else whole("⟦PHONE_1⟧")])
    assert text_of(await corridor.ask(asking("assistant", messages=said(PHONE), stream=streamed))) == PHONE


async def test_two_requests_at_once_never_see_each_others_values() -> None:
    """LiteLLM PR #19950, LLM Guard PR #82, a singleton scrubber: the map was shared."""

    def answer(call: Call) -> FakeReply:
        return stream({"content": "⟦PHONE_1⟧"}, {"content": " ⟦PHONE_2⟧"})

    corridor = Corridor(answer)

    async def one(number: str) -> str:
        opened = corridor.open(asking("assistant", messages=said(number)))
        texts = []
        async with aclosing(pipeline.serve(opened, corridor.ports)) as batches:
            async for batch in batches:
                texts += [event.text for event in batch if isinstance(event, Text)]
                await asyncio.sleep(0)
        return "".join(texts)

    assert await asyncio.gather(*(one(number) for number in (PHONE, OTHER) * 5)) == [f"{PHONE} ⟦PHONE_2⟧", f"{OTHER} ⟦PHONE_2⟧"] * 5


async def test_a_stream_stays_a_stream() -> None:
    """LiteLLM PRs #29134, #29135: masking held the whole answer back."""
    corridor = Corridor([stream({"content": "First. "}, {"content": "⟦PHONE_1⟧. "}, {"content": "Last."})])
    batches: list[list[Any]] = []
    await corridor.ask(asking("assistant", messages=said(PHONE)), seen=batches.append)
    assert ["".join(event.text for event in batch if isinstance(event, Text)) for batch in batches] == [
        "First. ",
        f"{PHONE}. ",
        "Last.",
        "",
    ]


async def test_a_placeholder_cut_anywhere_between_bytes_is_restored() -> None:
    """LiteLLM PRs #30028, #30206; PasteGuard 0.6.0: cut between deltas, between bytes, within a character, within its brackets."""
    line = (
        b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": "号码⟦PHONE_1⟧。"}}]}, ensure_ascii=False).encode() + b"\n\n"
    )
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    data = line + end
    for cut in range(1, len(data)):
        corridor = Corridor([FakeReply(headers=SSE, pieces=(data[:cut], data[cut:]))])
        assert text_of(await corridor.ask(asking("assistant", messages=said(PHONE)))) == f"号码{PHONE}。"
    deltas = [{"content": character} for character in "号码⟦PHONE_1⟧。"]
    assert text_of(await Corridor([stream(*deltas)]).ask(asking("assistant", messages=said(PHONE)))) == f"号码{PHONE}。"


async def test_arguments_of_tool_calls_are_masked_on_the_way_out_and_restored_on_the_way_back() -> None:
    """LiteLLM #31950, PR #30723."""
    tools = [{"type": "function", "function": {"name": "dial"}}]
    call = {"index": 0, "id": "c", "function": {"name": "dial", "arguments": '{"to":"⟦PHONE_1⟧"}'}}
    corridor = Corridor([stream({"tool_calls": [call]}, finish="tool_calls")])
    past = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "x", "type": "function", "function": {"name": "dial", "arguments": f'{{"to":"{PHONE}"}}'}}],
    }
    turns = [*said("Call him"), past, {"role": "tool", "tool_call_id": "x", "content": "busy"}, *said("Again")]
    events = await corridor.ask(asking("assistant", messages=turns, tools=tools))
    assert [event.arguments for event in events if isinstance(event, ToolDelta)] == [f'{{"to":"{PHONE}"}}']
    assert PHONE not in corridor.upstream.calls[0].body.decode()


async def test_results_of_tools_are_masked() -> None:
    """LiteLLM #14612."""
    past = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "x", "type": "function", "function": {"name": "find", "arguments": "{}"}}],
    }
    corridor = Corridor([stream({"content": "ok"})])
    turns = [*said("Find her"), past, {"role": "tool", "tool_call_id": "x", "content": f"mail {MAIL}, or {PHONE}"}]
    await corridor.ask(asking("assistant", messages=turns, tools=[{"type": "function", "function": {"name": "find"}}]))
    assert sent(corridor)["messages"][-1]["content"] == "mail ⟦EMAIL_1⟧, or ⟦PHONE_1⟧"


async def test_one_value_has_one_number_in_all_of_a_request_and_a_lost_number_is_no_loss() -> None:
    """LiteLLM #31959: several numbers for one value, and a model that dropped them."""
    corridor = Corridor([stream({"content": "⟦PHONE⟧"})])
    events = await corridor.ask(asking("assistant", messages=said(PHONE, f"So {PHONE}?", f"Yes, {PHONE}")))
    assert "PHONE_2" not in corridor.upstream.calls[0].body.decode()
    assert text_of(events) == PHONE


async def test_what_was_restored_is_masked_again_in_the_next_turn_and_what_was_not_is_no_placeholder() -> None:
    """LiteLLM PR #42138: placeholders quoted in a later turn."""
    corridor = Corridor([stream({"content": "⟦PHONE_1⟧ ⟦TEXT_1⟧"})])
    events = await corridor.ask(asking("assistant", messages=said(PHONE, f"It is {PHONE}.", "And ⟦PHONE_1⟧ from before?")))
    assert [turn["content"] for turn in sent(corridor)["messages"][1:]] == ["⟦PHONE_1⟧", "It is ⟦PHONE_1⟧.", "And ⟦TEXT_1⟧ from before?"]
    assert text_of(events) == f"{PHONE} ⟦PHONE_1⟧"


async def test_another_protocol_is_no_way_around() -> None:
    """LiteLLM #42476: streams in Anthropic's protocol were passed through."""
    start = {
        "type": "message_start",
        "message": {"id": "m", "type": "message", "role": "assistant", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}},
    }
    text = [
        start,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "it is ⟦PHO"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "NE_1⟧"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ]
    corridor = Corridor([FakeReply(headers=SSE, pieces=(events_of(*text),))], config=ANTHROPIC)
    assert text_of(await corridor.ask(asking("assistant", messages=said(PHONE)))) == f"it is {PHONE}"
    assert PHONE not in corridor.upstream.calls[0].body.decode()


@pytest.mark.parametrize("before", ["👩‍👩‍👧 ", "é ", "e\u0301 ", "ｆｕｌｌ　", "\u200b", "ﬁ ", "中文，"])
async def test_values_are_cut_out_where_they_stand_whatever_is_in_front(before: str) -> None:
    """LiteLLM PR #23037: coordinates of another form of the text."""
    corridor = Corridor([stream({"content": "⟦PHONE_1⟧|⟦EMAIL_1⟧"})])
    events = await corridor.ask(asking("assistant", messages=said(f"{before}{PHONE} {before}{MAIL} end")))
    assert text_of(events) == f"{PHONE}|{MAIL}"
    assert sent(corridor)["messages"][-1]["content"] == f"{before}⟦PHONE_1⟧ {before}⟦EMAIL_1⟧ end"


async def test_the_map_is_no_field_of_what_is_sent() -> None:
    """LiteLLM PR #22627: it leaked to the provider as an unknown field."""
    corridor = Corridor([stream({"content": "ok"})])
    await corridor.ask(asking("assistant", messages=said(PHONE)))
    assert set(sent(corridor)) == {"model", "messages", "stream", "stream_options", "max_tokens"}
    assert all(set(turn) == {"role", "content"} for turn in sent(corridor)["messages"])


async def test_no_digit_of_a_value_is_left() -> None:
    """argus-redact's default kept the last four digits, and two numbers could become one."""
    corridor = Corridor([stream({"content": "⟦PHONE_1⟧ ⟦PHONE_2⟧"})])
    alike = PHONE[:3] + "0000" + PHONE[-4:]
    events = await corridor.ask(asking("assistant", messages=said(f"{PHONE} {alike}")))
    assert PHONE[-4:] not in corridor.upstream.calls[0].body.decode()
    assert text_of(events) == f"{PHONE} {alike}"


async def test_numbers_that_begin_alike_are_not_mixed_up() -> None:
    """Kong 3.12: placeholders that share a beginning."""
    numbers = [f"138001380{number:02}" for number in range(12)]
    corridor = Corridor([stream({"content": "⟦PHONE_1"}, {"content": "1⟧ ⟦PHONE_1"}, {"content": "⟧ PHONE_1"}, {"content": "2 PHONE_1"})])
    events = await corridor.ask(asking("assistant", messages=said(" ".join(numbers))))
    assert text_of(events) == f"{numbers[10]} {numbers[0]} {numbers[11]} {numbers[0]}"


async def test_what_was_restored_is_not_masked_again() -> None:
    """LiteLLM PR #28316: a stream was masked after it was restored."""
    corridor = Corridor([stream({"content": f"⟦PHONE_1⟧ and {OTHER}"})])
    assert text_of(await corridor.ask(asking("assistant", messages=said(PHONE)))) == f"{PHONE} and {OTHER}"


async def test_a_configuration_without_a_word_about_it_masks() -> None:
    """Higress #4157 ran out of memory with an empty configuration; others mask nothing then."""
    corridor = Corridor([stream({"content": "ok"})])
    await corridor.ask(asking("assistant", messages=said(f"{PHONE} {MAIL}")))
    assert sent(corridor)["messages"][-1]["content"] == "⟦PHONE_1⟧ ⟦EMAIL_1⟧"
