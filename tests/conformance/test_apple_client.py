"""The wire contract of Apple's chat-completions client, as reported in product.md §2.3, replayed byte for byte over a bare socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from lizi.testing.partners import Behaviour, ToolCall
from lizi.wire.sse import SseReader
from planted_pictures import saved, scene, url_of
from running_service import Running, running

# A struct with guides: described, an enumeration, bounds of a number and of a list, one optional that is simply not required.
SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "description": "A short title"},
        "mood": {"type": "string", "enum": ["calm", "bright"]},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
        "note": {"type": "string"},
    },
    "required": ["title", "mood", "stars", "tags"],
}
TOOL = {
    "type": "function",
    "function": {
        "name": "searchNotes",
        "description": "Finds notes",
        "parameters": {"type": "object", "properties": {"query": {"type": "string", "description": "Words"}}, "required": ["query"]},
    },
}
TURNS = [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "Describe the sea."}]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


def respond(service: Running, **fields: Any) -> tuple[int, str, list[Any]]:
    """What the client sends: `{base}/v1/chat/completions`, always a stream, usage always asked for."""
    body = {"model": "assistant", "messages": TURNS, "stream": True, "stream_options": {"include_usage": True}} | fields
    where = urlsplit(service.address)
    connection = HTTPConnection(where.hostname or "", where.port or 0, timeout=20)
    try:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream", "Authorization": f"Bearer {service.key}"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body).encode(), headers)
        response = connection.getresponse()
        raw = response.read()
        kind = response.getheader("content-type", "")
    finally:
        connection.close()
    if not kind.startswith("text/event-stream"):
        return response.status, kind, [json.loads(raw)]
    reader = SseReader()
    found = reader.feed(raw)
    assert reader.close() == [], "the stream ends with a whole event"
    return response.status, kind, [data.decode() if data == b"[DONE]" else json.loads(data) for data in found]


def test_a_plain_answer_streams_from_the_role_to_done(service: Running) -> None:
    service.partner.play(Behaviour(text="Wide and blue.", chunks=3))
    status, kind, events = respond(service, temperature=0.7, max_tokens=200)
    assert status == 200 and kind.startswith("text/event-stream")
    *chunks, usage, done = events
    assert done == "[DONE]"
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == "Wide and blue."
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == [] and usage["usage"]["completion_tokens"] > 0
    system, *rest = service.asked()["messages"]
    assert system["content"].startswith(TURNS[0]["content"]), "a random line stands behind it"
    assert rest == TURNS[1:]


@pytest.mark.parametrize("model", ["assistant", "plain"])
def test_guided_generation_without_a_schema_name(service: Running, model: str) -> None:
    answer = {"title": "Sea", "mood": "calm", "stars": 5, "tags": ["water"]}
    service.partner.play(Behaviour(text=json.dumps(answer), chunks=4))
    status, _, events = respond(
        service, model=model, response_format={"type": "json_schema", "json_schema": {"strict": True, "schema": SCHEMA}}
    )
    text = "".join(event["choices"][0]["delta"].get("content") or "" for event in events[:-2])
    assert (status, json.loads(text)) == (200, answer)
    if model == "assistant":
        assert service.asked()["response_format"]["json_schema"] == {"name": "answer", "strict": True, "schema": SCHEMA}


def test_an_answer_outside_the_guides_is_an_error_and_never_text(service: Running) -> None:
    service.partner.play(Behaviour(text=json.dumps({"title": "Sea", "mood": "wild", "stars": 9, "tags": []})))
    status, kind, events = respond(service, response_format={"type": "json_schema", "json_schema": {"strict": True, "schema": SCHEMA}})
    assert status == 502 and kind.startswith("application/json")
    assert events[0]["error"]["code"] == "structured_output_failed"
    assert {(error["path"], error["rule"]) for error in events[0]["error"]["errors"]} == {
        ("/mood", "enum"),
        ("/stars", "maximum"),
        ("/tags", "minItems"),
    }


def test_a_tool_call_and_its_answer(service: Running) -> None:
    service.partner.play(Behaviour(text="", tools=(ToolCall(name="searchNotes", arguments='{"query":"sea"}'),), finish="tool_calls"))
    _, _, events = respond(service, tools=[TOOL])
    deltas = [call for event in events[:-2] for call in event["choices"][0]["delta"].get("tool_calls", [])]
    assert "".join(call["function"]["arguments"] for call in deltas) == '{"query":"sea"}'
    assert deltas[0]["function"]["name"] == "searchNotes" and deltas[0]["id"]
    assert events[-3]["choices"][0]["finish_reason"] == "tool_calls"

    call = {"id": deltas[0]["id"], "type": "function", "function": {"name": "searchNotes", "arguments": '{"query":"sea"}'}}
    service.partner.play(Behaviour(text="One note."))
    turns = [*TURNS, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": call["id"], "content": "1 note"}]
    assert respond(service, messages=turns, tools=[TOOL])[0] == 200


def test_images_and_tools_may_come_for_every_model_and_get_a_typed_error(service: Running) -> None:
    """The client declares vision, tool calling and reasoning of every model."""
    image = {"type": "image_url", "image_url": {"url": url_of(saved(scene(), "PNG"))}}
    for fields in ({"messages": [{"role": "user", "content": [image]}]}, {"tools": [TOOL]}):
        status, _, events = respond(service, model="plain", **fields)
        assert (status, events[0]["error"]["code"]) == (400, "unsupported_content")
    service.partner.play(Behaviour(text="Wide.", reasoning="Let me think."))
    status, _, events = respond(service, reasoning_effort="high")
    assert status == 200
    assert "think" not in json.dumps(events), "reasoning has no place in this protocol"


def test_a_failure_in_an_open_stream_is_an_error_object_without_done(service: Running) -> None:
    service.partner.play(Behaviour(text="Wide and blue and deep.", chunks=6, fault="cut", fault_after=3))
    status, _, events = respond(service)
    assert status == 200
    assert events[-1]["error"]["code"] == "stream_cut"
    assert "[DONE]" not in events
