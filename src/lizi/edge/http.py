"""The app behind the server: one literal table of routes, and the one place that iterates `pipeline.serve`.

Refuses on the head alone what needs no body. Holds the status until the first bytes of an answer, for a
stream 10 s at the most: then 200 and a comment for every 10 s of silence. A fault before the first byte is a
JSON error with its status, later an event in the stream. Leaving cancels the task, which closes `serve`.
Never lets a partner's or a client's header through, never logs content or the words of an unknown exception.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import re
from collections.abc import Callable, Coroutine
from ipaddress import ip_address
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl

from msgspec import Struct

from lizi.edge.request_reading import Request
from lizi.edge.responder import Reply, Responder
from lizi.edge.voices import voice_for
from lizi.errors import InvalidRequest, LiziError, Refused, Unauthenticated
from lizi.house import Arrival, House, Opened, Ports
from lizi.notices import disclosed, markets
from lizi.pipeline import open, serve
from lizi.types import Caller, Event, Fault
from lizi.wire.notices import NoticeRow, notices_body, read_question
from lizi.wire.openai import error_body, models_body

__all__ = ["ROUTES", "HttpApp", "Operations", "Served", "Witness"]

_HEARTBEAT_S = 10.0
"""Silence that a stream's reader is left in; proxies commonly give up after 60 s, phones' radios sleep earlier."""
_PARAMETERS = 8
"""Of a query: four times as many as any path here takes."""
_COMMENT = b": \n\n"
_DRAIN_RETRY_S = 1.0
"""A client that gets 503 while this instance stops finds the next one at once."""

_JSON = "application/json; charset=utf-8"
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
_MEDIA_TYPE = re.compile(r"application/json(\s*;\s*charset=\"?utf-8\"?)?\s*", re.IGNORECASE)


class Served(Struct, frozen=True, kw_only=True):
    """One answered request, for log and metrics. No content, no path that a client made up."""

    exchange_id: str
    client_request_id: str
    route: str
    """The route's own path, or empty when none fits."""
    method: str
    status: int
    """499 when the client left before its answer was complete."""
    code: str
    """The error's code; empty without one."""
    streamed: bool
    started_mono: float
    client_address: str


class Witness(Protocol):
    """Who sees what was served: telemetry."""

    def served(self, served: Served) -> None:
        """One request is over. Must not raise or block."""
        ...

    def crashed(self, exchange_id: str, exception: BaseException) -> None:
        """A defect showed. Records type and frames, never the message: it may hold content."""
        ...


class Operations(Struct, frozen=True, kw_only=True):
    """What this worker says of itself."""

    ready: Callable[[], bool]
    metrics: Callable[[], Coroutine[Any, Any, tuple[str, bytes]]]
    """Media type and text of the metrics of all workers."""
    metrics_token: str
    """Empty: metrics are for loopback only."""
    openapi: Callable[[], bytes]
    """Of the configuration that serves now: a reload may offer other features."""
    started_at: int
    """Unix time; stands as `created` beside the models, which have no better date."""


class _Note(Struct, kw_only=True):
    """What `screen` found out."""

    exchange_id: str
    client_id: str
    route: str
    started_mono: float
    caller: Caller | None = None
    """Who asks, where the route wants to know."""


Handler = Callable[["HttpApp", Request, _Note, Responder], "Reply | Coroutine[Any, Any, Reply | None]"]


class _Route(Struct, frozen=True, kw_only=True):
    method: str
    handler: Handler
    feature: str = ""
    authenticated: bool = False


class HttpApp:
    """The hooks that `edge.server` calls. `house` may be replaced at any time: a request keeps the one it began with."""

    def __init__(self, house: House, ports: Ports, operations: Operations, witness: Witness) -> None:
        self.house = house
        self._ports = ports
        self._operations = operations
        self._witness = witness

    # --- the server's hooks ---------------------------------------------------

    def screen(self, request: Request) -> Reply | None:
        """Refuse on the head alone: before any octet of the body is read."""
        note = self._note(request)
        try:
            route = ROUTES.get(request.path)
            if route is None:
                raise InvalidRequest("There is nothing at this path.", code="not_found", hint="GET /openapi.json lists what there is.")
            note.route = request.path
            if request.method != route.method and not (request.method == "HEAD" and route.method == "GET"):
                raise InvalidRequest(f"This path takes {route.method} only.", code="method_not_allowed")
            if request.draining and route.authenticated:
                raise Refused("The service is about to stop.", code="shutting_down", retry_after_s=_DRAIN_RETRY_S)
            if route.authenticated:
                note.caller = self.house.callers.authenticate(request.headers.get("authorization"), self._ports.clock.now())
            if route.method == "POST":
                _check_post(request)
            elif request.has_body:
                raise InvalidRequest("GET takes no body here.", code="invalid_request")
        except LiziError as error:
            return self._refusal(error, request, note)
        return None

    def handle(self, request: Request, responder: Responder) -> Reply | Coroutine[Any, Any, Reply | None]:
        """Answer a request that `screen` let through."""
        return ROUTES[request.path].handler(self, request, request.note, responder)

    def fault(self, error: LiziError, request: Request | None) -> Reply:
        """A request that broke HTTP or a limit, or a defect of ours (then `__cause__` is there)."""
        if request is None:
            request = Request()
        note = request.note if request.note is not None else self._note(request)
        if error.__cause__ is not None:
            self._witness.crashed(note.exchange_id, error.__cause__)
        return self._refusal(error, request, note)

    # --- the routes -----------------------------------------------------------

    def exchange(self, request: Request, note: _Note, responder: Responder) -> Reply | Coroutine[Any, Any, Reply | None]:
        """POST of a feature: open it now, serve it in a task."""
        arrival = Arrival(
            feature=ROUTES[note.route].feature,
            caller=cast(Caller, note.caller),
            body=request.body,
            idempotency_key=request.headers.get("idempotency-key"),
            exchange_id=note.exchange_id,
        )
        request.body = b""  # decoded or refused: it need not outlive this call
        try:
            opened = open(arrival, self.house, self._ports.clock)
        except LiziError as error:
            return self._refusal(error, request, note)
        return self._serve(opened, request, note, responder)

    async def _serve(self, opened: Opened, request: Request, note: _Note, responder: Responder) -> Reply | None:
        voice = voice_for(opened)
        stream: _Stream | None = None
        events: list[Event] = []
        error: LiziError | None = None
        streamed = opened.exchange.stream
        if streamed:
            stream = _Stream(responder, self._headers(note, "text/event-stream; charset=utf-8", ("x-accel-buffering", "no")))
            stream.keep_alive_with_comments()
        try:
            batches = serve(opened, self._ports)
            try:
                async for batch in batches:
                    last = batch[-1]
                    if type(last) is Fault:
                        error = last.error
                    if stream is None:
                        events += batch
                    elif error is None or responder.started:
                        data = voice.feed(batch)
                        if data:
                            stream.write(data)
                            await responder.drain()
            except BaseException:
                # Law 3: whoever iterates `serve` closes it, also when this task is cancelled. One that came to its end is closed.
                await batches.aclose()
                raise
        except asyncio.CancelledError:
            self._seen(request, note, 499, "cancelled", streamed=streamed)
            raise
        except Exception as exception:  # noqa: BLE001 - a defect is answered with its id, in the stream if there is one
            self._witness.crashed(note.exchange_id, exception)
            error = LiziError("Something went wrong inside the service.", code="internal")
            if stream is not None and responder.started:
                stream.write(voice.feed([Fault(error)]))
        finally:
            if stream is not None:
                stream.stop()
        if error is not None and not responder.started:
            return self._refusal(error, request, note, streamed=streamed)
        code = error.code if error is not None else ""
        self._seen(request, note, 200, code, streamed=streamed)
        if stream is not None:
            stream.end()
            return None
        return self._reply(note, 200, voice.whole(events))

    def models(self, request: Request, note: _Note, responder: Responder) -> Reply:
        """The logical models that this key may ask for."""
        allowed = cast(Caller, note.caller).plan.models
        names = [name for name in self.house.routes if allowed is None or name in allowed]
        return self._answer(request, note, 200, models_body(names, self._operations.started_at))

    def notices(self, request: Request, note: _Note, responder: Responder) -> Reply:
        """What a market's law wants shown of the models behind the features that this key may use."""
        house, plan, now = self.house, cast(Caller, note.caller).plan, self._ports.clock.now()
        serving = {name: route.targets for name, route in house.routes.items() if plan.models is None or name in plan.models}
        try:
            pairs = parse_qsl(request.query, keep_blank_values=True, max_num_fields=_PARAMETERS)
        except ValueError:
            return self._refusal(InvalidRequest("The query holds too much.", code="invalid_request"), request, note)
        known = markets(house.notices, (target for route in house.routes.values() for target in route.targets))
        try:
            question = read_question(pairs, request.headers.get("accept-language", ""), plan.market, known)
        except LiziError as error:
            return self._refusal(error, request, note)
        rows = [
            NoticeRow(
                models=each.models,
                features=each.features,
                name=each.notice.name,
                number=each.notice.number,
                filed_on=each.notice.filed,
                authority=each.notice.authority.get(question.language) or next(iter(each.notice.authority.values()), None),
            )
            for each in disclosed(house.notices, question.market, now, serving, house.features)
        ]
        return self._answer(request, note, 200, notices_body(question, rows))

    def healthz(self, request: Request, note: _Note, responder: Responder) -> Reply:
        """This worker runs."""
        return self._answer(request, note, 200, b'{"status":"ok"}')

    def readyz(self, request: Request, note: _Note, responder: Responder) -> Reply:
        """This instance wants traffic."""
        if request.draining:
            return self._answer(request, note, 503, b'{"status":"shutting_down"}')
        if not self._operations.ready():
            return self._answer(request, note, 503, b'{"status":"not_ready"}')
        return self._answer(request, note, 200, b'{"status":"ready"}')

    def openapi(self, request: Request, note: _Note, responder: Responder) -> Reply:
        """What can be asked, as OpenAPI."""
        return self._answer(request, note, 200, self._operations.openapi())

    def metrics(self, request: Request, note: _Note, responder: Responder) -> Reply | Coroutine[Any, Any, Reply | None]:
        """Numbers for Prometheus, with the token or from this machine only."""
        token = self._operations.metrics_token
        if token:
            sent = request.headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(sent, f"Bearer {token}".encode()):
                return self._refusal(Unauthenticated("The metrics need their own bearer token.", code="invalid_api_key"), request, note)
        elif not _is_loopback(request):
            hint = "Without server.metrics_token, metrics are served to loopback only."
            return self._refusal(InvalidRequest("There is nothing at this path.", code="not_found", hint=hint), request, note)
        return self._metrics(request, note)

    async def _metrics(self, request: Request, note: _Note) -> Reply:
        media_type, text = await self._operations.metrics()
        return self._answer(request, note, 200, text, media_type)

    # --- answers --------------------------------------------------------------

    def _note(self, request: Request) -> _Note:
        client_id = request.headers.get("x-request-id", "")
        request.note = note = _Note(
            exchange_id=self._ports.clock.new_id("rq_"),
            client_id=client_id if _CLIENT_ID.fullmatch(client_id) else "",
            route="",
            started_mono=self._ports.clock.monotonic(),
        )
        return note

    def _headers(self, note: _Note, media_type: str, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
        headers = (("content-type", media_type), ("cache-control", "no-store"), ("x-request-id", note.exchange_id), *more)
        return (*headers, ("x-client-request-id", note.client_id)) if note.client_id else headers

    def _reply(self, note: _Note, status: int, body: bytes, media_type: str = _JSON) -> Reply:
        return Reply(status=status, headers=self._headers(note, media_type), body=body)

    def _answer(self, request: Request, note: _Note, status: int, body: bytes, media_type: str = _JSON) -> Reply:
        self._seen(request, note, status, "")
        return self._reply(note, status, body, media_type)

    def _refusal(self, error: LiziError, request: Request, note: _Note, *, streamed: bool = False) -> Reply:
        self._seen(request, note, error.status, error.code, streamed=streamed)
        more: list[tuple[str, str]] = []
        if error.retry_after_s is not None:
            more.append(("retry-after", str(max(1, math.ceil(error.retry_after_s)))))
        if error.status == 405:
            method = ROUTES[note.route].method
            more.append(("allow", "GET, HEAD" if method == "GET" else method))
        if error.status == 401:
            more.append(("www-authenticate", "Bearer"))  # RFC 9110 §11.6.1
        return Reply(status=error.status, headers=self._headers(note, _JSON, *more), body=error_body(error, note.exchange_id))

    def _seen(self, request: Request, note: _Note, status: int, code: str, *, streamed: bool = False) -> None:
        self._witness.served(
            Served(
                exchange_id=note.exchange_id,
                client_request_id=note.client_id,
                route=note.route,
                method=request.method,
                status=status,
                code=code,
                streamed=streamed,
                started_mono=note.started_mono,
                client_address=request.client_address,
            )
        )


class _Stream:
    """A stream's answer: 200 begins with its first bytes, or with a comment after 10 s of silence."""

    __slots__ = ("_headers", "_last", "_loop", "_responder", "_timer")

    def __init__(self, responder: Responder, headers: tuple[tuple[str, str], ...]) -> None:
        self._responder = responder
        self._headers = headers
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def keep_alive_with_comments(self) -> None:
        """Break every 10 s of silence from now on, one timer a stream, set again only when it fires."""
        self._timer = self._loop.call_at(self._last + _HEARTBEAT_S, self._beat)

    def write(self, data: bytes) -> None:
        """Send bytes of the stream; whole events only, since a comment may follow."""
        if not self._responder.started:
            self._responder.start(200, self._headers)
        self._last = self._loop.time()
        self._responder.write(data)

    def end(self) -> None:
        """The stream is complete."""
        if not self._responder.started:
            self._responder.start(200, self._headers)
        self._responder.end()

    def stop(self) -> None:
        """No more comments."""
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        now = self._loop.time()
        due = self._last + _HEARTBEAT_S
        if due <= now:
            due = now + _HEARTBEAT_S
            # A reader that is behind needs no sign of life, and must not be sent an unbounded heap of them.
            if not self._responder.congested:
                self.write(_COMMENT)
        self._timer = self._loop.call_at(due, self._beat)


def _check_post(request: Request) -> None:
    """What a POST's head must say."""
    headers = request.headers
    media_type = headers.get("content-type", "")
    if media_type != "application/json" and not _MEDIA_TYPE.fullmatch(media_type):
        raise InvalidRequest(
            "The body must be JSON.", code="unsupported_media_type", hint="Send the header 'Content-Type: application/json'."
        )
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidRequest("The body must not be compressed.", code="unsupported_media_type", hint="Leave 'Content-Encoding' out.")
    if request.content_length is None and not request.chunked:
        raise InvalidRequest("The request does not say how long its body is.", code="length_required", hint="Send 'Content-Length'.")
    key = headers.get("idempotency-key")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidRequest(
            "The Idempotency-Key must be 1 to 255 visible ASCII characters.", code="invalid_request", param="Idempotency-Key"
        )


def _is_loopback(request: Request) -> bool:
    """Whether the request comes from this machine itself. A forwarded one does not, whoever passed it on."""
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return ip_address(request.client_address).is_loopback
    except ValueError:  # a Unix socket has no address
        return False


ROUTES: dict[str, _Route] = {
    "/v1/chat/completions": _Route(method="POST", handler=HttpApp.exchange, feature="chat", authenticated=True),
    "/v1/models": _Route(method="GET", handler=HttpApp.models, authenticated=True),
    "/v1/notices": _Route(method="GET", handler=HttpApp.notices, authenticated=True),
    "/v1/writing/proofread": _Route(method="POST", handler=HttpApp.exchange, feature="writing.proofread", authenticated=True),
    "/v1/writing/rewrite": _Route(method="POST", handler=HttpApp.exchange, feature="writing.rewrite", authenticated=True),
    "/v1/writing/transform": _Route(method="POST", handler=HttpApp.exchange, feature="writing.transform", authenticated=True),
    "/healthz": _Route(method="GET", handler=HttpApp.healthz),
    "/readyz": _Route(method="GET", handler=HttpApp.readyz),
    "/metrics": _Route(method="GET", handler=HttpApp.metrics),
    "/openapi.json": _Route(method="GET", handler=HttpApp.openapi),
}
"""Every path that is served. Nothing else answers."""
