"""`lizi partner terms …`: the records of what partners may be given: keys to sign them, signing, reading, checking.

The signing key belongs to whoever answers for the contracts, not to the service, which knows the public half alone. Never prints a
private key. Works on files only: new terms act when the service reloads, which the audit chain records.
"""

from __future__ import annotations

import base64
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import asdict

from lizi.cli.output import NO, USAGE, Output
from lizi.types import Terms

__all__ = ["group", "in_words"]

_SEED_BYTES = 32
"""RFC 8032 §5.1.5."""
ConfigPath = Annotated[Path, typer.Option("--config", "-c", envvar="LIZI_CONFIG", help="The configuration file.")]
_DEFAULT_CONFIG = Path("lizi.toml")


def group(output: Output) -> typer.Typer:
    """The commands, speaking through `output`."""
    made = typer.Typer(help="What partners may be given: signed, dated records.", no_args_is_help=True)

    @made.command("key")
    def key(to: Annotated[Path, typer.Option(help="Where to write the private key; must not exist yet.")]) -> None:
        """Make a pair of keys for signing terms; print the public one, as the configuration takes it."""
        _key(output, to)

    @made.command("sign")
    def sign(
        record: Annotated[Path, typer.Argument(help="The record, TOML.")],
        key: Annotated[str, typer.Option(help="Where the private key is: env:NAME or file:PATH; never the key itself.")],
    ) -> None:
        """Sign a record: writes RECORD.sig beside it."""
        _sign(output, record, key)

    @made.command("show")
    def show(
        partner: Annotated[str, typer.Argument(help="Partner of the configuration.")],
        config: ConfigPath = _DEFAULT_CONFIG,
    ) -> None:
        """Say what a partner may be given, until when, and under which hash attempts name it."""
        _show(output, config, partner)

    @made.command("verify")
    def verify(
        record: Annotated[Path, typer.Argument(help="The record; RECORD.sig lies beside it.")],
        public: Annotated[
            list[str] | None, typer.Option("--public", help="Public key to check it by; repeat. Default: those of the configuration.")
        ] = None,
        config: ConfigPath = _DEFAULT_CONFIG,
    ) -> None:
        """Check a record and its signature; ends with 1 when it can't be used today."""
        _verify(output, record, public, config)

    return made


def _key(output: Output, to: Path) -> None:
    from lizi.terms import public_key

    private = base64.b64encode(secrets.token_bytes(_SEED_BYTES)).decode()
    try:
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        output.fail(f"{to} can't be made: {error.strerror}", hint="Name a file that does not exist yet, in a folder that does.", code=USAGE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(private + "\n")
        file.flush()
        os.fsync(file.fileno())
    public = public_key(private)
    line = f'[veil.terms_keys]\n{to.stem or "legal"} = "{public}"'
    output.data({"public": public, "private": f"file:{to}"}, lambda console: console.print(line, markup=False, soft_wrap=True))
    output.say(f"The private key is in {to}, for this user alone. Keep it where contracts are kept: the service needs the public one only.")


def _sign(output: Output, path: Path, key: str) -> None:
    from lizi.edge.runtime import resolve_secret
    from lizi.terms import parse, public_key, sign

    text = _read(output, path)
    record = parse(text, path.name)  # a signature under what can't be used would come to light only at the reload
    private = resolve_secret(key)
    if not private:
        output.fail("No signing key was given.", hint="Write env:NAME or file:PATH.", code=USAGE, error="usage")
    signature, public = sign(text, private), public_key(private)
    beside = path.with_name(path.name + ".sig")
    partial = beside.with_name(f".{beside.name}.partial")
    partial.write_text(signature + "\n", encoding="ascii")
    os.replace(partial, beside)
    said = {"record": str(path), "signature": str(beside), "partner": record.partner, "public": public}
    output.data(said, lambda console: console.print(f"{path} is signed for [bold]{record.partner}[/bold], by {public}", soft_wrap=True))
    output.say(f"Next: name it in the configuration as terms of {record.partner}, 'lizi config check', then reload the service (SIGHUP).")


def _show(output: Output, config_path: Path, partner: str) -> None:
    from lizi.cli.running import House

    config = House(config_path).config
    if partner not in config.partners:
        known = ", ".join(config.partners) or "none yet"
        output.fail(f"There is no partner '{partner}'.", hint=f"The configuration has: {known}.", code=USAGE, error="usage")
    terms = config.agreed.get(partner)
    if terms is None:
        hint = "docs/guides/partner-terms.md says how to write and sign them."
        output.fail(f"The partner '{partner}' has no terms.", hint=hint, code=NO, error="no_terms")
    _tell(output, partner, terms)


def _verify(output: Output, path: Path, public: list[str] | None, config_path: Path) -> None:
    from lizi.cli.running import House
    from lizi.terms import accept, parse

    trusted = {f"--public {number}": key for number, key in enumerate(public or (), 1)} or House(config_path).config.veil.terms_keys
    text = _read(output, path)
    signature = _read(output, path.with_name(path.name + ".sig")).decode("latin-1")
    partner = parse(text, path.name).partner
    terms = accept(text, signature, trusted, partner=partner, source=path.name)
    _tell(output, partner, terms)
    if not terms.since_at <= time.time() < terms.until_at:
        raise SystemExit(NO)


def _read(output: Output, path: Path) -> bytes:
    from lizi.terms import LIMIT_BYTES

    try:
        with path.open("rb") as file:
            return file.read(LIMIT_BYTES + 1)
    except OSError as error:
        output.fail(f"{path} can't be read: {error.strerror}", hint="Name a record; its signature is RECORD.sig.", code=USAGE)


def _tell(output: Output, partner: str, terms: Terms) -> None:
    value = asdict(terms) | {"partner": partner, "short": terms.short, "state": in_words(terms, time.time())}
    value |= {"data": sorted(terms.data), "regions": sorted(terms.regions)}
    shown = {
        "partner": partner,
        "data": ", ".join(value["data"]),
        "regions": ", ".join(value["regions"]),
        "retention": f"{terms.retention_days} days",
        "training": "allowed" if terms.training else "forbidden",
        "contract": terms.contract,
        "holds": f"{_day(terms.since_at)} to {_day(terms.until_at)}, the last day left out",
        "today": value["state"],
        "hash": terms.hash,
        "signed by": terms.signed_by,
    }

    def draw(console: Any) -> None:
        for name, words in shown.items():
            console.print(f"{name:<10} {words}", markup=False, soft_wrap=True)

    output.data(value, draw)


def in_words(terms: Terms | None, at: float) -> str:
    """Whether terms hold at `at`, and for how long: `none`, `until 2027-12-01 (370 days)`, `ended on …`, `from … on`."""
    from lizi.terms import days_left

    if terms is None:
        return "none"
    if at < terms.since_at:
        return f"from {_day(terms.since_at)} on"
    if at >= terms.until_at:
        return f"ended on {_day(terms.until_at)}"
    return f"until {_day(terms.until_at)} ({days_left(terms, at)} days)"


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
