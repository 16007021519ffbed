"""A request without personal data: every string leaf that leaves, with placeholders for what a profile masks.

System prompt, history, tool results, arguments of tool calls (by their JSON leaves), descriptions and examples of tools and
schemas, stop words. Never changes the request that it was given, and never passes a leaf that it could not read: a defect in a
recogniser fails the exchange, unless the configuration says otherwise. Pure. A generator, since a long prompt takes
milliseconds: it pauses after each slice of work, so that the corridor can let others go on (surge.md: no exchange delays another).
Bound: linear in the text; a pause after `SLICE_CHARACTERS` at the most.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lizi.text import KINDS, PHRASE, Found, Phrases, passages
from lizi.types import ChatRequest, Json, JsonSchemaFormat, Target
from lizi.veil import marks
from lizi.veil.lexicon import Lexicon, look_alikes

__all__ = ["SLICE_CHARACTERS", "WORDS", "Findings", "Profile", "mask", "salted"]

_SHARED_TEXTS = 1_024  # apps times their instructions; an entry is some 100 bytes
SLICE_CHARACTERS = 1_000  # some 2 ms of names and addresses: an event loop can bear that

_EXPLANATION = (
    "Words in ⟦ ⟧ stand for private details that you are not shown. Where such a detail belongs in the answer, "
    "write its ⟦ ⟧ word exactly as it is, and never ask about it."
)
_WEB_ADDRESS = re.compile(r"(?i)(?:https?|ftp|wss?)://[^\s\"<>`\\，。、；：！？（）「」『』《》【】“”‘’]{1,2048}")
_DEGREES = re.compile(r"(\d{1,3})[.．](\d{1,12})")
_SPOKEN = frozenset({"description", "title"})
_VALUES = frozenset({"enum", "const", "default", "examples"})
_SCHEMAS = frozenset(
    {
        "items", "prefixItems", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contains",
        "propertyNames", "not", "if", "then", "else", "anyOf", "oneOf", "allOf",
    }
)  # fmt: skip
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_GRAMMAR = frozenset(
    {
        "type", "format", "pattern", "required", "dependentRequired", "$ref", "$dynamicRef", "$recursiveRef", "$recursiveAnchor", "$anchor",
        "$dynamicAnchor", "$id", "$schema",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems",
        "uniqueItems", "minContains", "maxContains", "minProperties", "maxProperties", "nullable", "contentEncoding", "contentMediaType",
    }
)  # fmt: skip
"""Keywords of JSON Schema (2020-12, and what OpenAPI and earlier drafts add): one that is in none of these sets does not leave."""

_EVERY_KIND = frozenset(KINDS)
_NOTHING: frozenset[str] = frozenset()
Steps: TypeAlias = Generator[None, None, Any]


class Profile(Struct, frozen=True, kw_only=True):
    """What happens to each kind of personal data; what is in neither set is kept as it is."""

    name: str
    mask: frozenset[str] = _EVERY_KIND
    coarsen: frozenset[str] = frozenset()
    """An address is cut to province and city, the rest comes back; coordinates to a tenth of a degree (11 km), which nothing restores."""
    phrases: Phrases | None = None
    """Words of the configuration that no partner should read, such as the maker's own name."""

    @property
    def kept(self) -> frozenset[str]:
        """Kinds that a partner reads in the clear."""
        return _NOTHING if self.mask is _EVERY_KIND else _EVERY_KIND - self.mask - self.coarsen


class Findings:
    """Where something was found in texts that many requests share: instructions and tools. Knows a text by its keyed hash alone.

    Never keeps a text, nor a hash that anybody without the key could compare with one. Bound: 1,024 texts, the oldest goes first.
    """

    __slots__ = ("_key", "_known")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[bytes, tuple[Found, ...]] = {}

    def digest(self, text: bytes, profile: str) -> bytes:
        """What the text is known by."""
        return blake2b(profile.encode() + b"\0" + text, key=self._key, digest_size=16, person=b"lizi.findings").digest()

    def get(self, digest: bytes) -> tuple[Found, ...] | None:
        """What was found in it; `None` where nobody looked yet."""
        return self._known.get(digest)

    def put(self, digest: bytes, found: tuple[Found, ...]) -> None:
        """Remember it."""
        while len(self._known) >= _SHARED_TEXTS:
            del self._known[next(iter(self._known))]
        self._known[digest] = found


def mask(request: ChatRequest, profile: Profile, lexicon: Lexicon, findings: Findings | None = None) -> Generator[None, None, ChatRequest]:
    """`request` as a partner may see it; what was hidden stands in `lexicon`. Pauses between slices of work.

    `findings`: what is known of the texts that all requests share, so that they are searched once.
    """
    work = _Masking(profile, lexicon, findings)
    messages = []
    for message in request.messages:
        messages.append((yield from work.message(message)))
    tools = request.tools
    if tools is not None:
        tools = yield from work.tools(tools)
    wanted = request.response_format
    if isinstance(wanted, JsonSchemaFormat):
        wanted = replace(wanted, schema=(yield from work.schema(wanted.schema)))
    stop = []
    for word in request.stop:
        stop.append((yield from work.text(word)))
    if len(lexicon):
        messages = _beside_system(messages, _EXPLANATION)
    return replace(request, messages=messages, tools=tools, response_format=wanted, stop=tuple(stop))


def salted(request: ChatRequest, target: Target, salt: str, identity: str = "") -> ChatRequest:
    """`request` for one attempt at `target`: with what is random in it, so that nobody can find it in the account's prompt cache.

    `identity`: who answers, for the model to know. The random line stands after the instructions that all users share, so that these are
    still cached (Gu et al., ICML 2025, on what timing tells otherwise). It costs a partner's cache of what users wrote.
    """
    lines = [identity] if identity else []
    if target.facts.cache == "account":
        lines.append(marks.line(salt))
    messages = _beside_system(request.messages, "\n\n".join(lines)) if lines else request.messages
    return replace(request, salt=salt, messages=messages)


def _beside_system(messages: list[dict[str, Json]], line: str) -> list[dict[str, Json]]:
    """`messages` with `line` at the end of the instructions in front: what all users share stays in front of it, to be cached."""
    last = -1
    while last + 1 < len(messages) and messages[last + 1]["role"] in ("system", "developer"):
        last += 1
    if last < 0:
        return [{"role": "system", "content": line}, *messages]
    message = messages[last]
    content = message["content"]
    content = f"{content}\n\n{line}" if isinstance(content, str) else [*content, {"type": "text", "text": line}]
    return [*messages[:last], {**message, "content": content}, *messages[last + 1 :]]


WORDS = f"{_EXPLANATION}\n\n({'a' * 16})"
"""As much as the veil says in front of a request, at the most: has to be reserved. What placeholders take more room than the names
behind them is not: it is a few tokens each, and known only after the text was searched."""


class _Masking:
    """One pass over a request. `ids` makes the ids of tool calls anew: a device's own would be a handle."""

    __slots__ = ("_findings", "_ids", "_lexicon", "_mask", "_profile", "_since_pause")

    def __init__(self, profile: Profile, lexicon: Lexicon, findings: Findings | None = None) -> None:
        self._findings = findings
        self._profile = profile
        self._lexicon = lexicon
        self._mask = profile.mask | profile.coarsen | ({PHRASE} if profile.phrases is not None else _NOTHING)
        self._ids: dict[str, str] = {}
        self._since_pause = 0

    def message(self, message: dict[str, Json]) -> Steps:
        """One turn, whoever spoke."""
        made = dict(message)
        content = message.get("content")
        if isinstance(content, str) and message["role"] in ("system", "developer"):
            made["content"] = yield from self._shared(content)
        elif content is not None:
            made["content"] = yield from (self.text(content) if isinstance(content, str) else self._parts(content))
        if message.get("refusal"):
            made["refusal"] = yield from self.text(message["refusal"])
        if message.get("tool_calls"):
            calls = []
            for call in message["tool_calls"]:
                function = call["function"]
                arguments = yield from self._json(function["arguments"])
                calls.append({**call, "id": self._call_id(call["id"]), "function": {**function, "arguments": arguments}})
            made["tool_calls"] = calls
        if "tool_call_id" in message:
            made["tool_call_id"] = self._call_id(message["tool_call_id"])
        return made

    def tools(self, tools: list[dict[str, Json]]) -> Steps:
        """What tools say of themselves. Tools in which nothing was found, and nothing that has to stay here, are known again."""
        digest = b""
        if self._findings is not None:
            digest = self._findings.digest(msgspec.json.encode(tools), self._profile.name)
            if self._findings.get(digest) is not None:
                return tools
        made = []
        for tool in tools:
            function = dict(tool["function"])
            if function.get("description"):
                function["description"] = yield from self.text(function["description"])
            if function.get("parameters"):
                function["parameters"] = yield from self.schema(function["parameters"])
            made.append({**tool, "function": function})
        if self._findings is not None and made == tools:
            self._findings.put(digest, ())
        return made

    def schema(self, tree: Json) -> Steps:
        """A JSON Schema by its known keywords: descriptions, examples and values are texts, the grammar stays, all else stays here."""
        if isinstance(tree, list):
            items = []
            for item in tree:
                items.append((yield from self.schema(item)))
            return items
        if not isinstance(tree, dict):
            return tree
        made: dict[str, Json] = {}
        for key, value in tree.items():
            if key in _GRAMMAR:
                made[key] = value
            elif key in _SCHEMAS:
                made[key] = yield from self.schema(value)
            elif key in _NAMED_SCHEMAS and isinstance(value, dict):
                named = made[key] = {}
                for name, schema in value.items():
                    named[name] = yield from self.schema(schema)
            elif key in _VALUES or (key in _SPOKEN and isinstance(value, str)):
                made[key] = yield from self._leaves(value)
        return made

    def text(self, text: str) -> Steps:
        """One leaf. JSON with escapes is read as what it says: what is escaped is not hidden from those who read it."""
        if "\\u" in text and text[:1] in ("{", "["):
            return (yield from self._json(text))
        return (yield from self._scanned(text))

    def _shared(self, text: str) -> Steps:
        """Instructions: most requests of an app have the same."""
        if self._findings is None or ("\\u" in text and text[:1] in ("{", "[")):
            return (yield from self.text(text))
        digest = self._findings.digest(text.encode("utf-8", "surrogatepass"), self._profile.name)
        spans = self._findings.get(digest)
        if spans is None:
            spans = yield from self._spans(text)
            self._findings.put(digest, spans)
        return self._replaced(text, spans)

    def _scanned(self, text: str) -> Steps:
        return self._replaced(text, (yield from self._spans(text)))

    def _spans(self, text: str) -> Steps:
        found: list[Found] = []
        for slice_found in passages(text, self._mask, phrases=self._profile.phrases):
            found += slice_found
            self._since_pause += min(len(text), SLICE_CHARACTERS)
            if self._since_pause >= SLICE_CHARACTERS:
                self._since_pause = 0
                yield
        return tuple(_with_web_addresses(text, _with_look_alikes(text, found)))

    def _replaced(self, text: str, spans: tuple[Found, ...]) -> str:
        if not spans:
            return text
        out: list[str] = []
        at = 0
        for span in spans:
            out += (text[at : span.start], self._instead(text[span.start : span.end], span))
            at = span.end
        out.append(text[at:])
        return "".join(out)

    def _instead(self, original: str, span: Found) -> str:
        if span.kind in self._profile.coarsen:
            if span.kind == "coordinates":
                return _DEGREES.sub(lambda degrees: f"{degrees[1]}.{degrees[2][:1]}", original)
            if 0 < span.keep < len(original):
                return original[: span.keep] + self._lexicon.placeholder(span.kind, original[span.keep :])
        return self._lexicon.placeholder(span.kind, original)

    def _parts(self, parts: list[dict[str, Json]]) -> Steps:
        made = []
        for part in parts:
            kind = part["type"]
            made.append({**part, kind: (yield from self.text(part[kind]))} if kind in ("text", "refusal") else part)
        return made

    def _json(self, text: str) -> Steps:
        """JSON in a string: its leaves, each as it reads. What is none, or too deep to be read, is text."""
        try:
            tree = msgspec.json.decode(text)
            masked = yield from self._leaves(tree)
        except (msgspec.DecodeError, RecursionError):
            return (yield from self._scanned(text))
        return text if masked == tree else msgspec.json.encode(masked).decode("utf-8")

    def _leaves(self, tree: Json) -> Steps:
        if isinstance(tree, str):
            return (yield from self.text(tree))
        if isinstance(tree, list):
            items = []
            for item in tree:
                items.append((yield from self._leaves(item)))
            return items
        if isinstance(tree, dict):
            made = {}
            for key, value in tree.items():
                made[(yield from self._scanned(key))] = yield from self._leaves(value)
            return made
        return tree

    def _call_id(self, own: str) -> str:
        return self._ids.setdefault(own, f"call_{len(self._ids) + 1}")


def _with_look_alikes(text: str, found: list[Found]) -> list[Found]:
    """Findings, and what a restorer would take for a placeholder; where they overlap, one of both."""
    return _joined(found, [Found(start, end, "literal") for start, end in look_alikes(text)])


def _with_web_addresses(text: str, found: list[Found]) -> list[Found]:
    """An address of the web that holds a finding is hidden whole: in a part of it nothing would be restored."""
    if not found or "://" not in text:
        return found
    held = [match.span() for match in _WEB_ADDRESS.finditer(text)]
    return _joined(found, [Found(start, end, "link") for start, end in held if any(start < one.end and one.start < end for one in found)])


def _joined(found: list[Found], others: list[Found]) -> list[Found]:
    """Both, in order; `others` swallow what they overlap."""
    if not others:
        return found
    joined: list[Found] = []
    for span in sorted([*found, *others], key=lambda span: span.start):
        last = joined[-1] if joined else None
        if last is not None and span.start < last.end:
            kind = last.kind if last.kind in ("literal", "link") and span.kind != "link" else span.kind
            joined[-1] = Found(last.start, max(last.end, span.end), kind)
        else:
            joined.append(span)
    return joined
