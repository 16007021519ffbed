"""Reads a finished answer: what became of it, why it ended, what it reports as used.

Understands chat-completion bodies and event streams; `plain` takes any complete 200 as an answer.
Looks at text only to see that there is some; keeps none. Standard: OpenAI chat completions, WHATWG SSE.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from lizi.load.record import Record

__all__ = ["has_content", "judge_stream", "judge_whole"]


class _Delta(Struct, gc=False):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: Any = None


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Body(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Body).decode


def has_content(block: bytes) -> bool:
    """Whether complete SSE events bring text, reasoning or a tool delta. What can't be read brings none."""
    for event in block.split(b"\n\n"):
        data = _data(event)
        if data and data != b"[DONE]":
            try:
                body = _decode(data)
            except msgspec.DecodeError:
                continue
            if any(_says(choice.delta) for choice in body.choices or ()):
                return True
    return False


def judge_stream(record: Record, tail: bytes) -> None:
    """Settle the outcome of a 200 event stream from its last events."""
    done = False
    for event in tail.split(b"\n\n"):
        data = _data(event)
        if not data:
            continue
        if data == b"[DONE]":
            done = True
            continue
        try:
            body = _decode(data)
        except msgspec.DecodeError:
            record.outcome, record.error = "error", "unreadable_event"
            return
        if body.error is not None or event.startswith(b"event: error"):
            record.outcome, record.error = "error", "error_event"
            return
        _note(record, body)
    if record.finish is None:
        record.outcome, record.error = "cut", "no_finish"
    elif not done:
        record.outcome, record.error = "cut", "no_done"
    else:
        _served(record, record.t_first_content is not None)


def judge_whole(record: Record, raw: bytes) -> None:
    """Settle the outcome of a 200 whole reply."""
    try:
        body = _decode(raw)
    except msgspec.DecodeError:
        record.outcome, record.error = "error", "unreadable_reply"
        return
    if body.error is not None:
        record.outcome, record.error = "error", "error_in_200"
        return
    _note(record, body)
    if record.finish is None:
        record.outcome, record.error = "error", "no_finish"
        return
    _served(record, any(_says(choice.message) for choice in body.choices or ()))


def _served(record: Record, content: bool) -> None:
    if record.finish == "length":
        record.outcome = "truncated"
    else:
        record.outcome = "ok" if content or record.finish == "content_filter" else "empty"


def _note(record: Record, body: _Body) -> None:
    for choice in body.choices or ():
        if choice.finish_reason is not None:
            record.finish = choice.finish_reason
    if body.usage is not None:
        record.input_tokens = body.usage.prompt_tokens
        record.output_tokens = body.usage.completion_tokens


def _says(delta: _Delta | None) -> bool:
    return delta is not None and bool(delta.content or delta.reasoning_content or delta.reasoning or delta.tool_calls)


def _data(event: bytes) -> bytes:
    """The event's data, its lines joined as the standard says."""
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines)
