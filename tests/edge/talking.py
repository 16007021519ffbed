"""Raw HTTP for the tests of the server: an app that echoes, a transport by hand, sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import msgspec
import uvloop

from lizi.edge.connection import Connection
from lizi.edge.server import Reply, Request, Responder, Server
from lizi.errors import LiziError, Unauthenticated
from lizi.settings import ServerSettings

WAIT_S = 10.0
JSON = (("content-type", "application/json"),)
GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;name=value\r\nlo\r\n0\r\n\r\n"


def on_uvloop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on the loop that serves in production, with a bound on the whole."""

    @functools.wraps(test)
    def run(*args: Any, **named: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(6 * WAIT_S):
                await test(*args, **named)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(bounded())

    return run


class EchoApp:
    """Says what it was asked. `/secret` is refused on the head, `/wait` waits to be let go, `/flood` never ends."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.screened: list[str] = []
        self.handled: list[str] = []
        self.cancelled: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.begun = asyncio.Event()
        self.defects: list[BaseException] = []

    def screen(self, request: Request) -> Reply | None:
        self.screened.append(request.path)
        if request.path == "/secret":
            return self.fault(Unauthenticated("No.", code="invalid_api_key"), request)
        if request.path == "/broken-screen":
            raise ValueError("planted")
        return None

    def handle(self, request: Request, responder: Responder) -> Reply | Coroutine[Any, Any, Reply | None]:
        self.handled.append(request.path)
        match request.path:
            case "/wait" | "/flood" | "/stream" | "/mute" | "/cut" | "/crash" | "/later":
                return getattr(self, request.path[1:])(request, responder)  # type: ignore[no-any-return]
            case "/broken":
                raise ValueError("planted")
        return Reply(status=200, headers=JSON, body=self.seen(request))

    @staticmethod
    def seen(request: Request) -> bytes:
        return msgspec.json.encode(
            {
                "method": request.method,
                "path": request.path,
                "query": request.query,
                "body": request.body.decode("latin-1"),
                "headers": request.headers,
                "client": request.client_address,
                "scheme": request.scheme,
                "draining": request.draining,
            }
        )

    async def later(self, request: Request, responder: Responder) -> Reply:
        await asyncio.sleep(0)
        return Reply(status=200, headers=JSON, body=self.seen(request))

    async def wait(self, request: Request, responder: Responder) -> None:
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set_result(request.path)
            raise
        responder.respond(200, JSON, b"{}")

    async def stream(self, request: Request, responder: Responder) -> None:
        responder.start(200, (("content-type", "text/event-stream"),))
        for number in range(3):
            responder.write(b"data: %d\n\n" % number)
            await responder.drain()
            await asyncio.sleep(0)
        responder.end()

    async def flood(self, request: Request, responder: Responder) -> None:
        responder.start(200, ())
        self.begun.set()
        try:
            while True:
                responder.write(b"x" * 16_384)
                await responder.drain()
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.set_result(request.path)
            raise

    async def mute(self, request: Request, responder: Responder) -> None:
        """Ends without an answer: a defect."""

    async def cut(self, request: Request, responder: Responder) -> None:
        """Breaks off in the middle: a defect."""
        responder.start(200, ())
        responder.write(b"half")
        raise ValueError("planted")

    async def crash(self, request: Request, responder: Responder) -> None:
        raise ValueError("planted")

    def fault(self, error: LiziError, request: Request | None) -> Reply:
        if error.__cause__ is not None:
            self.defects.append(error.__cause__)
        return Reply(status=error.status, headers=JSON, body=msgspec.json.encode({"error": {"code": error.code, "message": error.message}}))


def settings(**changed: Any) -> ServerSettings:
    return msgspec.structs.replace(ServerSettings(), **changed)


@contextlib.asynccontextmanager
async def serving(app: Any = None, *, ssl_context: Any = None, **changed: Any) -> AsyncIterator[tuple[Any, Server, int]]:
    """A server on a free port of loopback: app, server, port."""
    app = app if app is not None else EchoApp()
    sock = socket.create_server(("127.0.0.1", 0))
    server = Server(app, settings(**changed), ssl_context=ssl_context)
    await server.listen(sock)
    try:
        yield app, server, sock.getsockname()[1]
    finally:
        await server.closed(0.0)
        await asyncio.sleep(0.05)  # the loop closes what both sides let go


async def talk(port: int, data: bytes, **named: Any) -> bytes:
    """Send, then read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **named)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), WAIT_S)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class HandTransport(asyncio.Transport):
    """Keeps what was written; the far end is the test."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.closed = False
        self.aborted = False
        self.half_closed = False
        self.reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 4711) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: Any) -> None:
        assert not self.closed and not self.half_closed, "nothing is sent after the end"
        self.sent += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True


class Hand:
    """A connection whose octets the test hands over one read at a time."""

    def __init__(self, server: Server) -> None:
        self.transport = HandTransport()
        self.connection = Connection(server)
        self.connection.connection_made(self.transport)

    async def feed(self, *pieces: bytes) -> bytes:
        for piece in pieces:
            if not self.transport.closed:
                self.connection.data_received(piece)
                await asyncio.sleep(0)
        for _ in range(40):  # what waits in the buffer, and tasks, get their turns
            await asyncio.sleep(0)
        return bytes(self.transport.sent)

    def leave(self) -> None:
        self.connection.connection_lost(None)


def parse(raw: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """The answers in `raw`; fails if any octet is left over or missing."""
    found = []
    while raw:
        head, separator, raw = raw.partition(b"\r\n\r\n")
        assert separator, f"an incomplete head: {head!r}"
        lines = head.decode("latin-1").split("\r\n")
        status = int(re.fullmatch(r"HTTP/1\.1 (\d{3}) .+", lines[0])[1])  # type: ignore[index]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        if status == 100:
            found.append((status, headers, b""))
            continue
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size_line, _, raw = raw.partition(b"\r\n")
                size = int(size_line, 16)
                assert raw[size : size + 2] == b"\r\n"
                body += raw[:size]
                raw = raw[size + 2 :]
                if not size:
                    break
        else:
            length = int(headers["content-length"])
            body, raw = raw[:length], raw[length:]
            assert len(body) == length
        found.append((status, headers, body))
    return found


def seen(body: bytes) -> dict[str, Any]:
    return json.loads(body)  # type: ignore[no-any-return]


def statuses(raw: bytes) -> list[int]:
    return [status for status, _, _ in parse(raw)]


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something that another side does."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - the other side has no event to give
            await asyncio.sleep(0.01)
