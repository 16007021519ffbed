"""One dialect from end to end: the corridor of a fresh house, the real client, a scripted partner on a socket."""

from __future__ import annotations

import json
import re
import resource
from typing import Any

import msgspec
from msgspec import Struct

from lizi import pipeline
from lizi.callers import mint
from lizi.config import build_house, parse
from lizi.edge.runtime import SystemClock
from lizi.edge.upstream import HttpUpstream
from lizi.house import Arrival, Ports
from lizi.routing import Traffic
from lizi.testing import FakeImages, FakeLimits, MemoryJournal
from lizi.testing.captured import Script
from lizi.testing.planted import THOUGHT
from lizi.testing.server import Partner
from lizi.testing.speeches import SPEECHES
from lizi.types import Event, Exchange, Fault, Final, Finish, Plan, Retract, State, Text, ToolDelta
from lizi.wire.openai import StreamEncoder, error_body, whole

NOW = 1_795_600_000.0
"""2026-11-25: the day for which the records are read, whenever the tests run."""
SEED = 0xACE5EED
"""Stands in the ids that a partner gives its answers."""
KEY = "sk-partner-conformance"
APP = "notes-conformance"
MEMORY_KB = 64 * 1024
"""What one exchange may add to the process: a whole reply's bound, 16 MiB, held and joined, and the runtime's share."""
PATIENT = "connect_ms = 20000\nfirst_token_ms = 20000\nidle_gap_ms = 20000\nwhole_ms = 60000"
"""No test waits for these."""
HURRIED = "connect_ms = 20000\nfirst_token_ms = 300\nidle_gap_ms = 300\nwhole_ms = 20000"
HURRIED_WHOLE = "connect_ms = 20000\nfirst_token_ms = 300\nidle_gap_ms = 300\nwhole_ms = 300"
"""Long enough for a busy machine to reach the partner at all."""
CONFIG = """
[metering]
unpriced = "free"
[routing]
attempts = 1
[deadlines]
{deadlines}
[partners.acme]
dialect = "{dialect}"
base_url = "{base_url}"
credential = "{credential}"
[models.assistant]
targets = [{{ partner = "acme", model = "{model}"{more} }}]
[features."writing.rewrite"]
model = "assistant"
"""


class Got(Struct, kw_only=True):
    """What one request came to."""

    events: list[Event]
    exchange: Exchange
    bytes: bytes
    """As the device gets them."""
    shown: bytes
    """The bytes again, but for what is sealed: that is random to look at, and any word may stand in it."""
    words: str
    """And the bytes, but for what the model said: none of a partner's words may be among them."""

    @property
    def due(self) -> str:
        """In the words of the conformance table."""
        last = self.events[-1]
        if isinstance(last, Fault):
            known = {"cut": "truncated"}
            if last.error.code in ("upstream_timeout", "structured_output_failed"):
                return f"!{last.error.code}"
            return f"!{known.get(last.error.internal, last.error.internal)}"
        if isinstance(last, Final):
            return "result"
        assert isinstance(last, Finish), last
        if any(isinstance(event, Retract) for event in self.events):
            return "retract"
        return "withdrawn" if last.reason == "content_filter" and not self.text else last.reason

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Text))

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of each tool call."""
        calls: dict[int, str] = {}
        for event in self.events:
            if isinstance(event, ToolDelta):
                calls[event.index] = calls.get(event.index, "") + event.arguments
        return tuple(calls.values())

    @property
    def whole(self) -> bytes:
        """The answer as a device that does not stream has it."""
        return whole(self.events, exchange_id=self.exchange.id, model=self.exchange.model, created=1)

    @property
    def error(self) -> Any:
        last = self.events[-1]
        assert isinstance(last, Fault)
        return last.error


class Line:
    """`async with Line("qwen", script) as line: await line.ask(…)`."""

    def __init__(self, dialect: str, script: Script | None = None, *, model: str = "") -> None:
        speech = SPEECHES[dialect]
        self.speech = speech
        self.dialect = dialect
        self.model = model or speech.models[0]
        self.partner = Partner(script, seed=SEED, dialect=dialect, key=KEY)
        self.limits = FakeLimits()
        self.journal = MemoryJournal()
        self.clock = SystemClock()
        self.asked = 0

    async def __aenter__(self) -> Line:
        await self.partner.start()
        self.upstream = HttpUpstream(lambda reference: KEY)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.upstream.close()
        await self.partner.stop()

    def _house(self, deadlines: str, capabilities: tuple[str, ...], more: str) -> tuple[Any, str]:
        """Fresh, so that what routing learned of the last request does not decide about this one."""
        text = CONFIG.format(
            deadlines=deadlines, dialect=self.dialect, base_url=self.partner.base_url, model=self.model,
            credential="env:PARTNER_KEY" if self.speech.key_header else "",
            more=(f", capabilities = {list(capabilities)}" if capabilities else "") + more,
        )  # fmt: skip
        config = parse(text, NOW)
        secret, record = mint(APP, Plan(), NOW, bytes(range(38)))
        house = build_house(
            config, [record], idempotency_key=b"k" * 32, traffic=Traffic(config.routing), base_urls={}, at=NOW,
            state_keys={"11" * 8: b"s" * 32},
        )  # fmt: skip
        return house, secret

    async def ask(
        self,
        body: dict[str, Any],
        *,
        feature: str = "chat",
        deadlines: str = PATIENT,
        capabilities: tuple[str, ...] = (),
        more: str = "",
    ) -> Got:
        """One request to its end, with everything that holds of every exchange asserted."""
        house, secret = self._house(deadlines, capabilities, more)
        self.asked += 1
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ports = Ports(
            upstream=self.upstream, limits=self.limits, journal=self.journal, images=FakeImages(), clock=self.clock, draw=lambda: 0.0
        )
        arrival = Arrival(
            feature=feature,
            caller=house.callers.authenticate(f"Bearer {secret}", NOW),
            body=msgspec.json.encode(body),
            idempotency_key=None,
            exchange_id=f"rq_{self.asked:026d}",  # and not a random one, in which any word may stand
        )
        opened = pipeline.open(arrival, house, self.clock)
        events: list[Event] = []
        async for batch in pipeline.serve(opened, ports):
            events += batch
        exchange = opened.exchange

        ends = [event for event in events if isinstance(event, Finish | Fault | Final)]
        assert len(ends) == 1 and events[-1] is ends[0], "one end, and nothing after it"
        assert sum(record is exchange for record in self.journal.records) == 1 and self.limits.mistakes == []
        assert len(self.limits.settled) == len(self.journal.records), "each exchange is settled once and recorded once"
        assert all(attempt.outcome != "open" for attempt in exchange.attempts)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < MEMORY_KB, "memory is bounded"
        sent = _device(events, exchange, feature, stream=bool(body.get("stream")))
        unsealed = [event for event in events if not isinstance(event, State)]
        shown = _device(unsealed, exchange, feature, stream=bool(body.get("stream")))
        silent = _device([_silent(event) for event in unsealed], exchange, feature, stream=bool(body.get("stream")))
        return Got(events=events, exchange=exchange, bytes=sent, shown=shown, words=silent.decode().lower())

    def check(self, got: Got, *, forced: bool = False) -> None:
        """Nothing of the partner's went out, and nothing of ours went in. `forced`: it was asked for a format that it may not have."""
        for word in ("acme", f"{SEED:08x}", "leaderboard", "prohibited", KEY, THOUGHT.lower()):
            assert word not in got.words, f"the device reads '{word}'"
        assert re.search(rf"(?<![\w-]){re.escape(self.model.lower())}(?![\w-])", got.words) is None, "the device reads the model's name"
        for request in self.partner.requests:
            raw = request.head + request.body
            for word in (APP, got.exchange.id, got.exchange.key_id, "x_state", "x_can_retract", "127.0.0.1:0"):
                assert word.encode() not in raw, f"the partner reads '{word}'"
        refused = [rule for rule in self.partner.refused if not (forced and rule.startswith("no json_"))]
        assert refused == [], "the partner takes what it is asked"


def _silent(event: Event) -> Event:
    """The event without the model's own words."""
    if isinstance(event, Text):
        return Text("·")
    if isinstance(event, Final):
        return Final(result={})
    return event


def _device(events: list[Event], exchange: Exchange, feature: str, *, stream: bool) -> bytes:
    last = events[-1]
    if isinstance(last, Fault) and not stream:
        return error_body(last.error, exchange.id)
    if isinstance(last, Final):
        return json.dumps(last.result, ensure_ascii=False).encode()
    if not stream:
        return whole(events, exchange_id=exchange.id, model=exchange.model, created=1)
    encoder = StreamEncoder(exchange_id=exchange.id, model=exchange.model, created=1, include_usage=True)
    return encoder.feed(events)
