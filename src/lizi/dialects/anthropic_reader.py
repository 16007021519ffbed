"""Replies of Anthropic's Messages dialect, whole or streamed: bytes → events, on one path.

Never raises, never repeats a partner's wording, ids or model name. Invariants: any split of the bytes gives the
same events; a `Finish` or a `Fault` comes exactly once and last, save `Usage`; a stream that ends without its
reason to stop is a fault. Redacted thinking is not carried: it can't be shown, and a turn without it is taken.
Bounds: 8 MiB an event, 16 MiB a whole reply, 128 tool calls, 64 KiB a signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from lizi.dialects.classes import ERROR_BODY_BYTES, classify, error_of, find_error
from lizi.types import Event, Fault, Finish, FinishReason, Reasoning, Target, Text, ToolDelta, Usage
from lizi.wire.sse import SseReader

__all__ = ["SCHEMA_TOOL", "Reader"]

SCHEMA_TOOL = "lizi_answer"
"""Name of the tool by which a schema is enforced: what it is called with is the answer's text."""

_WHOLE_BYTES = 16 * 1024 * 1024  # far above any text answer
_TOOL_CALLS = 128  # as many as there may be tools
_SIGNATURE_CHARACTERS = 64 * 1024  # a longer one could not be carried
_MOST_TOKENS = 1_000_000_000  # a report beyond this is a defect, not a bill

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


class _Usage(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


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


class Reader:
    """Machine for one reply: the events of its bytes, `Finish` or `Fault` exactly once.

    `Usage` is the report so far and may come more than once. After a `Fault`, and after `message_stop`, there is nothing more.
    """

    __slots__ = (
        "_answers",
        "_bare",
        "_calls",
        "_codes",
        "_ended",
        "_finished",
        "_headers",
        "_held",
        "_held_bytes",
        "_said",
        "_signature",
        "_sse",
        "_status",
        "_usage",
        "unknown_finish",
    )

    def __init__(self, streamed: bool, status: int, headers: Mapping[str, str], target: Target) -> None:
        """`headers` in lower case. Streamed or not does not matter: a reply is read as what it is."""
        self._status = status
        self._headers = headers
        self._codes = target.facts.codes
        events_come = headers.get("content-type", "").lower().startswith("text/event-stream")
        self._sse = SseReader() if events_come and status < 300 else None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._calls: dict[int, int] = {}
        """Block → number of the call that it holds."""
        self._answers: set[int] = set()
        """Blocks whose arguments are the answer's text."""
        self._bare: int | None = None
        """Number of the call under way that has no arguments yet."""
        self._signature = ""
        self._usage: Usage | None = None
        self._said = False
        self._finished = False
        self._ended = False
        self.unknown_finish = False
        """The partner named a reason to stop that is in no table."""

    def feed(self, data: bytes) -> list[Event]:
        """Events of these bytes."""
        events: list[Event] = []
        sse = self._sse
        if sse is None:
            sse = self._hold(data, events)
            if sse is None:
                return events
            data, self._held = b"".join(self._held), []
        for payload in sse.feed(data):
            if self._ended:
                return events  # bytes after the end are nobody's
            self._payload(payload, events)
        if sse.fault is not None and not self._ended:
            self._fail("server_error", events)
        return events

    def close(self) -> list[Event]:
        """The body ended."""
        events: list[Event] = []
        if self._ended:
            return events
        rest = b"".join(self._held)
        self._held.clear()
        if self._status >= 300:
            self._ended = True
            return [Fault(classify(self._status, self._headers, rest, self._codes))]
        if self._sse is not None:
            for payload in self._sse.close():
                self._payload(payload, events, broken="truncated")
        else:
            self._payload(rest, events, broken="server_error" if rest.strip() else "truncated")
        if not self._ended:
            if not self._finished:
                self._fail("truncated", events)
            self._ended = True
        return events

    def _hold(self, data: bytes, events: list[Event]) -> SseReader | None:
        """Keep a whole reply or an error's body. Gives a reader as soon as it is clear that it is a stream."""
        if self._ended:
            return None
        if self._status >= 300:
            data = data[: ERROR_BODY_BYTES - self._held_bytes]
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _WHOLE_BYTES:
            self._held.clear()
            self._fail("server_error", events)
        elif self._status < 300 and self._held_bytes <= 4096 + len(data):
            start = b"".join(self._held).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
            if start and start in b"deir:":  # data, event, id, retry or a comment under a wrong content type
                self._sse = SseReader()
        return self._sse

    # --- one event or a whole reply ---

    def _payload(self, payload: bytes, events: list[Event], broken: str = "server_error") -> None:
        try:
            event = _decode(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self._fail(broken, events)
            return
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
                self._report(event.message.usage, events)
        elif kind == "message_delta":
            if event.usage is not None:
                self._report(event.usage, events)
            if event.delta is not None and event.delta.stop_reason:
                self._finish(event.delta.stop_reason, events)
        elif kind == "message_stop":
            if not self._finished and not self._ended:
                self._fail("truncated", events)
            self._ended = True
        elif kind == "message":
            self._whole(event, events)
        elif kind != "ping":
            self._error(payload, known=kind == "error", events=events)

    def _whole(self, reply: _Event, events: list[Event]) -> None:
        for index, block in enumerate(reply.content or ()):
            self._begin(index, block, events)
            self._end_block(events)
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
        elif block.type == "tool_use" and block.name:
            arguments = _json(block.input).decode() if block.input else ""
            if block.name == SCHEMA_TOOL:
                self._answers.add(index)
                self._answer(arguments, events)
            elif len(self._calls) >= _TOOL_CALLS:
                self._fail("server_error", events)
            else:
                number = self._calls[index] = len(self._calls)
                self._said = True
                self._bare = None if arguments else number
                events.append(ToolDelta(index=number, id=block.id, name=block.name, arguments=arguments))

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

    def _report(self, usage: _Usage, events: list[Event]) -> None:
        """The prompt's side comes first and the answer's last: each report is joined to what is known."""
        before = self._usage or Usage()
        inputs, cached, outputs = before.input_tokens, before.cached_tokens, before.output_tokens
        if usage.input_tokens is not None:
            cached = usage.cache_read_input_tokens or 0
            inputs = usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0)
        if usage.output_tokens is not None:
            outputs = usage.output_tokens
        if not (0 <= cached <= inputs <= _MOST_TOKENS and 0 <= outputs <= _MOST_TOKENS):
            return  # not a report that could be billed: the estimate does it
        report = Usage(input_tokens=inputs, output_tokens=outputs, cached_tokens=cached)
        if report != self._usage:
            self._usage = report
            if usage.output_tokens is not None:
                events.append(report)

    # --- the end ---

    def _finish(self, named: str, events: list[Event]) -> None:
        if self._finished or self._ended:
            return
        reason = _FINISHES.get(named)
        if reason is None:
            self.unknown_finish = True
            reason = "length" if self._said else "!truncated"  # as the base does: it did stop, and may not be whole
        if reason == "tool_calls" and not self._calls:
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
            self._fail(find_error(tree, self._codes) or "server_error", events)
        elif "type" not in tree:
            self._fail("server_error", events)

    def _fail(self, name: str, events: list[Event]) -> None:
        self._ended = True
        if not self._finished:  # an answered request stays answered, whatever follows
            events.append(Fault(error_of(name)))
