"""Places in a text: protected ranges, overlap, and scalars ↔ the caller's offset unit.

Never splits a surrogate pair: every place is a scalar index until the very end. Bound: one
pass over the text for all ranges together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from lizi.features.kept import addresses, code_spans
from lizi.wire.tasks import TaskRequest

__all__ = ["in_unit", "protected_spans", "protected_texts", "touches"]

Span = tuple[int, int]


def _start(span: Span) -> int:
    return span[0]


def protected_spans(request: TaskRequest) -> list[Span]:
    """What no edit may touch: the caller's ranges, addresses, and code in Markdown. Sorted and disjoint."""
    text = request.text
    spans = list(request.protected)
    if request.markdown:
        spans += code_spans(text)
    position = 0
    for address in addresses(text):
        position = text.index(address, position)
        spans.append((position, position + len(address)))
        position += len(address)
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start < out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def protected_texts(request: TaskRequest) -> list[str]:
    """The texts of the caller's ranges."""
    return [request.text[start:end] for start, end in request.protected]


def touches(start: int, end: int, spans: Sequence[Span]) -> bool:
    """Whether replacing [start, end) changes something inside one of sorted, disjoint spans; an insertion at an edge does not."""
    index = bisect_right(spans, start, key=_start) - 1
    around = spans[max(index, 0) : index + 2]
    if start == end:
        return any(left < start < right for left, right in around)
    return any(start < right and left < end for left, right in around)


def in_unit(text: str, spans: Iterable[Span], unit: str) -> list[list[int]]:
    """Scalar spans of `text` as the caller counts."""
    if unit == "scalar":
        return [[start, end] for start, end in spans]
    offsets = [0, *accumulate(2 if character > "\uffff" else 1 for character in text)]
    return [[offsets[start], offsets[end]] for start, end in spans]
