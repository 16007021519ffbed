"""One timer for all streams of a scripted partner: a wheel of 1 ms slots and a heap of the occupied ones.

A timer per stream would cost more than the write that it is for. Each stream keeps its own
intended times, so a late tick delays nothing after it (open loop). Bound: one slot entry per
waiting stream.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from typing import Protocol

__all__ = ["Ticker", "Ticking"]

LATE_S = 0.005
"""A partner later than this is itself the bottleneck, and a measurement with many such writes is void."""


class Ticking(Protocol):
    """What waits for its time."""

    due: float

    def advance(self) -> None:
        """Its time has come."""
        ...


class Ticker:
    """Calls `advance` of each waiting one, at most 1 ms and the loop's own delay after `due`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # time.monotonic and not loop.time(): uvloop's is a cached value of 1 ms resolution
        self._start = time.monotonic()
        self._slots: dict[int, list[Ticking]] = {}
        self._heap: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_slot = 0
        self.lateness_max_s = 0.0
        self.late_writes = 0
        self.writes = 0

    def at(self, due: float, waiting: Ticking) -> None:
        """Advance `waiting` at `due` (monotonic seconds)."""
        slot = int((due - self._start) * 1000) + 1
        present = self._slots.get(slot)
        if present is not None:
            present.append(waiting)
            return
        self._slots[slot] = [waiting]
        heapq.heappush(self._heap, slot)
        if self._timer is None or slot < self._timer_slot:
            self._arm(slot)

    def _arm(self, slot: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_slot = slot
        self._timer = self._loop.call_later(max(0.0, self._start + slot / 1000 - time.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = time.monotonic()
        # half a slot of grace: a timer that fires a hair early must not go round again
        current = int((now - self._start) * 1000 + 0.5)
        heap = self._heap
        while heap and heap[0] <= current:
            for waiting in self._slots.pop(heapq.heappop(heap)):
                late = now - waiting.due
                self.writes += 1
                if late > LATE_S:
                    self.late_writes += 1
                if late > self.lateness_max_s:
                    self.lateness_max_s = late
                waiting.advance()
        if heap:
            self._arm(heap[0])

    def close(self) -> None:
        """Nothing is advanced any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
