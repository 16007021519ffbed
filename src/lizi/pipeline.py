"""The corridor: one request from arrival to record, in reading order.

The only file that knows all rooms. Awaits nothing but ports and never imports the wall. Each
exchange that took a reservation ends in the same last step, `_close`, which is synchronous: a
client that leaves or a cancelled task can't skip it (law 3). Whoever iterates `serve` closes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec.structs import replace

from lizi import routing
from lizi.callers import bound_hash
from lizi.dialects import DIALECTS
from lizi.errors import LiziError, PartnerError, Refused, Retry
from lizi.features import FEATURES, Answer
from lizi.features.structured import ladder
from lizi.house import Arrival, House, Opened, Ports, Steps
from lizi.metering import bill
from lizi.metering.tokens import OutputCounter, usage_or_estimate
from lizi.ports import Clock, Reply
from lizi.types import (
    Attempt,
    Call,
    ChatRequest,
    Claim,
    Demand,
    Event,
    Exchange,
    Fault,
    Final,
    Finish,
    JsonSchemaFormat,
    Reasoning,
    Target,
    Text,
    ToolDelta,
    Usage,
)
from lizi.wire.openai import decode_chat
from lizi.wire.tasks import TaskRequest, decode_task

__all__ = ["open", "serve"]

_AFTER_FINISH_S = 5.0
"""A partner that said why it stopped may still send its usage; it gets this long, then the count is ours."""


def open(arrival: Arrival, house: House, clock: Clock) -> Opened:
    """Authenticate, decode, and see whether this app may ask for this model.

    Synchronous and cheap; raises `LiziError`. Nothing is reserved or recorded yet.
    """
    now = clock.now()
    caller = house.callers.authenticate(arrival.authorization, now)
    steps: Steps | None
    request: ChatRequest | TaskRequest
    if arrival.feature == "chat":
        request = decode_chat(arrival.body)
        model = request.model
        steps = ladder(request) if request.response_format is not None else None
        first = next(steps) if steps is not None else request
    else:
        request = decode_task(arrival.body, arrival.feature, house.locales.get(arrival.feature, ()))
        model = house.features.get(arrival.feature, "")
        steps = FEATURES[arrival.feature].plan(request, model)
        first = next(steps)
    route = routing.find(house.routes, model, caller.plan.models)
    claim = None
    key = arrival.idempotency_key or (request.idempotency_key if isinstance(request, TaskRequest) else None)
    if key is not None:
        claim = Claim(key_hash=bound_hash(house.idempotency_key, caller.app, key), exchange_id=arrival.exchange_id)
    exchange = Exchange(
        id=arrival.exchange_id,
        feature=arrival.feature,
        started_at=now,
        started_mono=clock.monotonic(),
        config_hash=house.config_hash,
        app=caller.app,
        key_id=caller.key_id,
        model=model,
        stream=request.stream,
        idempotency=claim.key_hash if claim else None,
        dropped_fields=request.dropped,
    )
    return Opened(house=house, caller=caller, request=request, route=route, exchange=exchange, claim=claim, first=first, steps=steps)


async def serve(opened: Opened, ports: Ports) -> AsyncGenerator[list[Event], None]:
    """The life of an exchange, as batches of events: one batch for each network read.

    Never raises but for cancellation and defects: a failure is a last `Fault`. The last batch
    ends in `Finish`, `Final` or `Fault`, and nothing follows it.
    """
    exchange = opened.exchange
    try:
        if not ports.journal.room():
            raise Refused("The service can't record more exchanges right now.", code="busy", retry_after_s=1.0)
        demand = _demand(opened)
        opened.ticket = await ports.limits.reserve(opened.caller, demand, opened.claim)
        exchange.reserved_micros = demand.money_micros
        async with aclosing(_answer(opened, ports)) as batches:
            async for events in batches:
                if type(events[-1]) is Finish or type(events[-1]) is Final:
                    exchange.outcome = "ok"
                yield events
    except LiziError as error:
        exchange.outcome = error.code
        yield [Fault(error)]
    except (asyncio.CancelledError, GeneratorExit):
        exchange.outcome = "cancelled" if exchange.outcome == "open" else exchange.outcome
        raise
    except BaseException:
        exchange.outcome = "internal"
        raise
    finally:
        _close(opened, ports)


async def _answer(opened: Opened, ports: Ports) -> AsyncGenerator[list[Event], None]:
    """Ask, as often as the feature's plan wants; yield what may be released."""
    exchange, request, steps = opened.exchange, opened.first, opened.steps
    while True:
        held: list[Event] = []
        fault: LiziError | None = None
        try:
            async with aclosing(_ask(opened, ports, request)) as batches:
                async for events, hold in batches:
                    if hold:
                        held += events
                    else:
                        yield events
        except LiziError as error:
            # The partner can't take this request as it is: the plan may know a plainer way to ask.
            if steps is None or error.internal != "bad_request" or exchange.first_released_mono is not None:
                raise
            fault = error
        if steps is None:
            return
        if fault is None and not held:
            # The target keeps the schema itself and its text went out unheld: our own check did not run (law 6).
            exchange.checks["result"] = "skipped"
            return
        text = "".join(event.text for event in held if type(event) is Text)
        finish = next((event.reason for event in held if type(event) is Finish), None)
        try:
            request = steps.send(Answer(text=text, finish=finish, fault=fault.internal if fault else None))
        except StopIteration as done:
            result = done.value
            break
        if request.repairs and exchange.attempts:
            exchange.attempts[-1].outcome = "rejected"
            exchange.checks["result"] = "repaired"
    exchange.checks.setdefault("result", "passed")
    await _before_release(exchange, ports)
    if isinstance(opened.request, TaskRequest):
        yield [bill.answered(exchange.attempts), Final(result=result)]
        return
    rest = [event for event in held if type(event) is not Text]
    yield [Text(result), *rest] if result else rest


async def _ask(opened: Opened, ports: Ports, request: ChatRequest) -> AsyncGenerator[tuple[list[Event], bool], None]:
    """Try targets in turn until one answers; failover is allowed until the first released byte (law 1)."""
    exchange, house, clock = opened.exchange, opened.house, ports.clock
    targets = routing.plan(opened.route, request.needs, house.health, house.routing, clock.monotonic(), ports.draw())
    target = next(targets)
    while True:
        limited = replace(request, max_output_tokens=bill.output_limit(request, target, opened.route.default_output_tokens, house.prices))
        call = DIALECTS[target.dialect].encode(limited, target)
        attempt = Attempt(number=len(exchange.attempts) + 1, target=target, started_at=clock.now())
        exchange.attempts.append(attempt)
        hold = opened.steps is not None and not _trusted(request, target)
        try:
            async with aclosing(_attempt(opened, ports, limited, attempt, call)) as batches:
                async for events in batches:
                    if exchange.first_released_mono is None and not hold and _releases(events):
                        await _before_release(exchange, ports)
                        attempt.released = True
                    yield events, hold
            house.health.observe(target, None, clock.monotonic())
            return
        except LiziError as error:
            attempt.outcome = error.code
            house.health.observe(target, error, clock.monotonic())
            if exchange.first_released_mono is not None:
                raise
            try:
                target = targets.send(error)
            except StopIteration:
                raise error from None
        finally:
            if attempt.outcome == "open":
                attempt.outcome = "cancelled"
            attempt.ended_at = clock.now()


async def _attempt(opened: Opened, ports: Ports, request: ChatRequest, attempt: Attempt, call: Call) -> AsyncGenerator[list[Event], None]:
    """One call to one target → events; the last batch is `[Usage, Finish]`, both exactly once."""
    waits, monotonic = opened.house.deadlines, ports.clock.monotonic
    began = monotonic()
    whole = opened.exchange.started_mono + waits.whole_s
    # A whole reply has no first token to wait for: its headers come when all of it is there.
    patience = min(began + waits.first_token_s, whole) if request.stream else whole
    ratios = opened.house.prices.estimator
    counter = OutputCounter(ratios)
    usage: Usage | None = None
    finish: Finish | None = None
    try:
        async with ports.upstream.ask(
            call, connect_deadline_mono=min(began + waits.connect_s, whole), headers_deadline_mono=patience
        ) as reply:
            attempt.status = reply.status
            reader = DIALECTS[attempt.target.dialect].Reader(request.stream, reply.status, reply.headers)
            more = True
            while more:
                data = await _read(reply, patience, finish)
                more = data != b""
                events = reader.feed(data) if more else reader.close()
                plain = True
                for event in events:
                    if type(event) is Text or type(event) is Reasoning:
                        counter.add(event.text)
                    elif type(event) is Fault:
                        raise event.error
                    elif type(event) is Usage:
                        usage, plain = event, False
                    elif type(event) is Finish:
                        finish, plain = finish or event, False
                    elif type(event) is ToolDelta:
                        counter.add(event.arguments)
                if not plain:
                    events = [event for event in events if type(event) is not Usage and type(event) is not Finish]
                    patience = min(monotonic() + _AFTER_FINISH_S, whole) if finish else patience
                elif events and request.stream:
                    patience = min(monotonic() + waits.idle_gap_s, whole)
                if events:
                    yield events
        if finish is None:
            raise PartnerError("The answer broke off.", code="stream_cut", retry=Retry.OTHER_TARGET, internal="truncated")
        attempt.finish = finish.reason
    finally:
        # Also on failure and cancel: what the partner may bill stands in the ledger (law 9).
        if attempt.status == 200:
            estimate = usage_or_estimate(usage, request, counter, context_tokens=attempt.target.context_tokens, ratios=ratios)
            attempt.usage = estimate.usage
            opened.exchange.checks["usage_plausible"] = estimate.usage_plausible
    attempt.outcome = "ok"
    yield [attempt.usage, finish]


async def _read(reply: Reply, deadline: float, finish: Finish | None) -> bytes:
    """The next bytes; once the model has finished, a partner that then breaks off has still answered."""
    try:
        return await reply.read(deadline)
    except LiziError:
        if finish is None:
            raise
        return b""


async def _before_release(exchange: Exchange, ports: Ports) -> None:
    """The last moment before a model's byte goes out: under strict durability the intent is on disk first (law 5)."""
    await ports.journal.intend(exchange)
    exchange.first_released_mono = ports.clock.monotonic()


def _close(opened: Opened, ports: Ports) -> None:
    """The one last step: price, settle, record. Only what took a reservation has something to settle."""
    if opened.ticket is None:
        return
    exchange = opened.exchange
    exchange.ended_at = ports.clock.now()
    bill.charge(exchange, opened.house.prices)
    ports.limits.settle(opened.ticket, exchange.usage, exchange.charged_micros, exchange.outcome)
    ports.journal.append(exchange)


# --- small decisions -----------------------------------------------------------


def _demand(opened: Opened) -> Demand:
    """The most that the first ask can use at any target that may answer it."""
    request, route = opened.first, opened.route
    fitting = [target for target in route.targets if routing.fits(target, request.needs)] or route.targets
    at = opened.exchange.started_at
    return bill.demand(request, fitting, route.default_output_tokens, opened.house.prices, at, stream=opened.exchange.stream)


def _trusted(request: ChatRequest, target: Target) -> bool:
    """Whether the partner is known to keep the schema itself, so that text may go out unheld."""
    return isinstance(request.response_format, JsonSchemaFormat) and target.strict_schema and request.format_floor == "json_schema"


def _releases(events: list[Event]) -> bool:
    return any(type(event) is Text or type(event) is ToolDelta for event in events)
