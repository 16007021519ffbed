from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor import Corridor
from edge.talking import WAIT_S, Hand, on_uvloop, parse, seen, serving, settings, until
from lizi.edge import http
from lizi.edge.http import ROUTES, HttpApp, Operations, Served
from lizi.edge.server import Server
from lizi.errors import CODES, PartnerError, Refused, Retry
from lizi.testing import Behaviour, FakeReply
from lizi.testing.behaviours import Asked
from lizi.types import Plan

CHAT = "/v1/chat/completions"
PROOFREAD = "/v1/writing/proofread"
QUESTION = {"model": "assistant", "messages": [{"role": "user", "content": "Hello"}]}
TEXT = {"input": {"text": "I has a apple."}, "locale": "en"}


class Notebook:
    """A witness that keeps what it saw."""

    def __init__(self) -> None:
        self.requests: list[Served] = []
        self.defects: list[BaseException] = []

    def served(self, served: Served) -> None:
        self.requests.append(served)

    def crashed(self, exchange_id: str, exception: BaseException) -> None:
        self.defects.append(exception)


class Front:
    """The app on a connection by hand, before a corridor of fakes."""

    def __init__(self, script: Any = None, *, metrics_token: str = "", ready: bool = True, **corridor: Any) -> None:
        self.corridor = Corridor(script, **corridor)
        self.notebook = Notebook()
        self.server: Server | None = None
        self.ready = ready
        operations = Operations(
            ready=lambda: self.ready,
            metrics=self._metrics,
            metrics_token=metrics_token,
            openapi=lambda: b'{"openapi":"3.1.0"}',
            started_at=1,
        )
        self.app = HttpApp(self.corridor.house, self.corridor.ports, operations, self.notebook)

    @staticmethod
    async def _metrics() -> tuple[str, bytes]:
        return "text/plain; version=0.0.4", b"up 1\n"

    def head(self, method: str, path: str, body: bytes | None, headers: dict[str, str | None]) -> bytes:
        lines: dict[str, str | None] = {"Host": "x", "Authorization": f"Bearer {self.corridor.secret}"}
        if body is not None:
            lines |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        lines |= headers
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        return f"{method} {path} HTTP/1.1\r\n{text}\r\n".encode("latin-1") + (body or b"")

    async def ask(
        self, method: str, path: str, body: Any = None, *, before: Callable[[Hand], None] | None = None, **headers: str | None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own."""
        raw = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        self.server = Server(self.app, settings())
        hand = Hand(self.server)
        if before is not None:
            before(hand)
        data = self.head(method, path, raw, {name.replace("_", "-"): value for name, value in headers.items()})
        (answer,) = parse(await hand.feed(data))
        hand.leave()
        return answer

    async def post(self, body: Any = QUESTION, path: str = CHAT, **headers: str | None) -> tuple[int, dict[str, str], bytes]:
        return await self.ask("POST", path, body, **headers)


def error(body: bytes) -> dict[str, Any]:
    return seen(body)["error"]  # type: ignore[no-any-return]


def frames(body: bytes) -> list[str]:
    assert body.endswith(b"\n\n")
    return body.decode().split("\n\n")[:-1]


# --- the table of routes ---------------------------------------------------------------------


@on_uvloop
async def test_every_path_takes_its_one_method_and_all_others_are_unknown() -> None:
    front = Front()
    for path, route in ROUTES.items():
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
            fits = method == route.method or (method == "HEAD" and route.method == "GET")
            if method == "HEAD":
                continue  # has no body to parse; below
            status, headers, body = await front.ask(method, path, b"{}" if method == "POST" else None)
            assert (status == 405) is not fits, (method, path)
            if status == 405:
                assert headers["allow"] == ("POST" if route.method == "POST" else "GET, HEAD")
                assert error(body)["code"] == "method_not_allowed"
    for path in ("/", "/v1", "/v1/models/", "/V1/models", "/v1/chat/completions/x", "//healthz", "/%68ealthz", "*"):
        status, _, body = await front.ask("GET", path)
        assert (status, error(body)["code"]) == (404, "not_found"), path


@on_uvloop
async def test_head_is_answered_where_get_is() -> None:
    front = Front()
    hand = Hand(Server(front.app, settings()))
    raw = await hand.feed(front.head("HEAD", "/healthz", None, {}))
    assert raw.startswith(b"HTTP/1.1 200 ") and b"content-length: 15\r\n" in raw and raw.endswith(b"\r\n\r\n")


@on_uvloop
async def test_the_service_says_whether_it_lives_and_wants_traffic() -> None:
    front = Front()
    assert (await front.ask("GET", "/healthz"))[0] == 200
    assert (await front.ask("GET", "/readyz"))[0] == 200
    front.ready = False
    assert (await front.ask("GET", "/readyz"))[0] == 503
    assert (await front.ask("GET", "/healthz", Authorization=None))[0] == 200
    front.ready = True
    status, _, _ = await front.ask("GET", "/readyz", before=lambda hand: hand.connection._server.drain())
    assert status == 503


@on_uvloop
async def test_while_draining_new_work_gets_503_with_retry_after() -> None:
    front = Front()
    for method, path in (("POST", CHAT), ("GET", "/v1/models")):
        status, headers, body = await front.ask(
            method, path, QUESTION if method == "POST" else None, before=lambda hand: hand.connection._server.drain()
        )
        assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
        assert error(body)["code"] == "shutting_down"
    assert front.corridor.limits.settled == []


@on_uvloop
async def test_models_are_the_logical_names_that_the_key_may_use() -> None:
    front = Front()
    _, _, body = await front.ask("GET", "/v1/models")
    assert {entry["id"] for entry in seen(body)["data"]} == {"assistant", "seeing", "strict", "alone"}
    assert b"first" not in body and b"large" not in body
    front = Front(plan=Plan(models=frozenset({"assistant"})))
    _, _, body = await front.ask("GET", "/v1/models")
    assert [entry["id"] for entry in seen(body)["data"]] == ["assistant"]


@on_uvloop
async def test_metrics_are_for_the_token_or_for_loopback() -> None:
    def local(hand: Hand) -> None:
        hand.connection._peer = "127.0.0.1"

    front = Front()
    assert (await front.ask("GET", "/metrics"))[0] == 404
    status, headers, body = await front.ask("GET", "/metrics", before=local)
    assert (status, headers["content-type"], body) == (200, "text/plain; version=0.0.4", b"up 1\n")
    # A proxy on this machine that passes on the world's requests is not this machine asking.
    assert (await front.ask("GET", "/metrics", before=local, X_Forwarded_For="203.0.113.9"))[0] == 404
    front = Front(metrics_token="let me in")
    assert (await front.ask("GET", "/metrics", before=local))[0] == 401
    assert (await front.ask("GET", "/metrics", Authorization="Bearer let me i"))[0] == 401
    assert (await front.ask("GET", "/metrics", Authorization="Bearer let me in"))[0] == 200


# --- refused on the head ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": None}, "invalid_api_key"),
        ({"Authorization": "Bearer lz-aaaa-bbbb"}, "invalid_api_key"),
        ({"Authorization": "Basic abc"}, "invalid_api_key"),
        ({"Authorization": "Bearer \xff\xfe"}, "invalid_api_key"),
        ({"Content-Type": None}, "unsupported_media_type"),
        ({"Content-Type": "text/plain"}, "unsupported_media_type"),
        ({"Content-Type": "application/json; charset=gbk"}, "unsupported_media_type"),
        ({"Content-Type": "application/jsonx"}, "unsupported_media_type"),
        ({"Content-Encoding": "gzip"}, "unsupported_media_type"),
        ({"Content-Length": None}, "length_required"),
        ({"Idempotency-Key": ""}, "invalid_request"),
        ({"Idempotency-Key": "a" * 256}, "invalid_request"),
        ({"Idempotency-Key": "two words"}, "invalid_request"),
        ({"Idempotency-Key": "\xe4"}, "invalid_request"),
    ],
)
@on_uvloop
async def test_what_the_head_shows_to_be_wrong_is_refused_before_the_body(headers: dict[str, str | None], code: str) -> None:
    front = Front()
    hand = Hand(Server(front.app, settings()))
    data = front.head("POST", CHAT, b"{}", headers)
    raw = await hand.feed(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    ((status, answered, body),) = parse(raw)
    assert (status, error(body)["code"]) == (CODES[code].status, code)
    assert answered["content-type"] == "application/json; charset=utf-8"
    assert answered["cache-control"] == "no-store"
    assert ("www-authenticate" in answered) is (status == 401)
    assert front.corridor.limits.settled == []


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"']
)
@on_uvloop
async def test_json_is_taken_however_it_is_spelled(media_type: str) -> None:
    assert (await Front().post(Content_Type=media_type))[0] == 200


@on_uvloop
async def test_get_takes_no_body() -> None:
    assert (await Front().ask("GET", "/v1/models", b"{}"))[0] == 400
    assert (await Front().ask("GET", "/v1/models", None, Content_Length="0"))[0] == 200


# --- ids -------------------------------------------------------------------------------------


@on_uvloop
async def test_the_answer_bears_our_id_and_echoes_a_clients_own_beside_it() -> None:
    front = Front()
    _, headers, body = await front.post(X_Request_Id="abc-1.2_3")
    assert re.fullmatch(r"rq_.{26}", headers["x-request-id"])
    assert headers["x-client-request-id"] == "abc-1.2_3"
    assert front.corridor.journal.records[0].id == headers["x-request-id"]
    assert front.notebook.requests[0].client_request_id == "abc-1.2_3"
    call = front.corridor.upstream.calls[0]
    assert b"abc-1.2_3" not in call.body and not any(b"abc-1.2_3" in value for _, value in call.headers)
    for bad in ("a" * 129, "a b", "a\xe4", "<script>"):
        _, headers, _ = await front.post(X_Request_Id=bad)
        assert "x-client-request-id" not in headers
    _, headers, body = await front.post({"model": "nope", "messages": []})
    assert error(body)["request_id"] == headers["x-request-id"]


@on_uvloop
async def test_nothing_of_a_partner_is_in_any_answer() -> None:
    reply = Behaviour(text="Fine.", headers=(("x-partner", "acme-canary"), ("x-request-id", "acme-canary"), ("server", "acme-canary")))
    for body in (QUESTION, {**QUESTION, "stream": True}):
        status, headers, answer = await Front(reply).post(body)
        assert status == 200
        assert "acme-canary" not in json.dumps(headers) + answer.decode()
        assert "server" not in headers


# --- whole answers ---------------------------------------------------------------------------


@on_uvloop
async def test_a_whole_answer_is_one_json_body() -> None:
    front = Front(Behaviour(text="Fine, thank you."))
    status, headers, body = await front.post()
    answer = seen(body)
    assert status == 200 and headers["content-type"] == "application/json; charset=utf-8" and headers["cache-control"] == "no-store"
    assert answer["choices"][0]["message"]["content"] == "Fine, thank you."
    assert answer["model"] == "assistant"
    front.corridor.check_settled()


@on_uvloop
async def test_a_chunked_request_is_served_alike() -> None:
    front = Front(Behaviour(text="Fine."))
    body = msgspec.json.encode(QUESTION)
    head = front.head("POST", CHAT, b"", {"Content-Length": None, "Transfer-Encoding": "chunked"})
    hand = Hand(Server(front.app, settings()))
    raw = await hand.feed(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    assert parse(raw)[0][0] == 200


@pytest.mark.parametrize("stream", [False, True])
@on_uvloop
async def test_a_fault_before_the_first_byte_has_its_own_status(stream: bool) -> None:
    front = Front(Behaviour(status=500, error={"error": {"message": "acme-canary"}}))
    status, headers, body = await front.post({**QUESTION, "stream": stream})
    assert (status, error(body)["code"]) == (502, "upstream_failed")
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert b"acme-canary" not in body
    front.corridor.check_settled()


@on_uvloop
async def test_retry_after_is_whole_seconds_rounded_up() -> None:
    front = Front()
    for seconds, said in ((0.01, "1"), (1.0, "1"), (1.2, "2"), (59.5, "60")):
        front.corridor.limits.refusal = Refused("Too many.", code="rate_limited", retry=Retry.LATER, retry_after_s=seconds)
        status, headers, _ = await front.post()
        assert (status, headers["retry-after"]) == (429, said)
    front.corridor.limits.refusal = Refused("Too many.", code="busy")
    _, headers, _ = await front.post()
    assert "retry-after" not in headers


@pytest.mark.parametrize("code", sorted(CODES))
@on_uvloop
async def test_every_code_is_spoken_with_its_status(code: str) -> None:
    front = Front()
    front.corridor.limits.refusal = PartnerError("It failed.", code=code)  # type: ignore[assignment]
    status, _, body = await front.post()
    assert (status, error(body)["code"]) == (CODES[code].status, code)
    assert front.notebook.requests[-1].code == code


# --- streams ---------------------------------------------------------------------------------


@on_uvloop
async def test_a_stream_is_events_to_its_done() -> None:
    front = Front(Behaviour(text="Fine, thank you.", chunks=4))
    status, headers, body = await front.post({**QUESTION, "stream": True, "stream_options": {"include_usage": True}})
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    *events, done = frames(body)
    assert done == "data: [DONE]"
    trees = [json.loads(event.removeprefix("data: ")) for event in events]
    assert "".join(tree["choices"][0]["delta"].get("content", "") for tree in trees if tree["choices"]) == "Fine, thank you."
    assert trees[-1]["usage"]["completion_tokens"] > 0
    front.corridor.check_settled()


@on_uvloop
async def test_a_fault_after_the_first_byte_is_an_event_of_the_stream() -> None:
    front = Front(Behaviour(text="Fine, thank you.", chunks=8, fault="cut", fault_after=4))
    status, _, body = await front.post({**QUESTION, "stream": True})
    assert status == 200
    last = json.loads(frames(body)[-1].removeprefix("data: "))
    assert last["error"]["code"] == "stream_cut"
    assert b"[DONE]" not in body
    assert front.notebook.requests[-1].code == "stream_cut"
    front.corridor.check_settled()


@pytest.mark.parametrize("stream", [False, True])
@on_uvloop
async def test_silence_holds_the_status_then_keeps_a_stream_alive(stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_HEARTBEAT_S", 0.05)
    front = Front(FakeReply(fault_at=-1, fault="hang"))
    server = Server(front.app, settings())
    hand = Hand(server)
    body = msgspec.json.encode({**QUESTION, "stream": stream})
    assert await hand.feed(front.head("POST", CHAT, body, {})) == b""
    if stream:
        await until(lambda: hand.transport.sent.count(b": \n\n") >= 3)
        assert hand.transport.sent.startswith(b"HTTP/1.1 200 ")
    else:
        await asyncio.sleep(0.3)
        assert hand.transport.sent == b""
    hand.leave()
    await until(lambda: not server.tasks)
    sent = len(hand.transport.sent)
    await asyncio.sleep(0.15)
    assert len(hand.transport.sent) == sent
    front.corridor.check_settled()
    assert (front.notebook.requests[-1].status, front.notebook.requests[-1].code) == (499, "cancelled")


@on_uvloop
async def test_a_fault_after_a_heartbeat_is_an_event_of_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_HEARTBEAT_S", 0.02)
    gate = asyncio.Event()
    front = Front()

    async def reserve(*_: Any) -> Any:
        await gate.wait()
        raise Refused("Too many.", code="rate_limited", retry_after_s=3.0)

    front.corridor.limits.reserve = reserve  # type: ignore[method-assign]
    for path, body in ((CHAT, {**QUESTION, "stream": True}), (PROOFREAD, {**TEXT, "stream": True})):
        gate.clear()
        hand = Hand(Server(front.app, settings()))
        await hand.feed(front.head("POST", path, msgspec.json.encode(body), {}))
        await until(lambda hand=hand: hand.transport.sent)
        gate.set()
        await until(lambda hand=hand: hand.transport.sent.endswith(b"0\r\n\r\n"))
        ((status, _, answer),) = parse(bytes(hand.transport.sent))
        assert status == 200
        assert '"rate_limited"' in frames(answer)[-1]


# --- leaving ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("position", [-2, -1, 0, 1, 3])
@on_uvloop
async def test_a_client_that_leaves_closes_the_partners_connection_at_any_moment(position: int, stream: bool) -> None:
    asked = Asked(model="large", stream=stream, include_usage=True, json_schema=False)
    whole = FakeReply.of(Behaviour(text="Fine, thank you.", chunks=8), asked)
    hang = msgspec.structs.replace(whole, fault_at=min(position, len(whole.pieces)), fault="hang")
    front = Front(hang)
    async with serving(front.app) as (_, server, port):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(front.head("POST", CHAT, msgspec.json.encode({**QUESTION, "stream": stream}), {}))
        await until(lambda: front.corridor.upstream.open_now)
        await asyncio.sleep(0.02)
        sock.close()
        await asyncio.wait_for(until(lambda: not front.corridor.upstream.open_now), WAIT_S)
        await until(lambda: not server.tasks)
        front.corridor.check_settled()
        assert [record.outcome for record in front.corridor.journal.records] == ["cancelled"]


# --- features --------------------------------------------------------------------------------


@on_uvloop
async def test_a_feature_answers_whole_and_as_named_events() -> None:
    front = Front(Behaviour(text="I have an apple."))
    status, headers, body = await front.post(TEXT, PROOFREAD)
    assert status == 200, body
    answer = seen(body)
    assert answer["result"]["corrected"] == "I have an apple."
    assert answer["meta"]["request_id"] == headers["x-request-id"]
    status, headers, body = await front.post({**TEXT, "stream": True}, PROOFREAD)
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    assert re.findall(r"^event: (.*)$", body.decode(), re.MULTILINE) == ["meta", "usage", "final"]
    assert '"I have an apple."' in frames(body)[-1]
    front.corridor.check_settled()


# --- defects ---------------------------------------------------------------------------------


@on_uvloop
async def test_a_defect_is_500_with_its_id_and_never_with_its_words() -> None:
    front = Front()

    def planted(*_: Any, **__: Any) -> Any:
        raise RuntimeError("canary: the prompt")

    front.corridor.limits.reserve = planted  # type: ignore[method-assign]
    for stream in (False, True):
        status, headers, body = await front.post({**QUESTION, "stream": stream})
        assert (status, error(body)["code"]) == (500, "internal")
        assert error(body)["request_id"] == headers["x-request-id"]
        assert b"canary" not in body
    front.app.house = None  # type: ignore[assignment]
    status, _, body = await front.post()
    assert (status, error(body)["code"]) == (500, "internal")
    assert len(front.notebook.defects) == 3


@on_uvloop
async def test_a_defect_in_a_begun_stream_is_its_last_event() -> None:
    front = Front(Behaviour(text="Fine, thank you.", chunks=4))

    def planted(*_: Any, **__: Any) -> Any:
        raise RuntimeError("canary: the prompt")

    front.corridor.limits.settle = planted  # type: ignore[method-assign]
    status, _, body = await front.post({**QUESTION, "stream": True})
    assert status == 200
    assert b"canary" not in body
    assert len(front.notebook.defects) == 1


# --- any body at all -------------------------------------------------------------------------

JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(st.sampled_from(["model", "messages", "stream", "tools", "n", "input", "locale", "response_format", "x"]), JSONISH)


@given(st.sampled_from([path for path, route in ROUTES.items() if route.method == "POST"]), st.one_of(st.binary(max_size=60), FIELDS))
def test_no_body_gets_anything_but_a_clear_answer(path: str, body: Any) -> None:
    @on_uvloop
    async def check() -> None:
        front = Front(Behaviour(text="Fine."))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, answer = await front.post(data, path)
        assert status == 200 or 400 <= status < 500, answer
        assert status == 200 or error(answer)["code"] in CODES
        assert front.notebook.defects == []
        front.corridor.check_settled()

    check()


@on_uvloop
async def test_a_new_house_serves_the_next_request() -> None:
    front = Front(Behaviour(text="Fine."))
    assert (await front.post())[0] == 200
    front.app.house = Corridor(config="").house
    status, _, body = await front.post()
    assert (status, error(body)["code"]) == (404, "model_not_found")
