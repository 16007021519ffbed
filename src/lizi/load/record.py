"""What is kept of each request and of a run: a manifest and one JSON line per request.

Never holds prompt or answer text. Times are seconds from the run's start on the monotonic clock;
what did not happen is null, never 0.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

__all__ = ["Manifest", "Outcome", "Record", "machine", "read_run", "write_run"]

Outcome: TypeAlias = Literal[
    "open",
    "ok",
    "truncated",  # complete, but the model ran into its token limit (finish "length")
    "empty",  # complete, and nothing in it
    "cut",  # ended before its end
    "error",  # a failure, in the status or inside a 200
    "timeout",
    "refused",  # 429 or 503 that says when to come back
    "client_dropped",  # the generator had no connection left: counts against the result
    "censored",  # still under way when the run itself ended: counts on neither side
]


class Record(Struct, kw_only=True, gc=False):
    """One request. `gc=False`: holds no reference that could close a cycle."""

    index: int
    stream: bool
    t_intended: float
    t_sent: float | None = None
    """The request's bytes were handed to the socket."""
    t_headers: float | None = None
    t_first_byte: float | None = None
    """First byte of the body, whatever it is."""
    t_first_content: float | None = None
    """First non-empty text, reasoning or tool delta: a role-only chunk is none."""
    t_last: float | None = None
    status: int = 0
    outcome: Outcome = "open"
    error: str | None = None
    """Class of the failure, such as `connect`, `http_500`, `error_event`."""
    finish: str | None = None
    size_bytes: int = 0
    events: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    retry_after_s: float | None = None
    chunk_times: list[float] | None = None
    """Time of each SSE event's arrival, when asked for."""


class Manifest(Struct, frozen=True, kw_only=True):
    """What was run, on what, and how well the generator itself held up."""

    mode: Literal["open", "closed"]
    started_at: float
    """Unix time."""
    duration_s: float
    seed: int | None
    schedule: str
    options: dict[str, Any]
    machine: dict[str, Any]
    send_lag_p99_s: float
    loop_lag_p99_s: float
    generator_cpu_share: float
    void_reason: str | None
    notes: dict[str, Any] = {}


def machine() -> dict[str, Any]:
    """The machine and the versions under the run; no host name, no address, no path."""
    return {
        "cpu": _first_line("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_mib": int((_first_line("/proc/meminfo", "MemTotal") or "0").split()[0]) // 1024,
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "versions": {name: _version(name) for name in ("uvloop", "httptools", "msgspec", "lizi")},
        "clock": _text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


def write_run(directory: Path, manifest: Manifest, records: Iterable[Record]) -> None:
    """Write `manifest.json` and `records.jsonl`. The same run gives the same bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "manifest.json").write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    encoder = msgspec.json.Encoder()
    with (directory / "records.jsonl").open("wb") as lines:
        for record in records:
            lines.write(encoder.encode(record) + b"\n")


def read_run(directory: Path) -> tuple[Manifest, Iterator[Record]]:
    """Read a run back; records come one by one."""
    manifest = msgspec.json.decode((directory / "manifest.json").read_bytes(), type=Manifest)
    return manifest, _records(directory / "records.jsonl")


def _records(path: Path) -> Iterator[Record]:
    decoder = msgspec.json.Decoder(Record)
    with path.open("rb") as lines:
        for line in lines:
            yield decoder.decode(line)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def _first_line(path: str, name: str) -> str | None:
    for line in (_text(path) or "").splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return None
