"""One client connection: sends prepared bytes, notes when what came back.

Works straight on the transport and httptools; per chunk it does little more than take the time.
Keeps the last few blocks of a stream, never the whole of it. Bounds: a whole reply 64 MiB, one event 1 MiB.
Standard: RFC 9112 (client side), WHATWG SSE.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from typing import Any, Protocol, cast

import httptools

from lizi.load.answers import has_content, judge_stream, judge_whole
from lizi.load.record import Record

__all__ = ["Connection", "Owner"]

_REPLY_LIMIT_BYTES = 64 * 1024 * 1024
_EVENT_LIMIT_BYTES = 1024 * 1024
_TAIL_BLOCKS = 8  # finish, usage and [DONE] come as up to three events; heartbeats may stand between them
_STAMP = re.compile(rb"@(\d+\.\d{3,9})")
_RETRY_AFTER = re.compile(rb"\r\nretry-after:[ \t]*(\d+)", re.IGNORECASE)
_SIZED = re.compile(rb"\r\n(?:content-length|transfer-encoding):", re.IGNORECASE)
_HEAD_KEPT_BYTES = 16 * 1024

_monotonic = time.monotonic


class Owner(Protocol):
    """Who is told of what happened."""

    chunk_times: bool
    plain: bool
    lateness: Any

    def finished(self, connection: Connection, reusable: bool) -> None:
        """The request is over; its record is complete. Not reusable: the connection is closed."""
        ...

    def closed(self, connection: Connection) -> None:
        """An idle connection went away."""
        ...


class Connection(asyncio.Protocol):
    """At most one request under way at a time."""

    __slots__ = (
        "_block_rest",
        "_crlf",
        "_head",
        "_now",
        "_owner",
        "_parser",
        "_parts",
        "_payload",
        "_streaming",
        "_tail",
        "record",
        "transport",
    )

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self.transport: asyncio.Transport | None = None
        self.record: Record | None = None
        self._payload = b""
        self._parser = httptools.HttpResponseParser(self)
        self._now = 0.0
        self._head = b""
        self._parts: list[bytes] = []
        self._tail: deque[bytes] = deque(maxlen=_TAIL_BLOCKS)
        self._block_rest = b""
        self._streaming = False
        self._crlf = False

    def send(self, record: Record, payload: bytes) -> None:
        """Send now, or as soon as the connection stands."""
        self.record = record
        if self.transport is None:
            self._payload = payload
            return
        record.t_sent = _monotonic()
        self.transport.write(payload)

    def give_up(self, outcome: Any, error: str | None) -> None:
        """End the request under way with this outcome and drop the connection."""
        record, self.record = self.record, None
        if self.transport is not None:
            self.transport.abort()
        if record is not None:
            record.outcome, record.error = outcome, error
            self._owner.finished(self, False)

    # --- asyncio.Protocol -----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.record is not None:
            payload, self._payload = self._payload, b""
            self.send(self.record, payload)

    def data_received(self, data: bytes) -> None:
        self._now = _monotonic()
        record = self.record
        if record is None:
            if self.transport is not None:
                self.transport.abort()  # bytes that nobody asked for
            return
        if record.t_headers is None and len(self._head) < _HEAD_KEPT_BYTES:
            self._head += data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserCallbackError):
            self.give_up("error", "broken_http")

    def connection_lost(self, exc: Exception | None) -> None:
        record = self.record
        self.transport = None
        if record is None:
            self._owner.closed(self)
            return
        self.record = None
        if record.t_headers is None:
            record.outcome, record.error = "error", "closed_before_reply"
        elif _SIZED.search(self._head) is None and exc is None:
            self._conclude(record)  # RFC 9112 §6.3 item 8: the close is the end
        else:
            record.outcome, record.error = "cut", "connection_lost"
        self._owner.finished(self, False)

    # --- httptools ------------------------------------------------------------

    def on_headers_complete(self) -> None:
        record = self.record
        if record is not None:
            record.t_headers = self._now
            record.status = self._parser.get_status_code()
            self._streaming = record.stream and record.status == 200

    def on_body(self, body: bytes) -> None:
        record = self.record
        if record is None:
            return
        if record.t_first_byte is None:
            record.t_first_byte = self._now
        record.size_bytes += len(body)
        if not self._streaming:
            if record.size_bytes > _REPLY_LIMIT_BYTES:
                self.give_up("error", "reply_too_large")
                return
            self._parts.append(body)
            return
        block = self._block_rest + body if self._block_rest else body
        if record.events == 0 and b"\r\n" in block:
            self._crlf = True
        if self._crlf:
            block = block.replace(b"\r\n", b"\n")
        if block.endswith(b"\n\n"):
            self._block_rest = b""
        else:
            end = block.rfind(b"\n\n") + 2
            if end == 1:
                end = 0
            self._block_rest = block[end:]
            block = block[:end]
            if len(self._block_rest) > _EVENT_LIMIT_BYTES:
                self.give_up("error", "event_too_large")
                return
            if not block:
                return
        if block[0] == 58 or b"\n\n:" in block:  # a heartbeat comment is no event
            block = b"".join(event + b"\n\n" for event in block.split(b"\n\n") if event and not event.startswith(b":"))
        events = block.count(b"\n\n")
        record.events += events
        self._tail.append(block)
        owner = self._owner
        if owner.chunk_times and record.chunk_times is not None:
            record.chunk_times.extend([self._now] * events)
        if owner.lateness is not None:
            for stamp in _STAMP.findall(block):
                owner.lateness.append(self._now - float(stamp))
        if record.t_first_content is None and (owner.plain or has_content(block)):
            record.t_first_content = self._now

    def on_message_complete(self) -> None:
        record = self.record
        if record is None:
            return
        if record.status < 200:  # an interim response: the real one follows
            record.t_headers = None
            self._reset()
            return
        self.record = None
        self._conclude(record)
        reusable = self._parser.should_keep_alive()
        self._reset()
        if not reusable and self.transport is not None:
            self.transport.close()
        self._owner.finished(self, reusable)

    # --- inside ----------------------------------------------------------------

    def _conclude(self, record: Record) -> None:
        record.t_last = self._now
        status = record.status
        if status != 200:
            found = _RETRY_AFTER.search(self._head)
            if found is not None:
                record.retry_after_s = float(found[1])
            if status in (429, 503) and found is not None:
                record.outcome = "refused"
            else:
                record.outcome, record.error = "error", f"http_{status}"
        elif self._owner.plain:
            record.t_first_content = record.t_first_content or record.t_first_byte
            record.outcome = "ok" if record.size_bytes else "empty"
        elif self._streaming:
            self._tail.append(self._block_rest)
            judge_stream(record, b"".join(self._tail))
        else:
            parts = self._parts
            judge_whole(record, parts[0] if len(parts) == 1 else b"".join(parts))
            if record.outcome == "ok" or record.outcome == "truncated":
                record.t_first_content = record.t_first_byte

    def _reset(self) -> None:
        self._head = b""
        self._parts = []
        self._tail = deque(maxlen=_TAIL_BLOCKS)
        self._block_rest = b""
        self._streaming = False
        self._crlf = False
