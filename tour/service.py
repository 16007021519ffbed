"""A real service for a scene: configuration in a folder of its own, started and asked as a user would."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["Service"]

_READY_S = 30.0
"""Two workers start in about a second; the rest is for a machine that is busy with something else."""


class Service:
    """`lizi serve` over a configuration file, and the command line beside it."""

    def __init__(self, folder: Path, config: str) -> None:
        self.config = folder / "lizi.toml"
        self.config.write_text(config)
        self.log = folder / "service.log"
        self.address = ""
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start and wait until it says where it serves."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lizi.edge.supervisor", "--config", str(self.config)],
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), _READY_S)
        if not line:
            raise RuntimeError("the service did not start:\n" + self.log.read_text()[-2000:])
        self.address = line.decode().strip()

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1].rstrip("/"))

    def worker_pids(self) -> list[int]:
        """Process ids of the workers, as the operating system knows them."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"lizi.edge.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def kill_all(self) -> None:
        """SIGKILL for the supervisor and every worker at once: what a crash of the machine's memory looks like."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        if self._process is None or self._process.poll() is not None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()

    async def lizi(self, *arguments: str) -> tuple[int, Any]:
        """`lizi … --json`: exit code and what it said."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "lizi", *arguments, "--config", str(self.config), "--json"],
            capture_output=True,
            timeout=60,
            check=False,
        )
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            raise RuntimeError(f"lizi {' '.join(arguments)} said: {done.stdout!r} {done.stderr!r}") from None
