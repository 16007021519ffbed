"""Many words → one regular expression that is fast in Python's engine: common beginnings written once, longest words first.

A plain alternation of a hundred words is tried word by word at every place; here one step of the
text decides among all of them. Bound: matching costs at most the longest word at each place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["any_of", "listed"]


def listed(words: str) -> tuple[str, ...]:
    """The words of a table that is written as one text."""
    return tuple(words.split())


def any_of(words: Iterable[str], joint: str = "") -> str:
    """A pattern that matches each of the words, the longest at a place; `~` in a word stands for the pattern `joint`."""
    tree: dict[str, Any] = {}
    for word in words:
        branch = tree
        for sign in word:
            branch = branch.setdefault(sign, {})
        branch[""] = {}
    return _write(tree, joint)


def _write(tree: dict[str, Any], joint: str) -> str:
    ends = "" in tree
    parts = [(joint if sign == "~" else re.escape(sign)) + _write(branch, joint) for sign, branch in sorted(tree.items()) if sign]
    if not parts:
        return ""
    if not ends and len(parts) == 1:
        return parts[0]
    if all(len(branch) == 1 and "" in branch for sign, branch in tree.items() if sign) and "~" not in tree:
        whole = "[" + "".join(re.escape(sign) for sign in sorted(tree) if sign) + "]"
    else:
        whole = "(?:" + "|".join(parts) + ")"
    return whole + "?" if ends else whole
