"""The development set: sentences with their personal data marked, to be looked at while recognisers are written.

Unlike the blind set in `tests/accuracy`, these sentences may be read by whoever changes a recogniser. One a line; `⟦kind|value⟧` marks a
value, `⟦kind:form|value⟧` one that is written in a form of its own, `⟦?kind|thing⟧` a thing that only looks like that kind. `\\n` is a
line's end, and `\\&` nothing: it stands in made-up keys, so that those who look for real ones are not alarmed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["records"]

FOLDER = Path(__file__).parent
_MARK = re.compile(r"⟦(\?)?([a-z_]+)(?::([a-z_]+))?\|(.*?)⟧", re.DOTALL)


def records(*names: str) -> Iterator[dict[str, Any]]:
    """The lines of these files, of all without a name, as records like those of the blind set."""
    for path in sorted(FOLDER.glob("*.txt")):
        if names and path.stem not in names:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line and not line.startswith("#"):
                yield record(line.replace("\\&", "").replace("\\n", "\n"), path.stem, f"{path.stem}:{number}")


def record(line: str, file: str, name: str) -> dict[str, Any]:
    """One line → text, spans and decoys; offsets count characters."""
    text, at = "", 0
    spans: list[dict[str, Any]] = []
    decoys: list[dict[str, Any]] = []
    for mark in _MARK.finditer(line):
        text += line[at : mark.start()]
        start, at = len(text), mark.end()
        text += mark[4]
        place = {"start": start, "end": len(text)}
        if mark[1]:
            decoys.append({**place, "resembles": mark[2]})
        else:
            spans.append({**place, "kind": mark[2], "form": mark[3] or "plain"})
    text += line[at:]
    language = "zh-Hans" if any("\u4e00" <= one <= "\u9fff" for one in text) else "en"
    return {
        "id": name,
        "language": language,
        "class": "ordinary" if file == "ordinary" else "personal" if spans else "decoy",
        "text": text,
        "spans": spans,
        "decoys": decoys,
    }
