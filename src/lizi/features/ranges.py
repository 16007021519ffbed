"""Places in a text: protected ranges, overlap, and scalars ↔ the caller's offset unit.

Never splits a surrogate pair: every place is a scalar index until the very end. Bound: one
pass over the text for all ranges together.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from lizi.features.kept import addresses, code_spans
from lizi.wire.tasks import TaskRequest

__all__ = ["in_unit", "protected_spans", "protected_texts", "touches"]

Span = tuple[int, int]


def protected_spans(request: TaskRequest) -> list[Span]:
    """What no edit may touch: the caller's ranges, addresses, and code in Markdown. Sorted; may overlap."""
    text = request.text
    spans = list(request.protected)
    if request.markdown:
        spans += code_spans(text)
    position = 0
    for address in addresses(text):
        position = text.index(address, position)
        spans.append((position, position + len(address)))
        position += len(address)
    return sorted(spans)


def protected_texts(request: TaskRequest) -> list[str]:
    """The texts of the caller's ranges."""
    return [request.text[start:end] for start, end in request.protected]


def touches(start: int, end: int, spans: Iterable[Span]) -> bool:
    """Whether replacing [start, end) changes something inside a span; an insertion at its edge does not."""
    if start == end:
        return any(left < start < right for left, right in spans)
    return any(start < right and left < end for left, right in spans)


def in_unit(text: str, spans: Iterable[Span], unit: str) -> list[list[int]]:
    """Scalar spans of `text` as the caller counts."""
    if unit == "scalar":
        return [[start, end] for start, end in spans]
    offsets = [0, *accumulate(2 if character > "\uffff" else 1 for character in text)]
    return [[offsets[start], offsets[end]] for start, end in spans]
