"""Why a request would go where it goes: the same filters and the same order as `routing.plan`, in words for the operator.

Never touches the state that it explains, and holds no content. Without `views` it speaks from the configuration alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from lizi.routing.choice import Route, Wanted, barred, in_order, term, too_small
from lizi.routing.traffic import LaneView
from lizi.types import Target

__all__ = ["Verdict", "explain", "merged"]

_NOTHING = LaneView()


class Verdict(Struct, frozen=True, kw_only=True):
    """One target's place, or why it has none."""

    target: str
    """`partner/model@region`."""
    place: int | None
    """1 is asked first; `None`: not at all."""
    state: str
    """`asked`, `resting`, `full`, `small`, or what excludes it: `capability`, `market`, `region`, `data`, `terms`."""
    reason: str
    rank: int = 0
    first_percent: int | None = None
    """Under `weighted`: how many of a hundred requests ask it first."""


def explain(route: Route, wanted: Wanted, views: Mapping[str, LaneView] | None) -> list[Verdict]:
    """All targets of `route`: first those that would be asked, in order; then the others, each with its reason."""
    serving = [target for target in route.targets if not barred(target, wanted)]

    def view(target: Target) -> LaneView:
        return (views or {}).get(_name(target), _NOTHING)

    order = in_order(route, serving, wanted, lambda target: (view(target).tokens, view(target).first_token_s), None)
    free = [target for target in order if not view(target).full]
    awake = [target for target in free if len(order) == 1 or not (view(target).probing or view(target).rests_s)]
    asleep = [target for target in free if target not in awake]
    found = [
        Verdict(
            target=_name(target),
            place=place,
            state="asked" if target in awake else "resting",
            reason=_why(route, target, wanted, view(target), order, live=views is not None),
            rank=target.rank,
            first_percent=_share(route, target, order),
        )
        for place, target in enumerate([*awake, *asleep], start=1)
    ]
    found += [
        Verdict(
            target=_name(target),
            place=None,
            state="full",
            reason=f"its lane is full ({view(target).full}) for {view(target).full_s:.1f} s more",
            rank=target.rank,
        )
        for target in order
        if view(target).full
    ]
    listed = {id(target) for target in order}
    found += [
        Verdict(
            target=_name(target), place=None, state=barred(target, wanted) or "small", reason=_why_not(target, wanted), rank=target.rank
        )
        for target in route.targets
        if id(target) not in listed
    ]
    return found


def merged(views: Iterable[Mapping[str, LaneView]]) -> dict[str, LaneView]:
    """All workers' lanes as one: loads added up, health as most of them see it, full only where all are."""
    by_lane: dict[str, list[LaneView]] = {}
    for worker in views:
        for name, view in worker.items():
            by_lane.setdefault(name, []).append(view)
    return {name: _merged(found) for name, found in by_lane.items()}


def _merged(views: list[LaneView]) -> LaneView:
    timed = [view.first_token_s for view in views if view.first_token_s]
    soonest = min(views, key=lambda view: view.full_s)
    growths = [view.growth_percent for view in views if view.growth_percent is not None]
    places = [view.concurrency for view in views if view.concurrency is not None]
    return LaneView(
        requests=sum(view.requests for view in views),
        tokens=sum(view.tokens for view in views),
        first_token_s=sum(timed) / len(timed) if timed else 0.0,
        refusal=sum(view.refusal for view in views) / len(views),
        rests_s=min(view.rests_s for view in views),
        probing=sum(view.probing for view in views) * 2 > len(views),
        full_s=soonest.full_s,
        full=soonest.full,
        growth_percent=min(growths) if growths else None,
        concurrency=sum(places) if places else None,
    )


def _name(target: Target) -> str:
    return f"{target.partner}/{target.model}@{target.region}"


def _share(route: Route, target: Target, order: list[Target]) -> int | None:
    equals = [other for other in order if other.rank == target.rank]
    if route.strategy != "weighted" or target.rank != order[0].rank:
        return None
    return round(100 * target.weight / sum(other.weight for other in equals))


def _why(route: Route, target: Target, wanted: Wanted, view: LaneView, order: list[Target], *, live: bool) -> str:
    equals = sum(other.rank == target.rank for other in order)
    if too_small(target, wanted):
        place = f"no window is large enough for about {wanted.input_tokens} tokens; the estimate may be wrong, so the widest is asked"
    elif len(order) == 1:
        place = "the only one that may"
    elif equals == 1:
        place = f"alone in rank {target.rank}"
    elif route.strategy == "weighted":
        place = f"weight {target.weight} in rank {target.rank}"
    elif route.strategy == "balanced":
        place = f"balanced in rank {target.rank}"
        if live:
            slow = f"{view.first_token_s * 1000:.0f} ms to the first token" if view.first_token_s else "no first token seen yet"
            place += f": {view.tokens} tokens under way, {slow}"
    elif route.strategy == "cheapest":
        place = f"by price in rank {target.rank}"
        if wanted.cost is not None:
            place += f": at most {wanted.cost(target) / 1_000_000:.6f}"
    else:
        place = f"as written, in rank {target.rank}"
    if view.rests_s and len(order) > 1:
        return f"{place}; it rests for {view.rests_s:.1f} s more, as the partner asked, and is asked only after the others"
    if view.probing and len(order) > 1:
        return f"{place}; it fails too often: probes only, else after the others"
    if view.refusal:
        return f"{place}; {view.refusal:.0%} of the requests pass it over, for its failures of late"
    return place


def _why_not(target: Target, wanted: Wanted) -> str:
    reason = barred(target, wanted)
    if reason == "capability":
        return f"it can't do: {', '.join(sorted(wanted.needs - target.capabilities))}"
    if reason == "market":
        return f"it answers for {', '.join(sorted(target.markets))} only, and the request is for {wanted.market or 'no market'}"
    if reason == "region":
        return f"it computes in {target.region}, and the request may go to {', '.join(sorted(wanted.regions or ()))} only"
    if reason:
        return term(target, wanted)
    return f"its window of {target.context_tokens} tokens is smaller than the prompt of about {wanted.input_tokens}"
