"""Two checks that somebody else wrote: every split of a stream, and a gateway between a capturing upstream and a client."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chunk_invariance import assert_chunk_invariant

from lizi.veil.lexicon import Lexicon, Restorer
from running_service import running

PHONE = "13912345678"


def restorer(*, as_json: bool = False) -> Restorer:
    lexicon = Lexicon()
    lexicon.placeholder("phone", PHONE)
    lexicon.placeholder("person", '李"雷')
    return Restorer(lexicon, json=as_json)


def whole(text: str) -> str:
    machine = restorer()
    return machine.feed(text) + machine.close()


def streamed(chunks: Iterable[str]) -> Iterator[str]:
    machine = restorer()
    for chunk in chunks:
        yield machine.feed(chunk)
    yield machine.close()


@pytest.mark.parametrize("text", ["⟦PHONE_1⟧。", "a[phone 1]b", "⟦⟦PERSON_1⟧⟧", "PHONE_1 PHONE_2", "//x/⟦PHONE_1⟧ a", "\\u27e6PHONE_1⟧"])
def test_every_split_of_a_short_answer_is_the_same(text: str) -> None:
    assert len(text) <= 16, "beyond that the check tries only some splits"
    assert_chunk_invariant(streamed, whole, text, splits="all")


def test_every_three_parts_of_a_longer_one_are_the_same() -> None:
    text = "Call 〚PERSON 1〛 at PHONE\\_1, or see https://x.example/⟦PHONE_1⟧，⟦PHONE_1⟧"
    assert_chunk_invariant(streamed, whole, text, splits=3)


CAPTURED = """
[partners.capture]
base_url = "http://127.0.0.1:{port}/v1"
[models.captured]
targets = [{{ partner = "capture", model = "any" }}]
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Relay(http.server.BaseHTTPRequestHandler):
    """Between Lizi and the capture: every byte of a request as it is. The capture ends its streams without a reason to stop, which is a cut
    stream for Lizi: the reason is added, and nothing else.
    """

    capture = 0
    _FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]'

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        there = http.client.HTTPConnection("127.0.0.1", self.capture, timeout=20)
        there.request("POST", self.path, body, {name: value for name, value in self.headers.items() if name.lower() != "host"})
        answer = there.getresponse()
        self.send_response(answer.status)
        self.send_header("content-type", answer.headers["content-type"])
        self.send_header("connection", "close")
        self.end_headers()
        while line := answer.readline():
            self.wfile.write(line.replace(b"data: [DONE]", self._FINISH))
            self.wfile.flush()
        there.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing: what it relays is nobody's business."""


@contextmanager
def _relay(capture: int) -> Iterator[int]:
    handler = type("Relay", (_Relay,), {"capture": capture})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _selfcheck(tmp_path: Path, *options: str) -> tuple[int, dict[str, object], str]:
    report = tmp_path / "report.json"
    command = [str(Path(sys.executable).parent / "pii-leak-benchmark"), "selfcheck", "--json-out", str(report), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    return done.returncode, json.loads(report.read_text()) if report.exists() else {}, done.stdout + done.stderr


@pytest.mark.requirement("S46")
def test_nothing_reaches_a_capturing_upstream_and_everything_comes_back(tmp_path: Path) -> None:
    port = _free_port()
    with _relay(port) as relay, running(tmp_path, more=CAPTURED.format(port=relay)) as service:
        code, _, said = _selfcheck(
            tmp_path, "--target-base-url", service.base_url, "--target-api-key", service.key, "--target-model", "captured",
            "--capture-port", str(port), "--duty", "restore", "--profile", "pii-secrets-v1",
        )  # fmt: skip
    assert code == 0, said


def test_the_check_finds_a_leak_where_there_is_no_gateway(tmp_path: Path) -> None:
    code, _, said = _selfcheck(tmp_path, "--target-base-url", "capture://self")
    assert code == 1, said
    assert "LEAK" in said
