"""Writes of one turn of the loop, made together at its end.

A write wakes who waits for it, a process on another core or the machine's virtual network card, and
that costs more than the write itself; of writes that follow each other only the first pays for it.
Never reorders what one transport is given, never writes to one that is closing. Bound: one piece for
each transport, for one turn: the next goes out at once, behind it.
"""

from __future__ import annotations

import asyncio

__all__ = ["Outbox"]


class Outbox:
    """Of one loop. Call `release` before a transport is closed, or what it holds is lost."""

    __slots__ = ("_held", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._held: dict[asyncio.Transport, bytes] = {}

    def write(self, transport: asyncio.Transport, data: bytes, *, at_once: bool = False) -> None:
        """Send `data` at the end of this turn, or `at_once`. Whoever goes on writing gets the transport's own back-pressure."""
        held = self._held
        if at_once or transport in held:
            self.release(transport)
            transport.write(data)
            return
        if not held:
            self._loop.call_soon(self._flush)
        held[transport] = data

    def holds(self, transport: asyncio.Transport) -> bool:
        """Whether something of it has not been given to the transport yet."""
        return transport in self._held

    def release(self, transport: asyncio.Transport) -> None:
        """Send now what is held for `transport`."""
        data = self._held.pop(transport, None)
        if data is not None and not transport.is_closing():
            transport.write(data)

    def _flush(self) -> None:
        # What a protocol says while this box is emptied goes into a fresh one.
        held, self._held = self._held, {}
        for transport, data in held.items():
            if not transport.is_closing():
                transport.write(data)
