"""The fakes keep their ports' promises, and every position of a scripted reply can fail."""

from __future__ import annotations

import asyncio

import pytest

from lizi.errors import InvalidRequest, PartnerError, Refused, Retry
from lizi.ports import Clock, Journal, Limits, Upstream
from lizi.testing import BEHAVIOURS, FakeLimits, FakeReply, FakeUpstream, ManualClock, MemoryJournal
from lizi.testing.fakes import CONNECTING, HEADERS
from lizi.types import Call, Caller, Claim, Demand, Exchange, Plan, Usage

CALL = Call(method="POST", url="http://partner/v1/chat/completions", headers=(), body=b'{"model":"m","stream":true}', credential="")
CALLER = Caller(app="notes", key_id="k1", plan=Plan())
DEMAND = Demand(tokens=10, money_micros=5)


def _ports() -> tuple[Upstream, Limits, Journal, Clock]:
    """A type check more than a test: each fake is its port."""
    return FakeUpstream(), FakeLimits(), MemoryJournal(), ManualClock()


async def _read_all(upstream: FakeUpstream) -> list[bytes]:
    pieces = []
    async with upstream.ask(CALL, connect_deadline_mono=0, headers_deadline_mono=0) as reply:
        while piece := await reply.read(0):
            pieces.append(piece)
    return pieces


async def test_a_behaviour_answers_in_process_as_on_a_socket() -> None:
    upstream = FakeUpstream(BEHAVIOURS["usage_only_chunk"])
    body = b"".join(await _read_all(upstream))
    assert body.startswith(b"data: {") and body.endswith(b"data: [DONE]\n\n") and b'"choices":[],"usage"' in body
    assert upstream.calls == [CALL] and upstream.read_to_end == 1 and upstream.open_now == 0


@pytest.mark.parametrize("position", [CONNECTING, HEADERS, 0, 1, 2])
@pytest.mark.parametrize(("fault", "code"), [("timeout", "upstream_timeout"), ("cut", "stream_cut"), ("broken_http", "upstream_failed")])
async def test_every_position_can_fail(position: int, fault: str, code: str) -> None:
    upstream = FakeUpstream(FakeReply(pieces=(b"a", b"b"), fault_at=position, fault=fault))  # type: ignore[arg-type]
    with pytest.raises(PartnerError) as caught:
        await _read_all(upstream)
    assert caught.value.code == code and caught.value.retry is Retry.OTHER_TARGET
    assert upstream.left_early == 1 and upstream.open_now == 0


async def test_a_hanging_reply_ends_with_its_cancellation() -> None:
    upstream = FakeUpstream(BEHAVIOURS["stall"])
    task = asyncio.create_task(_read_all(upstream))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert upstream.open_now == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert upstream.left_early == 1 and upstream.open_now == 0


async def test_a_script_is_used_in_turn() -> None:
    upstream = FakeUpstream([FakeReply(pieces=(b"a",)), FakeReply(pieces=(b"b",))])
    assert [await _read_all(upstream) for _ in range(3)] == [[b"a"], [b"b"], [b"b"]]


async def test_limits_remember_claims_places_and_settlements() -> None:
    limits = FakeLimits(places=1)
    ticket = await limits.reserve(CALLER, DEMAND, Claim(key_hash="h", exchange_id="rq_1"))
    with pytest.raises(Refused):
        await limits.reserve(CALLER, DEMAND, None)
    limits.settle(ticket, Usage(), 3, "ok")
    assert limits.settled == [(ticket.id, Usage(), 3, "ok")] and not limits.open and not limits.mistakes
    with pytest.raises(InvalidRequest) as caught:
        await limits.reserve(CALLER, DEMAND, Claim(key_hash="h", exchange_id="rq_2"))
    assert caught.value.extra == {"exchange_id": "rq_1", "state": "ok"}
    limits.settle(ticket, Usage(), 3, "ok")
    assert limits.mistakes


async def test_a_claim_is_let_go_when_the_reservation_is_refused() -> None:
    limits = FakeLimits(places=0)
    for _ in range(2):
        with pytest.raises(Refused):
            await limits.reserve(CALLER, DEMAND, Claim(key_hash="h", exchange_id="rq_1"))
    assert limits.claims == {}


async def test_the_journal_keeps_order_and_knows_its_room() -> None:
    journal = MemoryJournal(capacity=1)
    exchange = Exchange(id="rq_1", feature="chat", started_at=0, started_mono=0, config_hash="")
    assert journal.room()
    await journal.intend(exchange)
    journal.append(exchange)
    assert not journal.room() and journal.intents == ["rq_1"] and journal.records == [exchange]


def test_time_moves_by_hand_and_ids_repeat() -> None:
    clock, again = ManualClock(now=100.0, monotonic=5.0), ManualClock()
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 7.5)
    clock.set_now(50.0)
    assert (clock.now(), clock.monotonic()) == (50.0, 7.5)
    assert clock.new_id("rq_") == again.new_id("rq_") != clock.new_id("rq_")
    assert len(clock.new_id("rq_")) == 3 + 26
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)
