"""The OpenAI chat dialect: what is sent, what is understood, and what never gets through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.dialects import DIALECTS
from lizi.dialects.classes import _CODES, _MEANINGS, classify
from lizi.dialects.openai_chat import Reader, encode
from lizi.errors import LiziError, PartnerError, Retry
from lizi.types import ChatRequest, Event, Fault, Finish, JsonObjectFormat, JsonSchemaFormat, Reasoning, Target, Text, ToolDelta, Usage

TARGET = Target(
    partner="acme",
    model="acme-7",
    region="cn",
    dialect="openai_chat",
    base_url="https://acme.test/v1",
    credential="env:ACME",
    price_key="acme/acme-7",
)
STREAM = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}
SECRET = "canary-acme-7f3a"


def sse(*payloads: Any, done: bool = True, end: str = "\n\n", start: str = "data: ") -> bytes:
    lines = [payload if isinstance(payload, str) else json.dumps(payload) for payload in payloads]
    return "".join(f"{start}{line}{end}" for line in [*lines, *(["[DONE]"] if done else [])]).encode()


def delta(finish: Any = None, **fields: Any) -> dict[str, Any]:
    return {"id": SECRET, "model": SECRET, "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def reply(message: dict[str, Any], finish: Any = "stop", **more: Any) -> bytes:
    return json.dumps(
        {"id": SECRET, "choices": [{"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish}]} | more
    ).encode()


USED = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
USAGE = Usage(input_tokens=9, output_tokens=3)


def read(raw: bytes, headers: dict[str, str] = STREAM, status: int = 200, size: int = 1 << 20) -> list[Event]:
    reader = Reader(True, status, headers, TARGET)
    events = [event for i in range(0, len(raw), size) for event in reader.feed(raw[i : i + size])]
    events += reader.close()
    assert reader.close() == [] and reader.feed(b"data: {}\n\n") == []
    ends = [event for event in events if isinstance(event, Finish | Fault)]
    assert len(ends) == 1, "exactly one end"
    assert not any(
        isinstance(event, Text | ToolDelta | Reasoning) for event in events[events.index(ends[0]) + 1 :] if isinstance(ends[0], Fault)
    )
    if isinstance(ends[0], Fault):
        error = ends[0].error
        assert isinstance(error, LiziError)
        assert SECRET not in f"{error.message} {error.hint} {error.param} {error.extra} {error.internal}"
    return events


def fault(events: list[Event]) -> LiziError:
    assert isinstance(events[-1], Fault)
    error: LiziError = events[-1].error
    return error


def plain(events: list[Event]) -> list[Any]:
    """Events that compare by value; two errors of one class are one."""
    return [event.error.internal if isinstance(event, Fault) else event for event in events]


# --- replies -------------------------------------------------------------------------------------

TALK = [delta(role="assistant", content=None), delta(content="你"), delta(content="好 🍐"), delta("stop")]
SAID = [Text("你"), Text("好 🍐"), Finish("stop")]

REPLIES: dict[str, tuple[bytes, list[Event]]] = {
    "a stream": (sse(*TALK), SAID),
    "usage in a chunk of its own": (sse(*TALK, {"choices": [], "usage": USED}), [*SAID, USAGE]),
    "usage with null choices": (sse(*TALK, {"choices": None, "usage": USED}), [*SAID, USAGE]),
    "usage beside the finish": (sse(*TALK[:3], delta("stop") | {"usage": USED}), [*SAID[:2], USAGE, Finish("stop")]),
    "usage null in every chunk": (sse(*[chunk | {"usage": None} for chunk in TALK]), SAID),
    "usage inside the choice": (
        sse(*TALK[:3], {"choices": [{"delta": {}, "finish_reason": "stop", "usage": USED}]}),
        [*SAID[:2], USAGE, Finish("stop")],
    ),
    "usage that grows": (
        sse(TALK[1] | {"usage": {"prompt_tokens": 9, "completion_tokens": 1}}, TALK[2] | {"usage": USED}, delta("stop") | {"usage": USED}),
        [Usage(input_tokens=9, output_tokens=1), Text("你"), USAGE, Text("好 🍐"), Finish("stop")],
    ),
    "usage with details": (
        sse(
            *TALK,
            {
                "choices": [],
                "usage": USED | {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}},
            },
        ),
        [*SAID, Usage(input_tokens=9, output_tokens=3, cached_tokens=4, reasoning_tokens=2)],
    ),
    "usage with a cache hit count": (
        sse(*TALK, {"choices": [], "usage": USED | {"prompt_cache_hit_tokens": 5}}),
        [*SAID, Usage(input_tokens=9, output_tokens=3, cached_tokens=5)],
    ),
    "usage of the wrong type": (sse(*TALK, {"choices": [], "usage": {"prompt_tokens": "9", "completion_tokens": 3}}), SAID),
    "usage below zero": (sse(*TALK, {"choices": [], "usage": USED | {"completion_tokens": -3}}), SAID),
    "no done, only the end": (sse(*TALK, done=False), SAID),
    "no blank line at the end": (sse(*TALK)[:-2], SAID),
    "crlf": (sse(*TALK, end="\r\n\r\n"), SAID),
    "no space after data": (sse(*TALK, start="data:"), SAID),
    "comments while queued": (b": keep-alive\n\n\n\n: keep-alive\n\n" + sse(*TALK), SAID),
    "bytes after the end": (sse(*TALK) + sse(delta(content="more")) + b"garbage\n\n", SAID),
    "an error after the finish": (sse(*TALK, {"error": {"message": SECRET}}), SAID),
    "garbage after the finish": (sse(*TALK, "{oops"), SAID),
    "reasoning first": (sse(delta(reasoning_content="hm"), delta(reasoning="so"), *TALK), [Reasoning("hm"), Reasoning("so"), *SAID]),
    "no content type": (sse(*TALK), SAID),
    "content in parts": (
        sse(delta(content=[{"type": "text", "text": "你"}, {"type": "text", "text": "好 🍐"}]), delta("stop")),
        [Text("你好 🍐"), Finish("stop")],
    ),
    "empty content and unknown keys": (sse(delta(content="", audio=None, x=1), *TALK), SAID),
    "cut by length": (sse(TALK[1], delta("length")), [Text("你"), Finish("length")]),
    "filtered": (sse(TALK[1], delta("sensitive")), [Text("你"), Finish("content_filter")]),
    "an unknown finish after an answer": (sse(TALK[1], delta("vanished")), [Text("你"), Finish("length")]),
    "a tool call in pieces": (
        sse(
            delta(tool_calls=[{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": ":1}"}}]),
            delta("tool_calls"),
        ),
        [
            ToolDelta(index=0, id="c1", name="f"),
            ToolDelta(index=0, arguments='{"a"'),
            ToolDelta(index=0, arguments=":1}"),
            Finish("tool_calls"),
        ],
    ),
    "calls without arguments": (
        sse(
            delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f"}}]),
            delta(tool_calls=[{"index": 1, "id": "c2", "function": {"name": "g", "arguments": ""}}]),
            delta(tool_calls=[{"index": 2, "id": "c3", "function": {"name": "h", "arguments": "{}"}}]),
            delta(tool_calls=[{"index": 3, "id": "c4", "function": {"name": "i", "arguments": " "}}]),
            delta("tool_calls"),
        ),
        [
            ToolDelta(index=0, id="c1", name="f"),
            ToolDelta(index=1, id="c2", name="g"),
            ToolDelta(index=2, id="c3", name="h", arguments="{}"),
            ToolDelta(index=3, id="c4", name="i", arguments=" "),
            ToolDelta(index=0, arguments="{}"),
            ToolDelta(index=1, arguments="{}"),
            ToolDelta(index=3, arguments="{}"),
            Finish("tool_calls"),
        ],
    ),
    "a call cut before its arguments": (
        sse(delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f", "arguments": ""}}]), delta("length")),
        [ToolDelta(index=0, id="c1", name="f"), Finish("length")],
    ),
    "a call with null for arguments": (
        sse(delta(tool_calls=[{"id": "c1", "type": "function", "function": {"name": "f", "arguments": None}}]), delta("stop")),
        [ToolDelta(index=0, id="c1", name="f"), ToolDelta(index=0, arguments="{}"), Finish("tool_calls")],
    ),
    "a tool call at once, finish stop": (
        sse(delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}]), delta("stop")),
        [ToolDelta(index=0, id="c1", name="f", arguments="{}"), Finish("tool_calls")],
    ),
    "two calls without indices": (
        sse(
            delta(tool_calls=[{"id": "c1", "function": {"name": "f", "arguments": "{"}}]),
            delta(tool_calls=[{"function": {"arguments": "}"}}]),
            delta(tool_calls=[{"id": "c2", "function": {"name": "g", "arguments": "{}"}}]),
            delta("tool_calls"),
        ),
        [
            ToolDelta(index=0, id="c1", name="f", arguments="{"),
            ToolDelta(index=0, arguments="}"),
            ToolDelta(index=1, id="c2", name="g", arguments="{}"),
            Finish("tool_calls"),
        ],
    ),
    "two calls under one index": (
        sse(
            delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}]),
            delta(tool_calls=[{"index": 0, "id": "c2", "function": {"name": "g", "arguments": "{}"}}]),
            delta("tool_calls"),
        ),
        [
            ToolDelta(index=0, id="c1", name="f", arguments="{}"),
            ToolDelta(index=1, id="c2", name="g", arguments="{}"),
            Finish("tool_calls"),
        ],
    ),
    "indices from one, name repeated": (
        sse(
            delta(tool_calls=[{"index": 1, "id": "c1", "function": {"name": "f", "arguments": "{"}}]),
            delta(tool_calls=[{"index": 1, "id": "c1", "function": {"name": "f", "arguments": "}"}}]),
            delta("tool_calls"),
        ),
        [ToolDelta(index=0, id="c1", name="f", arguments="{"), ToolDelta(index=0, arguments="}"), Finish("tool_calls")],
    ),
    "arguments before the name": (
        sse(
            delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": ":1"}}]),
            delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "}"}}]),
            delta("tool_calls"),
        ),
        [ToolDelta(index=0, id="c1", name="f", arguments='{"a":1}'), Finish("tool_calls")],
    ),
    "arguments as an object": (
        sse(delta(tool_calls=[{"index": None, "id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}]), delta("tool_calls")),
        [ToolDelta(index=0, id="c1", name="f", arguments='{"a":1}'), Finish("tool_calls")],
    ),
    "a whole reply": (
        reply({"content": "hi", "reasoning_content": "hm"}, usage=USED),
        [USAGE, Reasoning("hm"), Text("hi"), Finish("stop")],
    ),
    "a whole reply with calls": (
        reply(
            {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, "tool_calls"
        ),
        [ToolDelta(index=0, id="c1", name="f", arguments="{}"), Finish("tool_calls")],
    ),
    "a whole reply with a good base_resp": (
        reply({"content": "hi"}, base_resp={"status_code": 0, "status_msg": ""}),
        [Text("hi"), Finish("stop")],
    ),
    "a whole reply with error null": (reply({"content": "hi"}, error=None), [Text("hi"), Finish("stop")]),
}

FAULTS: dict[str, tuple[bytes, str, str, Retry]] = {
    # body, canonical class, code, retry
    "nothing": (b"", "truncated", "stream_cut", Retry.OTHER_TARGET),
    "cut after text": (sse(*TALK[:3], done=False), "truncated", "stream_cut", Retry.OTHER_TARGET),
    "done without a finish": (sse(*TALK[:3]), "truncated", "stream_cut", Retry.OTHER_TARGET),
    "cut inside a chunk": (sse(*TALK[:3], done=False)[:-9], "truncated", "stream_cut", Retry.OTHER_TARGET),
    "garbage": (sse("{oops"), "server_error", "upstream_failed", Retry.OTHER_TARGET),
    "a list": (sse("[1]"), "server_error", "upstream_failed", Retry.OTHER_TARGET),
    "deep": (sse("[" * 5000), "server_error", "upstream_failed", Retry.OTHER_TARGET),
    "a page": (b"<html>" + SECRET.encode(), "server_error", "upstream_failed", Retry.OTHER_TARGET),
    "unknown finish, no answer": (sse(delta("vanished")), "truncated", "stream_cut", Retry.OTHER_TARGET),
    "calls that never came": (sse(delta("tool_calls")), "truncated", "stream_cut", Retry.OTHER_TARGET),
    "network error as a finish": (sse(TALK[1], delta("network_error")), "transport", "upstream_failed", Retry.OTHER_TARGET),
    "no resources as a finish": (sse(TALK[1], delta("insufficient_system_resource")), "overloaded", "upstream_failed", Retry.OTHER_TARGET),
    "error in the stream": (
        sse(TALK[1], {"error": {"message": SECRET, "type": "server_error"}}),
        "server_error",
        "upstream_failed",
        Retry.OTHER_TARGET,
    ),
    "error as text": (sse(TALK[1], {"error": SECRET}), "server_error", "upstream_failed", Retry.OTHER_TARGET),
    "error with a status in the stream": (
        sse(TALK[1], {"error": {"message": SECRET, "code": 429}}),
        "rate_rpm",
        "upstream_failed",
        Retry.OTHER_TARGET,
    ),
    "moderation in the stream": (
        sse(TALK[1], {"error": {"code": "data_inspection_failed", "message": SECRET}}),
        "policy_output",
        "policy_blocked",
        Retry.NEVER,
    ),
    "moderation beside the choices": (
        sse(TALK[1], {"code": "DataInspectionFailed", "message": SECRET}),
        "policy_output",
        "policy_blocked",
        Retry.NEVER,
    ),
    "output moderation": (
        sse(TALK[1], {"error": {"code": "OutputTextSensitiveContentDetected", "message": SECRET}}),
        "policy_output",
        "policy_blocked",
        Retry.NEVER,
    ),
    "a refusal": (sse(delta(refusal=SECRET)), "refused", "refused", Retry.NEVER),
    "base_resp input": (
        json.dumps({"base_resp": {"status_code": 1026, "status_msg": SECRET}}).encode(),
        "policy_input",
        "policy_blocked",
        Retry.NEVER,
    ),
    "base_resp output, with choices": (
        reply({"content": ""}, base_resp={"status_code": 1027, "status_msg": SECRET}),
        "policy_output",
        "policy_blocked",
        Retry.NEVER,
    ),
    "a block without candidates": (
        json.dumps({"promptFeedback": {"blockReason": SECRET}, "choices": []}).encode(),
        "policy_input",
        "policy_blocked",
        Retry.NEVER,
    ),
    "a call that never gets its name": (
        sse(delta(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]), delta("tool_calls")),
        "truncated",
        "stream_cut",
        Retry.OTHER_TARGET,
    ),
    "base_resp rate": (json.dumps({"base_resp": {"status_code": 1002}}).encode(), "rate_rpm", "upstream_failed", Retry.OTHER_TARGET),
    "base_resp unknown": (json.dumps({"base_resp": {"status_code": 9999}}).encode(), "server_error", "upstream_failed", Retry.OTHER_TARGET),
    "error_code": (json.dumps({"error_code": 336100, "error_msg": SECRET}).encode(), "server_error", "upstream_failed", Retry.OTHER_TARGET),
    "rate limit under status 200": (
        json.dumps({"error": {"code": "rpm_rate_limit_exceeded", "message": SECRET}}).encode(),
        "rate_rpm",
        "upstream_failed",
        Retry.OTHER_TARGET,
    ),
    "whole, no finish": (reply({"content": "hi"}, None), "truncated", "stream_cut", Retry.OTHER_TARGET),
    "whole, cut": (reply({"content": "hi"})[:-5], "server_error", "upstream_failed", Retry.OTHER_TARGET),
    "nothing in it": (b"{}", "truncated", "stream_cut", Retry.OTHER_TARGET),
    "arguments without end before the name": (
        sse(*[delta(tool_calls=[{"index": 0, "function": {"arguments": "a" * 60_000}}])] * 5),
        "server_error",
        "upstream_failed",
        Retry.OTHER_TARGET,
    ),
    "too many calls": (
        sse(delta(tool_calls=[{"index": i, "id": f"c{i}", "function": {"name": "f"}} for i in range(129)])),
        "server_error",
        "upstream_failed",
        Retry.OTHER_TARGET,
    ),
}


def headers_of(name: str, raw: bytes) -> dict[str, str]:
    if name == "no content type":
        return {}
    return STREAM if raw.startswith((b"data", b":")) or not raw else JSON


@pytest.mark.parametrize("name", REPLIES)
def test_any_split_of_a_reply_gives_the_same_events(name: str) -> None:
    raw, expected = REPLIES[name]
    headers = headers_of(name, raw)
    assert read(raw, headers) == expected
    for size in (1, 2, 3, 7, 50):
        assert read(raw, headers, size=size) == expected
    for cut in range(0, len(raw), max(1, len(raw) // 97)):
        reader = Reader(True, 200, headers, TARGET)
        assert reader.feed(raw[:cut]) + reader.feed(raw[cut:]) + reader.close() == expected


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_read_as_what_it_is_whatever_its_label(name: str) -> None:
    raw, expected = REPLIES[name]
    for headers in ({}, {"content-type": "application/octet-stream"}, JSON):
        assert read(raw, headers, size=5) == expected


@pytest.mark.parametrize("name", FAULTS)
def test_every_failure_becomes_its_class_and_no_word_of_it_gets_out(name: str) -> None:
    raw, internal, code, retry = FAULTS[name]
    for size in (1 << 20, 1, 7):
        error = fault(read(raw, headers_of(name, raw), size=size))
        assert (error.internal, error.code, error.retry) == (internal, code, retry)


def test_what_came_before_a_failure_is_given_with_its_usage() -> None:
    events = read(sse(TALK[1] | {"usage": USED}, {"error": {"message": SECRET}}))
    assert events[:2] == [USAGE, Text("你")]


def test_an_unknown_finish_is_noted() -> None:
    reader = Reader(True, 200, STREAM, TARGET)
    reader.feed(sse(TALK[1], delta("vanished")))
    assert reader.unknown_finish


def test_a_finish_is_given_at_once_and_not_at_the_end() -> None:
    reader = Reader(True, 200, STREAM, TARGET)
    assert reader.feed(sse(*TALK, done=False)) == SAID


def test_an_endless_event_and_an_endless_reply_end_in_a_fault_and_free_memory() -> None:
    for headers, first in ((STREAM, b"data: "), (JSON, b"{")):
        reader = Reader(True, 200, headers, TARGET)
        events = reader.feed(first)
        for _ in range(40):
            events += reader.feed(b"x" * 1_000_000)
        assert fault(events).internal == "server_error"
        assert reader.close() == [] and reader._held == []


@given(
    st.lists(
        st.sampled_from(
            [sse(chunk, done=False) for chunk in [*TALK, {"choices": [], "usage": USED}, {"error": 1}, {}]]
            + [b"data: x\n\n", b"data: [DONE]\n\n", b": c\n\n", b"\r\n", b"da"]
        )
    ),
    st.integers(1, 60),
)
def test_chunks_in_any_order_and_split_give_one_end(pieces: list[bytes], size: int) -> None:
    raw = b"".join(pieces)
    assert plain(read(raw)) == plain(read(raw, size=size))


# --- failures with a status ------------------------------------------------------------------------

STATUSES: list[tuple[int, Any, str]] = [
    (401, {}, "auth"),
    (401, {"error": {"code": "Arrearage"}}, "auth"),
    (402, {"error": {"message": "Insufficient Balance"}}, "billing"),
    (403, {"error": {"code": "AccountOverdueError"}}, "billing"),
    (403, {"error": {"message": "insufficient balance"}}, "billing"),
    (403, {}, "auth"),
    (404, {}, "not_found"),
    (404, {"error": {"type": "invalid_request_error", "code": "model_not_found"}}, "not_found"),
    (400, {"error": {"code": "1211", "message": SECRET}}, "not_found"),
    (429, {}, "rate_rpm"),
    (429, {"error": {"code": "1113", "message": SECRET}}, "billing"),
    (429, {"error": {"code": "1302", "message": SECRET}}, "rate_concurrency"),
    (429, {"error": {"code": "insufficient_quota", "type": "insufficient_quota"}}, "rate_tpm"),
    (429, {"error": {"code": "limit_burst_rate"}}, "rate_slope"),
    (429, {"code": "Throttling.BurstRate", "message": SECRET}, "rate_slope"),
    (429, {"code": "Throttling.AllocationQuota"}, "rate_tpm"),
    (429, {"error": {"type": "engine_overloaded_error"}}, "overloaded"),
    (429, {"error": {"code": "SetLimitExceeded"}}, "spend_cap"),
    (429, {"error": {"type": "invalid_request_error"}}, "rate_rpm"),
    (400, {}, "bad_request"),
    (422, "text", "bad_request"),
    (400, {"error": {"type": "invalid_request_error", "code": None, "message": SECRET}}, "bad_request"),
    (400, {"error": {"code": "context_length_exceeded", "type": "invalid_request_error"}}, "context_size"),
    (400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": SECRET}}, "context_size"),
    (400, {"error": {"message": "This model's maximum context length is 4096 tokens", "type": "invalid_request_error"}}, "context_size"),
    (400, {"error": {"code": "InvalidParameter", "message": "Range of input length should be [1, 30720]"}}, "context_size"),
    (400, {"error": {"code": "tokens_too_long"}}, "context_size"),
    (400, {"error": {"code": "data_inspection_failed"}}, "policy_input"),
    (400, {"error": {"code": "InputTextSensitiveContentDetected.PolicyViolation"}}, "bad_request"),
    (400, {"error": {"code": "InputTextSensitiveContentDetected"}}, "policy_input"),
    (400, {"error": {"code": "InputTextRiskDetection"}}, "policy_input"),
    (400, {"error": {"code": "OutputImageSensitiveContentDetected"}}, "policy_output"),
    (400, {"error": {"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}}, "policy_output"),
    (400, {"error": {"type": "content_filter"}}, "policy_input"),
    (400, {"error": {"type": "unsafe_request"}}, "policy_input"),
    (503, {}, "overloaded"),
    (529, {"type": "error", "error": {"type": "overloaded_error"}}, "overloaded"),
    (500, {}, "server_error"),
    (502, b"<html>bad gateway</html>", "server_error"),
    (504, b"\xff\xfe", "server_error"),
    (302, b"", "server_error"),
    (418, {}, "bad_request"),
    (500, {"Response": {"Error": {"Code": "InternalError", "Message": SECRET}}}, "server_error"),
]


@pytest.mark.parametrize(("status", "body", "internal"), STATUSES, ids=[f"{status} {body!s:.40}" for status, body, _ in STATUSES])
def test_a_status_and_a_body_have_one_class(status: int, body: Any, internal: str) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    error = classify(status, {}, raw)
    assert error.internal == internal
    assert SECRET not in f"{error.message} {error.hint} {error.extra}"
    again = fault(read(raw, JSON, status, size=3))
    assert (again.internal, again.code) == (internal, error.code)


@pytest.mark.parametrize("name", _MEANINGS)
def test_every_class_says_who_failed_and_what_may_help(name: str) -> None:
    meaning = _MEANINGS[name]
    if name.startswith("policy_") or name == "refused":
        assert meaning.retry is Retry.NEVER, "a block is never shopped to another partner"
    elif name == "bad_request":
        assert meaning.retry is Retry.NEVER
    else:
        assert meaning.retry is not Retry.NEVER
        assert name == "context_size" or meaning.error is PartnerError
    assert "partner" not in meaning.message
    assert set(_CODES.values()) <= set(_MEANINGS)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "999999999"}, 86400.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "x"}, None),
    ],
)
def test_retry_after_is_believed_when_it_makes_sense(headers: dict[str, str], seconds: float | None) -> None:
    error = classify(429, headers, b"")
    assert error.retry_after_s == seconds
    assert error.status == 503
    assert fault(read(b"", headers, 429)).retry_after_s == seconds


# --- requests --------------------------------------------------------------------------------------


def sent(request: ChatRequest, target: Target = TARGET) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode(request, target).body)
    return body


def able(*capabilities: Any) -> Target:
    return Target(
        partner="acme",
        model="acme-7",
        region="cn",
        dialect="openai_chat",
        base_url="https://acme.test/v1",
        credential="",
        price_key="k",
        capabilities=frozenset(capabilities),
    )


ASK = ChatRequest(model="assistant", messages=[{"role": "user", "content": "hi"}])
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def test_only_what_was_asked_is_sent_and_to_the_partners_own_name() -> None:
    call = encode(ASK, TARGET)
    assert (call.method, call.url, call.credential) == ("POST", "https://acme.test/v1/chat/completions", "env:ACME")
    assert sent(ASK) == {"model": "acme-7", "messages": [{"role": "user", "content": "hi"}]}
    assert not any(b"authorization" in name for name, _ in call.headers)


def test_usage_is_always_asked_of_a_stream() -> None:
    body = sent(ChatRequest(model="a", messages=ASK.messages, stream=True, include_usage=False))
    assert body["stream_options"] == {"include_usage": True}


def test_nothing_that_is_not_known_is_ever_sent() -> None:
    """The tree is not forwarded, whatever it holds: every object is built anew."""
    planted = {"x_secret": SECRET}
    image = {"type": "image_url", "image_url": {"url": "https://a.test/x", "detail": "low"} | planted} | planted
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"} | planted} | planted
    tool = {
        "type": "function",
        "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True} | planted,
    } | planted
    request = ChatRequest(
        model="a",
        messages=[
            {"role": "developer", "content": "be kind", "name": SECRET},
            {"role": "user", "content": [{"type": "text", "text": "see"} | planted, image], "name": SECRET},
            {"role": "assistant", "content": None, "tool_calls": [call]} | planted,
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "1"} | planted], "name": SECRET},
            {"role": "assistant", "content": None, "refusal": "no"} | planted,
        ],
        tools=[tool],
        tool_choice={"type": "function", "function": {"name": "f"} | planted} | planted,
        dropped=("user",),
    )
    body = sent(request)
    assert SECRET not in json.dumps(body)
    assert body["messages"] == [
        {"role": "system", "content": "be kind"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "https://a.test/x", "detail": "low"}}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "assistant", "content": "no"},
    ]
    assert body["tools"] == [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("capabilities", "floor", "kind"),
    [
        (("json_schema", "json_object"), "json_schema", "json_schema"),
        (("json_schema", "json_object"), "json_object", "json_object"),
        (("json_schema", "json_object"), "prompt", None),
        (("json_schema",), "json_object", None),
        (("json_object",), "json_schema", "json_object"),
        ((), "json_schema", None),
    ],
)
def test_the_rung_is_the_lower_of_what_is_wanted_and_what_is_possible(capabilities: tuple[Any, ...], floor: Any, kind: str | None) -> None:
    request = ChatRequest(model="a", messages=ASK.messages, response_format=JsonSchemaFormat(name="n", schema=SCHEMA), format_floor=floor)
    body = sent(request, able(*capabilities))
    assert body.get("response_format", {}).get("type") == kind
    if kind == "json_schema":
        assert body["response_format"]["json_schema"] == {"name": "n", "strict": True, "schema": SCHEMA}
        assert body["messages"] == ASK.messages
    else:
        assert json.dumps(SCHEMA, separators=(",", ":")) in body["messages"][0]["content"]
        assert body["messages"][0]["role"] == "system"


def test_a_call_without_arguments_is_sent_with_an_empty_object_and_others_as_they_are() -> None:
    given = ["", " \n", "{}", '{"a":1}', "no JSON"]
    calls = [{"id": f"c{at}", "type": "function", "function": {"name": "f", "arguments": said}} for at, said in enumerate(given)]
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": calls}]
    made = sent(ChatRequest(model="a", messages=messages))["messages"][1]["tool_calls"]
    assert [call["function"]["arguments"] for call in made] == ["{}", "{}", "{}", '{"a":1}', "no JSON"]
    assert [call["function"]["arguments"] for call in calls] == given, "the request itself stays as it came"


def test_an_instruction_joins_the_system_message_that_is_there() -> None:
    messages = [{"role": "system", "content": [{"type": "text", "text": "be kind"}]}, {"role": "user", "content": "hi"}]
    body = sent(ChatRequest(model="a", messages=messages, response_format=JsonObjectFormat()))
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][0]["content"].startswith("be kind\n\n")


def test_the_request_itself_is_never_changed() -> None:
    request = ChatRequest(
        model="a", messages=[{"role": "system", "content": "x"}, {"role": "user", "content": "hi"}], response_format=JsonObjectFormat()
    )
    first = encode(request, TARGET)
    assert encode(request, TARGET) == first
    assert request.messages[0] == {"role": "system", "content": "x"}


def test_the_dialect_is_found_by_the_name_in_a_target() -> None:
    assert DIALECTS[TARGET.dialect].encode(ASK, TARGET) == encode(ASK, TARGET)
