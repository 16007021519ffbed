"""What a scripted partner does with one request, as data, and the bytes that it makes.

`Behaviour` names every planted behaviour of a chat-completions partner; `render` turns it into
timed steps of ready bytes, so that serving a chunk is one write. Deterministic: the same
behaviour, request and seed give the same bytes. Never reads a clock, never touches a socket.
Bound: at most `MAX_STEPS` steps. Standard: OpenAI chat completions, HTTP/1.1 (RFC 9112), SSE.
"""

from __future__ import annotations

import random
import zlib
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

__all__ = ["BEHAVIOURS", "STAMP", "Asked", "Behaviour", "Rendering", "Step", "ToolCall", "render"]

MAX_STEPS = 1_000_000
"""A script that makes more is a mistake in the script."""
STAMP = b"@@@@@@@@@@@@@@@@"
"""Replaced by the intended send time: 16 digits of microseconds on the monotonic clock."""
_CREATED = 1_760_000_000
_FLOOD = b"a" * 65_536
_WORDS = ("river", "lantern", "quiet", "morning", "paper", "garden", "stone", "window", "letter", "cloud", "maple", "harbour", "signal")


class ToolCall(Struct, frozen=True, kw_only=True):
    """A tool call that the partner answers with; `arguments` is sent as it stands, valid JSON or not."""

    name: str
    arguments: str = "{}"
    id: str = "call_0001"


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
    tools: tuple[ToolCall, ...] = ()
    fragment_tools: bool = True
    """Tool arguments in pieces of 3 characters, as most partners do; false: whole."""
    finish: str | None = "stop"
    done: bool = True
    usage: Literal["asked", "always", "with_finish", "none"] = "asked"
    input_tokens: int = 12
    output_tokens: int | None = None
    model: str | None = None
    """Echo this model instead of the one asked for."""
    duplicate_chunks: bool = False
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
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    """Raw body instead of a rendered one, whole or streamed."""
    content_type: str | None = None

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


class Step(NamedTuple):
    """Bytes to write after a delay; `None`: at once with the step before, 0.0: in a write of its own."""

    delay_s: float | None
    data: bytes


class Rendering(Struct, frozen=True):
    """A whole answer, ready to be written."""

    steps: tuple[Step, ...]
    ending: Literal["keep", "close", "reset", "stall"]
    stamped: bool = False


def render(behaviour: Behaviour, asked: Asked, seed: int = 0) -> Rendering:
    """The timed bytes of one answer."""
    b = behaviour
    first = b.first_byte_ms / 1000
    if b.fault == "close_before_headers":
        return Rendering((Step(first, b""),), "reset")
    if b.fault == "garbage_head":
        return Rendering((Step(first, random.Random(seed).randbytes(512) + b"\r\n\r\n"),), "close")
    if b.rejects_json_schema and asked.json_schema:
        error = {"error": {"message": "json_schema is not supported", "type": "invalid_request_error", "code": "bad_request"}}
        b = msgspec.structs.replace(b, status=400, reason="Bad Request", error=error)
    if b.flood_bytes:
        head = _head(b, "application/json", [(b"content-length", b"%d" % b.flood_bytes)])
        whole, rest = divmod(b.flood_bytes, len(_FLOOD))
        pieces = [_FLOOD] * whole + ([_FLOOD[:rest]] if rest else [])
        return _timed(head, first, [Step(None, piece) for piece in pieces], "close" if b.close else "keep", False)
    if b.body is not None or b.error is not None or b.status != 200 or not asked.stream:
        return _whole(b, asked, seed, first)
    return _streamed(b, asked, seed, first)


def _timed(head: bytes, first_s: float, steps: list[Step], ending: Any, stamped: bool) -> Rendering:
    if len(steps) > MAX_STEPS:
        raise ValueError(f"the behaviour makes {len(steps)} steps; at most {MAX_STEPS} are allowed")
    return Rendering((Step(first_s, head), *steps), ending, stamped)


def _head(b: Behaviour, content_type: str, extra: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (b.status, b.reason.encode()), b"content-type: " + (b.content_type or content_type).encode()]
    lines += [name + b": " + value for name, value in extra]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in b.headers]
    if b.compress:
        lines.append(b"content-encoding: gzip")
    if b.close or b.transfer == "eof":
        lines.append(b"connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _text(b: Behaviour, seed: int) -> str:
    if b.text is not None:
        return b.text
    rng = random.Random(seed)
    words: list[str] = []
    size = 0
    while size < b.reply_bytes:
        words.append(rng.choice(_WORDS))
        size += len(words[-1]) + 1
    return " ".join(words)[: b.reply_bytes]


def _usage(b: Behaviour) -> dict[str, Any]:
    output = b.chunks if b.output_tokens is None else b.output_tokens
    return {"prompt_tokens": b.input_tokens, "completion_tokens": output, "total_tokens": b.input_tokens + output}


def _whole(b: Behaviour, asked: Asked, seed: int, first_s: float) -> Rendering:
    content_type = "application/json"
    if b.body is not None:
        body = b.body
        content_type = "text/event-stream" if asked.stream else content_type
    elif b.error is not None:
        body = msgspec.json.encode(b.error)
    elif b.status != 200:
        body = b""
    else:
        text = _text(b, seed)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if b.reasoning and b.think_tags:
            message["content"] = f"<think>{b.reasoning}</think>{text}"
        elif b.reasoning:
            message["reasoning_content"] = b.reasoning
        if b.tools:
            message["content"] = text if b.text else None
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}} for call in b.tools
            ]
        choice = {"index": 0, "message": message, "finish_reason": b.finish}
        tree = {"id": f"chatcmpl-{seed:08x}", "object": "chat.completion", "created": _CREATED, "model": b.model or asked.model}
        tree["choices"] = [choice]
        if b.usage != "none":
            tree["usage"] = _usage(b)
        body = msgspec.json.encode(tree)
    if b.bom:
        body = b"\xef\xbb\xbf" + body
    if b.compress:
        packer = zlib.compressobj(wbits=31)
        body = packer.compress(body) + packer.flush()
    extra = [] if b.transfer == "eof" else [(b"content-length", b"%d" % len(body))]
    head = _head(b, content_type, extra)
    ending = "close" if b.close or b.transfer == "eof" else "keep"
    if b.fault in ("cut", "reset", "stall"):
        body, ending = body[: len(body) // 2], {"cut": "close"}.get(b.fault, b.fault)
    if b.slice_bytes:
        steps = [Step(0.0, body[at : at + b.slice_bytes]) for at in range(0, len(body), b.slice_bytes)]
    else:
        steps = [Step(None, body)] if body else []
    return _timed(head, first_s, steps, ending, False)


def _deltas(b: Behaviour, seed: int) -> list[dict[str, Any]]:
    """The deltas of the stream in order, the role with the first."""
    text = _text(b, seed)
    deltas: list[dict[str, Any]] = []
    if b.reasoning and b.think_tags:
        tagged = f"<think>{b.reasoning}</think>"
        deltas += [{"content": tagged[at : at + 5]} for at in range(0, len(tagged), 5)]  # 5 < len("<think>"): the tag is always cut
    elif b.reasoning:
        deltas += [{"reasoning_content": b.reasoning[at : at + 16]} for at in range(0, len(b.reasoning), 16)]
    if text and not (b.tools and b.text is None):
        count = max(1, min(b.chunks, len(text)))
        cuts = [len(text) * i // count for i in range(count + 1)]
        stamp = STAMP.decode() if b.stamp_times else ""
        deltas += [{"content": stamp + text[cuts[i] : cuts[i + 1]]} for i in range(count)]
    for index, call in enumerate(b.tools):
        function = {"name": call.name, "arguments": "" if b.fragment_tools else call.arguments}
        deltas.append({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]})
        if b.fragment_tools:
            deltas += [
                {"tool_calls": [{"index": index, "function": {"arguments": call.arguments[at : at + 3]}}]}
                for at in range(0, len(call.arguments), 3)
            ]
    if deltas:
        deltas[0] = {"role": "assistant", **deltas[0]}
    return deltas


def _streamed(b: Behaviour, asked: Asked, seed: int, first_s: float) -> Rendering:
    newline = b"\r\n" if b.crlf else b"\n"
    prefix = b"data: " if b.data_space else b"data:"
    base = {"id": f"chatcmpl-{seed:08x}", "object": "chat.completion.chunk", "created": _CREATED, "model": b.model or asked.model}

    def event(payload: bytes) -> bytes:
        return prefix + payload + newline + newline

    def chunk(delta: dict[str, Any] | None, finish: str | None = None, usage: bool = False) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        return event(msgspec.json.encode({**base, "choices": choices, **({"usage": _usage(b)} if usage else {})}))

    interval = b.interval_ms / 1000
    pieces: list[tuple[float | None, bytes]] = []  # body bytes before transfer coding
    for number in range(b.keepalives):
        pieces.append((b.keepalive_ms / 1000, b": keep-alive" + newline + newline if number % 2 == 0 else newline))
    start = len(pieces)
    for delta in _deltas(b, seed):
        pieces.extend([(interval, chunk(delta))] * (2 if b.duplicate_chunks else 1))
    last = b""
    if b.finish is not None:
        last += chunk({}, b.finish, usage=b.usage == "with_finish")
    if b.usage == "always" or (b.usage == "asked" and asked.include_usage):
        last += chunk(None, usage=True)
    if b.done:
        last += event(b"[DONE]")
    pieces.append((interval, last))
    pieces[start] = (b.first_token_ms / 1000, pieces[start][1])
    if b.idle_gap_ms and start + b.idle_gap_after < len(pieces):
        at = start + b.idle_gap_after
        pieces[at] = ((pieces[at][0] or 0.0) + b.idle_gap_ms / 1000, pieces[at][1])
    if b.bom:
        pieces[0] = (pieces[0][0], b"\xef\xbb\xbf" + pieces[0][1])

    ending: Any = "close" if b.close or b.transfer == "eof" else "keep"
    closed = True  # whether the transfer coding is ended properly
    tail = b""
    if b.fault != "none":
        pieces = pieces[: start + b.fault_after]
        if b.fault == "error_event":
            error = b'{"error":{"message":"the model stopped unexpectedly","type":"server_error","code":"internal_error"}}'
            pieces.append((interval, event(error)))
        elif b.fault != "truncated":
            closed = False
            ending = {"cut": "close", "garbage_chunk": "close"}.get(b.fault, b.fault)
            tail = {"garbage_chunk": b"zz\r\n\x00\xff\xfe\r\n", "reset": b"40\r\ndata: half of a"}.get(b.fault, b"")
    if b.compress:
        packer = zlib.compressobj(wbits=31)
        pieces = [(delay, packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)) for delay, data in pieces]
        pieces.append((None, packer.flush()))
    if b.slice_bytes:
        body = b"".join(data for _, data in pieces)
        pieces = [(max(interval, 0.0), body[at : at + b.slice_bytes]) for at in range(0, len(body), b.slice_bytes)]
    steps = []
    for delay, data in pieces:
        if not data:
            continue
        framed = b"%x\r\n%b\r\n" % (len(data), data) if b.transfer == "chunked" else data
        steps.append(Step(None if not delay and not b.slice_bytes else delay, framed))
    extra: list[tuple[bytes, bytes]] = []
    if b.transfer == "chunked":
        extra.append((b"transfer-encoding", b"chunked"))
        if closed:
            steps.append(Step(None, b"0\r\n\r\n"))
    elif b.transfer == "length":
        # a faulty stream promises more than it sends, so that the cut is seen
        extra.append((b"content-length", b"%d" % (sum(len(step.data) for step in steps) + (0 if closed else 1))))
    if tail and b.transfer == "chunked":
        steps.append(Step(None, tail))
    return _timed(_head(b, "text/event-stream; charset=utf-8", extra), first_s, steps, ending, b.stamp_times)


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
"""The planted behaviours by name, as far as they apply to this dialect (design note on partners, §3.6)."""
