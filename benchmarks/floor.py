"""The bare floor: what a relay costs in this language before it does anything useful.

Raw uvloop and httptools on both sides; a whole reply and each chunk of a stream is parsed, its `id` and `model`
rewritten, and encoded again. No keys, limits, deadlines, failover, ledger, audit, back-pressure or error handling:
it is a yardstick, never a product.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import cast

import httptools
import msgspec
import uvloop

_decode = msgspec.json.decode
_encode = msgspec.json.encode


class _Partner(asyncio.Protocol):
    """A kept-alive connection to the partner."""

    def __init__(self, pool: list[_Partner]) -> None:
        self.pool = pool
        self.device: _Device | None = None
        self.transport: asyncio.Transport | None = None
        self.parser = httptools.HttpResponseParser(self)
        self.parts: list[bytes] = []
        self.rest = b""
        self.stream = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.pool:
            self.pool.remove(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)
        if self.stream and self.parts:
            self.relay()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name == b"content-type":
            self.stream = value.startswith(b"text/event-stream")

    def on_headers_complete(self) -> None:
        if self.stream and self.device is not None:
            self.device.begin_stream()

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def relay(self) -> None:
        block = self.rest + b"".join(self.parts)
        self.parts.clear()
        events = block.split(b"\n\n")
        self.rest = events.pop()
        out = []
        for event in events:
            data = event[6:]
            if data == b"[DONE]":
                out.append(event)
                continue
            tree = _decode(data)
            tree["id"] = "rq_1"
            tree["model"] = "writer"
            out.append(b"data: " + _encode(tree))
        out.append(b"")
        if self.device is not None:
            self.device.chunk(b"\n\n".join(out))

    def on_message_complete(self) -> None:
        device = self.device
        if device is not None:
            if self.stream:
                self.relay()
                device.end_stream()
            else:
                tree = _decode(b"".join(self.parts))
                tree["id"] = "rq_1"
                tree["model"] = "writer"
                device.whole(_encode(tree))
        self.parts.clear()
        self.rest = b""
        self.stream = False
        self.device = None
        self.pool.append(self)


class _Device(asyncio.Protocol):
    """A connection from a device."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: list[_Partner], upstream: tuple[str, int]) -> None:
        self.loop = loop
        self.pool = pool
        self.upstream = upstream
        self.transport: asyncio.Transport | None = None
        self.parser = httptools.HttpRequestParser(self)
        self.parts: list[bytes] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def on_message_complete(self) -> None:
        tree = _decode(b"".join(self.parts))
        self.parts.clear()
        tree["model"] = "mock-model"
        body = _encode(tree)
        request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: %s:%d\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
            self.upstream[0].encode(),
            self.upstream[1],
            len(body),
            body,
        )
        if self.pool:
            self.ask(self.pool.pop(), request)
        else:
            task = self.loop.create_task(self.dial(request))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def dial(self, request: bytes) -> None:
        _, partner = await self.loop.create_connection(lambda: _Partner(self.pool), *self.upstream)
        self.ask(partner, request)

    def ask(self, partner: _Partner, request: bytes) -> None:
        partner.device = self
        if partner.transport is not None:
            partner.transport.write(request)

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def whole(self, body: bytes) -> None:
        self.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    def begin_stream(self) -> None:
        self.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        if data:
            self.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end_stream(self) -> None:
        self.write(b"0\r\n\r\n")


async def serve(port: int, upstream: tuple[str, int]) -> None:
    """Serve on loopback until killed."""
    loop = asyncio.get_running_loop()
    pool: list[_Partner] = []
    server = await loop.create_server(lambda: _Device(loop, pool, upstream), "127.0.0.1", port, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--upstream", default="127.0.0.1:9100")
    given = parser.parse_args()
    host, _, number = given.upstream.partition(":")
    uvloop.run(serve(given.port, (host, int(number))))
