"""`lizi serve` and `lizi config …`: a configuration served, checked, shown.

Serving is the supervisor's work; here its address is told, and with `--dev` a fresh key and two
snippets that work as they stand. Showing never resolves a secret; checking resolves each and
prints none.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import ssl
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lizi import __version__
from lizi.cli.output import NO, Output
from lizi.cli.running import House
from lizi.config import Config, load
from lizi.errors import ConfigError, LiziError
from lizi.types import Plan

if TYPE_CHECKING:
    from rich.console import Console

    from lizi.edge.supervisor import Supervisor

__all__ = ["check", "run", "show"]

_DEV_APP = "dev"
_QUESTION = "What is the capital of France?"
_STARTER = Path(__file__).with_name("starter.toml")


def run(output: Output, config_path: Path, *, dev: bool) -> int:
    """Serve until SIGTERM or Ctrl-C; returns 0. Raises `LiziError` when it can't start.

    With `dev` and no `lizi.toml` in this folder, one for the local model is written first.
    """
    import uvloop

    from lizi.edge.supervisor import run as supervise

    if dev and config_path == Path("lizi.toml") and not config_path.exists():
        _write_starter(config_path)
        output.say(f"[dim]There was no {config_path}: wrote one for the local model.[/dim]")

    async def started(supervisor: Supervisor) -> None:
        if dev:
            key, key_id = await _dev_key(supervisor)
            _tell_dev(output, supervisor, key, key_id)
        elif output.json:
            output.line({"address": supervisor.address, "pid": os.getpid()})
        else:
            sys.stdout.write(f"{supervisor.address}\n")
            sys.stdout.flush()

    output.say("[dim]starting …[/dim]")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(supervise(config_path, started))
    return 0


def _write_starter(path: Path) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_STARTER.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} can't be written: {error.strerror}", code="config_invalid", hint="Give a configuration with --config."
        ) from None


async def _dev_key(supervisor: Supervisor) -> tuple[str, str]:
    """A fresh key; those of earlier starts end, so that none lies about that still works."""
    now = time.time()
    for record in list(supervisor.book.keys.values()):
        if record.app == _DEV_APP and record.revoked_at is None and (record.expires_at is None or record.expires_at > now):
            await supervisor.revoke_key(record.key_id)
    shown, record, _ = await supervisor.create_key(_DEV_APP, Plan())
    return shown, record.key_id


def _tell_dev(output: Output, supervisor: Supervisor, key: str, key_id: str) -> None:
    # A wildcard is where it listens; a client on this machine goes to loopback.
    address = supervisor.address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    models = supervisor.config.models
    model = "assistant" if "assistant" in models else next(iter(models), "assistant")
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "{_QUESTION}"}}]}}'
    curl = (
        f"curl -sS {address}/v1/chat/completions \\\n"
        f'  -H "Authorization: Bearer {key}" \\\n'
        f'  -H "Content-Type: application/json" \\\n'
        f"  -d '{body}'"
    )
    python = (
        "from openai import OpenAI  # pip install openai\n"
        f'client = OpenAI(base_url="{address}/v1", api_key="{key}")\n'
        f'answer = client.chat.completions.create(model="{model}", messages=[{{"role": "user", "content": "{_QUESTION}"}}])\n'
        "print(answer.choices[0].message.content)"
    )
    if output.json:
        output.line({"address": address, "pid": os.getpid(), "key": key, "key_id": key_id, "curl": curl, "python": python})
        return
    # Written plainly: these lines are for copying, so nothing may fold or colour them.
    sys.stdout.write(
        f"\nLizi {__version__} serves {address}\n"
        f"development key: {key}\n"
        f"\n{curl}\n"
        f"\n{python}\n"
        "\nCtrl-C lets open answers end and stops; a second one stops at once.\n"
    )
    sys.stdout.flush()


# --- check ---------------------------------------------------------------------


def check(output: Output, path: Path) -> None:
    """Whether `lizi serve` could start on this file here and now; changes nothing. Ends with 1 when it could not."""
    problems: list[LiziError] = []
    config: Config | None = None
    try:
        house = House(path)
        config = house.config
        problems.extend(_problems(house))
    except LiziError as error:
        problems.append(error)
    warnings = _warnings(house) if config is not None else []
    value = {
        "servable": not problems,
        "config_hash": config.hash if config is not None else None,
        "problems": [{"message": error.message, "param": error.param, "hint": error.hint} for error in problems],
        "warnings": warnings,
    }

    def show(console: Console) -> None:
        from rich.markup import escape

        if not problems and config is not None:
            console.print(f"[green]good[/green]: {escape(str(path))} can be served · {config.hash[:12]}", soft_wrap=True)
        for error in problems:
            output.aside.print(f"[bold red]error:[/bold red] {escape(error.message)}", soft_wrap=True)
            if error.hint:
                output.aside.print(f"[bold]hint:[/bold] {escape(error.hint)}", soft_wrap=True)

    output.data(value, show)
    for line in warnings:
        output.say(f"[bold red]{line}[/bold red]")
    if problems:
        raise SystemExit(NO)


def _warnings(house: House) -> list[str]:
    """What can be served and should not stay so."""
    from lizi.cli.partner_life import standings
    from lizi.edge.partners import critical_words

    try:
        known = {name: move["state"] for name, move in standings(house).items()}
    except LiziError:  # a store that can't be read is among the problems already
        known = {}
    return critical_words(house.config, known, time.time())


def _problems(house: House) -> Iterator[LiziError]:
    """What stands outside of the file: secrets, certificates, weights, keyring, store, models' names."""
    from lizi.edge import models
    from lizi.edge.runtime import resolve_secret
    from lizi.edge.store import Store

    config = house.config
    references = {config.server.metrics_token: None, **{partner.credential: None for partner in config.partners.values()}}
    for reference in references:
        try:
            resolve_secret(reference, base=house.folder)
        except LiziError as error:
            yield error
    for name, partner in config.partners.items():
        if partner.embedded:
            yield from _embedded(name, partner.embedded, models.directory(os.environ))
    if config.server.tls_certificate:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(house.folder / config.server.tls_certificate, house.folder / config.server.tls_key)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror or getattr(error, "reason", None) or "it is no PEM file"
            hint = "tls_certificate is a PEM file with the chain, tls_key one with its private key, without a passphrase."
            message, param = f"The TLS certificate can't be used: {why}.", "$.server.tls_certificate"
            yield ConfigError(message, code="config_invalid", param=param, hint=hint)
    nearest = next(folder for folder in (house.data_dir, *house.data_dir.parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        hint = "The service's user must be able to write there."
        yield ConfigError("The data folder can't be written.", code="config_invalid", param="$.server.data_dir", hint=hint)
    try:
        house.trust()
        if house.store_path.exists() and house.store_path.stat().st_size:
            with Store.open(house.store_path, read_only=True):
                pass
    except LiziError as error:
        # An older store is brought up to date by the start itself.
        if "start the service once" not in (error.hint or ""):
            yield error


def _embedded(partner: str, model: str, folder: Path) -> Iterator[LiziError]:
    from lizi.edge import models

    param = f"$.partners.{partner}.embedded"
    try:
        path = models.path_of(model, folder)
    except LiziError as error:
        yield error
        return
    if not path.is_file():
        hint = f"'lizi model get {model}' fetches it."
        yield ConfigError(f"The local model {model} of partner {partner} is not here.", code="config_invalid", param=param, hint=hint)
    if importlib.util.find_spec("xllamacpp") is None:
        hint = "pip install 'lizi[local]', or give the partner a base_url instead."
        yield ConfigError(f"The engine for the local model of partner {partner} is missing.", code="config_invalid", param=param, hint=hint)


# --- show ----------------------------------------------------------------------


def show(output: Output, path: Path, *, effective: bool) -> None:
    """The configuration as TOML that can be served as it stands, or as JSON with its hash."""
    config = load(path, time.time())
    tree = msgspec.to_builtins(config, builtin_types=(date,))
    del tree["agreed"]  # of files that the configuration names: 'lizi partner terms show' shows it
    if not effective:
        import tomllib

        tree = _only(tree, tomllib.loads(path.read_text("utf-8")))
    tree = _masked(tree)
    value = {"config_hash": config.hash, "effective": effective, "config": tree}

    def draw(console: Console) -> None:
        lines = [f"# {path.name} · {config.hash}", *_toml(tree, ())]
        console.print("\n".join(lines), markup=False, soft_wrap=True)

    output.data(value, draw)


def _only(tree: Any, written: Any) -> Any:
    """Of the whole only what the file says itself."""
    if isinstance(tree, dict) and isinstance(written, dict):
        return {name: _only(tree[name], inner) for name, inner in written.items() if name in tree}
    if isinstance(tree, list | tuple) and isinstance(written, list):
        return [_only(one, inner) for one, inner in zip(tree, written, strict=False)]
    return tree


_USERINFO = re.compile(r"(?<=//)[^/@\s]+@")


def _masked(tree: Any) -> Any:
    """Secrets are references already; what somebody put into an address before an `@` is none of ours to show."""
    if isinstance(tree, dict):
        return {name: _masked(inner) for name, inner in tree.items()}
    if isinstance(tree, list | tuple):
        return [_masked(inner) for inner in tree]
    return _USERINFO.sub("***@", tree) if isinstance(tree, str) else tree


_BARE = re.compile(r"[A-Za-z0-9_-]+")


def _toml(tree: dict[str, Any], place: tuple[str, ...]) -> Iterator[str]:
    """Values first, then tables and arrays of tables, as TOML 1.0 wants them."""
    inner: list[tuple[str, Any]] = []
    for name, value in tree.items():
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            inner.append((name, value))
        elif value is not None:
            yield f"{_name(name)} = {_value(value)}"
    for name, value in inner:
        path = (*place, name)
        for one in value if isinstance(value, list) else [value]:
            shown = ".".join(_name(part) for part in path)
            yield ""
            yield f"[[{shown}]]" if isinstance(value, list) else f"[{shown}]"
            yield from _toml(one, path)


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    if isinstance(value, date):
        return value.isoformat()
    # JSON's strings, numbers and truth values are TOML's; DEL alone must be escaped there.
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
