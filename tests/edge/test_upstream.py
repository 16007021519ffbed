"""Our partner client beyond its port: what it refuses, what it bounds, what it repeats, whom it believes."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from lizi.edge.partner_connection import BUFFER_BYTES
from lizi.edge.upstream import HttpUpstream
from lizi.errors import ConfigError, PartnerError, Retry
from lizi.ports import Upstream
from lizi.testing import Behaviour, Partner
from lizi.testing.partners import BEHAVIOURS
from lizi.types import Call

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SECRET = "canary-secret-7781"


def _port_is_kept(client: HttpUpstream) -> Upstream:
    """For the type checker."""
    return client


@asynccontextmanager
async def raw_partner(answers: Sequence[bytes], *, close_after: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Sends `answers` in turn, one a request, whatever they are; yields its URL and the requests' bytes."""
    received: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                received.append(head + await reader.readexactly(length))
                writer.write(answers[min(len(received), len(answers)) - 1])
                await writer.drain()
                if close_after:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client closed
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", received
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def client_of(**options: object) -> AsyncIterator[HttpUpstream]:
    client = HttpUpstream(options.pop("resolve", lambda reference: SECRET), **options)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()
        assert client.open_connections == 0


def call_of(
    url: str, *, headers: tuple[tuple[bytes, bytes], ...] = (), body: bytes = b"{}", credential: str = "env:KEY", method: str = "POST"
) -> Call:
    return Call(method=method, url=f"{url}/chat/completions", headers=headers, body=body, credential=credential)


async def read_all(client: HttpUpstream, call: Call, *, seconds: float = 5.0) -> tuple[int, bytes]:
    deadline, got = time.monotonic() + seconds, bytearray()
    async with client.ask(call, connect_deadline_mono=deadline, headers_deadline_mono=deadline) as reply:
        while piece := await reply.read(deadline):
            got += piece
        return reply.status, bytes(got)


async def failure(client: HttpUpstream, call: Call, *, seconds: float = 5.0) -> PartnerError:
    with pytest.raises(PartnerError) as caught:
        await read_all(client, call, seconds=seconds)
    assert caught.value.retry is Retry.OTHER_TARGET
    assert SECRET not in repr(caught.value) + str(caught.value.internal)
    return caught.value


# --- what is sent


async def test_the_request_is_exactly_what_was_built() -> None:
    async with raw_partner([OK]) as (url, received), client_of() as client:
        assert await read_all(client, call_of(url, headers=((b"content-type", b"application/json"),), body=b'{"a":1}')) == (200, b"ok")
    authority = url.removeprefix("http://").removesuffix("/v1").encode()
    assert received == [
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: " + authority + b"\r\naccept-encoding: identity\r\n"
        b"content-type: application/json\r\nauthorization: Bearer canary-secret-7781\r\nuser-agent: lizi\r\ncontent-length: 7\r\n\r\n"
        b'{"a":1}'
    ]


async def test_no_credential_sends_no_authorization() -> None:
    async with raw_partner([OK]) as (url, received), client_of() as client:
        await read_all(client, call_of(url, credential=""))
    assert b"authorization" not in received[0].lower()


@pytest.mark.parametrize(
    "header",
    [
        (b"x-note", b"a\r\nx-evil: 1"),
        (b"x-note", b"a\nb"),
        (b"x-note", b"\x00"),
        (b"x note", b"a"),
        (b"x-note:", b"a"),
        (b"", b"a"),
        (b"Content-Length", b"3"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Authorization", b"Bearer other"),
        (b"Host", b"elsewhere"),
        (b"Connection", b"close"),
    ],
)
async def test_a_header_that_could_end_another_is_never_sent(header: tuple[bytes, bytes]) -> None:
    async with raw_partner([OK]) as (url, received), client_of() as client:
        assert (await failure(client, call_of(url, headers=(header,)))).internal == "bad_call"
    assert received == []


@pytest.mark.parametrize("secret", ["a\r\nx-evil: 1", "a\nb", "密钥"])
async def test_a_secret_that_a_header_cannot_carry_is_never_sent(secret: str) -> None:
    async with raw_partner([OK]) as (url, received), client_of(resolve=lambda reference: secret) as client:
        assert (await failure(client, call_of(url))).internal == "bad_call"
    assert received == []


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1", "http://user:pw@127.0.0.1", "http://", "http://127.0.0.1:99999", "http://127.0.0.1/a b", "nonsense"]
)
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    async with client_of() as client:
        assert (await failure(client, call_of(url))).internal == "bad_call"


async def test_a_missing_secret_is_a_failed_target() -> None:
    def resolve(reference: str) -> str:
        raise ConfigError("no such variable", code="config_invalid", param=reference)

    async with raw_partner([OK]) as (url, received), client_of(resolve=resolve) as client:
        assert (await failure(client, call_of(url))).internal == "credential"
    assert received == []


async def test_a_rotated_secret_is_used_after_the_next_reload() -> None:
    secrets = iter(["old", "new"])
    async with raw_partner([OK]) as (url, received), client_of(resolve=lambda reference: next(secrets)) as client:
        await read_all(client, call_of(url))
        await read_all(client, call_of(url))
        client.configure({url: 5})
        await read_all(client, call_of(url))
    assert [b"Bearer new" in request for request in received] == [False, False, True]


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with raw_partner([OK]) as (url, _), client_of() as client:
        assert await read_all(client, call_of(url)) == (200, b"ok")


# --- what is read


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x=y\r\no\r\n1\r\nk\r\n0\r\nx-trailer: 1\r\n\r\n", 200, b"ok"),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", 503, b""),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n", 200, b""),
    ],
)
async def test_legal_framing_is_read(answer: bytes, status: int, body: bytes) -> None:
    async with raw_partner([answer]) as (url, _), client_of() as client:
        assert await read_all(client, call_of(url)) == (status, body)
        assert await read_all(client, call_of(url)) == (status, body)
        assert client.opened == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nbad header: 1\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 2\r\n\r\nok",
    ],
)
async def test_broken_http_is_a_failure_and_its_connection_is_closed(answer: bytes) -> None:
    async with raw_partner([answer], close_after=False) as (url, _), client_of() as client:
        assert (await failure(client, call_of(url))).internal == "broken_http"
        assert client.open_connections == 0


async def test_a_second_answer_to_one_request_spoils_the_connection() -> None:
    async with raw_partner([OK + OK]) as (url, _), client_of() as client:
        assert await read_all(client, call_of(url)) == (200, b"ok")
        assert client.open_connections == 0


async def test_bytes_that_nobody_asked_for_close_an_idle_connection() -> None:
    async with raw_partner([OK, OK]) as (url, received), client_of() as client:
        await read_all(client, call_of(url))
        connection = next(iter(client._pools.values())).idle[0]
        connection.data_received(b"HTTP/1.1 200 OK\r\n")
        assert client.open_connections == 0
        assert await read_all(client, call_of(url)) == (200, b"ok")
    assert len(received) == 2


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: aaaaaaaaaaaaaa\r\n" * 5_000 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 4_000 + OK,
    ],
)
async def test_a_head_beyond_64_kib_is_refused(head: bytes) -> None:
    async with raw_partner([head]) as (url, _), client_of() as client:
        assert (await failure(client, call_of(url))).internal == "too_large"


async def test_a_reply_beyond_64_mib_is_refused() -> None:
    async with Partner(BEHAVIOURS["flood"]) as partner, client_of() as client:
        error = await failure(client, call_of(partner.base_url), seconds=30)
        assert (error.internal, error.code) == ("too_large", "upstream_failed")
        await partner.until(lambda: partner.cancelled_total == 1)


async def test_a_slow_reader_holds_a_bounded_buffer() -> None:
    async with Partner(Behaviour(flood_bytes=20_000_000)) as partner, client_of() as client:
        deadline = time.monotonic() + 20
        async with client.ask(call_of(partner.base_url), connect_deadline_mono=deadline, headers_deadline_mono=deadline) as reply:
            held, total = 0, 0
            while True:
                await asyncio.sleep(0.002)
                held = max(held, reply.held)  # type: ignore[attr-defined]
                piece = await reply.read(deadline)
                if not piece:
                    break
                total += len(piece)
        assert total == 20_000_000
        assert held <= 3 * BUFFER_BYTES, "one network read may come after the pause"


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", lambda raw: zlib.compress(raw)[2:-4])]
)
async def test_packed_bodies_are_unpacked_however_they_are_cut(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    text = json.dumps({"answer": "river " * 300}).encode()
    behaviour = Behaviour(body=pack(text), headers=(("content-encoding", encoding),), slice_bytes=5)
    async with Partner(behaviour) as partner, client_of() as client:
        assert await read_all(client, call_of(partner.base_url)) == (200, text)


@pytest.mark.parametrize(
    ("body", "internal"),
    [
        (gzip.compress(b"\0" * 60_000_000), "too_large"),
        (b"no gzip at all", "too_large"),
        (gzip.compress(b"river" * 100)[:-9], "cut"),
        (gzip.compress(b"a") + gzip.compress(b"b"), "too_large"),
    ],
)
async def test_bombs_and_broken_packing_are_failures(body: bytes, internal: str) -> None:
    async with Partner(Behaviour(body=body, headers=(("content-encoding", "gzip"),))) as partner, client_of() as client:
        error = await failure(client, call_of(partner.base_url))
        assert error.internal == internal
        assert client.open_connections == 0


async def test_several_chunks_of_one_network_read_are_one_read() -> None:
    chunks = b"".join(b"3\r\nabc\r\n" for _ in range(100))
    async with (
        raw_partner([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"]) as (url, _),
        client_of() as client,
    ):
        deadline = time.monotonic() + 5
        async with client.ask(call_of(url), connect_deadline_mono=deadline, headers_deadline_mono=deadline) as reply:
            assert await reply.read(deadline) == b"abc" * 100
            assert await reply.read(deadline) == b""


async def test_a_read_that_finds_bytes_returns_them_even_past_its_deadline() -> None:
    async with Partner() as partner, client_of() as client:
        deadline = time.monotonic() + 5
        async with client.ask(call_of(partner.base_url), connect_deadline_mono=deadline, headers_deadline_mono=deadline) as reply:
            await asyncio.sleep(0.05)
            assert await reply.read(0.0)


async def test_two_readers_of_one_reply_are_a_defect() -> None:
    async with Partner(BEHAVIOURS["stall"]) as partner, client_of() as client:
        deadline = time.monotonic() + 5
        call = call_of(partner.base_url, body=b'{"stream":true}')
        async with client.ask(call, connect_deadline_mono=deadline, headers_deadline_mono=deadline) as reply:
            await reply.read(deadline)
            first = asyncio.create_task(reply.read(deadline))
            await asyncio.sleep(0.01)
            if not first.done():
                with pytest.raises(RuntimeError):
                    await reply.read(deadline)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)


# --- connections


async def test_a_kept_connection_that_the_partner_closed_is_replaced_without_a_failure() -> None:
    async with Partner() as partner, client_of() as client:
        await read_all(client, call_of(partner.base_url))
        for connection in list(partner._connections):
            assert connection.transport is not None
            connection.transport.close()
        await partner.until(lambda: partner.open_connections == 0)
        await asyncio.sleep(0.01)
        assert client.open_connections == 0
        await read_all(client, call_of(partner.base_url))
        assert (client.opened, client.retried, client.failed) == (2, 0, 0)


async def _with_kept_connection(
    second: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> tuple[HttpUpstream, list[bytes], PartnerError | None]:
    """The first request is served, the second meets `second` on the kept connection, any on a fresh one is served."""
    received: list[bytes] = []
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        first = connections == 1
        try:
            for turn in range(5):
                received.append(await reader.readuntil(b"{}"))
                if first and turn == 1:
                    await second(writer)
                    break
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client closed
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    error: PartnerError | None = None
    async with client_of() as client:
        await read_all(client, call_of(url))
        try:
            assert await read_all(client, call_of(url)) == (200, b"ok")
        except PartnerError as caught:
            error = caught
    server.close()
    await asyncio.sleep(0.01)
    return client, received, error


async def test_a_close_that_crossed_the_request_is_repeated_once_on_a_fresh_connection() -> None:
    async def close(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    client, received, error = await _with_kept_connection(close)
    assert error is None and client.retried == 1 and len(received) == 3


async def test_a_request_that_may_have_run_is_not_repeated() -> None:
    async def close_late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)

    client, received, error = await _with_kept_connection(close_late)
    assert error is not None and error.internal == "cut" and error.code == "upstream_failed"
    assert client.retried == 0 and len(received) == 2


async def test_a_request_with_a_byte_of_answer_is_not_repeated() -> None:
    async def half_a_head(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200")
        await writer.drain()

    client, received, error = await _with_kept_connection(half_a_head)
    assert error is not None and error.internal == "cut" and client.retried == 0 and len(received) == 2


async def test_a_fresh_connection_that_closes_is_not_repeated() -> None:
    async with Partner(BEHAVIOURS["close_before_headers"]) as partner, client_of() as client:
        assert (await failure(client, call_of(partner.base_url))).internal == "cut"
        assert partner.requests_total == 1 and client.retried == 0


async def test_idle_connections_are_closed_after_their_time() -> None:
    async with Partner() as partner, client_of(idle_s=0.05) as client:
        await asyncio.gather(*(read_all(client, call_of(partner.base_url)) for _ in range(3)))
        assert client.idle_connections == 3
        await partner.until(lambda: partner.open_connections == 0)
        assert client.open_connections == 0


async def test_waiting_for_a_place_ends_at_the_connect_deadline() -> None:
    async with Partner(Behaviour(first_byte_ms=60_000)) as partner, client_of() as client:
        client.configure({partner.base_url: 1})
        holder = asyncio.create_task(read_all(client, call_of(partner.base_url), seconds=60))
        await partner.until(lambda: partner.in_flight == 1)
        error = await failure(client, call_of(partner.base_url), seconds=0.05)
        assert (error.code, error.internal) == ("upstream_timeout", "pool")
        assert client.waited == 1 and client.open_connections == 1
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)


async def test_a_waiter_that_leaves_loses_no_place() -> None:
    async with Partner(Behaviour(first_byte_ms=20)) as partner, client_of() as client:
        client.configure({partner.base_url: 2})
        tasks = [asyncio.create_task(read_all(client, call_of(partner.base_url))) for _ in range(40)]
        for number, task in enumerate(tasks):
            await asyncio.sleep(0.002)
            if number % 2:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert partner.in_flight_max <= 2
        assert client.open_connections == client.idle_connections <= 2
        assert (await read_all(client, call_of(partner.base_url)))[0] == 200


async def test_cancelled_at_any_moment_no_place_is_lost() -> None:
    async with Partner(Behaviour(interval_ms=1, chunks=3)) as partner, client_of() as client:
        client.configure({partner.base_url: 3})
        call = call_of(partner.base_url, body=b'{"stream":true}')
        for turn in range(60):
            tasks = [asyncio.create_task(read_all(client, call)) for _ in range(5)]
            for _ in range(turn % 12):
                await asyncio.sleep(0)
            await asyncio.sleep(0.0005 * (turn % 7))
            for task in tasks[turn % 2 :]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert client.open_connections == client.idle_connections
        await partner.until(lambda: partner.in_flight == 0)


async def test_closing_ends_what_is_under_way() -> None:
    async with Partner(BEHAVIOURS["stall"]) as partner:
        client = HttpUpstream(lambda reference: "")
        task = asyncio.create_task(read_all(client, call_of(partner.base_url, body=b'{"stream":true}')))
        await partner.until(lambda: partner.in_flight == 1)
        await asyncio.sleep(0.01)
        await client.close()
        with pytest.raises(PartnerError):
            await task
        assert client.open_connections == 0


async def test_connecting_has_its_own_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as full:  # a listener with a full backlog swallows the next connection
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        async with client_of() as client:
            error = await failure(client, call_of(url), seconds=0.1)
            assert (error.code, error.internal) == ("upstream_timeout", "timeout_connect")
            assert client.open_connections == 0
        for filler in fillers:
            filler.close()
