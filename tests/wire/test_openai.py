"""What the device receives: chunks, whole answers, errors. Checked with the official client's own types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from lizi.errors import CODES, InvalidRequest, LiziError, PartnerError, Retry
from lizi.types import Event, Fault, Finish, Reasoning, Retract, Text, ToolDelta, Usage
from lizi.wire.openai import StreamEncoder, error_body, models_body, whole
from lizi.wire.sse import SseReader

ID = "rq_abcdefghijklmnopqrstuvwxyz"
USAGE = Usage(input_tokens=10, output_tokens=4, cached_tokens=3, reasoning_tokens=2)
ANSWER: list[Event] = [Reasoning("hm"), Text("你好"), Text(' "quoted"\n'), USAGE, Finish("stop")]
CALLS: list[Event] = [
    ToolDelta(index=0, id="toolu_partner", name="a", arguments=""),
    ToolDelta(index=0, arguments='{"x":'),
    ToolDelta(index=0, arguments="1}"),
    ToolDelta(index=1, id="toolu_other", name="b", arguments="{}"),
    USAGE,
    Finish("tool_calls"),
]


def encoder(include_usage: bool = False) -> StreamEncoder:
    return StreamEncoder(exchange_id=ID, model="assistant", created=1700000000, include_usage=include_usage)


def payloads(raw: bytes) -> list[Any]:
    reader = SseReader()
    found = reader.feed(raw)
    assert reader.close() == []
    return [data.decode() if data == b"[DONE]" else json.loads(data) for data in found]


def chunks(events: list[Event], include_usage: bool = False) -> list[ChatCompletionChunk]:
    *parsed, last = payloads(encoder(include_usage).feed(events))
    assert last == "[DONE]"
    return [ChatCompletionChunk.model_validate(chunk, strict=True) for chunk in parsed]


def test_a_stream_begins_with_the_role_and_ends_with_the_finish() -> None:
    got = chunks(ANSWER)
    assert [chunk.choices[0].delta.content for chunk in got] == ["", "你好", ' "quoted"\n', None]
    assert got[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in got] == [None, None, None, "stop"]
    assert {(chunk.id, chunk.model, chunk.created) for chunk in got} == {("chatcmpl-abcdefghijklmnopqrstuvwxyz", "assistant", 1700000000)}


def test_usage_comes_last_and_only_when_asked_for() -> None:
    *before, last = chunks(ANSWER, include_usage=True)
    assert last.choices == []
    assert last.usage is not None and last.usage.total_tokens == 14
    assert last.usage.prompt_tokens_details is not None and last.usage.prompt_tokens_details.cached_tokens == 3
    assert all(chunk.usage is None for chunk in [*before, *chunks(ANSWER)])


def test_usage_may_come_in_an_earlier_batch_than_the_finish() -> None:
    machine = encoder(include_usage=True)
    raw = b"".join(machine.feed([event]) for event in ANSWER)
    assert raw == encoder(include_usage=True).feed(ANSWER)


def test_reasoning_and_usage_alone_send_nothing() -> None:
    assert encoder().feed([Reasoning("hm"), USAGE]) == b""


def test_an_answer_without_a_word_still_has_its_role() -> None:
    assert [chunk.choices[0].finish_reason for chunk in chunks([Finish("stop")])] == [None, "stop"]


def test_tool_calls_carry_our_ids_and_never_the_partners() -> None:
    raw = encoder().feed(CALLS)
    assert b"toolu" not in raw
    deltas = [call for chunk in chunks(CALLS) for call in chunk.choices[0].delta.tool_calls or []]
    assert [(call.index, call.id, call.function.name if call.function else None) for call in deltas] == [
        (0, "call_abcdefghijklmnopqrstuvwxyz_0", "a"),
        (0, None, None),
        (0, None, None),
        (1, "call_abcdefghijklmnopqrstuvwxyz_1", "b"),
    ]
    assert all(len(call.id or "") <= 40 for call in deltas)


def test_a_fault_is_an_error_event_and_no_done_follows() -> None:
    machine = encoder()
    raw = machine.feed([Text("par"), Fault(PartnerError("the answer broke off", code="stream_cut", internal="truncated")), Text("no")])
    *_, last = payloads(raw)
    assert last["error"]["code"] == "stream_cut"
    assert machine.ended
    assert machine.feed([Text("no"), Finish("stop")]) == b""


def test_nothing_follows_the_finish() -> None:
    machine = encoder()
    machine.feed(ANSWER)
    assert machine.feed([Text("late")]) == b""


def test_a_retract_is_an_extension_that_the_clients_type_carries() -> None:
    got = chunks([Text("bad"), Retract(replacement="sorry", reason_class="policy"), Finish("content_filter")])
    extra = got[2].choices[0].model_extra
    assert extra == {"x_retract": {"scope": "all", "replacement": "sorry", "reason_class": "policy"}}
    assert got[3].choices[0].finish_reason == "content_filter"


def test_a_whole_answer_is_what_the_client_expects() -> None:
    answer = ChatCompletion.model_validate_json(whole(ANSWER, exchange_id=ID, model="assistant", created=1700000000), strict=True)
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason, choice.message.tool_calls) == ('你好 "quoted"\n', "stop", None)
    assert answer.usage is not None and answer.usage.completion_tokens == 4
    assert answer.id == "chatcmpl-abcdefghijklmnopqrstuvwxyz"


def test_a_whole_answer_joins_its_tool_calls() -> None:
    answer = ChatCompletion.model_validate_json(whole(CALLS, exchange_id=ID, model="assistant", created=1), strict=True)
    message = answer.choices[0].message
    assert message.content is None
    assert message.tool_calls is not None
    assert [(call.id[-2:], call.function.name, call.function.arguments) for call in message.tool_calls if call.type == "function"] == [
        ("_0", "a", '{"x":1}'),
        ("_1", "b", "{}"),
    ]


def test_a_whole_answer_that_was_retracted_shows_the_replacement_only() -> None:
    raw = whole(
        [Text("bad"), Retract(replacement="sorry", reason_class="policy"), Finish("content_filter")], exchange_id=ID, model="a", created=1
    )
    assert b"bad" not in raw
    assert json.loads(raw)["choices"][0]["message"]["content"] == "sorry"


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_the_one_shape_as_a_body_and_in_a_stream(code: str) -> None:
    error = LiziError(
        "words",
        code=code,
        retry=Retry.LATER,
        param="a.b",
        hint="do",
        retry_after_s=2.5,
        extra={"context_size": 7, "code": "no"},
        internal="auth",
    )
    body = json.loads(error_body(error, ID))
    assert body == {
        "error": {
            "message": "words",
            "type": CODES[code].openai_type,
            "param": "a.b",
            "code": code,
            "user_message": {"zh-Hans": CODES[code].zh_hans, "zh-Hant": CODES[code].zh_hant, "en": CODES[code].en},
            "request_id": ID,
            "retry_after": 2.5,
            "hint": "do",
            "context_size": 7,
        }
    }
    assert payloads(encoder().feed([Fault(error)])) == [body]


def test_what_an_error_does_not_know_is_left_out() -> None:
    body = json.loads(error_body(InvalidRequest("words", code="invalid_json"), ID))
    assert set(body["error"]) == {"message", "type", "param", "code", "user_message", "request_id"}


def test_models_are_logical_names() -> None:
    body = json.loads(models_body(["assistant", "writer"], 5))
    assert [model["id"] for model in body["data"]] == ["assistant", "writer"]
    assert {(model["object"], model["owned_by"], model["created"]) for model in body["data"]} == {("model", "lizi", 5)}
