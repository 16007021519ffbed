"""Writes of one turn leave together, in order, and never after the end."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from edge.talking import HandTransport, on_uvloop
from lizi.edge.outbox import Outbox


class Pausing(HandTransport):
    """Whoever reads it has had enough after the first piece; its protocol then says goodbye to `other`."""

    def __init__(self, outbox: Outbox, other: asyncio.Transport) -> None:
        super().__init__()
        self.outbox, self.other = outbox, other

    def write(self, data: bytes) -> None:
        super().write(data)
        self.outbox.write(self.other, b"goodbye")


@on_uvloop
async def test_what_a_turn_writes_leaves_at_its_end() -> None:
    outbox, one, other = Outbox(asyncio.get_running_loop()), HandTransport(), HandTransport()
    outbox.write(one, b"1")
    outbox.write(other, b"2")
    assert not one.sent and not other.sent
    assert outbox.holds(one)
    await asyncio.sleep(0)
    assert (one.sent, other.sent) == (b"1", b"2")
    assert not outbox.holds(one)


@on_uvloop
async def test_a_second_piece_in_a_turn_goes_out_at_once_behind_the_first() -> None:
    outbox, transport = Outbox(asyncio.get_running_loop()), HandTransport()
    outbox.write(transport, b"1")
    outbox.write(transport, b"2")
    assert transport.sent == b"12"


@on_uvloop
async def test_what_is_urgent_takes_along_what_was_held() -> None:
    outbox, transport = Outbox(asyncio.get_running_loop()), HandTransport()
    outbox.write(transport, b"1")
    outbox.write(transport, b"2", at_once=True)
    assert transport.sent == b"12"
    outbox.write(transport, b"3", at_once=True)
    assert transport.sent == b"123"


@on_uvloop
async def test_what_is_released_before_a_close_is_not_lost() -> None:
    outbox, transport = Outbox(asyncio.get_running_loop()), HandTransport()
    outbox.write(transport, b"last words")
    outbox.release(transport)
    transport.close()
    await asyncio.sleep(0)
    assert transport.sent == b"last words"


@on_uvloop
async def test_nothing_is_written_to_a_transport_that_was_cut() -> None:
    outbox, cut, other = Outbox(asyncio.get_running_loop()), HandTransport(), HandTransport()
    outbox.write(cut, b"never")
    outbox.write(other, b"still")
    cut.abort()
    outbox.release(cut)
    await asyncio.sleep(0)
    assert (cut.sent, other.sent) == (b"", b"still")
    outbox.write(other, b" here")
    other.abort()
    await asyncio.sleep(0)
    assert other.sent == b"still"


@on_uvloop
async def test_what_is_said_while_the_box_is_emptied_leaves_with_the_next_turn() -> None:
    outbox, other = Outbox(asyncio.get_running_loop()), HandTransport()
    outbox.write(Pausing(outbox, other), b"1")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert other.sent == b"goodbye"


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(min_size=1, max_size=3), st.sampled_from(["soon", "at once", "release", "turn"]))))
def test_each_transport_gets_its_octets_in_the_order_of_the_writes(steps: list[tuple[int, bytes, str]]) -> None:
    @on_uvloop
    async def check() -> None:
        outbox = Outbox(asyncio.get_running_loop())
        transports, wanted = [HandTransport() for _ in range(3)], [b"", b"", b""]
        for at, data, how in steps:
            if how == "release":
                outbox.release(transports[at])
            elif how == "turn":
                await asyncio.sleep(0)
            else:
                outbox.write(transports[at], data, at_once=how == "at once")
                wanted[at] += data
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [bytes(transport.sent) for transport in transports] == wanted

    check()
