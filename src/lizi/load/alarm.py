"""Wakes at an absolute monotonic time, more exactly than the event loop's millisecond timers.

On Linux a timerfd (timerfd_create(2)) wakes within some 50 µs; elsewhere the loop's own timer does.
Never calls back early. One alarm, one pending time.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import Callable

__all__ = ["Alarm"]

_MONOTONIC = 1  # CLOCK_MONOTONIC, the clock behind time.monotonic()
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000  # TFD_NONBLOCK | TFD_CLOEXEC


class _Spec(ctypes.Structure):
    """struct itimerspec: interval, then value."""

    _fields_ = [("_", ctypes.c_long * 2), ("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class Alarm:
    """`set` replaces the pending time; `close` ends it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._timer: asyncio.TimerHandle | None = None
        self._descriptor = -1
        self._spec = _Spec()
        try:
            self._settime = ctypes.CDLL(None, use_errno=True).timerfd_settime
            self._descriptor = ctypes.CDLL(None, use_errno=True).timerfd_create(_MONOTONIC, _NONBLOCK_CLOEXEC)
        except (AttributeError, OSError):
            self._descriptor = -1  # not Linux: the loop's timer serves
        if self._descriptor >= 0:
            self._reference = ctypes.byref(self._spec)
            loop.add_reader(self._descriptor, self._ring)

    def set(self, at_mono: float) -> None:
        """Ring at `at_mono`; a time that has passed rings in the loop's next round."""
        if self._descriptor < 0:
            if self._timer is not None:
                self._timer.cancel()
            # One millisecond up: the loop rounds to milliseconds and could ring early.
            self._timer = self._loop.call_later(max(0.0, at_mono - time.monotonic()) + 0.001, self._callback)
            return
        seconds = int(at_mono)
        self._spec.seconds = seconds
        self._spec.nanoseconds = max(1, int((at_mono - seconds) * 1e9))  # all zero would disarm it
        self._settime(self._descriptor, _ABSOLUTE, self._reference, None)

    def close(self) -> None:
        """Stop ringing."""
        if self._timer is not None:
            self._timer.cancel()
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _ring(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return  # it was set anew between the wake-up and now
        self._callback()
