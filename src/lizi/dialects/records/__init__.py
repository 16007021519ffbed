"""Dated records of partners and their models: data in TOML beside this file, read here into `Facts` for a day.

Adding a model is an entry in a record, adding a partner that speaks like another a record; neither is code.
A record says what its documents said on a date, never what was tried: the page of a partner in the docs keeps
the two apart. Pure: gets text, gives values; raises `ConfigError` with the path of what is wrong. Bound: linear.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from lizi.dialects.classes import CLASSES
from lizi.errors import ConfigError
from lizi.types import Capability, Facts, FinishReason, Json

__all__ = ["BrandRecord", "ModelRecord", "Record", "known", "on_day", "parse", "unknown_words"]

Level = Literal["none", "json_object", "json_schema", "strict"]
Effort = Literal["default", "whole", "none", "minimal", "low", "medium", "high", "xhigh"]
Family = Literal["openai_chat", "anthropic"]


class Differences(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of the family's base differs; what is left out stays as it was."""

    path: Annotated[str | None, Meta(description="appended to the base URL instead of the family's path")] = None
    authorization: Annotated[Literal["bearer", "x-api-key"] | None, Meta(description="header that carries the credential")] = None
    headers: Annotated[dict[str, str] | None, Meta(description="sent with every request")] = None
    rename: Annotated[dict[str, str] | None, Meta(description="body field → the partner's name for it")] = None
    drop: Annotated[tuple[str, ...] | None, Meta(description="body fields that it refuses; `tools.strict`: the flag in each tool")] = None
    clamp: Annotated[dict[str, tuple[float, float]] | None, Meta(description="body field → least and most")] = None
    default: Annotated[dict[str, Json] | None, Meta(description="body fields sent when the request does not set them")] = None
    reasoning: Annotated[
        dict[Effort, dict[str, Json]] | None,
        Meta(
            description="effort asked for → what goes into the body; `default`: none was asked for; `whole`: on top when not streamed; "
            "a missing effort takes the next lower one"
        ),
    ] = None
    tool_choices: Annotated[
        tuple[Literal["none", "auto", "required", "named"], ...] | None,
        Meta(description="forms of tool_choice that it takes; another becomes `required`, else `auto`"),
    ] = None
    system_role: Annotated[Literal["system", "developer"] | None, Meta(description="its word for the system's role")] = None
    replay: Annotated[
        Literal["drop", "tool_loop", "always"] | None,
        Meta(description="turns that must bring their reasoning back: none, those with tool calls, all"),
    ] = None
    tags: Annotated[bool | None, Meta(description="reasoning and tool calls may stand in the text, between tags")] = None
    finishes: Annotated[
        dict[str, str] | None, Meta(description="its reasons to stop → ours; `!class`: a failure; `retract`: what was sent is withdrawn")
    ] = None
    codes: Annotated[dict[str, str] | None, Meta(description="its error codes, or an HTTP status without one → classes")] = None
    phrases: Annotated[
        dict[str, str] | None, Meta(description="parts of its error messages → classes, where its code leaves the class open")
    ] = None
    flags: Annotated[
        dict[str, Literal["allow", "warn", "stop", "retract"]] | None,
        Meta(
            description="values of its moderation `flag` → what to do; `warn`: the answer stands, the check `moderation` is `failed`"
        ),
    ] = None
    retracts: Annotated[bool | None, Meta(description="it may withdraw what it has already sent")] = None
    rate_headers: Annotated[dict[str, str] | None, Meta(description="part of a rate limit → header that carries it")] = None
    cache: Annotated[
        Literal["account", "request"] | None,
        Meta(
            description="whom its prompt cache serves: account: any request of the account, so that a random line keeps each apart; "
            "request: none but what is marked for it"
        ),
    ] = None
    random_fields: Annotated[
        tuple[str, ...] | None, Meta(description="body fields in which it wants a word for the user: they get one that is new each time")
    ] = None


_NOTHING = Differences()


class ModelRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of one model, or of all whose names match, from a day on."""

    model: Annotated[str, Meta(min_length=1, description="the partner's name of it; `*` matches any run of characters")]
    since: Annotated[date, Meta(description="the day from which this holds")]
    until: Annotated[date | None, Meta(description="the first day on which it no longer does")] = None
    source: Annotated[str, Meta(description="where this was read: a page, or the design note when only that says so")] = ""
    inputs: Annotated[tuple[Literal["text", "image"], ...], Meta(description="what a message to it may hold")] = ("text",)
    tools: Annotated[bool, Meta(description="it can be given tools")] = False
    schema: Annotated[Level, Meta(description="the highest form of structured output; `strict`: the partner enforces it")] = "none"
    context_tokens: Annotated[Annotated[int, Meta(ge=128)] | None, Meta(description="context window, prompt and answer together")] = None
    output_tokens: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="longest answer that it gives")] = None
    regions: Annotated[tuple[str, ...], Meta(description="where it is offered; empty: wherever its partner is")] = ()
    price_key: Annotated[str, Meta(description="entry in the price book; empty: `partner/model`")] = ""
    filing: Annotated[str, Meta(description="registration number of the model where a market's law asks for one")] = ""
    dialect: Differences = _NOTHING

    @property
    def capabilities(self) -> frozenset[Capability]:
        """In the words of a target."""
        found: set[Capability] = set()
        if "image" in self.inputs:
            found.add("images")
        if self.tools:
            found.add("tools")
        if self.schema != "none":
            found.add("json_object")
        if self.schema in ("json_schema", "strict"):
            found.add("json_schema")
        return frozenset(found)


Spelling = Annotated[str, Meta(min_length=2, max_length=40)]
"""Shorter ones are letters, longer ones are sentences."""


class BrandRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a partner and its models are called, so that generated text can be kept from naming them as its writer.

    Simplified characters stand for Traditional ones, a space for any gap, and a version behind a name belongs to it.
    """

    names: Annotated[tuple[Spelling, ...], Meta(description="what its models call themselves")] = ()
    makers: Annotated[tuple[Spelling, ...], Meta(description="who they say has made them")] = ()
    domains: Annotated[
        tuple[Spelling, ...], Meta(description="its own hosts, with all below them: links to them are taken out of generated text")
    ] = ()


class Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One partner: where it is, how it speaks, which models it has."""

    title: Annotated[str, Meta(description="the partner's name, for people")]
    family: Annotated[Family, Meta(description="code that speaks to it: the protocol that the record changes")] = "openai_chat"
    addresses: Annotated[dict[str, str], Meta(description="region → base URL, up to and including the version segment")] = {}
    key: Annotated[str, Meta(description="what its credentials look like, for people; never one")] = ""
    read: Annotated[date | None, Meta(description="the day of the notes that it was written from")] = None
    sources: Annotated[tuple[str, ...], Meta(description="the pages that were read")] = ()
    notes: Annotated[tuple[str, ...], Meta(description="what an operator should know")] = ()
    unverified: Annotated[tuple[str, ...], Meta(description="what the documents leave open, or was taken from third parties")] = ()
    brand: BrandRecord = BrandRecord()
    dialect: Differences = _NOTHING
    models: tuple[ModelRecord, ...] = ()


def parse(text: str, source: str) -> Record:
    """A record's TOML. Raises `ConfigError` that names the file and the path in it."""
    try:
        record = msgspec.convert(tomllib.loads(text), Record, strict=True)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        hint = "docs/reference/config.md lists every key of a record."
        raise ConfigError(f"{source}: {error}", code="config_invalid", hint=hint) from None
    wrong = unknown_words(record)
    if wrong is not None:
        raise ConfigError(f"{source}: {wrong}", code="config_invalid", hint="docs/reference/config.md says what may stand there.")
    return record


_FINISH_WORDS = frozenset({*get_args(FinishReason), "retract"})


def unknown_words(record: Record) -> str | None:
    """The first error class or reason to stop in `record` that means nothing here; `None` when all do."""
    for where, differences in (("dialect", record.dialect), *((f"models '{entry.model}'", entry.dialect) for entry in record.models)):
        for table, words in (("codes", differences.codes), ("phrases", differences.phrases)):
            for word, name in (words or {}).items():
                if name not in CLASSES:
                    return f"{where}, {table}: '{name}' (of {word}) is none of {', '.join(sorted(CLASSES))}"
        for word, reason in (differences.finishes or {}).items():
            if reason not in _FINISH_WORDS and reason.removeprefix("!") not in CLASSES:
                return f"{where}, finishes: '{reason}' (of {word}) is neither a reason to stop nor `!` and an error class"
    return None


def known(record: Record, model: str, at: float) -> ModelRecord | None:
    """The entry for `model` that holds at `at` (Unix seconds, days in UTC): the exact name before a pattern, the latest before older."""
    day = datetime.fromtimestamp(at, UTC).date()
    fitting = [
        entry
        for entry in record.models
        if fnmatchcase(model, entry.model) and entry.since <= day and (entry.until is None or day < entry.until)
    ]
    return max(fitting, key=lambda entry: ("*" not in entry.model, len(entry.model), entry.since), default=None)


def on_day(record: Record, model: str, at: float) -> Facts:
    """How `model` is spoken to at `at`: the base, changed by the partner, changed by the model."""
    facts = Facts()
    entry = known(record, model, at)
    for differences in (record.dialect, entry.dialect if entry is not None else _NOTHING):
        facts = _changed(facts, differences)
    if entry is not None and entry.output_tokens is not None:
        # A longer answer than the model gives is refused by some partners: asked for as long as it can be.
        facts = replace(facts, clamp=facts.clamp | {"max_tokens": (1, entry.output_tokens)})
    return facts


_MERGED = ("rename", "clamp", "default", "finishes", "codes", "phrases", "flags", "rate_headers")
"""Tables in which a model's entries join its partner's; all else replaces."""


def _changed(facts: Facts, differences: Differences) -> Facts:
    changes = {name: value for name, value in asdict(differences).items() if value is not None}
    for name in _MERGED:
        if name in changes:
            table: Mapping[str, Json] = changes[name]
            changes[name] = getattr(facts, name) | dict(table)
    for name in ("codes", "phrases"):  # what they are compared with is in lower case
        if name in changes:
            changes[name] = {word.lower(): found for word, found in changes[name].items()}
    if "drop" in changes:
        changes["drop"] = facts.drop | frozenset(changes["drop"])
    if "tool_choices" in changes:
        changes["tool_choices"] = frozenset(changes["tool_choices"])
    if "random_fields" in changes:
        changes["random_fields"] = tuple(changes["random_fields"])
    if "headers" in changes:
        changes["headers"] = tuple(changes["headers"].items())
    return replace(facts, **changes) if changes else facts
