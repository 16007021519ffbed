"""OpenAI's chat protocol as the device sees it: events → chunks and whole answers, errors → bodies.

Never shows a partner's name, ids or wording: every id is made from the exchange's own. A chunk
of text costs one JSON string and two joins, since all around it is written once per stream.
Invariant: nothing follows `data: [DONE]` or an error. Standards followed: OpenAI API reference,
"The chat completion chunk object"; WHATWG event streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from lizi.errors import CODES, LiziError
from lizi.types import Event, Fault, Finish, Json, Receipt, Retract, State, Text, ToolDelta, Usage
from lizi.wire.openai_request import decode_chat, decode_json, reject_field
from lizi.wire.sse import DONE

__all__ = ["StreamEncoder", "decode_chat", "decode_json", "error_body", "error_tree", "models_body", "reject_field", "whole"]

_json = msgspec.json.Encoder().encode


def _plain(identifier: str) -> str:
    """The exchange id without its prefix."""
    return identifier.removeprefix("rq_")


def _call_id(exchange_id: str, index: int) -> str:
    """Id of a tool call: ours, since a partner's own would tell who answered. 26 characters keep it below OpenAI's 40."""
    return f"call_{_plain(exchange_id)}_{index}"


def _usage(usage: Usage) -> dict[str, Json]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


class StreamEncoder:
    """Machine: events → the bytes of one chat stream. Never raises half-way; holds the last `Usage` and nothing else.

    `Finish` and `Fault` end it; the `Usage` to show comes before the `Finish`, as the corridor
    gives it. Reasoning is not sent: the protocol has no place for it. After a fault
    there is no `[DONE]`: OpenAI's clients raise at the error, and others must not take the
    stream for a whole one.
    """

    __slots__ = (
        "_after", "_before", "_chunk", "_end", "_exchange_id", "_include_usage", "_named", "_receipt", "_started", "_state", "_usage",
        "ended",
    )  # fmt: skip

    def __init__(self, *, exchange_id: str, model: str, created: int, include_usage: bool = False) -> None:
        head = {"id": f"chatcmpl-{_plain(exchange_id)}", "object": "chat.completion.chunk", "created": created, "model": model}
        self._chunk = b"data: " + _json(head)[:-1] + b',"choices":['
        self._end = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"
        self._before = self._chunk + b'{"index":0,"delta":{"content":'
        self._after = b'},"logprobs":null,"finish_reason":null}' + self._end
        self._exchange_id = exchange_id
        self._include_usage = include_usage
        self._started = False
        self._usage: Usage | None = None
        self._state = ""
        self._receipt = b""
        self._named: set[int] = set()
        self.ended = False
        """After the terminal event; further events are ignored."""

    def feed(self, events: Iterable[Event]) -> bytes:
        """The bytes for these events; `b""` when they have none (reasoning, usage)."""
        if self.ended:
            return b""
        out: list[bytes] = []
        before, after = self._before, self._after
        for event in events:
            kind = type(event)
            if kind is Text:
                if not self._started:
                    self._start(out)
                out += (before, _json(event.text), after)  # type: ignore[union-attr]
            elif kind is ToolDelta:
                if not self._started:
                    self._start(out)
                out.append(self._delta({"tool_calls": [self._tool(event)]}))  # type: ignore[arg-type]
            elif kind is Usage:
                self._usage = event  # type: ignore[assignment]
            elif kind is State:
                self._state = event.sealed  # type: ignore[union-attr]
            elif kind is Receipt:
                self._receipt = b',"x_receipt":' + _json(event.told)  # type: ignore[union-attr]
            elif kind is Retract:
                if not self._started:
                    self._start(out)
                out.append(self._retract(event))  # type: ignore[arg-type]
            elif kind is Finish:
                if not self._started:
                    self._start(out)
                self._finish(event.reason, out)  # type: ignore[union-attr]
                break
            elif kind is Fault:
                self.ended = True
                out.append(b"data: " + error_body(event.error, self._exchange_id) + b"\n\n")  # type: ignore[union-attr]
                break
        return b"".join(out)

    def _start(self, out: list[bytes]) -> None:
        self._started = True
        out.append(self._delta({"role": "assistant", "content": "", "refusal": None}))

    def _delta(self, delta: dict[str, Json]) -> bytes:
        return self._chunk + b'{"index":0,"delta":' + _json(delta) + b',"logprobs":null,"finish_reason":null}' + self._end

    def _tool(self, event: ToolDelta) -> dict[str, Json]:
        function: dict[str, Json] = {"arguments": event.arguments}
        tool: dict[str, Json] = {"index": event.index, "function": function}
        if event.index not in self._named:
            self._named.add(event.index)
            function["name"] = event.name or ""
            tool |= {"id": _call_id(self._exchange_id, event.index), "type": "function"}
        return tool

    def _retract(self, event: Retract) -> bytes:
        retract = _json(_retract(event))
        return self._chunk + b'{"index":0,"delta":{},"logprobs":null,"finish_reason":null,"x_retract":' + retract + b"}" + self._end

    def _finish(self, reason: str, out: list[bytes]) -> None:
        self.ended = True
        delta = b"{}" if not self._state else _json({"x_state": self._state})
        last = b',"logprobs":null,"finish_reason":' + _json(reason) + self._receipt + b"}"
        out.append(self._chunk + b'{"index":0,"delta":' + delta + last + self._end)
        if self._include_usage and self._usage is not None:
            out.append(self._chunk + b'],"usage":' + _json(_usage(self._usage)) + b"}\n\n")
        out.append(DONE)


def _retract(event: Retract) -> dict[str, Json]:
    return {"scope": "all", "replacement": event.replacement, "reason_class": event.reason_class}


def whole(events: Iterable[Event], *, exchange_id: str, model: str, created: int) -> bytes:
    """The body of an answer that is not streamed, from all events of a finished exchange.

    The caller answers a `Fault` with its status and `error_body` instead; here it is ignored.
    """
    text: list[str] = []
    calls: dict[int, list[str]] = {}
    usage: Usage | None = None
    reason = "stop"
    retract: Retract | None = None
    state = ""
    receipt: dict[str, Json] | None = None
    for event in events:
        kind = type(event)
        if kind is Text:
            text.append(event.text)  # type: ignore[union-attr]
        elif kind is ToolDelta:
            calls.setdefault(event.index, [event.name or ""]).append(event.arguments)  # type: ignore[union-attr]
        elif kind is Usage:
            usage = event  # type: ignore[assignment]
        elif kind is State:
            state = event.sealed  # type: ignore[union-attr]
        elif kind is Receipt:
            receipt = event.told  # type: ignore[union-attr]
        elif kind is Retract:
            retract = event  # type: ignore[assignment]
        elif kind is Finish:
            reason = event.reason  # type: ignore[union-attr]
    content: str | None = "".join(text)
    if retract is not None:
        content = retract.replacement
    elif calls and not content:
        content = None
    message: dict[str, Json] = {"role": "assistant", "content": content, "refusal": None}
    if calls:
        message["tool_calls"] = [
            {
                "id": _call_id(exchange_id, index),
                "type": "function",
                "function": {"name": parts[0], "arguments": "".join(parts[1:])},
            }
            for index, parts in sorted(calls.items())
        ]
    if state:
        message["x_state"] = state
    choice: dict[str, Json] = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    if retract is not None:
        choice["x_retract"] = _retract(retract)
    if receipt is not None:
        choice["x_receipt"] = receipt
    tree: dict[str, Json] = {
        "id": f"chatcmpl-{_plain(exchange_id)}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [choice],
    }
    if usage is not None:
        tree["usage"] = _usage(usage)
    return _json(tree)


def error_tree(error: LiziError, exchange_id: str) -> dict[str, Any]:
    """The one shape of an error, in every protocol and as an event in an open stream."""
    spec = CODES[error.code]
    tree: dict[str, Any] = {
        "message": error.message,
        "type": spec.openai_type,
        "param": error.param,
        "code": error.code,
        "user_message": {"zh-Hans": spec.zh_hans, "zh-Hant": spec.zh_hant, "en": spec.en},
        "request_id": exchange_id,
    }
    if error.retry_after_s is not None:
        tree["retry_after"] = error.retry_after_s
    if error.hint is not None:
        tree["hint"] = error.hint
    for name, value in (error.extra or {}).items():
        tree.setdefault(name, value)  # a code's own fields never take the place of the common ones
    return {"error": tree}


def error_body(error: LiziError, exchange_id: str) -> bytes:
    """`error_tree` as JSON without line ends: a body, or the data of a stream event. Holds no internal class."""
    return _json(error_tree(error, exchange_id))


def models_body(names: Sequence[str], created: int) -> bytes:
    """`GET /v1/models`: the logical names; which partner answers them is nobody's business outside."""
    data = [{"id": name, "object": "model", "created": created, "owned_by": "lizi"} for name in names]
    return _json({"object": "list", "data": data})
