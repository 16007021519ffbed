"""Replies of Anthropic's Messages dialect, whole or streamed: bytes → events, on one path.

Never raises, never repeats a partner's wording, ids or model name. Invariants: any split of the bytes gives the
same events; a `Finish` or a `Fault` comes exactly once and last, save `Usage`; a stream that ends without its
reason to stop is a fault. Redacted thinking has no text, but has to come back with its turn ("Extended thinking"):
its data travels as a signature that begins with `REDACTED`. Of `message_start` only the prompt's tokens count: of the
answer nothing has been counted then, and one that breaks off has to be estimated.
Bounds: 8 MiB an event, 16 MiB a whole reply, 128 tool calls, 64 KiB a signature (a longer one is cut: it could not be carried).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from lizi.dialects.body import MOST_TOKENS, TOOL_CALLS, Body, fitting
from lizi.dialects.classes import find_error
from lizi.types import Event, Finish, FinishReason, Json, Reasoning, Target, Text, ToolDelta, Usage

__all__ = ["REDACTED", "SCHEMA_TOOL", "Reader"]

SCHEMA_TOOL = "lizi_answer"
"""Name of the tool by which a schema is enforced: what it is called with is the answer's text."""
REDACTED = "redacted:"
"""Marks data of redacted thinking among signatures, which are base 64 and hold no colon."""

_SIGNATURE_CHARACTERS = 64 * 1024  # above what is carried (lizi.carry)

_FINISHES: dict[str, FinishReason | str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    # a turn of the partner's own tools that it wants continued: we give it none, so the answer is not whole
    "pause_turn": "length",
    "refusal": "refusal",
}


class _OutputDetails(Struct, gc=False):
    thinking_tokens: int | None = None


class _Usage(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _Delta(Struct, gc=False):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Block(Struct, gc=False):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None


class _Message(Struct, gc=False):
    usage: _Usage | None = None


class _Event(Struct, gc=False):
    """An event of a stream, or a whole reply: `type` tells."""

    type: str | None = None
    index: int | None = None
    delta: _Delta | None = None
    content_block: _Block | None = None
    message: _Message | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Event).decode
_decode_tree = msgspec.json.Decoder().decode
_json = msgspec.json.Encoder().encode


class Reader(Body):
    """Machine for one reply: the events of its bytes, `Finish` or `Fault` exactly once.

    `Usage` is the report so far and may come more than once. After a `Fault`, and after `message_stop`, there is nothing more.
    """

    __slots__ = ("_answers", "_bare", "_calls", "_counts", "_signature")

    def __init__(self, streamed: bool, status: int, headers: Mapping[str, str], target: Target) -> None:
        super().__init__(streamed, status, headers, target)
        self._calls: dict[int, int] = {}
        """Block → number of the call that it holds."""
        self._answers: set[int] = set()
        """Blocks whose arguments are the answer's text."""
        self._bare: int | None = None
        """Number of the call under way that has no arguments yet."""
        self._signature = ""
        self._counts: list[int | None] = [None] * 5
        """Of tokens, as last reported: new in the prompt, read from the cache, written to it, answered, thought."""

    # --- one event or a whole reply ---

    def _payload(self, payload: bytes, events: list[Event], broken: str = "server_error") -> None:
        try:
            event = _decode(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            odd = _odd(payload)
            if odd is None:
                self._fail(broken, events)
                return
            event = odd
        kind = event.type
        if kind == "content_block_delta":
            if event.delta is not None:
                self._delta(event.index or 0, event.delta, events)
        elif kind == "content_block_start":
            if event.content_block is not None:
                self._begin(event.index or 0, event.content_block, events)
        elif kind == "content_block_stop":
            self._end_block(events)
        elif kind == "message_start":
            if event.message is not None and event.message.usage is not None:
                event.message.usage.output_tokens = None
                self._report(event.message.usage, events)
        elif kind == "message_delta":
            if event.usage is not None:
                self._report(event.usage, events)
            if event.delta is not None and event.delta.stop_reason:
                self._finish(event.delta.stop_reason, events)
        elif kind == "message_stop":
            self._done(events)
        elif kind == "message":
            self._whole(event, events)
        elif kind != "ping":
            self._error(payload, known=kind == "error", events=events)

    # --- blocks ---

    def _whole(self, reply: _Event, events: list[Event]) -> None:
        for index, block in enumerate(reply.content or ()):
            self._begin(index, block, events)
            self._end_block(events)
        if self._ended:
            return
        if reply.usage is not None:
            self._report(reply.usage, events)
        if reply.stop_reason:
            self._finish(reply.stop_reason, events)
        else:
            self._fail("truncated", events)
        self._ended = True

    def _begin(self, index: int, block: _Block, events: list[Event]) -> None:
        """A block starts; in a whole reply it is all there."""
        if self._ended:
            return
        if block.type == "text" and block.text:
            self._said = True
            events.append(Text(block.text))
        elif block.type == "thinking":
            if block.thinking:
                events.append(Reasoning(block.thinking))
            self._signature = (block.signature or "")[:_SIGNATURE_CHARACTERS]
        elif block.type == "redacted_thinking" and block.data:
            self._signature = (REDACTED + block.data)[:_SIGNATURE_CHARACTERS]
        elif block.type == "tool_use" and block.name:
            arguments = _json(block.input).decode() if block.input else ""
            name = block.name
            if name == SCHEMA_TOOL:
                self._answers.add(index)
                self._answer(arguments, events)
            elif len(self._calls) >= TOOL_CALLS:
                self._fail("server_error", events)
            else:
                number = self._calls[index] = len(self._calls)
                self._said = True
                self._bare = None if arguments else number
                name = name[:-1] if name.rstrip("_") == SCHEMA_TOOL else name  # as the request marked it
                events.append(ToolDelta(index=number, id=block.id, name=name, arguments=arguments))

    def _delta(self, index: int, delta: _Delta, events: list[Event]) -> None:
        if delta.text:
            self._said = True
            events.append(Text(delta.text))
        elif delta.thinking:
            events.append(Reasoning(delta.thinking))
        elif delta.partial_json:
            number = self._calls.get(index)
            if number is not None:
                self._bare = None
                events.append(ToolDelta(index=number, arguments=delta.partial_json))
            elif index in self._answers:
                self._answer(delta.partial_json, events)
        elif delta.signature:
            self._signature = (self._signature + delta.signature)[:_SIGNATURE_CHARACTERS]

    def _answer(self, text: str, events: list[Event]) -> None:
        if text:
            self._said = True
            events.append(Text(text))

    def _end_block(self, events: list[Event]) -> None:
        """A thought's signature is whole when its block is; a call without arguments has the empty object."""
        if self._signature and not self._ended:
            events.append(Reasoning("", self._signature))
        if self._bare is not None and not self._ended:
            events.append(ToolDelta(index=self._bare, arguments="{}"))
        self._signature, self._bare = "", None

    # --- tokens and the end ---

    def _report(self, usage: _Usage, events: list[Event]) -> None:
        """Each report replaces those parts of the one before that it holds; all count from the start of the message.

        Tokens read from the cache and written to it stand beside the new ones and are the prompt's too ("Prompt caching").
        """
        thought = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details is not None else None
        said = (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.output_tokens, thought)
        if not all(count is None or 0 <= count <= MOST_TOKENS for count in said):
            return  # not a report that could be billed: the estimate does it
        self._counts = [before if count is None else count for count, before in zip(said, self._counts, strict=True)]
        new, cached, written, answered, thoughts = self._counts
        if new is None or answered is None:
            return
        report = Usage(
            input_tokens=new + (cached or 0) + (written or 0),
            output_tokens=answered,
            cached_tokens=cached or 0,
            reasoning_tokens=min(thoughts or 0, answered),
        )
        if report != self._usage:
            self._usage = report
            events.append(report)

    def _finish(self, named: str, events: list[Event]) -> None:
        if self._finished or self._ended:
            return
        self._end_block(events)
        reason = self._facts.finishes.get(named) or _FINISHES.get(named)
        if reason == "retract":
            self._withdraw(events)
            return
        if reason is None:
            self.unknown_finish = True
            reason = "length" if self._said else "!truncated"  # as the base does: it did stop, and may not be whole
        if reason == "stop" and self._calls:
            reason = "tool_calls"  # as in the base: others who speak this dialect say it after a call too
        elif reason == "tool_calls" and not self._calls:
            # The call was our own way to an answer by a schema; without that one, the calls themselves are missing.
            reason = "stop" if self._answers else "!truncated"
        if reason == "refusal":
            reason = "content_filter" if self._said else "!refused"
        if reason[0] == "!":
            self._fail(reason[1:], events)
            return
        self._finished = True
        events.append(Finish(reason))  # type: ignore[arg-type]

    def _error(self, payload: bytes, *, known: bool, events: list[Event]) -> None:
        """An error in a stream, or under HTTP 200; an event of a kind that is not known yet is passed over."""
        tree = _decode_tree(payload)
        if known or tree.get("error"):
            self._fail(find_error(tree, self._facts) or "server_error", events)
        elif "type" not in tree:
            self._fail("server_error", events)


# --- events that are not of the usual form ---


def _odd(payload: bytes) -> _Event | None:
    """An event with fields of unexpected types: what can be understood, `None` if it is no JSON object."""
    try:
        tree = _decode_tree(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(tree, dict):
        return None
    message, content = tree.get("message"), tree.get("content")
    return _Event(
        type=fitting(tree.get("type"), str),
        index=fitting(tree.get("index"), int),
        delta=_loose(tree.get("delta"), _Delta),
        content_block=_loose(tree.get("content_block"), _Block),
        message=_Message(usage=_loose(message.get("usage"), _Usage)) if isinstance(message, dict) else None,
        content=[block for block in (_loose(part, _Block) for part in content) if block is not None] if isinstance(content, list) else None,
        stop_reason=fitting(tree.get("stop_reason"), str),
        usage=_loose(tree.get("usage"), _Usage),
    )


def _loose(value: Json, kind: type[Struct]) -> Any:
    """A struct of those fields of an object that are of the right type; `None` for what is no object."""
    if not isinstance(value, dict):
        return None
    return kind(**{field.name: fitting(value.get(field.name), field.type) for field in msgspec.structs.fields(kind)})
