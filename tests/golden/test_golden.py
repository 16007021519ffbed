"""One request × every dialect → what is sent; every reply → its events → what the device gets. The snapshot's diff is the review.

`GOLDEN=write pytest tests/golden` writes the snapshots anew; look at the diff before you keep it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lizi.carry import Carrier, Memory, for_partner
from lizi.dialects import DIALECTS
from lizi.types import Capability, ChatRequest, Event, Facts, Fault, Finish, Target, Text, ToolDelta
from lizi.wire.openai import StreamEncoder, decode_chat

HERE = Path(__file__).parent
ABILITIES: dict[str, frozenset[Capability]] = {
    "strict": frozenset({"tools", "images", "json_object", "json_schema"}),
    "object": frozenset({"tools", "images", "json_object"}),
    "plain": frozenset({"tools", "images"}),
}


def same(name: str, made: str) -> None:
    path = HERE / "snapshots" / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(made, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == made


def target(dialect: str, ability: str) -> Target:
    return Target(
        partner="acme",
        model="acme-7-0605",
        region="cn",
        dialect=dialect,
        base_url="https://acme.test/v1",
        credential="env:ACME_KEY",
        price_key="acme/acme-7",
        capabilities=ABILITIES[ability],
        strict_schema=ability == "strict",
    )


@pytest.mark.parametrize("ability", ABILITIES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_full_request_as_a_partner_gets_it(dialect: str, ability: str) -> None:
    request = decode_chat((HERE / "requests" / "full.json").read_bytes())
    call = DIALECTS[dialect].encode(request, target(dialect, ability))
    shown = {
        "dropped": request.dropped,
        "needs": sorted(request.needs),
        "method": call.method,
        "url": call.url,
        "headers": [f"{name.decode()}: {value.decode()}" for name, value in call.headers],
        "credential": call.credential,
        "body": json.loads(call.body),
    }
    same(f"full.{dialect}.{ability}.json", json.dumps(shown, indent=2, ensure_ascii=False) + "\n")


def line(event: Event) -> Any:
    name = type(event).__name__
    if isinstance(event, Fault):
        error = event.error
        return {name: {"code": error.code, "internal": error.internal, "retry": error.retry.value, "message": error.message}}
    return {name: msgspec.to_builtins(event)}


def test_a_turn_goes_back_to_its_partner_as_it_came() -> None:
    """Thoughts between words and calls: read, sealed, handed to the device, brought back, opened, and sent in their places."""
    raw = (REPLIES["anthropic"] / "interleaved.sse").read_bytes()
    at = msgspec.structs.replace(target("anthropic", "strict"), facts=Facts(replay="tool_loop"))
    reader = DIALECTS["anthropic"].Reader(True, 200, {"content-type": "text/event-stream"}, at)
    memory, text, calls = Memory(), "", dict[int, dict[str, Any]]()
    for byte in raw:
        events = reader.feed(bytes([byte]))
        memory.feed(events)
        for event in events:
            if isinstance(event, Text):
                text += event.text
            elif isinstance(event, ToolDelta):
                new = {"id": event.id, "type": "function", "function": {"name": event.name, "arguments": ""}}
                calls.setdefault(event.index, new)["function"]["arguments"] += event.arguments
    thoughts, carrier = memory.thoughts(at.partner, at.model), Carrier({"00" * 8: bytes(32)}, "00" * 8, 60)
    assert thoughts is not None
    sealed = carrier.seal(thoughts, "notes", memory.turn(), 0.0, "rq_1")
    given = {"role": "assistant", "content": text, "tool_calls": list(calls.values()), "x_state": sealed}
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "7"} for call in calls.values()]
    messages, lost = carrier.restore([{"role": "user", "content": "How is it?"}, given, *results], "notes", 1.0)
    assert lost == 0
    request = ChatRequest(model="a", messages=for_partner(messages, at.partner, at.model))
    sent = json.loads(DIALECTS["anthropic"].encode(request, at).body)["messages"]
    same("interleaved.anthropic.replay.json", json.dumps(sent, indent=2, ensure_ascii=False) + "\n")


REPLIES = {"openai_chat": HERE / "replies", "anthropic": HERE / "replies.anthropic"}
"""Family → what its partners send."""


def test_every_family_has_replies_here() -> None:
    assert REPLIES.keys() == DIALECTS.keys()


@pytest.mark.parametrize(("dialect", "reply"), [(name, path.name) for name, folder in REPLIES.items() for path in sorted(folder.iterdir())])
def test_a_reply_as_events_and_as_the_device_gets_it(dialect: str, reply: str) -> None:
    raw = (REPLIES[dialect] / reply).read_bytes()
    kind = "text/event-stream" if reply.endswith(".sse") else "application/json"
    reader = DIALECTS[dialect].Reader(True, 200, {"content-type": kind}, target(dialect, "strict"))
    events = reader.feed(raw) + reader.close()
    lines = "".join(json.dumps(line(event), ensure_ascii=False) + "\n" for event in events)
    encoder = StreamEncoder(exchange_id="rq_0123456789abcdefghijklmnop", model="assistant", created=1760000000, include_usage=True)
    handed_on = sorted(events, key=lambda event: isinstance(event, Finish | Fault))  # the corridor puts the end last
    same(f"{reply}.{dialect}.txt", lines + "\n" + encoder.feed(handed_on).decode())
