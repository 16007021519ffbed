"""What a device can read of what it got, and whether a word of a partner's is among it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

__all__ = ["found", "readable"]

_RANDOM = re.compile(r'("x_state": ?"|\b(?:rq_|chatcmpl-|call_))[0-9A-Za-z_-]{26,}')
"""Ciphertext, and the service's own ids: three letters stand in them once in some thousand answers, and say nothing."""
_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")


def readable(raw: bytes) -> str:
    """All of it in small letters: the bytes, each string in their JSON, the answer's text and each call's arguments put together."""
    text = _RANDOM.sub(lambda match: match[1], raw.decode("utf-8", "replace"))
    trees = list(_trees(text))
    said: dict[str, str] = {}
    for tree in trees:
        for choice in tree.get("choices") or () if isinstance(tree, dict) else ():
            turn = choice.get("delta") or choice.get("message") or {}
            said["text"] = said.get("text", "") + (turn.get("content") or "")
            for at, call in enumerate(turn.get("tool_calls") or ()):
                function = call["function"]
                key = f"call {call.get('index', at)}"
                said[key] = said.get(key, "") + function.get("name", "") + function.get("arguments", "")
    together = "\n".join([text, *(string for tree in trees for string in _strings(tree)), *said.values()]).lower()
    plain = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), together)
    return "\n".join({together, plain, unquote(together)})


def found(raw: bytes, words: Iterable[str], *, own: Iterable[str] = ()) -> list[str]:
    """Those of `words` that stand in `raw`. `own`: random words of Lizi's, such as the exchange's id, in which anything may stand."""
    text = readable(raw)
    for word in own:
        text = text.replace(word.lower(), " ")
    return sorted({word for word in words if word.lower() in text})


def _trees(text: str) -> Iterator[Any]:
    for piece in (*text.splitlines(), text):
        piece = piece.removeprefix("data: ").strip()
        if piece[:1] in ("{", "["):
            try:
                yield json.loads(piece)
            except json.JSONDecodeError:
                pass  # a piece of a longer one, which is read as a whole


def _strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield key
            yield from _strings(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from _strings(item)
