"""A behaviour's bytes: head, framing, times, and how it goes wrong.

`render` makes timed steps of ready bytes, so that serving a chunk is one write. Deterministic: the same behaviour,
request and seed give the same bytes. Never reads a clock, never touches a socket. Bound: at most `MAX_STEPS` steps.
Standard: HTTP/1.1 (RFC 9112), server-sent events; the payloads are those of `completions` and `messages`.
"""

from __future__ import annotations

import random
import zlib
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lizi.testing import completions, messages
from lizi.testing.behaviours import Asked, Behaviour

__all__ = ["Family", "Rendering", "Step", "render"]

MAX_STEPS = 1_000_000
"""A script that makes more is a mistake in the script."""
_FLOOD = b"a" * 65_536

Family = Literal["openai_chat", "anthropic"]
_WHOLE = {"openai_chat": completions.whole, "anthropic": messages.whole}
_STREAM = {"openai_chat": completions.chunks, "anthropic": messages.events}


class Step(NamedTuple):
    """Bytes to write after a delay; `None`: at once with the step before, 0.0: in a write of its own."""

    delay_s: float | None
    data: bytes


class Rendering(Struct, frozen=True):
    """A whole answer, ready to be written."""

    steps: tuple[Step, ...]
    ending: Literal["keep", "close", "reset", "stall"]
    stamped: bool = False


def render(behaviour: Behaviour, asked: Asked, seed: int = 0, family: Family = "openai_chat") -> Rendering:
    """The timed bytes of one answer."""
    b = behaviour
    first = b.first_byte_ms / 1000
    if b.fault == "close_before_headers":
        return Rendering((Step(first, b""),), "reset")
    if b.fault == "garbage_head":
        return Rendering((Step(first, random.Random(seed).randbytes(512) + b"\r\n\r\n"),), "close")
    if b.rejects_json_schema and asked.json_schema:
        error = {"error": {"message": "json_schema is not supported", "type": "invalid_request_error", "code": "bad_request"}}
        b = replace(b, status=400, reason="Bad Request", error=error)
    if b.flood_bytes:
        head = _head(b, "application/json", [(b"content-length", b"%d" % b.flood_bytes)])
        whole, rest = divmod(b.flood_bytes, len(_FLOOD))
        pieces = [_FLOOD] * whole + ([_FLOOD[:rest]] if rest else [])
        return _timed(head, first, [Step(None, piece) for piece in pieces], "close" if b.close else "keep", False)
    if b.body is not None or b.error is not None or b.status != 200 or not asked.stream:
        return _whole(b, asked, seed, first, family)
    return _streamed(b, asked, seed, first, family)


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


def _whole(b: Behaviour, asked: Asked, seed: int, first_s: float, family: Family) -> Rendering:
    content_type = "application/json"
    if b.body is not None:
        body = b.body
        content_type = "text/event-stream" if asked.stream else content_type
    elif b.error is not None:
        body = msgspec.json.encode(b.error)
    elif b.status != 200:
        body = b""
    else:
        body = msgspec.json.encode(_WHOLE[family](b, asked, seed))
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


def _streamed(b: Behaviour, asked: Asked, seed: int, first_s: float, family: Family) -> Rendering:
    newline = b"\r\n" if b.crlf else b"\n"
    colon = b": " if b.data_space else b":"
    before = b"".join(line.encode() + newline for line in b.sse_lines)

    def event(name: str, payload: bytes) -> bytes:
        named = b"event" + colon + name.encode() + newline if name else b""
        return before + named + b"data" + colon + payload + newline + newline

    interval = b.interval_ms / 1000
    pieces: list[tuple[float | None, bytes]] = []  # body bytes before transfer coding
    for number in range(b.keepalives):
        ping = event("ping", b'{"type":"ping"}') if family == "anthropic" else newline
        pieces.append((b.keepalive_ms / 1000, b": keep-alive" + newline + newline if number % 2 == 0 else ping))
    start = len(pieces)
    said, ends, rest = _STREAM[family](b, asked, seed)
    if b.swap_chunks:
        # In Messages the first two open the answer and the last closes a block: between them are its words.
        first_word, end = (2, len(said) - 2) if family == "anthropic" else (0, len(said) - 1)
        for at in range(first_word, end, 2):
            said[at], said[at + 1] = said[at + 1], said[at]
    late = said[len(said) - b.late_chunks :]
    del said[len(said) - b.late_chunks :]
    for name, payload in said:
        pieces.extend([(interval, event(name, payload))] * (2 if b.duplicate_chunks else 1))
    pieces.append((interval, b"".join(event(name, payload) for name, payload in (*ends, *late, *rest))))
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
            usual = {"error": {"message": "the model stopped unexpectedly", "type": "server_error", "code": "internal_error"}}
            name = "error" if family == "anthropic" else ""
            pieces.append((interval, event(name, msgspec.json.encode(usual if b.error_event is None else b.error_event))))
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
            trailers = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in b.trailers)
            steps.append(Step(None, b"0\r\n" + trailers + b"\r\n"))
    elif b.transfer == "length":
        # a faulty stream promises more than it sends, so that the cut is seen
        extra.append((b"content-length", b"%d" % (sum(len(step.data) for step in steps) + (0 if closed else 1))))
    if tail and b.transfer == "chunked":
        steps.append(Step(None, tail))
    return _timed(_head(b, "text/event-stream; charset=utf-8", extra), first_s, steps, ending, b.stamp_times)
