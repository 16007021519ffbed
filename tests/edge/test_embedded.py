"""The embedded partner's process: started, restarted after a kill, its address told on. A small real server stands in for the engine."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from lizi.edge import local_model
from lizi.edge.embedded import EmbeddedModel
from lizi.errors import ConfigError

ENGINE = """
import http.server, json, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *rest): pass
assert os.environ["LIZI_LOCAL_MODEL_KEY"] == "k"
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(json.dumps({"address": f"http://127.0.0.1:{server.server_address[1]}", "key_id": "x", "model": "tiny"}), flush=True)
server.serve_forever()
"""


def made(monkeypatch: pytest.MonkeyPatch, script: str, addresses: list[str]) -> EmbeddedModel:
    monkeypatch.setattr(local_model, "command", lambda model, folder, *, port=0: [sys.executable, "-c", script, str(port)])
    monkeypatch.setattr("lizi.edge.embedded._POLL_S", 0.05)
    return EmbeddedModel(
        "local", "tiny", Path(), key="k", environ=dict(os.environ), on_address=lambda partner, base_url: addresses.append(base_url)
    )


async def test_a_killed_model_is_started_again_at_the_same_address(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses: list[str] = []
    model = made(monkeypatch, ENGINE, addresses)
    await model.start()
    watching = asyncio.ensure_future(model.watch())
    try:
        assert model.state == "healthy"
        assert addresses == [model.base_url]
        assert model.base_url.endswith("/v1")
        assert model._process is not None
        os.kill(model._process.pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            while not (model.restarts == 1 and model.state == "healthy"):  # noqa: ASYNC110 - a state, seen from outside
                await asyncio.sleep(0.02)
        assert len(set(addresses)) == 1
    finally:
        await model.stop()
        await asyncio.wait_for(watching, 5)
    assert model.state == "down"


async def test_a_model_that_cannot_start_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(monkeypatch, "raise SystemExit(2)", [])
    with pytest.raises(ConfigError) as caught:
        await model.start()
    assert "lizi model get tiny" in (caught.value.hint or "")
    await model.stop()
