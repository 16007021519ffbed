"""The service itself, as its operator runs it: the real supervisor and worker as processes, over a scripted partner."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lizi.testing.partners import Partner

TESTS = Path(__file__).parent
CONFIG = """
[server]
listen = "127.0.0.1:0"
{server}

[metering]
unpriced = "free"

[partners.acme]
base_url = "{base_url}"
credential = "env:ACME_KEY"

[models.assistant]
targets = [{{ partner = "acme", model = "acme-7-0605", capabilities = ["tools", "images", "json_object", "json_schema"] }}]
[models.strict]
targets = [{{ partner = "acme", model = "acme-7-0605", capabilities = ["json_schema"], strict_schema = true }}]
[models.plain]
targets = [{{ partner = "acme", model = "acme-7-0605" }}]

[[notices]]
market = "CN"
partner = "acme"
model = "acme-7-*"
name = "Model Seven"
number = "Example-2026-0007"
filed = 2026-02-03
authority = {{ en = "an example's authority" }}

[features."writing.proofread"]
model = "plain"
[features."writing.rewrite"]
model = "plain"
[features."writing.transform"]
model = "plain"
{more}
"""
SERVER = "workers = 1\ngrace_ms = 0\ndrain_ms = 2000"
PARTNER_KEY = "sk-partner-secret"
_STARTS_WITHIN_S = 30  # a cold start is a second; the rest is for a busy machine


class Served:
    """One service, as a process."""

    def __init__(self, folder: Path, said: dict[str, Any], process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.address: str = said["address"]
        self.key: str = said["key"]
        self.key_id: str = said["key_id"]
        self.process = process

    @property
    def base_url(self) -> str:
        return self.address + "/v1"

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def data_dir(self) -> Path:
        return self.folder / "var"

    @property
    def log(self) -> str:
        """What supervisor and workers have written on standard error so far."""
        return (self.folder / "log").read_text()

    def lizi(self, *arguments: str) -> Any:
        """What `lizi … --json` says of it; fails the test unless it ends with 0."""
        line = [sys.executable, "-m", "lizi", *arguments, "--config", str(self.folder / "lizi.toml"), "--json"]
        done = subprocess.run(line, env=_environ(), cwd=self.folder, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
        return json.loads(done.stdout)


class Running(Served):
    """The same with the partner behind it."""

    def __init__(self, partner: Partner, served: Served) -> None:
        said = {"address": served.address, "key": served.key, "key_id": served.key_id}
        super().__init__(served.folder, said, served.process)
        self.partner = partner

    def asked(self) -> dict[str, Any]:
        """The body of the last request that reached the partner."""
        body: dict[str, Any] = self.partner.requests[-1].json
        return body


@contextmanager
def running(
    folder: Path, *, server: str = SERVER, more: str = "", before: Sequence[str] = (), worker: str = "lizi.edge.worker"
) -> Iterator[Running]:
    """Serve until the context ends. `server` and `more` go into the file; `before` stands before the command, `worker` runs as one."""
    with Partner() as partner:
        with serving(folder, CONFIG.format(base_url=partner.base_url, server=server, more=more), before=before, worker=worker) as served:
            yield Running(partner, served)


@contextmanager
def serving(
    folder: Path, config: str, *, before: Sequence[str] = (), worker: str = "lizi.edge.worker", **environ: str
) -> Iterator[Served]:
    """Serve a configuration until the context ends. `environ` holds more variables, for its credentials."""
    (folder / "lizi.toml").write_text(config)
    command = [*before, sys.executable, str(TESTS / "edge" / "standin_supervisor.py"), str(folder / "lizi.toml"), worker]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, env=_environ() | environ, cwd=folder, stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _STARTS_WITHIN_S)
        line = process.stdout.readline() if ready else b""
        assert line, (folder / "log").read_text()
        yield Served(folder, json.loads(line), process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def _environ() -> dict[str, str]:
    return {**os.environ, "ACME_KEY": PARTNER_KEY, "PYTHONPATH": f"{TESTS.parent / 'src'}:{TESTS / 'e2e'}"}
