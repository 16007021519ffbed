"""What reaches a partner, for every record: a closed set of fields and headers, nothing that names a user, whatever a request holds."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import corridor
from corridor import Corridor, stream
from lizi.config import built_in
from lizi.errors import LiziError
from lizi.testing import FakeReply
from lizi.types import Call

FULL = json.loads((Path(__file__).parents[1] / "golden" / "requests" / "full.json").read_text())
CANARY = "canary-7f3k-user-4471"
DAY = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
CONFIG = """
[routing]
attempts = 1
[veil]
terms = "optional"
[metering]
unpriced = "free"
[partners.first]
dialect = "{record}"
base_url = "https://first.example/v1"
credential = "env:FIRST"
region = "somewhere"
[models.assistant]
[[models.assistant.targets]]
partner = "first"
model = "a-model"
capabilities = ["tools", "images", "json_object", "json_schema"]
strict_schema = true
"""
FIELDS = {
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p", "presence_penalty",
    "frequency_penalty", "stop", "stop_sequences", "seed", "tools", "tool_choice", "parallel_tool_calls", "response_format",
    "reasoning_effort",
    "system", "thinking", "output_config", "enable_thinking", "thinking_budget", "chat_template_kwargs", "reasoning_split", "reasoning",
    "store", "disable_search", "web_search", "enable_enhancement", "incremental_output", "extra_body", "output_format", "tool_stream",
}  # fmt: skip
"""Of all partners together. What comes in addition is what the record says: its defaults, and the fields that it wants random."""
HEADERS = {b"content-type", b"accept"}


@pytest.fixture(autouse=True)
def _day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corridor, "START", DAY)


def house(record: str) -> Corridor:
    return Corridor(lambda _: stream({"content": "ok"}), config=CONFIG.format(record=record))


async def sent(record: str, body: dict[str, Any], *, key: str | None = None) -> tuple[Corridor, Call]:
    within = house(record)
    await within.ask(body, idempotency_key=key)
    return within, within.upstream.calls[-1]


def identified() -> dict[str, Any]:
    """The full request, with whatever may name a user or a device in the fields that the protocol has for it."""
    body = copy.deepcopy(FULL)
    body |= {name: f"{CANARY}-{name}" for name in ("user", "safety_identifier", "prompt_cache_key")}
    body["metadata"] = {"device": CANARY, CANARY: "x"}
    for message in body["messages"]:
        message["name"] = CANARY
        if message["role"] == "assistant":
            message |= {"annotations": [{"url": CANARY}], "reasoning_content": CANARY}
    body["tool_choice"], body["x_conversation"] = "auto", CANARY
    return body


@pytest.mark.requirement("S46")
@pytest.mark.requirement("S35")
@pytest.mark.parametrize("record", built_in())
async def test_no_identifier_of_any_kind_reaches_a_partner(record: str) -> None:
    within, call = await sent(record, identified(), key=CANARY)
    assert CANARY.encode() not in call.body
    assert CANARY not in call.url
    assert "Li Hua" not in call.body.decode()
    assert within.journal.records[0].id.removeprefix("rq_").encode() not in call.body
    assert "call_a_0" not in call.body.decode(), "the device's own id of a call"


@pytest.mark.parametrize("record", built_in())
async def test_fields_and_headers_are_a_closed_set(record: str) -> None:
    facts = house(record).house.routes["assistant"].targets[0].facts
    _, call = await sent(record, identified())
    known = FIELDS | set(facts.default) | set(facts.random_fields) | set(facts.rename.values())
    assert set(json.loads(call.body)) <= known
    assert {name for name, _ in call.headers} <= HEADERS | {name.lower().encode() for name, _ in facts.headers}
    assert (call.method, call.credential) == ("POST", "env:FIRST")


@pytest.mark.parametrize("record", built_in())
async def test_two_requests_of_one_user_share_nothing_but_what_was_asked(record: str) -> None:
    within = house(record)
    for _ in range(2):
        await within.ask(identified())
    one, two = within.upstream.calls[0], within.upstream.calls[len(within.upstream.calls) // 2]  # what follows each repairs its form
    assert (one.url, one.headers, one.credential) == (two.url, two.headers, two.credential)
    facts = within.house.routes["assistant"].targets[0].facts
    trees = [json.loads(call.body) for call in (one, two)]
    for field in facts.random_fields:
        values = [tree.pop(field) for tree in trees]
        assert values[0] != values[1]
        assert all(len(value) == 32 for value in values)
    if facts.cache == "account":
        lines = [json.dumps(tree.pop("system", None) or tree["messages"].pop(0)) for tree in trees]
        assert lines[0] != lines[1]
    assert trees[0] == trees[1]


@pytest.mark.parametrize("record", ["openai", "anthropic"])
async def test_a_partner_that_can_be_told_not_to_keep_is_told(record: str) -> None:
    _, call = await sent(record, {"model": "assistant", "messages": [{"role": "user", "content": "Hi"}], "stream": True, "store": True})
    assert json.loads(call.body).get("store", False) is False
    if record == "openai":
        assert json.loads(call.body)["store"] is False


# --- unknown fields, at every level --------------------------------------------------------------


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is an object."""
    if isinstance(tree, dict):
        yield path
        for key, value in tree.items():
            yield from places(value, (*path, key))
    elif isinstance(tree, list):
        for number, item in enumerate(tree):
            yield from places(item, (*path, number))


def mutated(place: tuple[Any, ...]) -> dict[str, Any]:
    body: dict[str, Any] = copy.deepcopy(FULL)
    node: Any = body
    for step in place:
        node = node[step]
    node["x_trace_user"] = CANARY
    return body


NAMES_OF_THE_APP = ("properties",)
"""Where keys are the app's own words: a property of a schema is content, and reaches the model as such."""


@pytest.mark.parametrize("place", list(places(FULL)), ids=lambda place: ".".join(map(str, place)) or "top")
@pytest.mark.parametrize("record", ["openai_chat", "anthropic"])
async def test_an_unknown_field_at_any_level_is_refused_or_stays_here(record: str, place: tuple[Any, ...]) -> None:
    if place and place[-1] in NAMES_OF_THE_APP:
        pytest.skip(reason="keys of `properties` are names that the app gives its own schema")
    within = house(record)
    try:
        await within.ask(mutated(place))
    except LiziError as error:
        assert error.status == 400
        assert error.param is not None
        assert CANARY not in str(error)
        return
    assert all(CANARY.encode() not in call.body for call in within.upstream.calls)


async def test_arguments_of_past_calls_are_content_and_nothing_else_of_them_leaves() -> None:
    body = copy.deepcopy(FULL)
    call = body["messages"][2]["tool_calls"][0]
    call["function"]["arguments"] = json.dumps({"place": "13912345678", "13912345678": "x"})
    _, made = await sent("openai_chat", body)
    assert b"13912345678" not in made.body


async def test_what_a_partner_says_of_itself_reaches_nobody() -> None:
    """Its id, its model's name, its fingerprint: in the body and in headers."""
    chunk = {
        "id": CANARY,
        "model": CANARY,
        "system_fingerprint": CANARY,
        "choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}],
    }
    reply = FakeReply(
        headers={"content-type": "text/event-stream", "x-request-id": CANARY, "server": CANARY},
        pieces=(b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n",),
    )
    within = Corridor([reply])
    from lizi.wire.openai import whole

    events = await within.ask({"model": "assistant", "messages": [{"role": "user", "content": "Hi"}], "stream": True})
    assert CANARY.encode() not in whole(events, exchange_id="rq_x", model="assistant", created=1)
