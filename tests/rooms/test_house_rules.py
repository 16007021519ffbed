"""The guards of tests/conftest.py really bite: a guard that never fires proves nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import time

import pytest
import uvloop

pytestmark = pytest.mark.expects_breach


def test_no_socket_is_connected_in_a_room_test() -> None:
    with socket.socket() as sock, pytest.raises(RuntimeError, match="own no sockets"):
        sock.connect(("127.0.0.1", 9))


def test_no_socket_is_bound_in_a_room_test() -> None:
    with socket.socket() as sock, pytest.raises(RuntimeError, match="own no sockets"):
        sock.bind(("127.0.0.1", 0))


def test_no_thread_sleeps_in_a_room_test() -> None:
    with pytest.raises(RuntimeError, match="wait for nothing"):
        time.sleep(0.001)


async def test_no_task_sleeps_long_in_a_room_test() -> None:
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="wait for nothing"):
        await asyncio.sleep(1)


def test_uvloop_connects_nowhere_in_a_room_test() -> None:
    async def connect() -> None:
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", 9)

    with pytest.raises(RuntimeError, match="own no sockets"):
        uvloop.run(connect())


def test_no_proxy_variable_is_left() -> None:
    assert [name for name in os.environ if name.lower().endswith("_proxy")] == []
