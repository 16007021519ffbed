"""A whole corridor in process: real rooms, fake ports. Shared by the tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from lizi import pipeline
from lizi.callers import mint
from lizi.config import Config, build_house, parse
from lizi.house import Arrival, House, Opened, Ports
from lizi.routing import Traffic
from lizi.testing import FakeImages, FakeLimits, FakeReply, FakeUpstream, ManualClock, MemoryJournal
from lizi.types import Event, Fault, Finish, Plan, Text

CONFIG = """
[[metering.prices]]
key = "first/large"
from = 2020-01-01
input_per_million = "1"
output_per_million = "2"
[[metering.prices]]
key = "second/large"
from = 2020-01-01
input_per_million = "10"
output_per_million = "20"

[veil]
terms = "optional"

[partners.first]
base_url = "https://first.example/v1"
credential = "env:FIRST"
[partners.second]
base_url = "https://second.example/v1"

[models.assistant]
targets = [
    { partner = "first", model = "large", capabilities = ["tools"] },
    { partner = "second", model = "large", capabilities = ["tools"] },
]
[models.seeing]
targets = [{ partner = "first", model = "large", capabilities = ["images"] }]
[models.strict]
targets = [{ partner = "first", model = "large", capabilities = ["json_schema"], strict_schema = true }]
[models.alone]
targets = [{ partner = "first", model = "large" }]

[features."writing.proofread"]
model = "assistant"
[features."writing.rewrite"]
model = "assistant"
[features."writing.transform"]
model = "assistant"
"""
SSE = {"content-type": "text/event-stream"}
START = 1_760_000_000.0


class Corridor:
    """Asks like an app, keeps what each port saw."""

    def __init__(self, script: Any = None, *, plan: Plan | None = None, config: str = CONFIG, places: int = 1_000_000) -> None:
        self.clock = ManualClock(START)
        self.upstream = FakeUpstream(script)
        self.limits = FakeLimits(places)
        self.journal = MemoryJournal()
        self.images = FakeImages()
        self.config: Config = parse(config, START)
        self.secret, record = mint("notes", plan or Plan(), START, bytes(range(38)))
        self.traffic = Traffic(self.config.routing)
        self.house: House = build_house(
            self.config, [record], idempotency_key=b"k" * 32, traffic=self.traffic, base_urls={}, at=self.clock.now(),
            state_keys={"11" * 8: b"s" * 32},
        )  # fmt: skip
        self.ports = Ports(
            upstream=self.upstream, limits=self.limits, journal=self.journal, images=self.images, clock=self.clock, draw=lambda: 0.0
        )

    def open(
        self,
        body: dict[str, Any] | None = None,
        *,
        feature: str = "chat",
        idempotency_key: str | None = None,
        key: str | None = None,
        **fields: Any,
    ) -> Opened:
        body = body if body is not None else {"model": "assistant", "messages": [{"role": "user", "content": "Hello"}], **fields}
        arrival = Arrival(
            feature=feature,
            caller=self.house.callers.authenticate(f"Bearer {self.secret if key is None else key}", self.clock.now()),
            body=msgspec.json.encode(body),
            idempotency_key=idempotency_key,
            exchange_id=self.clock.new_id("rq_"),
        )
        return pipeline.open(arrival, self.house, self.clock)

    async def ask(
        self, body: dict[str, Any] | None = None, *, seen: Callable[[list[Event]], None] | None = None, **options: Any
    ) -> list[Event]:
        """Serve one request to its end; every event in order."""
        opened = self.open(body, **options)
        events: list[Event] = []
        async for batch in pipeline.serve(opened, self.ports):
            assert batch, "an empty batch wakes the edge for nothing"
            events += batch
            if seen is not None:
                seen(batch)
        self.check_settled()
        return events

    def check_settled(self) -> None:
        """What holds after every exchange, however it ended."""
        assert self.limits.open == {}
        assert self.limits.mistakes == []
        assert self.upstream.open_now == 0
        assert len(self.limits.settled) == len(self.journal.records)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def end_of(events: list[Event]) -> str:
    """The finish reason, or the code of the fault."""
    last = events[-1]
    if isinstance(last, Finish):
        return last.reason
    if isinstance(last, Fault):
        return str(last.error.code)
    return type(last).__name__


def stream(*deltas: dict[str, Any], finish: str | None = "stop", flags: dict[int, int] | None = None) -> FakeReply:
    """One piece an event."""
    pieces = []
    for number, delta in enumerate(deltas):
        choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": None}
        if flags and number in flags:
            choice["flag"] = flags[number]
        pieces.append(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    pieces.append(b"data: " + json.dumps(last).encode() + b"\n\n" + b"data: [DONE]\n\n")
    return FakeReply(headers=SSE, pieces=tuple(pieces))


def asking(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": True} | fields
