"""Outside the rooms, tests may use sockets, but on loopback only."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvloop

pytestmark = pytest.mark.expects_breach


def test_loopback_is_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


# 192.0.2.0/24 is reserved for documentation (RFC 5737): even an unguarded packet would reach nobody.
def test_no_packet_leaves_the_machine() -> None:
    with socket.socket() as sock, pytest.raises(RuntimeError, match="loopback only"):
        sock.connect(("192.0.2.1", 80))


def test_no_name_is_resolved() -> None:
    with pytest.raises(RuntimeError, match="resolve no names"):
        socket.create_connection(("example.org", 80))


def test_uvloop_is_held_to_the_same_rule() -> None:
    async def connect() -> None:
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, "example.org", 80)

    with pytest.raises(RuntimeError, match="loopback only"):
        uvloop.run(connect())
