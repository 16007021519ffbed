"""The embedded partner's process, kept alive: started, watched, restarted, stopped.

Never serves itself and never shows its key: that goes by environment. A model that can't start
at all (no weights, no engine) ends the start with its reason; one that crashes later is started
again, ever more slowly. Bounds: `_READY_S` to load, a health check each `_POLL_S`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lizi.edge import local_model
from lizi.errors import ConfigError

__all__ = ["EmbeddedModel"]

_LOG = logging.getLogger("lizi.embedded")
_READY_S = 120.0
"""Loading 500 MB of weights from a cold disk of 10 MB/s, twice over."""
_POLL_S = 2.0
_MISSES = 5
"""Health answers in a millisecond unless all its threads are busy; five misses, each of 2 s, mean that it is stuck."""
_BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_YOUNG_S = 30.0


class EmbeddedModel:
    """One local model as a partner. `on_address` is called with its base URL whenever that changes."""

    def __init__(
        self, partner: str, model: str, models_dir: Path, *, key: str, environ: Mapping[str, str], on_address: Callable[[str, str], None]
    ) -> None:
        self.partner = partner
        self.model = model
        self.state = "starting"
        """`starting`, `healthy`, `unhealthy` or `down`."""
        self.restarts = 0
        self.base_url = ""
        self._models_dir = models_dir
        self._environ = {**environ, local_model.KEY_ENV: key}
        self._on_address = on_address
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._port = 0

    async def start(self) -> None:
        """Start it and return when it is healthy. Raises `ConfigError` when it can't be."""
        if not await self._launch():
            raise ConfigError(
                f"The local model {self.model} of partner {self.partner} did not start.",
                code="config_invalid",
                param=f"$.partners.{self.partner}.embedded",
                hint=f"Its message stands above. 'lizi model get {self.model}' fetches the weights; a partner with base_url needs none.",
            )

    async def watch(self) -> None:
        """Keep it alive until `stop`; for a task of its own."""
        early_deaths = 0
        while True:
            began = time.monotonic()
            await self._until_ended()
            if self._stopped():
                return
            early_deaths = min(early_deaths + 1, len(_BACKOFF_S) - 1) if time.monotonic() - began < _YOUNG_S else 0
            self.state = "down"
            _LOG.error("local model ended", extra={"partner": self.partner, "replaced_after_s": _BACKOFF_S[early_deaths]})
            await asyncio.sleep(_BACKOFF_S[early_deaths])
            if self._stopped():
                return
            self.restarts += 1
            await self._launch()

    def _stopped(self) -> bool:
        return self._stopping

    async def _launch(self) -> bool:
        self.state = "starting"
        self._process = process = await asyncio.create_subprocess_exec(
            *local_model.command(self.model, self._models_dir, port=self._port),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=self._environ,
            start_new_session=True,
        )
        line = b""
        if process.stdout is not None:
            try:
                async with asyncio.timeout(_READY_S):
                    line = await process.stdout.readline()
            except (TimeoutError, ValueError):
                line = b""
        try:
            address = str(json.loads(line)["address"])
        except (ValueError, KeyError, TypeError):
            # No ready line: it has ended, or will never be ready.
            await self._end(process)
            # The port may have been taken meanwhile; next time any will do.
            self._port = 0
            return False
        self._port = int(address.rpartition(":")[2])
        self.state = "healthy"
        base_url = address + "/v1"
        if base_url != self.base_url:
            self.base_url = base_url
            self._on_address(self.partner, base_url)
        return True

    async def _until_ended(self) -> None:
        process = self._process
        if process is None:
            return
        ended = asyncio.ensure_future(process.wait())
        misses = 0
        try:
            while True:
                await asyncio.wait([ended], timeout=_POLL_S)
                if ended.done():
                    return
                address = self.base_url.removesuffix("/v1")
                healthy = await asyncio.get_running_loop().run_in_executor(None, local_model.health, address)
                misses = 0 if healthy else misses + 1
                self.state = "healthy" if healthy else "unhealthy"
                if misses >= _MISSES:
                    await self._end(process)
        finally:
            ended.cancel()

    async def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL two seconds later."""
        self._stopping = True
        if self._process is not None:
            await self._end(self._process)
        self.state = "down"

    @staticmethod
    async def _end(process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        try:
            process.terminate()
            async with asyncio.timeout(2.0):
                await process.wait()
        except ProcessLookupError:
            await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
