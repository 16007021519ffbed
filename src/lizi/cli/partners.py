"""`lizi partner …`: who stands behind the features, and whether they answer.

A ping is one real request of a few tokens to each target, built by the partner's dialect and sent
by the service's own client. Prints classes, times and counts: never an answer, a partner's wording or
a secret. A local model is asked through the running service, which alone holds its key.
"""

from __future__ import annotations

import asyncio
import http.client
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from lizi.cli.output import UNREACHABLE, USAGE, Output
from lizi.cli.partner_life import standings
from lizi.cli.partner_terms import in_words
from lizi.cli.running import House, Running
from lizi.config import Config, build_house, is_own, lacking
from lizi.dialects import DIALECTS
from lizi.edge.partners import TERMS_WARN_DAYS, critical_words
from lizi.edge.runtime import resolve_secret
from lizi.edge.upstream import HttpUpstream
from lizi.errors import LiziError
from lizi.routing import Traffic
from lizi.terms import days_left
from lizi.types import ChatRequest, Fault, Finish, PartnerState, Reasoning, Target, Text, Usage

__all__ = ["listing", "ping"]

_WORDS = "Answer with the word: ready"
_OUTPUT_TOKENS = 16
"""The least that all known partners accept."""
_PING_APP = "lizi-ping"
_PING_KEY_S = 120.0
"""A key for one ping: longer than a local model takes for 16 tokens, and soon gone."""


# --- list ----------------------------------------------------------------------


def listing(output: Output, config_path: Path) -> None:
    """Partners with their targets; how they do, when the service runs."""
    house = House(config_path)
    service = house.running()
    seen = service.ask("GET", "/status")["partners"] if service is not None else {}
    known = standings(house)
    rows = [_row(house.config, name, seen.get(name)) | _standing(house.config, name, known.get(name)) for name in house.config.partners]
    shown = [
        {
            "partner": row["partner"],
            "state": f"{row['state']}, draining {row['in_flight']}" if row["state"] == "retired" and row["in_flight"] else row["state"],
            "since": row["since"],
            "by": row["by"],
            "dialect": row["dialect"],
            "region": row["region"],
            "terms": row["terms"],
            "where": row["base_url"] or f"embedded {row['embedded']}",
            "answers": ", ".join(f"{target['logical']} → {target['model']}" for target in row["targets"]) or "nothing",
            "health": row["health"],
        }
        for row in rows
    ]
    output.table(rows, shown=shown, empty="There is no partner: add [partners.NAME] to the configuration.")
    for line in critical_words(house.config, {row["partner"]: row["state"] for row in rows}, time.time()):
        output.say(f"[bold red]{line}[/bold red]")
    for row in rows:
        if row["terms_days"] is not None and row["terms_days"] < TERMS_WARN_DAYS:
            output.say(f"[bold red]WARNING: the terms of '{row['partner']}' hold {row['terms']}: no request goes there without.[/bold red]")
    if service is None and rows:
        output.say("[dim]The service is not running: health is known only while it does.[/dim]")


def _standing(config: Config, name: str, move: dict[str, Any] | None) -> dict[str, Any]:
    if move is None:
        return {"state": config.partners[name].state, "since": None, "by": None}
    day = datetime.fromtimestamp(move["at"], ZoneInfo(config.metering.time_zone)).strftime("%Y-%m-%d")
    return {"state": move["state"], "since": day, "by": move["by"]}


def _row(config: Config, name: str, seen: dict[str, Any] | None) -> dict[str, Any]:
    partner = config.partners[name]
    trouble: dict[str, str] = seen["targets_in_trouble"] if seen is not None else {}
    targets = [
        {"logical": logical, "model": target.model, "weight": target.weight, "trouble": trouble.get(f"{name}/{target.model}")}
        for logical, model in config.models.items()
        for target in model.targets
        if target.partner == name
    ]
    if seen is None:
        health = "unknown"
    elif seen.get("process", "healthy") != "healthy":
        health = seen["process"]
    else:
        health = ", ".join(f"{target.partition('/')[2]} {state}" for target, state in sorted(trouble.items())) or "good"
    return {
        "partner": name,
        "dialect": partner.dialect,
        "region": partner.region,
        "base_url": _without_userinfo(partner.base_url),
        "embedded": partner.embedded or None,
        "health": health,
        "terms": _terms(config, name),
        "terms_hash": config.agreed[name].short if name in config.agreed else None,
        "terms_days": days_left(config.agreed[name], time.time()) if name in config.agreed else None,
        "in_flight": seen["in_flight"] if seen is not None else None,
        "targets": targets,
    }


def _terms(config: Config, name: str) -> str:
    terms = config.agreed.get(name)
    if terms is None and is_own(config.partners[name]):
        return "none needed"
    words = in_words(terms, time.time())
    return f"{words}: no users' traffic" if name in lacking(config) else words


def _without_userinfo(address: str) -> str | None:
    scheme, mark, rest = address.partition("//")
    authority, slash, path = rest.partition("/")
    return scheme + mark + authority.rpartition("@")[2] + slash + path if address else None


# --- ping ----------------------------------------------------------------------


def ping(output: Output, config_path: Path, name: str) -> None:
    """One tiny request to each target; ends with 3 when one of them failed."""
    house = House(config_path)
    config = house.config
    if name not in config.partners:
        known = ", ".join(config.partners) or "none yet"
        output.fail(f"There is no partner '{name}'.", hint=f"The configuration has: {known}.", code=USAGE, error="usage")
    with output.progress(f"asking {name}"):
        rows = _through_service(output, house, name) if config.partners[name].embedded else _directly(house, name)
    if not rows:
        output.fail(f"No model routes to '{name}'.", hint="Name it in the targets of a [models.…].", error="no_target")
    shown = [
        {
            "target": row["target"],
            "status": row["status"] or row["error"],
            "first token ms": row["first_token_ms"],
            "whole ms": row["whole_ms"],
            "finish": row["finish"] or "none",
            "tokens": None if row["input_tokens"] is None else f"{row['input_tokens']} → {row['output_tokens']}",
            "result": "good" if row["good"] else f"failed: {row['error']}",
        }
        for row in rows
    ]
    output.table(rows, shown=shown)
    if not all(row["good"] for row in rows):
        output.say(f"[bold]hint:[/bold] {_HINTS.get(next(row['error'] for row in rows if not row['good']), _HINT)}")
        raise SystemExit(UNREACHABLE)


_HINT = "Check base_url, the partner's model name and the account behind the credential; docs/guides/put-a-partner-behind-it.md helps."
_HINTS = {
    "dns": "The host in base_url has no address: check its spelling and this machine's resolver.",
    "connect": "Nothing takes connections at base_url: check host, port and firewall.",
    "timeout_connect": "Nothing takes connections at base_url in time: check host, port and firewall.",
    "tls": "The partner's certificate is not trusted here: check the host name, or this machine's authorities.",
    "auth": "The partner refused the credential: check the variable or file that it refers to.",
}


def _row_of(target: str, *, via: str) -> dict[str, Any]:
    return {
        "target": target,
        "via": via,
        "good": False,
        "status": None,
        "first_token_ms": None,
        "whole_ms": None,
        "finish": None,
        "input_tokens": None,
        "output_tokens": None,
        "error": None,
    }


def _directly(house: House, name: str) -> list[dict[str, Any]]:
    config = house.config
    resolve_secret(config.partners[name].credential, base=house.folder)  # one that is missing should say so, not fail as a request
    # Also a candidate is pinged, and a retired one: it is no user's request.
    anyhow: dict[str, PartnerState] = dict.fromkeys(config.partners, "active")
    built = build_house(config, (), idempotency_key=b"", traffic=Traffic(config.routing), base_urls={}, at=time.time(), states=anyhow)
    targets = {target.model: target for route in built.routes.values() for target in route.targets if target.partner == name}

    async def ask_all() -> list[dict[str, Any]]:
        partner = config.partners[name]
        private = [partner.base_url] if partner.private_network else []
        upstream = HttpUpstream(lambda reference: resolve_secret(reference, base=house.folder), private=private)
        try:
            return [await _ask(upstream, config, target) for target in targets.values()]
        finally:
            await upstream.close()

    return asyncio.run(ask_all())


async def _ask(upstream: HttpUpstream, config: Config, target: Target) -> dict[str, Any]:
    row = _row_of(f"{target.partner}/{target.model}", via="partner")
    request = ChatRequest(
        model=target.model,
        messages=[{"role": "user", "content": _WORDS}],
        stream=True,
        include_usage=True,
        max_output_tokens=_OUTPUT_TOKENS,
    )
    waits = config.deadlines
    began = time.monotonic()
    last = began + waits.first_token_ms / 1000
    try:
        dialect = DIALECTS[target.dialect]
        call = dialect.encode(request, target)
        async with upstream.ask(call, connect_deadline_mono=began + waits.connect_ms / 1000, headers_deadline_mono=last) as reply:
            row["status"] = f"{reply.status // 100}xx"
            reader = dialect.Reader(True, reply.status, reply.headers, target)
            more = True
            while more:
                data = await reply.read(last)
                more = data != b""
                for event in reader.feed(data) if more else reader.close():
                    if isinstance(event, Text | Reasoning):
                        row["first_token_ms"] = row["first_token_ms"] or _ms(began)
                    elif isinstance(event, Usage):
                        row["input_tokens"], row["output_tokens"] = event.input_tokens, event.output_tokens
                    elif isinstance(event, Finish):
                        row["finish"] = row["finish"] or event.reason
                    elif isinstance(event, Fault):
                        raise event.error
    except LiziError as error:
        row["error"] = error.internal or error.code
    row["whole_ms"] = _ms(began)
    if row["error"] is None and row["finish"] is None:
        row["error"] = "no_finish"
    row["good"] = row["error"] is None
    return row


def _ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)


# --- a local model -------------------------------------------------------------


def _through_service(output: Output, house: House, name: str) -> list[dict[str, Any]]:
    """Through a logical model that goes there first, with a key made for this one question."""
    service = house.running()
    if service is None:
        output.fail(
            f"'{name}' is a local model: it runs only with the service.",
            hint="Start 'lizi serve', then ping it.",
            code=UNREACHABLE,
            error="not_running",
        )
    logical = {model.targets[0].model: logical for logical, model in house.config.models.items() if model.targets[0].partner == name}
    status = service.ask("GET", "/status")
    return [_ask_service(service, status["address"], f"{name}/{model}", alias) for model, alias in logical.items()]


def _ask_service(service: Running, address: str, target: str, logical: str) -> dict[str, Any]:
    row = _row_of(target, via=f"service, model {logical}")
    made = service.ask(
        "POST", "/keys", {"app": _PING_APP, "plan": {"models": [logical], "synthetic": True}, "expires_at": time.time() + _PING_KEY_S}
    )
    began = time.monotonic()
    try:
        status, body = _post(address, made["key"], logical)
        row["status"] = f"{status // 100}xx"
        if status == 200:
            row["finish"] = body["choices"][0]["finish_reason"]
            row["input_tokens"], row["output_tokens"] = body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]
        else:
            row["error"] = body["error"]["code"]
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        row["error"] = "connect"
    finally:
        service.ask("POST", f"/keys/{made['key_id']}/revoke")
    row["whole_ms"] = _ms(began)
    row["good"] = row["error"] is None and row["finish"] is not None
    return row


def _post(address: str, key: str, logical: str) -> tuple[int, Any]:
    parts = urlsplit(address)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(parts.hostname or "", parts.hostname or "127.0.0.1")  # noqa: S104 - compared, not bound
    if parts.scheme == "https":
        import ssl

        # Our own service on this machine, at an address of its admin socket's word: its certificate names it as devices know it.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, parts.port, timeout=_PING_KEY_S, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=_PING_KEY_S)
    try:
        body = {"model": logical, "messages": [{"role": "user", "content": _WORDS}], "max_tokens": _OUTPUT_TOKENS}
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", msgspec.json.encode(body), headers)
        got = connection.getresponse()
        return got.status, msgspec.json.decode(got.read())
    finally:
        connection.close()
