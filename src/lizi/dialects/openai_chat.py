"""The OpenAI chat dialect, which most partners speak: requests built, replies and streams read.

`encode` builds every message, part and tool anew from the keys it knows: who asked, and every
field that is not needed for the answer, stays in the house. What a partner does differently is
data, `Target.facts`, applied last; no partner is known here by name. Standard followed: OpenAI API
reference, "Create chat completion", in the form that partners share (partners.md §3.2).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from lizi.dialects.classes import classify
from lizi.dialects.differences import adjust, effort
from lizi.dialects.openai_chat_reader import Reader
from lizi.types import BASE, Call, ChatRequest, Facts, Json, JsonSchemaFormat, Target

__all__ = ["OBJECT", "SCHEMA", "Reader", "classify", "encode", "rung"]

# The wall adds host, length, credential and what it needs for its own framing.
_HEADERS_STREAM = ((b"content-type", b"application/json"), (b"accept", b"text/event-stream"))
_HEADERS_WHOLE = ((b"content-type", b"application/json"), (b"accept", b"application/json"))

OBJECT = "Answer with one JSON object and nothing else: no other words, no code fence."
SCHEMA = "Answer with JSON that this JSON Schema accepts, and nothing else: no other words, no code fence.\n"

_json = msgspec.json.Encoder().encode


Rung = Literal["json_schema", "json_object", "prompt"]


def encode(request: ChatRequest, target: Target) -> Call:
    """The partner's HTTP call for `request`."""
    body: dict[str, Json] = {"model": target.model, "messages": [_MESSAGES[message["role"]](message) for message in request.messages]}
    if request.stream:
        # Usage is always asked for: the ledger needs it whether the device does or not.
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if request.max_output_tokens is not None:
        body["max_tokens"] = request.max_output_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.presence_penalty is not None:
        body["presence_penalty"] = request.presence_penalty
    if request.frequency_penalty is not None:
        body["frequency_penalty"] = request.frequency_penalty
    if request.stop:
        body["stop"] = request.stop
    if request.seed is not None:
        body["seed"] = request.seed
    if request.reasoning_effort is not None:
        body["reasoning_effort"] = request.reasoning_effort
    if request.tools:
        _add_tools(body, request, target)
    if request.response_format is not None:
        _add_format(body, request, target)
    headers = _HEADERS_STREAM if request.stream else _HEADERS_WHOLE
    facts = target.facts
    if facts is BASE:
        return Call(
            method="POST",
            url=target.base_url + "/chat/completions",
            headers=headers,
            body=_json(body),
            fields=tuple(body),
            credential=target.credential,
        )
    body = _differ(body, request, facts)
    return Call(
        method="POST",
        url=target.base_url + (facts.path or "/chat/completions"),
        headers=(*headers, *((name.encode("ascii"), value.encode("latin-1")) for name, value in facts.headers)),
        body=_json(body),
        fields=tuple(body),
        credential=target.credential,
        authorization=facts.authorization,
    )


# --- what a partner does differently ---------------------------------------------------------------


def _differ(body: dict[str, Json], request: ChatRequest, facts: Facts) -> dict[str, Json]:
    """The base's body as this partner takes it."""
    if facts.replay != "drop" or facts.system_role != "system":
        _replay(body["messages"], request.messages, facts)
    choice = body.get("tool_choice")
    if choice is not None and ("named" if type(choice) is dict else choice) not in facts.tool_choices:
        # The nearest that it takes: a call that was demanded stays demanded where that can be said at all.
        demanded = choice != "none" and choice != "auto" and "required" in facts.tool_choices
        body["tool_choice"] = "required" if demanded else "auto"
        if choice == "none":  # tools that must not be called are not shown
            del body["tool_choice"], body["tools"]
            body.pop("parallel_tool_calls", None)
    if "tools.strict" in facts.drop:
        for tool in body.get("tools", ()):
            tool["function"].pop("strict", None)
    if facts.reasoning:
        asked = body.pop("reasoning_effort", None)
        body |= effort(facts.reasoning, asked)
        if not request.stream:
            body |= facts.reasoning.get("whole", {})
    return adjust(body, facts, request.salt)


def _replay(built: list[dict[str, Json]], messages: list[dict[str, Json]], facts: Facts) -> None:
    """Give turns back the reasoning that their partner demands; `messages` carry it under `reasoning` where it is known."""
    # An instruction may have been put in front: count from the end.
    for turn, message in zip(reversed(built), reversed(messages), strict=False):
        role = turn["role"]
        if role == "system":
            turn["role"] = facts.system_role
        elif role == "assistant" and (facts.replay == "always" or (facts.replay == "tool_loop" and "tool_calls" in turn)):
            turn["reasoning_content"] = "".join(part["text"] for part in message.get("reasoning", ()))
    if built[0]["role"] == "system":
        built[0]["role"] = facts.system_role


# --- messages ----------------------------------------------------------------------------------


def _content(content: Json) -> Json:
    """Text as one string, which every partner takes in every role; parts only where there is an image."""
    if type(content) is str:
        return content
    if all(part["type"] != "image_url" for part in content):
        return "\n".join(part[part["type"]] for part in content)
    return [_image(part["image_url"]) if part["type"] == "image_url" else {"type": "text", "text": part["text"]} for part in content]


def _image(image: dict[str, Json]) -> dict[str, Json]:
    built = {"url": image["url"]}
    if image.get("detail") is not None:
        built["detail"] = image["detail"]
    return {"type": "image_url", "image_url": built}


def _system(message: dict[str, Json]) -> dict[str, Json]:
    """`developer` is OpenAI's own word for it; other partners know only `system`."""
    return {"role": "system", "content": _content(message["content"])}


def _user(message: dict[str, Json]) -> dict[str, Json]:
    return {"role": "user", "content": _content(message["content"])}


def _assistant(message: dict[str, Json]) -> dict[str, Json]:
    content = message.get("content")
    calls = message.get("tool_calls")
    if content is None:
        # A refusal is what the assistant said; partners have no other place for it.
        content = message.get("refusal") if not calls else None
    built: dict[str, Json] = {"role": "assistant", "content": None if content is None else _content(content)}
    if calls:
        built["tool_calls"] = [
            {
                "id": call["id"],
                "type": "function",
                # a call without arguments has the empty object: some partners refuse the empty text
                "function": {"name": call["function"]["name"], "arguments": _arguments(call["function"]["arguments"])},
            }
            for call in calls
        ]
    return built


def _arguments(text: str) -> str:
    return text if text.strip() else "{}"


def _tool(message: dict[str, Json]) -> dict[str, Json]:
    return {"role": "tool", "tool_call_id": message["tool_call_id"], "content": _content(message["content"])}


_MESSAGES: dict[str, Any] = {"system": _system, "developer": _system, "user": _user, "assistant": _assistant, "tool": _tool}


# --- tools and formats ---------------------------------------------------------------------------


def _add_tools(body: dict[str, Json], request: ChatRequest, target: Target) -> None:
    tools = []
    for tool in request.tools or ():
        asked = tool["function"]
        function: dict[str, Json] = {"name": asked["name"]}
        for key in ("description", "parameters"):
            if asked.get(key) is not None:
                function[key] = asked[key]
        if target.strict_schema and asked.get("strict") is not None:  # others refuse the field
            function["strict"] = asked["strict"]
        tools.append({"type": "function", "function": function})
    body["tools"] = tools
    choice = request.tool_choice
    if type(choice) is dict:
        choice = {"type": "function", "function": {"name": choice["function"]["name"]}}
    if choice is not None:
        body["tool_choice"] = choice
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def rung(request: ChatRequest, target: Target) -> Rung:
    """The highest rung that the target can and the request still wants (api.md §4.6)."""
    wants_schema = isinstance(request.response_format, JsonSchemaFormat)
    if wants_schema and request.format_floor == "json_schema" and "json_schema" in target.capabilities:
        return "json_schema"
    if request.format_floor != "prompt" and "json_object" in target.capabilities:
        return "json_object"
    return "prompt"


def _add_format(body: dict[str, Json], request: ChatRequest, target: Target) -> None:
    asked = request.response_format
    schema = asked if isinstance(asked, JsonSchemaFormat) else None
    reached = rung(request, target)
    if reached == "json_schema" and schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": schema.name, "strict": True, "schema": schema.schema}}
        return
    if reached == "json_object":
        body["response_format"] = {"type": "json_object"}
    _instruct(body["messages"], OBJECT if schema is None else SCHEMA + _json(schema.schema).decode())


def _instruct(messages: list[dict[str, Json]], text: str) -> None:
    """Into the leading system message if there is one: some models' templates take only one, and only in front."""
    if messages[0]["role"] == "system":
        messages[0]["content"] = f"{messages[0]['content']}\n\n{text}"
    else:
        messages.insert(0, {"role": "system", "content": text})
