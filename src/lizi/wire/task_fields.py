"""The fields of the writing features, in the same kinds as `openai_fields`; the decoder and the OpenAPI document read these tables.

*used*: acted on. *dropped*: known and without effect on the result today; counted, never sent.
*unsupported*: known and result-changing; refused unless it says what happens anyway
(`neutral`). A field in no table is unknown and refused. Source of the fields: the house's own
API design (common request, task shapes, streaming).
"""

from __future__ import annotations

from typing import Any

from lizi.wire.locales import LOCALES
from lizi.wire.openai_fields import FieldRule

__all__ = ["CANDIDATES", "CONTEXT_TOKENS", "INPUT_FIELDS", "MAX_CHARS", "MAX_ITEMS", "OPTION_FIELDS", "TASK_FIELDS", "TASK_RESULTS"]

CONTEXT_TOKENS = 3_800
"""Longest input. It, an answer as long as it, and the instructions fit the smallest window of a partner (8,192)."""
CANDIDATES = 3  # as many as a device shows side by side
MAX_ITEMS = 20  # more points than that are no summary of a short text
MAX_CHARS = 20_000  # no result of an input of CONTEXT_TOKENS is longer
INSTRUCTION_LENGTH = 500
PROTECTED_RANGES = 1_000
KEY_LENGTH = 255

STYLES = ("friendly", "professional", "concise", "elaborate", "rephrase", "emojify", "custom")
SHAPES = ("summary", "key_points", "list", "table")
LEVELS = ("spelling", "grammar", "style")

_RANGE: dict[str, Any] = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 2}


def _used(**schema: Any) -> FieldRule:
    return FieldRule("used", schema)


INPUT_FIELDS: dict[str, FieldRule] = {
    "text": _used(type="string", minLength=1),
    "format": _used(enum=["plain", "markdown"], default="plain"),
    "protected_ranges": _used(
        type="array",
        items=_RANGE,
        maxItems=PROTECTED_RANGES,
        description="[start, end) in `offset_unit`, sorted and not overlapping; no edit touches them and a rewrite keeps their text",
    ),
}

OPTION_FIELDS: dict[str, FieldRule] = {
    "candidates": _used(type="integer", minimum=1, maximum=CANDIDATES, default=1),
    "max_chars": _used(type="integer", minimum=1, maximum=MAX_CHARS, description="longest rewrite or summary, in Unicode scalars"),
    "reasoning": FieldRule("unsupported", neutral=("none",)),
}

_COMMON: dict[str, FieldRule] = {
    "input": _used(type="object"),
    "locale": _used(type="string", description="BCP-47; one of " + ", ".join(LOCALES) + " after resolution"),
    "offset_unit": _used(enum=["scalar", "utf16"], default="scalar"),
    "options": _used(type="object"),
    "stream": _used(type="boolean", default=False),
    "receipt": _used(type="boolean", default=False, description="`meta.receipt` then tells what left for the partner"),
    "idempotency_key": _used(type="string", minLength=1, maxLength=KEY_LENGTH),
    "tier": _used(type="object", description="a request whose `allow` leaves out `partner` is refused: there is no other tier"),
    "output_locale": _used(type="string", description="must resolve to the same locale as `locale`"),
    # A result is held until it is checked, so nothing ever has to be taken back.
    "moderation_mode": FieldRule("unsupported", neutral=("full",)),
    "can_retract": FieldRule("dropped"),
    "context": FieldRule("dropped"),
    "consent": FieldRule("dropped"),
    "data_class": FieldRule("dropped"),
}

TASK_FIELDS: dict[str, dict[str, FieldRule]] = {
    "writing.proofread": _COMMON
    | {
        "input_kind": _used(enum=["keyboard", "voice"], default="keyboard"),
        "level": _used(enum=list(LEVELS), default="grammar"),
    },
    "writing.rewrite": _COMMON
    | {
        "style": _used(enum=list(STYLES)),
        "instruction": _used(type="string", minLength=1, maxLength=INSTRUCTION_LENGTH, description="with `style: custom` only"),
    },
    "writing.transform": _COMMON
    | {
        "to": _used(enum=list(SHAPES)),
        "max_items": _used(type="integer", minimum=1, maximum=MAX_ITEMS, description="points, items or rows; not with `to: summary`"),
    },
}
"""Feature → its fields."""

_CONFIDENCE: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
_BASIS: dict[str, Any] = {"enum": ["model", "mixed", "input"]}
_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_EDIT = _object(
    range=_RANGE,
    original={"type": "string"},
    replacement={"type": "string"},
    kind={"enum": ["spelling", "grammar", "wording", "repetition", "punctuation", "spacing", "capitalization"]},
    severity={"enum": ["error", "suggestion"]},
    explanation={"type": "string"},
)

TASK_RESULTS: dict[str, dict[str, Any]] = {
    "writing.proofread": _object(
        corrected={"type": "string"}, edits={"type": "array", "items": _EDIT}, confidence=_CONFIDENCE, basis=_BASIS
    ),
    "writing.rewrite": _object(
        candidates={
            "type": "array",
            "minItems": 1,
            "items": _object(text={"type": "string"}, style={"enum": list(STYLES)}, confidence=_CONFIDENCE, basis=_BASIS),
        }
    ),
    "writing.transform": {
        "oneOf": [
            _object(summary={"type": "string"}, confidence=_CONFIDENCE, basis=_BASIS),
            _object(points=_TEXTS, confidence=_CONFIDENCE, basis=_BASIS),
            _object(items=_TEXTS, confidence=_CONFIDENCE, basis=_BASIS),
            _object(columns=_TEXTS, rows={"type": "array", "items": _TEXTS}, confidence=_CONFIDENCE, basis=_BASIS),
        ]
    },
}
"""Feature → JSON Schema of its result."""
