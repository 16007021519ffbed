"""HTTP/1.1 server on uvloop: listening sockets, their connections, one clock for all deadlines.

    server = Server(app, settings, ssl_context=None)
    await server.listen(sock)            # TCP or Unix, already bound; may be called again
    server.drain()                       # requests see `draining`; a connection closes after its answer
    await server.closed(deadline_mono)   # no new connections; what is still open then is cut

`app` gives three hooks, see `App`. Never upgrades to another protocol. Bounds: the settings'
limits for each connection, `_BODIES_HELD` unfinished bodies for each worker.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from lizi.edge.connection import LATE, NEVER, TICKS_PER_S, Connection
from lizi.edge.outbox import Outbox
from lizi.edge.request_reading import ProxyBelief, Request
from lizi.edge.responder import App, Reply, Responder

if TYPE_CHECKING:
    from lizi.settings import ServerSettings

__all__ = ["App", "Reply", "Request", "Responder", "Server"]

_BODIES_HELD = 16
"""Unfinished bodies of the largest size that a worker holds at once; beyond that, new ones get 503."""

_LAST_STEPS_S = 2.0
"""Cancelled work gets this long for its last steps."""


class Server:
    """Listening sockets, their connections, and one clock for all their deadlines.

    Counters are plain integers that only grow, except `active` (requests under way) and
    `body_bytes_held`.
    """

    def __init__(self, app: App, settings: ServerSettings, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self.app = app
        self.settings = settings
        self.ssl_context = ssl_context
        self.belief = ProxyBelief(settings.trusted_proxies)
        self.loop = asyncio.get_running_loop()
        self.outbox = Outbox(self.loop)
        self.connections: set[Connection] = set()
        self.tasks: dict[Responder, asyncio.Task[None]] = {}
        """What is at work, by the answer that it works for: a task would have to ask the loop which one it is."""
        self.draining = False
        self.headers_s = settings.headers_timeout_ms / 1000
        self.body_s = settings.body_timeout_ms / 1000
        self.idle_s = settings.idle_timeout_ms / 1000
        self.write_s = settings.write_timeout_ms / 1000
        self.body_bytes_limit = settings.body_limit_bytes * _BODIES_HELD
        self.body_bytes_held = 0
        self.active = 0
        self.requests = 0
        self.refusals = 0
        self.faults = 0
        self.timeouts = 0
        self.slow_readers = 0
        self.clients_left = 0
        self.connections_opened = 0
        self.connections_refused = 0
        self.bytes_out = 0
        self.date_line = ""
        self._servers: list[asyncio.Server] = []
        self._buckets: dict[int, set[Connection]] = {}
        self._tick = int(self.loop.time() * TICKS_PER_S)
        self._date_second = 0
        self._idle_waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._turn()

    async def listen(self, sock: socket.socket) -> None:
        """Serve connections of `sock`, which is bound already and may be shared with other workers."""
        sock.setblocking(False)
        if sock.family == socket.AF_UNIX:
            self._servers.append(await self.loop.create_unix_server(lambda: Connection(self), sock=sock))
            return
        _find_dead_peers(sock, self.settings.write_timeout_ms)
        handshake_s = self.headers_s if self.ssl_context is not None else None
        self._servers.append(
            await self.loop.create_server(
                lambda: Connection(self), sock=sock, ssl=self.ssl_context, ssl_handshake_timeout=handshake_s, backlog=2048
            )
        )

    def drain(self) -> None:
        """Requests see `draining` from now on, and a connection closes after its answer."""
        self.draining = True

    async def closed(self, deadline_mono: float) -> int:
        """Stop listening, let requests under way end; cut what is left at the deadline. Returns how many were cut."""
        self.drain()
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.close_if_idle()
        if self.connections:
            self._idle_waiter = self.loop.create_future()
            await asyncio.wait([self._idle_waiter], timeout=max(0.0, deadline_mono - time.monotonic()))
        cut = list(self.connections)
        for connection in cut:
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()
        if self.tasks:
            # Cancelled work closes its partner's connection and settles; that waits for nothing outside.
            await asyncio.wait(self.tasks.values(), timeout=_LAST_STEPS_S)
        return len(cut)

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        bucket = self._buckets.get(connection.tick)
        if bucket is not None:
            bucket.discard(connection)
        if not self.connections and self._idle_waiter is not None and not self._idle_waiter.done():
            self._idle_waiter.set_result(None)

    def watch(self, connection: Connection) -> None:
        """Look at the connection when its deadline has passed.

        Deadlines only ever move later without a call here: the bucket finds that out and moves the connection on.
        """
        bucket = self._buckets.get(connection.tick)
        if bucket is not None:
            bucket.discard(connection)
        connection.tick = tick = max(int(connection.deadline * TICKS_PER_S), self._tick) + 1
        self._buckets.setdefault(tick, set()).add(connection)

    def _turn(self) -> None:
        """Four times a second: refresh the date, look at the connections whose time may be up."""
        self._timer = self.loop.call_later(1 / TICKS_PER_S, self._turn)
        second = int(time.time())
        if second != self._date_second:
            self._date_second = second
            self.date_line = f"date: {formatdate(second, usegmt=True)}\r\n"
        now = self.loop.time()
        while self._tick < int(now * TICKS_PER_S):
            self._tick += 1
            for connection in self._buckets.pop(self._tick, ()):
                connection.tick = LATE
                if connection.deadline <= now:
                    connection.expire()
                elif connection.deadline != NEVER:
                    self.watch(connection)


def _find_dead_peers(sock: socket.socket, write_timeout_ms: int) -> None:
    """Let the kernel notice clients that vanished without a word; accepted sockets inherit this on Linux.

    Three times the write timeout: a reader that is merely stuck is ours to notice first, and to count.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 3 * write_timeout_ms)):
        option = getattr(socket, name, None)
        if option is not None:  # not every system knows each of them
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
