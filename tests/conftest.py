"""House rules of the test suite: no network, no real waiting, a clean environment.

Everywhere: sockets reach loopback and Unix addresses only, names other than `localhost` are
not resolved, and `*_proxy`, `OPENAI_*` and `LIZI_*` variables are gone (`LIZI_SHARED` and
`LIZI_MODELS`, which say where data lies, stay). In tests/rooms, tests/wire and tests/path:
no sockets at all, no `time.sleep`, no `asyncio.sleep` beyond 50 ms on a real clock.
A breach raises where it happens and fails the test even if somebody swallows it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import uvloop

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}

_PURE = {"rooms", "wire", "path"}
"""Folders of tests/ whose tests own no socket and wait for nothing."""

_LONGEST_SLEEP_S = 0.05
"""Long enough to let the loop turn, too short to hide a wait in."""

_KEPT = {"LIZI_SHARED", "LIZI_MODELS"}


class ForbiddenInTests(RuntimeError):
    """A test reached for the network or the wall clock. Not an OSError, so that no product code maps it away."""


class _Rules:
    pure = False
    breaches: list[str] = []

    @classmethod
    def breach(cls, what: str) -> ForbiddenInTests:
        cls.breaches.append(what)
        return ForbiddenInTests(what)


def _is_loopback(host: object) -> bool:
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name in {"", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _check_address(family: int, address: Any, verb: str) -> None:
    if _Rules.pure:
        raise _Rules.breach(f"tests in {sorted(_PURE)} own no sockets, but one wanted to {verb} {address!r}")
    if family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
        raise _Rules.breach(f"tests reach loopback only, but one wanted to {verb} {address!r}")


def _guard_sockets() -> None:
    class GuardedSocket(socket.socket):
        """The standard socket, which asks before it talks to anybody."""

        def connect(self, address: Any) -> None:
            _check_address(self.family, address, "connect to")
            super().connect(address)

        def connect_ex(self, address: Any) -> int:
            _check_address(self.family, address, "connect to")
            return super().connect_ex(address)

        def bind(self, address: Any) -> None:
            if _Rules.pure:
                _check_address(self.family, address, "bind")
            super().bind(address)

        def sendto(self, data: Any, *rest: Any) -> int:
            _check_address(self.family, rest[-1], "send to")
            return super().sendto(data, *rest)

    real_getaddrinfo = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        numeric = isinstance(name, str) and name.replace(".", "").replace(":", "").isalnum() and (name[:1].isdigit() or ":" in name)
        if not (_is_loopback(host) or numeric):
            raise _Rules.breach(f"tests resolve no names, but one asked for {host!r}")
        return real_getaddrinfo(host, *rest, **named)

    socket.socket = GuardedSocket  # type: ignore[misc]
    socket.getaddrinfo = getaddrinfo


def _guard_uvloop() -> None:
    """uvloop connects and resolves in C, past the socket module."""
    real_connection, real_server = uvloop.Loop.create_connection, uvloop.Loop.create_server

    async def create_connection(self: Any, factory: Any, host: Any = None, port: Any = None, **named: Any) -> Any:
        if named.get("sock") is None:
            _check_address(socket.AF_INET, (host, port), "connect to")
        return await real_connection(self, factory, host, port, **named)

    async def create_server(self: Any, factory: Any, host: Any = None, port: Any = None, **named: Any) -> Any:
        if _Rules.pure:
            _check_address(socket.AF_INET, (host, port), "serve at")
        return await real_server(self, factory, host, port, **named)

    uvloop.Loop.create_connection = create_connection
    uvloop.Loop.create_server = create_server


def _guard_waiting() -> None:
    real_sleep, real_async_sleep = time.sleep, asyncio.sleep

    def sleep(seconds: float) -> None:
        if _Rules.pure and seconds > 0:
            raise _Rules.breach(f"tests in {sorted(_PURE)} wait for nothing, but one slept {seconds} s")
        real_sleep(seconds)

    async def async_sleep(delay: float, result: Any = None) -> Any:
        if _Rules.pure and delay > _LONGEST_SLEEP_S:
            loop = asyncio.get_running_loop()
            # A loop with its own clock (a virtual one) may sleep as long as it likes: nobody waits.
            if isinstance(loop, uvloop.Loop) or type(loop).time is asyncio.BaseEventLoop.time:
                raise _Rules.breach(f"tests in {sorted(_PURE)} wait for nothing, but one slept {delay} s")
        return await real_async_sleep(delay, result)

    time.sleep = sleep
    asyncio.sleep = async_sleep  # type: ignore[assignment]


def _clean_environment() -> None:
    for name in list(os.environ):
        lower = name.lower()
        if (lower.endswith("_proxy") or lower.startswith(("lizi_", "openai_"))) and name not in _KEPT:
            del os.environ[name]
    os.environ["TZ"] = "UTC"
    time.tzset()


def pytest_configure(config: pytest.Config) -> None:
    """Before any test module is imported, so that `from time import sleep` gets the guarded one as well."""
    _clean_environment()
    _guard_sockets()
    _guard_uvloop()
    _guard_waiting()
    quiet = [hypothesis.HealthCheck.too_slow]  # the machine's load is no property of the code
    profile = hypothesis.settings.register_profile
    profile("quick", max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=quiet)
    profile("deep", max_examples=10_000, deadline=None, print_blob=True, suppress_health_check=quiet)
    hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def _is_pure(item: pytest.Item) -> bool:
    try:
        return item.path.relative_to(ROOT / "tests").parts[0] in _PURE
    except ValueError:
        return False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Any:
    """The rules hold for fixtures and tear-down too."""
    _Rules.pure = _is_pure(item)
    _Rules.breaches.clear()
    try:
        return (yield)
    finally:
        _Rules.pure = False


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """A breach that product code caught fails the test all the same, unless the test said it expects one."""
    if _Rules.breaches and item.get_closest_marker("expects_breach") is None:
        pytest.fail("; ".join(_Rules.breaches))


def _missing(reason: str) -> None:
    """Skip where data is optional (a laptop), fail where it must be there (CI)."""
    if IN_CI:
        pytest.fail(f"{reason}; under CI=true it must be there")
    pytest.skip(reason=reason)


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """`shared("vectors/…")`: a path in the third-party data beside the repository, or a skip with the reason."""
    base = Path(os.environ.get("LIZI_SHARED") or ROOT.parent / "shared")
    base = base if base.is_absolute() else (ROOT / base).resolve()

    def find(relative: str) -> Path:
        path = base / relative
        if not path.exists():
            _missing(f"third-party data {relative!r} is not there (LIZI_SHARED says where)")
        return path

    return find


@pytest.fixture(scope="session")
def model_file() -> Callable[[str], Path]:
    """`model_file("smollm2-135m")`: the weights on disk, or a skip that says how to get them."""

    def find(name: str) -> Path:
        from lizi.edge import models

        directory = Path(os.environ.get("LIZI_MODELS") or ROOT / "models")
        path = models.path_of(name, directory)
        if not path.exists():
            _missing(f"the model is not there: `lizi model get {name}` with LIZI_MODELS={directory.name}")
        return path

    return find
