"""The Messages dialect: what is sent, what is understood, and what never gets through."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lizi.carry import Memory, Thoughts, for_partner
from lizi.config import built_in
from lizi.dialects.anthropic import Reader, encode
from lizi.dialects.records import known, on_day
from lizi.errors import Retry
from lizi.types import (
    ChatRequest,
    Event,
    Fault,
    Finish,
    JsonObjectFormat,
    JsonSchemaFormat,
    Reasoning,
    Retract,
    Target,
    Text,
    ToolDelta,
    Usage,
)

NOW = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
SECRET = "canary-acme-7f3a"
STREAM = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}


def target(model: str = "claude-sonnet-4-5", *, strict: bool = False, **facts: Any) -> Target:
    record = built_in()["anthropic"]
    entry = known(record, model, NOW)
    return Target(
        partner="acme", model=model, region="us", dialect="anthropic", base_url="https://acme.test/v1", credential="env:ACME",
        price_key="k", capabilities=entry.capabilities if entry else frozenset(), strict_schema=strict,
        facts=replace(on_day(record, model, NOW), **facts),
    )  # fmt: skip


def sent(model: str | Target = "claude-sonnet-4-5", **asked: Any) -> dict[str, Any]:
    messages = asked.pop("messages", [{"role": "user", "content": "hi"}])
    at = target(model) if isinstance(model, str) else model
    body: dict[str, Any] = json.loads(encode(ChatRequest(model="a", messages=messages, **asked), at).body)
    return body


def call(id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def turn(role: str, content: Any = None, *calls: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content} | ({"tool_calls": list(calls)} if calls else {}) | more


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
    asked: dict[str, Any] = {"seed": 7, "presence_penalty": 1, "frequency_penalty": 1, "temperature": 1.7, "stop": ("END",)}
    made = sent(**asked, top_p=0.5, stream=True, max_output_tokens=50)
    assert made.keys() == {"model", "max_tokens", "messages", "temperature", "stop_sequences", "stream"}
    assert (made["temperature"], made["stop_sequences"], made["max_tokens"]) == (1.0, ["END"], 50)


def test_of_temperature_and_top_p_one_is_sent() -> None:
    assert sent(top_p=0.5)["top_p"] == 0.5
    assert not sent(top_p=0.5, temperature=0.0).keys() & {"top_p"}


def test_stops_hold_something_else_than_blanks() -> None:
    assert sent(stop=("\n\n", "END\n", " "))["stop_sequences"] == ["END\n"]
    assert "stop_sequences" not in sent(stop=("\n",))


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


def test_a_conversation_begins_and_ends_with_the_user() -> None:
    made = sent(messages=[turn("assistant", "hello")])["messages"]
    assert [found["role"] for found in made] == ["user", "assistant", "user"], "or its last words would be continued, not answered"
    assert [found["role"] for found in sent(messages=[turn("system", "Be brief.")])["messages"]] == ["user"]


def test_blank_text_is_no_block() -> None:
    made = sent(
        messages=[
            turn("system", " "),
            turn("user", [{"type": "text", "text": "\n"}, {"type": "text", "text": "x "}]),
            turn("assistant", " ", call("c")),
            turn("tool", [{"type": "text", "text": ""}], tool_call_id="c"),
            turn("system", ""),
        ]
    )
    assert "system" not in made
    assert [found["content"][0]["type"] for found in made["messages"]] == ["text", "tool_use", "tool_result"]
    assert made["messages"][0]["content"] == [{"type": "text", "text": "x "}]


def test_each_call_has_its_result_in_the_turn_after_it() -> None:
    made = sent(
        messages=[
            turn("user", "x"),
            turn("assistant", None, call("a"), call("b")),
            turn("user", "wait"),
            turn("assistant", "I wait."),
            turn("tool", "late", tool_call_id="b"),
        ]
    )["messages"]
    assert [found["role"] for found in made] == ["user", "assistant", "user", "assistant", "user"]
    assert made[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "There is no result.", "is_error": True},
        {"type": "tool_result", "tool_use_id": "b", "content": "late"},
        {"type": "text", "text": "wait"},
    ]


def test_an_id_that_comes_again_is_another_one_and_its_result_goes_along() -> None:
    rounds: list[Any] = [turn("assistant", None, call("call_0")), turn("tool", "1", tool_call_id="call_0")]
    again: list[Any] = [turn("assistant", None, call("call_0"), call("call.0")), turn("tool", "2", tool_call_id="call_0")]
    made = sent(messages=[turn("user", "x"), *rounds, *again, turn("tool", "3", tool_call_id="call.0")])["messages"]
    ids = [part["id"] for found in made for part in found["content"] if part["type"] == "tool_use"]
    results = {part["tool_use_id"]: part["content"] for found in made for part in found["content"] if part["type"] == "tool_result"}
    assert len(set(ids)) == 3
    assert [results[id] for id in ids] == ["1", "2", "3"]


def test_two_ids_that_become_one_are_told_apart_even_where_the_name_is_taken() -> None:
    made = sent(messages=[turn("user", "x"), turn("assistant", None, call("a_2"), call("a"), call("a"))])["messages"][1]["content"]
    assert [part["id"] for part in made] == ["a_2", "a", "a_3"]


IDS = st.sampled_from(["a", "b", "a.b", "a_b", "呼", "x" * 80])
TEXTS = st.sampled_from(["", " ", "x", "你好"])
TURNS = st.one_of(
    st.builds(turn, st.sampled_from(["system", "developer", "user"]), TEXTS),
    st.builds(lambda text, ids: turn("assistant", text, *map(call, ids)), TEXTS, st.lists(IDS, max_size=3, unique=True)),
    st.builds(lambda text, id: turn("tool", text, tool_call_id=id), TEXTS, IDS),
)


@given(st.lists(TURNS, min_size=1, max_size=12))
def test_any_conversation_becomes_one_that_the_api_takes(messages: list[dict[str, Any]]) -> None:
    made = sent(messages=messages)
    turns = made["messages"]
    assert [found["role"] for found in turns] == [("user", "assistant")[at % 2] for at in range(len(turns))]
    assert len(turns) % 2, "the last word is a user's"
    ids: list[str] = []
    for asked, answered in zip(turns[1::2], turns[2::2], strict=True):
        calls = [part["id"] for part in asked["content"] if part["type"] == "tool_use"]
        kinds = [part["type"] == "tool_result" for part in answered["content"]]
        assert [part["tool_use_id"] for part in answered["content"] if part["type"] == "tool_result"] == calls
        assert kinds == sorted(kinds, reverse=True), "results come first"
        ids += calls
    assert len(ids) == len(set(ids)) and all(re.fullmatch("[a-zA-Z0-9_-]{1,80}", id) for id in ids)
    assert all(part["text"].strip() for found in turns for part in found["content"] if part["type"] == "text")
    assert not ids or made["tools"], "calls are of known tools"


def test_arguments_that_are_no_object_are_shown_as_they_were() -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":'}}]
    made = sent(tools=[TOOL], messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": calls}])
    assert made["messages"][1]["content"][0]["input"] == {"_invalid_json": '{"a":'}


def test_a_call_without_arguments_has_the_empty_object() -> None:
    messages = [turn("user", "x"), turn("assistant", None, call("a", "f", ""), call("b", "f", " \n"))]
    assert [block["input"] for block in sent(messages=messages)["messages"][1]["content"]] == [{}, {}]


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


def test_tools_that_must_not_be_called_are_shown_only_where_there_are_calls_already() -> None:
    assert not sent(tools=[TOOL], tool_choice="none").keys() & {"tools", "tool_choice"}
    loop = [turn("user", "x"), turn("assistant", None, call("c", "g")), turn("tool", "7", tool_call_id="c")]
    made = sent(tools=[TOOL], tool_choice="none", messages=loop, parallel_tool_calls=False)
    assert (made["tools"][0]["name"], made["tool_choice"]) == ("f", {"type": "none"})
    made = sent(messages=loop)
    assert (made["tools"], made["tool_choice"]) == ([{"name": "g", "input_schema": {"type": "object"}}], {"type": "none"})


def test_arguments_are_always_an_object() -> None:
    for given_, found in ((None, {"type": "object"}), ({"properties": {}}, {"properties": {}, "type": "object"})):
        tool = {"type": "function", "function": {"name": "f"} | ({"parameters": given_} if given_ else {})}
        assert sent(tools=[tool])["tools"] == [{"name": "f", "input_schema": found}]


def test_what_the_record_says_is_applied() -> None:
    named = {"type": "function", "function": {"name": "f"}}
    at = target(tool_choices=frozenset({"auto", "required"}), clamp={"temperature": (0.1, 0.5)}, rename={"stop_sequences": "stops"})
    made = sent(at, tools=[TOOL], tool_choice=named, temperature=0.9, stop=("END",))
    assert (made["tool_choice"], made["temperature"], made["stops"]) == ({"type": "any"}, 0.5, ["END"])
    at = target(tool_choices=frozenset({"auto"}), drop=frozenset({"top_p"}), default={"metadata": {}}, path="/other")
    assert encode(ChatRequest(model="a", messages=[turn("user", "x")]), at).url == "https://acme.test/v1/other"
    made = sent(at, tools=[TOOL], tool_choice="required", top_p=0.5)
    assert (made["tool_choice"], made["metadata"], "top_p" in made) == ({"type": "auto"}, {}, False)
    assert "tools" not in sent(at, tools=[TOOL], tool_choice="none")


def test_thinking_stays_within_the_ceiling_and_takes_no_temperature() -> None:
    made = sent(reasoning_effort="medium", max_output_tokens=10_000, temperature=0.3, top_p=0.5, tools=[TOOL], tool_choice="auto")
    assert made["thinking"] == {"type": "enabled", "budget_tokens": 4096}
    assert made["max_tokens"] == 10_000, "what is reserved covers thoughts and answer"
    assert sent(reasoning_effort="high", max_output_tokens=3_000)["thinking"]["budget_tokens"] == 1_500
    assert "thinking" not in sent(reasoning_effort="high", max_output_tokens=500), "no room for a thought and an answer"
    assert not made.keys() & {"temperature", "top_p"}
    assert made["tool_choice"] == {"type": "auto"}
    assert "thinking" not in sent(reasoning_effort="none")
    assert "thinking" not in sent()
    assert "thinking" not in sent("claude-3-5-haiku", reasoning_effort="high"), "an older model has no such field"


BOUND = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
ADAPTIVE = {"type": "adaptive"}


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "told"),
    [
        ("claude-opus-4-6", None, None, None),
        ("claude-sonnet-4-6", "none", None, None),
        ("claude-opus-4-6", "low", ADAPTIVE, "low"),
        ("claude-opus-4-6", "xhigh", ADAPTIVE, "high"),
        ("claude-opus-4-7", None, None, None),
        ("claude-opus-4-8", "xhigh", ADAPTIVE, "xhigh"),
        ("claude-sonnet-5", None, {"type": "disabled"}, None),
        ("claude-sonnet-5", "medium", ADAPTIVE, "medium"),
        ("claude-opus-5", "none", {"type": "disabled"}, None),
        ("claude-fable-5", None, None, "low"),
        ("claude-fable-5", "high", ADAPTIVE, "high"),
        ("claude-fable-5-1", None, BOUND, "low"),
        ("claude-mythos-preview", "none", None, "low"),
        ("claude-opus-5-5", None, BOUND, "low"),
        ("claude-opus-5-5", "minimal", BOUND, "low"),
        ("claude-opus-5-5", "high", BOUND, "high"),
        ("claude-sonnet-5-5", None, {"type": "between_tools"}, None),
        ("claude-sonnet-5-5", "high", BOUND, "high"),
        ("claude-haiku-5-5", None, {"type": "disabled"}, None),
        ("claude-haiku-5-5", "medium", BOUND, "medium"),
    ],
)
def test_each_model_is_told_how_much_to_think_in_its_own_form(model: str, effort: Any, thinking: Any, told: str | None) -> None:
    made = sent(model, reasoning_effort=effort, temperature=0.5, top_p=0.5, max_output_tokens=300)
    assert (made.get("thinking"), made.get("output_config", {}).get("effort")) == (thinking, told)
    samples = model in ("claude-opus-4-6", "claude-sonnet-4-6") and thinking is None
    assert ("temperature" in made, "top_p" in made) == (samples, False)


def test_a_beta_is_named_where_a_thought_is_bound_to_what_stood_before_it() -> None:
    for model, named in (("claude-opus-5", False), ("claude-opus-5-5", True), ("claude-haiku-5-5", True)):
        headers = dict(encode(ChatRequest(model="a", messages=[turn("user", "x")]), target(model)).headers)
        assert headers[b"anthropic-version"] == b"2023-06-01"
        assert (headers.get(b"anthropic-beta") == b"thinking-binding-controls-2026-08-01") == named


def test_where_a_tool_cant_be_demanded_a_schema_is_asked_for_in_words() -> None:
    asked: dict[str, Any] = {"response_format": JsonSchemaFormat(name="x", schema=SCHEMA), "max_output_tokens": 9_000}
    assert sent("claude-opus-5", **asked)["tool_choice"]["name"] == "lizi_answer"
    made = sent("claude-opus-5-5", **asked)
    assert "tools" not in made and "JSON Schema" in made["system"]
    assert sent("claude-opus-5-5", tools=[TOOL], tool_choice="required")["tool_choice"] == {"type": "auto"}


def test_thoughts_stay_away_where_thinking_is_switched_off() -> None:
    thoughts = [{"text": "I ask f.", "signature": "c2ln"}]
    messages = [turn("user", "x"), turn("assistant", None, call("a"), reasoning=thoughts), turn("tool", "7", tool_call_id="a")]

    def kinds(effort: Any) -> list[str]:
        return [part["type"] for part in sent("claude-opus-5", messages=messages, reasoning_effort=effort)["messages"][1]["content"]]

    assert kinds("low") == ["thinking", "tool_use"]
    assert kinds(None) == kinds("none") == ["tool_use"]


def test_a_demanded_tool_is_a_promise_and_goes_before_budgeted_thinking() -> None:
    asked: dict[str, Any] = {"tools": [TOOL], "tool_choice": "required", "reasoning_effort": "medium", "max_output_tokens": 10_000}
    made = sent(temperature=0.3, **asked)
    assert (made["tool_choice"], made["temperature"], "thinking" in made) == ({"type": "any"}, 0.3, False)
    adaptive = {"medium": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}, "whole": {"x": 1}}
    made = sent(target(reasoning=adaptive), **asked)
    assert (made["tool_choice"], made["thinking"], made["x"]) == ({"type": "any"}, {"type": "adaptive"}, 1)
    assert "x" not in sent(target(reasoning=adaptive), stream=True, **asked), "only of whole replies"


def test_a_tool_loop_that_began_without_a_thought_goes_on_without() -> None:
    asked: dict[str, Any] = {"tools": [TOOL], "reasoning_effort": "medium", "max_output_tokens": 10_000}
    thoughts = [{"text": "I ask f.", "signature": "c2ln"}]
    first, second = turn("assistant", None, call("a")), turn("assistant", None, call("b"))
    results = [turn("tool", "7", tool_call_id="a"), turn("tool", "8", tool_call_id="b")]

    def thinks(*messages: Any) -> bool:
        return "thinking" in sent(messages=[turn("user", "x"), *messages], **asked)

    assert not thinks(first, results[0])
    assert not thinks(first, results[0], second | {"reasoning": thoughts}, results[1])
    assert thinks(first | {"reasoning": thoughts}, results[0], second, results[1]), "the loop began with one"
    assert thinks(first, results[0], turn("assistant", "7"), turn("user", "and?")), "the loop has ended"


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
    listed = JsonSchemaFormat(name="x", schema={"anyOf": [SCHEMA, {"type": "null"}]})
    assert "anyOf" in sent(response_format=listed)["system"], "a tool's arguments are an object"


def test_a_partner_that_keeps_schemas_itself_is_asked_to() -> None:
    at = target(strict=True, reasoning={"high": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}})
    made = sent(at, response_format=JsonSchemaFormat(name="x", schema=SCHEMA), tools=[TOOL], reasoning_effort="high", temperature=1)
    assert made["output_config"] == {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}}
    assert made["thinking"] == {"type": "adaptive"}
    assert [(tool["name"], tool["strict"]) for tool in made["tools"]] == [("f", True)]
    assert "system" not in made


def test_a_devices_tool_that_bears_our_tools_name_stays_its_own() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("lizi_answer", "lizi_answer_")]
    choice = {"type": "function", "function": {"name": "lizi_answer"}}
    loop = [turn("user", "x"), turn("assistant", None, call("c", "lizi_answer")), turn("tool", "7", tool_call_id="c")]
    made = sent(tools=tools, tool_choice=choice, messages=loop)
    shown = [tool["name"] for tool in made["tools"]]
    assert made["tool_choice"]["name"] == made["messages"][1]["content"][0]["name"] == shown[0]
    raw = START + b"".join(block(at, "tool_use", id="t", name=name, input={}) + stop(at) for at, name in enumerate(shown)) + end("tool_use")
    assert [found.name for found in read(raw) if isinstance(found, ToolDelta) and found.name] == ["lizi_answer", "lizi_answer_"]


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


GIVEN = st.one_of(
    st.builds(lambda text, by: {"type": "thinking", "thinking": text, "signature": by}, st.text(max_size=5), st.text("abc", min_size=1)),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, st.text("abc", min_size=1, max_size=5)),
    st.builds(lambda text: {"type": "text", "text": f"_{text}"}, st.text(max_size=5)),
    st.builds(lambda value: {"type": "tool_use", "name": "f", "input": value}, st.dictionaries(st.text(max_size=2), st.integers())),
)


@given(st.lists(GIVEN, max_size=8).map(lambda given: [*given, {"type": "tool_use", "name": "f", "input": {}}]))
def test_a_turn_that_calls_goes_back_block_for_block(given: list[dict[str, Any]]) -> None:
    blocks = [{**block, "id": f"c{at}"} if block["type"] == "tool_use" else block for at, block in enumerate(given)]
    whole = json.dumps({"type": "message", "content": blocks, "stop_reason": "tool_use", "usage": {}}).encode()
    events, memory = read(whole, JSON), Memory()
    memory.feed(events)
    calls: dict[int, dict[str, Any]] = {}
    for one in events:
        if isinstance(one, ToolDelta):
            begun = calls.setdefault(one.index, call(one.id or "", "f", ""))
            begun["function"]["arguments"] += one.arguments
    said = turn("assistant", text_of(events), *calls.values(), reasoning=memory.thoughts("acme", "claude-opus-4-7"))
    messages = for_partner([turn("user", "x"), said], "acme", "claude-opus-4-7")
    sent_back = sent("claude-opus-4-7", messages=messages)["messages"][1]["content"]
    due: list[dict[str, Any]] = []
    for block in blocks:  # neighbouring texts are one: the device has only the joined words
        if block["type"] == "text" and due and due[-1]["type"] == "text":
            due[-1] = block | {"text": due[-1]["text"] + block["text"]}
        else:
            due.append(block)
    if not any("thinking" in block["type"] for block in due):  # then nothing was carried, and words come before calls
        due = [*({"type": "text", "text": text_of(events)} for _ in text_of(events)[:1]), *(b for b in due if b["type"] == "tool_use")]
    assert sent_back == due


def test_places_that_dont_fit_lose_no_word_and_no_call() -> None:
    thoughts = [{"text": "Hm.", "signature": "s"}, {"text": "So.", "signature": "s"}]
    for places in ([-1, 99, -1], [0, 0, 0, -1, -1, -1], [1], [-1, 2]):
        words = [{"type": "text", "text": "ab"}, {"type": "text", "text": "cd"}]
        said = turn("assistant", words, call("a"), reasoning=thoughts, places=places)
        found = sent(messages=[turn("user", "x"), said])["messages"][1]["content"]
        assert "".join(block.get("text", "") for block in found) == "abcd"
        assert [block["type"] for block in found].count("thinking") == 2
        assert [block["type"] for block in found].count("tool_use") == 1


def test_nothing_that_is_not_known_is_ever_sent() -> None:
    planted = {"x_secret": SECRET}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"} | planted} | planted
    messages: list[dict[str, Any]] = [
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


def test_a_stream_that_breaks_off_reports_nothing_of_what_it_did_not_count() -> None:
    """`message_start` counts one token of the answer: believed after a cut, a long answer would cost nothing."""
    assert not [found for found in read(START + SAID) if isinstance(found, Usage)]


def test_usage_is_joined_part_by_part() -> None:
    start = {"input_tokens": 4, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 1}
    last = {"input_tokens": 5, "cache_read_input_tokens": None, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}
    ended = event("message_delta", delta={"stop_reason": "end_turn"}, usage=last) + event("message_stop")
    events = read(event("message_start", message={"usage": start}) + SAID + ended)
    assert [found for found in events if isinstance(found, Usage)] == [
        Usage(input_tokens=10, cached_tokens=3, output_tokens=9, reasoning_tokens=4)
    ]
    for wrong in ({"input_tokens": -1, "output_tokens": 3}, {"output_tokens": 10**10}, {"output_tokens": "3"}):
        raw = START + SAID + event("message_delta", delta={"stop_reason": "end_turn"}, usage=wrong)
        assert not [found for found in read(raw) if isinstance(found, Usage)]
        assert read(raw)[-1] == Finish("stop"), "a wrong report breaks no answer"


def test_thoughts_that_are_redacted_come_back_as_they_were() -> None:
    data = block(0, "redacted_thinking", data="c2VhbGVk") + stop(0)
    bare = block(1, "thinking", thinking="", signature="") + delta(1, "signature_delta", signature="c2ln") + stop(1)
    memory = Memory()
    memory.feed(read(START + data + bare + CALLS + end("tool_use")))
    thoughts = memory.thoughts("acme", "claude-sonnet-4-5")
    assert isinstance(thoughts, Thoughts)
    messages = [turn("user", "x"), turn("assistant", None, call("c"), reasoning=thoughts), turn("tool", "7", tool_call_id="c")]
    made = sent(messages=for_partner(messages, "acme", "claude-sonnet-4-5"))["messages"][1]["content"]
    assert made[:2] == [
        {"type": "redacted_thinking", "data": "c2VhbGVk"},
        {"type": "thinking", "thinking": "", "signature": "c2ln"},
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


def test_a_call_ends_as_one_whatever_reason_is_given() -> None:
    """Others who speak this dialect leave the block open, or say that the turn ended."""
    raw = START + block(0, "tool_use", id="t", name="f", input={}) + end("end_turn")
    assert [found for found in read(raw) if not isinstance(found, Usage)] == [
        ToolDelta(index=0, id="t", name="f"),
        ToolDelta(index=0, arguments="{}"),
        Finish("tool_calls"),
    ]


def test_reasons_of_the_record_come_first() -> None:
    at = target(finishes={"end_turn": "length", "taken_back": "retract", "gave_up": "!overloaded"})
    assert Reader(True, 200, STREAM, at).feed(START + SAID + end())[-1] == Finish("length")
    assert Reader(True, 200, STREAM, at).feed(START + SAID + end("taken_back"))[-2:] == [
        Retract(replacement="", reason_class="content"),
        Finish("content_filter"),
    ]
    assert fault_of(Reader(True, 200, STREAM, at).feed(START + SAID + end("gave_up"))) == "overloaded"


def test_a_whole_reply_that_gives_no_reason_or_follows_an_end_is_no_second_one() -> None:
    whole = {"type": "message", "content": [{"type": "text", "text": "hi"}]}
    assert fault_of(read(json.dumps(whole).encode(), JSON)) == "truncated"
    assert fault_of(read(b'{"type":"mess', JSON)) == "server_error"
    assert read(START + SAID + end()[: -len(event("message_stop"))] + end("max_tokens"))[-1] == Finish("stop"), "the first reason counts"


def test_a_stream_under_a_wrong_label_is_read_as_one() -> None:
    for headers in ({}, JSON):
        for size in (1, 7, 1 << 20):
            assert read(START + SAID + end(), headers, size=size) == read(START + SAID + end())


def test_fields_of_other_types_cost_no_more_than_themselves() -> None:
    odd = event("content_block_delta", index="0", delta={"type": "text_delta", "text": " three", "x": 1, "signature": 7})
    assert text_of(read(START + SAID + odd + end())) == "One two 江 three"
    whole = {"type": "message", "content": ["x", {"type": "text", "text": "hi", "id": 7}], "stop_reason": "end_turn", "usage": 3}
    assert read(json.dumps(whole).encode(), JSON) == [Text("hi"), Finish("stop")]


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
        (START + b"data: " + b"[" * 5000 + b"\n\n", "server_error"),
        (b'{"message":"no","error":{"type":"overloaded_error"}}', "overloaded"),
        (START + SAID + event("error", error={"type": "content_filter"}), "policy_output"),
        (START + event("error", error={"type": "timeout_error"}), "transport"),
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


@pytest.mark.parametrize(
    ("status", "message", "details", "found"),
    [
        (400, f"Your CREDIT BALANCE is too low. {SECRET}", None, "billing"),
        (400, "You have reached your specified API usage limits.", None, "spend_cap"),
        (400, "You have reached your specified workspace API usage limits.", None, "spend_cap"),
        (400, SECRET, {"error_code": "enforced_spend_limit_reached"}, "spend_cap"),
        (429, "Your credit balance is too low.", None, "billing"),
        (400, "messages.0.content: field required", None, "bad_request"),
        (400, "x" * 3_000 + "credit balance is too low", None, "bad_request"),
        (400, "thinking is wrong", {"error_code": 7}, "bad_request"),
        (400, "thinking is wrong", ["enforced_spend_limit_reached"], "bad_request"),
    ],
)
def test_a_refusal_for_money_is_told_from_a_wrong_request(status: int, message: str, details: Any, found: str) -> None:
    kind = "invalid_request_error" if status == 400 else "rate_limit_error"
    raw = json.dumps({"type": "error", "error": {"type": kind, "message": message, "details": details}}).encode()
    events = read(raw, JSON, status)
    assert fault_of(events) == found
    assert isinstance(events[0], Fault)
    error = events[0].error
    assert (error.retry is Retry.NEVER) == (found == "bad_request"), "others may be asked instead"
    assert "credit" not in f"{error.message} {error.hint} {error.extra}" and SECRET not in repr(error)
    if status == 400:
        assert fault_of(read(START + SAID + event("error", error=json.loads(raw)["error"]))) == found, "also within a stream"


def test_an_error_code_within_the_details_says_it_finer() -> None:
    for code, found in (("enforced_spend_limit_reached", "spend_cap"), ("ramp_limit_exceeded", "rate_slope"), ("new", "rate_rpm")):
        raw = json.dumps({"type": "error", "error": {"type": "rate_limit_error", "message": "x", "details": {"error_code": code}}}).encode()
        assert fault_of(read(raw, JSON, 429)) == found


def test_an_event_of_a_kind_that_is_not_known_yet_is_passed_over() -> None:
    assert text_of(read(START + event("weather", sky="blue") + SAID + end())) == "One two 江"


def test_what_follows_an_answered_request_changes_nothing() -> None:
    raw = START + SAID + event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})
    assert read(raw + event("error", error={"type": "overloaded_error"}))[-1] == Finish("stop")
    assert read(raw)[-1] == Finish("stop"), "cut after its reason to stop"


def test_more_calls_than_anybody_asked_for_are_a_fault() -> None:
    many = b"".join(block(index, "tool_use", id="t", name="f", input={}) for index in range(200))
    assert fault_of(read(START + many)) == "server_error"
    content = [{"type": "tool_use", "id": "t", "name": "f", "input": {}}] * 200
    whole = {"type": "message", "content": content, "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}}
    assert isinstance(read(json.dumps(whole).encode(), JSON)[-1], Fault), "nothing follows a fault"


def test_an_endless_event_and_an_endless_reply_end_in_a_fault_and_free_memory() -> None:
    for headers, first in ((STREAM, b"data: "), (JSON, b"{")):
        reader = Reader(True, 200, headers, target())
        events = reader.feed(first)
        for _ in range(40):
            events += reader.feed(b"x" * 1_000_000)
        assert fault_of(events) == "server_error"
        assert reader.close() == [] and reader._held == []


FULL = b"\xef\xbb\xbf: hi\n\n" + START + THINKING + SAID.replace(b'"index": 0', b'"index": 3') + CALLS + end("tool_use")


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_any_split_gives_the_same_events(newline: bytes) -> None:
    raw, whole = FULL.replace(b"\n", newline), read(FULL)
    for size in range(1, 40):
        assert read(raw, size=size) == whole
    for cut in range(len(raw)):
        reader = Reader(True, 200, STREAM, target())
        assert reader.feed(raw[:cut]) + reader.feed(raw[cut:]) + reader.close() == whole


PIECES = [START, SAID, THINKING, CALLS, stop(0), end(), end("refusal"), event("ping"), event("error", error={"type": "x"})]


@given(st.lists(st.sampled_from([*PIECES, b"data: {}\n\n", b"data: x\n\n", b": c\n\n", b"\r\n", b"da"])), st.integers(1, 60))
def test_events_in_any_order_and_split_give_one_end(pieces: list[bytes], size: int) -> None:
    raw = b"".join(pieces)

    def plain(events: list[Event]) -> list[Any]:
        return [found.error.internal if isinstance(found, Fault) else found for found in events]

    assert plain(read(raw)) == plain(read(raw, size=size))


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
