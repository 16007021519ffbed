"""May this start now? Limits that are right across workers: reserve, then settle or give back.

`Owner` is the one truth; it hands each worker's `Leases` amounts that it has already deducted, so
what is reserved never passes a limit; use passes it only by requests that used more than they
reserved, each charged in full. What lies unused in leases is at most 5 % of a limit, and for at most 100 ms: so nobody is refused more than
5 % early. Never queues, never reads a clock, never forgets money when a worker dies.
"""

from lizi.admission.leases import Leases
from lizi.admission.owner import Owner
from lizi.admission.terms import Ask, Grant, Moment, Refusal, Return

__all__ = ["Ask", "Grant", "Leases", "Moment", "Owner", "Refusal", "Return"]
