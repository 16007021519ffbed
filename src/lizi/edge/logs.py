"""Structured logs: one JSON object a line on standard error, from an allow-list of fields.

A line is handed to a thread, so that a slow reader of standard error delays no request; beyond
`LINES` waiting lines new ones are dropped and counted. Never writes content: messages are our own
constant words, arguments are not formatted in, of an exception only its type and its places are
kept, and records of other libraries keep their name and level alone, since their words may hold anything.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

__all__ = ["FIELDS", "JsonHandler", "LineWriter", "install", "places"]

LINES = 10_000
"""Some 4 MB; a reader that is this far behind is not reading."""
_BATCH_S = 0.05
"""Lines wait this long for company: one system call for many."""
_TEXT = 200
"""Longer values are no field but content in disguise."""

FIELDS = frozenset(
    {
        # lifecycle
        "task", "worker", "workers", "pid", "exit", "signal", "generation", "config_hash", "version", "boot", "listen", "replaced_after_s",
        "reason", "hint", "error", "where", "internal", "code", "param",
        # exchanges
        "exchange", "client_request", "client", "route", "method", "status", "streamed", "feature", "model", "app", "key", "outcome",
        "finish", "attempts", "partner", "first_token_ms", "duration_ms", "input_tokens", "output_tokens", "estimated", "charged_micros",
        "spent_micros",
        # counts
        "count", "records", "lost", "late_ms", "size_bytes", "deadline_ms", "sequence",
    }
)  # fmt: skip
"""What a line may carry besides `at`, `level`, `logger` and `event`. Nothing here ever names a text field of a request."""

_ENCODE = msgspec.json.Encoder().encode


def places(trace: TracebackType | None) -> str:
    """Where an exception passed, innermost first: files and lines, no values, no source text."""
    frames = traceback.extract_tb(trace)[-6:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))


class LineWriter:
    """A bounded queue of lines and one thread that writes them to a file descriptor."""

    def __init__(self, descriptor: int = 2, *, lines: int = LINES) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._limit = lines
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        self.dropped = 0
        """Lines that found no room, or no reader."""

    def write(self, line: bytes) -> None:
        """Queue one line (without its line feed). Never blocks, never raises."""
        if len(self._lines) >= self._limit or self._closing:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()
            if self._thread is None:
                self._start()

    def close(self, deadline_s: float = 1.0) -> None:
        """Write what waits, for `deadline_s` at the most."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(deadline_s)

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if not self._closing:
                time.sleep(_BATCH_S)
            self._wake.clear()
            batch = []
            while self._lines:
                batch.append(self._lines.popleft())
            if batch:
                self._put(batch)
            if self._closing and not self._lines:
                return

    def _put(self, batch: list[bytes]) -> None:
        data = memoryview(b"\n".join(batch) + b"\n")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            self.dropped += len(batch)  # nobody reads standard error any more; serving goes on


class JsonHandler(logging.Handler):
    """Log records as JSON lines. `refused` counts fields that are not on the list."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer
        self.refused = 0

    def emit(self, record: logging.LogRecord) -> None:
        """One line. Unknown fields are left out: a new one is a decision, made in `FIELDS`."""
        ours = record.name == "lizi" or record.name.startswith("lizi.")
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.msg if ours and isinstance(record.msg, str) else "a library logged something",
        }
        if ours:
            for name, value in record.__dict__.items():
                if name in FIELDS:
                    line[name] = _plain(value)
                elif name not in _STANDARD:
                    self.refused += 1
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = places(record.exc_info[2])
        self._writer.write(_ENCODE(line))


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _plain(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value) if isinstance(value, str) else type(value).__name__
    return text if len(text) <= _TEXT else text[:_TEXT] + "…"


def install(level: str, writer: LineWriter) -> JsonHandler:
    """Send every log record of this process through one handler; `level` holds for ours, libraries speak from warnings on."""
    handler = JsonHandler(writer)
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, JsonHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("lizi").setLevel(level.upper())
    return handler
