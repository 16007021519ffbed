"""What the facts of a partner's model do to a request's body, the same in every family. Knows no partner by name."""

from __future__ import annotations

from lizi.types import Facts, Json

__all__ = ["adjust", "effort"]

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")


def adjust(body: dict[str, Json], facts: Facts, salt: str) -> dict[str, Json]:
    """Clamp, drop, fill in and rename, in place. Renaming comes last, so that all else speaks the family's names.

    `salt`: what stands where a partner demands a word for the user: new in each attempt, so that it says nothing of one.
    """
    if salt:
        for field in facts.random_fields:
            body[field] = salt
    for field, (least, most) in facts.clamp.items():
        if field in body:
            body[field] = min(max(body[field], least), most)
    for field in facts.drop:
        body.pop(field, None)
    for field, value in facts.default.items():
        body.setdefault(field, value)
    for field, name in facts.rename.items():
        if field in body:
            body[name] = body.pop(field)
    return body


def effort(table: dict[str, dict[str, Json]], asked: str | None) -> dict[str, Json]:
    """What a reasoning effort puts into the body: its own entry, else the next lower one, else the lowest there is."""
    if asked is None:
        return table.get("default", {})
    at = _EFFORTS.index(asked)
    for name in (*reversed(_EFFORTS[: at + 1]), *_EFFORTS[at + 1 :]):
        if name in table:
            return table[name]
    return table.get("default", {})
