"""What a scripted partner does with one request, as data.

`Behaviour` is one answer in every respect that a test may want to change; `rendering` makes its bytes, in the
protocol of whichever partner plays it. Never reads a clock, never touches a socket.
"""

from __future__ import annotations

import random
from typing import Any, Literal

from msgspec import Struct

__all__ = ["BEHAVIOURS", "STAMP", "Asked", "Behaviour", "Mark", "ToolCall", "text_of", "text_pieces"]

STAMP = b"@@@@@@@@@@@@@@@@"
"""Replaced by the intended send time: 16 digits of microseconds on the monotonic clock."""
_WORDS = ("river", "lantern", "quiet", "morning", "paper", "garden", "stone", "window", "letter", "cloud", "maple", "harbour", "signal")


class ToolCall(Struct, frozen=True, kw_only=True):
    """A tool call that the partner answers with; `arguments` is sent as it stands, valid JSON or not."""

    name: str
    arguments: str = "{}"
    id: str = "call_0001"


class Mark(Struct, frozen=True, kw_only=True):
    """Fields of a partner's own that stand in its answer: moderation, its inner errors, boasts."""

    after: int = 0
    """Events of the stream before the first that carries it; a whole answer carries every mark."""
    only: bool = False
    """That one event alone carries it."""
    chunk: dict[str, Any] = {}
    """Merged into the event."""
    choice: dict[str, Any] = {}
    """Merged into its choice."""


class Behaviour(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scripted answer. Every field has a harmless default: `Behaviour()` is a well-behaved partner.

    Times are milliseconds; `fault_after` counts events of a stream (0: before the first).
    """

    # what is said
    text: str | None = None
    """The answer; `None` makes seeded English of `reply_bytes` bytes."""
    reply_bytes: int = 200
    chunks: int = 8
    """Pieces that the text comes in when streamed."""
    reasoning: str = ""
    think_tags: bool = False
    """Send `reasoning` as `<think>…</think>` within the content, cut across chunks."""
    reasoning_field: Literal["reasoning_content", "reasoning"] = "reasoning_content"
    tools: tuple[ToolCall, ...] = ()
    fragment_tools: bool = True
    """Tool arguments in pieces of 3 characters, as most partners do; false: whole."""
    finish: str | None = "stop"
    done: bool = True
    usage: Literal["asked", "always", "with_finish", "in_choice", "none"] = "asked"
    input_tokens: int = 12
    output_tokens: int | None = None
    model: str | None = None
    """Echo this model instead of the one asked for."""
    duplicate_chunks: bool = False
    swap_chunks: bool = False
    """Every second piece of the answer comes before the one that it follows."""
    late_chunks: int = 0
    """So many of the last pieces come only after the finish."""
    marks: tuple[Mark, ...] = ()
    rejects_json_schema: bool = False
    stamp_times: bool = False
    """Begin each text chunk with its intended send time (`STAMP`), for load measurement."""

    # when
    first_byte_ms: float = 0
    first_token_ms: float = 0
    interval_ms: float = 0
    idle_gap_ms: float = 0
    idle_gap_after: int = 1
    keepalives: int = 0
    """Comments and blank lines before the first event."""
    keepalive_ms: float = 0

    # errors as the partner words them
    status: int = 200
    reason: str = "OK"
    error: dict[str, Any] | None = None
    """The JSON body of an error; with status 200 the trap of partners.md §3.4."""
    error_event: dict[str, Any] | None = None
    """What the fault `error_event` sends in the stream; `None`: an error of the usual form."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    """Raw body instead of a rendered one, whole or streamed."""
    content_type: str | None = None
    sse_lines: tuple[str, ...] = ()
    """Before each event of a stream: comments, `id:`, `retry:`."""
    trailers: tuple[tuple[str, str], ...] = ()
    """Behind a chunked body."""

    # how it goes wrong
    fault: Literal["none", "close_before_headers", "garbage_head", "cut", "truncated", "reset", "stall", "error_event", "garbage_chunk"] = (
        "none"
    )
    fault_after: int = 3
    flood_bytes: int = 0
    """Send a body of this many bytes."""

    # framing
    crlf: bool = False
    data_space: bool = True
    bom: bool = False
    slice_bytes: int = 0
    """Cut the body's bytes into pieces of this size, each its own write: splits UTF-8, lines and events."""
    compress: bool = False
    """Send gzip, asked for or not."""
    transfer: Literal["chunked", "length", "eof"] = "chunked"
    """Of a streamed body; whole ones have a length unless `eof`."""
    close: bool = False
    """Answer with `connection: close` and close."""


class Asked(Struct, frozen=True):
    """What of a request decides its bytes."""

    model: str = "unknown"
    stream: bool = False
    include_usage: bool = False
    json_schema: bool = False
    forced_tool: str = ""
    """The tool that must be called, in the dialects that enforce a schema by one."""


def text_pieces(behaviour: Behaviour, seed: int) -> list[str]:
    """The answer's text, cut into as many pieces as it has chunks; none where it only calls tools."""
    text = text_of(behaviour, seed)
    if not text or (behaviour.tools and behaviour.text is None):
        return []
    count = max(1, min(behaviour.chunks, len(text)))
    cuts = [len(text) * at // count for at in range(count + 1)]
    return [text[cuts[at] : cuts[at + 1]] for at in range(count)]


def text_of(behaviour: Behaviour, seed: int) -> str:
    """The answer: as scripted, else seeded English."""
    if behaviour.text is not None:
        return behaviour.text
    rng = random.Random(seed)
    words: list[str] = []
    size = 0
    while size < behaviour.reply_bytes:
        words.append(rng.choice(_WORDS))
        size += len(words[-1]) + 1
    return " ".join(words)[: behaviour.reply_bytes]


def _error(status: int, reason: str, code: str, message: str = "the request was refused", **more: Any) -> Behaviour:
    return Behaviour(status=status, reason=reason, error={"error": {"message": message, "type": code, "code": code}}, **more)


_VENDOR = "Acme Cloud (https://acme.example/docs, request acme-7781)"

BEHAVIOURS: dict[str, Behaviour] = {
    "good": Behaviour(),
    "keepalives": Behaviour(keepalives=6, keepalive_ms=5),
    "error_in_stream": Behaviour(fault="error_event"),
    "error_in_200": Behaviour(error={"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": None}),
    "truncated": Behaviour(fault="truncated"),
    "no_finish": Behaviour(finish=None),
    "no_done": Behaviour(done=False),
    "content_filter": Behaviour(finish="content_filter"),
    "sensitive": Behaviour(finish="sensitive"),
    "unknown_finish": Behaviour(finish="lunch_break"),
    "length": Behaviour(finish="length"),
    "reasoning": Behaviour(reasoning="The question is about rivers, so the answer names one."),
    "think": Behaviour(reasoning="The question is about rivers, so the answer names one.", think_tags=True),
    "tool_fragmented": Behaviour(tools=(ToolCall(name="get_weather", arguments='{"city":"杭州"}'),), finish="tool_calls"),
    "tool_whole": Behaviour(tools=(ToolCall(name="get_weather", arguments='{"city":"杭州"}'),), fragment_tools=False, finish="tool_calls"),
    "tool_invalid_json": Behaviour(tools=(ToolCall(name="get_weather", arguments='{"city":'),), finish="tool_calls"),
    "usage_only_chunk": Behaviour(usage="always"),
    "no_usage": Behaviour(usage="none"),
    "rate_limited": _error(429, "Too Many Requests", "rate_limit_reached_error", headers=(("retry-after", "7"),)),
    "rate_limited_silent": _error(429, "Too Many Requests", "rate_limit_reached_error"),
    "billing_as_429": _error(429, "Too Many Requests", "1113", "the account has no balance"),
    "no_balance": _error(402, "Payment Required", "insufficient_balance"),
    "overloaded": _error(529, "Overloaded", "overloaded_error"),
    "unavailable": _error(503, "Service Unavailable", "engine_overloaded_error"),
    "server_error": _error(500, "Internal Server Error", "internal_error"),
    "bad_credential": _error(401, "Unauthorized", "invalid_api_key"),
    "forbidden": _error(403, "Forbidden", "permission_denied"),
    "no_such_model": _error(404, "Not Found", "model_not_found"),
    "bad_request": _error(400, "Bad Request", "invalid_request_error"),
    "policy_input": _error(400, "Bad Request", "data_inspection_failed"),
    "context_size": _error(400, "Bad Request", "invalid_parameter", "Range of input length should be [1, 4096]"),
    "vendor_in_error": _error(500, "Internal Server Error", "internal_error", f"{_VENDOR} is unavailable", headers=(("server", "acme"),)),
    "vendor_in_headers": Behaviour(headers=(("server", "acme-gateway/3.1"), ("x-acme-request-id", "acme-7781"))),
    "vendor_in_content": Behaviour(text=f"As a model by {_VENDOR}, I can say that the river is long."),
    "split_utf8": Behaviour(text="江水平静，🦊 狐狸过河。", slice_bytes=1),
    "crlf": Behaviour(crlf=True),
    "no_space": Behaviour(data_space=False),
    "bom": Behaviour(bom=True),
    "no_json_schema": Behaviour(rejects_json_schema=True),
    "schema_invalid": Behaviour(text='{"unexpected": tru'),
    "slow_first_byte": Behaviour(first_byte_ms=500),
    "slow_first_token": Behaviour(first_token_ms=500),
    "idle_gap": Behaviour(idle_gap_ms=500, idle_gap_after=3),
    "stall": Behaviour(fault="stall"),
    "cut": Behaviour(fault="cut"),
    "reset": Behaviour(fault="reset"),
    "close_before_headers": Behaviour(fault="close_before_headers"),
    "garbage": Behaviour(fault="garbage_head"),
    "garbage_chunk": Behaviour(fault="garbage_chunk"),
    "flood": Behaviour(flood_bytes=100_000_000),
    "wrong_content_type": Behaviour(status=200, body=b"<html><body>welcome</body></html>", content_type="text/html"),
    "redirect": Behaviour(status=307, reason="Temporary Redirect", headers=(("location", "http://127.0.0.1:9/elsewhere"),)),
    "gzip": Behaviour(compress=True),
    "duplicate_chunks": Behaviour(duplicate_chunks=True),
    "wrong_model": Behaviour(model="acme-mini-cheap"),
}
"""Single answers by name, in the base's words. What partners do in their own words, and over several requests, is in `planted`."""
