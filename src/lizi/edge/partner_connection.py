"""One HTTP/1.1 connection to a partner, and the reply that is arriving on it.

Body bytes go from the socket to `read` with one join per network read; a read that finds bytes
waiting returns at once. Never interprets a body, never follows a redirect. Bounds: head 64 KiB
(1xx included), reply 64 MiB, 256 KiB buffered before reading pauses, one lazy timer per connection.
Standard: RFC 9112; llhttp does the grammar.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Protocol, cast

import httptools

from lizi.edge.outbox import Outbox
from lizi.errors import PartnerError, Retry

__all__ = ["Connection", "Pool", "WireReply", "fault"]

HEAD_BYTES = 64 * 1024
"""Four times what the largest known partner sends."""
STATUS_LINE_BYTES = 20
"""What an empty head costs at the least."""
REPLY_BYTES = 64 * 1024 * 1024
"""A whole answer with images as base64 stays far below; only a broken or hostile partner passes it."""
BUFFER_BYTES = 128 * 1024
"""Half of uvloop's largest read, so that one such read is enough to pause the source of a reader that is not there."""
INFLATE_RATIO = 100
INFLATE_FREE_BYTES = 256 * 1024
"""Text packs 3 to 20 times. More than 100 times, beyond a free amount a piece, is a bomb."""
STALE_S = 0.2
"""See `WireReply.stale`."""
_TIMEOUTS = frozenset({"timeout_connect", "timeout_headers", "timeout_read", "pool"})


def fault(internal: str, *, in_body: bool = False) -> PartnerError:
    """The one way a failure of the wire looks to the corridor. `internal` is for the record, never for a device."""
    if internal in _TIMEOUTS:
        message, code = "The feature took too long to answer.", "upstream_timeout"
    elif in_body and internal == "cut":
        message, code = "The answer broke off before its end.", "stream_cut"
    else:
        message, code = "The feature could not be reached.", "upstream_failed"
    return PartnerError(message, code=code, retry=Retry.OTHER_TARGET, internal=internal, hint="Try again later.")


class Pool(Protocol):
    """Where a connection goes back to."""

    def release(self, connection: Connection) -> None:
        """It can be used again."""
        ...

    def dropped(self, connection: Connection) -> None:
        """It is gone; its place is free. Called exactly once per connection."""
        ...


class WireReply:
    """`lizi.ports.Reply` over a socket."""

    __slots__ = (
        "connection",
        "ended",
        "fault",
        "headers",
        "held",
        "pieces",
        "received",
        "reset",
        "status",
        "waiter",
        "wants_head",
        "written_mono",
    )

    def __init__(self, connection: Connection) -> None:
        self.connection: Connection | None = connection
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.pieces: list[bytes] = []
        self.held = 0
        self.received = 0
        self.ended = False
        self.fault: PartnerError | None = None
        self.reset = False
        self.waiter: asyncio.Future[None] | None = None
        self.wants_head = True
        self.written_mono = monotonic()

    async def read(self, deadline_mono: float) -> bytes:
        """As `lizi.ports.Reply.read`; what arrived before a failure is delivered before it is raised."""
        pieces = self.pieces
        while not pieces:
            if self.fault is not None:
                raise self.fault
            if self.ended:
                return b""
            await self.wait(deadline_mono)
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.held = 0
        connection = self.connection
        if connection is not None and connection.paused:
            connection.resume()
        return data

    async def wait(self, deadline_mono: float) -> None:
        """Until something happened on the connection, or the deadline set `fault`."""
        connection = self.connection
        if connection is None or self.waiter is not None:
            raise RuntimeError("a reply is read by one reader, within its context")
        waiter = self.waiter = connection.loop.create_future()
        connection.watch(deadline_mono)
        try:
            await waiter
        finally:
            self.waiter = None

    def wake(self) -> None:
        """Let the reader look again."""
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    @property
    def stale(self) -> bool:
        """Whether the connection, kept alive from an earlier request, was closed before it could take this one.

        The peer closed or reset it within 200 ms of our writing, without a byte of answer: it was
        closing an idle connection while the request was on its way. Later than that the request
        may have run, and is not repeated: the maker would pay twice and the ledger see it once.
        """
        return self.status == 0 and self.received == 0 and self.reset and monotonic() - self.written_mono < STALE_S


class Connection(asyncio.Protocol):
    """One connection, one exchange at a time. Made by the pool, which counts it until `dropped`."""

    __slots__ = (
        "_deadline", "_gone", "_head_size", "_informational", "_inflate", "_length_known", "_outbox", "_pairs", "_parser",
        "_pool", "_spoiled", "_timer", "_timer_at", "_transport", "idle_since", "loop", "paused", "reply", "served",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: Pool, outbox: Outbox) -> None:
        self.loop = loop
        self._pool = pool
        self._outbox = outbox
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._gone = False
        self._spoiled = False
        self._pairs: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._informational = False
        self._length_known = False
        self._inflate: Callable[[bytes], bytes | None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self.paused = False
        self.reply: WireReply | None = None
        self.served = 0
        self.idle_since = 0.0

    # --- used by the pool and the client
    def begin(self, head: bytes, body: bytes) -> WireReply:
        """Send a request; the reply fills as bytes arrive."""
        reply = self.reply = WireReply(self)
        self.served += 1
        self._head_size = 0
        transport = self._transport
        if transport is None or transport.is_closing():
            reply.reset = True
            reply.fault = fault("cut")
            return reply
        if len(body) < 65_536:
            self._outbox.write(transport, head + body)
        else:  # a copy of a large body costs more than a second system call
            self._outbox.write(transport, head)
            self._outbox.write(transport, body)
        return reply

    def leave(self) -> None:
        """End this exchange: a reply at its end frees the connection, any other closes it at once."""
        reply = self.reply
        if reply is None:
            return
        reply.connection = None
        self.reply = None
        transport = self._transport
        if (
            not reply.ended
            or self._spoiled
            or self._gone
            or transport is None
            or transport.is_closing()
            or transport.get_write_buffer_size()  # answered before it took the whole request …
            or self._outbox.holds(transport)  # … or was sent it
        ):
            self.abort()
            return
        if self.paused:
            self.resume()
        self._pool.release(self)

    def abort(self) -> None:
        """Close now, without a farewell. Safe at any time, also before the connection stands."""
        reply, self.reply = self.reply, None
        if reply is not None:
            reply.connection = None
        if self._transport is not None:
            self._transport.abort()
        self._drop()

    def usable(self) -> bool:
        """Whether an idle connection still stands, as far as this side knows."""
        return not self._gone and self._transport is not None and not self._transport.is_closing()

    @property
    def fresh(self) -> bool:
        """Whether it has not come to stand yet, so that another address may be tried."""
        return self._transport is None and not self._gone

    def resume(self) -> None:
        """Read on after the reader has caught up."""
        self.paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def watch(self, deadline_mono: float) -> None:
        """Fail the reply if it still waits at `deadline_mono`. The timer is only touched when it would be too late."""
        self._deadline = deadline_mono
        if self._timer is None:
            self._arm(deadline_mono)
        elif deadline_mono < self._timer_at:
            self._timer.cancel()
            self._arm(deadline_mono)

    def _arm(self, at: float) -> None:
        self._timer_at = at
        self._timer = self.loop.call_later(max(0.0, at - monotonic()), self._due)

    def _due(self) -> None:
        self._timer = None
        reply = self.reply
        if reply is None or reply.waiter is None or reply.waiter.done():
            return  # nobody waits; the next wait arms it again
        if monotonic() < self._deadline:
            self._arm(max(self._deadline, monotonic() + 0.001))
            return
        self._fail(reply, "timeout_read" if reply.status else "timeout_headers")

    def _drop(self) -> None:
        if not self._gone:
            self._gone = True
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._pool.dropped(self)

    def _fail(self, reply: WireReply, internal: str) -> None:
        if reply.fault is None and not reply.ended:
            reply.fault = fault(internal, in_body=reply.status != 0)
        self._spoiled = True
        if self._transport is not None:
            self._transport.abort()
        reply.wake()

    # --- transport
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are no subclasses of it
        if self._gone:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        reply = self.reply
        if reply is None:
            self.abort()  # bytes that nobody asked for
            return
        reply.received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._spoiled = True
            if not reply.ended:
                self._fail(reply, "broken_http")
                return
        if reply.fault is not None:
            self._fail(reply, "broken_http")
            return
        if not reply.ended and (reply.received > REPLY_BYTES or (not reply.status and reply.received > HEAD_BYTES)):
            self._fail(reply, "too_large")
            return
        if reply.waiter is not None and (reply.pieces or reply.ended or (reply.wants_head and reply.status)):
            reply.wake()
        # Also while a reader waits: one turn of the loop may bring megabytes before it gets its own.
        if reply.held > BUFFER_BYTES and not self.paused and self._transport is not None:
            self.paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        return False  # the transport closes itself; connection_lost tells the reader

    def connection_lost(self, exc: Exception | None) -> None:
        reply = self.reply
        self._drop()
        self._transport = None
        if reply is None or reply.ended or reply.fault is not None:
            if reply is not None:
                reply.wake()
            return
        reply.reset = True
        if reply.status and not self._length_known and exc is None:
            self._complete(reply)  # a body that ends with its connection (RFC 9112 §6.3, last rule)
        else:
            reply.fault = fault("cut", in_body=reply.status != 0)
        reply.wake()

    # --- parser
    def on_message_begin(self) -> None:
        reply = self.reply
        if reply is not None and reply.ended:
            self._spoiled = True  # a second answer to one request
        self._pairs = []
        self._head_size += STATUS_LINE_BYTES  # counted on from one 1xx to the next, so that they are bounded together

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value)
        if self._head_size <= HEAD_BYTES:
            self._pairs.append((name, value))

    def on_headers_complete(self) -> None:
        reply = self.reply
        if reply is None or reply.ended:
            return
        if reply.status:  # a trailer section ends here too in some versions; the head is done already
            return
        if self._head_size > HEAD_BYTES or self._parser.get_http_version() not in ("1.1", "1.0"):
            reply.fault = reply.fault or fault("too_large" if self._head_size > HEAD_BYTES else "broken_http")
            return
        status = self._parser.get_status_code()
        self._informational = 100 <= status < 200
        if self._informational:
            return
        headers: dict[str, str] = {}
        for name, value in self._pairs:
            headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        self._pairs = []  # a connection rests for minutes; what its last reply said must not rest with it
        self._length_known = "content-length" in headers or "transfer-encoding" in headers
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding and encoding != "identity":
            self._inflate = _inflater(encoding)
            if self._inflate is None:
                reply.fault = reply.fault or fault("broken_http")  # asked for identity; this one nobody can read
                return
        else:
            self._inflate = None
        reply.headers = headers
        reply.status = status

    def on_body(self, body: bytes) -> None:
        reply = self.reply
        if reply is None or reply.ended or reply.fault is not None:
            return
        if self._inflate is not None:
            plain = self._inflate(body)
            if plain is None:
                reply.fault = fault("too_large")
                return
            # what is held counts by its plain size as well
            reply.received += len(plain)
            body = plain
        if body:
            reply.pieces.append(body)
            reply.held += len(body)

    def on_message_complete(self) -> None:
        reply = self.reply
        if reply is None or reply.ended:
            return
        if self._informational:
            self._informational = False
            return
        if not self._parser.should_keep_alive():
            self._spoiled = True
        if reply.status and reply.fault is None:
            self._complete(reply)

    def _complete(self, reply: WireReply) -> None:
        if self._inflate is not None and self._inflate(b"") is None:
            reply.fault = fault("cut", in_body=True)
            return
        reply.ended = True


def _inflater(encoding: str) -> Callable[[bytes], bytes | None] | None:
    """Unpacks piece by piece; `None` for a bomb, broken data, or, asked with `b""`, an end that did not come."""
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return None
    engine = zlib.decompressobj(wbits=47)  # 32 + 15: gzip or zlib by their headers
    first = True

    def inflate(piece: bytes) -> bytes | None:
        nonlocal engine, first
        if not piece:
            return b"" if engine.eof or first else None  # an empty body was never packed
        limit = INFLATE_FREE_BYTES + INFLATE_RATIO * len(piece)
        try:
            plain = engine.decompress(piece, limit)
        except zlib.error:
            if not first or encoding != "deflate":
                return None
            engine = zlib.decompressobj(wbits=-15)  # many servers send raw deflate under this name
            try:
                plain = engine.decompress(piece, limit)
            except zlib.error:
                return None
        first = False
        # more members than one are legal and unheard of; they are refused instead of dropped
        return None if engine.unconsumed_tail or engine.unused_data else plain

    return inflate
