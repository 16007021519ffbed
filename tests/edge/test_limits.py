"""`OwnerLimits` of several workers over real channels to one owner."""

from __future__ import annotations

import asyncio
import socket

import pytest

from lizi.admission import Moment, Owner, Refusal
from lizi.edge.channel import Answers, Asks, Channel, ClaimClosed, Message, Returns
from lizi.edge.limits import OwnerLimits
from lizi.edge.runtime import SystemClock
from lizi.errors import InvalidRequest, LiziError, Refused
from lizi.types import Caller, Claim, Demand, Plan, Ticket, Usage


@pytest.fixture(autouse=True)
async def _closed_at_the_end(monkeypatch: pytest.MonkeyPatch):
    """Whatever a test opens is closed behind it."""
    opened: list[Channel] = []
    real = Channel.over

    async def over(*arguments) -> Channel:
        opened.append(await real(*arguments))
        return opened[-1]

    monkeypatch.setattr(Channel, "over", over)
    yield
    for channel in opened:
        channel.close()
    await asyncio.sleep(0.01)


class Hub:
    """The owner's end of the channels; can be slow or deaf."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.clock = SystemClock()
        self.questions = 0
        self.writes = 0
        self.deaf = False
        self.channels: list[Channel] = []

    def moment(self) -> Moment:
        return Moment(mono=self.clock.monotonic(), at=self.clock.now(), day_start=0.0, day_end=4e9, month_start=0.0, month_end=4e9)

    async def worker(self) -> OwnerLimits:
        ours, theirs = socket.socketpair()
        name = str(len(self.channels))
        end: list[Channel] = []

        def heard(message: Message) -> None:
            if self.deaf:
                return
            if isinstance(message, Asks):
                self.writes += 1
                self.questions += len(message.asks)
                end[0].send(Answers([self.owner.grant(name, ask, self.moment()) for ask in message.asks]))
            elif isinstance(message, Returns):
                for back in message.returns:
                    self.owner.give_back(name, back, self.moment())
            elif isinstance(message, ClaimClosed):
                self.owner.close_claim(name, message.key_hash, message.exchange_id, message.outcome)

        end.append(await Channel.over(ours, heard, lambda: self.owner.drop(name)))
        self.channels.append(end[0])
        limits: list[OwnerLimits] = []
        channel = await Channel.over(theirs, lambda message: limits[0].answered(message.answers), lambda: limits[0].closed())  # type: ignore[union-attr]
        limits.append(OwnerLimits(channel.send, self.clock))
        return limits[0]

    async def spent(self) -> dict[str, int]:
        """Once everything on its way has arrived and every lease has ended."""
        await asyncio.sleep(0.2)
        return self.owner.spent("notes", self.moment())


def caller(plan: Plan) -> Caller:
    return Caller(app="notes", key_id="k", plan=plan)


DEMAND = Demand(tokens=10, money_micros=7, streams=1)


async def test_reserve_and_settle_come_out_even_at_the_owner() -> None:
    hub = Hub(Owner(workers=2, in_flight=100))
    workers = [await hub.worker(), await hub.worker()]
    tickets = [(worker, await worker.reserve(caller(Plan()), DEMAND, None)) for worker in workers for _ in range(5)]
    assert hub.owner.in_flight == 10
    for worker, ticket in tickets:
        worker.settle(ticket, Usage(input_tokens=2, output_tokens=1), 3, "ok")
        worker.settle(ticket, Usage(input_tokens=2, output_tokens=1), 3, "ok")
    assert await hub.spent() == {"requests": 10, "tokens": 30, "streams": 0, "money_per_day": 30, "money_per_month": 30}
    assert hub.owner.in_flight == 0


async def test_two_workers_never_pass_a_limit_together() -> None:
    hub = Hub(Owner(workers=2, in_flight=10_000))
    workers = [await hub.worker(), await hub.worker()]
    plan = Plan(requests_per_minute=500)

    async def flood(worker: OwnerLimits) -> int:
        admitted = 0
        for turn in range(600):
            try:
                ticket = await worker.reserve(caller(plan), DEMAND, None)
            except Refused as refused:
                assert refused.code == "rate_limited"
                assert refused.retry_after_s is not None
                await asyncio.sleep(0)
                continue
            admitted += 1
            worker.settle(ticket, Usage(), 0, "ok")
            if turn % 10 == 0:
                await asyncio.sleep(0.001)
        return admitted

    admitted = sum(await asyncio.gather(*(flood(worker) for worker in workers)))
    assert 475 <= admitted <= 500


async def test_questions_of_one_turn_leave_in_one_write() -> None:
    hub = Hub(Owner(workers=1, in_flight=100))
    worker = await hub.worker()
    await asyncio.gather(*(worker.reserve(caller(Plan()), DEMAND, None) for _ in range(7)))
    assert (hub.questions, hub.writes) == (7, 1)


async def test_a_hot_app_is_served_without_a_question_for_most_requests() -> None:
    hub = Hub(Owner(workers=1, in_flight=100_000))
    worker = await hub.worker()
    for turn in range(3_000):
        worker.settle(await worker.reserve(caller(Plan(requests_per_minute=10_000_000)), DEMAND, None), Usage(), 0, "ok")
        if turn % 20 == 0:
            await asyncio.sleep(0)
    assert hub.questions < 300
    spent = await hub.spent()
    assert (spent["requests"], spent["tokens"], hub.owner.in_flight) == (3_000, 0, 0)


async def test_a_silent_owner_means_busy_within_its_second_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lizi.edge.limits._OWNER_WAIT_S", 0.05)
    hub = Hub(Owner(workers=1, in_flight=100))
    worker = await hub.worker()
    hub.deaf = True
    with pytest.raises(Refused) as caught:
        await worker.reserve(caller(Plan()), DEMAND, Claim(key_hash="h", exchange_id="rq_1"))
    assert caught.value.code == "busy"
    hub.deaf = False
    assert await worker.reserve(caller(Plan()), DEMAND, Claim(key_hash="h", exchange_id="rq_2"))


async def test_an_owner_that_is_gone_refuses_who_waits_and_who_comes() -> None:
    hub = Hub(Owner(workers=1, in_flight=100))
    worker = await hub.worker()
    hub.deaf = True
    waiting = asyncio.ensure_future(worker.reserve(caller(Plan()), DEMAND, None))
    await asyncio.sleep(0.01)
    hub.channels[0].close()
    for work in (waiting, worker.reserve(caller(Plan()), DEMAND, None)):
        with pytest.raises(Refused) as caught:
            await work
        assert caught.value.code == "busy"


@pytest.mark.parametrize("turns", range(6))
async def test_a_waiter_that_leaves_at_any_moment_gives_everything_back(turns: int) -> None:
    hub = Hub(Owner(workers=1, in_flight=100))
    worker = await hub.worker()
    waiting = asyncio.ensure_future(worker.reserve(caller(Plan()), DEMAND, Claim(key_hash="h", exchange_id="rq_1")))
    for _ in range(turns):
        await asyncio.sleep(0)
    waiting.cancel()
    outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]
    if isinstance(outcome, Ticket):
        worker.settle(outcome, Usage(), 0, "ok")
        return
    spent = await hub.spent()
    assert set(spent.values()) == {0}
    assert hub.owner.in_flight == 0
    assert await worker.reserve(caller(Plan()), DEMAND, Claim(key_hash="h", exchange_id="rq_2"))


async def test_a_repeated_key_is_refused_with_the_first_exchange_on_another_worker_too() -> None:
    hub = Hub(Owner(workers=2, in_flight=100))
    first, second = await hub.worker(), await hub.worker()
    ticket = await first.reserve(caller(Plan()), DEMAND, Claim(key_hash="h", exchange_id="rq_1"))
    for state in ("open", "ok"):
        with pytest.raises(InvalidRequest) as caught:
            await second.reserve(caller(Plan()), DEMAND, Claim(key_hash="h", exchange_id="rq_2"))
        assert caught.value.code == "idempotency_conflict"
        assert caught.value.extra == {"exchange_id": "rq_1", "state": state}
        first.settle(ticket, Usage(), 0, "ok")
        await asyncio.sleep(0.05)


async def test_a_refused_reservation_lets_its_key_go() -> None:
    hub = Hub(Owner(workers=1, in_flight=1))
    worker = await hub.worker()
    ticket = await worker.reserve(caller(Plan()), DEMAND, None)
    with pytest.raises(LiziError) as caught:
        await worker.reserve(caller(Plan()), DEMAND, Claim(key_hash="h", exchange_id="rq_1"))
    assert caught.value.code == "busy"
    worker.settle(ticket, Usage(), 0, "ok")
    await asyncio.sleep(0.03)
    assert await worker.reserve(caller(Plan()), DEMAND, Claim(key_hash="h", exchange_id="rq_2"))


async def test_a_place_comes_free_for_the_next_request_at_once() -> None:
    hub = Hub(Owner(workers=1, in_flight=100))
    worker = await hub.worker()
    plan = Plan(streams=1)
    for _ in range(20):
        ticket = await worker.reserve(caller(plan), DEMAND, None)
        with pytest.raises(Refused):
            await worker.reserve(caller(plan), DEMAND, None)
        worker.settle(ticket, Usage(), 0, "ok")


def test_every_refusal_has_words() -> None:
    for which in ("requests", "tokens", "streams"):
        assert Refusal(1, "rate_limited", which, 5, 1.0).error().retry_after_s == 1.0
    for which in ("money_per_day", "money_per_month"):
        assert Refusal(1, "quota_reached", which, 5, 1.0).error().status == 429
    for which in ("in_flight", "claims"):
        assert Refusal(1, "busy", which, 5, 1.0).error().status == 503
