"""Whom our partner client connects to: the address policy at connect time, names, certificates."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme
from msgspec.structs import replace

from lizi.edge.addresses import refusal
from lizi.edge.upstream import HttpUpstream
from lizi.errors import PartnerError, Retry
from lizi.testing import BEHAVIOURS, Behaviour, Partner
from lizi.types import Call


@asynccontextmanager
async def client_of(tls: ssl.SSLContext | None = None) -> AsyncIterator[HttpUpstream]:
    client = HttpUpstream(lambda reference: "secret", tls=tls)
    try:
        yield client
    finally:
        await client.close()
        assert client.open_connections == 0


def call_of(url: str, *, body: bytes = b"{}") -> Call:
    return Call(method="POST", url=f"{url}/chat/completions", headers=(), body=body, credential="env:KEY")


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
    return caught.value


# --- names and addresses


@pytest.mark.parametrize(
    ("address", "host", "allowed"),
    [
        ("93.184.216.34", "api.example.com", True),
        ("2606:2800:220:1::1", "api.example.com", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("::1", "localhost", True),
        ("::1", "::1", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("fd12::1", "fd12::1", True),
        ("127.0.0.1", "api.example.com", False),
        ("::1", "api.example.com", False),
        ("::ffff:127.0.0.1", "api.example.com", False),
        ("64:ff9b::7f00:1", "api.example.com", False),
        ("2002:7f00:1::", "api.example.com", False),
        ("10.1.2.3", "api.example.com", False),
        ("192.168.1.1", "api.example.com", False),
        ("172.16.0.1", "api.example.com", False),
        ("100.64.0.1", "api.example.com", False),
        ("fd12::1", "api.example.com", False),
        ("169.254.169.254", "169.254.169.254", False),
        ("::ffff:169.254.169.254", "::ffff:169.254.169.254", False),
        ("fd00:ec2::254", "fd00:ec2::254", False),
        ("100.100.100.200", "100.100.100.200", False),
        ("168.63.129.16", "168.63.129.16", False),
        ("169.254.1.1", "localhost", False),
        ("fe80::1%eth0", "fe80::1", False),
        ("224.0.0.1", "224.0.0.1", False),
        ("ff02::1", "ff02::1", False),
        ("0.0.0.0", "0.0.0.0", False),
        ("::", "::", False),
        ("240.0.0.1", "240.0.0.1", False),
        ("255.255.255.255", "255.255.255.255", False),
        ("not an address", "api.example.com", False),
    ],
)
def test_the_address_policy(address: str, host: str, allowed: bool) -> None:
    assert (refusal(address, host) is None) == allowed


async def _answering(client: HttpUpstream, addresses: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return addresses

    from lizi.edge.upstream import _Pool

    monkeypatch.setattr(_Pool, "_addresses", lambda self, host, port: resolve(host, port))


async def test_a_name_that_leads_into_the_house_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Partner() as partner, client_of() as client:
        await _answering(client, ["127.0.0.1", "169.254.169.254"], monkeypatch)
        url = partner.base_url.replace("127.0.0.1", "partner.example")
        assert (await failure(client, call_of(url))).internal == "address_refused"
        assert partner.connections_total == 0 and client.open_connections == 0


async def test_a_name_that_the_maker_allowed_may_lead_into_the_house_but_never_to_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Partner() as partner, client_of() as client:
        url = partner.base_url.replace("127.0.0.1", "partner.example")
        client.configure({}, [url])
        await _answering(client, ["169.254.169.254", "127.0.0.1"], monkeypatch)
        assert (await read_all(client, call_of(url)))[0] == 200
        await _answering(client, ["169.254.169.254"], monkeypatch)
        client.configure({}, ["http://partner.example:9/v1"])
        assert (await failure(client, call_of("http://partner.example:9/v1/x"))).internal == "address_refused"
        assert (await failure(client, call_of("http://other.example:9/v1/x"))).internal == "address_refused"


async def test_a_key_goes_into_the_header_that_its_partner_wants_and_into_no_other() -> None:
    async with Partner(capture=2) as partner, client_of() as client:
        call = call_of(partner.base_url)
        await read_all(client, call)
        await read_all(client, replace(call, authorization="x-api-key"))
        first, second = partner.requests
        assert first.headers["authorization"].startswith("Bearer ") and "x-api-key" not in first.headers
        assert second.headers["x-api-key"] == first.headers["authorization"].removeprefix("Bearer ")
        assert "authorization" not in second.headers
        assert (await failure(client, replace(call, headers=((b"x-api-key", b"mine"),)))).internal == "bad_call"


async def test_localhost_tries_each_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Partner() as partner, client_of() as client:
        await _answering(client, ["127.0.0.9", "127.0.0.1"], monkeypatch)
        url = partner.base_url.replace("127.0.0.1", "localhost")
        assert (await read_all(client, call_of(url)))[0] == 200


async def test_a_name_that_does_not_resolve_is_a_failed_target(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*arguments: object, **named: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async with client_of() as client:
        loop = asyncio.get_running_loop()

        class Loop:
            def __getattr__(self, name: str) -> object:
                return getattr(loop, name)

            async def getaddrinfo(self, *arguments: object, **named: object) -> list[object]:
                return nothing()

        call = call_of("http://partner.invalid")
        pool, _ = client._prepared(call)
        pool._loop = Loop()  # type: ignore[assignment]
        assert (await failure(client, call)).internal == "dns"


# --- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def _client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_https_with_a_good_certificate_works_and_is_kept(authority: trustme.CA) -> None:
    async with Partner(tls=_server_context(authority, "127.0.0.1")) as partner, client_of(tls=_client_context(authority)) as client:
        for _ in range(3):
            assert (await read_all(client, call_of(partner.base_url)))[0] == 200
        assert partner.connections_total == 1


async def test_a_certificate_for_another_name_is_refused(authority: trustme.CA) -> None:
    async with Partner(tls=_server_context(authority, "other.example")) as partner, client_of(tls=_client_context(authority)) as client:
        assert (await failure(client, call_of(partner.base_url))).internal == "tls"
        assert partner.requests_total == 0 and client.open_connections == 0


async def test_a_certificate_of_an_unknown_authority_is_refused_by_default(authority: trustme.CA) -> None:
    async with Partner(tls=_server_context(authority, "127.0.0.1")) as partner, client_of() as client:
        assert (await failure(client, call_of(partner.base_url))).internal == "tls"
        assert partner.requests_total == 0


async def test_plain_http_behind_https_is_a_failed_target(authority: trustme.CA) -> None:
    async with Partner() as partner, client_of(tls=_client_context(authority)) as client:
        assert (await failure(client, call_of(partner.base_url.replace("http:", "https:")))).internal in ("tls", "connect")


@pytest.mark.parametrize("behaviour", [Behaviour(first_byte_ms=60_000), BEHAVIOURS["stall"]])
async def test_cancelling_over_tls_closes_at_once(authority: trustme.CA, behaviour: Behaviour) -> None:
    async with Partner(behaviour, tls=_server_context(authority, "127.0.0.1")) as partner:
        async with client_of(tls=_client_context(authority)) as client:
            task = asyncio.create_task(read_all(client, call_of(partner.base_url, body=b'{"stream":true}'), seconds=60))
            await partner.until(lambda: partner.in_flight == 1)
            await asyncio.sleep(0.02)
            left_at = time.monotonic()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await partner.until(lambda: partner.cancelled_total == 1)
            assert partner.cancelled[0].at_mono - left_at < 1.0  # the law says 100 ms; see the port suite


async def test_a_handshake_that_hangs_times_out_and_leaves_no_connection(authority: trustme.CA) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass
        gone.set()
        writer.close()

    gone = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with client_of(tls=_client_context(authority)) as client:
        error = await failure(client, call_of(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"), seconds=0.1)
        assert error.internal == "timeout_connect" and client.open_connections == 0
        async with asyncio.timeout(5):
            await gone.wait()
    server.close()
