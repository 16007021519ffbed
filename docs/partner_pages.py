"""One reference page per partner, from its record: what was read, what was run, what nobody has seen. Used by generate.py."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lizi.config import built_in
from lizi.dialects.records import Differences, ModelRecord, Record
from lizi.testing.live import LIVE

_HERE = Path(__file__).resolve().parent
_TABLE = (
    "What is said above was run against scripted partners on real sockets, which play this record's rules and thirty ways to",
    "misbehave: the [conformance table](../conformance.md) has the row.",
)
_MEANINGS = {
    "path": "asked at another path",
    "authorization": "credential sent as",
    "headers": "headers of its own",
    "rename": "fields renamed",
    "drop": "fields left out",
    "clamp": "values kept within",
    "default": "fields always sent",
    "reasoning": "reasoning effort → body",
    "cache": "prompt cache shared by",
    "random_fields": "fields with a random word for each request",
    "tool_choices": "forms of `tool_choice` taken",
    "system_role": "the system's role",
    "replay": "reasoning brought back",
    "tags": "reasoning and calls taken out of the text",
    "finishes": "reasons to stop",
    "codes": "error codes",
    "phrases": "words of its errors",
    "flags": "moderation `flag`",
    "retracts": "may withdraw what it sent",
    "rate_headers": "rate headers",
}


def pages() -> dict[str, str]:
    """File name below docs/reference → content."""
    records = built_in()
    return {f"partners/{name}.md": _page(name, record) for name, record in records.items()}


def _page(name: str, record: Record) -> str:
    written = f"Written from the project's notes of {record.read.isoformat()}." if record.read else "It stands for no company."
    lines = [
        f"# {record.title}\n",
        f'The record `{name}`: `dialect = "{name}"` in `[partners.…]`. Family: `{record.family}`. {written}\n',
    ]
    if record.addresses:
        lines += ["| region | address |", "| --- | --- |", *(f"| {region} | `{url}` |" for region, url in record.addresses.items()), ""]
        region, address = next(iter(record.addresses.items()))
        lines += [
            "```toml",
            "[partners.NAME]",
            f'dialect = "{name}"',
            f'base_url = "{address}"',
            'credential = "env:PARTNER_KEY"',
            f'region = "{region}"',
            "```",
            "",
        ]
    lines += ["## Read in documents\n", f"Credential: {record.key}.\n" if record.key else ""]
    lines += [f"- {note}" for note in record.notes]
    lines += ["", *_differences(record.dialect)]
    if record.sources:
        lines += ["Sources: " + ", ".join(f"<{source}>" for source in record.sources) + ".\n"]
    if record.models:
        lines += ["| model | from | until | takes | schema | context | differs in | read in |"]
        lines += ["| --- | --- | --- | --- | --- | ---: | --- | --- |"]
        lines += [_model(entry) for entry in record.models]
        lines.append("")
    lines += ["## Not certain\n"]
    nothing = "Nothing is claimed here that could be wrong: the configuration says it all."
    lines += [f"- {doubt}" for doubt in record.unverified] or [nothing]
    lines += [
        "",
        "## Run\n",
        "No live partner was called.",
        *(_TABLE if (_HERE / "reference" / "conformance.md").exists() else ()),
        f"`tests/golden/snapshots/record.{name}.json` is the whole of one request as this partner gets it.",
        *_on_model(name),
        f"`lizi partner ping NAME` asks the real one; `lizi partner fake --dialect {name}` starts a scripted one.",
    ]
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _on_model(name: str) -> list[str]:
    row = LIVE.get(name)
    if row is None:
        return ["No real model has answered through this record."]
    said = [
        "[On the local model](../conformance.md#on-a-real-language-model), which is no partner's, it was run whole, streamed and with a",
        "schema: its double asked the model and spoke in this record's form.",
    ]
    return [*said, "The model's own server (llama.cpp's) was asked through this record too."] if row.direct else said


def _differences(differences: Differences) -> list[str]:
    rows = []
    for field in msgspec.structs.fields(Differences):
        value = getattr(differences, field.name)
        if value is not None:
            rows.append(f"| {_MEANINGS[field.name]} | {_shown(value)} |")
    return ["| differs in | how |", "| --- | --- |", *rows, ""] if rows else ["It differs from the family's base in nothing.\n"]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"`{key}` → {_shown(inner) if not isinstance(inner, dict) else _json(inner)}" for key, inner in value.items())
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`"


def _json(value: object) -> str:
    return f"`{msgspec.json.encode(value).decode()}`".replace("|", "\\|")


def _model(entry: ModelRecord) -> str:
    takes = ", ".join([*entry.inputs, *(["tools"] if entry.tools else [])])
    changed = [_MEANINGS[field.name] for field in msgspec.structs.fields(Differences) if getattr(entry.dialect, field.name) is not None]
    return (
        f"| `{entry.model}` | {entry.since} | {entry.until or ''} | {takes} | {entry.schema} | {entry.context_tokens or ''} "
        f"| {', '.join(changed)} | {entry.source} |"
    )
