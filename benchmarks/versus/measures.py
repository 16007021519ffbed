"""The measures, each a short run of `lizi.load` with the gateway's CPU and memory read at the edges of a window."""

from __future__ import annotations

import asyncio
import json
import math
import statistics
import time
from array import array
from collections import Counter
from typing import Any

from lizi.load import Options, Planned, Run, Target, run_closed, run_open
from lizi.load.arrivals import constant, poisson
from lizi.load.score import Slo, latencies, quantile
from versus.gateways import Running
from versus.process import core_busy_s, cpu_s, rss_kib
from versus.upstream import CHUNK_GAP_S, IDLE_TOKENS

PROMPT = "Rewrite this note so that it is friendly and short, please: " + "the tide goes out and the boats lie on the sand. " * 8
STREAM_CHUNKS = 200  # 4 s at 50 chunks/s
WARM_S = 1.0

Figures = dict[str, Any]


def body(model: str, *, stream: bool = False, tokens: int = STREAM_CHUNKS) -> bytes:
    """One chat request of about half a kilobyte."""
    tree: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": "You are a careful editor."}, {"role": "user", "content": PROMPT}],
        "max_tokens": tokens,
        "temperature": 0.2,
    }
    if stream:
        tree |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(tree).encode()


class _Window:
    """CPU of the gateway between two moments of a run."""

    def __init__(self, running: Running) -> None:
        self._pids = running.refresh()
        self._core = running.core
        self._at: list[tuple[float, float, float]] = []

    def mark(self) -> None:
        busy = core_busy_s(self._core) if self._core is not None else 0.0
        self._at.append((time.monotonic(), cpu_s(self._pids), busy))

    def close(self) -> None:
        """A run whose requests all failed may be over before its window is."""
        while len(self._at) < 2:
            self.mark()

    @property
    def cpu(self) -> float:
        """CPU seconds of the gateway within the window."""
        return self._at[1][1] - self._at[0][1]

    def figures(self) -> Figures:
        """How much of its core the gateway had, and how much went to others (above 5 %: a noisy round)."""
        seconds = self._at[1][0] - self._at[0][0]
        out: Figures = {"gateway_cpu_share": round(self.cpu / seconds, 3)}
        if self._core is not None:
            out["foreign_cpu_share"] = round(max(0.0, self._at[1][2] - self._at[0][2] - self.cpu) / seconds, 3)
        return out


async def whole_max(running: Running, *, seconds: float, connections: int) -> Figures:
    """(a) Whole replies of 1 kB as fast as they go, by `connections` callers that ask again at once."""
    window = _Window(running)
    start, end = WARM_S, WARM_S + seconds
    options = Options(hooks=((start, window.mark), (end, window.mark)), timeout_s=20, drain_s=20, connections_max=connections)
    run = await run_closed(
        running.target, [running.target.request(body(running.model))], connections=connections, duration_s=end + 0.1, options=options
    )
    inside = [record for record in run.records if record.t_last is not None and start <= record.t_last < end]
    served = sum(record.outcome == "ok" for record in inside)
    return {
        "requests_per_s": round(served / seconds, 1),
        "capacity_per_s": round(served / window.cpu, 1) if window.cpu and served else None,
        "cpu_us_per_request": _per(window.cpu, served),
        **window.figures(),
        "connections": connections,
        **_state(run),
    }


async def whole_open(running: Running, *, rate_per_s: float, seconds: float, seed: int) -> Figures:
    """(b) Poisson users at a given rate; latency from the moment each meant to come."""
    window = _Window(running)
    plan = [
        Planned(at_s=at, payload=running.target.request(body(running.model))) for at in poisson(rate_per_s, WARM_S + seconds, seed=seed)
    ]
    options = Options(
        hooks=((WARM_S, window.mark), (WARM_S + seconds, window.mark)),
        timeout_s=10,
        drain_s=10,
        connections_ready=64,
        seed=seed,
        slos=(Slo(metric="whole", limit_s=0.1),),
    )
    run = await run_open(running.target, plan, options)
    window.close()
    inside = [record for record in run.records if record.t_intended >= WARM_S]
    return {"rate_per_s": round(rate_per_s, 1), **window.figures(), **_spread(latencies(inside)), **_state(run)}


LONG_CHARACTERS = 100_000
LONG_EVERY_S = 0.5
_LONG = ("The tide goes out and the boats lie on the sand; 潮水退去，小船停在沙滩上，孩子们在捡贝壳。 " * 2_000)[:LONG_CHARACTERS]


async def beside_long(running: Running, rate_per_s: float, *, seconds: float, seed: int) -> Figures:
    """(g) What short requests wait longer for when somebody sends a prompt of 100,000 characters twice a second."""
    tree = json.loads(body(running.model))
    tree["messages"][-1]["content"] = _LONG
    long = running.target.request(json.dumps(tree).encode())
    plan = [Planned(at_s=at * LONG_EVERY_S, payload=long) for at in range(int((WARM_S + seconds) / LONG_EVERY_S))]
    alone = await whole_open(running, rate_per_s=rate_per_s, seconds=seconds, seed=seed)
    beside, sent = await asyncio.gather(
        whole_open(running, rate_per_s=rate_per_s, seconds=seconds, seed=seed),
        run_open(running.target, plan, Options(timeout_s=20, drain_s=20)),
    )
    answered = sum(record.outcome == "ok" for record in sent.records)
    return {
        "p99_alone_ms": alone["p99_ms"],
        "p99_beside_ms": beside["p99_ms"],
        "delay_p99_ms": round(beside["p99_ms"] - alone["p99_ms"], 2),
        "delay_p50_ms": round(beside["p50_ms"] - alone["p50_ms"], 2),
        "long_ms": round(statistics.median(latencies(list(sent.records))) * 1_000, 1) if answered else None,
        "long_answered": answered,
        "long_sent": len(plan),
        "foreign_cpu_share": beside.get("foreign_cpu_share", 0.0),
        "outcomes": beside.get("outcomes"),
    }


async def streams(running: Running, *, at_once: int, seconds: float, seed: int) -> Figures:
    """(c) `at_once` streams of 50 chunks/s each, on average: users come at random and each stays 4 s."""
    window = _Window(running)
    lateness: array[float] = array("d")
    edges: list[int] = []

    def edge() -> None:
        window.mark()
        edges.append(len(lateness))

    life = STREAM_CHUNKS * CHUNK_GAP_S
    start, end = life + WARM_S, life + WARM_S + seconds
    payload = running.target.request(body(running.model, stream=True))
    plan = [Planned(at_s=at, payload=payload, stream=True) for at in poisson(at_once / life, end, seed=seed)]
    options = Options(
        hooks=((start, edge), (end, edge)),
        timeout_s=30,
        drain_s=15,
        lateness=lateness,
        connections_ready=min(at_once, 256),
        seed=seed,
        slos=(Slo(metric="first_content", limit_s=0.1),),
    )
    run = await run_open(running.target, plan, options)
    while len(edges) < 2:
        edge()
    inside = [record for record in run.records if start <= record.t_intended < end]
    late = lateness[edges[0] : edges[1]]
    first = latencies(inside, "first_content", since="sent")
    return {
        "streams": at_once,
        "chunks": len(late),
        "chunks_per_s": round(len(late) / seconds, 1),
        "cpu_us_per_chunk": _per(window.cpu, len(late)),
        **window.figures(),
        "lateness_p50_ms": _ms(late, 0.5),
        "lateness_p99_ms": _ms(late, 0.99),
        "first_content_p50_ms": _ms(first, 0.5),
        "first_content_p99_ms": _ms(first, 0.99),
        **_state(run),
    }


async def refusing_max(running: Running, *, seconds: float, connections: int) -> Figures:
    """(d) CPU of a refusal: a key over its limit, asked as fast as it goes."""
    target = _refused(running)
    window = _Window(running)
    start, end = WARM_S, WARM_S + seconds
    options = Options(hooks=((start, window.mark), (end, window.mark)), timeout_s=20, drain_s=20)
    run = await run_closed(target, [target.request(body(running.model))], connections=connections, duration_s=end + 0.1, options=options)
    refused = sum(record.outcome == "refused" and record.t_last is not None and start <= record.t_last < end for record in run.records)
    return {
        "refusals_per_s": round(refused / seconds, 1),
        "cpu_us_per_refusal": _per(window.cpu, refused),
        **window.figures(),
        **_state(run),
    }


async def refusing_busy(running: Running, *, rate_per_s: float, probes_per_s: float, seconds: float, seed: int) -> Figures:
    """(d) How long a 429 takes while the others' requests fill the gateway to `rate_per_s`."""
    target = _refused(running)
    good = [
        Planned(at_s=at, payload=running.target.request(body(running.model))) for at in poisson(rate_per_s, WARM_S + seconds, seed=seed)
    ]
    bad = [Planned(at_s=at, payload=target.request(body(running.model))) for at in constant(probes_per_s, WARM_S + seconds)]
    options = Options(timeout_s=10, drain_s=10, connections_ready=64, seed=seed, slos=(Slo(metric="whole", limit_s=0.1),))
    served, probed = await asyncio.gather(
        run_open(running.target, good, options),
        run_open(target, bad, Options(timeout_s=10, drain_s=10, connections_ready=8, slos=options.slos)),
    )
    waits = [
        record.t_last - record.t_intended if record.outcome == "refused" and record.t_last is not None else math.inf
        for record in probed.records
        if record.t_intended >= WARM_S
    ]
    return {"rate_per_s": round(rate_per_s, 1), **_spread(waits), "load": _state(served), **_state(probed)}


async def memory_flat(running: Running, *, requests: int, connections: int, longest_s: float) -> Figures:
    """(e) Resident memory over many requests, weighed every 2 s, until `requests` were served or `longest_s` is over."""
    pids = running.refresh()
    steps = [{"requests": 0, "rss_mib": _mib(rss_kib(pids))}]
    done = 0
    end = time.monotonic() + longest_s
    while done < requests and time.monotonic() < end:
        payload = running.target.request(body(running.model))
        run = await run_closed(
            running.target, [payload], connections=connections, duration_s=2.0, options=Options(timeout_s=20, drain_s=20)
        )
        served = sum(record.outcome == "ok" for record in run.records)
        if served == 0:
            raise RuntimeError(f"{running.name} served nothing: {_state(run)}")
        done += served
        steps.append({"requests": done, "rss_mib": _mib(rss_kib(pids))})
    return {"steps": steps, "largest_process_mib": _mib([max(rss_kib(pids), default=0)])}


async def memory_streams(running: Running, *, first: int, second: int) -> Figures:
    """(e) Memory of an open, silent stream: what the second thousand costs."""
    pids = running.refresh()
    payload = running.target.request(body(running.model, stream=True, tokens=IDLE_TOKENS))
    sizes: list[int] = []

    def weigh() -> None:
        sizes.append(sum(rss_kib(pids)))

    per_s = 400.0
    opening_first, opening_second = first / per_s, (second - first) / per_s
    second_at = opening_first + 2.0
    plan = [Planned(at_s=at, payload=payload, stream=True) for at in constant(per_s, opening_first)]
    plan += [Planned(at_s=second_at + at, payload=payload, stream=True) for at in constant(per_s, opening_second)]
    end = second_at + opening_second + 2.0
    options = Options(
        hooks=((0.0, weigh), (second_at - 0.1, weigh), (end - 0.1, weigh)),
        timeout_s=60,
        drain_s=end - plan[-1].at_s,
        connections_ready=16,
        slos=(Slo(metric="first_content", limit_s=1.0),),
    )
    run = await run_open(running.target, plan, options)
    held = sum(record.t_first_content is not None for record in run.records)
    if len(sizes) < 3:  # all streams ended before the second look
        raise RuntimeError(f"no stream stood long enough to be weighed: {dict(Counter(record.outcome for record in run.records))}")
    return {
        "held": held,
        "asked": second,
        "rss_mib": [round(size / 1024, 1) for size in sizes],
        "kib_per_stream": round((sizes[2] - sizes[1]) / (second - first), 1),
        "outcomes": dict(Counter(record.outcome for record in run.records)),
    }


def _refused(running: Running) -> Target:
    if running.refused is None:
        raise RuntimeError(f"{running.name} has no key that is over its limit")
    return running.refused


def _per(cpu: float, count: int) -> float | None:
    return round(cpu / count * 1e6, 2) if count else None


def _ms(values: Any, q: float) -> float | None:
    if len(values) == 0:
        return None
    value = quantile(values, q).value
    return round(value * 1000, 3) if math.isfinite(value) else None


def _spread(values: list[float]) -> Figures:
    return {"p50_ms": _ms(values, 0.5), "p99_ms": _ms(values, 0.99), "count": len(values)}


def _mib(sizes: list[int]) -> float:
    return round(sum(sizes) / 1024, 1)


def _state(run: Run) -> Figures:
    manifest = run.manifest
    return {
        "outcomes": dict(Counter(record.outcome for record in run.records)),
        "errors": dict(Counter(record.error for record in run.records if record.error)),
        "send_lag_p99_ms": round(manifest.send_lag_p99_s * 1000, 3),
        "loop_lag_p99_ms": round(manifest.loop_lag_p99_s * 1000, 3),
        "generator_cpu_share": round(manifest.generator_cpu_share, 3),
        "void": manifest.void_reason,
    }
