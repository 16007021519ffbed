"""One suite for the port `Upstream`: our own client and one made of a library must both pass it.

The reference lives here and nowhere else; it is what our client is measured against, not a
second product.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import aiohttp
import hypothesis.strategies as st
import pytest
import uvloop
from hypothesis import given

from lizi.edge.upstream import HttpUpstream
from lizi.errors import LiziError, PartnerError, Retry
from lizi.ports import Reply, Upstream
from lizi.testing import BEHAVIOURS, Behaviour, Partner
from lizi.types import Call

PROMPT = 1.0
"""Law 4 says 100 ms; a shared machine gets ten times that before the test calls it broken."""


class _AiohttpReply:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: dict[str, str] = {}
        for name, value in response.headers.items():
            self.headers.setdefault(name.lower(), value)

    async def read(self, deadline_mono: float) -> bytes:
        try:
            async with asyncio.timeout(max(0.0, deadline_mono - time.monotonic())):
                return await self._response.content.readany()
        except TimeoutError:
            raise _failed("upstream_timeout", "timeout_read") from None
        except aiohttp.ClientPayloadError:
            raise _failed("stream_cut", "cut") from None
        except (aiohttp.ClientError, OSError):
            raise _failed("stream_cut", "cut") from None


def _failed(code: str, internal: str) -> PartnerError:
    return PartnerError("The feature could not be reached.", code=code, retry=Retry.OTHER_TARGET, internal=internal)


class AiohttpUpstream:
    """The reference."""

    def __init__(self, connections: int) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections), auto_decompress=True, timeout=aiohttp.ClientTimeout(total=None)
        )

    def ask(self, call: Call, *, connect_deadline_mono: float, headers_deadline_mono: float) -> AbstractAsyncContextManager[_AiohttpReply]:
        return self._ask(call, headers_deadline_mono)

    @asynccontextmanager
    async def _ask(self, call: Call, headers_deadline: float) -> AsyncIterator[_AiohttpReply]:
        headers = [(name.decode(), value.decode()) for name, value in call.headers] + [("authorization", "Bearer secret-7")]
        try:
            async with asyncio.timeout(max(0.0, headers_deadline - time.monotonic())):
                response = await self._session.request(call.method, call.url, data=call.body, headers=headers, allow_redirects=False)
        except TimeoutError:
            raise _failed("upstream_timeout", "timeout_headers") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise _failed("upstream_failed", "connect") from None
        try:
            yield _AiohttpReply(response)
        finally:
            if response.content.at_eof():
                response.release()
            else:
                response.close()

    async def close(self) -> None:
        await self._session.close()


class Client(Upstream, Protocol):
    async def close(self) -> None: ...


def _own(connections: int) -> Client:
    class Bounded(HttpUpstream):
        """All addresses with one bound, as the suite wants it."""

        def ask(self, call: Call, **deadlines: float) -> Any:  # type: ignore[override]
            if not self._limits:
                self.configure({call.url: connections})
            return super().ask(call, **deadlines)

    return Bounded(lambda reference: "secret-7")


MAKERS: dict[str, Callable[[int], Client]] = {"own": _own, "aiohttp": AiohttpUpstream}


@pytest.fixture(params=sorted(MAKERS))
def make(request: pytest.FixtureRequest) -> Callable[[int], Client]:
    return MAKERS[request.param]


@asynccontextmanager
async def _client(make: Callable[[int], Client], connections: int = 100) -> AsyncIterator[Client]:
    client = make(connections)
    try:
        yield client
    finally:
        await client.close()


def call_to(partner: Partner, *, stream: bool = True, body: bytes | None = None) -> Call:
    body = body if body is not None else b'{"model":"m","stream":%b}' % (b"true" if stream else b"false")
    headers = ((b"content-type", b"application/json"),)
    return Call(method="POST", url=f"{partner.base_url}/chat/completions", headers=headers, body=body, credential="env:KEY")


def ask(client: Upstream, call: Call, *, seconds: float = 5.0) -> AbstractAsyncContextManager[Reply]:
    deadline = time.monotonic() + seconds
    return client.ask(call, connect_deadline_mono=deadline, headers_deadline_mono=deadline)


async def read_all(client: Upstream, call: Call, *, seconds: float = 5.0) -> bytes:
    deadline = time.monotonic() + seconds
    got = b""
    async with ask(client, call, seconds=seconds) as reply:
        while piece := await reply.read(deadline):
            got += piece
        assert await reply.read(deadline) == b"", "the end stays the end"
    return got


async def failure(client: Upstream, call: Call, *, seconds: float = 5.0) -> LiziError:
    with pytest.raises(PartnerError) as caught:
        await read_all(client, call, seconds=seconds)
    assert caught.value.retry is Retry.OTHER_TARGET
    return caught.value


async def test_status_headers_and_body_arrive(make: Callable[[int], Client]) -> None:
    async with Partner(Behaviour(headers=(("X-Twice", "first"), ("x-twice", "second")))) as partner, _client(make) as client:
        async with ask(client, call_to(partner, stream=False)) as reply:
            assert reply.status == 200
            assert reply.headers["content-type"] == "application/json" and reply.headers["x-twice"] == "first"
            body = b""
            while piece := await reply.read(time.monotonic() + 5):
                body += piece
        assert body.startswith(b'{"id":') and len(body) == int(reply.headers["content-length"])


async def test_the_partner_receives_the_body_and_the_credential(make: Callable[[int], Client]) -> None:
    async with Partner() as partner, _client(make) as client:
        await read_all(client, call_to(partner, body=b'{"model":"m","big":"' + b"x" * 300_000 + b'"}'))
        request = partner.requests[0]
    assert len(request.body) == 300_022 and request.headers["authorization"] == "Bearer secret-7"
    assert request.headers["content-length"] == "300022" and request.headers["host"].startswith("127.0.0.1:")


async def test_a_fully_read_reply_gives_its_connection_back(make: Callable[[int], Client]) -> None:
    async with Partner() as partner, _client(make) as client:
        for _ in range(5):
            await read_all(client, call_to(partner))
            await read_all(client, call_to(partner, stream=False))
        assert partner.connections_total == 1 and partner.completed_total == 10


@pytest.mark.parametrize("transfer", ["chunked", "length", "eof"])
@pytest.mark.parametrize("slice_bytes", [0, 1, 2, 7, 1000])
async def test_the_same_bytes_however_they_are_cut(make: Callable[[int], Client], transfer: Any, slice_bytes: int) -> None:
    text = "江水平静，🦊 狐狸过河。"
    async with Partner([Behaviour(text=text, transfer=transfer, slice_bytes=slice_bytes), Behaviour(text=text)]) as partner:
        async with _client(make) as client:
            cut, whole = await read_all(client, call_to(partner)), await read_all(client, call_to(partner))
    assert cut == whole and whole.endswith(b"data: [DONE]\n\n")


async def test_an_error_status_is_a_reply_and_no_failure(make: Callable[[int], Client]) -> None:
    async with Partner(BEHAVIOURS["rate_limited"]) as partner, _client(make) as client, ask(client, call_to(partner)) as reply:
        assert (reply.status, reply.headers["retry-after"]) == (429, "7")
        assert b"rate_limit" in await reply.read(time.monotonic() + 5)


async def test_a_redirect_is_not_followed(make: Callable[[int], Client]) -> None:
    async with Partner(BEHAVIOURS["redirect"]) as partner, _client(make) as client, ask(client, call_to(partner)) as reply:
        assert reply.status == 307 and await reply.read(time.monotonic() + 5) == b""


async def test_unasked_gzip_is_unpacked(make: Callable[[int], Client]) -> None:
    async with Partner([Behaviour(compress=True), Behaviour()]) as partner, _client(make) as client:
        assert await read_all(client, call_to(partner)) == await read_all(client, call_to(partner))


@pytest.mark.parametrize("name", ["cut", "reset"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_body_that_breaks_off_is_a_cut_stream(make: Callable[[int], Client], name: str, stream: bool) -> None:
    async with Partner(BEHAVIOURS[name]) as partner, _client(make) as client:
        error = await failure(client, call_to(partner, stream=stream))
    assert error.code in ("stream_cut", "upstream_failed") and error.internal in ("cut", "connect")


async def test_what_came_before_the_cut_is_delivered_first(make: Callable[[int], Client]) -> None:
    async with Partner(BEHAVIOURS["cut"]) as partner, _client(make) as client, ask(client, call_to(partner)) as reply:
        got = b""
        with pytest.raises(PartnerError) as caught:
            while True:
                got += await reply.read(time.monotonic() + 5)
        assert got.count(b"data: ") == 3 and caught.value.code == "stream_cut"


@pytest.mark.parametrize("name", ["close_before_headers", "garbage"])
async def test_no_head_is_a_failed_request(make: Callable[[int], Client], name: str) -> None:
    async with Partner(BEHAVIOURS[name]) as partner, _client(make) as client:
        assert (await failure(client, call_to(partner))).code == "upstream_failed"


async def test_nobody_listening_is_a_failed_request(make: Callable[[int], Client]) -> None:
    async with Partner() as partner:
        call = call_to(partner)
    async with _client(make) as client:
        assert (await failure(client, call)).internal == "connect"


async def test_headers_that_do_not_come_time_out(make: Callable[[int], Client]) -> None:
    async with Partner(Behaviour(first_byte_ms=60_000)) as partner, _client(make) as client:
        error = await failure(client, call_to(partner), seconds=0.05)
        assert (error.code, error.internal) == ("upstream_timeout", "timeout_headers")
        await partner.until(lambda: partner.cancelled_total == 1)


async def test_a_silent_stream_times_out_and_is_closed(make: Callable[[int], Client]) -> None:
    async with Partner(BEHAVIOURS["stall"]) as partner, _client(make) as client:
        error = await failure(client, call_to(partner), seconds=0.1)
        assert (error.code, error.internal) == ("upstream_timeout", "timeout_read")
        await partner.until(lambda: partner.cancelled_total == 1)


async def test_deadlines_move_with_each_read(make: Callable[[int], Client]) -> None:
    async with Partner(Behaviour(chunks=10, interval_ms=30)) as partner, _client(make) as client:
        got = b""
        async with ask(client, call_to(partner)) as reply:
            while piece := await reply.read(time.monotonic() + 2):
                got += piece
        assert got.count(b"data: ") == 12


@pytest.mark.parametrize("behaviour", [Behaviour(first_byte_ms=60_000), BEHAVIOURS["stall"]])
async def test_cancelling_closes_the_partners_connection_at_once(make: Callable[[int], Client], behaviour: Behaviour) -> None:
    async with Partner(behaviour) as partner, _client(make) as client:
        task = asyncio.create_task(read_all(client, call_to(partner), seconds=60))
        await partner.until(lambda: partner.in_flight == 1)
        await asyncio.sleep(0.02)
        left_at = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await partner.until(lambda: partner.cancelled_total == 1)
        assert partner.cancelled[0].at_mono - left_at < PROMPT
        assert (partner.cancelled[0].after_steps == 0) == (behaviour.first_byte_ms > 0)


async def test_leaving_the_context_early_closes_the_partners_connection(make: Callable[[int], Client]) -> None:
    async with Partner(Behaviour(chunks=50, interval_ms=20)) as partner, _client(make) as client:
        async with ask(client, call_to(partner)) as reply:
            assert await reply.read(time.monotonic() + 5)
            left_at = time.monotonic()
        await partner.until(lambda: partner.cancelled_total == 1)
        assert partner.cancelled[0].at_mono - left_at < PROMPT


async def test_a_cancelled_request_gives_its_place_back(make: Callable[[int], Client]) -> None:
    async with Partner([Behaviour(first_byte_ms=60_000)] * 3 + [Behaviour()]) as partner, _client(make, connections=1) as client:
        for count in range(3):
            task = asyncio.create_task(read_all(client, call_to(partner), seconds=60))
            await partner.until(lambda count=count: partner.requests_total == count + 1)  # type: ignore[misc]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert (await read_all(client, call_to(partner))).endswith(b"[DONE]\n\n")


async def test_a_request_beyond_the_bound_waits_for_a_place(make: Callable[[int], Client]) -> None:
    async with Partner(Behaviour(first_byte_ms=20)) as partner, _client(make, connections=2) as client:
        answers = await asyncio.gather(*(read_all(client, call_to(partner)) for _ in range(8)))
        assert partner.in_flight_max <= 2 and all(answer.endswith(b"[DONE]\n\n") for answer in answers)


async def test_a_slow_reader_slows_the_partner_down(make: Callable[[int], Client]) -> None:
    async with Partner(Behaviour(flood_bytes=50_000_000)) as partner, _client(make) as client, ask(client, call_to(partner)) as reply:
        assert await reply.read(time.monotonic() + 5)
        await asyncio.sleep(0.2)
        assert partner.bytes_sent < 40_000_000, "the rest waits in the partner, not in our memory"


@given(data=st.data())
def test_random_bytes_from_a_partner_never_hang_or_crash(data: st.DataObject) -> None:
    """Whatever a partner sends, a request ends with bytes or with a typed failure."""
    good = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\ndata:\r\n3\r\nabc\r\n0\r\n\r\n"
    raw = data.draw(
        st.one_of(
            st.binary(max_size=400),
            st.binary(max_size=60).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail),
            st.tuples(st.integers(0, len(good)), st.binary(max_size=8), st.integers(0, 8)).map(
                lambda cut: good[: cut[0]] + cut[1] + good[cut[0] + cut[2] :]
            ),
        )
    )
    seed = data.draw(st.integers(0, 2**16))
    uvloop.run(_fuzz(raw, seed))


async def _fuzz(raw: bytes, seed: int) -> None:
    cuts = random.Random(seed)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(65536)
            at = 0
            while at < len(raw):
                size = cuts.randint(1, 50)
                writer.write(raw[at : at + size])
                at += size
                await asyncio.sleep(0)
        except ConnectionError:
            pass  # the client has seen enough
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = HttpUpstream(lambda reference: "")
    call = Call(method="POST", url=f"http://127.0.0.1:{port}/", headers=(), body=b"{}", credential="")
    try:
        async with asyncio.timeout(10):
            try:
                assert len(await read_all(client, call, seconds=5)) <= len(raw)
            except PartnerError as error:
                assert error.internal in ("broken_http", "cut", "too_large")
        assert client.open_connections == client.idle_connections
    finally:
        await client.close()
        assert client.open_connections == 0
        server.close()
        await server.wait_closed()
