"""The worker processes: started, watched, replaced; and the owner's answers to them.

Never forks a running loop: workers are fresh processes with an inherited socket and a channel. A
worker that dies is replaced at once, one that keeps dying ever more slowly (10 s at the most); one
that doesn't acknowledge a change in time, or whose loop stands still, is killed: it fails closed.
Bounds: one channel per worker; every wait for an acknowledgement ends after `_ACK_S`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from lizi.admission import Moment, Owner
from lizi.config import critical
from lizi.edge.channel import (
    Answers,
    Applied,
    Asks,
    Channel,
    ClaimClosed,
    Draining,
    Generation,
    Keys,
    Message,
    Metrics,
    MetricsWanted,
    Pulse,
    Ready,
    Returns,
    Secrets,
    States,
    Stop,
)
from lizi.edge.numbers import summed, text
from lizi.edge.runtime import spawn
from lizi.errors import ConfigError
from lizi.routing import LaneView
from lizi.terms import days_left

__all__ = ["Fleet", "Landing", "WorkerState"]

_LOG = logging.getLogger("lizi.fleet")
_ACK_S = 0.9
"""A change acts on all workers within 1 s: what has not acknowledged by then is killed in the rest of it."""
_PULSE_S = 30.0
"""A loop that stood still this long serves nobody; a busy machine's worst hiccups are far below."""
_YOUNG_S = 5.0
"""A worker that dies sooner has a fault of its own, and its replacement waits."""
_BACKOFF_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_READY_S = 30.0
"""A worker is ready in about half a second; loading from a cold, slow disk may take tens of times that."""


class WorkerState(Struct, kw_only=True):
    """What the admin plane shows of one worker."""

    index: int
    pid: int
    ready: bool
    generation: int
    in_flight: int
    late_ms: float
    health: dict[str, str]
    lanes: dict[str, LaneView]
    lives: int
    """How many processes this place has had."""


class Landing(Struct, frozen=True, kw_only=True):
    """How a change landed: acting on `workers` processes after `elapsed_ms`; who did not answer was killed."""

    workers: int
    killed: int
    elapsed_ms: float
    errors: tuple[str, ...] = ()


class _Worker:
    """One process and its channel."""

    def __init__(self, index: int, lives: int, number: int) -> None:
        self.index = index
        self.lives = lives
        self.number = number
        self.name = str(number)
        self.process: asyncio.subprocess.Process | None = None
        self.channel: Channel | None = None
        self.started_mono = time.monotonic()
        self.seen_mono = self.started_mono
        self.ready = asyncio.Event()
        self.closed = asyncio.Event()
        self.generation = 0
        self.in_flight = 0
        self.late_ms = 0.0
        self.health: dict[str, str] = {}
        self.lanes: dict[str, LaneView] = {}
        self.awaited: dict[int, asyncio.Future[Applied | Metrics]] = {}

    def tell(self, message: Message) -> None:
        """Send, if there is anybody to hear."""
        if self.channel is not None:
            self.channel.send(message)

    async def ended(self) -> int | None:
        """The exit code, once there is one."""
        return await self.process.wait() if self.process is not None else None

    def kill(self) -> None:
        """SIGKILL, to our own child only."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()


class Fleet:
    """All workers of one supervisor."""

    def __init__(
        self,
        *,
        workers: int,
        owner: Owner,
        moment: Callable[[], Moment],
        sockets: tuple[socket.socket, ...],
        environ: Mapping[str, str],
        generation: Generation,
        boot: str,
        on_death: Callable[[int], None],
        module: str = "lizi.edge.worker",
    ) -> None:
        """`sockets` are bound and listen; each worker inherits them. `boot` names this start; `module` is what a worker runs."""
        self.owner = owner
        self.draining = False
        self._moment = moment
        self._sockets = sockets
        self._environ = dict(environ)
        self._module = module
        self._boot = boot
        self._on_death = on_death
        self.started = 0
        """Processes so far."""
        self._count = workers
        self._workers: dict[int, _Worker] = {}
        self._generation = generation
        self._changes = 0
        self._early_deaths = 0
        self.restarts = 0

    @property
    def states(self) -> list[WorkerState]:
        """The workers of this moment, in order."""
        return [
            WorkerState(
                index=worker.index,
                pid=worker.process.pid if worker.process is not None else 0,
                ready=worker.ready.is_set(),
                generation=worker.generation,
                in_flight=worker.in_flight,
                late_ms=worker.late_ms,
                health=worker.health,
                lanes=worker.lanes,
                lives=worker.lives,
            )
            for _, worker in sorted(self._workers.items())
        ]

    def next_change(self) -> int:
        """A number for the next change."""
        self._changes += 1
        return self._changes

    async def start(self) -> None:
        """Start all workers and return when each is ready.

        Raises `ConfigError` when one ends before it was ready (it has told why on standard error), or
        none becomes ready in time.
        """
        for index in range(self._count):
            await self._launch(index, lives=1)
        began = list(self._workers.values())
        waits = [asyncio.ensure_future(self._first_ready(worker)) for worker in began]
        try:
            for wait in asyncio.as_completed(waits, timeout=_READY_S):
                await wait
        except TimeoutError:
            raise ConfigError(
                f"A worker did not become ready within {_READY_S:.0f} s.",
                code="config_invalid",
                hint="Look at its messages above; on a very slow disk, start again: the second time is faster.",
            ) from None
        finally:
            for wait in waits:
                wait.cancel()
        for worker in began:
            self._supervise(worker)
        spawn(self._watch_pulses(), "fleet-pulses")

    async def _first_ready(self, worker: _Worker) -> None:
        ready, closed = asyncio.ensure_future(worker.ready.wait()), asyncio.ensure_future(worker.closed.wait())
        try:
            await asyncio.wait([ready, closed], return_when=asyncio.FIRST_COMPLETED)
            if not worker.ready.is_set():
                code = await worker.ended()
                raise ConfigError(
                    f"Worker {worker.index} ended with {code} before it was ready.",
                    code="config_invalid",
                    hint="Its own message stands above; 'lizi config check' finds most causes.",
                )
        finally:
            ready.cancel()
            closed.cancel()

    async def _launch(self, index: int, lives: int) -> _Worker:
        # A number is used once in a boot: each process has an audit chain of its own.
        self.started += 1
        self._workers[index] = worker = _Worker(index, lives, self.started)
        ours, theirs = socket.socketpair()
        with theirs:
            inherited = [theirs.fileno(), *(sock.fileno() for sock in self._sockets)]
            listening = ",".join(str(sock.fileno()) for sock in self._sockets)
            worker.channel = await Channel.over(ours, lambda message: self._heard(worker, message), lambda: self._lost(worker))
            worker.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(
                    "-m",
                    self._module,
                    "--number",
                    str(worker.number),
                    "--boot",
                    self._boot,
                    "--channel-fd",
                    str(theirs.fileno()),
                    "--listen-fds",
                    listening,
                ),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=inherited,
                env=self._environ,
                # Not in the terminal's group: Ctrl-C reaches the supervisor alone, which drains.
                start_new_session=True,
            )
        worker.tell(self._generation)
        return worker

    def _supervise(self, worker: _Worker) -> None:
        spawn(self._replace_when_dead(worker), f"fleet-{worker.name}")

    async def _replace_when_dead(self, worker: _Worker) -> None:
        await worker.closed.wait()
        try:
            async with asyncio.timeout(1.0):
                code = await worker.ended()
        except TimeoutError:
            # Its channel is closed, so it serves nothing any more.
            worker.kill()
            code = await worker.ended()
        self._on_death(worker.number)
        if self.draining:
            return
        young = time.monotonic() - worker.started_mono < _YOUNG_S
        self._early_deaths = min(self._early_deaths + 1, len(_BACKOFF_S) - 1) if young else 0
        pause_s = _BACKOFF_S[self._early_deaths]
        self.restarts += 1
        _LOG.error("worker ended", extra={"worker": worker.index, "exit": code, "replaced_after_s": pause_s})
        await asyncio.sleep(pause_s)
        if not self.draining:
            self._supervise(await self._launch(worker.index, worker.lives + 1))

    async def _watch_pulses(self) -> None:
        while not self.draining:
            await asyncio.sleep(_PULSE_S / 10)
            for worker in self._workers.values():
                if not worker.closed.is_set() and time.monotonic() - worker.seen_mono > _PULSE_S:
                    _LOG.error("worker stands still", extra={"worker": worker.index})
                    worker.kill()

    # --- what workers say ---

    def _heard(self, worker: _Worker, message: Message) -> None:
        if isinstance(message, Asks):
            moment = self._moment()
            worker.tell(Answers([self.owner.grant(worker.name, ask, moment) for ask in message.asks]))
        elif isinstance(message, Returns):
            moment = self._moment()
            for back in message.returns:
                self.owner.give_back(worker.name, back, moment)
        elif isinstance(message, ClaimClosed):
            self.owner.close_claim(worker.name, message.key_hash, message.exchange_id, message.outcome)
        elif isinstance(message, Pulse):
            worker.seen_mono = time.monotonic()
            worker.in_flight, worker.late_ms = message.in_flight, message.late_ms
            worker.health, worker.lanes = message.health, message.lanes
        elif isinstance(message, Ready):
            worker.generation = message.generation
            worker.ready.set()
        elif isinstance(message, MetricsWanted):
            spawn(self._answer_metrics(worker, message.id), "fleet-metrics")
        elif isinstance(message, Applied | Metrics):
            number = message.change if isinstance(message, Applied) else message.id
            future = worker.awaited.pop(number, None)
            if future is not None and not future.done():
                future.set_result(message)

    def _lost(self, worker: _Worker) -> None:
        self.owner.drop(worker.name)
        for future in worker.awaited.values():
            if not future.done():
                future.cancel()
        worker.awaited.clear()
        worker.ready.clear()
        worker.closed.set()

    # --- what workers are told ---

    def follow(self, generation: Generation) -> None:
        """Workers started from now on get `generation`."""
        self._generation = generation

    async def apply(self, change: Generation | Keys | Secrets | States) -> Landing:
        """Send `change` to all workers and wait until it acts on each.

        After `_ACK_S` a worker that has not answered is killed: its replacement starts with the new state.
        """
        began = time.monotonic()
        awaited = self._send_awaited(change, change.change)
        await self._settled(awaited)
        killed, errors = 0, []
        for worker, future in awaited:
            if future.cancelled():
                continue  # it died, and its replacement starts with the new state
            if not future.done():
                worker.awaited.pop(change.change, None)
                worker.kill()
                killed += 1
            elif isinstance(applied := future.result(), Applied):
                if applied.error:
                    errors.append(applied.error)
                elif isinstance(change, Generation):
                    worker.generation = change.number
        elapsed_ms = (time.monotonic() - began) * 1000
        return Landing(workers=len(awaited) - killed, killed=killed, elapsed_ms=elapsed_ms, errors=tuple(errors))

    async def metrics(self) -> bytes:
        """The whole service's numbers as text; a worker that does not answer in time is left out."""
        number = self.next_change()
        awaited = self._send_awaited(MetricsWanted(number), number)
        await self._settled(awaited)
        for worker, _ in awaited:
            worker.awaited.pop(number, None)
        results = [future.result() for _, future in awaited if future.done() and not future.cancelled()]
        config, at = self._generation.config, self._moment().at
        own: dict[str, float] = {
            "lizi_workers": sum(worker.ready.is_set() for worker in self._workers.values()),
            "lizi_workers_replaced_total": self.restarts,
            "lizi_places_in_flight": self.owner.in_flight,
            "lizi_places_in_flight_limit": self.owner.in_flight_limit,
            "lizi_generation": self._generation.number,
            **{
                f'lizi_critical_partners{{name="{name}"}}': len(partners)
                for name, partners in critical(config, self._generation.states, at).items()
            },
            **{f'lizi_partner_terms_days{{partner="{name}"}}': days_left(terms, at) for name, terms in config.agreed.items()},
        }
        return text(summed((result.data for result in results if isinstance(result, Metrics)), own))

    async def _answer_metrics(self, worker: _Worker, number: int) -> None:
        worker.tell(Metrics(number, await self.metrics()))

    def _send_awaited(self, message: Message, number: int) -> list[tuple[_Worker, asyncio.Future[Applied | Metrics]]]:
        awaited = []
        for worker in self._workers.values():
            if worker.channel is not None and worker.channel.open and not worker.closed.is_set():
                if not worker.ready.is_set():
                    # It serves nobody yet, and reads what it is told in order before it does.
                    worker.tell(message)
                    continue
                future: asyncio.Future[Applied | Metrics] = asyncio.get_running_loop().create_future()
                worker.awaited[number] = future
                worker.tell(message)
                awaited.append((worker, future))
        return awaited

    @staticmethod
    async def _settled(awaited: list[tuple[_Worker, asyncio.Future[Applied | Metrics]]]) -> None:
        if awaited:
            await asyncio.wait([future for _, future in awaited], timeout=_ACK_S)

    async def drain(self, grace_ms: int, drain_ms: int) -> None:
        """Readiness off and 503 for `grace_ms`, then streams may last `drain_ms`; returns when all have ended."""
        self.draining = True
        self._tell_all(Draining(grace_ms, drain_ms))
        # Two seconds more for the last records to be written; then nobody waits any longer.
        await self._ended(deadline_s=(grace_ms + drain_ms) / 1000 + 2.0)

    async def stop(self) -> None:
        """All workers end now; what does not obey within 2 s (last records included) is killed."""
        self.draining = True
        self._tell_all(Stop())
        await self._ended(deadline_s=2.0)

    def _tell_all(self, message: Message) -> None:
        for worker in self._workers.values():
            worker.tell(message)

    async def _ended(self, *, deadline_s: float) -> None:
        processes = [worker.process for worker in self._workers.values() if worker.process is not None]
        waits = [asyncio.ensure_future(process.wait()) for process in processes]
        if not waits:
            return
        _, late = await asyncio.wait(waits, timeout=deadline_s)
        for worker in self._workers.values():
            worker.kill()
        if late:
            await asyncio.wait(late, timeout=2.0)
