"""The OpenAPI 3.1 document of what is served, generated from the tables that the decoders read.

Never says what the decoders don't do: request bodies are closed (`additionalProperties: false`)
with the bounds of the field tables, and every error code of `errors.CODES` stands at its status.
Standards followed: OpenAPI 3.1.0; JSON Schema 2020-12.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lizi.errors import CODES
from lizi.wire.openai_fields import CHAT_FIELDS, FieldRule, JsonSchema, schema_of
from lizi.wire.task_fields import INPUT_FIELDS, OPTION_FIELDS, TASK_FIELDS, TASK_RESULTS

__all__ = ["document"]

_NEVER_ON_THE_WIRE = frozenset({"config_invalid", "store_failed"})
_TEXT: JsonSchema = {"type": "string"}
_COUNT: JsonSchema = {"type": "integer", "minimum": 0}
_REQUIRED = {"writing.rewrite": ("style",), "writing.transform": ("to",)}
_SUMMARIES = {
    "chat": "Chat completions",
    "writing.proofread": "Correct a text; get the edits",
    "writing.rewrite": "Say a text another way, its numbers, links and names kept",
    "writing.transform": "Make a summary, key points, a list or a table of a text",
}


def document(*, version: str, features: Collection[str], base_url: str = "") -> dict[str, Any]:
    """The document. `features` are those that the configuration offers, without `chat`, which always is."""
    paths: dict[str, Any] = {"/v1/chat/completions": {"post": _post("chat", "ChatRequest", "ChatCompletion")}}
    schemas: dict[str, JsonSchema] = {
        "ChatRequest": _chat_request(),
        "ChatCompletion": _CHAT_COMPLETION,
        "Models": _MODELS,
        "Error": _error(),
    }
    for feature in sorted(features):
        name = "".join(word.capitalize() for word in feature.split("."))
        schemas[f"{name}Request"] = _task_request(feature)
        schemas[f"{name}Result"] = _closed({"result": TASK_RESULTS[feature], "meta": _META}, "result", "meta")
        paths["/v1/" + feature.replace(".", "/")] = {"post": _post(feature, f"{name}Request", f"{name}Result")}
    paths["/v1/models"] = {"get": _get("models", "Logical models that this key may ask for", _json("Models"), secured=True)}
    schemas["Notices"] = _NOTICES
    summary = "What a market's law wants shown of the models behind the features that this key may use"
    paths["/v1/notices"] = {"get": _get("notices", summary, _json("Notices"), secured=True) | {"parameters": _NOTICES_ASKED}}
    paths["/v1/notices"]["get"]["responses"]["400"] = {"$ref": "#/components/responses/400"}
    state = {"application/json": {"schema": _closed({"status": _TEXT}, "status")}}
    paths["/healthz"] = {"get": _get("health", "The process runs", state)}
    paths["/readyz"] = {"get": _get("readiness", "The instance wants traffic", state)}
    paths["/readyz"]["get"]["responses"]["503"] = {"description": "Not now", "content": state}
    paths["/metrics"] = {
        "get": _get("metrics", "Numbers for Prometheus: from loopback or with their token", {"text/plain": {"schema": _TEXT}})
    }
    paths["/metrics"]["get"]["responses"] |= {"401": {"$ref": "#/components/responses/401"}, "404": {"$ref": "#/components/responses/404"}}
    paths["/openapi.json"] = {"get": _get("openapi", "This document", {"application/json": {"schema": {"type": "object"}}})}
    made: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Lizi", "version": version, "description": "AI features on partners' models, behind one door."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {str(status): _failure(status, codes) for status, codes in _codes_by_status().items()},
            "securitySchemes": {"app_key": {"type": "http", "scheme": "bearer"}},
        },
    }
    if base_url:
        made["servers"] = [{"url": base_url}]
    return made


# --- operations ----------------------------------------------------------------------------------


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _post(feature: str, request: str, result: str) -> dict[str, Any]:
    described = "with `stream: true`: server-sent events, of which each `data` is JSON or `[DONE]`"
    stream = {"text/event-stream": {"schema": {"description": described}}}
    return {
        "operationId": feature,
        "summary": _SUMMARIES[feature],
        "security": [{"app_key": []}],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
                "description": "A repeat within its life neither runs nor charges twice: it gets 409 with the first one's id and state.",
            }
        ],
        "requestBody": {"required": True, "content": _json(request)},
        "responses": {"200": {"description": "The answer", "content": _json(result) | stream}}
        | {str(status): {"$ref": f"#/components/responses/{status}"} for status in _codes_by_status()},
    }


def _get(name: str, summary: str, content: dict[str, Any], *, secured: bool = False) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": summary, "content": content}}
    if secured:
        responses |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in (401, 503)}
    return {"operationId": name, "summary": summary, "security": [{"app_key": []}] if secured else [], "responses": responses}


def _codes_by_status() -> dict[int, list[str]]:
    by_status: dict[int, list[str]] = {}
    for code, spec in CODES.items():
        if code not in _NEVER_ON_THE_WIRE:
            by_status.setdefault(spec.status, []).append(code)
    return dict(sorted(by_status.items()))


def _failure(status: int, codes: list[str]) -> dict[str, Any]:
    return {"description": ", ".join(f"`{code}`" for code in codes), "content": _json("Error")}


# --- schemas -------------------------------------------------------------------------------------


def _closed(properties: Mapping[str, JsonSchema], *required: str) -> JsonSchema:
    return {"type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False}


def _or_null(schema: JsonSchema) -> JsonSchema:
    return {"anyOf": [schema, {"type": "null"}]}


def _chat_request() -> JsonSchema:
    made = _closed({name: schema_of(name) for name in CHAT_FIELDS}, "model", "messages")
    # The decoder also takes both when they agree; one of them is what to send.
    made["not"] = {"required": ["max_tokens", "max_completion_tokens"]}
    return made


def _of_rules(rules: Mapping[str, FieldRule], required: Collection[str]) -> dict[str, JsonSchema]:
    made: dict[str, JsonSchema] = {}
    for name, rule in rules.items():
        if rule.kind == "dropped":
            made[name] = {"description": "accepted and not used"}
        elif rule.kind == "unsupported":
            made[name] = {"enum": [*rule.neutral, None]}
        else:
            made[name] = rule.schema if name in required else _or_null(rule.schema)
    return made


def _task_request(feature: str) -> JsonSchema:
    required = ("input", "locale", *_REQUIRED.get(feature, ()))
    properties = _of_rules(TASK_FIELDS[feature], required)
    properties["input"] = _closed(_of_rules(INPUT_FIELDS, ("text",)), "text")
    properties["options"] = _or_null(_closed(_of_rules(OPTION_FIELDS, ())))
    return _closed(properties, *required)


def _error() -> JsonSchema:
    codes = [code for code in CODES if code not in _NEVER_ON_THE_WIRE]
    properties: dict[str, JsonSchema] = {
        "message": {"type": "string", "description": "for the engineer: what was wrong, where, and how to put it right"},
        "type": {"enum": sorted({CODES[code].openai_type for code in codes})},
        "param": _or_null(_TEXT),
        "code": {"enum": codes},
        "user_message": _closed(dict.fromkeys(("zh-Hans", "zh-Hant", "en"), _TEXT), "zh-Hans", "zh-Hant", "en"),
        "request_id": _TEXT,
        "retry_after": {"type": "number", "minimum": 0, "description": "seconds"},
        "hint": _TEXT,
    }
    inner = _closed(properties, "message", "type", "param", "code", "user_message", "request_id")
    del inner["additionalProperties"]  # a code's own fields: `context_size`, `errors`, `exchange_id` …
    return _closed({"error": inner}, "error")


_USAGE = _closed(
    {
        "prompt_tokens": _COUNT,
        "completion_tokens": _COUNT,
        "total_tokens": _COUNT,
        "prompt_tokens_details": _closed({"cached_tokens": _COUNT}, "cached_tokens"),
        "completion_tokens_details": _closed({"reasoning_tokens": _COUNT}, "reasoning_tokens"),
    },
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
)
_CALL = _closed(
    {"id": _TEXT, "type": {"const": "function"}, "function": _closed({"name": _TEXT, "arguments": _TEXT}, "name", "arguments")},
    "id",
    "type",
    "function",
)
_RETRACT = _closed({"scope": {"const": "all"}, "replacement": _TEXT, "reason_class": _TEXT}, "scope", "replacement", "reason_class")
_RECEIPT: JsonSchema = _closed(
    {
        "config": {"type": "string", "description": "hash of the configuration that decided"},
        "attempts": {
            "type": "array",
            "items": _closed(
                {
                    "to": {"enum": ["partner", "own"]},
                    "terms": {"anyOf": [_TEXT, {"type": "null"}], "description": "SHA-256 of the signed terms that it was sent under"},
                    "fields": {"type": "array", "items": _TEXT},
                    "hidden": {"type": "object", "additionalProperties": _COUNT, "description": "kind of personal data: values hidden"},
                    "answered": {"type": "boolean"},
                },
                "to", "terms", "fields", "hidden", "answered",
            ),
        },
    },
    "config", "attempts",
)  # fmt: skip

_CHAT_COMPLETION = _closed(
    {
        "id": _TEXT,
        "object": {"const": "chat.completion"},
        "created": {"type": "integer"},
        "model": {"type": "string", "description": "the logical name that was asked for"},
        "choices": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": _closed(
                {
                    "index": {"const": 0},
                    "message": _closed(
                        {
                            "role": {"const": "assistant"},
                            "content": _or_null(_TEXT),
                            "refusal": {"type": "null"},
                            "tool_calls": {"type": "array", "minItems": 1, "items": _CALL},
                            "x_state": _TEXT,
                        },
                        "role",
                        "content",
                        "refusal",
                    ),
                    "logprobs": {"type": "null"},
                    "finish_reason": {"enum": ["stop", "length", "tool_calls", "content_filter"]},
                    "x_retract": _RETRACT,
                    "x_receipt": _RECEIPT,
                },
                "index",
                "message",
                "finish_reason",
            ),
        },
        "usage": _USAGE,
    },
    "id",
    "object",
    "created",
    "model",
    "choices",
    "usage",
)
_MODEL = _closed(
    {"id": _TEXT, "object": {"const": "model"}, "created": {"type": "integer"}, "owned_by": _TEXT}, "id", "object", "created", "owned_by"
)
_MODELS = _closed({"object": {"const": "list"}, "data": {"type": "array", "items": _MODEL}}, "object", "data")
_NOTICES_ASKED = [
    {
        "name": "market",
        "in": "query",
        "schema": {"type": "string", "minLength": 1},
        "description": "Market whose notices are wanted, as keys and targets name it; left out, the key's own.",
    },
    {
        "name": "locale",
        "in": "query",
        "schema": {"type": "string", "minLength": 1},
        "description": "Language of the answer, a BCP 47 tag; left out, what Accept-Language likes best, else the market's own.",
    },
]
_NOTICE = _closed(
    {
        "features": {"type": "array", "items": _TEXT, "description": "features that it answers; chat asks `models` by name"},
        "models": {"type": "array", "items": _TEXT, "description": "logical models that it may answer"},
        "name": {"type": "string", "description": "the model's name as it was filed"},
        "number": {"type": "string", "description": "the number that it was given"},
        "filed_on": _or_null({"type": "string", "format": "date"}),
        "authority": _or_null(_TEXT),
        "text": {"type": "string", "description": "a sentence that can be shown as it stands"},
    },
    "features",
    "models",
    "name",
    "number",
    "filed_on",
    "authority",
    "text",
)
_NOTICES = _closed(
    {"market": _TEXT, "locale": {"enum": ["zh-Hans", "zh-Hant", "en"]}, "notices": {"type": "array", "items": _NOTICE}},
    "market",
    "locale",
    "notices",
)
_META: JsonSchema = {
    "type": "object",
    "properties": {
        "request_id": _TEXT,
        "feature": _TEXT,
        "feature_version": _TEXT,
        "tier_used": _TEXT,
        "locale": _TEXT,
        "usage": {"type": "object"},
        "receipt": _RECEIPT,
        "quota": {"type": "object"},
    },
    "required": ["request_id", "feature", "feature_version", "tier_used"],
}
