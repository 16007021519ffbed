"""A server whose answers and delays are known beforehand, so that what the load engine says can be checked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from lizi.load import Target


def event(delta: dict[str, object] | None = None, finish: str | None = None, **extra: object) -> bytes:
    tree = {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **extra}
    return b"data: " + json.dumps(tree).encode() + b"\n\n"


def whole(text: str = "Hello", finish: str = "stop") -> bytes:
    tree = {"choices": [{"message": {"content": text}, "finish_reason": finish}], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}
    return json.dumps(tree).encode()


def http(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*blocks: bytes, end: bool = True) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(block), block) for block in blocks) + (b"0\r\n\r\n" if end else b"")


STREAM = (
    event({"role": "assistant", "content": ""}),
    event({"content": "He"}),
    event({"content": "llo"}),
    event(finish="stop"),
    b"data: [DONE]\n\n",
)


class Known:
    """Answers each request with `reply(n)`; `stall` makes the whole server stand still once."""

    def __init__(
        self, reply: Callable[[int], bytes], *, stall_at_s: float = -1.0, stall_s: float = 0.0, hang_up: bool = False, pieces: int = 0
    ) -> None:
        self._reply = reply
        self._stall = (stall_at_s, stall_s)
        self._hang_up = hang_up
        self._pieces = pieces
        self._first = 0.0
        self.count = 0
        self.connections = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                await self._wait()
                number, self.count = self.count, self.count + 1
                reply = self._reply(number)
                step = self._pieces or len(reply) or 1
                for start in range(0, len(reply), step):
                    writer.write(reply[start : start + step])
                    await writer.drain()
                    if self._pieces:
                        await asyncio.sleep(0)
                if self._hang_up:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _wait(self) -> None:
        now = time.monotonic()
        self._first = self._first or now
        at, length = self._stall
        since = now - self._first
        if at <= since < at + length:
            await asyncio.sleep(at + length - since)


@asynccontextmanager
async def serving(known: Known) -> AsyncIterator[Target]:
    talks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(known.talk(reader, writer))
        talks.add(task)
        task.add_done_callback(talks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield Target(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)
