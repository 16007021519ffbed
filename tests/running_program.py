"""The program as people and programs run it: `python -m lizi …` in processes of its own, over a scripted partner."""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lizi.cli import main

ROOT = Path(__file__).resolve().parents[1]
SECRET = "sk-the-partners-own-secret"
ANSWER = "Otters hold hands while they sleep."
STARTS_WITHIN_S = 30.0  # a second when nothing else runs
CONFIG = """
[server]
listen = "127.0.0.1:0"
workers = 2
grace_ms = 0
drain_ms = 1000
[store]
batch_ms = 10
[metering]
currency = "CNY"
time_zone = "Asia/Shanghai"
[[metering.prices]]
key = "acme/acme-7"
from = 2026-01-01
input_per_million = "1000"
output_per_million = "2000"
[[metering.prices]]
key = "acme/acme-silent"
from = 2026-01-01
input_per_million = "1000"
output_per_million = "2000"
[[metering.prices]]
key = "bolt/bolt-broken"
from = 2026-01-01
input_per_million = "3000"
output_per_million = "6000"
[partners.acme]
base_url = "{base_url}"
credential = "env:ACME_KEY"
region = "cn-north"
[partners.bolt]
base_url = "{base_url}"
credential = "env:ACME_KEY"
[models.assistant]
targets = [{{ partner = "acme", model = "acme-7" }}]
[models.silent]
targets = [{{ partner = "acme", model = "acme-silent" }}]
[models.broken]
targets = [{{ partner = "bolt", model = "bolt-broken" }}]
"""


class Done:
    """What one run of the program left."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err
        assert "Traceback" not in self.err, self.err
        assert SECRET not in self.out + self.err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Program:
    """`lizi` in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "lizi.toml"
        self.environ = {**os.environ, "ACME_KEY": SECRET, "PYTHONPATH": str(ROOT / "src"), "LIZI_MODELS": str(folder / "models")}

    def __call__(self, *arguments: str, **more: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "lizi", *arguments],
            cwd=self.folder,
            env={**self.environ, **more},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def inside(self, *arguments: str, **more: str) -> Done:
        """The same in this process: for what has nothing to do with processes, and a hundred times as fast."""
        out, err = io.StringIO(), io.StringIO()
        here, code = Path.cwd(), 0
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.setattr(sys, "argv", ["lizi", *arguments])
            for name, value in {**self.environ, **more}.items():
                patch.setenv(name, value)
            os.chdir(self.folder)
            try:
                main()
            except SystemExit as left:
                code = left.code if isinstance(left.code, int) else 1
            finally:
                os.chdir(here)
        return Done(code, out.getvalue(), err.getvalue())

    @contextmanager
    def serving(self, *arguments: str, ends: int = 0) -> Iterator[str]:
        """`lizi serve` until the context ends; gives the first that it says, up to the pause after it. `ends`: its exit code."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "lizi", "serve", *arguments], cwd=self.folder, env=self.environ, stdout=subprocess.PIPE, stderr=log
            )
        assert process.stdout is not None
        try:
            ready, _, _ = select.select([process.stdout], [], [], STARTS_WITHIN_S)
            said = os.read(process.stdout.fileno(), 65_536).decode() if ready else ""
            assert said, (self.folder / "log").read_text()
            yield said
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            process.stdout.close()
        assert code == ends, (self.folder / "log").read_text()
