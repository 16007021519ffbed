"""The fields of `POST /v1/chat/completions`, in four kinds; a field in no table is unknown and refused.

*used*: acted on. *dropped*: known and without effect on the answer; taken out, counted, never
sent. *unsupported*: known and result-changing; refused unless it says what happens anyway
(`neutral`). The decoder and the OpenAPI document both read this one table.
Standard followed: OpenAI API reference, "Create chat completion", as of November 2026.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

__all__ = ["CHAT_FIELDS", "FieldRule", "MESSAGE_FIELDS", "PART_FIELDS", "schema_of"]

JsonSchema = dict[str, Any]


class FieldRule(Struct, frozen=True):
    """One known field."""

    kind: Literal["used", "dropped", "unsupported"]
    schema: JsonSchema = {}
    """What a used field may hold, as JSON Schema; the decoder's checks say the same in code."""
    neutral: tuple[Any, ...] = ()
    """Values of an unsupported field that ask for nothing; they pass and are dropped."""


INTEGER_LIMIT = (1 << 63) - 1
MODEL_LENGTH = 256  # no partner's name of a model comes near
OUTPUT_TOKENS = 10_000_000  # above any model's window; keeps the reservation's arithmetic small
STOPS = 4  # OpenAI's own bound
TOOLS = 128  # OpenAI's own bound
TOOL_NAME = "^[a-zA-Z0-9_-]{1,64}$"
IMAGES = 20  # above that Anthropic takes only small ones; each costs up to seconds of a processor
CONVERSATION = "^[A-Za-z0-9_-]{16,128}$"  # 16 characters hold 96 random bits: two conversations don't meet
STATE_LENGTH = 64 * 1024  # the most that `lizi.carry` seals

_TEXT: JsonSchema = {"type": "string"}
_NULL: JsonSchema = {"type": "null"}
_NAME: JsonSchema = {"type": "string", "pattern": TOOL_NAME}


def _closed(properties: dict[str, JsonSchema], *required: str) -> JsonSchema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _or_null(schema: JsonSchema) -> JsonSchema:
    return {"anyOf": [schema, {"type": "null"}]}


_TOOL = _closed(
    {
        "type": {"const": "function"},
        "function": _closed(
            {
                "name": _NAME,
                "description": _or_null(_TEXT),
                "parameters": _or_null({"type": "object", "description": "JSON Schema of the arguments"}),
                "strict": _or_null({"type": "boolean"}),
            },
            "name",
        ),
    },
    "type",
    "function",
)
_TOOL_CHOICE: JsonSchema = {
    "anyOf": [
        {"enum": ["none", "auto", "required"]},
        _closed({"type": {"const": "function"}, "function": _closed({"name": _NAME}, "name")}, "type", "function"),
    ]
}
_RESPONSE_FORMAT: JsonSchema = {
    "anyOf": [
        _closed({"type": {"const": "text"}}, "type"),
        _closed({"type": {"const": "json_object"}}, "type"),
        _closed(
            {
                "type": {"const": "json_schema"},
                "json_schema": _closed(
                    {
                        "name": _or_null(_NAME),
                        "description": _or_null(_TEXT),
                        "schema": {"type": "object", "description": "JSON Schema; references only within itself"},
                        "strict": _or_null({"type": "boolean"}),
                    },
                    "schema",
                ),
            },
            "type",
            "json_schema",
        ),
    ]
}

CHAT_FIELDS: dict[str, FieldRule] = {
    # acted on
    "model": FieldRule("used", {"type": "string", "minLength": 1, "maxLength": MODEL_LENGTH}),
    "messages": FieldRule("used"),  # its schema is built from the tables below
    "stream": FieldRule("used", {"type": "boolean"}),
    "stream_options": FieldRule("used", _closed({"include_usage": _or_null({"type": "boolean"}), "include_obfuscation": {}})),
    "max_tokens": FieldRule("used", {"type": "integer", "minimum": 1, "maximum": OUTPUT_TOKENS}),
    "max_completion_tokens": FieldRule("used", {"type": "integer", "minimum": 1, "maximum": OUTPUT_TOKENS}),
    "temperature": FieldRule("used", {"type": "number", "minimum": 0, "maximum": 2}),
    "top_p": FieldRule("used", {"type": "number", "minimum": 0, "maximum": 1}),
    "presence_penalty": FieldRule("used", {"type": "number", "minimum": -2, "maximum": 2}),
    "frequency_penalty": FieldRule("used", {"type": "number", "minimum": -2, "maximum": 2}),
    "stop": FieldRule(
        "used",
        {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "maxItems": STOPS, "items": {"type": "string", "minLength": 1}}]},
    ),
    "seed": FieldRule("used", {"type": "integer", "minimum": -INTEGER_LIMIT - 1, "maximum": INTEGER_LIMIT}),
    "tools": FieldRule("used", {"type": "array", "maxItems": TOOLS, "items": _TOOL}),
    "tool_choice": FieldRule("used", _TOOL_CHOICE),
    "parallel_tool_calls": FieldRule("used", {"type": "boolean"}),
    "response_format": FieldRule("used", _RESPONSE_FORMAT),
    "reasoning_effort": FieldRule("used", {"enum": ["none", "minimal", "low", "medium", "high", "xhigh"]}),
    # ours, documented in docs/guides/chat-extensions.md
    "x_can_retract": FieldRule("used", {"type": "boolean"}),
    "x_receipt": FieldRule("used", {"type": "boolean"}),
    "x_conversation": FieldRule("used", {"type": "string", "pattern": CONVERSATION}),
    # known and harmless: about accounts, caches and dashboards, not about the answer
    "user": FieldRule("dropped"),  # would name a device's owner to the partner
    "safety_identifier": FieldRule("dropped"),  # the same under its newer name
    "metadata": FieldRule("dropped"),  # labels for a partner's dashboard
    "store": FieldRule("dropped"),  # asks the partner to keep the text: Lizi never asks that
    "prompt_cache_key": FieldRule("dropped"),  # links one user's requests at the partner
    "prompt_cache_retention": FieldRule("dropped"),  # asks the partner to keep the prompt longer
    "service_tier": FieldRule("dropped"),  # which price to pay is the maker's choice, in the routes
    # known, result-changing, not offered
    "n": FieldRule("unsupported", neutral=(1,)),
    "logprobs": FieldRule("unsupported", neutral=(False,)),
    "top_logprobs": FieldRule("unsupported", neutral=(0,)),
    "logit_bias": FieldRule("unsupported", neutral=({},)),
    "modalities": FieldRule("unsupported", neutral=(["text"],)),
    "audio": FieldRule("unsupported"),
    "prediction": FieldRule("unsupported"),
    "web_search_options": FieldRule("unsupported"),
    "verbosity": FieldRule("unsupported", neutral=("medium",)),
    "functions": FieldRule("unsupported", neutral=([],)),  # OpenAI's form of 2023; `tools` says the same
    "function_call": FieldRule("unsupported", neutral=("none",)),
}

_USED, _DROPPED, _UNSUPPORTED = FieldRule("used"), FieldRule("dropped"), FieldRule("unsupported")

_SPOKEN = {"role": _USED, "content": _USED, "name": _DROPPED}  # `name` is a person's name more often than not

MESSAGE_FIELDS: dict[str, dict[str, FieldRule]] = {
    "system": _SPOKEN,
    "developer": _SPOKEN,
    "user": _SPOKEN,
    "assistant": _SPOKEN
    | {
        "tool_calls": _USED,
        "refusal": _USED,
        "x_state": _USED,
        # What clients send back when they echo an earlier answer of ours whole.
        "annotations": _DROPPED,
        "parsed": _DROPPED,
        "reasoning_content": _DROPPED,
        "audio": _UNSUPPORTED,
        "function_call": _UNSUPPORTED,
    },
    "tool": {"role": _USED, "content": _USED, "tool_call_id": _USED, "name": _DROPPED},
}
"""Fields of a message, by role."""

PART_FIELDS: dict[str, dict[str, frozenset[str]]] = {
    "system": {"text": frozenset({"type", "text"})},
    "developer": {"text": frozenset({"type", "text"})},
    "user": {"text": frozenset({"type", "text"}), "image_url": frozenset({"type", "image_url"})},
    "assistant": {"text": frozenset({"type", "text"}), "refusal": frozenset({"type", "refusal"})},
    "tool": {"text": frozenset({"type", "text"})},
}
"""Kinds of content parts and their fields, by role."""

_PARTS: dict[str, JsonSchema] = {
    "text": _closed({"type": {"const": "text"}, "text": _TEXT}, "type", "text"),
    "refusal": _closed({"type": {"const": "refusal"}, "refusal": _TEXT}, "type", "refusal"),
    "image_url": _closed(
        {
            "type": {"const": "image_url"},
            "image_url": _closed(
                {
                    "url": {
                        "type": "string",
                        "pattern": "^data:image/(png|jpeg|gif|webp);base64,",
                        "description": "The image itself: at most 10 MiB, and 50 million pixels as JPEG, 25 million as another type;"
                        f" {IMAGES} in a request. A partner gets its pixels, upright, as JPEG or PNG: no metadata, no further frames."
                        " A link is refused unless the configuration allows it (`[veil] remote_images`).",
                    },
                    "detail": _or_null({"enum": ["auto", "low", "high"]}),
                },
                "url",
            ),
        },
        "type",
        "image_url",
    ),
}
_CALL = _closed(
    {
        "id": {"type": "string", "minLength": 1},
        "type": {"const": "function"},
        "index": {},
        "function": _closed({"name": _NAME, "arguments": _TEXT, "parsed_arguments": {}}, "name", "arguments"),
    },
    "id",
    "type",
    "function",
)


def _message_schema(role: str) -> JsonSchema:
    parts = [_PARTS[kind] for kind in PART_FIELDS[role]]
    content: JsonSchema = {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": {"anyOf": parts} if len(parts) > 1 else parts[0]}]}
    properties: dict[str, JsonSchema] = {
        "role": {"const": role},
        "content": _or_null(content) if role == "assistant" else content,
        "tool_calls": _or_null({"type": "array", "minItems": 1, "maxItems": TOOLS, "items": _CALL}),
        "refusal": _or_null(_TEXT),
        "tool_call_id": {"type": "string", "minLength": 1},
        "x_state": _or_null({"type": "string", "maxLength": STATE_LENGTH}),
    }
    fields = MESSAGE_FIELDS[role]
    shown = {
        name: _NULL if rule.kind == "unsupported" else properties[name] if rule.kind == "used" else {} for name, rule in fields.items()
    }
    if role == "assistant":
        said = [
            {"required": ["content"], "properties": {"content": content}},
            {"required": ["tool_calls"], "properties": {"tool_calls": {"type": "array"}}},
            {"required": ["refusal"], "properties": {"refusal": _TEXT}},
        ]
        return _closed(shown, "role") | {"anyOf": said}
    return _closed(shown, "role", "content", *(("tool_call_id",) if role == "tool" else ()))


def schema_of(name: str) -> JsonSchema:
    """JSON Schema of one field of the request, for the OpenAPI document."""
    if name == "messages":
        return {"type": "array", "minItems": 1, "items": {"oneOf": [_message_schema(role) for role in MESSAGE_FIELDS]}}
    rule = CHAT_FIELDS[name]
    if rule.kind == "unsupported":
        return {"enum": [*rule.neutral, None]}
    if rule.kind == "dropped":
        return {"description": "accepted and not used"}
    return rule.schema if name == "model" else _or_null(rule.schema)
