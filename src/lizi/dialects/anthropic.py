"""Anthropic's Messages dialect: requests built, replies and streams read.

A family of its own: turns are made of typed blocks, the system prompt stands beside them, tool results are a user's
blocks, and thinking is signed. Built anew from known keys, never forwarded. Standard followed: Anthropic API reference,
"Messages", "Streaming messages", "Tool use", "Extended thinking", API version 2023-06-01.

What it has no place for is left out by rule: `seed`, the penalties, `parallel_tool_calls = true` (its default), the
detail of an image. While it thinks it takes no temperature and no demanded tool: thinking goes before both.
"""

from __future__ import annotations

import re

import msgspec

from lizi.dialects.anthropic_reader import SCHEMA_TOOL, Reader
from lizi.dialects.openai_chat import OBJECT, SCHEMA, effort, rung
from lizi.types import Call, ChatRequest, Facts, Json, JsonSchemaFormat, Target

__all__ = ["Reader", "encode"]

_VERSION = ("anthropic-version", "2023-06-01")
_MAX_TOKENS = 4096
"""It must be told a limit; the corridor always gives one, this is for a ping that does not."""
_LEAST_BUDGET = 1024
"""The API takes no smaller thinking budget."""
_ID = re.compile(r"[^a-zA-Z0-9_-]")
"""What a tool call's id may not hold here; ours never do, a device that moved over from elsewhere may bring others."""

_json = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode(request: ChatRequest, target: Target) -> Call:
    """The partner's HTTP call for `request`."""
    facts = target.facts
    body: dict[str, Json] = {"model": target.model, "max_tokens": request.max_output_tokens or _MAX_TOKENS}
    system, turns = _turns(request.messages, facts)
    if request.stream:
        body["stream"] = True
    thinking = _think(body, request, facts)
    if request.temperature is not None and not thinking:
        body["temperature"] = min(request.temperature, 1.0)  # its scale ends at 1, the base's at 2
    if request.top_p is not None and not thinking:
        body["top_p"] = request.top_p
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.tools:
        _add_tools(body, request, thinking=thinking)
    if request.response_format is not None:
        system = _add_format(body, request, target, system, thinking=thinking)
    if system:
        body["system"] = system
    body["messages"] = turns
    for field in facts.drop:
        body.pop(field, None)
    for field, value in facts.default.items():
        body.setdefault(field, value)
    named = {name for name, _ in facts.headers}
    headers = [("content-type", "application/json"), ("accept", "text/event-stream" if request.stream else "application/json")]
    headers += [*facts.headers, *([] if _VERSION[0] in named else [_VERSION])]
    return Call(
        method="POST",
        url=target.base_url + (facts.path or "/messages"),
        headers=tuple((name.encode("ascii"), value.encode("latin-1")) for name, value in headers),
        body=_json(body),
        credential=target.credential,
        authorization=facts.authorization,
    )


# --- turns ---------------------------------------------------------------------------------------


def _turns(messages: list[dict[str, Json]], facts: Facts) -> tuple[str, list[dict[str, Json]]]:
    """The system prompt and the turns, which alternate: neighbours of one role are one turn.

    A system message in the middle has no place here and becomes the user's words, marked as an instruction.
    """
    system: list[str] = []
    turns: list[dict[str, Json]] = []
    for message in messages:
        role = message["role"]
        if role in ("system", "developer"):
            text = _text(message["content"])
            if not turns:
                system.append(text)
                continue
            role, blocks = "user", [{"type": "text", "text": f"<instruction>{text}</instruction>"}]
        elif role == "assistant":
            blocks = _said(message, facts)
        elif role == "tool":
            role = "user"
            content = _text(message["content"])
            blocks = [{"type": "tool_result", "tool_use_id": _id(message["tool_call_id"]), "content": content}]
        else:
            blocks = _asked(message["content"])
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    for turn in turns:
        # Results come first in their turn, or the API does not see them as answers to the calls before.
        turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    if not turns or turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": "…"}]})  # the first word is a user's
    return "\n\n".join(system), turns


def _text(content: Json) -> str:
    if type(content) is str:
        return content
    return "\n".join(part[part["type"]] for part in content if part["type"] != "image_url")


def _asked(content: Json) -> list[dict[str, Json]]:
    if type(content) is str:
        return [{"type": "text", "text": content}] if content else []
    blocks: list[dict[str, Json]] = []
    for part in content:
        if part["type"] == "image_url":
            blocks.append({"type": "image", "source": _source(part["image_url"]["url"])})
        elif part["text"]:
            blocks.append({"type": "text", "text": part["text"]})
    return blocks


def _source(url: str) -> dict[str, Json]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    head, _, data = url.partition(",")
    return {"type": "base64", "media_type": head.removeprefix("data:").partition(";")[0], "data": data}


def _said(message: dict[str, Json], facts: Facts) -> list[dict[str, Json]]:
    """An assistant's turn: its signed thoughts first, then its words, then its calls. Empty text is no block here."""
    calls = message.get("tool_calls") or ()
    blocks: list[dict[str, Json]] = []
    if facts.replay == "always" or (facts.replay == "tool_loop" and calls):
        blocks += [
            {"type": "thinking", "thinking": part["text"], "signature": part["signature"]}
            for part in message.get("reasoning", ())
            if part["signature"]  # unsigned thoughts are refused
        ]
    content = message.get("content")
    text = _text(content) if content is not None else (message.get("refusal") or "")
    if text:
        blocks.append({"type": "text", "text": text})
    for call in calls:
        function = call["function"]
        blocks.append({"type": "tool_use", "id": _id(call["id"]), "name": function["name"], "input": _input(function["arguments"])})
    return blocks


def _id(given: str) -> str:
    return _ID.sub("_", given)


def _input(arguments: str) -> Json:
    """Arguments as the object that the API wants; what a model once wrote wrongly is shown to it as it was."""
    try:
        found = _decode(arguments or "{}")
    except (msgspec.MsgspecError, ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"_invalid_json": arguments}


# --- thinking, tools and formats -------------------------------------------------------------------


def _think(body: dict[str, Json], request: ChatRequest, facts: Facts) -> bool:
    """Put what the effort means into the body; whether it thinks."""
    fragment = effort(facts.reasoning, request.reasoning_effort) if facts.reasoning else {}
    body |= fragment
    thinking = body.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") in (None, "disabled"):
        return False
    budget = thinking.get("budget_tokens")
    if isinstance(budget, int):
        # The limit covers thoughts and answer together, as the reservation does: thoughts get half of it at the most.
        budget = min(budget, body["max_tokens"] // 2)
        if budget < _LEAST_BUDGET:
            del body["thinking"]
            return False
        body["thinking"] = thinking | {"budget_tokens": budget}
    return True


def _add_tools(body: dict[str, Json], request: ChatRequest, *, thinking: bool) -> None:
    if request.tool_choice == "none":
        return  # tools that must not be called are not shown
    tools = []
    for tool in request.tools or ():
        asked = tool["function"]
        built: dict[str, Json] = {"name": asked["name"], "input_schema": asked.get("parameters") or {"type": "object"}}
        if asked.get("description") is not None:
            built["description"] = asked["description"]
        tools.append(built)
    body["tools"] = tools
    choice: dict[str, Json] | None = None
    wanted = request.tool_choice
    if type(wanted) is dict and not thinking:
        choice = {"type": "tool", "name": wanted["function"]["name"]}
    elif wanted == "required" and not thinking:
        choice = {"type": "any"}
    elif wanted is not None:
        choice = {"type": "auto"}
    if request.parallel_tool_calls is False:
        choice = (choice or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    if choice is not None:
        body["tool_choice"] = choice


def _add_format(body: dict[str, Json], request: ChatRequest, target: Target, system: str, *, thinking: bool) -> str:
    """A schema as a tool that must be called, whose arguments are the answer; else in words. Gives the system prompt."""
    asked = request.response_format
    schema = asked if isinstance(asked, JsonSchemaFormat) else None
    if schema is not None and rung(request, target) == "json_schema" and not thinking and "tools" not in body:
        description = "The answer, and all of it: call this once."
        body["tools"] = [{"name": SCHEMA_TOOL, "description": description, "input_schema": schema.schema}]
        body["tool_choice"] = {"type": "tool", "name": SCHEMA_TOOL, "disable_parallel_tool_use": True}
        return system
    words = OBJECT if schema is None else SCHEMA + _json(schema.schema).decode()
    return f"{system}\n\n{words}" if system else words


