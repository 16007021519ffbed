"""One try at one target, as a machine: the partner's bytes in, events out, and what it used.

Never does I/O: the corridor reads and tells the time. Raises only what ends the attempt, as `LiziError`.
Bound: what the dialect's reader holds, and one counter. Usage and Finish are kept back until `finish`,
so that each comes exactly once and last, whatever the order in which a partner sends them.
"""

from __future__ import annotations

from msgspec.structs import replace

from lizi.carry import Memory, for_partner
from lizi.dialects import DIALECTS
from lizi.errors import PartnerError, Retry
from lizi.house import Opened
from lizi.metering import bill
from lizi.metering.tokens import OutputCounter, usage_or_estimate
from lizi.ports import Reply
from lizi.types import (
    Attempt,
    ChatRequest,
    Event,
    Fault,
    Finish,
    JsonSchemaFormat,
    Reasoning,
    Retract,
    State,
    Target,
    Text,
    ToolDelta,
    Usage,
)
from lizi.veil import Lexicon, Unveiling, asked_of, salted

__all__ = ["Asking", "releases"]

_AFTER_FINISH_S = 5.0
"""A partner that said why it stopped may still send its usage; it gets this long, then the count is ours."""


class Asking:
    """An attempt under way. `attempt` is its row in the exchange; `call` is what to send."""

    __slots__ = (
        "_counter",
        "_finish",
        "_idle_gap_s",
        "_memory",
        "_opened",
        "_reader",
        "_request",
        "_unveiling",
        "_usage",
        "_whole_mono",
        "attempt",
        "call",
        "connect_deadline_mono",
        "deadline_mono",
        "hold",
        "more",
        "withdrawn",
    )

    def __init__(self, opened: Opened, request: ChatRequest, target: Target, lexicon: Lexicon, now: float, now_mono: float) -> None:
        """`request` as the veil lets it go to `target`, and `lexicon` with what it took out."""
        house, exchange, waits = opened.house, opened.exchange, opened.house.deadlines
        limit = bill.output_limit(request, target, opened.route.default_output_tokens, house.prices)
        self._opened = opened
        if request.carried:
            request = replace(request, messages=for_partner(request.messages, target.partner, target.model))
        if not target.own:
            line = house.veil.identity if exchange.feature == "chat" else ""
            request = salted(request, target, house.veil.salt(exchange.id, len(exchange.attempts) + 1), line)
        self._request = request if request.max_output_tokens == limit else replace(request, max_output_tokens=limit)
        self.call = DIALECTS[target.dialect].encode(self._request, target)
        number = len(exchange.attempts) + 1
        self.attempt = Attempt(number=number, target=target, started_at=now, sent=self.call.fields, hidden=lexicon.kinds())
        exchange.attempts.append(self.attempt)
        facts = target.facts
        self.hold = (opened.steps is not None and not _trusted(request, target)) or (facts.retracts and not request.can_retract)
        """Whether events must be kept back: until the plan has checked them, or until their partner can't withdraw them any more."""
        self.withdrawn = False
        """The partner took back what is held; what came before is void."""
        brand, chats = house.veil.brand, exchange.feature == "chat"
        asked = asked_of(opened.first.messages) if brand is not None else ()
        self._unveiling = Unveiling(
            lexicon,
            brand,
            asked=asked if chats else asked[-1:],  # before a feature's text stand its prompt's examples
            works=not chats,
            json=request.response_format is not None,
            tools=frozenset(tool["function"]["name"] for tool in request.tools or ()),
            outbound_tools=house.veil.outbound_tools,
        )
        self._memory = Memory() if facts.replay != "drop" and opened.steps is None else None
        self._whole_mono = exchange.started_mono + waits.whole_s
        self._idle_gap_s = waits.idle_gap_s
        self.connect_deadline_mono = min(now_mono + waits.connect_s, self._whole_mono)
        # A whole reply has no first token to wait for: its headers come when all of it is there.
        self.deadline_mono = min(now_mono + waits.first_token_s, self._whole_mono) if request.stream else self._whole_mono
        self._counter = OutputCounter(house.prices.estimator)
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self.more = True
        """Whether there may be more to read."""

    @property
    def finished(self) -> bool:
        """The model said why it stopped: what breaks now breaks no answer."""
        return self._finish is not None

    def begin(self, reply: Reply) -> None:
        """The partner's headers are there."""
        self.attempt.status = reply.status
        self._reader = DIALECTS[self.attempt.target.dialect].Reader(self._request.stream, reply.status, reply.headers, self.attempt.target)

    def feed(self, data: bytes, now_mono: float) -> list[Event]:
        """What `data` says; `b""` is the end. Raises the `LiziError` that a fault carries."""
        if data:
            events = self._reader.feed(data)
        else:
            events, self.more = self._reader.close(), False
        plain = True
        for event in events:
            kind = type(event)
            if kind is Text or kind is Reasoning:
                self._counter.add(event.text)  # type: ignore[union-attr]
            elif kind is ToolDelta:
                self._counter.add(event.arguments)  # type: ignore[union-attr]
            elif kind is Fault:
                raise event.error  # type: ignore[union-attr]
            elif kind is Usage:
                self._usage, plain = event, False  # type: ignore[assignment]
            elif kind is Finish:
                self._finish, plain = self._finish or event, False  # type: ignore[assignment]
            elif kind is Retract:
                self.withdrawn, plain = True, False
        given = self._unveiling.feed(events)
        if self._memory is not None:
            self._memory.feed(events, given)
        if not plain:
            kept_back = (Usage, Finish, Retract) if self.hold else (Usage, Finish)
            given = [event for event in given if type(event) not in kept_back]
            if self._finish is not None:
                self.deadline_mono = min(now_mono + _AFTER_FINISH_S, self._whole_mono)
        elif events and self._request.stream:
            self.deadline_mono = min(now_mono + self._idle_gap_s, self._whole_mono)
        return given

    def finish(self) -> list[Event]:
        """The attempt's last events: what the veil held, its usage and its finish. Raises `stream_cut` when there was none."""
        if self._finish is None:
            raise PartnerError("The answer broke off.", code="stream_cut", retry=Retry.OTHER_TARGET, internal="truncated")
        self.attempt.finish, self.attempt.outcome = self._finish.reason, "ok"
        if self._reader.unknown_finish:
            self._opened.exchange.checks["finish"] = "failed"
        if self._reader.warned:
            # The answer may be shown; that the partner wants no further turn has no field in the device's protocol.
            self._opened.exchange.checks["moderation"] = "failed"
        self._account()
        rest = self._unveiling.close() if not self.withdrawn else []
        if self._memory is None or self.withdrawn:
            return [*rest, self.attempt.usage, self._finish]
        self._memory.feed([], rest)
        state = self._state()
        return [*rest, self.attempt.usage, self._finish] if state is None else [*rest, self.attempt.usage, state, self._finish]

    def _state(self) -> State | None:
        """What the device should bring back beside this turn, if its partner gave anything and it is not too much."""
        opened, memory = self._opened, self._memory
        carrier = opened.house.carrier
        if carrier is None or memory is None or (self.attempt.target.facts.replay == "tool_loop" and not memory.called):
            return None
        target, exchange = self.attempt.target, opened.exchange
        thoughts = memory.thoughts(target.partner, target.model)
        sealed = None
        if thoughts is not None:
            sealed = carrier.seal(thoughts, exchange.app, memory.turn(), exchange.started_at, f"{exchange.id}.{self.attempt.number}")
        if thoughts is not None or memory.too_long:
            exchange.checks["state"] = "passed" if sealed is not None else "skipped"
        return State(sealed) if sealed is not None else None

    def end(self, now: float) -> None:
        """However it ended: what the partner may bill stands in the ledger, on failure and cancel too (law 9)."""
        if self.attempt.outcome == "open":
            self.attempt.outcome = "cancelled"
        if self.attempt.outcome != "ok":
            self._account()
        self.attempt.ended_at = now

    def _account(self) -> None:
        """Usage as reported or estimated; a partner that did not take the request bills nothing."""
        if self.attempt.status == 200:
            limit, ratios = self.attempt.target.context_tokens, self._opened.house.prices.estimator
            estimate = usage_or_estimate(self._usage, self._request, self._counter, context_tokens=limit, ratios=ratios)
            self.attempt.usage = estimate.usage
            self._opened.exchange.checks["usage_plausible"] = estimate.usage_plausible


def releases(events: list[Event]) -> bool:
    """Whether sending `events` shows the device something of the model's (law 1)."""
    return any(type(event) is Text or type(event) is ToolDelta for event in events)


def _trusted(request: ChatRequest, target: Target) -> bool:
    """Whether the partner is known to keep the schema itself, so that text may go out unheld."""
    return isinstance(request.response_format, JsonSchemaFormat) and target.strict_schema and request.format_floor == "json_schema"
