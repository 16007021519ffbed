"""What stands outside of a running service: clients on raw sockets, its operator, and what the kernel says of its workers."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from running_service import Running, Served

__all__ = ["WAIT_S", "Line", "admin", "answer", "ask", "chat", "get", "held", "metric", "resident_kb", "until", "workers"]

WAIT_S = 20.0
"""For what takes milliseconds; the rest is for a machine that is busy with other things."""

Answer = tuple[int, dict[str, str], bytes]


def until(condition: Callable[[], Any], what: str = "", deadline_s: float = WAIT_S) -> Any:
    """Ask again until it is true; fails after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.02)
    return found


def chat(words: str = "Hello", **changes: Any) -> dict[str, Any]:
    """A request for chat."""
    return {"model": "assistant", "messages": [{"role": "user", "content": words}], **changes}


def ask(
    service: Served, body: Any, *, path: str = "/v1/chat/completions", key: str | None = None, method: str = "POST", **headers: str
) -> Answer:
    """One whole request on a connection of its own, so that any worker may take it; `_` in a header's name stands for `-`."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body, ensure_ascii=False).encode()
    sent = {"authorization": f"Bearer {key or service.key}", "content-type": "application/json", "connection": "close"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection(urlsplit(service.address).netloc, timeout=WAIT_S)
    try:
        connection.request(method, path, data, {name: value for name, value in sent.items() if value})
        got = connection.getresponse()
        return got.status, {name.lower(): value for name, value in got.getheaders()}, got.read()
    finally:
        connection.close()


def get(service: Served, path: str) -> Answer:
    """A GET."""
    return ask(service, None, path=path, method="GET")


def metric(service: Served, name: str) -> float:
    """One series of /metrics, by its whole name."""
    status, _, body = get(service, "/metrics")
    assert status == 200
    return next((float(line.rpartition(" ")[2]) for line in body.decode().splitlines() if line.startswith(name + " ")), 0.0)


class Line:
    """A client of raw octets. Sends `body` as one chat request unless told otherwise."""

    def __init__(self, service: Running, *, receive_bytes: int | None = None) -> None:
        host, _, port = urlsplit(service.address).netloc.rpartition(":")
        self.service = service
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(WAIT_S)
        self.socket.connect((host, int(port)))
        self.got = b""

    def send(self, body: Any, *, length: int | None = None, **headers: str) -> Line:
        """The head and what there is of the body."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {"Host": "x", "Authorization": f"Bearer {self.service.key}", "Content-Type": "application/json"}
        lines |= {"Content-Length": str(len(data) if length is None else length)}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "POST /v1/chat/completions HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        self.socket.sendall(head.encode() + data)
        return self

    def read_to(self, mark: bytes) -> bytes:
        """Until `mark` has come; fails when the service closes before."""
        while mark not in self.got:
            data = self.socket.recv(65_536)
            assert data, f"closed before {mark!r}: {self.got[-500:]!r}"
            self.got += data
        return self.got

    def read_all(self) -> bytes:
        """Until the service closes, cleanly or not; then this side closes as well."""
        with self.socket:
            try:
                while data := self.socket.recv(65_536):
                    self.got += data
            except ConnectionResetError:
                pass
        return self.got

    def close(self) -> None:
        """Leave, with a reset if something is unread."""
        self.socket.close()


def answer(raw: bytes) -> Answer:
    """The one answer in `raw`."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return int(first.split(" ")[1]), {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, body


class _OverSocket(http.client.HTTPConnection):
    """HTTP over the admin plane's Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=WAIT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT_S)
        self.sock.connect(os.fspath(self._path))


def admin(service: Served, method: str, path: str, body: Any = None) -> Any:
    """What the operator's command line asks of the running service."""
    connection = _OverSocket(service.data_dir / "admin.sock")
    token = (service.data_dir / "admin.token").read_text().strip()
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"authorization": f"Bearer {token}", "content-type": "application/json"})
        got = connection.getresponse()
        text = got.read()
        assert got.status < 300, text
        return json.loads(text) if text.startswith(b"{") else text
    finally:
        connection.close()


def workers(service: Served) -> list[int]:
    """The process ids of the workers."""
    return [worker["pid"] for worker in admin(service, "GET", "/status")["workers"]]


def resident_kb(pid: int) -> int:
    """Resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:"))


@contextmanager
def held(service: Running, count: int, body: Any, *, receive_bytes: int | None = None, **headers: str) -> Iterator[list[Line]]:
    """`count` clients that have sent `body` and wait."""
    lines: list[Line] = []
    try:
        for _ in range(count):
            lines.append(Line(service, receive_bytes=receive_bytes).send(body, length=None, **headers))
        yield lines
    finally:
        for line in lines:
            line.close()
