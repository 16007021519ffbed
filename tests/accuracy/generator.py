"""Templates and a seed in, labelled sentences out: the blind accuracy set. Deterministic; only `load` reads files.

`python -m accuracy.generator` (with `tests` on the path) prints the set, one JSON object a line; with `--manifest` it prints the manifest.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from accuracy.decoys import Decoys

FOLDER = Path(__file__).resolve().parent
SEED = 20261126
CLASSES = ("personal", "decoy", "ordinary")

SENTENCES = {
    ("zh-Hans", "personal"): 690, ("zh-Hans", "decoy"): 105, ("zh-Hans", "ordinary"): 180,
    ("zh-Hant", "personal"): 195, ("zh-Hant", "decoy"): 38, ("zh-Hant", "ordinary"): 60,
    ("en", "personal"): 462, ("en", "decoy"): 100, ("en", "ordinary"): 170,
}  # fmt: skip
"""2,000 in all. Two thirds hold something to find, far more than in real text: a rate of misses needs many values."""

AIMS = {
    "zh-Hans": {
        "resident_id": 125, "phone": 190, "bank_card": 60, "plate": 60, "passport": 30, "permit": 38, "uscc": 78, "email": 70,
        "ip_address": 32, "imei": 38, "mac_address": 30, "coordinates": 32, "iban": 6, "secret": 36, "account": 90, "order": 60,
        "person": 300, "address": 200,
    },
    "zh-Hant": {
        "permit": 36, "passport": 10, "plate": 16, "bank_card": 10, "imei": 8, "mac_address": 8, "coordinates": 8, "email": 26,
        "ip_address": 8, "order": 14, "account": 24, "secret": 10, "phone": 60, "person": 120, "address": 60,
    },
    "en": {
        "ssn": 78, "iban": 72, "phone": 100, "email": 80, "bank_card": 30, "plate": 28, "passport": 34, "imei": 28, "mac_address": 34,
        "coordinates": 34, "ip_address": 36, "secret": 50, "account": 34, "order": 50, "permit": 20, "person": 200, "address": 110,
    },
}  # fmt: skip
"""Values wanted of each kind. Every template is used twice; the rest of the sentences go where a kind is furthest from its aim."""

MOST_USES = 14
"""A template that is used more often than this would weigh more in the result than it has to say."""

NOTATION = re.compile(
    r"\{\|(?P<choices>.*?)\|\}"
    r"|\{~(?P<filler>[a-z]+)\}"
    r"|\{\?(?P<decoy>[a-z_]+)\}"
    r"|⟪(?P<fixed>[^|⟫]+)\|(?P<resembles>[a-z_]+)⟫"
    r"|\{(?P<kind>[a-z_]+)(?::(?P<variant>[a-z_0-9]+))?(?:@(?P<region>[a-z]+))?(?:=(?P<label>[a-z]))?\}",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Template:
    """One template. `region` says whose formats its slots take unless a slot says otherwise; `disguise` whether digits may be disguised."""

    name: str
    language: str
    sort: str
    region: str
    disguise: bool
    text: str

    def slots(self) -> Counter[str]:
        return Counter(match["kind"] for match in NOTATION.finditer(self.text) if match["kind"])


def load(folder: Path = FOLDER) -> tuple[list[Template], dict[str, Any]]:
    """All templates in the order of the files, and the word tables."""
    templates = []
    for path in sorted((folder / "templates").glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        language = content["language"]
        for sort in CLASSES:
            for group, texts in content[sort].items():
                region = group.partition("_")[0] if language != "zh-Hans" else "cn"
                region = region if region in {"cn", "tw", "hk", "us", "uk"} else "us"
                pasted = "pasted" in group or "tables" in group
                for number, text in enumerate(texts, 1):
                    name = f"{language}/{sort}/{group}/{number}"
                    templates.append(Template(name=name, language=language, sort=sort, region=region, disguise=not pasted, text=text))
    return templates, tomllib.loads((folder / "tables.toml").read_text(encoding="utf-8"))


def fill(template: Template, rng: Random, tables: dict[str, Any]) -> dict[str, Any]:
    """One sentence from one template: text, spans and decoys with offsets in characters."""
    values = Decoys(rng, tables)
    words = tables["fill"].get(template.region, tables["fill"][template.language])
    labelled: dict[str, tuple[str, str]] = {}
    told: set[str] = set()
    text, spans, decoys, end = "", [], [], 0
    for match in NOTATION.finditer(template.text):
        text += template.text[end : match.start()]
        end = match.end()
        start = len(text)
        if match["choices"] is not None:
            text += rng.choice(match["choices"].split("|"))
        elif match["filler"]:
            text += rng.choice([word for word in words[match["filler"]] if word not in told])
            told.add(text[start:])
        elif match["decoy"] or match["fixed"]:
            shown, resembles = values.decoy(match["decoy"]) if match["decoy"] else (match["fixed"], match["resembles"])
            text += shown
            decoys.append({"start": start, "end": len(text), "resembles": resembles})
        else:
            value, form = labelled.get(match["label"] or "", ("", ""))
            while not value or (not match["label"] and value in told):
                region = match["region"] or template.region
                value, form = values.make(match["kind"], match["variant"] or "", region, template.language, template.disguise)
            told.add(value)
            if match["label"]:
                labelled[match["label"]] = (value, form)
            text += value
            spans.append({"kind": match["kind"], "start": start, "end": len(text), "form": form})
    text += template.text[end:]
    return {
        "language": template.language,
        "class": template.sort,
        "template": template.name,
        "text": text,
        "spans": spans,
        "decoys": decoys,
    }


def chosen(templates: list[Template], aims: dict[str, int], rng: Random) -> Iterator[Template]:
    """Which template comes next, without end: each once in a random order, and again; then by what is still missing."""
    have: Counter[str] = Counter()
    uses: Counter[str] = Counter()
    given = 0
    while True:
        if given < 2 * len(templates) or not aims:
            if given % len(templates) == 0:
                order = rng.sample(templates, len(templates))
            template = order[given % len(templates)]
        else:
            lacking = sorted(aims, key=lambda kind: (have[kind] / aims[kind], kind))
            fitting: list[Template] = []
            for kind in lacking:
                fitting = fitting or [one for one in templates if kind in one.slots() and uses[one.name] < MOST_USES]
            fitting = fitting or templates
            least = min(uses[one.name] for one in fitting)
            template = rng.choice([one for one in fitting if uses[one.name] == least])
        have += template.slots()
        uses[template.name] += 1
        given += 1
        yield template


def generate(templates: list[Template], tables: dict[str, Any], rng: Random) -> list[dict[str, Any]]:
    """The whole set. No sentence comes twice; templates that cannot give another one are passed over."""
    records: list[dict[str, Any]] = []
    seen: set[str] = set()
    for (language, sort), count in SENTENCES.items():
        part = [template for template in templates if (template.language, template.sort) == (language, sort)]
        target = len(records) + count
        for template in chosen(part, AIMS[language] if sort == "personal" else {}, rng):
            record = fill(template, rng, tables)
            if record["text"] not in seen:
                seen.add(record["text"])
                records.append(record)
            if len(records) == target:
                break
    rng.shuffle(records)
    return [{"id": f"{number:04d}", **record} for number, record in enumerate(records, 1)]


def lines(records: list[dict[str, Any]]) -> bytes:
    """The records as the manifest hashes them: JSON lines, UTF-8, sorted keys."""
    return "".join(json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n" for record in records).encode()


def manifest(records: list[dict[str, Any]], templates: list[Template], folder: Path = FOLDER) -> str:
    """What pins the set: its seed, its counts, and the hash of everything that it comes from and of itself."""
    code = sorted(path.name for path in folder.glob("*.py") if path.name != "test_set.py")
    files = [*code, "tables.toml", *sorted(f"templates/{path.name}" for path in (folder / "templates").glob("*.toml"))]
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}
    tables: dict[str, dict[str, Any]] = {
        "templates": Counter(f"{template.language} {template.sort}" for template in templates),
        "sentences": Counter(f"{record['language']} {record['class']}" for record in records),
        "values": Counter(span["kind"] for record in records for span in record["spans"]),
        "disguised": Counter(span["form"] for record in records for span in record["spans"] if span["form"] != "plain"),
        "sha256": {**hashes, "the generated lines": hashlib.sha256(lines(records)).hexdigest()},
    }
    decoys = sum(len(record["decoys"]) for record in records)
    text = f"seed = {SEED}\nsentences_in_all = {len(records)}\ndecoys_in_all = {decoys}\n"
    for title, table in tables.items():
        text += f"\n[{title}]\n" + "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in sorted(table.items()))
    return text


if __name__ == "__main__":
    templates, tables = load()
    records = generate(templates, tables, Random(SEED))
    sys.stdout.buffer.write(manifest(records, templates).encode() if "--manifest" in sys.argv else lines(records))
