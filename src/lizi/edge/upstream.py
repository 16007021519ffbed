"""Asks partners over HTTP/1.1: `lizi.ports.Upstream` on our own sockets.

Keeps a bounded pool per scheme, host and port; a request waits for a place until its connect
deadline. Leaving a reply early, before or after its headers, closes the connection at once. Never
follows a redirect, never reads a proxy from the environment, never connects where the address
policy forbids, never sends a header that could end another. Standard: RFC 9110, RFC 9112.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from time import monotonic
from types import TracebackType
from typing import cast
from urllib.parse import urlsplit

from lizi.edge.addresses import is_literal, refusal
from lizi.edge.outbox import Outbox
from lizi.edge.partner_connection import Connection, WireReply, fault
from lizi.errors import ConfigError, LiziError
from lizi.types import Call

__all__ = ["HttpUpstream"]

IDLE_S = 30.0
"""Shorter than the idle time-outs of common front servers (60 s and more), so that we close first."""
CONNECTIONS = 1_000
"""For an address that no partner's settings name."""
WAITERS = 20_000
"""More than the bound on exchanges in flight: reached by a defect only, and then refused at once."""
HEADS = 1_024
"""Prepared heads kept; there are as many as targets. Past it all are made anew."""

_TOKEN = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 §5.6.2
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 §5.5
_TARGET = re.compile(r"[\x21-\x7e]*")
_OURS = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"connection", b"authorization", b"x-api-key", b"accept-encoding", b"upgrade", b"te"}
)
"""Set by this module alone."""


class HttpUpstream:
    """The partner client of one worker. Make it within the loop that uses it.

    `resolve` turns a credential reference into the secret, which is kept until `configure`, so that a
    request waits for no disk. `connections` bounds connections by base URL. The counters are plain
    integers for telemetry: `opened`, `reused`, `retried`, `waited`, `cancelled`, `failed`.
    """

    def __init__(
        self,
        resolve: Callable[[str], str],
        *,
        connections: Mapping[str, int] | None = None,
        private: Collection[str] = (),
        idle_s: float = IDLE_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._resolve = resolve
        self._idle_s = idle_s
        self._tls = tls
        self.outbox = Outbox(asyncio.get_running_loop())
        self._pools: dict[tuple[str, str, int], _Pool] = {}
        self._heads: dict[tuple[str, str, tuple[tuple[bytes, bytes], ...], str, str], tuple[_Pool, bytes]] = {}
        self._limits: dict[tuple[str, str, int], int] = {}
        self.private: frozenset[str] = frozenset()
        """Hosts whose names may lead into a private network."""
        self.opened = 0
        self.reused = 0
        self.retried = 0
        self.waited = 0
        self.cancelled = 0
        self.failed = 0
        self.configure(connections or {}, private)

    def configure(self, connections: Mapping[str, int], private: Collection[str] = ()) -> None:
        """Take new bounds and forget resolved secrets; exchanges under way go on. Call at each reload.

        `private` are base URLs whose host may resolve to addresses of a private network.
        """
        self.private = frozenset(_origin(base_url)[0][1] for base_url in private)
        limits: dict[tuple[str, str, int], int] = {}
        for base_url, limit in connections.items():
            origin = _origin(base_url)[0]
            limits[origin] = max(limit, limits.get(origin, 0))  # two partners at one address share its pool
        self._limits = limits
        self._heads.clear()
        for origin, pool in self._pools.items():
            pool.limit = limits.get(origin, CONNECTIONS)

    @property
    def open_connections(self) -> int:
        """Connections that stand or are being made, idle ones included."""
        return sum(pool.open for pool in self._pools.values())

    @property
    def idle_connections(self) -> int:
        """Connections kept for the next request."""
        return sum(len(pool.idle) for pool in self._pools.values())

    def ask(self, call: Call, *, connect_deadline_mono: float, headers_deadline_mono: float) -> AbstractAsyncContextManager[WireReply]:
        """As `lizi.ports.Upstream.ask`. `internal` of its errors names the phase:

        `dns`, `address_refused`, `connect`, `tls`, `timeout_connect`, `pool`, `timeout_headers`,
        `timeout_read`, `cut`, `broken_http`, `too_large`, `credential`, `bad_call`.
        """
        return _Ask(self, call, connect_deadline_mono, headers_deadline_mono)

    async def close(self) -> None:
        """Close every connection, those in use as well."""
        for pool in self._pools.values():
            pool.close()
        await asyncio.sleep(0)  # lets the transports close

    def _prepared(self, call: Call) -> tuple[_Pool, bytes]:
        """The pool and the head up to the length, made once per target."""
        key = (call.method, call.url, call.headers, call.credential, call.authorization)
        found = self._heads.get(key)
        if found is None:
            if len(self._heads) >= HEADS:
                self._heads.clear()
            found = self._heads[key] = self._prepare(call)
        return found

    def _prepare(self, call: Call) -> tuple[_Pool, bytes]:
        try:
            origin, authority, target = _origin(call.url)
            secret = self._resolve(call.credential).encode("latin-1") if call.credential else b""
        except ConfigError as error:
            raise fault("credential") from error
        except ValueError as error:  # an address or a secret that HTTP can't carry
            raise fault("bad_call") from error
        if call.method not in ("GET", "POST"):
            raise fault("bad_call")
        lines = [f"{call.method} {target} HTTP/1.1\r\nhost: {authority}\r\n".encode("ascii")]
        lines.append(b"accept-encoding: identity\r\n")
        headers = call.headers
        if secret:
            carried = (b"authorization", b"Bearer " + secret) if call.authorization == "bearer" else (b"x-api-key", secret)
            headers = (*headers, carried)
        named = {name.lower() for name, _ in call.headers}
        if b"user-agent" not in named:
            headers = (*headers, (b"user-agent", b"lizi"))
        if named & _OURS:
            raise fault("bad_call")
        for name, value in headers:
            if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
                raise fault("bad_call")
            lines.append(name + b": " + value + b"\r\n")
        pool = self._pools.get(origin)
        if pool is None:
            if origin[0] == "https" and self._tls is None:
                self._tls = ssl.create_default_context()
            pool = self._pools[origin] = _Pool(self, origin, self._limits.get(origin, CONNECTIONS), self._idle_s)
        return pool, b"".join(lines)


class _Ask:
    """The context of one request. A class, since a generator would cost more than the request's own bookkeeping."""

    __slots__ = ("_call", "_client", "_connect_deadline", "_connection", "_headers_deadline")

    def __init__(self, client: HttpUpstream, call: Call, connect_deadline: float, headers_deadline: float) -> None:
        self._client = client
        self._call = call
        self._connect_deadline = connect_deadline
        self._headers_deadline = headers_deadline
        self._connection: Connection | None = None

    async def __aenter__(self) -> WireReply:
        client, body = self._client, self._call.body
        try:
            pool, head = client._prepared(self._call)
            head = b"%bcontent-length: %d\r\n\r\n" % (head, len(body))
            connection = pool.take()
            again = False
            while True:
                if connection is None:
                    connection = await pool.connect(self._connect_deadline)
                else:
                    client.reused += 1
                # a connection that was handed over while the request waited may have served before
                kept = connection.served > 0
                reply = connection.begin(head, body)
                try:
                    while not reply.status and reply.fault is None:
                        await reply.wait(self._headers_deadline)
                except BaseException:
                    connection.abort()
                    client.cancelled += 1
                    raise
                if reply.status:
                    reply.wants_head = False
                    self._connection = connection
                    return reply
                stale = kept and not again and reply.stale
                connection.abort()
                if not stale:
                    raise reply.fault or fault("broken_http")
                client.retried += 1
                again = True
                pool.forget_one()
                connection = None
        except LiziError:
            client.failed += 1
            raise

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        connection = self._connection
        if connection is not None:
            self._connection = None
            reply = connection.reply
            if reply is not None and not reply.ended and reply.fault is None:
                self._client.cancelled += 1
            connection.leave()


class _Pool:
    """Connections to one address: at most `limit`, idle ones last in first out."""

    __slots__ = ("_client", "_idle_s", "_loop", "_origin", "_sweeper", "_waiters", "all", "idle", "limit", "open")

    def __init__(self, client: HttpUpstream, origin: tuple[str, str, int], limit: int, idle_s: float) -> None:
        self._client = client
        self._origin = origin
        self._loop = asyncio.get_running_loop()
        self._idle_s = idle_s
        self._sweeper: asyncio.TimerHandle | None = None
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self.limit = limit
        self.open = 0
        self.idle: list[Connection] = []
        self.all: set[Connection] = set()

    # --- places
    def take(self) -> Connection | None:
        """The idle connection used last, if one still stands."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if connection.usable() and monotonic() - connection.idle_since < self._idle_s:
                connection.idle_since = 0.0
                return connection
            connection.abort()
        return None

    def forget_one(self) -> None:
        """Close one idle connection, so that a fresh one has a place where the bound is reached."""
        if self.open >= self.limit and self.idle:
            self.idle.pop().abort()

    async def connect(self, deadline: float) -> Connection:
        """A fresh connection; at the bound, the next place or connection that comes free before `deadline`."""
        if self.open >= self.limit:
            handed = await self._wait(deadline)
            if handed is not None:
                return handed
        else:
            self.open += 1
        connection = Connection(self._loop, self, self._client.outbox)
        self.all.add(connection)
        try:
            await self._dial(connection, deadline)
        except BaseException:
            connection.abort()  # also one that comes to stand only after this
            raise
        self._client.opened += 1
        return connection

    async def _wait(self, deadline: float) -> Connection | None:
        """A connection, or None with a place of our own."""
        if len(self._waiters) >= WAITERS:
            raise fault("pool")
        self._client.waited += 1
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        timer = self._loop.call_later(max(0.0, deadline - monotonic()), _expire, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())
            raise
        finally:
            timer.cancel()
            if waiter.cancelled() or waiter.exception() is not None:
                try:
                    self._waiters.remove(waiter)
                except ValueError:
                    pass  # taken out by who woke it

    def release(self, connection: Connection) -> None:
        """As `Pool.release`: to who waits longest, else kept for a while."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if self.open > self.limit:  # the bound was lowered by a reload
            connection.abort()
            return
        connection.idle_since = monotonic()
        self.idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._idle_s, self._sweep)

    def dropped(self, connection: Connection) -> None:
        """As `Pool.dropped`: its place goes to who waits longest."""
        self.all.discard(connection)
        if connection.idle_since and connection in self.idle:
            self.idle.remove(connection)
        while self._waiters and self.open <= self.limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.open -= 1

    def _pass_on(self, handed: Connection | None) -> None:
        """Give away what was handed to a request that has left in the same moment."""
        if handed is not None:
            self.release(handed)
            return
        self.open -= 1
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self.open += 1
                waiter.set_result(None)
                return

    def _sweep(self) -> None:
        self._sweeper = None
        now = monotonic()
        while self.idle and now - self.idle[0].idle_since >= self._idle_s:
            self.idle.pop(0).abort()
        if self.idle:
            self._sweeper = self._loop.call_later(max(0.001, self.idle[0].idle_since + self._idle_s - now), self._sweep)

    def close(self) -> None:
        """Close all; who waits is told."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(fault("pool"))
        self._waiters.clear()
        self.idle.clear()
        for connection in list(self.all):
            if connection.reply is not None and connection.reply.fault is None and not connection.reply.ended:
                reply = connection.reply
                reply.fault = fault("cut", in_body=reply.status != 0)
                reply.wake()
            connection.abort()

    # --- connecting
    async def _dial(self, connection: Connection, deadline: float) -> None:
        scheme, host, port = self._origin
        with _mapped("dns"):
            async with asyncio.timeout(max(0.0, deadline - monotonic())):
                addresses = await self._addresses(host, port)
        private = host in self._client.private
        allowed = [address for address in addresses if refusal(address, host, private=private) is None]
        if not allowed:
            raise fault("address_refused")
        tls = self._client._tls if scheme == "https" else None
        last: LiziError = fault("connect")
        for position, address in enumerate(allowed):
            left = deadline - monotonic()
            try:
                with _mapped("connect"):
                    # an address that swallows packets must leave time for the others
                    async with asyncio.timeout(max(0.0, left / (len(allowed) - position))):
                        await self._loop.create_connection(
                            lambda: connection, address, port, ssl=tls, server_hostname=host if tls is not None else None
                        )
                return
            except LiziError as error:
                last = error
                if position + 1 == len(allowed) or not connection.fresh:
                    raise
        raise last

    async def _addresses(self, host: str, port: int) -> list[str]:
        if is_literal(host):
            return [host]
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(cast(str, entry[4][0]) for entry in found))


def _expire(waiter: asyncio.Future[Connection | None]) -> None:
    if not waiter.done():
        waiter.set_exception(fault("pool"))


@contextmanager
def _mapped(phase: str) -> Iterator[None]:
    """The one place where foreign exceptions become ours."""
    try:
        yield
    except TimeoutError as error:
        raise fault("timeout_connect") from error
    except socket.gaierror as error:
        raise fault("dns") from error
    except ssl.SSLError as error:  # certificates included; a subclass of OSError, so before it
        raise fault("tls") from error
    except (OSError, ValueError, UnicodeError) as error:
        raise fault(phase) from error


def _origin(url: str) -> tuple[tuple[str, str, int], str, str]:
    """`(scheme, host, port)`, the Host header's value and the request target; raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.password is not None:
        raise ValueError("an address needs http or https, a host and no user name")
    if parts.fragment or not _TARGET.fullmatch(parts.path) or not _TARGET.fullmatch(parts.query) or not _TARGET.fullmatch(parts.netloc):
        raise ValueError("an address is plain ASCII without spaces or a fragment")
    host = parts.hostname
    port = parts.port or (443 if parts.scheme == "https" else 80)
    shown = f"[{host}]" if ":" in host else host
    authority = shown if parts.port is None else f"{shown}:{parts.port}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (parts.scheme, host, port), authority, target
