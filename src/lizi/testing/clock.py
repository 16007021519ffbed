"""A clock by hand: time moves only when a test moves it. Implements `lizi.ports.Clock`."""

from __future__ import annotations

__all__ = ["ManualClock"]


class ManualClock:
    """Both clocks start at fixed values and advance together; ids count up, so that runs repeat exactly.

    `step_s` moves time on by itself at every look, for code that must see it pass.
    """

    def __init__(self, now: float = 1_760_000_000.0, monotonic: float = 1_000.0, *, step_s: float = 0.0) -> None:
        self._now = now
        self._monotonic = monotonic
        self._step_s = step_s
        self._ids = 0

    def now(self) -> float:
        """Unix time in seconds."""
        self.advance(self._step_s)
        return self._now

    def monotonic(self) -> float:
        """Monotonic time in seconds."""
        self.advance(self._step_s)
        return self._monotonic

    def new_id(self, prefix: str) -> str:
        """`prefix` + 26 digits that count up. Deterministic, so never for production."""
        self._ids += 1
        return f"{prefix}{self._ids:026d}"

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks; it never goes back."""
        if seconds < 0:
            raise ValueError("time does not go back; use set_now for a wall clock that jumps")
        self._now += seconds
        self._monotonic += seconds

    def set_now(self, now: float) -> None:
        """Make the wall clock jump, as an operator or a time server may; the monotonic one stays."""
        self._now = now
