"""A service for the tests of the wall: the real supervisor here, stand-in workers as its children."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from lizi.edge.supervisor import Supervisor
from lizi.types import Plan

WORKERS = Path(__file__).parent / "edge"
WORKER_PATH = f"{WORKERS}:{WORKERS.parent.parent / 'src'}"
"""Workers run this code, wherever an installed one may lie."""
FILE = """
[server]
listen = "127.0.0.1:0"
workers = {workers}
grace_ms = 300
drain_ms = 5000
[store]
durability = "{durability}"
batch_ms = 20
[admission]
exchanges_in_flight = {in_flight}
[metering]
unpriced = "free"
[partners.acme]
base_url = "http://127.0.0.1:9/v1"
credential = "{credential}"
[models.writer]
default_output_tokens = {output_tokens}
targets = [{{ partner = "acme", model = "one" }}]
"""
DEFAULTS: dict[str, Any] = {"workers": 2, "durability": "batched", "in_flight": 1000, "credential": "", "output_tokens": 1000}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "lizi.toml"
    path.write_text(FILE.format(**{**DEFAULTS, **changes}))
    return path


class Service:
    """A supervisor in this process, its workers as children."""

    def __init__(self, supervisor: Supervisor, session: aiohttp.ClientSession) -> None:
        self.supervisor = supervisor
        self.session = session
        self.key = ""
        self.key_id = ""

    @property
    def pids(self) -> list[int]:
        return [state.pid for state in self.supervisor.fleet.states]

    async def ask(self, *, key: str | None = None, **order: Any) -> tuple[int, Any, dict[str, str]]:
        """On a connection of its own, so that any worker may take it."""
        headers = {"authorization": f"Bearer {key or self.key}", "connection": "close"}
        async with self.session.post(self.supervisor.address + "/ask", json=order, headers=headers) as answer:
            body = await answer.read()
            return (
                answer.status,
                json.loads(body) if body.startswith(b"{") else body,
                {name.lower(): value for name, value in answer.headers.items()},
            )

    async def who(self) -> dict[str, Any]:
        async with self.session.get(self.supervisor.address + "/who", headers={"connection": "close"}) as answer:
            return await answer.json(content_type=None)

    async def new_key(self, **plan: Any) -> str:
        shown, _, _ = await self.supervisor.create_key("notes", Plan(**plan))
        return shown


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[Service]:
    environ = {**os.environ, "PYTHONPATH": WORKER_PATH}
    supervisor = Supervisor(path, environ=environ, worker_module="standin_worker")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        try:
            await supervisor.start()
            service = Service(supervisor, session)
            service.key, record, _ = await supervisor.create_key("notes", Plan())
            service.key_id = record.key_id
            yield service
        finally:
            await supervisor.close()
