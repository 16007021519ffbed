"""The Messages dialect: what is sent, what is understood, and what never gets through."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.config import built_in
from lizi.dialects.anthropic import Reader, encode
from lizi.dialects.records import known, on_day
from lizi.types import ChatRequest, Event, Fault, Finish, JsonObjectFormat, JsonSchemaFormat, Reasoning, Target, Text, ToolDelta, Usage

NOW = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
SECRET = "canary-acme-7f3a"
STREAM = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}


def target(model: str = "claude-sonnet-4-5") -> Target:
    record = built_in()["anthropic"]
    entry = known(record, model, NOW)
    return Target(
        partner="acme", model=model, region="us", dialect="anthropic", base_url="https://acme.test/v1", credential="env:ACME",
        price_key="k", capabilities=entry.capabilities if entry else frozenset(), facts=on_day(record, model, NOW),
    )  # fmt: skip


def sent(model: str = "claude-sonnet-4-5", **asked: Any) -> dict[str, Any]:
    messages = asked.pop("messages", [{"role": "user", "content": "hi"}])
    body: dict[str, Any] = json.loads(encode(ChatRequest(model="a", messages=messages, **asked), target(model)).body)
    return body


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n".encode()


def block(index: int, kind: str, **fields: Any) -> bytes:
    return event("content_block_start", index=index, content_block={"type": kind} | fields)


def delta(index: int, kind: str, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind} | fields)


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


START = event("message_start", message={"id": SECRET, "model": SECRET, "usage": {"input_tokens": 9, "output_tokens": 1}})
SAID = block(0, "text", text="") + delta(0, "text_delta", text="One ") + event("ping") + delta(0, "text_delta", text="two 江") + stop(0)


def end(reason: str | None = "end_turn", tokens: int = 3) -> bytes:
    return event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": tokens}) + event("message_stop")


def read(raw: bytes, headers: dict[str, str] = STREAM, status: int = 200, size: int = 1 << 20) -> list[Event]:
    reader = Reader(True, status, headers, target())
    events = [found for at in range(0, len(raw), size) for found in reader.feed(raw[at : at + size])]
    events += reader.close()
    assert reader.close() == [] and reader.feed(b"data: {}\n\n") == []
    assert sum(isinstance(found, Finish | Fault) for found in events) == 1, "exactly one end"
    for found in events:
        if isinstance(found, Fault):
            assert SECRET not in found.error.message
    return events


def fault_of(events: list[Event]) -> str:
    return str(next(found for found in events if isinstance(found, Fault)).error.internal)


def text_of(events: list[Event]) -> str:
    return "".join(found.text for found in events if isinstance(found, Text))


# --- requests ----------------------------------------------------------------------------------------


def test_a_call_has_its_path_its_version_and_a_key_of_its_own_header() -> None:
    call = encode(ChatRequest(model="a", messages=[{"role": "user", "content": "hi"}]), target())
    assert (call.method, call.url) == ("POST", "https://acme.test/v1/messages")
    assert (call.authorization, call.credential) == ("x-api-key", "env:ACME")
    assert (b"anthropic-version", b"2023-06-01") in call.headers
    assert json.loads(call.body) == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


def test_what_it_has_no_place_for_is_left_out() -> None:
    asked = {"seed": 7, "presence_penalty": 1, "frequency_penalty": 1, "temperature": 1.7, "top_p": 0.5, "stop": ("END",), "stream": True}
    made = sent(**asked, max_output_tokens=50)
    assert made.keys() == {"model", "max_tokens", "messages", "temperature", "top_p", "stop_sequences", "stream"}
    assert (made["temperature"], made["stop_sequences"], made["max_tokens"]) == (1.0, ["END"], 50)


def test_turns_alternate_system_stands_beside_and_results_come_first() -> None:
    calls = [{"id": "call.1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]
    made = sent(
        tools=[TOOL],
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": "In Chinese."},
            {"role": "user", "content": "one"},
            {"role": "user", "content": "two"},
            {"role": "assistant", "content": "", "tool_calls": calls},
            {"role": "user", "content": "wait"},
            {"role": "tool", "tool_call_id": "call.1", "content": "7"},
            {"role": "system", "content": "Now in English."},
        ],
    )
    assert made["system"] == "Be brief.\n\nIn Chinese."
    assert [turn["role"] for turn in made["messages"]] == ["user", "assistant", "user"]
    assert made["messages"][1]["content"] == [{"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}}]
    assert [part["type"] for part in made["messages"][2]["content"]] == ["tool_result", "text", "text"]
    assert made["messages"][2]["content"][0]["tool_use_id"] == "call_1"
    assert made["messages"][2]["content"][2]["text"] == "<instruction>Now in English.</instruction>"


def test_a_conversation_that_begins_with_the_assistant_gets_a_first_word() -> None:
    assert [turn["role"] for turn in sent(messages=[{"role": "assistant", "content": "hello"}])["messages"]] == ["user", "assistant"]


def test_arguments_that_are_no_object_are_shown_as_they_were() -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":'}}]
    made = sent(tools=[TOOL], messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": calls}])
    assert made["messages"][1]["content"][0]["input"] == {"_invalid_json": '{"a":'}


def test_images_become_blocks() -> None:
    parts = [
        {"type": "text", "text": "what?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://a.test/x.png"}},
    ]
    content = sent(messages=[{"role": "user", "content": parts}])["messages"][0]["content"]
    assert content[1] == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    assert content[2] == {"type": "image", "source": {"type": "url", "url": "https://a.test/x.png"}}


@pytest.mark.parametrize(
    ("choice", "parallel", "found"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("required", None, {"type": "any"}),
        ({"type": "function", "function": {"name": "f"}}, None, {"type": "tool", "name": "f"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
    ],
)
def test_tools_and_their_choice(choice: Any, parallel: bool | None, found: Any) -> None:
    made = sent(tools=[TOOL], tool_choice=choice, parallel_tool_calls=parallel)
    assert made["tools"] == [{"name": "f", "input_schema": SCHEMA, "description": "d"}]
    assert made.get("tool_choice") == found


def test_tools_that_must_not_be_called_are_not_shown() -> None:
    assert not sent(tools=[TOOL], tool_choice="none").keys() & {"tools", "tool_choice"}


def test_thinking_stays_within_the_ceiling_and_takes_neither_temperature_nor_a_demanded_tool() -> None:
    made = sent(reasoning_effort="medium", max_output_tokens=10_000, temperature=0.3, tools=[TOOL], tool_choice="required")
    assert made["thinking"] == {"type": "enabled", "budget_tokens": 4096}
    assert made["max_tokens"] == 10_000, "what is reserved covers thoughts and answer"
    assert sent(reasoning_effort="high", max_output_tokens=3_000)["thinking"]["budget_tokens"] == 1_500
    assert "thinking" not in sent(reasoning_effort="high", max_output_tokens=500), "no room for a thought and an answer"
    assert "temperature" not in made
    assert made["tool_choice"] == {"type": "auto"}
    assert "thinking" not in sent(reasoning_effort="none")
    assert "thinking" not in sent()
    assert "thinking" not in sent("claude-3-5-haiku", reasoning_effort="high"), "an older model has no such field"


def test_a_schema_is_a_tool_that_must_be_called_and_in_words_where_that_cant_be() -> None:
    form = JsonSchemaFormat(name="x", schema=SCHEMA)
    made = sent(response_format=form)
    assert made["tool_choice"] == {"type": "tool", "name": "lizi_answer", "disable_parallel_tool_use": True}
    assert made["tools"][0]["input_schema"] == SCHEMA
    for more in ({"tools": [TOOL]}, {"reasoning_effort": "high", "max_output_tokens": 9_000}, {"format_floor": "prompt"}):
        worded = sent(response_format=form, **more)
        assert '"integer"' in worded["system"]
        assert all(tool["name"] != "lizi_answer" for tool in worded.get("tools", ()))
    assert "JSON object" in sent(response_format=JsonObjectFormat())["system"]


def test_signed_thoughts_come_back_in_tool_loops_and_unsigned_ones_nowhere() -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    thoughts = [{"text": "I ask f.", "signature": "c2ln"}, {"text": "unsigned", "signature": ""}]
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "so", "tool_calls": calls, "reasoning": thoughts},
        {"role": "tool", "tool_call_id": "c", "content": "7"},
        {"role": "assistant", "content": "7", "reasoning": thoughts},
    ]
    first, second = (turn["content"] for turn in sent(messages=turns, tools=[TOOL])["messages"] if turn["role"] == "assistant")
    assert [part["type"] for part in first] == ["thinking", "text", "tool_use"]
    assert first[0] == {"type": "thinking", "thinking": "I ask f.", "signature": "c2ln"}
    assert [part["type"] for part in second] == ["text"]


def test_nothing_that_is_not_known_is_ever_sent() -> None:
    planted = {"x_secret": SECRET}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"} | planted} | planted
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "x"} | planted]} | planted,
        {"role": "assistant", "content": None, "tool_calls": [call], "x_state": SECRET} | planted,
        {"role": "tool", "tool_call_id": "c", "content": "7"} | planted,
    ]
    made = encode(ChatRequest(model="a", messages=messages, tools=[TOOL | planted]), target())
    assert SECRET.encode() not in made.body


# --- replies -----------------------------------------------------------------------------------------


def test_a_stream_becomes_text_usage_and_finish() -> None:
    events = read(START + SAID + end())
    assert text_of(events) == "One two 江"
    assert [found for found in events if isinstance(found, Usage)][-1] == Usage(input_tokens=9, output_tokens=3)
    assert events[-1] == Finish("stop")
    assert SECRET not in repr(events)


def test_a_whole_reply_says_the_same() -> None:
    content = [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "text", "text": "One two 江"}]
    usage = {"input_tokens": 4, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 3}
    raw = json.dumps({"type": "message", "id": SECRET, "content": content, "stop_reason": "end_turn", "usage": usage}).encode()
    assert read(raw, JSON) == [
        Reasoning("hm"),
        Reasoning("", "c2ln"),
        Text("One two 江"),
        Usage(input_tokens=9, cached_tokens=3, output_tokens=3),
        Finish("stop"),
    ]


THINKING = (
    block(0, "thinking", thinking="")
    + delta(0, "thinking_delta", thinking="I ask ")
    + delta(0, "thinking_delta", thinking="f.")
    + delta(0, "signature_delta", signature="c2")
    + delta(0, "signature_delta", signature="ln")
    + stop(0)
)
CALLS = (
    block(1, "tool_use", id="toolu_1", name="f", input={})
    + delta(1, "input_json_delta", partial_json='{"ci')
    + delta(1, "input_json_delta", partial_json='ty":"杭州"}')
    + stop(1)
    + block(2, "tool_use", id="toolu_2", name="g", input={})
    + stop(2)
)


def test_thoughts_keep_their_signature_and_calls_are_numbered_from_zero() -> None:
    events = read(START + THINKING + CALLS + end("tool_use"))
    assert [found for found in events if isinstance(found, Reasoning)] == [Reasoning("I ask "), Reasoning("f."), Reasoning("", "c2ln")]
    calls = [found for found in events if isinstance(found, ToolDelta)]
    assert [(call.index, call.name) for call in calls if call.name] == [(0, "f"), (1, "g")]
    assert "".join(call.arguments for call in calls if call.index == 0) == '{"city":"杭州"}'
    assert "".join(call.arguments for call in calls if call.index == 1) == "{}", "a call without arguments has the empty object"
    assert events[-1] == Finish("tool_calls")


def test_the_answer_by_a_schema_is_text_and_ends_as_one() -> None:
    answer = block(0, "tool_use", id="t", name="lizi_answer", input={}) + delta(0, "input_json_delta", partial_json='{"a":') + delta(
        0, "input_json_delta", partial_json="1}"
    )
    events = read(START + answer + stop(0) + end("tool_use"))
    assert text_of(events) == '{"a":1}'
    assert events[-1] == Finish("stop")
    whole = {"type": "message", "content": [{"type": "tool_use", "name": "lizi_answer", "input": {"a": 1}}], "stop_reason": "tool_use"}
    assert text_of(read(json.dumps(whole).encode(), JSON)) == '{"a":1}'


@pytest.mark.parametrize(
    ("reason", "found"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("pause_turn", "length"), ("refusal", "content_filter")],
)
def test_why_it_stopped(reason: str, found: str) -> None:
    assert read(START + SAID + end(reason))[-1] == Finish(found)  # type: ignore[arg-type]


def test_a_reason_that_no_table_knows_is_noted_and_no_natural_end() -> None:
    reader = Reader(True, 200, STREAM, target())
    events = reader.feed(START + SAID + end("lunch_break"))
    assert events[-1] == Finish("length")
    assert reader.unknown_finish


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (START + end("refusal"), "refused"),
        (START + SAID + end("tool_use"), "truncated"),
        (START + SAID, "truncated"),
        (START + SAID + event("message_stop"), "truncated"),
        (START + SAID + event("error", error={"type": "overloaded_error", "message": SECRET}), "overloaded"),
        (b'{"type":"error","error":{"type":"rate_limit_error","message":"x"}}', "rate_rpm"),
        (b'{"detail":"welcome"}', "server_error"),
        (b"<html>", "server_error"),
        (b"", "truncated"),
        (START + b"event: content_block_delta\ndata: {", "truncated"),
        (START + b"data: [1]\n\n", "server_error"),
    ],
)
def test_what_is_no_answer_is_one_typed_fault(raw: bytes, found: str) -> None:
    assert fault_of(read(raw, JSON if raw[:1] in (b"{", b"<", b"") else STREAM)) == found


@pytest.mark.parametrize(
    ("status", "kind", "found"),
    [
        (401, "authentication_error", "auth"),
        (403, "permission_error", "auth"),
        (404, "not_found_error", "not_found"),
        (413, "request_too_large", "context_size"),
        (429, "rate_limit_error", "rate_rpm"),
        (500, "api_error", "server_error"),
        (529, "overloaded_error", "overloaded"),
        (400, "invalid_request_error", "bad_request"),
        (402, "billing_error", "billing"),
    ],
)
def test_errors_by_their_type(status: int, kind: str, found: str) -> None:
    raw = json.dumps({"type": "error", "error": {"type": kind, "message": SECRET}}).encode()
    assert fault_of(read(raw, JSON, status)) == found


def test_an_event_of_a_kind_that_is_not_known_yet_is_passed_over() -> None:
    assert text_of(read(START + event("weather", sky="blue") + SAID + end())) == "One two 江"


def test_what_follows_an_answered_request_changes_nothing() -> None:
    raw = START + SAID + event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})
    assert read(raw + event("error", error={"type": "overloaded_error"}))[-1] == Finish("stop")
    assert read(raw)[-1] == Finish("stop"), "cut after its reason to stop"


def test_more_calls_than_anybody_asked_for_are_a_fault() -> None:
    many = b"".join(block(index, "tool_use", id="t", name="f", input={}) for index in range(200))
    assert fault_of(read(START + many)) == "server_error"


def joined(events: list[Event]) -> list[Event]:
    found: list[Event] = []
    for one in events:
        last = found[-1] if found else None
        if isinstance(one, Text) and isinstance(last, Text):
            found[-1] = Text(last.text + one.text)
        else:
            found.append(one)
    return found


FULL = b"\xef\xbb\xbf: hi\n\n" + START + THINKING + SAID.replace(b'"index": 0', b'"index": 3') + CALLS + end("tool_use")


@pytest.mark.parametrize("size", range(1, 40))
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_any_split_gives_the_same_events(size: int, newline: bytes) -> None:
    raw = FULL.replace(b"\n", newline)
    assert joined(read(raw, size=size)) == joined(read(FULL))


@given(st.binary(max_size=400), st.integers(1, 50))
def test_no_bytes_at_all_break_it(raw: bytes, size: int) -> None:
    for headers in (STREAM, JSON):
        for status in (200, 500):
            read(raw, headers, status, size)


KEYS = ["type", "index", "delta", "content_block", "message", "usage", "error", "content", "stop_reason", "text"]
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)


@given(TREES)
def test_no_json_at_all_breaks_it(tree: Any) -> None:
    read(b"data: " + json.dumps(tree).encode() + b"\n\n")
    read(json.dumps(tree).encode(), JSON)
