"""One open-loop streaming load engine and its record format; used by benchmarks, exams and drills.

What users feel is counted from `t_intended`, the moment the schedule says they arrived, never from
the moment a late generator got round to sending. A run that the generator itself held up is void.
Drives anything that speaks HTTP/1.1; knows nothing of Lizi's own service.
"""

from __future__ import annotations

from lizi.load.engine import Options, Planned, Run, Target, run_closed, run_open
from lizi.load.record import Record
from lizi.load.score import attainment

__all__ = ["Options", "Planned", "Record", "Run", "Target", "attainment", "run_closed", "run_open"]
