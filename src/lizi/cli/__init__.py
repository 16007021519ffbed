"""The command line: `lizi …`. Parses, calls one function, prints; decides nothing itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from lizi import __version__
from lizi.cli import partner_terms, veil
from lizi.cli.options import DEFAULT_CONFIG as _DEFAULT_CONFIG
from lizi.cli.options import ConfigPath
from lizi.cli.output import INTERRUPTED, USAGE, Output
from lizi.errors import LiziError

__all__ = ["app", "main"]

app = typer.Typer(
    name="lizi",
    help="The self-hosted layer between your devices and your partners' models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
_config = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)
_key = typer.Typer(help="App keys: created, listed, rotated, revoked.", no_args_is_help=True)
_model = typer.Typer(help="Local models: fetched only when asked for.", no_args_is_help=True)
_ledger = typer.Typer(help="What was used and what it cost.", no_args_is_help=True)
_audit = typer.Typer(help="The audit chain.", no_args_is_help=True)
_store = typer.Typer(help="Back up and restore the store.", no_args_is_help=True)
_keyring = typer.Typer(help="The service's own keys: for signing, for idempotency, for what devices carry.", no_args_is_help=True)
_partner = typer.Typer(help="The partners behind the features.", no_args_is_help=True)
_route = typer.Typer(help="Where requests go.", no_args_is_help=True)
_output = Output()
for _name, _group in {
    "config": _config,
    "key": _key,
    "model": _model,
    "ledger": _ledger,
    "audit": _audit,
    "store": _store,
    "keyring": _keyring,
    "partner": _partner,
    "route": _route,
    "veil": veil.group(_output),
}.items():
    app.add_typer(_group, name=_name)

_partner.add_typer(partner_terms.group(_output), name="terms")

Days = Annotated[str | None, typer.Option(help="A day (2026-11-24), inclusive, in the ledger's time zone.")]


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"lizi {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for programs.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")] = False,
) -> None:
    _output.json = json


# --- serving -------------------------------------------------------------------


@app.command()
def serve(
    config: ConfigPath = _DEFAULT_CONFIG,
    dev: Annotated[bool, typer.Option("--dev", help="Make a fresh development app key and print snippets that work when pasted.")] = False,
) -> None:
    """Serve until SIGTERM; SIGHUP reloads the configuration."""
    from lizi.cli.serving import run

    raise SystemExit(run(_output, config, dev=dev))


@app.command()
def chat(
    prompt: Annotated[str | None, typer.Argument(help="One question; without it, a conversation.")] = None,
    key: Annotated[str, typer.Option(envvar="LIZI_KEY", help="App key.")] = "",
    url: Annotated[str, typer.Option(envvar="LIZI_URL", help="Where the service listens.")] = "http://127.0.0.1:8080",
    model: Annotated[str, typer.Option(help="Logical model.")] = "assistant",
    system: Annotated[str | None, typer.Option(help="Instructions before the conversation.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer.")] = None,
    ca: Annotated[str | None, typer.Option(help="PEM file of the authority to trust, for a private certificate.")] = None,
) -> None:
    """Talk to a running service, streaming."""
    from lizi.cli.chat import converse

    if not key:
        _output.fail("No app key was given.", hint="Give --key or set LIZI_KEY; 'lizi key create APP' makes one.", code=USAGE)
    converse(_output, url, key, model, prompt, system, max_tokens, ca)


# --- configuration -------------------------------------------------------------


@_config.command("check")
def config_check(config: ConfigPath = _DEFAULT_CONFIG) -> None:
    """Say whether a file could be served, and what is wrong with it if not."""
    from lizi.cli.serving import check

    check(_output, config)


@_config.command("show")
def config_show(
    config: ConfigPath = _DEFAULT_CONFIG,
    effective: Annotated[bool, typer.Option(help="With every default filled in.")] = True,
) -> None:
    """Show the configuration as it would be served; secrets stay references."""
    from lizi.cli.serving import show

    show(_output, config, effective=effective)


# --- keys ----------------------------------------------------------------------


@_key.command("create")
def key_create(
    app_name: Annotated[str, typer.Argument(metavar="APP", help="Name of the app that will call.")],
    config: ConfigPath = _DEFAULT_CONFIG,
    models: Annotated[list[str] | None, typer.Option("--model", help="Logical model that it may use; repeat. Default: all.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
    streams: Annotated[int | None, typer.Option(min=1, help="Streams open at once.")] = None,
    money_per_day: Annotated[str | None, typer.Option(help="Budget in the ledger's currency, e.g. 12.50.")] = None,
    money_per_month: Annotated[str | None, typer.Option(help="Budget in the ledger's currency.")] = None,
    market: Annotated[str, typer.Option(help="Market that it serves, e.g. CN; targets may be bound to markets.")] = "",
    regions: Annotated[list[str] | None, typer.Option("--region", help="Where partners may compute for it; repeat.")] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, help="Days until the key ends.")] = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="For examining: may also reach partners that are not active yet.")
    ] = False,
) -> None:
    """Make an app key and show it once."""
    from lizi.cli import keys

    keys.create(
        _output,
        config,
        app_name,
        keys.plan_of(
            _output,
            models=models,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            streams=streams,
            money_per_day=money_per_day,
            money_per_month=money_per_month,
            market=market,
            regions=regions,
            synthetic=synthetic,
        ),
        expires_days,
    )


@_key.command("list")
def key_list(config: ConfigPath = _DEFAULT_CONFIG) -> None:
    """List all keys: never their secrets."""
    from lizi.cli import keys

    keys.listing(_output, config)


@_key.command("rotate")
def key_rotate(
    key_id: str,
    config: ConfigPath = _DEFAULT_CONFIG,
    overlap_hours: Annotated[int, typer.Option(min=0, help="The old key stays good for this long.")] = 24,
) -> None:
    """Make a new key with the same plan; the old one ends after the overlap."""
    from lizi.cli import keys

    keys.rotate(_output, config, key_id, overlap_hours)


@_key.command("revoke")
def key_revoke(key_id: str, config: ConfigPath = _DEFAULT_CONFIG) -> None:
    """Refuse a key from now on, on every worker, within a second."""
    from lizi.cli import keys

    keys.revoke(_output, config, key_id)


# --- local models --------------------------------------------------------------


@_model.command("get")
def model_get(name: str) -> None:
    """Fetch a local model, check its SHA-256 and keep only the weights."""
    from lizi.cli import models

    models.get(_output, name)


@_model.command("list")
def model_list() -> None:
    """List the known local models and which are here."""
    from lizi.cli import models

    models.listing(_output)


@_model.command("verify")
def model_verify(name: str) -> None:
    """Check the SHA-256 of a fetched model again."""
    from lizi.cli import models

    models.verify(_output, name)


@_model.command("remove")
def model_remove(name: str) -> None:
    """Delete a fetched model."""
    from lizi.cli import models

    models.remove(_output, name)


# --- money and evidence --------------------------------------------------------


@_ledger.command("report")
def ledger_report(
    by: Annotated[Literal["app", "feature", "partner", "day"], typer.Option(help="One row for each.")] = "app",
    since: Days = None,
    until: Days = None,
    config: ConfigPath = _DEFAULT_CONFIG,
) -> None:
    """What was used, charged to apps and spent at partners."""
    from lizi.cli import records

    records.report(_output, config, by, since, until)


@_ledger.command("reconcile")
def ledger_reconcile(config: ConfigPath = _DEFAULT_CONFIG, since: Days = None, until: Days = None) -> None:
    """Price every attempt of the past again: an old invoice must come out as it was. Ends with 1 when it does not."""
    from lizi.cli import records

    records.reconcile(_output, config, since, until)


@_ledger.command("quote")
def ledger_quote(
    partner: Annotated[str, typer.Option("--as", metavar="PARTNER", help="Whose prices to use.")],
    model: Annotated[str | None, typer.Option(help="Which of its models, if it has several in the price book.")] = None,
    since: Days = None,
    until: Days = None,
    config: ConfigPath = _DEFAULT_CONFIG,
) -> None:
    """Replay the past at another partner's prices."""
    from lizi.cli import records

    records.quote(_output, config, partner, model, since, until)


@_audit.command("verify")
def audit_verify(
    config: ConfigPath = _DEFAULT_CONFIG,
    store: Annotated[Path | None, typer.Option(help="A store file, e.g. a backup; default: the configured one.")] = None,
) -> None:
    """Recompute every chain and compare the partners' moves with it; name the first record or row that is wrong."""
    from lizi.cli import records

    records.verify(_output, config, store)


@_store.command("backup")
def store_backup(to: Path, config: ConfigPath = _DEFAULT_CONFIG) -> None:
    """Copy the store while it is in use, and verify the copy."""
    from lizi.cli import records

    records.backup(_output, config, to)


@_store.command("restore")
def store_restore(source: Annotated[Path, typer.Argument(metavar="FROM")], config: ConfigPath = _DEFAULT_CONFIG) -> None:
    """Put a verified backup in the store's place; the service must be stopped."""
    from lizi.cli import records

    records.restore(_output, config, source)


# --- partners ------------------------------------------------------------------


@_partner.command("list")
def partner_list(config: ConfigPath = _DEFAULT_CONFIG) -> None:
    """List the partners and what routes to them."""
    from lizi.cli import partners

    partners.listing(_output, config)


@_partner.command("ping")
def partner_ping(
    name: Annotated[str, typer.Argument(help="Partner to ask.")],
    config: ConfigPath = _DEFAULT_CONFIG,
) -> None:
    """Send one tiny request to each of a partner's targets and say what came."""
    from lizi.cli import partners

    partners.ping(_output, config, name)


@_partner.command("move")
def partner_move(
    name: Annotated[str, typer.Argument(help="Partner to move.")],
    state: Annotated[str, typer.Argument(help="candidate, approved, active or retired.")],
    why: Annotated[str, typer.Option(help="Reason; stands in the audit chain for good. Nothing that a user wrote.")],
    by: Annotated[str | None, typer.Option(help="Who decided it. Default: the user of this machine.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also when something critical is left with fewer than two of them.")] = False,
    config: ConfigPath = _DEFAULT_CONFIG,
) -> None:
    """Move a partner in its life: only an active one takes users' traffic."""
    from lizi.cli import partner_life

    partner_life.move(_output, config, name, state, why=why, by=by, force=force)


@_partner.command("history")
def partner_history(
    name: Annotated[str, typer.Argument(help="Partner to look at.")],
    config: ConfigPath = _DEFAULT_CONFIG,
) -> None:
    """Every move of a partner: when, by whom, why."""
    from lizi.cli import partner_life

    partner_life.history(_output, config, name)


@_partner.command("add")
def partner_add(
    name: Annotated[str, typer.Argument(help="What to call it in the configuration.")],
    dialect: Annotated[str, typer.Option(help="Record of how it speaks: qwen, deepseek, kimi, openai, anthropic, vllm …")],
    model: Annotated[str, typer.Option(help="The partner's own name of the model.")],
    credential: Annotated[str, typer.Option(help="Where its key is: env:NAME or file:PATH; never the key itself.")] = "",
    logical: Annotated[str, typer.Option("--as", help="Logical model that it shall answer; made if it isn't there.")] = "assistant",
    region: Annotated[str | None, typer.Option(help="Region of the record whose address is used.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Its address, where the record has none that fits.")] = None,
    first: Annotated[bool, typer.Option("--first", help="Ask it before the targets that are there.")] = False,
    free: Annotated[bool, typer.Option("--free", help="Models without a price cost nothing.")] = False,
    config: ConfigPath = _DEFAULT_CONFIG,
) -> None:
    """Write a partner into the configuration, as a candidate."""
    from lizi.cli.adding import add

    add(
        _output,
        config,
        name,
        dialect=dialect,
        credential=credential,
        model=model,
        logical=logical,
        region=region,
        base_url=base_url,
        first=first,
        free=free,
    )


@_partner.command("fake")
def partner_fake(
    dialect: Annotated[str, typer.Option(help="Partner to play: qwen, deepseek, kimi, glm, openai, anthropic, vllm …")] = "openai_chat",
    behaviour: Annotated[
        str, typer.Option(metavar="NAME", help="What it does: a name, a number of the thirty, or NAME/VARIANT; see --list.")
    ] = "good",
    listed: Annotated[bool, typer.Option("--list", help="Say what it can be made to do, and leave.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="On loopback; 0 takes a free one.")] = 0,
    chunks: Annotated[int | None, typer.Option(min=1, help="Pieces of a streamed answer.")] = None,
    interval_ms: Annotated[float | None, typer.Option(min=0, help="Time between two pieces.")] = None,
    reply_bytes: Annotated[int | None, typer.Option(min=1, help="Size of the answer's text.")] = None,
    first_byte_ms: Annotated[float | None, typer.Option(min=0, help="Wait before the headers.")] = None,
    first_token_ms: Annotated[float | None, typer.Option(min=0, help="Wait between the headers and the first piece.")] = None,
    seed: Annotated[int, typer.Option(help="Of its words: the same seed, the same bytes.")] = 0,
) -> None:
    """Start a scripted partner on loopback, which speaks and misbehaves as a real one may; print what to paste into lizi.toml."""
    from lizi.cli import fake

    if listed:
        fake.listing(_output, dialect)
        return
    fake.serve(
        _output,
        dialect=dialect,
        behaviour=behaviour,
        port=port,
        chunks=chunks,
        interval_ms=interval_ms,
        reply_bytes=reply_bytes,
        first_byte_ms=first_byte_ms,
        first_token_ms=first_token_ms,
        seed=seed,
    )


# --- keyring -------------------------------------------------------------------


@_keyring.command("list")
def keyring_list(config: ConfigPath = _DEFAULT_CONFIG) -> None:
    """List the service's own keys; never a private one."""
    from lizi.cli import keyring

    keyring.listing(_output, config)


@_keyring.command("rotate")
def keyring_rotate(
    purpose: Annotated[Literal["audit-signing", "idempotency", "state"], typer.Argument(help="Which key to replace.")],
    config: ConfigPath = _DEFAULT_CONFIG,
) -> None:
    """Make a new current key; the old one stays for what it has signed or sealed."""
    from lizi.cli import keyring

    keyring.rotate(_output, config, purpose)


# --- routes --------------------------------------------------------------------


@_route.command("explain")
def route_explain(
    model: Annotated[str, typer.Argument(help="Logical model that an app would ask for.")],
    images: Annotated[bool, typer.Option("--images", help="The request has images.")] = False,
    tools: Annotated[bool, typer.Option("--tools", help="The request has tools.")] = False,
    data: Annotated[list[str] | None, typer.Option("--data", help="It also holds: personal, sensitive; repeat.")] = None,
    tokens: Annotated[int, typer.Option(min=0, help="About how many tokens its prompt has.")] = 0,
    market: Annotated[str, typer.Option(help="Market of the app's key.")] = "",
    regions: Annotated[list[str] | None, typer.Option("--region", help="Where partners may compute for it; repeat.")] = None,
    config: ConfigPath = _DEFAULT_CONFIG,
) -> None:
    """Say which targets a request would be sent to, in which order, and why; live when the service runs."""
    from lizi.cli import routes

    routes.explain(_output, config, model, images=images, tools=tools, data=data, tokens=tokens, market=market, regions=regions)


def main() -> None:
    """Entry point: a failure of the house ends in words and an exit code, never in a traceback."""
    arguments = sys.argv[1:]
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    programs = "--json" in ours
    if programs:
        # Programs put it wherever they like: `lizi key list --json` is the same as `lizi --json key list`.
        arguments = ["--json", *(argument for argument in ours if argument != "--json"), *arguments[len(ours) :]]
    try:
        code = _run(arguments, programs=programs)
        sys.stdout.flush()
    except LiziError as error:
        _output.refuse(error)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our output left (`lizi key list | head`): nothing to say to nobody, also not at the interpreter's own last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    raise SystemExit(code)


def _run(arguments: list[str], *, programs: bool) -> int:
    """The command's exit code. A wrong command line is told to people by the parser, to programs as JSON."""
    try:
        left = app(arguments, standalone_mode=not programs)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    except Exception as error:
        if not programs or not hasattr(error, "format_message"):
            raise
        _output.json = True
        _output.fail(error.format_message(), hint="'lizi --help' and 'lizi COMMAND --help' say what there is.", code=USAGE, error="usage")
    return left if isinstance(left, int) else 0
