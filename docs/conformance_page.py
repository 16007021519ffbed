"""The conformance table as a page: made from the table that the tests run (`lizi.testing.planted`). Used by generate.py."""

from __future__ import annotations

from lizi.testing.live import LIVE
from lizi.testing.planted import PLANTED, Planted
from lizi.testing.speeches import SPEECHES

HEAD = """\
# Conformance: each partner's dialect against thirty behaviours

`tests/conformance/test_partners.py` runs every cell through the real corridor: the dialect's request, a scripted partner on a real
socket, Lizi's own client, the reader, what the device gets. A cell that does not pass fails the build; an empty one says why. The
partners are scripted from the project's notes: **no live partner was called**. `lizi partner fake --dialect NAME --behaviour NAME`
starts any of them by hand, and `--list` says what it can do.

For every request of every cell this holds as well: exactly one end, one settlement and one record; memory within a bound; no wording,
id, address or model name of the partner's reaches the device outside the model's own words; no name of app, key or exchange reaches the
partner; and the partner takes the request as it stands, though it refuses every field that its documents don't name.

`tests/conformance/test_hidden_partner.py` plays the same cells once more in each partner's own name: it stands in the status text,
headers, trailers, comments and fields of the stream, ids, model, fingerprint, errors, reasoning, tool calls and in the text itself, where
the partner introduces itself and links to itself. No name, maker, domain, model, host or id of it may be in what a device gets. (Where
pieces of a text come in another order it introduces itself elsewhere only: there are no sentences.)
"""
TAKEN = """\
## What it is asked

The same file asks every kind of model in each record in some twenty forms (sampling, tools, schemas, efforts, images, long conversations),
streamed and whole: none may be refused.
"""
MODEL = """\
## On a real language model

`tests/e2e/test_live_rows.py` runs each row below on the local model that Lizi serves (`smollm2-135m`): the running service, the official
`openai` client, a whole answer, a streamed one, and an object of a schema. The double of the row asks the model what the dialect
asked it and says the answer in the partner's form, so that the words, the reason to stop and the counts of tokens are nobody's script. The
model is small and no partner's: its answers say nothing about theirs. Where a schema is asked in words, or as any JSON object, the double
holds the model to the schema that it reads in the request. Some rows are also asked without a double, at the model's own server, which is
llama.cpp's.
"""
RUNGS = {
    "json_schema": "as a schema",
    "json_object": "as any JSON object, the schema in words",
    "tool": "as a tool that must be called",
    "words": "in words",
}
SWAPPED = """\
## Swapped under load

`tests/e2e/test_swap.py` puts all rows into a ring and lets each hand over to the next while twelve devices stream, once by the command
that retires it and once by its death before anything was released. At the devices no exchange fails, every text is whole, and all
streams have the same status, names of headers and form of chunks.
"""
DUE = """\
## What the device gets

Of each variant, of one request after the other. `stop`, `length`, `tool_calls` and `content_filter` are reasons to finish; `retract`: what
was shown is taken back; `withdrawn`: it was never shown; `result`: a feature's checked object. The rest are failures: a class of partners'
errors, which a device sees as [one of ours](errors.md), or a code. Where partners say it in different ways, all that is due at one of them.
"""


def page() -> str:
    """`docs/reference/conformance.md`."""
    lines = [HEAD, "| | behaviour | what the partner does | " + " | ".join(f"`{name}`" for name in SPEECHES) + " |"]
    lines.append("| ---: | --- | --- | " + " | ".join("---" for _ in SPEECHES) + " |")
    for planted in PLANTED:
        cells = (f"n/a: {planted.absent[dialect]}" if dialect in planted.absent else "passes" for dialect in SPEECHES)
        lines.append(f"| {planted.number} | `{planted.name}` | {planted.what} | " + " | ".join(cells) + " |")
    on_model = ("whole, streamed, schema" if name in LIVE else "not run" for name in SPEECHES)
    lines.append("| | *on a real model* | says what a language model said | " + " | ".join(on_model) + " |")
    lines += ["", TAKEN, MODEL, "| row | is asked for an object | without a double |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | {RUNGS[row.schema]} | {'yes' if row.direct else ''} |" for name, row in LIVE.items()]
    lines += ["", SWAPPED, DUE, "| | variant | due |", "| ---: | --- | --- |"]
    for planted in PLANTED:
        lines += [f"| {planted.number} | {variant} | {' *or* '.join(dues)} |" for variant, dues in _dues(planted).items()]
    return "\n".join(lines).rstrip() + "\n"


def _dues(planted: Planted) -> dict[str, list[str]]:
    """Variant → what is due, in the order of the dialects."""
    found: dict[str, list[str]] = {}
    for dialect, speech in SPEECHES.items():
        for variant in planted.variants(speech) if dialect not in planted.absent else ():
            due = ", ".join(f"`{word.lstrip('!')}`" for word in variant.due)
            known = found.setdefault(variant.name.replace("|", "\\|"), [])
            if due not in known:
                known.append(due)
    return found
