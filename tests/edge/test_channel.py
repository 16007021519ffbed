"""The control channel: frames split anywhere, broken ones, and real socket pairs."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.admission import Ask, Grant, Refusal, Return
from lizi.callers import mint
from lizi.config import Config
from lizi.edge.channel import (
    Answers,
    Applied,
    Asks,
    Channel,
    ClaimClosed,
    Draining,
    FrameReader,
    Generation,
    Keys,
    Metrics,
    MetricsWanted,
    Pulse,
    Ready,
    Returns,
    Secrets,
    States,
    Stop,
    encode,
)
from lizi.types import Plan

PLAN = Plan(requests_per_minute=5, money_per_day_micros=1 << 50)
RECORD = mint("notes", PLAN, 1.0, bytes(38))[1]
MESSAGES = [
    Ready(1, 2),
    Pulse(3, 0.5, {"p/m": "resting"}),
    Asks([Ask(1, "notes", PLAN, 10, 20, 1, 3.5, True, "h", "rq_1", ("g",))]),
    Returns([Return("notes", 7, 1.0, 2.0, 1, -5, -6, 1, 1, 1, 4)]),
    ClaimClosed("h", "rq_1", None),
    Applied(4, "no"),
    Metrics(5, b"\x00\xff"),
    Generation(6, 7, Config(), [RECORD], b"key", {"p": "http://127.0.0.1:1/v1"}, "/"),
    Keys(8, [RECORD]),
    States(8, {"acme": "retired", "bolt": "candidate"}),
    Secrets(8, b"new", [b"old", b"\x00\xff"], {"00" * 8: b"s" * 32}),
    Answers([Grant(1, "notes", 7, 1.0, 2.0, 3.0, 4, 5, 6, 7, True, 8.0), Refusal(2, "busy", "in_flight", 9, 1.0)]),
    MetricsWanted(9),
    Draining(1, 2),
    Stop(),
]
STREAM = b"".join(encode(message) for message in MESSAGES)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_every_message_survives_any_split_of_its_bytes(cuts: list[int]) -> None:
    reader, found, at = FrameReader(), [], 0
    for cut in [*sorted(cuts), len(STREAM)]:
        found += reader.feed(STREAM[at:cut])
        at = cut
    reader.close()
    assert found == MESSAGES
    assert not reader.broken


def test_byte_by_byte_is_the_same() -> None:
    reader = FrameReader()
    assert [message for byte in STREAM for message in reader.feed(bytes([byte]))] == MESSAGES


def test_a_frame_that_is_no_message_breaks_the_reader_after_the_good_ones() -> None:
    reader = FrameReader()
    assert reader.feed(encode(Stop()) + b"\x00\x00\x00\x01\xc1" + encode(Stop())) == [Stop()]
    assert reader.broken
    assert reader.feed(encode(Stop())) == []


def test_a_frame_beyond_the_bound_is_refused_before_it_is_held() -> None:
    reader = FrameReader()
    assert reader.feed(b"\x7f\xff\xff\xff" + bytes(100)) == []
    assert reader.broken


def test_an_unfinished_frame_at_the_end_shows() -> None:
    reader = FrameReader()
    reader.feed(encode(Stop())[:-1])
    reader.close()
    assert reader.broken


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    FrameReader().feed(data)


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


async def _pair(on_message) -> tuple[Channel, Channel, asyncio.Event]:
    left, right = socket.socketpair()
    closed = asyncio.Event()
    return await Channel.over(left, on_message, closed.set), await Channel.over(right, on_message, lambda: None), closed


async def test_messages_keep_their_order_and_the_end_is_told_once() -> None:
    heard: list = []
    left, right, closed = await _pair(heard.append)
    right.send(*MESSAGES)
    right.send(Stop())
    right.close()
    await asyncio.wait_for(closed.wait(), 5)
    assert heard == [*MESSAGES, Stop()]
    assert not left.open
    left.send(Stop())  # to nobody: no error


async def test_a_peer_that_sends_rubbish_is_cut_off() -> None:
    left, right = socket.socketpair()
    closed = asyncio.Event()
    await Channel.over(left, lambda message: None, closed.set)
    with right:
        right.sendall(b"\xff\xff\xff\xff")
        await asyncio.wait_for(closed.wait(), 5)


async def test_a_peer_that_does_not_read_is_cut_off_at_the_bound() -> None:
    left, right = socket.socketpair()
    closed = asyncio.Event()
    channel = await Channel.over(left, lambda message: None, closed.set)
    with right:
        for _ in range(70):
            channel.send(Metrics(1, bytes(1024 * 1024)))
        await asyncio.wait_for(closed.wait(), 5)
