"""The partner behind every gateway of the benchmark: as light as Python allows, and exactly on time.

Whole reply: about 1 kB at once. Stream: one chunk per 20 ms up to the request's token limit; each chunk's
text holds `@<monotonic seconds>`, the moment it was due. A limit of 7 tokens asks for an idle stream: one
chunk, then silence for 20 s, then the end. Understands only what a gateway sends it on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import re
import time
from typing import cast

import uvloop

from lizi.load.alarm import Alarm

CHUNK_GAP_S = 0.02  # 50 chunks/s
IDLE_TOKENS = 7
IDLE_S = 20.0
_LIMIT = re.compile(rb'"max_(?:completion_)?tokens"\s*:\s*(\d+)')
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream"\s*:\s*true')

_TEXT = ("The quick brown fox jumps over the lazy dog while the tide goes out. " * 12)[:760]
_WHOLE_BODY = (
    '{"id":"chatcmpl-7f3a","object":"chat.completion","created":1760000000,"model":"mock-model","system_fingerprint":"fp_9a1b",'
    '"choices":[{"index":0,"message":{"role":"assistant","content":"' + _TEXT + '"},"logprobs":null,"finish_reason":"stop"}],'
    '"usage":{"prompt_tokens":57,"completion_tokens":160,"total_tokens":217}}'
).encode()
_WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_WHOLE_BODY), _WHOLE_BODY)
_HEALTH = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
_EVENT = (
    b'data: {"id":"chatcmpl-7f3a","object":"chat.completion.chunk","created":1760000000,"model":"mock-model",'
    b'"system_fingerprint":"fp_9a1b","choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}]}\n\n'
)
_ROLE = _EVENT % (b'{"role":"assistant","content":""}', b"null")
_BEFORE, _, _AFTER = (_EVENT % (b'{"content":"@#"}', b"null")).partition(b"#")
_STAMP_BYTES = 16  # `1234567.12345678 `: fixed width, so that the chunk's size is known beforehand
_CHUNK_HEAD = b"%x\r\n" % (len(_BEFORE) + _STAMP_BYTES + len(_AFTER)) + _BEFORE
_CHUNK_TAIL = _AFTER + b"\r\n"
_END = _EVENT % (b"{}", b'"stop"') + (
    b'data: {"id":"chatcmpl-7f3a","object":"chat.completion.chunk","created":1760000000,"model":"mock-model","choices":[],'
    b'"usage":{"prompt_tokens":57,"completion_tokens":200,"total_tokens":257}}\n\ndata: [DONE]\n\n'
)
_LAST = b"%x\r\n%s\r\n0\r\n\r\n" % (len(_END), _END)
_FIRST = b"%x\r\n%s\r\n" % (len(_ROLE), _ROLE)


class _Clockwork:
    """Wakes each stream when its next chunk is due. One alarm for all."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due: list[tuple[float, int, _Conversation, int]] = []
        self._count = 0
        self._alarm = Alarm(loop, self._ring)

    def at(self, due: float, conversation: _Conversation, turn: int) -> None:
        self._count += 1
        heapq.heappush(self._due, (due, self._count, conversation, turn))
        if self._due[0][1] == self._count:
            self._alarm.set(due)

    def _ring(self) -> None:
        now = time.monotonic()
        due = self._due
        while due and due[0][0] <= now:
            at, _, conversation, turn = heapq.heappop(due)
            following = conversation.speak(at, turn)
            if following:
                self._count += 1
                heapq.heappush(due, (following, self._count, conversation, turn))
        if due:
            self._alarm.set(due[0][0])


class _Conversation(asyncio.Protocol):
    """One connection from a gateway. `turn` tells a stream from one that was given up."""

    def __init__(self, clockwork: _Clockwork) -> None:
        self._clockwork = clockwork
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._left = 0
        self._turn = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._turn += 1

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        while data:
            head = data.find(b"\r\n\r\n")
            if head < 0:
                break
            length = _LENGTH.search(data, 0, head)
            end = head + 4 + (int(length[1]) if length else 0)
            if b"chunked" in data[:head].lower() and not length:
                end = data.find(b"\r\n0\r\n\r\n", head) + 7
                if end < 7:
                    break
            if len(data) < end:
                break
            self._answer(data[:end])
            data = data[end:]
        self._rest = data

    def speak(self, due: float, turn: int) -> float:
        """Write what is due; when the next is, or 0."""
        transport = self._transport
        if transport is None or turn != self._turn:
            return 0.0
        if self._left == 0:
            self._turn += 1
            transport.write(_LAST)
            return 0.0
        self._left -= 1
        transport.write(_CHUNK_HEAD + b"%-16.6f" % due + _CHUNK_TAIL)
        return due + (IDLE_S if self._idle else CHUNK_GAP_S)

    _idle = False

    def _answer(self, request: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        if not request.startswith(b"POST"):
            transport.write(_HEALTH)
        elif _STREAM.search(request) is None:
            transport.write(_WHOLE)
        else:
            limit = _LIMIT.search(request)
            tokens = int(limit[1]) if limit else 16
            self._idle = tokens == IDLE_TOKENS
            self._left = 1 if self._idle else tokens
            transport.write(_HEAD + _FIRST)
            self._clockwork.at(time.monotonic(), self, self._turn)


async def serve(port: int) -> None:
    """Serve on loopback until killed."""
    loop = asyncio.get_running_loop()
    clockwork = _Clockwork(loop)
    server = await loop.create_server(lambda: _Conversation(clockwork), "127.0.0.1", port, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(serve(parser.parse_args().port))
