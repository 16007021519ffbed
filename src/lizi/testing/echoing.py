"""A partner that gives back what it was sent, everywhere that a partner can say something: what `lizi veil scan` is tried against.

Takes the planted words (letters in a row of which none is a vowel) out of a request's body and puts them into the answer, the
reasoning, tool calls, error bodies, headers, ids and the model's name, in turn. Never keeps a request. Bound: `_WORDS` words an answer.
"""

from __future__ import annotations

import json
import re
from typing import Any

from lizi.testing.behaviours import Behaviour, Mark, ToolCall
from lizi.testing.captured import Captured

__all__ = ["echo"]

_WORD = re.compile(rb"[bcdfghjkmnpqrstvwxz]{12,16}")
_WORDS = 8


def echo(captured: Captured) -> Behaviour:
    """The next of the ways to say it again; a request without a planted word gets a plain answer."""
    words = list(dict.fromkeys(word.decode() for word in _WORD.findall(captured.body)))[:_WORDS]
    if not words:
        return Behaviour(text="Hello.")
    said = " ".join(words * 3)
    return Behaviour(**(_WAYS[captured.number % len(_WAYS)](said, words[0])))


def _headers(word: str) -> tuple[tuple[str, str], ...]:
    return ("x-request-id", word), ("x-echo", word), ("set-cookie", f"seen={word}"), ("server", word)


_WAYS: tuple[Any, ...] = (
    lambda said, word: {"text": said, "headers": _headers(word), "model": f"echo-{word}"},
    lambda said, word: {"text": said, "reasoning": said},
    lambda said, word: {"text": said, "reasoning": said, "think_tags": True},
    lambda said, word: {"tools": (ToolCall(name="look", arguments=json.dumps({"q": said}), id=f"call_{word}"),), "finish": "tool_calls"},
    lambda said, word: {"text": said, "marks": (Mark(chunk={"id": word, "system_fingerprint": word, "echo": {"seen": said}}),)},
    lambda said, word: {"status": 400, "error": {"error": {"message": said, "type": word, "code": word}}, "headers": _headers(word)},
    lambda said, word: {"status": 500, "body": f"<html>{said}</html>".encode(), "content_type": "text/html"},
    lambda said, word: {"text": said, "fault": "error_event", "error_event": {"error": {"message": said, "type": word}}},
    lambda said, word: {"text": said, "fault": "cut"},
    lambda said, word: {"text": said, "finish": word},
)
