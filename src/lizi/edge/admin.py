"""The admin plane: what the command line does to a running service, as JSON on a Unix socket.

Never reachable from the network, never without the token, never shows a key's secret twice or a
digest at all. The socket and the token's file belong to the service's user alone (0600). A request
is small and is answered when the change acts on all workers. Bound: bodies up to 64 KiB.
"""

from __future__ import annotations

import hmac
import os
import pwd
import re
import secrets
import socket
import stat
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from lizi.callers import KeyRecord
from lizi.edge.fleet import Landing
from lizi.edge.keyring import Purpose
from lizi.edge.partners import who
from lizi.edge.server import Reply, Request, Responder, Server
from lizi.errors import ConfigError, InvalidRequest, LiziError, Unauthenticated
from lizi.settings import ServerSettings
from lizi.standing import check_words
from lizi.types import Plan

if TYPE_CHECKING:
    from lizi.edge.supervisor import Supervisor

__all__ = ["AdminPlane"]

_BODY_BYTES = 64 * 1024
_JSON = (("content-type", "application/json"), ("cache-control", "no-store"))
_APP = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_OVERLAP_S = 24 * 3600.0
"""A rotated key lasts a day more unless told otherwise: time to roll out the new one."""
_SOCKET_PATH_BYTES = 107
"""`sockaddr_un.sun_path` holds 108 with its end (unix(7))."""


class _NewKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    app: str
    plan: Plan = Plan()
    expires_at: float | None = None


class _Rotation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    overlap_s: float = _OVERLAP_S


class _Move(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    state: str
    why: str
    by: str | None = None
    user: str = "unknown"
    """Who runs the command, by its own word; the socket's word goes before it."""
    force: bool = False


class _KeyringRotation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    purpose: Purpose
    user: str = "unknown"
    """As in `_Move`."""


class _Call:
    """One authorised request on its way to a route."""

    __slots__ = ("body", "peer", "subject")

    def __init__(self, body: bytes, subject: str, peer: str) -> None:
        self.body = body
        self.peer = peer
        """Name of the user at the socket's other end; empty where the system doesn't tell."""
        self.subject = subject
        """The key or partner that the path names."""


_Answer = tuple[int, Any]
_Route = Callable[[_Call], Awaitable[_Answer]]


class AdminPlane:
    """Serves one supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self.socket_path = supervisor.data_dir / "admin.sock"
        self.token_path = supervisor.data_dir / "admin.token"
        self._token = b""
        self._server: Server | None = None
        self._routes: tuple[tuple[str, re.Pattern[str], _Route], ...] = (
            ("GET", re.compile("/status"), self._status),
            ("POST", re.compile("/reload"), self._reload),
            ("GET", re.compile("/keys"), self._keys),
            ("POST", re.compile("/keys"), self._create),
            ("POST", re.compile("/keys/([a-z0-9]+)/revoke"), self._revoke),
            ("POST", re.compile("/keys/([a-z0-9]+)/rotate"), self._rotate),
            ("PUT", re.compile("/keys/([a-z0-9]+)/plan"), self._plan),
            ("POST", re.compile("/partners/([a-z0-9._-]+)/move"), self._move),
            ("GET", re.compile("/partners/([a-z0-9._-]+)/history"), self._history),
            ("GET", re.compile("/keyring"), self._keyring),
            ("POST", re.compile("/keyring/rotate"), self._rotate_keyring),
            ("POST", re.compile("/drain"), self._drain),
            ("GET", re.compile("/metrics"), self._metrics),
        )

    async def listen(self) -> None:
        """Make the token if there is none, and serve. Raises `ConfigError` where the folder doesn't allow it."""
        try:
            self._token = self._own_token()
            sock = self._bind()
        except OSError as error:
            raise ConfigError(
                f"The admin socket can't be made: {error.strerror}.",
                code="config_invalid",
                param="$.server.data_dir",
                hint="server.data_dir must be a local folder that the service's user can write.",
            ) from None
        # Its own, tighter limits: nothing but small JSON comes here.
        settings = ServerSettings(body_limit_bytes=_BODY_BYTES, header_limit_bytes=16 * 1024, connections=100)
        self._server = Server(self, settings)
        await self._server.listen(sock)

    def _own_token(self) -> bytes:
        try:
            descriptor = os.open(self.token_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            if stat.S_IMODE(self.token_path.stat().st_mode) & 0o077:
                raise ConfigError(
                    f"{self.token_path.name} can be read by others than its owner.",
                    code="config_invalid",
                    param="$.server.data_dir",
                    hint="Remove it: a new one is made at the next start.",
                ) from None
            token = self.token_path.read_bytes().strip()
            if token:
                return token
            descriptor = os.open(self.token_path, os.O_WRONLY | os.O_CLOEXEC)
        with open(descriptor, "wb") as file:
            token = secrets.token_urlsafe(32).encode()
            file.write(token + b"\n")
        return token

    def _bind(self) -> socket.socket:
        path = str(self.socket_path)
        if len(path.encode()) > _SOCKET_PATH_BYTES:
            raise ConfigError(
                f"The path of the admin socket is longer than {_SOCKET_PATH_BYTES} bytes.",
                code="config_invalid",
                param="$.server.data_dir",
                hint="Choose a data_dir with a shorter path.",
            )
        # What lies there is of a killed predecessor: the store's lock has shown that no other service runs here.
        self.socket_path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # The socket must never be there with wider rights, not even for a moment; nothing else makes files in between.
        before = os.umask(0o177)
        try:
            sock.bind(path)
        except OSError:
            sock.close()
            raise
        finally:
            os.umask(before)
        return sock

    async def close(self) -> None:
        """Stop serving and remove the socket."""
        if self._server is not None:
            # A second for the answer to the very call that ended the service.
            await self._server.closed(self._supervisor.clock.monotonic() + 1.0)
            self.socket_path.unlink(missing_ok=True)

    # --- the server's three hooks ---

    def screen(self, request: Request) -> Reply | None:
        """Refuse before the body is read: a wrong token, an unknown path, a wrong method."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        matches = hmac.compare_digest(token.strip().encode("latin-1", "replace"), self._token)
        if not matches or scheme.lower() != "bearer":
            hint = f"Send 'Authorization: Bearer …' with the content of {self.token_path.name} in server.data_dir."
            return self.fault(Unauthenticated("The admin token is missing or wrong.", code="invalid_api_key", hint=hint), request)
        methods = []
        for method, pattern, route in self._routes:
            match = pattern.fullmatch(request.path)
            if match is not None:
                if method == request.method:
                    request.note = (route, match[1] if match.lastindex else "")
                    return None
                methods.append(method)
        if methods:
            hint = f"Use {' or '.join(methods)}."
            return self.fault(InvalidRequest("This path has no such method.", code="method_not_allowed", hint=hint), request)
        return self.fault(InvalidRequest("There is no such path.", code="not_found"), request)

    def handle(self, request: Request, responder: Responder) -> Coroutine[Any, Any, Reply]:
        """Answer an authorised request."""
        route, subject = request.note
        return self._answer(route, _Call(request.body, subject, _user_of(request.client_address)), request)

    async def _answer(self, route: _Route, call: _Call, request: Request) -> Reply:
        try:
            status, value = await route(call)
        except LiziError as error:
            return self.fault(error, request)
        except msgspec.DecodeError as error:
            return self.fault(InvalidRequest(f"The body is not what this path takes: {error}", code="invalid_request"), request)
        if isinstance(value, bytes):
            return Reply(status=status, headers=(("content-type", "text/plain; version=0.0.4; charset=utf-8"),), body=value)
        return Reply(status=status, headers=_JSON, body=msgspec.json.encode(value))

    def fault(self, error: LiziError, request: Request | None) -> Reply:
        """An error as JSON. A wrong configuration is the operator's to mend, so it is a 422 here, not a 500."""
        status = 422 if error.code == "config_invalid" else error.status
        body = {"error": {"code": error.code, "message": error.message, "param": error.param, "hint": error.hint}}
        return Reply(status=status, headers=_JSON, body=msgspec.json.encode(body))

    # --- routes ---

    async def _status(self, call: _Call) -> _Answer:
        return 200, self._supervisor.status()

    async def _reload(self, call: _Call) -> _Answer:
        landing = await self._supervisor.reload()
        return 200, {"generation": self._supervisor.number, "config_hash": self._supervisor.config.hash, "landing": landing}

    async def _keys(self, call: _Call) -> _Answer:
        return 200, {"keys": [record.shown() for record in self._supervisor.book.keys.values()]}

    async def _create(self, call: _Call) -> _Answer:
        wanted = msgspec.json.decode(call.body, type=_NewKey)
        if not _APP.fullmatch(wanted.app):
            hint = "Use lower-case letters, digits, '.', '_' and '-'; at most 64."
            raise InvalidRequest("This is no name for an app.", code="invalid_request", param="app", hint=hint)
        shown, record, landing = await self._supervisor.create_key(wanted.app, wanted.plan, wanted.expires_at)
        return 201, {"key": shown, **record.shown(), "landing": landing}

    async def _revoke(self, call: _Call) -> _Answer:
        record, landing = await self._supervisor.revoke_key(call.subject)
        return 200, _landed(record, landing)

    async def _rotate(self, call: _Call) -> _Answer:
        wanted = msgspec.json.decode(call.body, type=_Rotation) if call.body else _Rotation()
        shown, record, landing = await self._supervisor.rotate_key(call.subject, max(0.0, wanted.overlap_s))
        return 201, {"key": shown, **_landed(record, landing)}

    async def _plan(self, call: _Call) -> _Answer:
        record, landing = await self._supervisor.set_plan(call.subject, msgspec.json.decode(call.body, type=Plan))
        return 200, _landed(record, landing)

    async def _move(self, call: _Call) -> _Answer:
        wanted = msgspec.json.decode(call.body, type=_Move)
        by = who(wanted.by, call.peer or wanted.user)
        standing, landing = await self._supervisor.move_partner(call.subject, wanted.state, by=by, why=wanted.why, force=wanted.force)
        return 200, {**msgspec.structs.asdict(standing), "landing": landing}

    async def _history(self, call: _Call) -> _Answer:
        moves = await self._supervisor.book.run(lambda store: store.partner_moves())
        return 200, {"moves": [move for move in moves if move.partner == call.subject]}

    async def _keyring(self, call: _Call) -> _Answer:
        return 200, {"keys": self._supervisor.keyring.keys()}

    async def _rotate_keyring(self, call: _Call) -> _Answer:
        wanted = msgspec.json.decode(call.body, type=_KeyringRotation)
        by = call.peer or wanted.user
        check_words(by, "rotated")
        key_id, landing = await self._supervisor.rotate_keyring(wanted.purpose, by=by)
        return 201, {"key_id": key_id, "landing": landing}

    async def _drain(self, call: _Call) -> _Answer:
        self._supervisor.request_end()
        return 202, {"draining": True}

    async def _metrics(self, call: _Call) -> _Answer:
        return 200, await self._supervisor.metrics()


def _user_of(address: str) -> str:
    _, mark, uid = address.partition("uid:")
    if not mark:
        return ""
    try:
        return pwd.getpwuid(int(uid)).pw_name
    except KeyError:  # a container's user may have no name
        return f"uid {uid}"


def _landed(record: KeyRecord, landing: Landing) -> dict[str, Any]:
    return {**record.shown(), "landing": landing}
