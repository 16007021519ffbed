"""`lizi partner add`: writes a partner into the configuration, and its model into a logical one.

Never writes a secret, only its reference; never touches a file that would not load afterwards: the new text is
checked whole before it takes the old one's place, at once and with the old one's permissions. Keeps comments and
order. A partner that is added begins as a candidate: users' traffic goes to it when it is made active.
"""

from __future__ import annotations

import os
import time
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from lizi.cli.output import USAGE, Output
from lizi.config import PartnerSettings, built_in, is_own, parse
from lizi.dialects.records import Record, known
from lizi.errors import ConfigError
from lizi.settings import Reference

__all__ = ["add"]


def add(
    output: Output,
    config_path: Path,
    name: str,
    *,
    dialect: str,
    credential: str,
    model: str,
    logical: str,
    region: str | None,
    base_url: str | None,
    first: bool,
    free: bool,
) -> None:
    """Add partner `name` and its `model` as a target of `logical`, last in its list or first; ends with what to do next."""
    import tomlkit

    try:
        text = config_path.read_text(encoding="utf-8") if config_path.exists() else ""
        tree: Any = tomlkit.parse(text)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        output.fail(
            f"{config_path} can't be read: {type(error).__name__}.", hint="'lizi config check' says what is wrong with it.", code=USAGE
        )
    own = tree.get("records", {})
    if dialect not in built_in() and dialect not in own:
        names = ", ".join([*built_in(), *own])
        hint = f"Use one of {names}, or write [records.{dialect}]."
        output.fail(f"There is no record '{dialect}'.", hint=hint, code=USAGE, error="usage")
    if name in tree.get("partners", {}):
        output.fail(f"The configuration has a partner '{name}' already.", hint="Change it there, or take another name.", code=USAGE)
    _by_reference(output, credential)
    record = _own(text, dialect) if dialect in own else built_in()[dialect]
    addresses = record.addresses if record is not None else {}
    region, base_url = _place(output, dialect, addresses, region, base_url)
    entry = known(record, model, time.time()) if record is not None else None

    partner = tomlkit.table()
    partner.update({"dialect": dialect, "base_url": base_url, "credential": credential, "region": region, "state": "candidate"})
    tree.setdefault("partners", tomlkit.table(is_super_table=True))[name] = partner
    target = tomlkit.inline_table()
    target.update({"partner": name, "model": model})
    if logical in tree.setdefault("models", tomlkit.table(is_super_table=True)):
        targets = tree["models"][logical]["targets"]
        targets.insert(0, target) if first else targets.append(target)
    else:
        made = tomlkit.table()
        targets = tomlkit.array()
        targets.append(target)
        made["targets"] = targets
        tree["models"][logical] = made
    unsaid = "terms" not in tree.get("veil", {}) and not is_own(PartnerSettings(base_url=base_url))
    if unsaid:
        tree.setdefault("veil", tomlkit.table())["terms"] = "required"
    if free:
        tree.setdefault("metering", tomlkit.table())["unpriced"] = "free"
    _keep(output, config_path, tomlkit.dumps(tree), name, model)

    said = {
        "partner": name,
        "dialect": dialect,
        "base_url": base_url,
        "region": region,
        "credential": credential,
        "model": model,
        "logical": logical,
        "state": "candidate",
        "capabilities": sorted(entry.capabilities) if entry is not None else [],
        "known": entry is not None,
    }
    output.data(said, lambda console: console.print(f"[bold]{name}[/bold] is in {config_path}: {logical} → {model} at {base_url}"))
    if entry is None:
        output.say(f"[bold]note:[/bold] no record knows {model}: give its capabilities in the target if it takes images, tools or schemas.")
    if unsaid:
        output.say(
            "[bold]note:[/bold] the file now says [bold]terms = \"required\"[/bold]: a partner without signed terms gets nothing of "
            "users'. docs/guides/partner-terms.md says how to sign them, and what \"optional\" means."
        )
    output.say(f"Next: 'lizi config check', 'lizi partner ping {name}', start or reload the service (SIGHUP), then")
    output.say(f"'lizi partner move {name} approved --why …' and 'lizi partner move {name} active --why …'.")
    if credential.startswith("env:"):
        output.say("[dim]A service that runs already does not see a variable that is set later: start it anew, or use file:PATH.[/dim]")


def _by_reference(output: Output, credential: str) -> None:
    """A secret that was typed is not repeated."""
    try:
        msgspec.convert(credential, Reference)
    except msgspec.ValidationError:
        hint = "Give --credential env:NAME or file:PATH. A key that was typed here stands in the shell's history: replace it."
        output.fail("That is no reference to a credential.", hint=hint, code=USAGE, error="usage")


def _own(text: str, dialect: str) -> Record | None:
    """The file's own record; `None` when it would not load, which the check of the whole file then says."""
    try:
        return msgspec.convert(tomllib.loads(text)["records"][dialect], Record)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError):
        return None


def _place(output: Output, dialect: str, addresses: dict[str, str], region: str | None, base_url: str | None) -> tuple[str, str]:
    """Region and address: as given, else the record's."""
    if base_url is not None:
        return region or next((place for place, url in addresses.items() if url == base_url), "unknown"), base_url
    if region is None and len(addresses) == 1:
        region = next(iter(addresses))
    if region not in addresses:
        places = ", ".join(addresses)
        hint = f"Give --region ({places}) or --base-url." if places else "Give --base-url."
        output.fail(f"It is not clear where '{dialect}' should be asked.", hint=hint, code=USAGE, error="usage")
    return region, addresses[region]


def _keep(output: Output, path: Path, text: str, name: str, model: str) -> None:
    """Whole or not at all."""
    try:
        parse(text, time.time(), source=path.name)
    except ConfigError as error:
        hint = error.hint
        if "price" in error.message:
            hint = (
                f'Add [[metering.prices]] to {path.name} with key = "{name}/{model}", from, input_per_million and output_per_million, '
                "or give --free where nothing is charged."
            )
        output.fail(f"With this partner the file would not load, so it was not touched: {error.message}", hint=hint, error=error.code)
    partial = path.with_name(f".{path.name}.partial")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
