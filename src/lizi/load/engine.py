"""Runs a plan against a target, in open loop (users arrive when they arrive) or closed (as fast as it goes).

Open: the schedule is absolute and dispatch is never held back by completions; without a free connection
a new one is opened, and beyond `connections_max` the request counts as dropped by the client.
Closed: a fixed number of connections, each asking again at once; only for maximum throughput, and it
yields no latency that a user would feel. Bounds: connections, one deadline per request, a drain at the end.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import ssl
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Literal

from msgspec import Struct

from lizi.load.alarm import Alarm
from lizi.load.connection import Connection
from lizi.load.record import Manifest, Record, machine
from lizi.load.score import Slo, quantile, void_reason

__all__ = ["Options", "Planned", "Run", "Target", "run_closed", "run_open"]

_BATCH = 64  # requests sent in one go before the loop may read again
_SWEEP_S = 0.05
_LAG_TICK_S = 0.01

_monotonic = time.monotonic


class Target(Struct, frozen=True, kw_only=True):
    """Where requests go. `headers` may hold a key: it is in no manifest."""

    host: str
    port: int
    path: str = "/v1/chat/completions"
    headers: tuple[tuple[str, str], ...] = ()
    tls: ssl.SSLContext | None = None

    def request(self, body: bytes) -> bytes:
        """The bytes of one POST."""
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"host: {self.host}:{self.port}",
            "content-type: application/json",
            f"content-length: {len(body)}",
        ]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Planned(Struct, frozen=True, kw_only=True, gc=False):
    """One request of the plan, its bytes made beforehand."""

    at_s: float
    payload: bytes
    stream: bool = False


class Options(Struct, frozen=True, kw_only=True):
    """How a run is made."""

    timeout_s: float = 60.0
    """From `t_intended`: the user's patience."""
    drain_s: float = 60.0
    """After the last arrival; what is then still under way is censored."""
    connections_max: int = 4096
    connections_ready: int = 0
    """Opened before the first arrival, as a warm client's pool would be."""
    chunk_times: bool = False
    lateness: array[float] | None = None
    """Given one: answer texts hold `@<monotonic seconds>`, when their chunk was due at its source; how late it came is appended."""
    protocol: Literal["chat", "plain"] = "chat"
    slos: tuple[Slo, ...] = ()
    seed: int | None = None
    schedule: str = ""
    """Words for the manifest: which generator, which rate."""
    hooks: tuple[tuple[float, Callable[[], None]], ...] = ()
    """Called at these offsets, to read counters at the edges of a window."""


class Run(Struct, kw_only=True):
    """What came out."""

    manifest: Manifest
    records: list[Record]


async def run_open(target: Target, plan: Sequence[Planned], options: Options) -> Run:
    """Send each request at its intended time, whatever became of those before."""
    if any(later.at_s < earlier.at_s for earlier, later in itertools.pairwise(plan)):
        raise ValueError("the plan must be in order of time")
    engine = _Engine(target, options)
    return await engine.open(plan)


async def run_closed(
    target: Target, payloads: Sequence[bytes], *, connections: int, duration_s: float, options: Options, stream: bool = False
) -> Run:
    """Keep `connections` requests under way for `duration_s`: maximum throughput, and nothing else."""
    engine = _Engine(target, options)
    return await engine.closed_loop(payloads, connections, duration_s, stream)


class _Engine:
    """One run. Is the `Owner` of its connections."""

    def __init__(self, target: Target, options: Options) -> None:
        self._loop = asyncio.get_running_loop()
        self._target = target
        self._options = options
        self.chunk_times = options.chunk_times
        self.plain = options.protocol == "plain"
        self.lateness = options.lateness
        self._records: list[Record] = []
        self._idle: list[Connection] = []
        self._opened = 0
        self._under_way: dict[Connection, float] = {}
        self._connecting: dict[Connection, asyncio.Task[None]] = {}
        self._next: Callable[[Connection], None] | None = None
        self._all_out = False
        self._quiet = asyncio.Event()
        self._lag = array("d")
        self._late = array("d")
        self._base = 0.0
        self._tick_due = 0.0
        self._ticker: Alarm | None = None

    # --- the two modes ----------------------------------------------------------

    async def open(self, plan: Sequence[Planned]) -> Run:
        await self._warm(self._options.connections_ready)
        position = 0
        total = len(plan)

        def fire() -> None:
            nonlocal position
            end = min(position + _BATCH, total)
            now = _monotonic()
            while position < end and self._base + plan[position].at_s <= now:
                self._launch(plan[position], self._base + plan[position].at_s)
                position += 1
            if position < total:
                alarm.set(self._base + plan[position].at_s)
            else:
                self._all_out = True
                if not self._under_way:
                    self._quiet.set()

        alarm = Alarm(self._loop, fire)
        last = plan[-1].at_s if plan else 0.0
        try:
            return await self._measure("open", lambda: alarm.set(self._base + plan[0].at_s) if plan else fire(), last)
        finally:
            alarm.close()

    async def closed_loop(self, payloads: Sequence[bytes], connections: int, duration_s: float, stream: bool) -> Run:
        await self._warm(connections)
        count = len(payloads)

        def ask(connection: Connection) -> None:
            now = _monotonic()
            if now >= self._base + duration_s:
                self._all_out = True
                self._idle.append(connection)
                if not self._under_way:
                    self._quiet.set()
                return
            record = self._record(stream, now)
            self._under_way[connection] = now + self._options.timeout_s
            connection.send(record, payloads[record.index % count])

        def start() -> None:
            self._next = ask
            ready, self._idle = self._idle, []
            for connection in ready:
                ask(connection)

        return await self._measure("closed", start, duration_s)

    async def _measure(self, mode: Literal["open", "closed"], start: Callable[[], None], duration_s: float) -> Run:
        options = self._options
        before = machine()
        ticker = self._ticker = Alarm(self._loop, self._tick)
        timers = []
        gc.collect()
        gc.freeze()
        gc.disable()  # a pause of the collector would be measured as the service's
        try:
            started_at, cpu = time.time(), time.process_time()
            self._base = _monotonic() + 0.002  # so that the first arrival is not late already
            self._tick_due = self._base
            ticker.set(self._tick_due)
            for offset, hook in options.hooks:
                timers.append(self._loop.call_later(offset, hook))
            sweeper = self._loop.create_task(self._sweep())
            start()
            try:
                await asyncio.wait_for(self._quiet.wait(), duration_s + options.drain_s)
            except TimeoutError:
                for connection in list(self._under_way):
                    self._end(connection, "censored", None)
            sweeper.cancel()
            took = _monotonic() - self._base
            share = (time.process_time() - cpu) / max(took, 1e-9)
        finally:
            gc.enable()
            gc.unfreeze()
            ticker.close()
            for timer in timers:
                timer.cancel()
            await self._close()
        return self._result(mode, started_at, duration_s, took, share, before)

    # --- Owner ------------------------------------------------------------------

    def finished(self, connection: Connection, reusable: bool) -> None:
        del self._under_way[connection]
        if not reusable:
            self._opened -= 1
            if self._next is not None and not self._all_out:
                self._replace()
        elif self._next is not None:
            self._next(connection)
        else:
            self._idle.append(connection)
        if self._all_out and not self._under_way:
            self._quiet.set()

    def closed(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
            self._opened -= 1

    # --- inside -------------------------------------------------------------------

    def _launch(self, planned: Planned, intended: float) -> None:
        record = self._record(planned.stream, intended)
        self._late.append(_monotonic() - intended)
        if self._idle:
            connection = self._idle.pop()
        elif self._opened < self._options.connections_max:
            connection = self._dial()
        else:
            record.outcome, record.error = "client_dropped", "connections_max"
            return
        self._under_way[connection] = intended + self._options.timeout_s
        connection.send(record, planned.payload)

    def _record(self, stream: bool, intended: float) -> Record:
        record = Record(index=len(self._records), stream=stream, t_intended=intended)
        if self.chunk_times and stream:
            record.chunk_times = []
        self._records.append(record)
        return record

    def _dial(self) -> Connection:
        connection = Connection(self)
        self._opened += 1
        self._connecting[connection] = self._loop.create_task(self._connect(connection))
        return connection

    async def _connect(self, connection: Connection) -> None:
        target = self._target
        try:
            await self._loop.create_connection(lambda: connection, target.host, target.port, ssl=target.tls)
        except OSError:
            if connection.record is not None:
                connection.give_up("error", "connect")
            else:
                self._opened -= 1
        finally:
            self._connecting.pop(connection, None)

    async def _warm(self, count: int) -> None:
        for _ in range(count):
            connection = Connection(self)
            await self._loop.create_connection(lambda made=connection: made, self._target.host, self._target.port, ssl=self._target.tls)
            self._opened += 1
            self._idle.append(connection)

    def _replace(self) -> None:
        """Closed mode: the lost connection's place is taken by a new one."""
        connection = Connection(self)
        self._opened += 1

        async def dial() -> None:
            try:
                await self._loop.create_connection(lambda: connection, self._target.host, self._target.port, ssl=self._target.tls)
            except OSError:
                self._opened -= 1
                await asyncio.sleep(0.01)  # a refusing port must not become a spin
                if not self._all_out:
                    self._replace()
                return
            finally:
                self._connecting.pop(connection, None)
            if self._next is not None:
                self._next(connection)

        self._connecting[connection] = self._loop.create_task(dial())

    def _end(self, connection: Connection, outcome: Any, error: str | None) -> None:
        task = self._connecting.pop(connection, None)
        if task is not None:
            task.cancel()
        connection.give_up(outcome, error)

    async def _sweep(self) -> None:
        """Time out what is overdue. Deadlines are in order of start, so only the head is looked at."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = _monotonic()
            overdue = []
            for connection, deadline in self._under_way.items():
                if deadline > now:
                    break
                overdue.append(connection)
            for connection in overdue:
                self._end(connection, "timeout", None)

    def _tick(self) -> None:
        now = _monotonic()
        self._lag.append(now - self._tick_due)
        self._tick_due = now + _LAG_TICK_S
        if self._ticker is not None:
            self._ticker.set(self._tick_due)

    async def _close(self) -> None:
        tasks = list(self._connecting.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        idle, self._idle = self._idle, []
        for connection in idle:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)

    def _result(
        self, mode: Literal["open", "closed"], started_at: float, duration_s: float, took: float, share: float, before: dict[str, Any]
    ) -> Run:
        options = self._options
        base = self._base
        for record in self._records:
            _relative(record, base)
        # The generator's own lateness: waiting for a new connection is the service's and stays in the latencies.
        send_lag = quantile(self._late, 0.99).value if self._late else 0.0
        loop_lag = quantile(self._lag, 0.99).value if self._lag else 0.0
        void = void_reason(send_lag, loop_lag, options.slos) if mode == "open" else None
        manifest = Manifest(
            mode=mode,
            started_at=started_at,
            duration_s=duration_s,
            seed=options.seed,
            schedule=options.schedule,
            options={
                "timeout_s": options.timeout_s,
                "drain_s": options.drain_s,
                "connections_max": options.connections_max,
                "connections_ready": options.connections_ready,
                "protocol": options.protocol,
                "slos": [{"metric": slo.metric, "limit_s": slo.limit_s} for slo in options.slos],
            },
            machine={**before, "load_average_after": [round(value, 2) for value in os.getloadavg()]},
            send_lag_p99_s=send_lag,
            loop_lag_p99_s=loop_lag,
            generator_cpu_share=share,
            void_reason=void,
            notes={"took_s": round(took, 3)},
        )
        return Run(manifest=manifest, records=self._records)


def _relative(record: Record, base: float) -> None:
    record.t_intended -= base
    for name in ("t_sent", "t_headers", "t_first_byte", "t_first_content", "t_last"):
        value = getattr(record, name)
        if value is not None:
            setattr(record, name, value - base)
    if record.chunk_times is not None:
        record.chunk_times = [value - base for value in record.chunk_times]
