"""`make bench`: drive Lizi and its rivals side by side on this machine, keep every figure, render the page.

Two cores: gateway on one, load and upstream on the other; systems take turns within each round. Loopback only;
everything that is started is stopped. `--quick` is a smoke test of seconds, not a measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src")]
os.environ["PYTHONPATH"] = str(HERE.parent / "src")

import uvloop  # noqa: E402
from render import render  # noqa: E402
from versus import measures  # noqa: E402
from versus.gateways import SYSTEMS, UNVEILED, WORK, Running, System  # noqa: E402
from versus.process import free_port, raise_file_limit, start, stop  # noqa: E402

from lizi.load import Target  # noqa: E402
from lizi.load.record import machine  # noqa: E402

SAVED = HERE / "results"
NOISE = 0.05  # a cell is made again when others took more than this share of the gateway's core …
LONGEST_S = 600  # nothing is made again after this, so that a noisy machine still ends within a quarter of an hour
TRIES = 3  # … at most so often; the quietest is kept, and its share of noise with it


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the exit stack, which stops what was started
    raise_file_limit()
    WORK.mkdir(parents=True, exist_ok=True)
    cores = sorted(os.sched_getaffinity(0))
    gateway_core, load_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    if load_core is not None:
        os.sched_setaffinity(0, {load_core})
    chosen = [system for system in SYSTEMS if not arguments.only or system.name in arguments.only]
    bench = _Bench(arguments.quick, gateway_core, load_core)
    if not arguments.quick:
        for system in chosen:
            if system.install is not None:
                _say(f"installing {system.label} {system.version}")
                system.install()
    with ExitStack() as stack:
        bench.start(chosen, stack)
        bench.measure(arguments.rounds or (1 if arguments.quick else 3), set(arguments.measures))
    path = SAVED / (arguments.out or f"versus-{time.strftime('%Y-%m-%d', time.gmtime())}{'-quick' if arguments.quick else ''}.json")
    if arguments.quick and arguments.out is None:
        _say("quick run: nothing is written")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(bench.result(), indent=1, ensure_ascii=False) + "\n")
        _say(f"wrote {path.relative_to(HERE.parent)}")
        if arguments.out is None:
            render(HERE)
    return 1 if bench.failed else 0


class _Bench:
    """One run over all systems."""

    def __init__(self, quick: bool, gateway_core: int | None, load_core: int | None) -> None:
        self._quick = quick
        self._cores = (gateway_core, load_core)
        self._systems: list[System] = []
        self._running: dict[str, Running] = {}
        self._rounds: list[dict[str, Any]] = []
        self._problems: list[str] = []
        self._started_at = time.time()
        self._machine = machine()
        self.failed = False

    def start(self, chosen: list[System], stack: ExitStack) -> None:
        gateway_core, load_core = self._cores
        port = free_port()
        partner = start(
            [sys.executable, "-m", "versus.upstream", "--port", str(port)],
            core=load_core,
            log=WORK / "upstream.log",
            env={"PYTHONPATH": f"{HERE}:{HERE.parent / 'src'}"},
            cwd=HERE,
        )
        stack.callback(stop, partner)
        time.sleep(0.5)
        self._running["direct"] = Running(name="direct", target=Target(host="127.0.0.1", port=port), model="mock-model")
        for system in chosen:
            try:
                running = system.launch(port, gateway_core)
            except (RuntimeError, OSError) as problem:
                self._problem(f"{system.name}: {problem}")
                continue
            running.core = gateway_core
            stack.callback(running.stop)
            self._systems.append(system)
            self._running[system.name] = running
            _say(f"started {system.label} {system.version}")

    def measure(self, rounds: int, wanted: set[str]) -> None:
        quick = self._quick
        seconds = 1.0 if quick else 4.0
        everyone = [System(name="direct", label="direct", version="", settings="", launch=_never), *self._systems]
        for system in everyone:  # warm up: first requests cost up to half a second of their own
            connections = _connections(system)
            self._run(
                0, "warm", system, lambda r, c=connections: measures.whole_max(r, seconds=0.5 if quick else 2.0, connections=c), keep=False
            )
        for number in range(1, rounds + 1):
            if not wanted or "whole_max" in wanted:
                for system in everyone:
                    connections = _connections(system)
                    self._run(number, "whole_max", system, lambda r, c=connections: measures.whole_max(r, seconds=seconds, connections=c))
            if not wanted or "whole_half" in wanted:
                for rival in [system for system in self._systems if system.name not in ("lizi", "floor", UNVEILED)]:
                    self._half(number, rival, everyone, seconds)
            if not wanted or "streams" in wanted:
                for system in everyone:
                    if not system.streams:
                        continue
                    at_once = max(5, int((50 if quick else 500) * system.scale))
                    self._run(
                        number, "streams", system, lambda r, n=at_once, s=number: measures.streams(r, at_once=n, seconds=seconds, seed=s)
                    )
            if not wanted or "long" in wanted:
                for system in self._systems:
                    if system.name in ("lizi", UNVEILED):
                        self._run(number, "beside_long", system, lambda r, s=number: measures.beside_long(r, 300, seconds=seconds, seed=s))
            if not wanted or "refusing" in wanted:
                for system in self._systems:
                    self._refusing(number, system, seconds)
        if not wanted or "memory" in wanted:
            for system in self._systems:
                self._memory(system)

    def _half(self, number: int, rival: System, everyone: list[System], seconds: float) -> None:
        """At half of the rival's own maximum: the rival, Lizi and nothing in between."""
        rate = self._median("whole_max", rival.name, "requests_per_s")
        if rate is None:
            return
        for system in everyone:
            most = self._median("whole_max", system.name, "requests_per_s")
            if most is None or rate / 2 > 0.9 * most:
                continue  # beyond what it bears: a queue that grows for as long as the run lasts measures the run
            if system.name in ("direct", "lizi", rival.name):
                self._run(
                    number,
                    "whole_half",
                    system,
                    lambda r, x=rate / 2, s=number: measures.whole_open(r, rate_per_s=x, seconds=seconds, seed=s),
                    at_half_of=rival.name,
                )

    def _refusing(self, number: int, system: System, seconds: float) -> None:
        if self._running[system.name].refused is None:
            return
        self._run(number, "refusing_max", system, lambda r: measures.refusing_max(r, seconds=seconds, connections=32))
        rate = self._median("whole_max", system.name, "requests_per_s")
        if rate is not None:
            self._run(
                number,
                "refusing_busy",
                system,
                lambda r: measures.refusing_busy(r, rate_per_s=rate * 0.9, probes_per_s=200, seconds=seconds, seed=number),
            )

    def _memory(self, system: System) -> None:
        requests = 2_000 if self._quick else 200_000
        longest_s = 120.0 if system.name == "lizi" else 15.0  # the goal is ours; the rivals' figures are for comparison
        connections = _connections(system)
        self._run(
            1, "memory_flat", system, lambda r: measures.memory_flat(r, requests=requests, connections=connections, longest_s=longest_s)
        )
        if system.streams and system.scale >= 0.2:
            first, second = (50, 100) if self._quick else (1000, 2000)
            self._run(1, "memory_streams", system, lambda r: measures.memory_streams(r, first=first, second=second))

    def _run(
        self,
        number: int,
        measure: str,
        system: System,
        make: Callable[[Running], Coroutine[Any, Any, measures.Figures]],
        *,
        keep: bool = True,
        **extra: Any,
    ) -> None:
        kept: measures.Figures | None = None
        for attempt in range(TRIES if keep and not self._quick else 1):
            if attempt and time.time() - self._started_at > LONGEST_S:
                break
            try:
                figures = uvloop.run(make(self._running[system.name]))
            except (TimeoutError, RuntimeError, OSError) as problem:
                self._problem(f"{system.name}, {measure}: {type(problem).__name__}: {problem}")
                return
            if kept is None or _noise(figures) < _noise(kept):
                kept = figures
            if _noise(kept) <= NOISE:
                break
        if keep and kept is not None:
            figures = kept
            row = {"round": number, "measure": measure, "system": system.name, **extra, **figures}
            self._rounds.append(row)
            _say(json.dumps({name: value for name, value in row.items() if name != "steps"}, ensure_ascii=False))

    def _median(self, measure: str, system: str, figure: str) -> float | None:
        values = [row[figure] for row in self._rounds if row["measure"] == measure and row["system"] == system and row[figure]]
        return statistics.median(values) if values else None

    def _problem(self, text: str) -> None:
        self.failed = True
        self._problems.append(text)
        _say(f"PROBLEM {text}")

    def result(self) -> dict[str, Any]:
        return {
            "format": 1,
            "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started_at)),
            "took_s": round(time.time() - self._started_at),
            "quick": self._quick,
            "commit": _commit(),
            "machine": {**self._machine, "load_average_after": [round(value, 2) for value in os.getloadavg()]},
            "pinned": self._cores[0] is not None,
            "systems": [{"name": s.name, "label": s.label, "version": s.version, "settings": s.settings} for s in self._systems],
            "problems": self._problems,
            "rounds": self._rounds,
        }


def _noise(figures: measures.Figures) -> float:
    """Share of the gateway's core that went to others; a void run is the noisiest."""
    return 1.0 if figures.get("void") else float(figures.get("foreign_cpu_share", 0.0))


def _connections(system: System) -> int:
    return max(8, int(64 * system.scale))


def _never(upstream: int, core: int | None) -> Running:
    raise RuntimeError("the upstream itself is started once")


def _commit() -> str | None:
    try:
        return subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; Lizi and the floor only; writes nothing")
    parser.add_argument("--only", nargs="+", choices=[system.name for system in SYSTEMS], help="these systems")
    parser.add_argument("--measures", nargs="+", default=[], choices=["whole_max", "whole_half", "streams", "long", "refusing", "memory"])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--out", help="file name under benchmarks/results; the page is then not rendered")
    given = parser.parse_args()
    if given.quick and not given.only:
        given.only = [system.name for system in SYSTEMS if system.install is None]
    return given


if __name__ == "__main__":
    raise SystemExit(main())
