"""What an app is asked and how it answers: the hooks `App`, a whole `Reply`, a `Responder` for streams.

Never keeps a connection alive or reads from it; holds no octets but a head that waits for the
first part. Back-pressure: `drain`. Follows RFC 9112 §7.1 for chunks.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from lizi.edge.request_reading import Request
from lizi.errors import LiziError

if TYPE_CHECKING:
    from lizi.edge.connection import Connection

__all__ = ["App", "Headers", "Reply", "Responder"]

Headers = Sequence[tuple[str, str]]


class Reply(Struct, frozen=True, kw_only=True):
    """A whole answer. `content-length`, `date` and `connection` are the server's to add."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class App(Protocol):
    """What the server serves."""

    def screen(self, request: Request) -> Reply | None:
        """Called when the head is complete and no body has been read. A `Reply` refuses: the body is then never read."""
        ...

    def handle(self, request: Request, responder: Responder) -> Reply | Coroutine[Any, Any, Reply | None]:
        """Answer at once, or by a coroutine that uses `responder` or returns a `Reply`. It is cancelled when the client leaves."""
        ...

    def fault(self, error: LiziError, request: Request | None) -> Reply:
        """The answer to a request that broke HTTP or a limit (`request` None: its head could not be read).

        Also the last resort for a defect in `handle`; the exception is then the error's `__cause__`.
        """
        ...


class Responder:
    """Answers one request: `respond`, or `start`, `write` … `end`. Does nothing once the client has left."""

    __slots__ = ("_chunked", "_connection", "_held_head", "_request", "_silent", "ended", "started")

    def __init__(self, connection: Connection, request: Request) -> None:
        self._connection: Connection | None = connection
        self._request = request
        self._held_head: bytes | None = None
        self._chunked = False
        self._silent = request.method == "HEAD"
        self.started = False
        self.ended = False

    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """The whole answer, in one write."""
        connection = self._connection
        if connection is None:
            return
        if self.started:
            raise RuntimeError("the answer has already begun")
        length = "" if status in (204, 304) else f"content-length: {len(body)}\r\n"
        head = connection.head(status, headers, length)
        self.started = self.ended = True
        connection.send(head if self._silent else head + body)
        connection.finished()

    def start(self, status: int, headers: Headers) -> None:
        """Begin a stream. The head leaves with the first `write` or with `end`."""
        connection = self._connection
        if connection is None:
            return
        if self.started:
            raise RuntimeError("the answer has already begun")
        self._chunked = self._request.version == "1.1"
        if not self._chunked:
            connection.keep_alive = False  # HTTP/1.0 has no chunks: the end of the connection ends the body
        self._held_head = connection.head(status, headers, "transfer-encoding: chunked\r\n" if self._chunked else "")
        self.started = True

    def write(self, data: bytes) -> None:
        """Send a part. Call `drain` afterwards, or the unsent parts pile up."""
        if self._connection is not None and data and not self.ended:
            self._send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    @property
    def congested(self) -> bool:
        """More than `write_buffer_bytes` are unsent."""
        return self._connection is not None and self._connection.write_paused

    async def drain(self) -> None:
        """Return once less than `write_buffer_bytes` are unsent."""
        if self._connection is not None and self._connection.write_paused:
            await self._connection.wait_until_writable()

    def end(self, data: bytes = b"") -> None:
        """Send a last part, if any, and end the answer."""
        connection = self._connection
        if connection is None or self.ended:
            return
        if not self.started:
            raise RuntimeError("the answer has not begun")
        last = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
        self._send(last if self._chunked else data)
        self.ended = True
        connection.finished()

    def forget(self) -> None:
        """The client has left, or the request is over."""
        self._connection = None

    def _send(self, data: bytes) -> None:
        if self._silent:
            data = b""
        if self._held_head is not None:
            data, self._held_head = self._held_head + data, None
        connection = self._connection
        if data and connection is not None:
            # A stream's pieces come one by one: they would wait for a turn of the loop and find no company (measured: 4 µs each).
            connection.send(data, at_once=True)
