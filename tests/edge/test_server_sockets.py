from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import ssl
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from edge.talking import GET, LAST, POST, WAIT_S, EchoApp, Hand, on_uvloop, parse, seen, serving, settings, statuses, talk, until
from lizi.edge.server import Reply, Server


def small_window(port: int, data: bytes) -> socket.socket:
    """A client whose kernel takes little in, so that the server soon feels how slowly it reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(data)
    return sock


# --- time, on real sockets -------------------------------------------------------------------


@on_uvloop
async def test_slow_heads_and_bodies_get_408_and_idle_connections_are_closed() -> None:
    async with serving(headers_timeout_ms=300, body_timeout_ms=300, idle_timeout_ms=300) as (_, server, port):
        for data, expected in [
            (b"GET / HTT", [408]),
            (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhell", [408]),
            (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhell", [408]),
            (GET + b"GET /", [200, 408]),
            (b"", []),
            (GET, [200]),
        ]:
            assert statuses(await talk(port, data)) == expected
        assert server.timeouts == 4


@on_uvloop
async def test_a_head_that_trickles_in_has_one_deadline_for_the_whole() -> None:
    async with serving(headers_timeout_ms=500) as (_, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = asyncio.create_task(reader.read(100))
        writer.write(b"GET / HTTP/1.1\r\n")
        for number in range(100):
            writer.write(b"A%d: b\r\n" % number)
            await asyncio.wait([answer], timeout=0.05)
            if answer.done():
                break
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        writer.close()


@on_uvloop
async def test_a_request_under_way_has_no_deadline_of_the_server() -> None:
    async with serving(headers_timeout_ms=100, body_timeout_ms=100, idle_timeout_ms=100, write_timeout_ms=100) as (app, _, port):
        answer = asyncio.create_task(talk(port, b"GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        await asyncio.sleep(0.8)
        app.gate.set()
        assert statuses(await answer) == [200]


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
@on_uvloop
async def test_a_client_that_leaves_cancels_its_work_at_once(how: str) -> None:
    async with serving() as (app, server, port):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await app.begun.wait()
        left = time.monotonic()
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if how == "half-close":
            sock.shutdown(socket.SHUT_WR)
        else:
            sock.close()
        await asyncio.wait_for(app.cancelled, WAIT_S)
        # Law 4 says 100 ms; ten times that leaves room for a busy machine and still tells it from a poll or a timeout.
        assert time.monotonic() - left < 1.0
        for _ in range(5):
            await asyncio.sleep(0)
        assert server.active == 0 and server.clients_left == 1
        sock.close()


@on_uvloop
async def test_a_client_that_leaves_before_its_task_began_leaves_nothing() -> None:
    server = Server(EchoApp(), settings())
    hand = Hand(server)
    hand.connection.data_received(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    hand.connection.eof_received()
    hand.leave()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not server.tasks and server.active == 0


@on_uvloop
async def test_a_slow_reader_costs_a_bounded_buffer_and_then_its_connection() -> None:
    async with serving(write_timeout_ms=600, write_buffer_bytes=65_536) as (app, server, port):
        sock = small_window(port, b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        await app.begun.wait()
        (connection,) = server.connections
        largest = 0
        while not app.cancelled.done():
            largest = max(largest, connection._transport.get_write_buffer_size())
            await asyncio.sleep(0.01)
        assert 0 < largest <= 65_536 + 3 * 16_384
        assert server.slow_readers == 1
        sock.close()


@on_uvloop
async def test_a_reader_that_is_slow_but_reads_keeps_its_connection() -> None:
    async with serving(write_timeout_ms=500) as (app, server, port):
        sock = small_window(port, b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.setblocking(False)
        for _ in range(100):
            with contextlib.suppress(BlockingIOError):
                sock.recv(8192)
            await asyncio.sleep(0.02)
        assert not app.cancelled.done() and server.slow_readers == 0
        sock.close()
        await asyncio.wait_for(app.cancelled, WAIT_S)


@on_uvloop
async def test_a_whole_answer_that_nobody_takes_is_cut_and_holds_up_the_next_request() -> None:
    class Large(EchoApp):
        def handle(self, request: Any, responder: Any) -> Any:
            self.handled.append(request.path)
            return Reply(status=200, body=b"x" * 20_000_000)

    app = Large()
    async with serving(app, write_timeout_ms=600) as (_, server, port):
        sock = small_window(port, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        await until(lambda: server.slow_readers)
        assert app.handled == ["/large"]
        sock.close()


@on_uvloop
async def test_connections_beyond_the_limit_are_closed() -> None:
    async with serving(connections=3) as (_, server, port):
        socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        await until(lambda: len(server.connections) >= 3)
        with contextlib.suppress(ConnectionError):
            assert await talk(port, GET) == b""
        assert server.connections_refused == 1
        socks[0].close()
        await until(lambda: len(server.connections) <= 2)
        assert statuses(await talk(port, LAST)) == [200]
        for sock in socks:
            sock.close()


@on_uvloop
async def test_garbage_from_many_connections_leaves_no_memory_behind() -> None:
    async with serving() as (_, server, port):

        async def throw(number: int) -> None:
            with contextlib.suppress(ConnectionError):
                await talk(port, b"GET / HTTP/1.1\r\nHost: x\r\n" + os.urandom(2000) + b"\r\n\r\n" if number % 2 else os.urandom(3000))

        for _ in range(3):
            await asyncio.gather(*(throw(number) for number in range(60)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(10):
            await asyncio.gather(*(throw(number) for number in range(60)))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
        assert statuses(await talk(port, LAST)) == [200]
        assert server.active == 0


@on_uvloop
async def test_the_answer_to_a_refused_upload_arrives() -> None:
    async with serving() as (_, _, port):
        body = b"a" * 900_000
        raw = await talk(port, b"POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert statuses(raw) == [401]


# --- draining --------------------------------------------------------------------------------


@on_uvloop
async def test_draining_lets_a_request_end_tells_new_ones_and_closes_idle_connections() -> None:
    async with serving() as (app, server, port):
        under_way = asyncio.create_task(talk(port, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"))
        await app.begun.wait()
        idle = asyncio.create_task(talk(port, b""))
        await until(lambda: len(server.connections) >= 2)
        server.drain()
        ((_, headers, body),) = parse(await talk(port, GET))
        assert seen(body)["draining"] and headers["connection"] == "close"
        closed = asyncio.create_task(server.closed(time.monotonic() + WAIT_S))
        assert await idle == b""
        with pytest.raises(OSError):
            while True:
                await talk(port, GET)
        app.gate.set()
        assert statuses(await under_way) == [200]
        assert await closed == 0


@on_uvloop
async def test_what_is_still_under_way_at_the_deadline_is_cancelled() -> None:
    async with serving() as (app, server, port):
        under_way = asyncio.create_task(talk(port, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"))
        await app.begun.wait()
        assert await server.closed(time.monotonic() + 0.1) == 1
        assert app.cancelled.done()
        with contextlib.suppress(ConnectionError):
            assert await under_way == b""
        assert not server.connections or server.active == 0


# --- other sockets ---------------------------------------------------------------------------


@on_uvloop
async def test_tls_serves_streams_refuses_cleanly_and_notices_a_client_that_leaves() -> None:
    authority = trustme.CA()
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(inside)
    outside = ssl.create_default_context()
    authority.configure_trust(outside)
    named: dict[str, Any] = {"ssl": outside, "server_hostname": "localhost"}
    async with serving(ssl_context=inside) as (app, server, port):
        raw = await talk(port, POST + b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n" + LAST, **named)
        assert statuses(raw) == [200, 200, 200]
        assert seen(parse(raw)[0][2])["scheme"] == "https"
        assert statuses(await talk(port, b"POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n", **named)) == [401]
        _, writer = await asyncio.open_connection("127.0.0.1", port, **named)
        writer.write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await app.begun.wait()
        writer.close()
        await asyncio.wait_for(app.cancelled, WAIT_S)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)  # plain HTTP on a TLS port
        writer.close()
        assert statuses(await talk(port, LAST, **named)) == [200]
        assert server.active == 0


@on_uvloop
async def test_a_unix_socket_is_served_too() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        server = Server(EchoApp(), settings())
        await server.listen(sock)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(POST + LAST)
        (_, _, body), _ = parse(await asyncio.wait_for(reader.read(), WAIT_S))
        assert seen(body)["client"] == f"uid:{os.getuid()}", "the kernel says who is there"
        writer.close()
        await server.closed(0.0)
