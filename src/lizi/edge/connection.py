"""One client connection: octets → `Request` → the app → octets, one request at a time, in order.

Never reads a body that the app's `screen` refused, never lets a broken stream look complete, and
never keeps work going for a client that has left. A client's end of stream counts as leaving,
half-closed or not: nothing else tells within 100 ms that it left. Bounds: the settings' limits
and `_PIPELINE_BYTES` of requests not yet begun. Follows RFC 9110 and RFC 9112.
"""

from __future__ import annotations

import asyncio
import fcntl
import http
import re
import sys
import termios
from collections.abc import Coroutine
from inspect import CORO_CREATED, getcoroutinestate
from typing import TYPE_CHECKING, Any, cast

from lizi.edge.request_reading import ChunkedBody, Request, read_head
from lizi.edge.responder import Headers, Reply, Responder
from lizi.edge.runtime import local_peer
from lizi.errors import InvalidRequest, LiziError, Refused

if TYPE_CHECKING:
    from lizi.edge.server import Server

__all__ = ["LATE", "NEVER", "TICKS_PER_S", "Connection"]

_PIPELINE_BYTES = 64 * 1024
"""Octets taken in behind a request under way; then reading pauses, and only a failed write shows that the client left."""

_BODY_SPAN = 20
"""A whole body may take 20 times its longest silence: 5 minutes by default, or 20 MiB at 70 kB/s."""

_LINGER_S = 2.0
_LINGER_BYTES = 1024 * 1024
"""After a refusal, what the client still sends is read and dropped, since closing over unread octets makes the kernel
send a reset that can destroy the answer before it is read (RFC 9112 §9.6)."""

TICKS_PER_S = 4
"""Deadlines are checked four times a second: none is shorter than some seconds, and a sweep of empty buckets is free."""

NEVER = float("inf")
LATE = 1 << 62
"""No deadline, and the tick of a connection that no bucket holds."""

_EMPTY_LINES = re.compile(rb"(?:\r\n)*")

_HEAD, _BODY, _CHUNKS, _BUSY, _LINGER, _CLOSED = range(6)

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in http.HTTPStatus}


class Connection(asyncio.Protocol):
    """One client connection: reads one request at a time, keeps its deadline."""

    __slots__ = (
        "_answer",
        "_body",
        "_body_until",
        "_buffer",
        "_chunks",
        "_dropped",
        "_held",
        "_peer",
        "_peer_trusted",
        "_read_paused",
        "_request",
        "_responder",
        "_scheme",
        "_server",
        "_state",
        "_task",
        "_transport",
        "_unsent",
        "_writable",
        "deadline",
        "keep_alive",
        "tick",
        "write_paused",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._state = _HEAD
        self._buffer = b""
        self._request: Request | None = None
        self._responder: Responder | None = None
        self._task: asyncio.Task[None] | None = None
        self._answer: Coroutine[Any, Any, Reply | None] | None = None
        self._body = bytearray()
        self._body_until = NEVER
        self._chunks: ChunkedBody | None = None
        self._held = 0
        self._dropped = 0
        self._peer = ""
        self._peer_trusted = False
        self._scheme = "http"
        self._read_paused = False
        self._unsent = 0
        self._writable: asyncio.Future[None] | None = None
        self.write_paused = False
        self.keep_alive = True
        self.deadline = NEVER
        self.tick = LATE

    # --- the transport's side -------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        server = self._server
        self._transport = cast(asyncio.Transport, transport)
        if len(server.connections) >= server.settings.connections:
            server.connections_refused += 1
            self._state = _CLOSED
            self._transport.abort()
            return
        server.connections.add(self)
        server.connections_opened += 1
        self._transport.set_write_buffer_limits(high=server.settings.write_buffer_bytes)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self._peer = peer[0]
            self._peer_trusted = server.belief.trusts(self._peer)
        else:
            self._peer = local_peer(transport.get_extra_info("socket"))
        if server.ssl_context is not None:
            self._scheme = "https"
        self._wait(server.idle_s)

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == _HEAD and not self.write_paused:
            self._advance(self._buffer + data if self._buffer else data)
        elif state == _BODY:
            self._take_body(data)
        elif state == _CHUNKS:
            self._take_chunks(data)
        elif state == _LINGER:
            self._dropped += len(data)
            if self._dropped > _LINGER_BYTES:
                self._transport.abort()
        elif state != _CLOSED:
            self._buffer += data
            if len(self._buffer) > _PIPELINE_BYTES and not self._read_paused:
                self._read_paused = True
                self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._server.outbox.release(self._transport)
        self._leave()
        self._state = _CLOSED
        self._buffer = b""
        self._wait(self._server.write_s)
        return False  # the transport sends what is unsent and closes

    def connection_lost(self, exception: Exception | None) -> None:
        self._leave()
        self._state = _CLOSED
        self._buffer = b""
        self._server.forget(self)

    def pause_writing(self) -> None:
        self.write_paused = True
        self._unsent = self._untaken()
        self._wait(self._server.write_s)

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        if self._state == _BUSY:
            self.deadline = NEVER
        elif self._state == _HEAD:
            self._next_request()

    # --- reading --------------------------------------------------------------

    def _advance(self, data: bytes) -> None:
        """Take one request from `data`; what comes after it waits in the buffer."""
        if data.startswith(b"\r\n"):
            # RFC 9112 §2.2: empty lines before a request are forgiven. They don't move a deadline.
            data = data[_EMPTY_LINES.match(data).end() :]  # type: ignore[union-attr]
        server = self._server
        limit = server.settings.header_limit_bytes
        end = data.find(b"\r\n\r\n", 0, limit)
        if end < 0:
            self._wait_for_head(data, limit)
            return
        self._buffer = b""
        try:
            request = read_head(data[: end + 4])
        except LiziError as error:
            self._refuse(error, None)
            return
        self._request = request
        server.requests += 1
        request.draining = server.draining
        request.scheme = self._scheme
        request.client_address = self._peer
        if self._peer_trusted:
            server.belief.apply(request)
        self.keep_alive = request.keep_alive and not server.draining
        rest = data[end + 4 :]
        length = request.content_length or 0
        try:
            reply = server.app.screen(request)
        except Exception as exception:  # noqa: BLE001 - a defect in the app must not take the worker along
            reply = server.app.fault(_defect(exception), request)
        if reply is not None:
            server.refusals += 1
            if request.chunked or length > len(rest):
                self._answer_and_close(reply)
            else:
                self._buffer = rest[length:]
                self._begin(request).respond(reply.status, reply.headers, reply.body)
        elif length > server.settings.body_limit_bytes:
            largest = server.settings.body_limit_bytes
            self._refuse(InvalidRequest(f"The request's body is larger than {largest} bytes.", code="body_too_large"), request)
        elif request.chunked or length > len(rest):
            self._wait_for_body(request, rest)
        else:
            if length:
                request.body = rest[:length]
                rest = rest[length:]
            self._buffer = rest
            self._dispatch(request)

    def _wait_for_head(self, data: bytes, limit: int) -> None:
        if len(data) >= limit:
            self._refuse(InvalidRequest(f"Request line and headers are larger than {limit} bytes.", code="header_too_large"), None)
        elif data and (not 65 <= data[0] <= 90 or data.count(b"\n") != data.count(b"\r\n")):
            # Not an upper-case letter (TLS on a plain port, garbage), or a bare line feed: it will not get better.
            if data != b"\r":
                self._refuse(InvalidRequest("This is not an HTTP/1.1 request with CR LF line ends.", code="invalid_request"), None)
                return
            self._buffer = data
        else:
            if data and (not self._buffer or self.deadline == NEVER):
                self._wait(self._server.headers_s)
            self._buffer = data

    def _wait_for_body(self, request: Request, data: bytes) -> None:
        server = self._server
        if server.body_bytes_held >= server.body_bytes_limit:
            self._refuse(Refused("Too many large requests are being received.", code="busy", retry_after_s=1.0), request)
            return
        if request.expects_continue and not data:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._body_until = server.loop.time() + server.body_s * _BODY_SPAN
        if request.chunked:
            self._state = _CHUNKS
            self._chunks = ChunkedBody(server.settings.body_limit_bytes)
            self._take_chunks(data)
        else:
            self._state = _BODY
            self._take_body(data)

    def _take_body(self, data: bytes) -> None:
        request = cast(Request, self._request)
        self._hold_body(len(data))
        self._body += data
        missing = cast(int, request.content_length) - len(self._body)
        if missing > 0:
            return
        if missing < 0:
            self._buffer = bytes(self._body[missing:])
            del self._body[missing:]
        request.body = bytes(self._body)
        self._body = bytearray()
        self._dispatch(request)

    def _take_chunks(self, data: bytes) -> None:
        request, chunks = cast(Request, self._request), cast(ChunkedBody, self._chunks)
        self._hold_body(len(data))
        try:
            complete = chunks.feed(data)
        except LiziError as error:
            self._refuse(error, request)
            return
        if complete:
            request.body = chunks.body()
            self._buffer = chunks.rest
            self._chunks = None
            self._dispatch(request)

    def _hold_body(self, size_bytes: int) -> None:
        server = self._server
        self._held += size_bytes
        server.body_bytes_held += size_bytes
        self._wait(min(server.body_s, self._body_until - server.loop.time()))

    # --- answering ------------------------------------------------------------

    def _begin(self, request: Request) -> Responder:
        self._state = _BUSY
        self.deadline = NEVER
        self._server.active += 1
        self._responder = responder = Responder(self, request)
        return responder

    def _dispatch(self, request: Request) -> None:
        server = self._server
        responder = self._begin(request)
        try:
            answer = server.app.handle(request, responder)
        except Exception as exception:  # noqa: BLE001 - as above
            answer = server.app.fault(_defect(exception), request)
        if isinstance(answer, Reply):
            responder.respond(answer.status, answer.headers, answer.body)
        else:
            self._answer = answer
            self._task = server.tasks[responder] = server.loop.create_task(self._run(answer, request, responder))

    async def _run(self, answer: Coroutine[Any, Any, Reply | None], request: Request, responder: Responder) -> None:
        try:
            reply = await answer
            if not responder.started and reply is None and responder is self._responder:
                raise RuntimeError("the handler did not answer")
        except Exception as exception:  # noqa: BLE001 - as above
            reply = self._server.app.fault(_defect(exception), request)
        finally:
            # Not a done callback: that is one more turn of the loop for every request.
            self._server.tasks.pop(responder, None)
        if responder is not self._responder:
            return
        if not responder.started and reply is not None:
            responder.respond(reply.status, reply.headers, reply.body)
        elif not responder.ended:
            self._server.outbox.release(self._transport)
            self._transport.abort()  # a stream that broke off must not look complete

    def head(self, status: int, headers: Headers, framing: str) -> bytes:
        """The rendered head. Raises `ValueError` for a header that would end its line."""
        block = "".join([f"{name}: {value}\r\n" for name, value in headers])
        if block.count("\n") != len(headers) or block.count("\r") != len(headers):
            raise ValueError("a response header contains a line end")
        if not self.keep_alive:
            framing += "connection: close\r\n"
        elif self._request is not None and self._request.version == "1.0":
            framing += "connection: keep-alive\r\n"
        return f"{_STATUS_LINES[status]}{self._server.date_line}{block}{framing}\r\n".encode("latin-1")

    def send(self, data: bytes, *, at_once: bool = False) -> None:
        """To the socket: now, or with all that this turn of the loop sends."""
        server = self._server
        server.bytes_out += len(data)
        server.outbox.write(self._transport, data, at_once=at_once)

    def finished(self) -> None:
        """The answer is out: on to the next request, or close."""
        self._end_request()
        if not self.keep_alive or self._server.draining:
            self._close(linger=bool(self._buffer))
            return
        self._state = _HEAD
        if self._buffer:
            # By the loop, so that one read full of requests doesn't hold all others up.
            self._server.loop.call_soon(self._next_request)
        elif not self.write_paused:
            self._wait(self._server.idle_s)

    async def wait_until_writable(self) -> None:
        """Until the reader has taken enough."""
        if self._writable is None or self._writable.done():
            self._writable = self._server.loop.create_future()
        await self._writable

    def _next_request(self) -> None:
        if self._state != _HEAD or self.write_paused:
            return
        if self._read_paused:
            self._read_paused = False
            self._transport.resume_reading()
        data, self._buffer = self._buffer, b""
        if data:
            self._advance(data)
        else:
            self._wait(self._server.idle_s)

    def _end_request(self) -> None:
        if self._responder is not None:
            self._responder.forget()
            self._responder = None
            self._server.active -= 1
        self._task = self._answer = None
        self._request = None
        if self._held:
            self._server.body_bytes_held -= self._held
            self._held = 0
            self._body = bytearray()
            self._chunks = None

    def _leave(self) -> None:
        """The client is gone: stop what was done for it."""
        task = self._task
        if task is not None:
            self._server.clients_left += 1
            task.cancel()
            if self._answer is not None and getcoroutinestate(self._answer) == CORO_CREATED:
                self._answer.close()  # its task never got its first turn, so it can't say goodbye itself
                self._server.tasks.pop(cast(Responder, self._responder), None)
        self._end_request()

    def _refuse(self, error: LiziError, request: Request | None) -> None:
        self._server.faults += 1
        self._answer_and_close(self._server.app.fault(error, request))

    def _answer_and_close(self, reply: Reply) -> None:
        self.keep_alive = False
        silent = self._request is not None and self._request.method == "HEAD"
        head = self.head(reply.status, reply.headers, f"content-length: {len(reply.body)}\r\n")
        self.send(head if silent else head + reply.body)
        self._end_request()
        self._close(linger=True)

    def _close(self, *, linger: bool) -> None:
        self._server.outbox.release(self._transport)
        self._buffer = b""
        if not linger:
            self._state = _CLOSED
            self._transport.close()
            self._unsent = self._untaken()
            self._wait(self._server.write_s)  # a reader that never takes the rest
            return
        self._state = _LINGER
        if self._transport.can_write_eof():
            self._transport.write_eof()
        if self._read_paused:
            self._read_paused = False
            self._transport.resume_reading()
        self._wait(_LINGER_S)

    # --- time -----------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        server = self._server
        self.deadline = deadline = server.loop.time() + seconds
        if deadline * TICKS_PER_S < self.tick:
            server.watch(self)

    def expire(self) -> None:
        """The deadline has passed."""
        state = self._state
        server = self._server
        unsent = self._transport.get_write_buffer_size()
        if state == _LINGER:
            self._close(linger=False)
        elif unsent and state not in (_BODY, _CHUNKS):
            untaken = self._untaken()
            if untaken < self._unsent:  # slow, but it reads
                self._unsent = untaken
                self._wait(server.write_s)
                return
            server.slow_readers += 1
            self._transport.abort()
        elif state == _CLOSED:
            self._transport.abort()
        elif state == _HEAD and not self._buffer:
            self._close(linger=False)
        elif state != _BUSY:
            server.timeouts += 1
            what = "headers" if state == _HEAD else "body"
            self._refuse(InvalidRequest(f"The request's {what} did not arrive in time.", code="request_timeout"), self._request)

    def _untaken(self) -> int:
        """Octets that the client's machine has not taken, the kernel's queue included.

        Without the kernel's part a slow reader looks dead: the kernel takes more from us only once a third of its
        queue, which may be megabytes, is free.
        """
        size = self._transport.get_write_buffer_size()
        sock = self._transport.get_extra_info("socket")
        if sock is not None and hasattr(termios, "TIOCOUTQ"):
            try:
                size += int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
            except OSError:
                pass  # a socket that is gone, or of a kind without a queue
        return size

    def abort(self) -> None:
        """Cut, whatever is under way."""
        self._server.outbox.release(self._transport)
        self._leave()
        self._transport.abort()

    def close_if_idle(self) -> None:
        """Close a connection that has no request under way."""
        if self._state == _HEAD and not self._buffer:
            self._close(linger=False)


def _defect(exception: Exception) -> LiziError:
    error = LiziError("Something went wrong inside the service. It was recorded under this request's id.", code="internal")
    error.__cause__ = exception
    return error
