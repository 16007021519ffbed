"""What a recogniser reports, and which report stands where two of them overlap.

Never holds the text that was found, only where it is. Bound: settling is n·log n in the reports.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct

__all__ = ["ALL", "CERTAIN", "CUED", "GUESSED", "KEY", "KINDS", "LIKELY", "Found", "Report", "settle"]

KINDS: tuple[str, ...] = (
    "resident_id",
    "phone",
    "bank_card",
    "plate",
    "passport",
    "permit",
    "uscc",
    "address",
    "person",
    "email",
    "ip_address",
    "imei",
    "mac_address",
    "coordinates",
    "iban",
    "ssn",
    "secret",
    "account",
    "order",
)
"""Every kind that is recognised. `resident_id` also means the cards of Hong Kong and Taiwan, `uscc` also tax numbers of companies."""

ALL: frozenset[str] = frozenset(KINDS)


class Found(Struct, frozen=True):
    """One finding: characters `start` to `end` of the original text."""

    start: int
    end: int
    kind: str
    keep: int = 0
    """For an address: how many of its leading characters are province and city, which a profile may keep. Else 0."""


Report: TypeAlias = tuple[int, int, str, int, int]
"""Start, end, kind, keep, rank: a finding before the overlaps are settled. A tuple, since far more are made than stand."""

# Ranks: between reports of one length the higher stands.
GUESSED = 1  # a name or an address by its shape
LIKELY = 2  # a form that many strings have
CUED = 3  # a word beside it says what it is
CERTAIN = 4  # a checksum, or a form that nothing else has
KEY = 5  # a key or a password: stands before everything, however short


def settle(reports: Iterable[Report]) -> list[Found]:
    """The reports that stand, in order and without overlaps: keys first, then the longest, the most certain, the leftmost."""
    starts: list[int] = []
    kept: list[Report] = []
    for report in sorted(reports, key=lambda one: (one[4] != KEY, one[0] - one[1], -one[4], one[0])):
        start, end = report[0], report[1]
        place = bisect(starts, start)
        if (place and kept[place - 1][1] > start) or (place < len(starts) and starts[place] < end):
            continue
        starts.insert(place, start)
        kept.insert(place, report)
    return [Found(start, end, kind, keep) for start, end, kind, keep, _ in kept]
