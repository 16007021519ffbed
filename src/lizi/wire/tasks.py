"""The writing features' protocol: a body → a checked `TaskRequest`; events → a whole answer or named stream events.

Never puts content into a message. Invariants: what passes has a resolved locale, a text within
the stated size, and protected ranges in scalars that are sorted, disjoint, not empty and inside
the text; a stream's last event is `final` or `error`, ids count from 1. Bound: one event a
result. Standards followed: RFC 8259; WHATWG HTML §9.2 (by `wire.sse`); RFC 3339 for times.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn

import msgspec
from msgspec import Struct

from lizi.errors import InvalidRequest
from lizi.types import Event, Fault, Final, Json, Receipt, Ticket, Usage
from lizi.wire.locales import Locale, resolve_locale
from lizi.wire.openai import decode_json, error_body, reject_field
from lizi.wire.openai_fields import FieldRule
from lizi.wire.sse import write_event
from lizi.wire.task_fields import CONTEXT_TOKENS, INPUT_FIELDS, OPTION_FIELDS, TASK_FIELDS

__all__ = ["TaskRequest", "TaskStreamEncoder", "decode_task", "task_meta", "whole_task"]

OffsetUnit = Literal["scalar", "utf16"]

_encode = msgspec.json.Encoder().encode
_LETTERS_A_TOKEN = 4  # of Latin text; every other character is counted as a token of its own


class TaskRequest(Struct, frozen=True, kw_only=True):
    """A writing feature's request. Fields of other features keep their defaults."""

    feature: str
    text: str
    locale: Locale
    markdown: bool = False
    protected: tuple[tuple[int, int], ...] = ()
    """[start, end) in Unicode scalars, whatever unit the caller counts in."""
    offset_unit: OffsetUnit = "scalar"
    stream: bool = False
    idempotency_key: str | None = None
    receipt: bool = False
    """`meta` is to say what left the house."""
    candidates: int = 1
    max_chars: int | None = None
    voice: bool = False
    level: Literal["spelling", "grammar", "style"] = "grammar"
    style: str = ""
    instruction: str = ""
    to: str = ""
    max_items: int | None = None
    dropped: tuple[str, ...] = ()
    """Known, harmless fields that were dropped: counted, never sent."""


def _bad(path: str, rule: str, code: str = "invalid_request") -> NoReturn:
    raise InvalidRequest(f"{path}: {rule}", code=code, param=path)


# --- the request -----------------------------------------------------------------------------


def decode_task(body: bytes, feature: str, offered: Collection[str]) -> TaskRequest:
    """Decode a body for `feature`, which is offered in the locales `offered`. Raises `InvalidRequest`."""
    tree = decode_json(body)
    dropped: dict[str, None] = {}
    fields = TASK_FIELDS[feature]
    given = _sort_out(fields, tree, "", dropped)
    source = _sort_out(INPUT_FIELDS, _object(given, "input", ""), "input", dropped)
    options = _sort_out(OPTION_FIELDS, _object(given, "options", "", {}), "options", dropped)
    if "tier" in given:
        _check_tier(_object(given, "tier", ""))
        dropped["tier"] = None
    text = _text(source, "text", "input")
    unit: Any = given.get("offset_unit", "scalar")
    locale = _locale(given, offered)
    _check_size(text)
    return TaskRequest(
        feature=feature,
        text=text,
        locale=locale,
        markdown=source.get("format") == "markdown",
        protected=_protected(source.get("protected_ranges", []), text, unit),
        offset_unit=unit,
        stream=given.get("stream", False),
        idempotency_key=given.get("idempotency_key"),
        receipt=given.get("receipt", False),
        voice=given.get("input_kind") == "voice",
        level=given.get("level", "grammar"),
        dropped=tuple(dropped),
        **_own_fields(feature, given, options),
    )


def _own_fields(feature: str, given: dict[str, Json], options: dict[str, Json]) -> dict[str, Any]:
    """What only one feature has, with the rules between its fields."""
    style, to, candidates = given.get("style", ""), given.get("to", ""), options.get("candidates", 1)
    instruction, max_items, max_chars = given.get("instruction", ""), given.get("max_items"), options.get("max_chars")
    if feature == "writing.rewrite":
        if not style:
            _bad("style", "is required; one of " + ", ".join(TASK_FIELDS[feature]["style"].schema["enum"]))
        if (style == "custom") != bool(instruction.strip()):
            _bad("instruction", "goes with `style: custom`, and only with it")
    elif candidates != 1:
        _bad("options.candidates", "this feature has one result; leave it out", "unsupported_parameter")
    if feature == "writing.transform":
        if not to:
            _bad("to", "is required; one of " + ", ".join(TASK_FIELDS[feature]["to"].schema["enum"]))
        if to == "summary" and max_items is not None:
            _bad("max_items", "a summary has no items; leave it out", "unsupported_parameter")
    if max_chars is not None and feature != "writing.rewrite" and to != "summary":
        _bad("options.max_chars", "bounds a rewrite or a summary; leave it out", "unsupported_parameter")
    return {
        "style": style,
        "instruction": instruction,
        "to": to,
        "max_items": max_items,
        "candidates": candidates,
        "max_chars": max_chars,
    }


def _sort_out(fields: Mapping[str, FieldRule], tree: dict[str, Json], path: str, dropped: dict[str, None]) -> dict[str, Json]:
    """The used fields that hold something, each of the right type; refuses the rest as their kind says."""
    used = {}
    for name, value in tree.items():
        rule = fields.get(name)
        if rule is None:
            reject_field(path, name)
        if value is None:  # null asks for nothing: the default
            continue
        here = f"{path}.{name}" if path else name
        if rule.kind == "used":
            _check(value, here, rule.schema)
            used[name] = value
        elif rule.kind == "unsupported" and value not in rule.neutral:
            _bad(here, "is not supported; remove it", "unsupported_parameter")
        else:
            dropped[here] = None
    return used


def _check(value: Json, path: str, schema: dict[str, Any]) -> None:
    """The few JSON Schema words that the tables use for single values."""
    if "enum" in schema:
        if type(value) is not str or value not in schema["enum"]:
            _bad(path, "must be one of " + ", ".join(schema["enum"]))
    elif schema["type"] == "integer":
        if type(value) is not int or not schema["minimum"] <= value <= schema["maximum"]:
            _bad(path, f"must be an integer from {schema['minimum']} to {schema['maximum']}")
    elif schema["type"] == "boolean":
        if type(value) is not bool:
            _bad(path, "must be true or false")
    elif schema["type"] == "string":
        longest = schema.get("maxLength")
        if type(value) is not str:
            _bad(path, "must be a string")
        if longest is not None and not 0 < len(value) <= longest:
            _bad(path, f"must be 1 to {longest} characters")
    elif schema["type"] == "array":
        if type(value) is not list or len(value) > schema["maxItems"]:
            _bad(path, f"must be a list of at most {schema['maxItems']}")
    elif type(value) is not dict:
        _bad(path, "must be an object")


def _object(tree: dict[str, Json], name: str, path: str, default: dict[str, Json] | None = None) -> dict[str, Json]:
    value = tree.get(name, default)
    if value is None:
        _bad(f"{path}.{name}" if path else name, "is required")
    return value  # type: ignore[no-any-return]  # `_check` saw that it is an object


def _text(source: dict[str, Json], name: str, path: str) -> str:
    if name not in source:
        _bad(f"{path}.{name}", "is required")
    text: str = source[name]
    if not text.strip():
        _bad(f"{path}.{name}", "holds no text", "input_too_small")
    return text


def _locale(given: dict[str, Json], offered: Collection[str]) -> Locale:
    if "locale" not in given:
        _bad("locale", "is required; offered are " + ", ".join(sorted(offered)))
    locale = resolve_locale(given["locale"], offered)
    if "output_locale" in given and resolve_locale(given["output_locale"], offered) != locale:
        _bad("output_locale", "must be the same as `locale`: this feature does not translate", "unsupported_parameter")
    return locale


def _check_tier(tier: dict[str, Json]) -> None:
    for name in tier:
        if name not in ("prefer", "allow", "device"):
            reject_field("tier", name)
    allow = tier.get("allow")
    if allow is not None and (type(allow) is not list or "partner" not in allow):
        # Serving it all the same would send the text where the caller said it must not go.
        _bad("tier.allow", "must hold `partner`: no other tier is served here", "unsupported_parameter")


def _check_size(text: str) -> None:
    wide = sum(character >= "\u2e80" for character in text)  # where the CJK blocks begin
    tokens = wide + -(-(len(text) - wide) // _LETTERS_A_TOKEN)
    if tokens > CONTEXT_TOKENS:
        raise InvalidRequest(
            f"input.text: about {tokens} tokens; at most {CONTEXT_TOKENS} fit. Send it in parts.",
            code="context_size_exceeded",
            param="input.text",
            extra={"context_size": CONTEXT_TOKENS, "token_count": tokens},
        )


def _protected(ranges: list[Json], text: str, unit: OffsetUnit) -> tuple[tuple[int, int], ...]:
    """Ranges in scalars; in UTF-16 a boundary inside a surrogate pair is no boundary at all."""
    if not ranges:
        return ()
    starts: list[int] | None = None
    length = len(text)
    if unit == "utf16":
        starts, length = [], 0
        for character in text:
            starts.append(length)
            length += 2 if character > "\uffff" else 1
        starts.append(length)
    out: list[tuple[int, int]] = []
    past = 0
    for index, pair in enumerate(ranges):
        here = f"input.protected_ranges[{index}]"
        if type(pair) is not list or len(pair) != 2 or any(type(offset) is not int for offset in pair):
            _bad(here, "must be [start, end], two integers")
        start, end = pair
        if not past <= start < end <= length:
            _bad(here, f"must be start < end, after the range before it, and within the text's {length} {unit} units")
        past = end
        if starts is not None:
            start, end = (_scalar_at(starts, offset, here) for offset in (start, end))
        out.append((start, end))
    return tuple(out)


def _scalar_at(starts: list[int], offset: int, path: str) -> int:
    index = bisect_left(starts, offset)
    if starts[index] != offset:
        _bad(path, "an offset splits a surrogate pair; is `offset_unit` right?")
    return index


# --- the answer ------------------------------------------------------------------------------


def task_meta(request: TaskRequest, *, exchange_id: str, feature_version: str, ticket: Ticket | None) -> dict[str, Json]:
    """What stands beside every result. What no room decides yet (label, policy) is absent, not made up."""
    meta: dict[str, Json] = {
        "request_id": exchange_id,
        "feature": request.feature,
        "feature_version": feature_version,
        "tier_used": "partner",
        "locale": request.locale,
    }
    if ticket is not None:
        resets = ticket.quota_resets_at
        meta["quota"] = {
            "state": ticket.quota_state,
            "resets_at": None if resets is None else datetime.fromtimestamp(int(resets), UTC).isoformat().replace("+00:00", "Z"),
        }
    return meta


def _usage_tree(usage: Usage) -> dict[str, Json]:
    tree: dict[str, Json] = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
    if usage.estimated:
        tree["estimated"] = True
    return tree


class TaskStreamEncoder:
    """Events → `meta`, `usage`, then `final` or `error`, as server-sent events. One per exchange.

    Text of the model never leaves here: a feature's result goes out once it is checked.
    """

    __slots__ = ("_count", "_exchange_id", "_meta")

    def __init__(self, meta: dict[str, Json], *, exchange_id: str) -> None:
        self._meta = meta
        self._exchange_id = exchange_id
        self._count = 0

    def feed(self, events: Iterable[Event]) -> bytes:
        """The bytes for these events; `meta` goes before the first. May be fed nothing, to send `meta` alone."""
        out = [] if self._count else [self._event(b"meta", _encode(self._meta))]
        for event in events:
            if type(event) is Usage:
                self._meta = {**self._meta, "usage": _usage_tree(event)}
                out.append(self._event(b"usage", _encode(self._meta["usage"])))
            elif type(event) is Receipt:
                self._meta = {**self._meta, "receipt": event.told}
            elif type(event) is Final:
                out.append(self._event(b"final", _encode({"result": event.result, "meta": self._meta})))
            elif type(event) is Fault:
                out.append(self._event(b"error", error_body(event.error, self._exchange_id)))
        return b"".join(out)

    def _event(self, name: bytes, data: bytes) -> bytes:
        self._count += 1
        return write_event(data, name=name, id=b"%d" % self._count)


def whole_task(events: Iterable[Event], meta: dict[str, Json]) -> bytes:
    """A finished exchange as one body: `{"result": …, "meta": …}`. The events hold a `Final`; a `Fault` is the caller's to answer."""
    result: dict[str, Json] = {}
    for event in events:
        if type(event) is Usage:
            meta = {**meta, "usage": _usage_tree(event)}
        elif type(event) is Receipt:
            meta = {**meta, "receipt": event.told}
        elif type(event) is Final:
            result = event.result
    return _encode({"result": result, "meta": meta})
