"""A behaviour in chat completions: what most partners' doubles say.

Pure: gives payloads; framing, times and faults are `rendering`'s. Standard: OpenAI API reference, "The chat completion
object" and "… chunk object".
"""

from __future__ import annotations

from typing import Any

import msgspec

from lizi.testing.behaviours import STAMP, Asked, Behaviour, text_of, text_pieces

__all__ = ["chunks", "whole"]

Json = Any
_CREATED = 1_760_000_000
_json = msgspec.json.Encoder().encode


def whole(b: Behaviour, asked: Asked, seed: int) -> Json:
    """The body of an answer that is not streamed."""
    text = text_of(b, seed)
    message: dict[str, Json] = {"role": "assistant", "content": text}
    if b.reasoning and b.think_tags:
        message["content"] = f"<think>{b.reasoning}</think>{text}"
    elif b.reasoning:
        message[b.reasoning_field] = b.reasoning
    if b.tools:
        message["content"] = text if b.text else None
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}} for call in b.tools
        ]
    choice = {"index": 0, "message": message, "finish_reason": b.finish}
    tree = {"id": f"chatcmpl-{seed:08x}", "object": "chat.completion", "created": _CREATED, "model": b.model or asked.model}
    tree["choices"] = [choice]
    for mark in b.marks:
        choice |= mark.choice
        tree |= mark.chunk
    if b.usage != "none":
        tree["usage"] = _usage(b)
    return tree


def chunks(b: Behaviour, asked: Asked, seed: int) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """The stream as (event name, data): what is said, the finish, what comes after it."""
    base = {"id": f"chatcmpl-{seed:08x}", "object": "chat.completion.chunk", "created": _CREATED, "model": b.model or asked.model}

    def chunk(delta: Json | None, at: int, finish: str | None = None, **more: Json) -> tuple[str, bytes]:
        choices: list[dict[str, Json]] = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        tree = {**base, "choices": choices, **more}
        for mark in b.marks:
            if choices and (at == mark.after if mark.only else at >= mark.after):
                choices[0] |= mark.choice
                tree |= mark.chunk
        if choices and finish is not None and b.usage == "in_choice":
            choices[0]["usage"] = _usage(b)
        return "", _json(tree)

    deltas = _deltas(b, seed)
    said = [chunk(delta, at) for at, delta in enumerate(deltas)]
    ends = []
    if b.finish is not None:
        ends.append(chunk({}, len(deltas), b.finish, **({"usage": _usage(b)} if b.usage == "with_finish" else {})))
    rest = []
    if b.usage == "always" or (b.usage == "asked" and asked.include_usage):
        rest.append(chunk(None, len(deltas), usage=_usage(b)))
    if b.done:
        rest.append(("", b"[DONE]"))
    return said, ends, rest


def _usage(b: Behaviour) -> dict[str, Json]:
    output = b.chunks if b.output_tokens is None else b.output_tokens
    return {"prompt_tokens": b.input_tokens, "completion_tokens": output, "total_tokens": b.input_tokens + output}


def _deltas(b: Behaviour, seed: int) -> list[dict[str, Json]]:
    """In order, the role with the first."""
    deltas: list[dict[str, Json]] = []
    if b.reasoning and b.think_tags:
        tagged = f"<think>{b.reasoning}</think>"
        deltas += [{"content": tagged[at : at + 5]} for at in range(0, len(tagged), 5)]  # 5 < len("<think>"): the tag is always cut
    elif b.reasoning:
        deltas += [{b.reasoning_field: b.reasoning[at : at + 16]} for at in range(0, len(b.reasoning), 16)]
    stamp = STAMP.decode() if b.stamp_times else ""
    deltas += [{"content": stamp + piece} for piece in text_pieces(b, seed)]
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
