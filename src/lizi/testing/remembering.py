"""Scripts that remember: partners whose answer depends on the requests before, on how many there are, or on the time.

Each is a callable of the captured request. What it does depends on the requests' order, number and times alone, so that the
same requests get the same answers; `at` puts another clock in the place of their arrival.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from lizi.testing.behaviours import Behaviour
from lizi.testing.captured import Captured
from lizi.testing.speech import Speech

__all__ = ["CHEAP", "GOOD", "SENTENCE", "ConcurrencyCap", "DataHoarder", "Degrading", "ModelSwap", "SlopeLimiter", "ten_a_step"]

SENTENCE = "The river is quiet, 江水平静。🦊"
"""What all say when nothing else is scripted: letters of one, three and four bytes."""
CHEAP = "River good."
GOOD = Behaviour(text=SENTENCE, chunks=8, input_tokens=12, output_tokens=34)

At = Callable[[Captured], float]


def _arrival(captured: Captured) -> float:
    return captured.at_mono


class SlopeLimiter:
    """429 to what a window of time brings beyond `growth` times the window before; a quiet one lets `cold` through."""

    def __init__(self, speech: Speech, *, cold: int = 2, growth: float = 1.5, window_s: float = 10.0, at: At = _arrival) -> None:
        self._refusal = speech.error("slope")
        self._cold, self._growth, self._window_s, self._at = cold, growth, window_s, at
        self._window, self._served, self._before = -1, 0, 0

    def __call__(self, captured: Captured) -> Behaviour:
        window = int(self._at(captured) // self._window_s)
        if window != self._window:
            self._before = self._served if window == self._window + 1 else 0
            self._window, self._served = window, 0
        if self._served >= max(self._cold, int(self._before * self._growth)):
            return self._refusal
        self._served += 1
        return GOOD


class ConcurrencyCap:
    """Refuses what comes while `cap` others are under way."""

    def __init__(self, speech: Speech, *, cap: int = 2, busy_ms: float = 200) -> None:
        self._refusal, self._cap = speech.error("concurrency"), cap
        self._good = replace(GOOD, first_byte_ms=busy_ms)  # long enough for another to come meanwhile

    def __call__(self, captured: Captured) -> Behaviour:
        return self._good if captured.in_flight <= self._cap else self._refusal


class ModelSwap:
    """From request `after` on, a cheaper model answers under the same name, or under its own."""

    def __init__(self, after: int = 1) -> None:
        self._after = after
        self._cheap = Behaviour(text=CHEAP, model="acme-mini-cheap", input_tokens=12, output_tokens=3)

    def __call__(self, captured: Captured) -> Behaviour:
        return GOOD if captured.number < self._after else self._cheap


class DataHoarder:
    """Keeps what a user wrote and says it to the next one. Bound: the last request's words."""

    def __init__(self) -> None:
        self._kept = ""

    def __call__(self, captured: Captured) -> Behaviour:
        said, self._kept = self._kept, str(captured.json["messages"][-1]["content"])
        return replace(GOOD, text=f"An earlier user told me: {said}") if said else GOOD


class Degrading:
    """Good for `after` requests, or until `until_s` of its time; then broken and overloaded in turn."""

    def __init__(self, speech: Speech, *, after: int = 2, until_s: float | None = None, at: At = _arrival) -> None:
        self._bad = (replace(GOOD, fault="cut"), speech.error("overloaded"))
        self._after, self._until_s, self._at = after, until_s, at
        self._turn = 0

    def __call__(self, captured: Captured) -> Behaviour:
        good = captured.number < self._after if self._until_s is None else self._at(captured) < self._until_s
        if good:
            return GOOD
        self._turn += 1
        return self._bad[(self._turn - 1) % 2]


def ten_a_step(captured: Captured) -> float:
    """A clock that a test can know: three requests, then 10 s later."""
    return 0.0 if captured.number < 3 else 10.0
