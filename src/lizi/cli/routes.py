"""`lizi route …`: where a request would go, and why.

Speaks from the same functions that route (`lizi.routing`), with the live state of a running service's workers where there
is one, and says so where there is none. Asks no partner and holds no content.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast, get_args

import msgspec
from msgspec.structs import asdict, replace

from lizi import routing
from lizi.cli.output import NO, USAGE, Output
from lizi.cli.running import House
from lizi.config import Config, build_house
from lizi.metering import PriceBook
from lizi.routing import LaneView, Route, Traffic, Wanted
from lizi.routing.explain import merged
from lizi.terms import suffices
from lizi.types import Capability, DataClass, PartnerState, Target

__all__ = ["explain"]

_EMBEDDED = "http://127.0.0.1"
"""Stands for the address of a local model, which only the running service knows; no route depends on it."""


def explain(
    output: Output,
    config_path: Path,
    model: str,
    *,
    images: bool,
    tools: bool,
    data: list[str] | None,
    tokens: int,
    market: str,
    regions: list[str] | None,
) -> None:
    """The targets of `model` in order, each with its reason; ends with 1 when nobody may answer."""
    house = House(config_path)
    config, at = house.config, time.time()
    if model not in config.models:
        known = ", ".join(sorted(config.models)) or "none yet"
        output.fail(f"There is no model '{model}'.", hint=f"The configuration has: {known}.", code=USAGE, error="usage")
    for each in data or ():
        if each not in get_args(DataClass):
            there = ", ".join(get_args(DataClass))
            output.fail(f"There is no class of data '{each}'.", hint=f"There are: {there}.", code=USAGE, error="usage")
    service = house.running()
    status: dict[str, Any] = service.ask("GET", "/status") if service is not None else {}
    states = {name: partner.state for name, partner in config.partners.items()} | _stand(status)
    embedded = {name: _EMBEDDED for name, partner in config.partners.items() if partner.embedded}

    def built_with(config: Config, states: dict[str, PartnerState]) -> Route:
        traffic = Traffic(config.routing)
        return build_house(config, (), idempotency_key=b"", traffic=traffic, base_urls=embedded, at=at, states=states).routes[model]

    prices, route = PriceBook(config.metering), built_with(config, states)
    output_tokens = route.default_output_tokens

    def cost(target: Target) -> int:
        return prices.worst_cost_micros(tokens, output_tokens, (target.price_key,), at)

    flags: dict[Capability, bool] = {"images": images, "tools": tools}
    wanted = Wanted(
        needs=frozenset(capability for capability, needed in flags.items() if needed),
        input_tokens=tokens,
        tokens=tokens + output_tokens,
        market=market,
        regions=frozenset(regions) if regions else None,
        data=frozenset(cast("list[DataClass]", ["text", *(["image"] if images else ()), *(data or ())])),
        at=at,
        cost=cost,
    )
    views = None
    if status:
        views = merged(msgspec.convert(worker["lanes"], dict[str, LaneView]) for worker in status["workers"])
    verdicts = routing.explain(route, wanted, views)
    listed = {verdict.target for verdict in verdicts}
    anyhow = built_with(replace(config, veil=replace(config.veil, terms="optional")), dict.fromkeys(states, "active"))
    for verdict in routing.explain(anyhow, wanted, None):
        if verdict.target not in listed:
            name = verdict.target.partition("/")[0]
            why = "standing" if states[name] != "active" else "terms"
            reason = f"its partner is {states[name]}: only an active one takes users' traffic"
            if why == "terms":
                lack = "its partner has no terms" if suffices(config.agreed.get(name)) == "none" else "its terms allow training"
                reason = f'{lack}, and the configuration says [veil] terms = "required"'
            verdicts.append(replace(verdict, place=None, state=why, reason=reason, first_percent=None))
    same = not status or status["config_hash"] == config.hash
    value = {
        "model": model,
        "strategy": route.strategy,
        "live": views is not None,
        "configuration_is_served": same if status else None,
        "targets": [asdict(verdict) | {"lane": None if views is None else views.get(verdict.target)} for verdict in verdicts],
    }
    shown = [
        {
            "place": verdict.place or "–",
            "target": verdict.target,
            "state": verdict.state,
            "first": "" if verdict.first_percent is None else f"{verdict.first_percent} %",
            "why": verdict.reason,
        }
        for verdict in verdicts
    ]
    if output.json:
        output.data(value, lambda console: None)
    else:
        output.table(shown, title=f"{model}: {route.strategy}", empty="No partner stands behind this model.")
    if views is None:
        output.say("[dim]The service is not running: this is what the configuration says, without load, health and limits.[/dim]")
    elif not same:
        output.say(
            "[bold]hint:[/bold] The running service has another configuration than this file; reload it to see the file's routes live."
        )
    if not any(verdict.place for verdict in verdicts):
        raise SystemExit(NO)


def _stand(status: dict[str, Any]) -> dict[str, PartnerState]:
    """Where partners stand, as the running service knows it."""
    partners = status.get("partners", {})
    return {name: seen["standing"]["state"] for name, seen in partners.items() if seen.get("standing")}
