"""The corridor: one request from arrival to record, in reading order.

The only file that knows all rooms. Awaits nothing but ports and never imports the wall. Each exchange that took a reservation
ends in one last step, `_close`, which no cancellation can skip (law 3). Whoever iterates `serve` closes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from msgspec.structs import replace

from lizi import routing
from lizi.attempt import Asking, releases
from lizi.callers import bound_hash
from lizi.dialects.rates import rates
from lizi.errors import InvalidRequest, LiziError, Refused
from lizi.features import FEATURES, Answer
from lizi.features.structured import ladder
from lizi.house import Arrival, House, Opened, Ports, Steps
from lizi.metering import bill
from lizi.ports import Clock, Reply
from lizi.types import ChatRequest, Claim, Event, Exchange, Fault, Final, Finish, Text
from lizi.veil import Lexicon, mask, receipt
from lizi.wants import wanting, worst
from lizi.wire.openai import decode_chat
from lizi.wire.tasks import TaskRequest, decode_task

__all__ = ["open", "serve"]

NOTHING_HIDDEN = Lexicon()
"""For targets that are the maker's own. Nobody writes into it."""


def open(arrival: Arrival, house: House, clock: Clock) -> Opened:
    """Decode, and see whether this app may ask for this model.

    Synchronous and cheap; raises `LiziError`. Nothing is reserved or recorded yet.
    """
    caller = arrival.caller
    steps: Steps | None
    lost = 0
    request: ChatRequest | TaskRequest
    if arrival.feature == "chat":
        request = decode_chat(arrival.body, remote_images=house.remote_images)
        if request.carried and house.carrier is not None:
            messages, lost = house.carrier.restore(request.messages, caller.app, clock.now())
            request = replace(request, messages=messages)
        model = request.model
        steps = ladder(request) if request.response_format is not None else None
        first = next(steps) if steps is not None else request
    else:
        request = decode_task(arrival.body, arrival.feature, house.locales.get(arrival.feature, ()))
        model = house.features.get(arrival.feature, "")
        steps = FEATURES[arrival.feature].plan(request, model)
        first = next(steps)
    route = routing.find(house.synthetic_routes if caller.plan.synthetic else house.routes, model, caller.plan.models)
    claim = None
    key = arrival.idempotency_key or (request.idempotency_key if isinstance(request, TaskRequest) else None)
    if key is not None:
        others = tuple(bound_hash(other, caller.app, key) for other in house.other_idempotency_keys)
        claim = Claim(key_hash=bound_hash(house.idempotency_key, caller.app, key), exchange_id=arrival.exchange_id, others=others)
    exchange = Exchange(
        id=arrival.exchange_id,
        feature=arrival.feature,
        started_at=clock.now(),
        started_mono=clock.monotonic(),
        config_hash=house.config_hash,
        app=caller.app,
        key_id=caller.key_id,
        model=model,
        stream=request.stream,
        idempotency=claim.key_hash if claim else None,
        dropped_fields=request.dropped,
        synthetic=caller.plan.synthetic,
    )
    if lost:
        exchange.checks["state_back"] = "failed"  # of another app or turn, changed, or too old: dropped by rule
    return Opened(house=house, caller=caller, request=request, route=route, exchange=exchange, claim=claim, first=first, steps=steps)


async def serve(opened: Opened, ports: Ports) -> AsyncGenerator[list[Event], None]:
    """The life of an exchange, as batches of events: one batch for each network read.

    Never raises but for cancellation and defects: a failure is a last `Fault`. The last batch
    ends in `Finish`, `Final` or `Fault`, and nothing follows it.

    One generator and no nest of them: each costs every exchange a registration with the loop, and every chunk a hop.
    """
    exchange, house, clock = opened.exchange, opened.house, ports.clock
    request, steps = opened.first, opened.steps
    try:
        if not ports.journal.room():
            raise Refused("The service can't record more exchanges right now.", code="busy", retry_after_s=1.0)
        demand = worst(opened)
        opened.ticket = await ports.limits.reserve(opened.caller, demand, opened.claim)
        exchange.reserved_micros = demand.money_micros
        if request.images:
            await _clean(opened, ports)
        while True:  # as often as the plan of a feature or of a schema wants to ask
            held: list[Event] = []
            fault: str | None = None
            wanted = wanting(opened, request, demand)
            targets = routing.plan(opened.route, wanted, house.traffic, clock.monotonic(), ports.draw)
            target = next(targets)
            veiled: tuple[ChatRequest, Lexicon] | None = None
            while True:  # targets in turn, until one answers
                if not target.own and veiled is None:
                    veiled = await _veiled(opened, request, ports)
                sent, lexicon = (request, NOTHING_HIDDEN) if target.own or veiled is None else veiled
                asking = Asking(opened, sent, target, lexicon, clock.now(), clock.monotonic())
                passage = house.traffic.start(target, wanted.tokens, clock.monotonic(), streamed=request.stream)
                try:
                    async with ports.upstream.ask(
                        asking.call, connect_deadline_mono=asking.connect_deadline_mono, headers_deadline_mono=asking.deadline_mono
                    ) as reply:
                        asking.begin(reply)
                        if target.facts.rate_headers:
                            hint = rates(reply.headers, target.facts.rate_headers, clock.now())
                            passage.learn(hint, clock.monotonic())
                        while asking.more:
                            events = asking.feed(await _read(reply, asking), clock.monotonic())
                            if passage.waits and events:
                                passage.first_token(clock.monotonic())
                            if asking.hold:
                                held += events
                                if asking.withdrawn:
                                    held.clear()
                            elif events:
                                if exchange.first_released_mono is None and releases(events):
                                    await _before_release(exchange, ports)
                                    asking.attempt.released = True
                                yield events
                    ending = asking.finish()
                    break
                except LiziError as error:
                    asking.attempt.outcome = error.code
                    passage.failed(error, clock.monotonic())
                    if exchange.first_released_mono is not None:
                        raise  # nothing of another target may follow what was seen (law 1)
                    try:
                        # Without the way that it came: that leads back to here, and would keep the exchange's text until a collection.
                        target = targets.send((error.with_traceback(None), clock.monotonic()))
                        held = []
                    except StopIteration:
                        # A partner that can't take the request as it is: the plan may know a plainer way to ask.
                        if steps is None or error.internal != "bad_request":
                            raise error from None
                        fault = error.internal
                        break
                finally:
                    asking.end(clock.now())
                    passage.left(asking.attempt, clock.monotonic())
            if steps is None or not (asking.hold or fault):
                if steps is not None:
                    # The target keeps the schema itself and its text went out unheld: our own check did not run (law 6).
                    exchange.checks["result"] = "skipped"
                if exchange.first_released_mono is None and releases(held + ending):  # held: it might have been withdrawn, or been a name
                    await _before_release(exchange, ports)
                    asking.attempt.released = True
                exchange.outcome = "ok"
                yield _told(opened, held + ending)
                return
            held += [] if fault else ending
            try:
                request = steps.send(_answer(held, fault))
            except StopIteration as done:
                result = done.value
                break
            if request.repairs:
                asking.attempt.outcome = "rejected"
                exchange.checks["result"] = "repaired"
        exchange.checks.setdefault("result", "passed")
        await _before_release(exchange, ports)
        exchange.outcome = "ok"
        yield _told(opened, _result(opened, held, result))
    except LiziError as error:
        exchange.outcome, exchange.cause = error.code, error.internal or ""
        yield [Fault(error.with_traceback(None))]
    except (asyncio.CancelledError, GeneratorExit):
        exchange.outcome = "cancelled" if exchange.outcome == "open" else exchange.outcome
        raise
    except BaseException:
        exchange.outcome = "internal"
        raise
    finally:
        _close(opened, ports)


async def _clean(opened: Opened, ports: Ports) -> None:
    """Each picture replaced where it stands, so that no later ask of a plan, made from the same messages, can find what came.

    In turn and not side by side: one request with many must not take all places.
    """
    exchange = opened.exchange
    exchange.checks["images"] = "error"
    for path, image in opened.first.images:
        try:
            image["url"] = await ports.images.clean(image["url"], exchange.started_mono + opened.house.deadlines.whole_s)
        except InvalidRequest as error:
            exchange.checks["images"] = "failed"
            raise InvalidRequest(f"{path}: {error.message}", code=error.code, param=path) from None
    exchange.checks["images"] = "passed"


async def _veiled(opened: Opened, request: ChatRequest, ports: Ports) -> tuple[ChatRequest, Lexicon]:
    """The request as a partner may see it. A long one is worked through in slices, between which other exchanges go on."""
    veil, exchange = opened.house.veil, opened.exchange
    lexicon = veil.lexicon(exchange.app, request.conversation)
    work = mask(request, veil.profile(exchange.feature, opened.caller.plan.market), lexicon, veil.findings)
    try:
        while True:
            next(work)
            await asyncio.sleep(0)
            if ports.clock.monotonic() > exchange.started_mono + opened.house.deadlines.whole_s:
                raise TimeoutError
    except StopIteration as done:
        exchange.checks["veil"] = "passed"
        return done.value, lexicon
    except Exception as error:  # noqa: BLE001 - a defect, or no time left: fail closed, unless the configuration says otherwise
        exchange.checks["veil"] = "error"
        if veil.passes_faults:
            return request, NOTHING_HIDDEN
        # Without what it came of: that may hold the text.
        raise LiziError("The request could not be made ready for sending.", code="veil_failed", internal=type(error).__name__) from None


async def _read(reply: Reply, asking: Asking) -> bytes:
    """The next bytes; once the model has finished, a partner that then breaks off has still answered."""
    try:
        return await reply.read(asking.deadline_mono)
    except LiziError:
        if not asking.finished:
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


def _answer(held: list[Event], fault: str | None) -> Answer:
    """What one ask brought back, for the plan."""
    text = "".join(event.text for event in held if type(event) is Text)
    return Answer(text=text, finish=next((event.reason for event in held if type(event) is Finish), None), fault=fault)


def _told(opened: Opened, events: list[Event]) -> list[Event]:
    """The last events, with a receipt before the very last where the app wants one."""
    return [*events[:-1], receipt(opened.exchange), events[-1]] if opened.request.receipt and events else events


def _result(opened: Opened, held: list[Event], result: Any) -> list[Event]:
    """What the plan made of it: a feature's object, or the checked text with all that came beside it."""
    if isinstance(opened.request, TaskRequest):
        return [bill.answered(opened.exchange.attempts), Final(result=result)]
    rest = [event for event in held if type(event) is not Text]
    return [Text(result), *rest] if result else rest
