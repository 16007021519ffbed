"""The life of a partner: which states there are, which moves between them, who may be served in each.

`candidate → approved → active → retired`. Only an active partner takes users' traffic; one that is not yet
active takes synthetic traffic alone, so that it can be examined; a retired one takes none. A decision, pure: the
store keeps the moves, the chain of the house proves them.
"""

from __future__ import annotations

from typing import get_args

from lizi.errors import InvalidRequest
from lizi.types import PartnerState

__all__ = ["WHY_CHARACTERS", "check_move", "check_words", "serves"]

WHY_CHARACTERS = 200
"""A sentence for the record, not a document."""
_BY_CHARACTERS = 64

_MOVES: dict[PartnerState, tuple[PartnerState, ...]] = {
    "candidate": ("approved", "retired"),
    "approved": ("active", "candidate", "retired"),
    "active": ("approved", "retired"),
    "retired": ("candidate",),
}


def check_move(partner: str, current: PartnerState, wanted: str) -> PartnerState:
    """`wanted`, when a partner in `current` may go there. Raises `InvalidRequest` that says where it may go."""
    allowed = _MOVES[current]
    for state in allowed:
        if state == wanted:
            return state
    if wanted not in get_args(PartnerState):
        message = f"There is no state '{wanted[:32]}'."
    elif wanted == current:
        message = f"'{partner}' is {current} already."
    else:
        message = f"'{partner}' is {current}: it can't become {wanted} in one move."
    raise InvalidRequest(message, code="invalid_request", param="state", hint=f"From {current} it may become {' or '.join(allowed)}.")


def check_words(by: str, why: str) -> None:
    """Who and why go into the audit chain for good: both are there, short and printable. Raises `InvalidRequest`."""
    for name, text, most in (("by", by, _BY_CHARACTERS), ("why", why, WHY_CHARACTERS)):
        if not text.strip() or len(text) > most or not text.isprintable():
            raise InvalidRequest(
                f"'{name}' must be 1 to {most} printable characters.",
                code="invalid_request",
                param=name,
                hint="It stands in the audit chain for good: no names of users, nothing that they wrote.",
            )


def serves(state: PartnerState, *, synthetic: bool) -> bool:
    """Whether a partner in `state` may be asked for this class of caller."""
    return state == "active" or (synthetic and state != "retired")
