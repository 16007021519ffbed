"""`lizi partner fake`: a scripted partner by hand, which speaks and misbehaves as a real one may.

Listens on loopback alone, needs no configuration, keeps nothing. Ends with SIGINT or SIGTERM.
"""

from __future__ import annotations

import os

from lizi.cli.output import FAILED, USAGE, Output
from lizi.testing.behaviours import BEHAVIOURS
from lizi.testing.partners import Partner, run, script_of
from lizi.testing.planted import PLANTED
from lizi.testing.speeches import SPEECHES

__all__ = ["listing", "serve"]


def serve(
    output: Output,
    *,
    dialect: str,
    behaviour: str,
    port: int,
    chunks: int | None,
    interval_ms: float | None,
    reply_bytes: int | None,
    first_byte_ms: float | None,
    first_token_ms: float | None,
    seed: int,
) -> None:
    """Say where it is and what to paste into lizi.toml, then serve."""
    _known(output, dialect)
    try:
        script = script_of(
            behaviour,
            dialect,
            chunks=chunks,
            interval_ms=interval_ms,
            reply_bytes=reply_bytes,
            first_byte_ms=first_byte_ms,
            first_token_ms=first_token_ms,
        )
    except ValueError as error:
        output.fail(f"{error}.", hint=f"'lizi partner fake --dialect {dialect} --list' says what there is.", code=USAGE, error="usage")
    several = isinstance(script, list) and len(script) > 1
    partner = Partner(script, port=port, seed=seed, capture=0, cycle=several, dialect=dialect)

    def ready(partner: Partner) -> None:
        block = _block(partner, dialect)
        said = {
            "base_url": partner.base_url,
            "pid": os.getpid(),
            "dialect": dialect,
            "behaviour": behaviour,
            "model": SPEECHES[dialect].models[0],
            "configuration": block,
        }
        if output.json:
            output.line(said)
            return
        output.people.print(f"{dialect} at {partner.base_url}, behaviour: {behaviour}\n", markup=False)
        output.people.print(block, markup=False, soft_wrap=True)
        output.say("It serves until Ctrl-C. What it answers are scripted words; no model is behind it.")

    try:
        run(partner, ready)
    except OSError as error:
        output.fail(f"Port {port} can't be used: {error.strerror}.", hint="Leave --port out, and a free one is taken.", code=FAILED)


def listing(output: Output, dialect: str) -> None:
    """What the partner can be made to do: the thirty with their variants, then the single answers."""
    _known(output, dialect)
    rows, shown = [], []
    for planted in PLANTED:
        absent = planted.absent.get(dialect)
        variants = [] if absent else [variant.name for variant in planted.variants(SPEECHES[dialect])]
        common = {"number": planted.number, "behaviour": planted.name, "what": planted.what}
        rows.append({**common, "variants": variants, "absent": absent})
        shown.append({**common, "variants": f"can't happen: {absent}" if absent else " · ".join(variants)})
    output.table(rows, shown=shown, title=f"{dialect}: --behaviour NAME or NAME/VARIANT")
    output.say(f"Single answers in the protocol's own words: {', '.join(BEHAVIOURS)}")


def _known(output: Output, dialect: str) -> None:
    if dialect not in SPEECHES:
        output.fail(f"There is no scripted partner '{dialect}'.", hint=f"Use one of {', '.join(SPEECHES)}.", code=USAGE, error="usage")


def _block(partner: Partner, dialect: str) -> str:
    speech, name = SPEECHES[dialect], f"fake-{dialect.replace('_', '-')}"
    asks = ['credential = "env:FAKE_KEY"  # any value will do, but there must be one'] if speech.key_header else []
    lines = [
        f"[partners.{name}]",
        f'dialect = "{dialect}"',
        f'base_url = "{partner.base_url}"',
        *asks,
        "",
        "[models.fake]",
        f'targets = [{{ partner = "{name}", model = "{speech.models[0]}" }}]',
        "",
        "[[metering.prices]]",
        f'key = "{name}/{speech.models[0]}"',
        "from = 2026-01-01",
        'input_per_million = "0"',
        'output_per_million = "0"',
        "",
    ]
    return "\n".join(lines)
