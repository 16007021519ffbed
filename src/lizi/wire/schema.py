"""JSON Schemas that callers bring: checked before they are used, compiled once, kept in a bounded cache.

Never fetches anything: only references into the schema itself (`#…`) pass. Never raises on an
answer. Bounds: schema size, depth and expansion; 256 compiled schemas; 16 errors an answer.
Standard followed: JSON Schema, drafts 4 to 2020-12 as jsonschema-rs implements them.
"""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import msgspec
from msgspec import Struct

from lizi.types import Json

__all__ = ["AnswerSchema", "SchemaError", "compile_schema", "tree_fault"]

SCHEMA_BYTES = 128 * 1024  # OpenAI allows 120,000 characters of names and values
DEPTH = 64  # deeper JSON is nobody's data; well below any parser's own limit
_KEPT = 256  # a few hundred schemas are an app's whole set; 256 × 128 KiB bounds the memory
_ERRORS = 16  # enough to repair an answer; each is one line
_EXPANSION = 10_000  # ways through the references; beyond it checking one answer may take seconds
_DETAIL_DEPTH = 6  # a recursive schema explains answers up to here: the explanation grows as alternatives ^ depth
_INTEGER = 1 << 63

_IN_PLACE = ("allOf", "anyOf", "oneOf")
_REST = ("additionalProperties", "unevaluatedItems", "unevaluatedProperties")
_ONE = ("not", "if", "then", "else", "items", "contains", "propertyNames", *_REST)
_MANY = ("properties", "patternProperties", "dependentSchemas")
_HERE = frozenset({"not", "if", "then", "else", "dependentSchemas", *_IN_PLACE})
"""Keywords whose subschemas look at the same value again."""
_DRAFTS = ("http://json-schema.org/draft-", "https://json-schema.org/draft/")


class SchemaError(Exception):
    """The schema can't be used; the text says why and holds nothing of it but keywords."""


class AnswerSchema:
    """A compiled schema. Stateless after construction; safe to share."""

    __slots__ = ("_detailed", "_names", "_validator")

    def __init__(self, validator: Any, names: frozenset[str], detailed: bool) -> None:
        self._validator = validator
        self._names = names
        self._detailed = detailed

    def accepts(self, tree: Json) -> bool:
        """Whether `tree` is valid. False also where the schema's own patterns can't be decided within their bound."""
        try:
            return bool(self._validator.is_valid(tree))
        except (ValueError, TypeError, RecursionError):  # a pattern past its backtracking limit, or a tree that is no JSON
            return False

    def faults(self, tree: Json) -> list[dict[str, str]]:
        """At most 16 `{"path", "rule"}`; empty when valid. Names that the schema doesn't know become `*`: they are content."""
        if self.accepts(tree):
            return []
        if not self._detailed and tree_fault(tree, _DETAIL_DEPTH) is not None:
            return [{"path": "", "rule": "schema"}]
        found: list[dict[str, str]] = []
        try:
            for error in self._validator.iter_errors(tree):
                rule = str(error.schema_path[-1]) if error.schema_path else "schema"
                found.append({"path": self._pointer(error.instance_path), "rule": rule})
                if len(found) == _ERRORS:
                    break
        except (ValueError, TypeError):
            pass
        return found or [{"path": "", "rule": "schema"}]

    def _pointer(self, path: list[str | int]) -> str:
        return "".join(f"/{step}" if isinstance(step, int) or step in self._names else "/*" for step in path)


class _Entry(Struct):
    schema: AnswerSchema


_cache: dict[bytes, _Entry] = {}


def compile_schema(schema: dict[str, Json]) -> AnswerSchema:
    """Check and compile; the same schema again costs one encoding. Raises `SchemaError`."""
    fault = tree_fault(schema, DEPTH)
    if fault is not None:
        raise SchemaError(fault)
    key = msgspec.json.encode(schema)
    entry = _cache.pop(key, None)
    if entry is None:
        if len(key) > SCHEMA_BYTES:
            raise SchemaError(f"is larger than {SCHEMA_BYTES // 1024} KiB")
        entry = _Entry(_compile(schema))
        if len(_cache) >= _KEPT:
            del _cache[next(iter(_cache))]
    _cache[key] = entry  # put last: the first is the one that was not used for longest
    return entry.schema


def _compile(schema: dict[str, Json]) -> AnswerSchema:
    names: set[str] = set()
    draft = schema.get("$schema")
    if draft is not None and not (isinstance(draft, str) and draft.startswith(_DRAFTS)):
        raise SchemaError("names a `$schema` that is no draft of JSON Schema; leave it out")
    _check_references(schema, names)
    here, whole, cyclic = _expansion(schema)
    if here > _EXPANSION:
        raise SchemaError("expands too far through its references")
    try:
        validator = jsonschema_rs.validator_for(
            schema,
            offline=True,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000, size_limit=1 << 20, dfa_size_limit=1 << 20),
        )
    except (jsonschema_rs.ValidationError, ValueError, TypeError) as error:
        raise SchemaError("is not a valid JSON Schema" + _where(error)) from None
    return AnswerSchema(validator, frozenset(names), not cyclic and whole <= _EXPANSION)


def _where(error: Exception) -> str:
    path = getattr(error, "instance_path", None)
    return " (at /" + "/".join(str(step) for step in path) + ")" if path else ""


def _check_references(node: Json, names: set[str]) -> None:
    """Refuse every reference that leaves the schema, wherever it stands; collect the property names on the way."""
    stack = [node]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, dict):
            for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
                target = node.get(keyword)
                if isinstance(target, str) and not target.startswith("#"):
                    raise SchemaError(f"has a `{keyword}` to another document; only references within the schema (`#…`) are allowed")
            properties = node.get("properties")
            if isinstance(properties, dict):
                names.update(properties)
            stack.extend(node.values())


def _expansion(root: dict[str, Json]) -> tuple[int, int, bool]:
    """How often one value may be looked at, ways through the whole schema, and whether it refers back to itself.

    Counts are capped, so that the counting itself is linear in the schema.
    """
    done: dict[int, tuple[int, int]] = {}
    open_: set[int] = set()
    cyclic = False

    def count(node: Json) -> tuple[int, int]:
        nonlocal cyclic
        if not isinstance(node, dict):
            return 1, 1
        mark = id(node)
        if mark in done:
            return done[mark]
        if mark in open_:
            cyclic = True
            return 1, 1
        open_.add(mark)
        here = whole = 1
        for keyword, child in _children(root, node):
            child_here, child_whole = count(child)
            whole += child_whole
            if keyword in _HERE:
                here += child_here
            else:  # a child value is another value: only the most costly one counts
                here = max(here, child_here)
        open_.discard(mark)
        done[mark] = min(here, _EXPANSION + 1), min(whole, _EXPANSION + 1)
        return done[mark]

    try:
        here, whole = count(root)
    except RecursionError:
        raise SchemaError("has too long a chain of references") from None
    return here, whole, cyclic


def _children(root: dict[str, Json], node: dict[str, Json]) -> list[tuple[str, Json]]:
    found: list[tuple[str, Json]] = []
    for keyword in (*_IN_PLACE, "prefixItems"):
        if isinstance(node.get(keyword), list):
            found += [(keyword, child) for child in node[keyword]]
    for keyword in _ONE:
        if keyword in node:
            children = node[keyword] if isinstance(node[keyword], list) else [node[keyword]]
            found += [(keyword, child) for child in children]
    for keyword in _MANY:
        if isinstance(node.get(keyword), dict):
            found += [(keyword, child) for child in node[keyword].values()]
    for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
        if isinstance(node.get(keyword), str):
            found.append(("allOf", _resolve(root, node[keyword])))
    return found


def _resolve(root: dict[str, Json], reference: str) -> Json:
    """The node behind `#/…`. An anchor counts as the root: a guess on the safe side, since the root holds it."""
    node: Json = root
    for step in reference[1:].split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
            node = node[int(step)]
        elif isinstance(node, dict) and step in node:
            node = node[step]
        else:
            return None  # the compiler names the broken pointer
    return node


def tree_fault(tree: Json, depth: int) -> str | None:
    """Why `tree` is out of bounds: nesting past `depth`, or an integer beyond 64 bits. `None` when it is fine."""
    level = [tree]
    for _ in range(depth + 1):
        following: list[Json] = []
        for node in level:
            kind = type(node)
            if kind is dict:
                following.extend(node.values())
            elif kind is list:
                following.extend(node)
            elif kind is int and not -_INTEGER <= node < _INTEGER:
                return "holds an integer beyond 64 bits"
        if not following:
            return None
        level = following
    return f"is nested more than {depth} levels deep"
