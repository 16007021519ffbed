"""A scripted partner: a real HTTP/1.1 server on a real loopback socket.

Answers `POST …/chat/completions` (or what its dialect asks at) by its script, `GET …/models`, `/health` and `/stats`. Keeps
the raw bytes of the latest requests and notes every client that left before its answer's end. One timer serves all
streams. Never keeps more than `capture` requests or `MAX_CANCELLED` departures; one request at a time per connection.
Standard: RFC 9112, OpenAI chat completions, Anthropic Messages.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, cast

import httptools
import msgspec

from lizi.testing.behaviours import STAMP, Asked, Behaviour
from lizi.testing.captured import Captured, Departure, Script, asked_of
from lizi.testing.rendering import Rendering, render
from lizi.testing.speeches import SPEECHES
from lizi.testing.ticker import Ticker

__all__ = ["Captured", "Departure", "Partner", "Script"]

MAX_CANCELLED = 10_000
MAX_RENDERINGS = 512
"""Cached answers; past it the cache is emptied, since a script that varies so much gains nothing by it."""
MAX_BODY_BYTES = 256 * 1024 * 1024
_TURNS = 4
"""Of the loop, in which a connection that was just accepted is made, dropped and closed."""
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST


class _Connection(asyncio.Protocol):
    __slots__ = (
        "asked", "body", "busy", "due", "keep_raw", "number", "parser", "partner", "paused", "position", "raw", "rendering", "size",
        "transport", "url", "waiting",
    )  # fmt: skip

    def __init__(self, partner: Partner) -> None:
        self.partner = partner
        self.parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport | None = None
        self.raw: list[bytes] = []
        self.body: list[bytes] = []
        self.size = 0
        self.url = b""
        self.busy = False
        self.paused = False
        self.waiting = False
        self.rendering: Rendering | None = None
        self.position = 0
        self.due = 0.0
        self.number = 0
        self.asked = Asked()

    # --- transport
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports are no subclasses of it
        if self.partner._ended:
            self.transport.abort()  # accepted just before the listener closed
        self.partner._connections.add(self)
        self.partner.connections_total += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._left()
        self.transport = None
        self.partner._connections.discard(self)
        self.partner._wake()

    def eof_received(self) -> bool:
        self._left()
        return False

    def _left(self) -> None:
        if self.busy:
            self.busy = False
            partner = self.partner
            partner.in_flight -= 1
            partner.cancelled_total += 1
            partner.cancelled.append(Departure(number=self.number, at_mono=time.monotonic(), after_steps=self.position))
            partner._wake()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.waiting:
            self.waiting = False
            self.advance()

    def data_received(self, data: bytes) -> None:
        self.raw.append(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # an offer to speak another protocol is ignored
        except (httptools.HttpParserError, ValueError):
            if self.transport is not None:
                self.transport.abort()

    # --- parser
    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_headers_complete(self) -> None:
        head = b"".join(self.raw).split(b"\r\n\r\n", 1)[0].lower()
        if b"\r\nexpect:" in head and self.transport is not None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self.size += len(body)
        if self.size > MAX_BODY_BYTES:
            raise ValueError("body too large")
        self.body.append(body)

    def on_message_complete(self) -> None:
        if self.busy:
            raise ValueError("pipelined request")
        url, body, raw = self.url, b"".join(self.body), self.raw
        self.url, self.body, self.raw, self.size = b"", [], [], 0
        path = url.split(b"?", 1)[0]
        partner = self.partner
        if partner._asked_at(path) and self.parser.get_method() == b"POST":
            self._chat(raw, body)
        elif path.endswith(b"/models"):
            self._say(200, {"object": "list", "data": [{"id": "scripted", "object": "model", "created": 0, "owned_by": "partner"}]})
        elif path.endswith(b"/health"):
            self._say(200, {"status": "ok"})
        elif path.endswith(b"/stats"):
            self._say(200, partner.stats())
        else:
            self._say(404, {"error": {"message": "no such path", "type": "invalid_request_error", "code": "not_found"}})

    def _say(self, status: int, tree: Any) -> None:
        body = msgspec.json.encode(tree)
        head = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        if self.transport is not None:
            self.transport.write(head + body)

    def _chat(self, raw: list[bytes], body: bytes) -> None:
        try:
            asked = asked_of(body)
        except msgspec.MsgspecError:
            self._say(400, {"error": {"message": "the body is not JSON", "type": "invalid_request_error", "code": "bad_request"}})
            return
        partner = self.partner
        self.number = partner.requests_total
        partner.requests_total += 1
        captured: Captured | None = None
        if partner.capture or partner._choose is not None:
            whole = raw[0] if len(raw) == 1 else b"".join(raw)
            head = whole[: whole.find(b"\r\n\r\n") + 4]
            captured = Captured(
                number=self.number, head=head, body=body, at_mono=time.monotonic(), asked=asked, in_flight=partner.in_flight + 1
            )
            partner.requests.append(captured)
        self.busy = True
        partner.in_flight += 1
        if partner.in_flight > partner.in_flight_max:
            partner.in_flight_max = partner.in_flight
        self.rendering = partner._rendering(asked, captured, partner._refusal(raw, body))
        self.position = 0
        partner._wake()
        delay = self.rendering.steps[0].delay_s
        self.due = time.monotonic()
        if delay:
            self.due += delay
            partner._ticker.at(self.due, self)
        else:
            self.advance()

    # --- the answer
    def advance(self) -> None:
        """Write the step that is due and those that belong to it, then wait for the next."""
        transport, rendering = self.transport, self.rendering
        if transport is None or rendering is None or not self.busy:
            return
        steps, stamped = rendering.steps, rendering.stamped
        position, count = self.position, len(rendering.steps)
        together: list[bytes] = []
        size = 0
        while True:
            data = steps[position][1]
            if stamped and STAMP in data:
                data = data.replace(STAMP, b"%016d" % (self.due * 1e6))
            together.append(data)
            size += len(data)
            position += 1
            if position == count or steps[position][0] is not None:
                break
            if size >= 262_144:  # what a flood hands to the transport at once
                break
        self.position = position
        transport.write(together[0] if len(together) == 1 else b"".join(together))
        self.partner.bytes_sent += size
        if position == count:
            self._end(transport, rendering)
            return
        delay = steps[position][0]
        if self.paused:
            self.waiting = True
        elif not delay:
            self.partner._loop.call_soon(self.advance)
        else:
            self.due += delay
            self.partner._ticker.at(self.due, self)

    def _end(self, transport: asyncio.Transport, rendering: Rendering) -> None:
        ending = rendering.ending
        if ending == "stall":
            return  # stays under way until the client leaves
        self.busy = False
        self.rendering = None
        self.partner.in_flight -= 1
        self.partner.completed_total += 1
        self.partner._wake()
        if ending == "close":
            transport.close()
        elif ending == "reset":
            # one turn of the loop, so that the bytes before the reset leave first
            self.partner._loop.call_later(0.002, self._reset)

    def _reset(self) -> None:
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()


class Partner:
    """A scripted partner. `async with Partner(script=[…]) as partner: partner.base_url`.

    `script` is one behaviour for all requests, a list used in turn (the last one stays, or the list
    begins again with `cycle`), or a callable of the captured request. As a plain `with` it runs in
    a thread of its own, for synchronous tests. Never reaches beyond the host that it binds.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 0,
        capture: int = 1_000,
        cycle: bool = False,
        tls: ssl.SSLContext | None = None,
        dialect: str = "",
        key: str = "",
    ) -> None:
        self.speech = SPEECHES[dialect] if dialect else None
        """How it speaks, and what it refuses; `None` for the bare protocol, which refuses nothing."""
        self._key = key
        """The credential that it gave out; empty: it takes any."""
        self._choose: Callable[[Captured], Behaviour] | None = None
        self._script: Sequence[Behaviour] = ()
        self._cycle = cycle
        self.play(script if script is not None else Behaviour())
        self._host, self._port, self._seed, self._tls = host, port, seed, tls
        self.capture = capture
        self.requests: deque[Captured] = deque(maxlen=capture)
        self.cancelled: deque[Departure] = deque(maxlen=MAX_CANCELLED)
        self.requests_total = 0
        self.refused: deque[str] = deque(maxlen=capture)
        """The rules of the partner's that requests broke."""
        self.completed_total = 0
        self.cancelled_total = 0
        self.connections_total = 0
        self.in_flight = 0
        self.in_flight_max = 0
        self.bytes_sent = 0
        self._connections: set[_Connection] = set()
        self._cache: dict[tuple[int, Asked], tuple[Behaviour, Rendering]] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._server: asyncio.Server | None = None
        self._thread: threading.Thread | None = None
        self._ended = False
        self._loop: asyncio.AbstractEventLoop
        self._ticker: Ticker
        self.base_url = ""

    def play(self, script: Script) -> None:
        """Use another script from the next request on."""
        self._turn = 0
        if isinstance(script, Behaviour):
            self._choose, self._script = None, (script,)
        elif callable(script):
            self._choose, self._script = script, ()
        elif script:
            self._choose, self._script = None, tuple(script)
        else:
            raise ValueError("a script needs at least one behaviour")

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    def stats(self) -> dict[str, float]:
        """What `/stats` answers: is this partner itself the bottleneck?"""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "requests": self.requests_total,
            "completed": self.completed_total,
            "cancelled": self.cancelled_total,
            "connections": self.connections_total,
            "open_connections": len(self._connections),
            "in_flight": self.in_flight,
            "in_flight_max": self.in_flight_max,
            "bytes_sent": self.bytes_sent,
            "timed_writes": self._ticker.writes,
            "late_writes": self._ticker.late_writes,
            "lateness_max_ms": self._ticker.lateness_max_s * 1000,
            "cpu_s": usage.ru_utime + usage.ru_stime,
        }

    async def until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """Wait for something to be true of this partner; raises `TimeoutError`.

        Asked again at each begin, end and departure of a request. `partner.until(lambda: partner.in_flight == 1)`
        """
        async with asyncio.timeout(timeout_s):
            while not condition():
                waiter = self._loop.create_future()
                self._waiters.append(waiter)
                await waiter

    def _wake(self) -> None:
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _rendering(self, asked: Asked, captured: Captured | None, refusal: Behaviour | None) -> Rendering:
        if refusal is not None:
            behaviour = refusal
        elif self._choose is not None and captured is not None:
            behaviour = self._choose(captured)
        else:
            turn, self._turn = self._turn, self._turn + 1
            script = self._script
            behaviour = script[turn % len(script)] if self._cycle else script[min(turn, len(script) - 1)]
        key = (id(behaviour), asked)
        found = self._cache.get(key)
        if found is not None and found[0] is behaviour:
            return found[1]
        if len(self._cache) >= MAX_RENDERINGS:
            self._cache.clear()
        if self.speech is None:
            rendering = render(behaviour, asked, self._seed)
        else:
            rendering = render(self.speech.dressed(behaviour), asked, self._seed, self.speech.family)
        self._cache[key] = (behaviour, rendering)  # keeps the behaviour alive, so that its id stays its own
        return rendering

    def _asked_at(self, path: bytes) -> bool:
        """Whether chats are asked at `path`: a dialect has one address, the bare protocol any."""
        if self.speech is None:
            return path.endswith(b"/chat/completions")
        return path == (self.speech.prefix + self.speech.path).encode()

    def _refusal(self, raw: list[bytes], body: bytes) -> Behaviour | None:
        """The answer to a request that this partner does not take."""
        speech = self.speech
        if speech is None:
            return None
        headers = {}
        for line in b"".join(raw).split(b"\r\n\r\n", 1)[0].decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        tree = msgspec.json.decode(body)
        refusal = speech.refusal(tree, headers, self._key)
        if refusal is not None:
            self.refused.append(speech.broken(tree, headers) or "the credential")
        return refusal

    async def start(self) -> Self:
        """Bind and listen."""
        self._loop = asyncio.get_running_loop()
        self._ended = False
        self._ticker = Ticker(self._loop)
        self._server = await self._loop.create_server(
            lambda: _Connection(self), self._host, self._port, ssl=self._tls, backlog=4096, reuse_address=True
        )
        port = self._server.sockets[0].getsockname()[1]
        scheme = "https" if self._tls else "http"
        self.base_url = f"{scheme}://{self._host}:{port}{self.speech.prefix if self.speech is not None else '/v1'}"
        return self

    async def stop(self) -> None:
        """Close the listener and every connection."""
        self._ended = True
        if self._server is not None:
            for listener in self._server.sockets:
                self._loop.remove_reader(listener)
            await asyncio.sleep(0)  # CPython 3.11 loses a socket, open, that was accepted in the turn in which its server closes
            self._server.close()
        self._ticker.close()
        self.drop()
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def drop(self) -> None:
        """Abort every connection at once, as the death of a process does; what comes next is answered. No client counts as departed."""
        for connection in list(self._connections):
            if connection.transport is not None:
                if connection.busy:
                    connection.busy = False
                    self.in_flight -= 1
                connection.transport.abort()
        self._wake()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    def __enter__(self) -> Self:
        ready = threading.Event()
        failure: list[BaseException] = []

        async def live() -> None:
            try:
                await self.start()
                self._stopped = asyncio.Event()
            except BaseException as error:
                failure.append(error)
                raise
            finally:
                ready.set()
            await self._stopped.wait()
            await self.stop()

        self._thread = threading.Thread(target=lambda: asyncio.run(live()), name="scripted-partner", daemon=True)
        self._thread.start()
        ready.wait(10)
        if failure:
            raise failure[0]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        if self._thread is not None:
            self._thread.join(10)
