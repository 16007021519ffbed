"""The corridor as a conversation: each law of the path, faults at every step and position."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing
from types import FrameType
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from corridor import Corridor, end_of, text_of
from lizi import pipeline
from lizi.errors import LiziError, Refused, Retry
from lizi.testing import Behaviour, FakeReply
from lizi.types import Fault, Final, Finish, Plan, Text, Usage

pytestmark = pytest.mark.asyncio
GOOD = Behaviour(text="The river is quiet this morning.", chunks=4)
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
DOWN = Behaviour(status=503, error={"error": {"message": "overloaded by acme"}})


def sent(corridor: Corridor, number: int = -1) -> dict[str, Any]:
    tree: dict[str, Any] = msgspec.json.decode(corridor.upstream.calls[number].body)
    return tree


@pytest.mark.parametrize("stream", [True, False])
async def test_a_request_is_answered_settled_and_recorded_once(stream: bool) -> None:
    corridor = Corridor(GOOD)
    events = await corridor.ask(stream=stream)
    assert text_of(events) == GOOD.text
    assert [type(event) for event in events[-2:]] == [Usage, Finish]
    assert sum(isinstance(event, Finish | Final | Fault) for event in events) == 1
    (record,) = corridor.journal.records
    assert (record.outcome, record.finish, record.app, record.model) == ("ok", "stop", "notes", "assistant")
    assert record.attempts[0].usage == record.usage
    assert record.charged_micros == record.spent_micros == record.usage.input_tokens + 2 * record.usage.output_tokens
    assert corridor.limits.settled[0][2:] == (record.charged_micros, "ok")
    assert corridor.upstream.read_to_end == 1


async def test_a_whole_and_a_streamed_answer_are_the_same() -> None:
    whole, streamed = await Corridor(GOOD).ask(stream=False), await Corridor(GOOD).ask(stream=True)
    assert text_of(whole) == text_of(streamed)
    assert end_of(whole) == end_of(streamed)


async def test_usage_is_estimated_and_marked_when_the_partner_reports_none() -> None:
    corridor = Corridor(Behaviour(text="Twelve ships came in.", usage="none"))
    await corridor.ask(stream=True)
    (record,) = corridor.journal.records
    assert record.usage.estimated
    assert record.usage.output_tokens > 0
    assert record.checks["usage_plausible"] == "skipped"


async def test_a_partner_that_lies_about_usage_is_not_believed() -> None:
    corridor = Corridor(Behaviour(text="Short.", input_tokens=999_999_999))
    await corridor.ask()
    (record,) = corridor.journal.records
    assert record.usage.estimated
    assert record.checks["usage_plausible"] == "failed"


# --- law 1: failover until the first released byte ------------------------------


async def test_failover_before_the_first_released_byte_is_not_seen_by_the_app() -> None:
    corridor = Corridor([DOWN, GOOD])
    events = await corridor.ask(stream=True)
    assert text_of(events) == GOOD.text
    (record,) = corridor.journal.records
    assert [(attempt.target.partner, attempt.outcome) for attempt in record.attempts] == [("first", "upstream_failed"), ("second", "ok")]


@pytest.mark.parametrize("position", range(-2, 6))
@pytest.mark.parametrize("kind", ["timeout", "cut", "broken_http"])
async def test_a_fault_at_any_position_fails_over_before_and_ends_after_the_first_released_byte(position: int, kind: Any) -> None:
    said = ("fish ", "rice ", "tea ", "salt ")  # words that begin no name and no link, so that none is held
    pieces = tuple(b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % word.encode() for word in said)
    broken = FakeReply(headers={"content-type": "text/event-stream"}, pieces=pieces, fault_at=position, fault=kind)
    corridor = Corridor([broken, GOOD])
    events = await corridor.ask(stream=True)
    (record,) = corridor.journal.records
    if position <= 0:
        assert text_of(events) == GOOD.text
        assert record.outcome == "ok"
    elif position <= 4:
        assert text_of(events) == "".join(said[:position]), "what was released stays, and nothing of another target follows"
        assert isinstance(events[-1], Fault)
        assert len(record.attempts) == 1
        assert record.charged_micros == 0 < record.spent_micros, "the maker pays for a failed attempt, the app does not (law 9)"
    else:
        assert end_of(events) == "stream_cut", "an end without a finish is a failure (law 2)"


async def test_every_target_failing_ends_in_one_typed_error_without_partner_words() -> None:
    corridor = Corridor(DOWN)
    events = await corridor.ask(stream=True)
    assert isinstance(events[-1], Fault)
    assert events[-1].error.status in (502, 503, 504)
    assert "acme" not in str(events[-1].error)
    assert len(corridor.journal.records[0].attempts) == 2


REFUSING = Behaviour(status=400, error={"error": {"message": "no", "code": "bad_request"}})


@pytest.mark.parametrize("behaviour", [DOWN, REFUSING, Behaviour(error={"error": {"code": "x"}}), Behaviour(fault="cut", text="x" * 50)])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_failed_exchange_is_freed_at_once_with_what_was_said_in_it(behaviour: Behaviour, stream: bool) -> None:
    corridor = Corridor(behaviour)
    await corridor.ask(stream=stream)  # what is made once and kept
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        events = await corridor.ask(stream=stream)
        assert isinstance(events.pop(), Fault)
        gc.collect()
        circular = [type(thing).__name__ for thing in gc.garbage if isinstance(thing, LiziError | FrameType)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert circular == []


async def test_a_200_with_an_error_inside_is_an_error() -> None:
    corridor = Corridor([Behaviour(error={"error": {"message": "quota", "code": "rpm_rate_limit_exceeded"}}), GOOD])
    events = await corridor.ask()
    assert text_of(events) == GOOD.text
    assert len(corridor.journal.records[0].attempts) == 2


# --- law 2 ----------------------------------------------------------------------


async def test_a_policy_block_is_never_offered_to_another_partner() -> None:
    words = "Input data may contain inappropriate content."
    blocked = Behaviour(status=400, error={"error": {"code": "data_inspection_failed", "message": words}})
    corridor = Corridor([blocked, GOOD])
    events = await corridor.ask(stream=True)
    assert end_of(events) == "policy_blocked"
    assert len(corridor.upstream.calls) == 1


async def test_a_stream_without_a_finish_is_a_failure() -> None:
    corridor = Corridor(Behaviour(text="Half an", finish=None, done=False))
    events = await corridor.ask(stream=True)
    assert end_of(events) == "stream_cut"
    assert corridor.journal.records[0].charged_micros == 0


# --- laws 3 and 4: leaving --------------------------------------------------------


@pytest.mark.parametrize("after", range(5))
async def test_a_client_that_leaves_after_any_batch_is_settled_once_and_the_partner_left(after: int) -> None:
    corridor = Corridor(GOOD)
    opened = corridor.open(stream=True)
    seen = 0
    async with aclosing(pipeline.serve(opened, corridor.ports)) as batches:
        async for _ in batches:
            if seen == after:
                break
            seen += 1
    corridor.check_settled()
    (record,) = corridor.journal.records
    assert record.outcome in ("cancelled", "ok")
    assert record.outcome == "ok" or record.attempts[0].outcome == "cancelled"
    assert corridor.upstream.open_now == 0


@pytest.mark.parametrize("fault_at", [0, 1, 2])
async def test_a_cancelled_task_can_not_skip_settlement(fault_at: int) -> None:
    pieces = (b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',) * 3
    corridor = Corridor(FakeReply(headers={"content-type": "text/event-stream"}, pieces=pieces, fault_at=fault_at, fault="hang"))

    async def run() -> None:
        opened = corridor.open(stream=True)
        async with aclosing(pipeline.serve(opened, corridor.ports)) as batches:
            async for _ in batches:
                pass

    task = asyncio.ensure_future(run())
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    corridor.check_settled()
    assert corridor.journal.records[0].outcome == "cancelled"
    assert corridor.upstream.left_early == 1
    assert corridor.journal.records[0].charged_micros > 0, "the partner had taken the request: what was ordered is paid"


# --- law 5: the disk --------------------------------------------------------------


async def test_the_intent_is_on_disk_before_the_first_released_byte_and_only_once() -> None:
    corridor = Corridor(GOOD)
    released: list[int] = []
    await corridor.ask(stream=True, seen=lambda batch: released.append(len(corridor.journal.intents)))
    assert set(released) == {1}


async def test_a_journal_without_room_refuses_new_work_and_loses_none() -> None:
    corridor = Corridor(GOOD)
    corridor.journal.capacity = 1
    await corridor.ask()
    events = await corridor.ask()
    assert end_of(events) == "busy"
    assert len(corridor.upstream.calls) == 1


# --- law 6, 7, 9, 10 --------------------------------------------------------------


async def test_a_check_that_did_not_run_is_recorded_as_skipped() -> None:
    corridor = Corridor(Behaviour(text='{"a": 1}'))
    schema = {"type": "json_schema", "json_schema": {"name": "thing", "strict": True, "schema": {"type": "object"}}}
    await corridor.ask({"model": "strict", "messages": [{"role": "user", "content": "x"}], "response_format": schema})
    assert corridor.journal.records[0].checks["result"] == "skipped"


async def test_no_record_and_no_error_holds_a_word_of_the_conversation() -> None:
    canary = "CANARY-7f3a"
    for script in (Behaviour(text=f"echo {canary}"), DOWN, Behaviour(text=canary, finish=None, done=False)):
        corridor = Corridor(script)
        said = [{"role": "user", "content": canary}]
        events = await corridor.ask({"model": "assistant", "messages": said, "user": canary, "stream": True})
        assert canary not in msgspec.json.encode(corridor.journal.records[0]).decode()
        if isinstance(events[-1], Fault):
            assert canary not in repr(vars(events[-1].error))


async def test_the_app_does_not_pay_for_the_attempt_that_failed_after_the_partner_billed() -> None:
    cut = Behaviour(text="Half an answer", finish=None, done=False, usage="none")
    held = {"type": "json_object"}
    corridor = Corridor([cut, Behaviour(text='{"ok": true}')])
    await corridor.ask({"model": "assistant", "messages": [{"role": "user", "content": "x"}], "response_format": held, "stream": True})
    (record,) = corridor.journal.records
    assert [attempt.outcome for attempt in record.attempts] == ["stream_cut", "ok"]
    assert record.attempts[0].cost_micros > 0
    assert record.charged_micros == record.attempts[1].cost_micros
    assert record.spent_micros == sum(attempt.cost_micros for attempt in record.attempts)


async def test_an_exchange_keeps_the_house_that_it_started_with() -> None:
    corridor = Corridor(GOOD)
    opened = corridor.open()
    before = corridor.house.config_hash
    corridor.house = None  # type: ignore[assignment]  # the worker swapped it meanwhile
    async for _ in pipeline.serve(opened, corridor.ports):
        pass
    assert corridor.journal.records[0].config_hash == before


# --- structured output --------------------------------------------------------------


SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "ship",
        "strict": True,
        "schema": {"type": "object", "properties": {"masts": {"type": "integer"}}, "required": ["masts"], "additionalProperties": False},
    },
}


def ship(stream: bool = False) -> dict[str, Any]:
    return {"model": "assistant", "messages": [{"role": "user", "content": "Which ship?"}], "response_format": SCHEMA, "stream": stream}


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_breaks_its_schema_is_repaired_once_and_charged_once(stream: bool) -> None:
    corridor = Corridor([Behaviour(text='{"masts": "three"}', chunks=3), Behaviour(text='{"masts": 3}', chunks=3)])
    events = await corridor.ask(ship(stream))
    assert msgspec.json.decode(text_of(events)) == {"masts": 3}
    (record,) = corridor.journal.records
    assert [attempt.outcome for attempt in record.attempts] == ["rejected", "ok"]
    assert record.charged_micros == record.attempts[1].cost_micros
    assert record.checks["result"] == "repaired"


async def test_an_answer_that_stays_wrong_is_a_typed_error_and_nothing_of_it_is_released() -> None:
    corridor = Corridor(Behaviour(text='{"masts": "three"}'))
    events = await corridor.ask(ship(stream=True))
    assert end_of(events) == "structured_output_failed"
    assert text_of(events) == ""
    assert corridor.journal.records[0].charged_micros == 0


async def test_a_cut_off_structured_answer_keeps_its_finish_reason_in_chat() -> None:
    corridor = Corridor(Behaviour(text='{"masts": ', finish="length"))
    events = await corridor.ask(ship())
    assert end_of(events) == "length"


async def test_text_of_a_strict_target_is_not_held() -> None:
    corridor = Corridor(Behaviour(text='{"masts": 3}', chunks=4))
    batches: list[int] = []
    await corridor.ask({**ship(stream=True), "model": "strict"}, seen=lambda batch: batches.append(len(batch)))
    assert len(batches) > 3


async def test_a_partner_that_refuses_the_schema_is_asked_in_a_plainer_way() -> None:
    refuses = Behaviour(rejects_json_schema=True, text='{"masts": 2}')
    corridor = Corridor(refuses)
    events = await corridor.ask({**ship(), "model": "strict"})
    assert msgspec.json.decode(text_of(events)) == {"masts": 2}
    assert sent(corridor, 0)["response_format"]["type"] == "json_schema"
    assert sent(corridor, -1).get("response_format", {}).get("type") != "json_schema"


# --- features -----------------------------------------------------------------------


async def test_a_feature_ends_in_its_checked_result_with_usage_before_it() -> None:
    corridor = Corridor(Behaviour(text="She doesn't work on Fridays."))
    events = await corridor.ask({"input": {"text": "She don't work on Fridays."}, "locale": "en"}, feature="writing.proofread")
    assert [type(event) for event in events] == [Usage, Final]
    assert isinstance(events[1], Final)
    assert events[1].result["corrected"] == "She doesn't work on Fridays."
    (record,) = corridor.journal.records
    assert (record.feature, record.outcome) == ("writing.proofread", "ok")


async def test_a_cut_off_feature_answer_is_a_typed_error() -> None:
    corridor = Corridor(Behaviour(text="She doesn't", finish="length"))
    events = await corridor.ask({"input": {"text": "She don't work on Fridays."}, "locale": "en"}, feature="writing.proofread")
    assert end_of(events) == "output_truncated"


# --- who may, how much ----------------------------------------------------------------


async def test_what_is_refused_at_the_door_leaves_no_record() -> None:
    corridor = Corridor(GOOD, plan=Plan(models=frozenset({"alone"})))
    for options, code in [
        ({"key": "lz-nobody-x"}, "invalid_api_key"),
        ({}, "model_not_allowed"),
        ({"body": {"model": "nothing", "messages": [{"role": "user", "content": "x"}]}}, "model_not_found"),
        ({"body": {"model": "alone", "messages": [], "colour": "red"}}, "unknown_field"),
    ]:
        with pytest.raises(LiziError) as refusal:
            corridor.open(**options)  # type: ignore[arg-type]
        assert refusal.value.code == code
    assert corridor.journal.records == []


async def test_a_refused_reservation_is_a_fault_and_asks_nobody() -> None:
    corridor = Corridor(GOOD)
    corridor.limits.refusal = Refused("Too many requests a minute.", code="rate_limited", retry=Retry.LATER, retry_after_s=3.5)
    events = await corridor.ask()
    assert end_of(events) == "rate_limited"
    assert isinstance(events[0], Fault)
    assert events[0].error.retry_after_s == 3.5
    assert corridor.upstream.calls == []
    assert corridor.journal.records == []


async def test_a_repeated_idempotency_key_neither_runs_nor_charges_twice() -> None:
    corridor = Corridor(GOOD)
    await corridor.ask(idempotency_key="order-1")
    events = await corridor.ask(idempotency_key="order-1")
    assert end_of(events) == "idempotency_conflict"
    assert isinstance(events[-1], Fault)
    assert events[-1].error.extra == {"exchange_id": corridor.journal.records[0].id, "state": "ok"}
    assert len(corridor.upstream.calls) == len(corridor.journal.records) == 1
    assert "order-1" not in repr(corridor.limits.claims)


async def test_a_repeat_across_a_rotation_of_the_services_own_key_is_still_one() -> None:
    """Also against a worker that is a moment behind or ahead: both know both keys before either uses the new one."""
    corridor = Corridor(GOOD)
    before, old = corridor.house, corridor.house.idempotency_key
    told = replace(before, other_idempotency_keys=(b"n" * 32,))
    after = replace(before, idempotency_key=b"n" * 32, other_idempotency_keys=(old,))
    for number, (first, second) in enumerate([(before, told), (told, after), (after, told), (before, after), (after, after)]):
        for house, outcome in ((first, "stop"), (second, "idempotency_conflict")):
            corridor.house = house
            assert end_of(await corridor.ask(idempotency_key=f"order-{number}")) == outcome
    assert len(corridor.upstream.calls) == len(corridor.journal.records) == 5
    hashes = {record.idempotency for record in corridor.journal.records}
    assert len(hashes) == 5, "each is remembered under one"


async def test_a_reservation_covers_the_dearest_target_and_a_stream_takes_a_place() -> None:
    corridor = Corridor(GOOD)
    await corridor.ask(stream=True, max_tokens=100)
    (record,) = corridor.journal.records
    assert record.reserved_micros >= 100 * 20
    assert record.charged_micros <= record.reserved_micros


async def test_an_answer_always_has_a_ceiling_at_the_partner() -> None:
    corridor = Corridor(GOOD)
    await corridor.ask()
    assert sent(corridor)["max_tokens"] == 4096


async def test_content_decides_and_what_no_target_can_do_is_refused() -> None:
    image = {"type": "image_url", "image_url": {"url": PIXEL}}
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}]}
    assert end_of(await Corridor(GOOD).ask({"model": "seeing", **body})) == "stop"
    assert end_of(await Corridor(GOOD).ask({"model": "assistant", **body})) == "unsupported_content"


async def test_text_events_keep_their_order_and_nothing_follows_the_end() -> None:
    corridor = Corridor(Behaviour(text="abcdefgh", chunks=8))
    events = await corridor.ask(stream=True)
    assert [event.text for event in events if isinstance(event, Text)] == list("abcdefgh")
    assert isinstance(events[-1], Finish)


async def test_a_finish_that_no_table_knows_is_recorded_as_a_check_that_failed() -> None:
    corridor = Corridor(Behaviour(text="Half a", finish="lunch_break"))
    assert end_of(await corridor.ask()) == "length"
    assert corridor.journal.records[0].checks["finish"] == "failed"
