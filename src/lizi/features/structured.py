"""Structured output as a promise: what the schema accepts, or a typed error (api.md §4.6).

A plan down the ladder: strict schema → JSON mode and validation → prompt and extraction, with
one repair. Never lets an unchecked answer through as checked, never puts content into an error.
Bounds: four asks; 32 places to look for JSON in a text; a repair quotes at most 32 KiB and adds at most `LONGEST_REPAIR`.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any, Literal, NoReturn

import msgspec
from msgspec.structs import replace

from lizi.errors import PartnerError, ResultError
from lizi.features import Answer
from lizi.types import ChatRequest, Json, JsonSchemaFormat
from lizi.wire.schema import AnswerSchema, compile_schema

__all__ = ["LONGEST_REPAIR", "extract_json", "ladder"]

_BELOW: dict[str, Literal["json_object", "prompt"]] = {"json_schema": "json_object", "json_object": "prompt"}
_PLACES = 32  # prose before an answer has a bracket or two, not dozens; each look may read the whole text
_QUOTED_CHARACTERS = 32 * 1024  # a longer wrong answer is repaired without being shown again
_LISTED_BYTES = 384  # a dozen faults of the usual length; a path of long names, which are the app's own, is left out
_AGAIN = "That answer does not fit:\n{faults}\nAnswer again with the corrected JSON and nothing else."
LONGEST_REPAIR = _AGAIN.format(faults="0" * _LISTED_BYTES)
"""What a repair says beside the wrong answer, at its dearest: no byte of a text makes more tokens than a digit. For reservations."""

_decode = msgspec.json.Decoder().decode


def ladder(request: ChatRequest) -> Generator[ChatRequest, Answer, str]:
    """Yields what to ask, is sent each answer, returns the text for the device.

    The text is the model's own when it is valid as it stands, else the JSON found in it. An answer
    that was cut (`length`), filtered or is tool calls is returned as it came: chat shows the finish
    reason, and OpenAI's clients expect it. Raises `ResultError` `structured_output_failed` with
    `errors` (`path`, `rule`), or `PartnerError` when the last rung is refused.
    """
    asked = request.response_format
    schema = compile_schema(asked.schema) if isinstance(asked, JsonSchemaFormat) else None
    if schema is None and request.format_floor == "json_schema":
        request = replace(request, format_floor="json_object")  # a plain object has no higher rung
    repaired = False
    while True:
        answer = yield request
        if answer.fault is not None:
            below = _BELOW.get(request.format_floor)
            if answer.fault != "bad_request" or below is None:
                _refused(answer.fault)
            request = replace(request, format_floor=below, repairs=False)
            continue
        if answer.finish in ("length", "content_filter", "tool_calls"):
            return answer.text
        text, errors = _check(answer.text, schema)
        if text is not None:
            return text
        if repaired:
            raise ResultError(
                "the model's answer did not fit response_format, also when asked again",
                code="structured_output_failed",
                hint="A simpler schema, or a model that supports json_schema, makes this rarer.",
                extra={"errors": errors},
            )
        repaired = True
        request = _repair(request, answer.text, errors)


def _refused(fault: str) -> NoReturn:
    raise PartnerError("the model behind this name does not take this request as it stands", code="upstream_failed", internal=fault)


def _check(text: str, schema: AnswerSchema | None) -> tuple[str | None, list[dict[str, str]]]:
    """The text to release, or what is wrong with the nearest thing to an answer."""
    try:
        tree = _decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    else:
        errors = _faults(tree, schema)
        return (None, errors) if errors else (text, [])
    errors = [{"path": "", "rule": "json"}]
    for tree in extract_json(text):
        found = _faults(tree, schema)
        if not found:
            return msgspec.json.encode(tree).decode(), []
        errors = found
    return None, errors


def _faults(tree: Json, schema: AnswerSchema | None) -> list[dict[str, str]]:
    if schema is not None:
        return schema.faults(tree)
    return [] if isinstance(tree, dict) else [{"path": "", "rule": "type"}]


def _repair(request: ChatRequest, text: str, errors: list[dict[str, str]]) -> ChatRequest:
    """The same question with the wrong answer and what is wrong with it."""
    said: list[dict[str, Any]] = [{"role": "assistant", "content": text}] if 0 < len(text) <= _QUOTED_CHARACTERS else []
    said.append({"role": "user", "content": _AGAIN.format(faults=_listed(errors))})
    return replace(request, messages=[*request.messages, *said], repairs=True)


def _listed(errors: list[dict[str, str]]) -> str:
    """A line for each fault, as long as they fit."""
    lines, left = [], _LISTED_BYTES
    for error in errors:
        line = f"- at {error['path'] or '/'}: {error['rule']}"
        size = len(line.encode("utf-8", "surrogatepass")) + 1
        if size <= left:
            lines.append(line)
            left -= size
    return "\n".join(lines) or "- at /: schema"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are no JSON


_raw_decode = json.JSONDecoder(parse_constant=_no_constant).raw_decode


def extract_json(text: str) -> Generator[Json, None, None]:
    """JSON objects and lists in a text, from left to right; those inside another are not given.

    At most 32 places are tried, so the work is at most 32 readings of the text.
    """
    at = 0
    for _ in range(_PLACES):
        starts = [start for start in (text.find("{", at), text.find("[", at)) if start >= 0]
        if not starts:
            return
        at = min(starts)
        try:
            _, end = _raw_decode(text, at)
            tree = _decode(text[at:end])  # the strict parser has the last word: half surrogates, 1e999
        except (msgspec.MsgspecError, ValueError, RecursionError):
            at += 1
            continue
        at = end
        yield tree
