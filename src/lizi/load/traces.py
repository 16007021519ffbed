"""Recorded traffic: readers of public traces, and replay with time and rate scaled apart.

Traces hold times and token counts, never text; prompts are made up to length by the caller.
They stay where they are: nothing is copied into the repository.
"""

from __future__ import annotations

import csv
import random
from datetime import datetime
from pathlib import Path

from msgspec import Struct

__all__ = ["TraceRow", "read_azure", "replay"]


class TraceRow(Struct, frozen=True, kw_only=True):
    """One recorded request; `at_s` counts from the trace's first row."""

    at_s: float
    input_tokens: int
    output_tokens: int


def read_azure(path: Path) -> list[TraceRow]:
    """Read an Azure LLM inference trace (2023): `TIMESTAMP,ContextTokens,GeneratedTokens`, in time order."""
    rows: list[tuple[float, int, int]] = []
    with path.open(newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            try:
                # The trace has seven decimals of a second; `datetime` keeps six.
                at = datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp()
                rows.append((at, int(row["ContextTokens"]), int(row["GeneratedTokens"])))
            except (KeyError, TypeError, ValueError) as problem:
                raise ValueError(f"{path.name} line {number} is not a row of an Azure LLM trace: {problem}") from problem
    rows.sort(key=lambda row: row[0])
    return [TraceRow(at_s=at - rows[0][0], input_tokens=taken, output_tokens=given) for at, taken, given in rows]


def replay(rows: list[TraceRow], *, time_scale: float = 1.0, rate_scale: float = 1.0, seed: int) -> list[TraceRow]:
    """Replay a trace slower or faster, thinner or thicker; the two are kept apart on purpose.

    `time_scale` stretches time (0.5 plays twice as fast, and makes gaps and bursts shorter).
    `rate_scale` keeps time and changes how many users there are: below 1 each row is kept with
    that probability; above 1 further copies of the trace are laid over it, each turned by a
    seeded share of its span, so that the copies' bursts don't fall on one another.
    """
    if time_scale <= 0 or rate_scale <= 0:
        raise ValueError(f"time_scale and rate_scale must be above 0, got {time_scale} and {rate_scale}")
    if not rows:
        return []
    source = random.Random(seed)
    span = rows[-1].at_s - rows[0].at_s
    whole, part = int(rate_scale), rate_scale - int(rate_scale)
    out: list[TraceRow] = []
    for copy in range(whole + (1 if part > 1e-9 else 0)):
        turn = 0.0 if copy == 0 else source.random() * span
        keep = 1.0 if copy < whole else part
        for row in rows:
            if keep < 1.0 and source.random() >= keep:
                continue
            at = row.at_s - rows[0].at_s
            if turn:
                at = (at + turn) % span
            out.append(TraceRow(at_s=at * time_scale, input_tokens=row.input_tokens, output_tokens=row.output_tokens))
    out.sort(key=lambda row: row.at_s)
    return out
