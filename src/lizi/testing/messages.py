"""A behaviour in Anthropic's Messages: the same script, another protocol.

Pure: gives payloads; framing, times and faults are `rendering`'s. A tool that must be called is called with the scripted
text as its arguments: so is a schema enforced there. Standard: Anthropic API reference, "Messages", "Streaming messages".
"""

from __future__ import annotations

from typing import Any

import msgspec

from lizi.testing.behaviours import STAMP, Asked, Behaviour, ToolCall, text_of, text_pieces

__all__ = ["SIGNATURE", "events", "whole"]

Json = Any
SIGNATURE = "YWNtZS1zaWduYXR1cmU"
"""Of every thought: what must come back unchanged."""
_json = msgspec.json.Encoder().encode


def whole(b: Behaviour, asked: Asked, seed: int) -> Json:
    """The body of an answer that is not streamed."""
    content: list[dict[str, Json]] = []
    if b.reasoning:
        content.append({"type": "thinking", "thinking": b.reasoning, "signature": SIGNATURE})
    tools, text = _tools(b, asked, seed)
    if text:
        content.append({"type": "text", "text": "".join(text)})
    for call in tools:
        try:
            arguments = msgspec.json.decode(call.arguments or "{}")
        except msgspec.DecodeError:
            arguments = call.arguments
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    tree = _message(b, asked, seed) | {"content": content, "stop_reason": _stop(b, asked)}
    for mark in b.marks:
        tree |= mark.chunk
    return tree | ({} if b.usage == "none" else {"usage": _usage(b)})


def events(b: Behaviour, asked: Asked, seed: int) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """The stream as (event name, data): what is said, the reason to stop, what comes after it."""
    said: list[tuple[str, bytes]] = []

    def event(name: str, **fields: Json) -> tuple[str, bytes]:
        for mark in b.marks:
            if len(said) == mark.after if mark.only else len(said) >= mark.after:
                fields |= mark.chunk
        return name, _json({"type": name, **fields})

    message = _message(b, asked, seed) | {"content": [], "stop_reason": None}
    if b.usage != "none":
        message["usage"] = {"input_tokens": b.input_tokens, "output_tokens": 1}
    said.append(event("message_start", message=message))
    index = 0

    def block(start: dict[str, Json], deltas: list[dict[str, Json]]) -> None:
        nonlocal index
        said.append(event("content_block_start", index=index, content_block=start))
        for delta in deltas:
            said.append(event("content_block_delta", index=index, delta=delta))
        said.append(event("content_block_stop", index=index))
        index += 1

    if b.reasoning:
        thoughts = [{"type": "thinking_delta", "thinking": b.reasoning[at : at + 16]} for at in range(0, len(b.reasoning), 16)]
        block({"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, {"type": "signature_delta", "signature": SIGNATURE}])
    tools, text = _tools(b, asked, seed)
    if text:
        stamp = STAMP.decode() if b.stamp_times else ""
        block({"type": "text", "text": ""}, [{"type": "text_delta", "text": stamp + piece} for piece in text])
    for call in tools:
        size = 3 if b.fragment_tools else max(1, len(call.arguments))
        parts = [call.arguments[at : at + size] for at in range(0, len(call.arguments), size)]
        start = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        block(start, [{"type": "input_json_delta", "partial_json": part} for part in parts])
    ends = []
    if b.finish is not None:
        usage = {} if b.usage == "none" else {"usage": {"output_tokens": _usage(b)["output_tokens"]}}
        ends.append(event("message_delta", delta={"stop_reason": _stop(b, asked), "stop_sequence": None}, **usage))
    return said, ends, [event("message_stop")] if b.done else []


def _message(b: Behaviour, asked: Asked, seed: int) -> dict[str, Json]:
    return {"id": f"msg_{seed:08x}", "type": "message", "role": "assistant", "model": b.model or asked.model, "stop_sequence": None}


def _usage(b: Behaviour) -> dict[str, int]:
    return {"input_tokens": b.input_tokens, "output_tokens": b.chunks if b.output_tokens is None else b.output_tokens}


def _tools(b: Behaviour, asked: Asked, seed: int) -> tuple[tuple[ToolCall, ...], list[str]]:
    if asked.forced_tool and not b.tools:
        return (ToolCall(name=asked.forced_tool, arguments=text_of(b, seed), id="toolu_acme_0001"),), []
    return b.tools, text_pieces(b, seed)


def _stop(b: Behaviour, asked: Asked) -> str | None:
    """As scripted; a call that was demanded ends its turn."""
    return "tool_use" if asked.forced_tool and b.finish == "end_turn" else b.finish
