"""Who is asked, who is asked next: filters, the choice among equals, failover as a plan.

`plan` is a generator: it yields a target, is sent the fault that ended the attempt and the time, and ends when nothing more may
be tried. Never names a target that can't do what the request needs, may not serve its market or region, or whose partner's terms
don't allow it, also not while nobody else is left; never offers a policy block to another partner (law 2).
Bounds: `routing.attempts` targets a plan; second tries within the retry budget.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Literal, TypeAlias

from msgspec import Struct

from lizi.errors import Forbidden, InvalidRequest, LiziError, Refused, Retry
from lizi.routing.traffic import Traffic
from lizi.types import Capability, DataClass, Target

__all__ = ["Loads", "Route", "Strategy", "Wanted", "barred", "find", "in_order", "plan", "term", "too_small"]

Strategy: TypeAlias = Literal["ordered", "weighted", "balanced", "cheapest"]
Loads: TypeAlias = Callable[[Target], tuple[int, float]]
"""Tokens in flight and first-token time of a target."""

_RETRY_SAME = frozenset({"transport", "truncated", "connect", "cut", "server_error"})
"""Faults of the moment: one more try at the same target is worth it when there is no other (partners.md §3.4)."""
_HOT = 1.5
"""A target is hot above this many times its equals' mean of tokens in flight: of two, the one with more than thrice the other's.

Prequal (NSDI'24) calls hot what is above a quantile of its probes; with two or three partners a quantile is one of them.
"""
_IDLE_TOKENS = 16_000
"""Nobody is hot below it, per unit of weight: about ten requests of the mean size in a public chat trace (surge.md §1)."""
_LADDER = frozenset({"json_schema", "json_object"})
"""A schema can be reached by the ladder of structured output, so it never excludes."""


class Route(Struct, frozen=True, kw_only=True):
    """A logical model and the targets that may answer it."""

    model: str
    targets: tuple[Target, ...]
    strategy: Strategy = "ordered"
    default_output_tokens: int = 4096
    """Answer limit when the app gives none: a reservation needs a ceiling."""

    def able(self, needs: frozenset[Capability]) -> Sequence[Target]:
        """The targets that can do what a request needs, all when there are none: what a reservation must cover."""
        return (needs and [target for target in self.targets if needs - _LADDER <= target.capabilities]) or self.targets


class Wanted(Struct, frozen=True, kw_only=True):
    """What routing must know of a request. No content."""

    needs: frozenset[Capability] = frozenset()
    input_tokens: int = 0
    """An estimate: it chooses among targets and never refuses by itself."""
    tokens: int = 0
    """Prompt and longest answer together: what lanes count."""
    market: str = ""
    regions: frozenset[str] | None = None
    data: frozenset[DataClass] = frozenset()
    """What it holds, as partners' terms name it."""
    at: float = 0.0
    """When its exchange began (Unix seconds): the terms of that moment hold for all of it."""
    synthetic: bool = False
    """No user stands behind it: for examining partners."""
    cost: Callable[[Target], int] | None = None
    """What it would cost at a target, at today's prices: for `cheapest`."""


def find(routes: Mapping[str, Route], model: str, allowed: frozenset[str] | None) -> Route:
    """The route of a logical model that an app may use (`allowed`; `None` means all).

    Raises `InvalidRequest` `model_not_found`, `Forbidden` `model_not_allowed`, or, for the empty name of
    a feature that no configuration offers or a model without an active partner, `Refused` `feature_unavailable`.
    """
    if not model:
        raise Refused("This feature is not offered here.", code="feature_unavailable", extra={"reason": "not_configured"})
    route = routes.get(model)
    hint = "GET /v1/models lists the models that this key may use."
    if route is None:
        raise InvalidRequest(f"There is no model '{model[:64]}'.", code="model_not_found", param="model", hint=hint)
    if allowed is not None and model not in allowed:
        raise Forbidden(f"This app key may not use the model '{model}'.", code="model_not_allowed", param="model", hint=hint)
    if not route.targets:
        raise Refused(
            f"The model '{model}' has no active partner right now.", code="feature_unavailable", extra={"reason": "no_active_partner"}
        )
    return route


def plan(
    route: Route, wanted: Wanted, traffic: Traffic, now: float, draw: Callable[[], float]
) -> Generator[Target, tuple[LiziError, float], None]:
    """Yield targets in the order to try; send the fault that ended each, and the time.

    `draw` gives numbers in [0, 1) and is asked only where a choice is open. When every target that is left rests, they are tried
    all the same: a wrong guess about health must not become an outage. A full lane is passed over and never forced.
    Nor is a partner asked that was moved out of reach after the exchange began.
    Raises `InvalidRequest` `unsupported_content` or `Forbidden` `model_not_allowed` when no target may serve the
    request, and `Refused` `busy` when all that may are full.
    """
    order: Sequence[Target] = route.targets
    if len(order) != 1 or barred(order[0], wanted):
        order = in_order(route, _serving(route, wanted), wanted, lambda target: _load(traffic, target, now), draw)
    settings, synthetic = traffic.settings, wanted.synthetic
    traffic.tried(now)
    resting: list[Target] = []  # filled while the others are walked, then walked itself
    tries, soonest_s = 0, inf
    too_narrow: int | None = -1
    for last_resort, targets in ((len(order) == 1, order), (True, resting)):
        for target in targets:
            if target.partner in traffic.shut[synthetic]:
                continue
            if too_narrow != -1 and not _wider(target, too_narrow):
                continue
            lane = traffic.lane(target)
            if not lane.limits.open:
                full_s, _ = lane.limits.full(lane.requests, now)
                if full_s > 0.0:
                    traffic.full += 1
                    soonest_s = min(soonest_s, full_s)
                    continue
            if not last_resort and not lane.health.admits(wanted.tokens, now, draw, settings, traffic.may_probe):
                resting.append(target)
                continue
            if tries and not traffic.may_retry(now):
                return
            fault, now = yield target
            tries += 1
            if tries >= settings.attempts or fault.retry is not Retry.OTHER_TARGET:
                return
            if fault.internal == "context_size":
                too_narrow = target.context_tokens
    if not tries:
        if soonest_s == inf:
            raise _nobody()
        raise Refused(
            "All that may answer this model are at their limits right now.",
            code="busy",
            retry=Retry.LATER,
            # A little more than the wait, so that who comes back in time finds room.
            retry_after_s=round(soonest_s + 0.05, 2),
            hint="Try again after the seconds that Retry-After says.",
            internal="lanes_full",
        )
    if len(order) == 1 and fault.internal in _RETRY_SAME:
        lane = traffic.lane(order[0])
        shut = order[0].partner in traffic.shut[synthetic]
        if not shut and lane.limits.full(lane.requests, now)[0] <= 0.0 and traffic.may_retry(now):
            yield order[0]


# --- filters -------------------------------------------------------------------


def barred(target: Target, wanted: Wanted) -> Literal["", "capability", "market", "region", "data", "terms"]:
    """Why `target` may never serve the request; empty when it may. `data`: its terms don't allow what the request holds."""
    if wanted.needs and not wanted.needs - _LADDER <= target.capabilities:
        return "capability"
    if target.markets and wanted.market not in target.markets:
        return "market"
    if wanted.regions is not None and target.region not in wanted.regions:
        return "region"
    terms = target.terms
    if terms is None:
        return ""
    if not terms.since_at <= wanted.at < terms.until_at or target.region not in terms.regions:
        return "terms"
    return "" if wanted.data <= terms.data else "data"


def term(target: Target, wanted: Wanted) -> str:
    """Which of the terms bars `target`, in words for the operator; empty when none does."""
    terms = target.terms
    if terms is None:
        return ""
    if wanted.at < terms.since_at:
        return f"its terms begin on {_day(terms.since_at)}"
    if wanted.at >= terms.until_at:
        return f"its terms ended on {_day(terms.until_at)}"
    if target.region not in terms.regions:
        return f"it computes in {target.region}, and its terms allow {', '.join(sorted(terms.regions))} only"
    beyond = wanted.data - terms.data
    if beyond:
        return f"its terms don't allow {', '.join(sorted(beyond))}: they allow {', '.join(sorted(terms.data))}"
    return ""


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def too_small(target: Target, wanted: Wanted) -> bool:
    """Whether the prompt is estimated larger than the window of `target`."""
    return target.context_tokens is not None and wanted.input_tokens > target.context_tokens


def _wider(target: Target, than: int | None) -> bool:
    """A window that is known to be larger than the one that was too small."""
    return than is not None and target.context_tokens is not None and target.context_tokens > than


def _serving(route: Route, wanted: Wanted) -> list[Target]:
    """The targets that may serve the request. Raises when there are none, with the reason of the one that came closest."""
    reasons = [barred(target, wanted) for target in route.targets]
    serving = [target for target, reason in zip(route.targets, reasons, strict=True) if not reason]
    if serving:
        return serving
    if not reasons:
        raise _nobody()
    if "data" in reasons or "terms" in reasons:
        # They passed all else, so these came closest.
        said = "; ".join(f"{target.partner}: {term(target, wanted)}" for target in route.targets if term(target, wanted))
        if "data" not in reasons:
            raise _nobody(said)
        beyond = wanted.data - frozenset[str]().union(*(target.terms.data for target in route.targets if target.terms is not None))
        raise Forbidden(
            f"The model '{route.model}' may not be given this kind of data: {', '.join(sorted(beyond or wanted.data))}.",
            code="data_not_permitted",
            param="model",
            hint="Leave it out, or ask a model that may be given it; the service's log says what stands against it.",
            internal=said,
        )
    if "market" in reasons or "region" in reasons:
        raise Forbidden(
            f"No partner may answer the model '{route.model}' for this key's market and regions.",
            code="model_not_allowed",
            param="model",
            hint="The key's plan names its market and regions; 'lizi route explain' says which targets they exclude.",
        )
    raise InvalidRequest(
        f"The model '{route.model}' does not accept: {', '.join(sorted(wanted.needs))}.",
        code="unsupported_content",
        param="model",
        hint="Use a model that GET /v1/models lists and that supports it, or leave it out.",
    )


def _nobody(internal: str | None = None) -> Refused:
    said = "No partner stands behind this model right now."
    return Refused(said, code="feature_unavailable", extra={"reason": "no_partner"}, internal=internal)


# --- the choice among equals ----------------------------------------------------


def in_order(route: Route, targets: Sequence[Target], wanted: Wanted, loads: Loads, draw: Callable[[], float] | None) -> list[Target]:
    """`targets` as the route wants them tried: by rank, among equals by its strategy; too small ones only when all are.

    Without `draw` the order that is likeliest.
    """
    roomy = [target for target in targets if not too_small(target, wanted)]
    if not roomy:
        # The estimate may be wrong by a third: the widest may take it after all, and says so exactly if not.
        return sorted(targets, key=lambda target: -(target.context_tokens or 0))
    if len(roomy) == 1:
        return roomy
    ranks = {target.rank for target in roomy}
    if len(ranks) == 1:
        return _among_equals(route.strategy, roomy, wanted, loads, draw)
    ordered: list[Target] = []
    for rank in sorted(ranks):
        ordered += _among_equals(route.strategy, [target for target in roomy if target.rank == rank], wanted, loads, draw)
    return ordered


def _among_equals(strategy: Strategy, equals: list[Target], wanted: Wanted, loads: Loads, draw: Callable[[], float] | None) -> list[Target]:
    if len(equals) == 1 or strategy == "ordered":
        return equals
    if strategy == "weighted":
        return _weighted(equals, draw)
    if strategy == "balanced":
        return _balanced(equals, loads, draw)
    return equals if wanted.cost is None else sorted(equals, key=wanted.cost)


def _weighted(equals: list[Target], draw: Callable[[], float] | None) -> list[Target]:
    """The drawn target first, the others by weight: the share is in the first choice."""
    by_weight = sorted(equals, key=lambda target: -target.weight)
    if draw is None:
        return by_weight
    point = draw() * sum(target.weight for target in equals)
    chosen = equals[-1]
    for target in equals:
        point -= target.weight
        if point < 0:
            chosen = target
            break
    return [chosen, *(target for target in by_weight if target is not chosen)]


def _balanced(equals: list[Target], loads: Loads, draw: Callable[[], float] | None) -> list[Target]:
    """The better of two drawn ones, then the rest from best to worst.

    Two and not all: other workers' traffic is not seen here, and whoever looks best to all of them at once is overrun.
    Cold before hot; of cold ones the quickest to its first token, of hot ones the one with the least under way.
    """
    measured = []
    for target in equals:
        tokens, first_token_s = loads(target)
        measured.append((tokens / target.weight, first_token_s))
    hot = max(_IDLE_TOKENS, _HOT * sum(load for load, _ in measured) / len(measured))

    def worse(number: int) -> tuple[bool, float, float]:
        load, first_token_s = measured[number]
        return (True, load, first_token_s) if load > hot else (False, first_token_s, load)

    numbers = list(range(len(equals)))
    if draw is None:
        return [equals[number] for number in sorted(numbers, key=worse)]
    one = int(draw() * len(equals))
    other = int(draw() * (len(equals) - 1))
    other += other >= one
    best = min(one, other, key=worse)
    return [equals[best], *(equals[number] for number in sorted(numbers, key=worse) if number != best)]


def _load(traffic: Traffic, target: Target, now: float) -> tuple[int, float]:
    lane = traffic.lane(target)
    return lane.tokens, lane.first_token_s(now)
