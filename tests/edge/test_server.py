from __future__ import annotations

import asyncio
import re
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.talking import CHUNKED, GET, LAST, POST, EchoApp, Hand, on_uvloop, parse, seen, settings, statuses
from lizi.edge.server import Server


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


async def by_hand(*pieces: bytes, **changed: Any) -> tuple[bytes, Hand, Server]:
    server = Server(EchoApp(), settings(**changed))
    hand = Hand(server)
    raw = await hand.feed(*pieces)
    return raw, hand, server


def undated(raw: bytes) -> bytes:
    return re.sub(rb"date: [^\r]+\r\n", b"", raw)


# --- requests that are fine ------------------------------------------------------------------

FINE = {
    "get": GET,
    "post": POST,
    "chunked": CHUNKED,
    "empty body": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "empty chunked body": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "leading empty line": b"\r\n" + GET,
    "three leading empty lines": b"\r\n\r\n\r\n" + GET,
    "absolute form": b"GET http://X:80/a?b HTTP/1.1\r\nHost: x:80\r\n\r\n",
    "absolute form without a path": b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n",
    "high octets in a value": b"GET / HTTP/1.1\r\nHost: x\r\nX-Name: \xff\xfe\xc3\r\n\r\n",
    "http/1.0 kept alive": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "an upgrade that is not taken": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, A\r\nUpgrade: h2c\r\nA: b\r\n\r\n",
    "ipv6 host": b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
    "empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "a task": b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n",
    "a stream": b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("data", FINE.values(), ids=FINE.keys())
@on_uvloop
async def test_a_request_is_answered_alike_whole_byte_by_byte_and_with_a_tail(data: bytes) -> None:
    whole, _, _ = await by_hand(data)
    assert statuses(whole) == [200]
    split, hand, server = await by_hand(*one_by_one(data))
    assert undated(split) == undated(whole)
    assert not hand.transport.closed
    tailed, hand, _ = await by_hand(data + LAST)
    assert statuses(tailed) == [200, 200]
    assert hand.transport.closed
    assert server.active == server.body_bytes_held == 0


@on_uvloop
async def test_what_was_sent_is_what_the_app_sees() -> None:
    raw, _, _ = await by_hand(POST.replace(b"/echo", b"/echo?q=%20#"[:-1]) + CHUNKED)
    first, second = (seen(body) for _, _, body in parse(raw))
    assert (first["method"], first["path"], first["query"], first["body"]) == ("POST", "/echo", "q=%20", "hello")
    assert first["headers"] == {"host": "x", "content-length": "5"}
    assert first["client"] == "192.0.2.1"
    assert second["body"] == "hello"


@on_uvloop
async def test_a_repeated_header_is_joined() -> None:
    raw, _, _ = await by_hand(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a:  2\t\r\n\r\n")
    assert seen(parse(raw)[0][2])["headers"]["x-a"] == "1, 2"


@on_uvloop
async def test_pipelined_requests_are_answered_in_order_one_at_a_time() -> None:
    paths = ["/1", "/later", "/stream", "/2", "/later", "/3"]
    raw, _, server = await by_hand(b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode() for path in paths))
    assert [seen(body)["path"] if body[:1] == b"{" else "/stream" for _, _, body in parse(raw)] == paths
    assert server.app.handled == paths  # type: ignore[attr-defined]


@on_uvloop
async def test_what_waits_behind_a_request_is_bounded() -> None:
    _, hand, server = await by_hand(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", GET * 1000)
    assert hand.transport.reading
    await hand.feed(GET * 3000)
    assert not hand.transport.reading
    server.app.gate.set()  # type: ignore[attr-defined]
    for _ in range(10_000):
        await asyncio.sleep(0)
    assert hand.transport.reading
    assert len(parse(bytes(hand.transport.sent))) == 4001


@on_uvloop
async def test_keep_alive_follows_version_and_connection() -> None:
    for head, stays in [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: foo , Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True),
    ]:
        raw, hand, _ = await by_hand(head)
        assert hand.transport.closed is not stays
        assert (parse(raw)[0][1].get("connection") == "close") is not stays


@on_uvloop
async def test_head_is_answered_without_a_body_but_with_its_length() -> None:
    for path, framing in [(b"/", b"content-length"), (b"/stream", b"transfer-encoding")]:
        raw, _, _ = await by_hand(b"HEAD %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
        assert raw.endswith(b"\r\n\r\n") and raw.count(b"\r\n\r\n") == 1
        assert framing in raw


@on_uvloop
async def test_a_stream_is_chunked_and_for_http_1_0_ends_with_the_connection() -> None:
    raw, hand, _ = await by_hand(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    assert parse(raw)[0][2] == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert not hand.transport.closed
    raw, hand, _ = await by_hand(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert raw.endswith(b"\r\n\r\ndata: 0\n\ndata: 1\n\ndata: 2\n\n")
    assert b"connection: close" in raw and b"chunked" not in raw
    assert hand.transport.closed


@on_uvloop
async def test_the_date_is_of_now_and_no_server_is_named() -> None:
    raw, _, _ = await by_hand(GET)
    headers = parse(raw)[0][1]
    assert abs(time.mktime(time.strptime(headers["date"], "%a, %d %b %Y %H:%M:%S GMT")) - time.time()) < 5
    assert "server" not in headers


@on_uvloop
async def test_continue_is_said_once_and_only_to_a_body_that_is_wanted() -> None:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    raw, hand, _ = await by_hand(head % b"/echo")
    assert statuses(raw) == [100]
    assert statuses(await hand.feed(b"hello")) == [100, 200]
    raw, _, _ = await by_hand(head % b"/secret")
    assert statuses(raw) == [401]
    raw, _, _ = await by_hand(head % b"/echo" + b"hello")
    assert statuses(raw) == [200]


# --- requests that break HTTP ----------------------------------------------------------------

HOST = b"Host: x\r\n"
BROKEN = {
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "two equal lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello",
    "a signed length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
    "a length in hex": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello",
    "a huge length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
    "an empty length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\nhello",
    "length and chunked": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    "two codings": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "nearly chunked": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "a host with a path": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "a host with a user": b"GET / HTTP/1.1\r\nHost: a@x\r\n\r\n",
    "another host in the target": b"GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "another scheme in the target": b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a user in the target": b"GET http://a@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a fragment": b"GET /#a HTTP/1.1\r\nHost: x\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "one bare line feed": b"GET / HTTP/1.1\r\nA: b\nHost: x\r\n\r\n",
    "a bare carriage return": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc: d\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "a folded first header": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "nul in a value": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "nul in a name": b"GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n",
    "a control character": b"GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n",
    "a high octet in a name": b"GET / HTTP/1.1\r\nHost: x\r\nA\xe4: b\r\n\r\n",
    "a high octet in the path": b"GET /\xe4\xbd\xa0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n",
    "an unknown method": b"FETCH / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in lower case": b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "an unknown version": b"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
    "the next protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol": b"GET / RTSP/1.0\r\nHost: x\r\n\r\n",
    "connect": b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n",
    "an unknown expectation": b"GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n",
    "tls on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a chunk size that is none": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a negative chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "a chunk size with 0x": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than it says": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
    "a chunk line with a bare line feed": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "an endless chunk line": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"a" * 300,
    "a trailer": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer x\r\n\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
@on_uvloop
async def test_broken_http_gets_one_clear_400_and_the_connection_ends(data: bytes) -> None:
    for pieces in ([data], one_by_one(data), [data + LAST], [GET + data + LAST]):
        raw, hand, server = await by_hand(*pieces)
        *before, (status, headers, body) = parse(raw)
        assert (status, headers["connection"], seen(body)["error"]["code"]) == (400, "close", "invalid_request"), pieces
        assert len(before) == (pieces[0][:3] == b"GET" and pieces[0].startswith(GET))
        assert hand.transport.half_closed
        assert "/last" not in server.app.handled  # type: ignore[attr-defined]
        assert server.active == server.body_bytes_held == 0


@on_uvloop
async def test_head_and_header_count_are_bounded() -> None:
    many = b"".join(b"A%d: b\r\n" % number for number in range(100))
    for data in [
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n",
    ]:
        for pieces in ([data], [data[at : at + 999] for at in range(0, len(data), 999)]):
            raw, hand, _ = await by_hand(*pieces)
            assert statuses(raw) == [431]
            assert hand.transport.half_closed
    raw, _, _ = await by_hand(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 30_000 + b"\r\n\r\n")
    assert statuses(raw) == [200]


@on_uvloop
async def test_a_body_over_the_limit_is_refused_before_it_is_held() -> None:
    raw, _, server = await by_hand(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2049\r\n\r\n", body_limit_bytes=2048)
    assert statuses(raw) == [413]
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw, _, server = await by_hand(head + b"400\r\n" + b"a" * 1024 + b"\r\n401\r\n", body_limit_bytes=2048)
    assert statuses(raw) == [413]
    raw, _, server = await by_hand(head + b"400\r\n" + b"a" * 1024 + b"\r\n400\r\n" + b"a" * 1024 + b"\r\n0\r\n\r\n", body_limit_bytes=2048)
    assert statuses(raw) == [200]
    assert server.body_bytes_held == 0


@on_uvloop
async def test_a_body_of_crumbs_is_refused_before_it_costs_much() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw, _, _ = await by_hand(head + b"1\r\na\r\n" * 1000 + b"0\r\n\r\n")
    assert statuses(raw) == [200]
    raw, _, _ = await by_hand(head + b"1\r\na\r\n" * 2000 + b"0\r\n\r\n")
    assert statuses(raw) == [400]


@on_uvloop
async def test_unfinished_bodies_are_bounded_over_all_connections() -> None:
    server = Server(EchoApp(), settings(body_limit_bytes=1024))
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    hands = [Hand(server) for _ in range(20)]
    answers = [await hand.feed(head, b"a" * 999) for hand in hands]
    refused = [raw for raw in answers if raw]
    assert {statuses(raw)[0] for raw in refused} == {503}
    assert 0 < len(refused) < 10
    for hand in hands:
        hand.leave()
    assert server.body_bytes_held == 0
    assert not server.connections


# --- refused on the head ---------------------------------------------------------------------


@on_uvloop
async def test_a_refusal_on_the_head_reads_no_body_and_closes() -> None:
    raw, hand, server = await by_hand(b"POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", b"a" * 1000)
    assert statuses(raw) == [401]
    assert hand.transport.half_closed
    assert server.app.handled == []  # type: ignore[attr-defined]


@on_uvloop
async def test_a_refusal_keeps_the_connection_when_the_body_is_there_already() -> None:
    raw, hand, _ = await by_hand(POST.replace(b"/echo", b"/secret") + LAST)
    assert statuses(raw) == [401, 200]
    raw, hand, _ = await by_hand(CHUNKED.replace(b"/echo", b"/secret") + LAST)
    assert statuses(raw) == [401]
    assert hand.transport.half_closed


@on_uvloop
async def test_after_a_refusal_what_still_comes_is_dropped_and_bounded() -> None:
    _, hand, server = await by_hand(b"POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n")
    await hand.feed(b"a" * 1_000_000)
    assert not hand.transport.aborted
    await hand.feed(b"a" * 100_000)
    assert hand.transport.aborted
    hand.leave()
    assert server.body_bytes_held == 0


# --- defects of the app ----------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"/broken", b"/crash", b"/mute", b"/broken-screen"])
@on_uvloop
async def test_a_defect_is_answered_with_500_and_the_worker_goes_on(path: bytes) -> None:
    raw, _, server = await by_hand(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path + LAST)
    assert statuses(raw) == [500, 200]
    assert b"planted" not in raw
    assert len(server.app.defects) == 1  # type: ignore[attr-defined]
    assert server.active == 0


@on_uvloop
async def test_a_stream_that_breaks_off_does_not_look_complete() -> None:
    raw, hand, _ = await by_hand(b"GET /cut HTTP/1.1\r\nHost: x\r\n\r\n" + LAST)
    assert raw.endswith(b"4\r\nhalf\r\n")
    assert hand.transport.aborted


# --- any octets at all -----------------------------------------------------------------------

CONVERSATION = POST + GET + CHUNKED + b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n" + LAST


@given(st.lists(st.integers(1, len(CONVERSATION) - 1), max_size=12))
def test_any_split_of_the_octets_gives_the_same_answers(cuts: list[int]) -> None:
    @on_uvloop
    async def check() -> None:
        whole, _, _ = await by_hand(CONVERSATION)
        edges = [0, *sorted(set(cuts)), len(CONVERSATION)]
        split, _, server = await by_hand(*[CONVERSATION[start:end] for start, end in pairwise(edges)])
        assert undated(split) == undated(whole)
        assert len(parse(split)) == 6
        assert server.active == server.body_bytes_held == 0

    check()


TOKENS = [b"GET ", b"POST ", b"/", b"/wait", b" HTTP/1.1", b"\r\n", b"\n", b"\r", b"Host: x", b"Content-Length: 3"]
TOKENS += [b"Transfer-Encoding: chunked", b":", b" ", b"\0", b"3\r\nabc\r\n", b"0\r\n\r\n", b"\r\n\r\n", b"Expect: 100-continue"]
TOKENS += [b"\xff", b"abc", GET, POST, CHUNKED]
NOISE = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(TOKENS), max_size=20).map(b"".join))
MUTANT = st.tuples(st.integers(0, len(CONVERSATION)), st.integers(0, 3), st.binary(max_size=3)).map(
    lambda change: CONVERSATION[: change[0]] + change[2] + CONVERSATION[change[0] + change[1] :]
)


@given(st.lists(st.one_of(NOISE, MUTANT), min_size=1, max_size=4))
def test_no_octets_crash_the_server_or_leave_anything_behind(pieces: list[bytes]) -> None:
    @on_uvloop
    async def check() -> None:
        raw, hand, server = await by_hand(*pieces)
        for status, _, _ in parse(raw):
            assert status in (100, 200, 400, 408, 411, 413, 431)
        hand.leave()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert server.active == server.body_bytes_held == 0
        assert not server.connections and not server.tasks
        assert not any(server._buckets.values())
        assert not server.app.defects  # type: ignore[attr-defined]
        assert statuses((await by_hand(GET))[0]) == [200]

    check()


# --- who is asking ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        ((), "203.0.113.9", "192.0.2.1"),
        (("198.51.100.0/24",), "203.0.113.9", "192.0.2.1"),
        (("192.0.2.0/24",), "203.0.113.9", "203.0.113.9"),
        (("192.0.2.1",), "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (("192.0.2.0/24", "10.0.0.0/8"), "6.6.6.6, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        (("192.0.2.0/24", "10.0.0.0/8"), "10.9.9.9, 10.1.2.3", "10.9.9.9"),
        (("192.0.2.0/24", "10.0.0.0/8"), "6.6.6.6, nonsense, 10.1.2.3", "10.1.2.3"),
        (("192.0.2.0/24",), "2001:db8::1", "2001:db8::1"),
        (("192.0.2.0/24",), "", "192.0.2.1"),
    ],
)
@on_uvloop
async def test_a_forwarded_address_is_believed_from_trusted_proxies_only(trusted: tuple[str, ...], forwarded: str, client: str) -> None:
    head = f"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {forwarded}\r\nX-Forwarded-Proto: https\r\n\r\n".encode()
    raw, _, _ = await by_hand(head, trusted_proxies=trusted)
    told = seen(parse(raw)[0][2])
    assert told["client"] == client
    assert (told["scheme"] == "https") is ("192.0.2.0/24" in trusted or "192.0.2.1" in trusted)
