"""The veil along the whole corridor: what a partner gets, what a device gets back, and what happens when masking fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from corridor import CONFIG, Corridor, asking, stream, text_of
from lizi import pipeline
from lizi.errors import InvalidRequest
from lizi.testing import FakeReply
from lizi.types import Fault, Plan, Text, ToolDelta
from lizi.wire.openai import whole

PHONE = "13912345678"
SAID = [{"role": "user", "content": f"My number is {PHONE}."}]


def veil(line: str) -> str:
    """The configuration with a line more about it."""
    assert CONFIG.count("[veil]\n") == 1
    return CONFIG.replace("[veil]\n", f"[veil]\n{line}\n")


def sent(corridor: Corridor, number: int = -1) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(corridor.upstream.calls[number].body)
    return body


async def test_a_partner_never_reads_the_number_and_the_device_reads_it_again() -> None:
    corridor = Corridor([stream({"content": "Is ⟦PHO"}, {"content": "NE_1⟧ right?"})])
    events = await corridor.ask(asking("assistant", messages=SAID, stream=True))
    assert text_of(events) == f"Is {PHONE} right?"
    assert PHONE not in corridor.upstream.calls[0].body.decode()
    assert sent(corridor)["messages"][-1]["content"] == "My number is ⟦PHONE_1⟧."
    (record,) = corridor.journal.records
    assert record.checks["veil"] == "passed"


async def test_the_next_target_gets_the_same_words_and_another_random_line() -> None:
    corridor = Corridor([FakeReply(status=503, pieces=(b"{}",)), stream({"content": "⟦PHONE_1⟧"})])
    events = await corridor.ask(asking("assistant", messages=SAID, stream=True))
    assert text_of(events) == PHONE
    first, second = sent(corridor, 0)["messages"], sent(corridor, 1)["messages"]
    assert first[-1] == second[-1]
    assert first[0] != second[0], "the random line"


async def test_no_line_and_no_field_is_the_same_in_two_requests_of_one_person() -> None:
    corridor = Corridor([stream({"content": "a"}), stream({"content": "b"})])
    for _ in range(2):
        await corridor.ask(asking("assistant", messages=SAID, stream=True))
    one, two = (sent(corridor, number)["messages"][0]["content"] for number in (0, 1))
    assert one[:-18] == two[:-18]
    assert one[-18:] != two[-18:]


async def test_an_answer_that_is_nothing_but_a_name_is_released_like_any_other() -> None:
    corridor = Corridor([stream({"content": "PHONE_1"})])
    events = await corridor.ask(asking("assistant", messages=SAID, stream=True))
    assert text_of(events) == PHONE
    (record,) = corridor.journal.records
    assert record.first_released_mono is not None
    assert record.attempts[0].released
    assert corridor.journal.intents == [record.id]


async def test_tool_calls_come_back_whole_and_outbound_ones_masked() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("dial", "search")]
    calls = [
        {"index": index, "id": f"c{index}", "function": {"name": name, "arguments": '{"q":"⟦PHONE_1⟧"}'}}
        for index, name in enumerate(("dial", "search"))
    ]
    corridor = Corridor([stream({"tool_calls": calls}, finish="tool_calls")], config=veil('outbound_tools = ["search"]'))
    events = await corridor.ask(asking("assistant", messages=SAID, stream=True, tools=tools))
    arguments = [event.arguments for event in events if isinstance(event, ToolDelta)]
    assert arguments == [f'{{"q":"{PHONE}"}}', '{"q":"⟦PHONE_1⟧"}']


async def test_the_makers_own_machines_read_what_was_written() -> None:
    corridor = Corridor([stream({"content": "x"})], config=CONFIG.replace('example/v1"', 'example/v1"\nown = true'))
    await corridor.ask(asking("assistant", messages=SAID, stream=True))
    assert sent(corridor)["messages"] == SAID
    assert "veil" not in corridor.journal.records[0].checks


async def test_rules_choose_a_profile_by_feature_and_market() -> None:
    config = veil('rules = [{ features = ["chat"], markets = ["xx"], profile = "open" }]') + '\n[veil.profiles.open]\nkeep = ["phone"]\n'
    for market, seen in (("xx", PHONE), ("yy", "⟦PHONE_1⟧")):
        corridor = Corridor([stream({"content": "x"})], config=config, plan=Plan(market=market))
        await corridor.ask(asking("assistant", messages=SAID, stream=True))
        assert sent(corridor)["messages"][-1]["content"] == f"My number is {seen}."


async def test_a_conversations_name_keeps_the_number_of_a_cut_history_and_never_leaves() -> None:
    other = "13700001111"
    corridor = Corridor([stream({"content": "x"})] * 3)
    name = "c0nversation-of-a-device"
    turns = [{"role": "user", "content": other}, {"role": "assistant", "content": "ok"}, {"role": "user", "content": PHONE}]
    await corridor.ask(asking("assistant", messages=turns, stream=True, x_conversation=name))
    await corridor.ask(asking("assistant", messages=turns[2:], stream=True, x_conversation=name))
    await corridor.ask(asking("assistant", messages=turns[2:], stream=True, x_conversation=name[::-1]))
    words = [sent(corridor, number)["messages"][-1]["content"] for number in range(3)]
    assert words[0] == words[1] != words[2]
    assert all(name.encode() not in call.body for call in corridor.upstream.calls)


@pytest.mark.parametrize("name", ["short", "with space in the name", "x" * 129, 7])
async def test_a_conversations_name_must_be_able_to_be_random(name: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Corridor().open(asking("assistant", messages=SAID, x_conversation=name))
    assert caught.value.param == "x_conversation"


# --- when it fails -------------------------------------------------------------------------------


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def passages(*_: object, **__: object) -> Iterator[list[Any]]:
        raise ValueError(f"can't read {PHONE}")
        yield []

    monkeypatch.setattr("lizi.veil.masking.passages", passages)


@pytest.mark.usefixtures("broken")
async def test_what_could_not_be_searched_does_not_leave() -> None:
    corridor = Corridor([stream({"content": "x"})])
    events = await corridor.ask(asking("assistant", messages=SAID, stream=True))
    assert isinstance(events[-1], Fault)
    assert events[-1].error.code == "veil_failed"
    assert PHONE not in str(events[-1].error)
    assert corridor.upstream.calls == []
    assert corridor.journal.records[0].checks["veil"] == "error"
    corridor.check_settled()


@pytest.mark.usefixtures("broken")
async def test_unless_the_configuration_says_so_and_then_the_record_does() -> None:
    corridor = Corridor([stream({"content": "x"})], config=veil('on_fault = "pass"'))
    assert text_of(await corridor.ask(asking("assistant", messages=SAID, stream=True))) == "x"
    assert sent(corridor)["messages"][-1] == SAID[0]
    assert corridor.journal.records[0].checks["veil"] == "error"


async def test_others_go_on_while_a_long_prompt_is_searched() -> None:
    corridor = Corridor([stream({"content": "x"})])
    long = [{"role": "user", "content": "the quick brown fox " * 5_000}]
    opened = corridor.open(asking("assistant", messages=long, stream=True))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while not corridor.upstream.calls:
            turns += 1
            await asyncio.sleep(0)

    async def ask() -> list[str]:
        async with aclosing(pipeline.serve(opened, corridor.ports)) as batches:
            return [event.text async for batch in batches for event in batch if isinstance(event, Text)]

    text, _ = await asyncio.gather(ask(), others())
    assert text == ["x"]
    assert turns > 50


async def test_a_prompt_that_takes_longer_than_the_whole_exchange_may_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    corridor = Corridor([stream({"content": "x"})])
    slow = asyncio.sleep

    async def sleep(delay: float) -> None:
        corridor.clock.advance(200.0)
        await slow(delay)

    monkeypatch.setattr("lizi.pipeline.asyncio.sleep", sleep)
    events = await corridor.ask(asking("assistant", messages=[{"role": "user", "content": "word " * 5_000}], stream=True))
    assert isinstance(events[-1], Fault)
    assert events[-1].error.code == "veil_failed"
    assert corridor.upstream.calls == []


# --- reasoning that a partner wants back ---------------------------------------------------------


async def test_a_partner_gets_its_own_words_back_and_the_device_s_turn_is_known_again() -> None:
    """The reasoning goes back as its partner wrote it, with placeholders; the turn is recognised by what the device saw, without them."""
    config = CONFIG.replace('base_url = "https://first.example/v1"', 'base_url = "https://first.example/v1"\ndialect = "deepseek"')
    call = {"index": 0, "id": "c", "function": {"name": "dial", "arguments": '{"to":"⟦PHONE_1⟧"}'}}
    thinking = stream({"reasoning_content": "They mean ⟦PHO"}, {"reasoning_content": "NE_1⟧."}, {"tool_calls": [call]}, finish="tool_calls")
    corridor = Corridor([thinking, stream({"content": "Done."})], config=config)
    tools = [{"type": "function", "function": {"name": "dial"}}]
    events = await corridor.ask(asking("assistant", messages=SAID, tools=tools))
    message = json.loads(whole(events, exchange_id="rq_x", model="assistant", created=1))["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["arguments"] == f'{{"to":"{PHONE}"}}'
    turns = [*SAID, message, {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "busy"}]
    await corridor.ask(asking("assistant", messages=turns, tools=tools))
    (back,) = [turn for turn in sent(corridor)["messages"] if turn["role"] == "assistant"]
    assert back["reasoning_content"] == "They mean ⟦PHONE_1⟧."
    assert "state_back" not in corridor.journal.records[-1].checks
    assert PHONE not in corridor.upstream.calls[-1].body.decode()
