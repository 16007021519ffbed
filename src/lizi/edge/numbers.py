"""Counters and gauges of a process: taken, sent to the supervisor, summed over workers, printed.

Never holds content and no label that a client can make up: names and labels are our own words.
Everything sums: a counter over workers, a gauge too. Bound: one entry per route, status and code.
Format: Prometheus text exposition 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from lizi.edge.http import Served

__all__ = ["MEDIA_TYPE", "Tally", "pack", "summed", "text"]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Tally:
    """What one worker served: a `Witness` for `edge.http`."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int, str], int] = {}
        self.defects = 0

    def served(self, served: Served) -> None:
        """Count one answered request."""
        key = (served.route, served.status, served.code)
        self.requests[key] = self.requests.get(key, 0) + 1

    def crashed(self, exchange_id: str, exception: BaseException) -> None:
        """Count one defect."""
        self.defects += 1

    def numbers(self) -> dict[str, float]:
        """The counts by series name."""
        found: dict[str, float] = {"lizi_defects_total": self.defects}
        for (route, status, code), count in self.requests.items():
            found[f'lizi_requests_total{{route="{route}",status="{status}",code="{code}"}}'] = count
        return found


def pack(numbers: Mapping[str, float]) -> bytes:
    """For the channel."""
    return msgspec.msgpack.encode(numbers)


def summed(packed: Iterable[bytes], own: Mapping[str, float]) -> dict[str, float]:
    """All workers' numbers added up, with the supervisor's `own`."""
    total = dict(own)
    for data in packed:
        for name, value in msgspec.msgpack.decode(data, type=dict[str, float]).items():
            total[name] = total.get(name, 0) + value
    return total


def text(numbers: Mapping[str, float]) -> bytes:
    """The exposition. The type stands in the name: `_total` counts, `_seconds` is a histogram, all else is a gauge."""
    families: dict[str, list[str]] = {}
    for name, value in numbers.items():
        bare = name.partition("{")[0]
        family = bare
        for ending in ("_bucket", "_sum", "_count"):
            if bare.endswith("_seconds" + ending):
                family = bare.removesuffix(ending)
        families.setdefault(family, []).append(f"{name} {value:.17g}")
    lines = []
    for family in sorted(families):
        kind = "counter" if family.endswith("_total") else "histogram" if family.endswith("_seconds") else "gauge"
        lines.append(f"# TYPE {family} {kind}")
        lines += families[family]
    return ("\n".join(lines) + "\n").encode()
