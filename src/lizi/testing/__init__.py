"""Public test doubles: scripted partners on real sockets, fakes of the ports, a clock by hand.

Never needed at serving time and never imported by it.
"""

from __future__ import annotations

from lizi.testing.behaviours import BEHAVIOURS, Behaviour
from lizi.testing.clock import ManualClock
from lizi.testing.fakes import FakeImages, FakeLimits, FakeReply, FakeUpstream, MemoryJournal
from lizi.testing.server import Partner

__all__ = ["BEHAVIOURS", "Behaviour", "FakeImages", "FakeLimits", "FakeReply", "FakeUpstream", "ManualClock", "MemoryJournal", "Partner"]
