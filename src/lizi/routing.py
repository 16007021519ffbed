"""Where a request goes: rank targets, plan failover, fold outcomes into health.

`plan` is a generator: it yields a target, is sent the fault that ended the attempt, and ends
when nothing more may be tried. Never names a target that can't do what the request needs, never
offers a policy block to another partner (law 2). Health is a pure fold: the same outcomes at the
same times give the same state, in the gateway and in a simulator. Bound: `attempts` targets a plan.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from lizi.errors import Forbidden, InvalidRequest, LiziError, Refused, Retry
from lizi.types import Capability, Target

__all__ = ["Health", "Route", "RoutingSettings", "find", "fits", "plan"]

_RETRY_SAME = frozenset({"transport", "truncated", "connect", "cut", "server_error"})
"""Faults of the moment: one more try at the same target is worth it when there is no other (partners.md §3.4)."""


class RoutingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How failover and health behave."""

    attempts: Annotated[int, Meta(ge=1, le=10, description="tries per exchange over all targets")] = 3
    eject_after_failures: Annotated[int, Meta(ge=1, description="failures in a row before a target rests")] = 5
    rest_ms: Annotated[int, Meta(ge=1, description="first rest; doubles with each further failure")] = 1_000
    rest_limit_ms: Annotated[int, Meta(ge=1, description="longest rest")] = 30_000


class Route(Struct, frozen=True, kw_only=True):
    """A logical model and the targets that may answer it."""

    model: str
    targets: tuple[Target, ...]
    strategy: Literal["ordered", "weighted"] = "ordered"
    default_output_tokens: int = 4096
    """Answer limit when the app gives none: a reservation needs a ceiling."""


class _State(Struct):
    failures: int = 0
    resting_until: float = 0.0


class Health:
    """Which targets rest, as a fold over `observe`. One per process; bound: one entry per target."""

    __slots__ = ("_settings", "_states")

    def __init__(self, settings: RoutingSettings) -> None:
        self._settings = settings
        self._states: dict[tuple[str, str], _State] = {}

    def observe(self, target: Target, fault: LiziError | None, now: float) -> None:
        """Fold one attempt's outcome. Only the partner's own failures count against it.

        A client's cancel, a bad request and a policy block say nothing about the target's health.
        """
        key = (target.partner, target.model)
        if fault is None:
            self._states.pop(key, None)
            return
        if fault.side != "partner" or fault.retry is Retry.NEVER:
            return
        state = self._states.setdefault(key, _State())
        state.failures += 1
        settings = self._settings
        if fault.retry_after_s is not None:
            # The partner said when to come back: believe it, up to the limit.
            rest_s = min(fault.retry_after_s, settings.rest_limit_ms / 1000)
        elif state.failures >= settings.eject_after_failures:
            # 2**16 s is past any limit: bounds the exponent.
            doublings = min(state.failures - settings.eject_after_failures, 16)
            rest_s = min(settings.rest_ms * 2**doublings, settings.rest_limit_ms) / 1000
        else:
            return
        state.resting_until = max(state.resting_until, now + rest_s)

    def rests(self, target: Target, now: float) -> bool:
        """Whether `target` should be passed over. After its rest one failure sends it back at once."""
        state = self._states.get((target.partner, target.model))
        return state is not None and now < state.resting_until

    def snapshot(self, now: float) -> Mapping[str, str]:
        """`partner/model` → `resting` or `failing`, for the operator; healthy targets are absent."""
        return {
            f"{partner}/{model}": "resting" if now < state.resting_until else "failing" for (partner, model), state in self._states.items()
        }


def find(routes: Mapping[str, Route], model: str, allowed: frozenset[str] | None) -> Route:
    """The route of a logical model that an app may use (`allowed`; `None` means all).

    Raises `InvalidRequest` `model_not_found`, `Forbidden` `model_not_allowed`, or, for the empty name of
    a feature that no configuration offers, `Refused` `feature_unavailable`.
    """
    if not model:
        raise Refused("This feature is not offered here.", code="feature_unavailable", extra={"reason": "not_configured"})
    route = routes.get(model)
    hint = "GET /v1/models lists the models that this key may use."
    if route is None:
        raise InvalidRequest(f"There is no model '{model[:64]}'.", code="model_not_found", param="model", hint=hint)
    if allowed is not None and model not in allowed:
        raise Forbidden(f"This app key may not use the model '{model}'.", code="model_not_allowed", param="model", hint=hint)
    return route


def fits(target: Target, needs: frozenset[Capability]) -> bool:
    """Whether `target` can do what a request can't do without. A schema can be reached by the ladder, so it never excludes."""
    return needs - {"json_schema", "json_object"} <= target.capabilities


def plan(
    route: Route, needs: frozenset[Capability], health: Health, settings: RoutingSettings, now: float, draw: float
) -> Generator[Target, LiziError, None]:
    """Yield targets in the order to try; send the fault that ended each.

    `draw` in [0, 1) decides the weighted choice. Raises `InvalidRequest` `unsupported_content` when
    no target of the route can serve `needs`. When every fitting target rests, they are tried all
    the same: a wrong guess about health must not become an outage.
    """
    fitting = [target for target in route.targets if fits(target, needs)]
    if not fitting:
        raise InvalidRequest(
            f"The model '{route.model}' does not accept: {', '.join(sorted(needs))}.",
            code="unsupported_content",
            param="model",
            hint="Use a model that GET /v1/models lists and that supports it, or leave it out.",
        )
    order = _weighted(fitting, draw) if route.strategy == "weighted" and len(fitting) > 1 else fitting
    awake = [target for target in order if not health.rests(target, now)]
    order = awake + [target for target in order if target not in awake] if awake else order
    for tried, target in enumerate(order, start=1):
        fault = yield target
        if tried >= settings.attempts or fault.retry is Retry.NEVER:
            return
    if len(order) == 1 and fault.internal in _RETRY_SAME:
        yield order[0]


def _weighted(targets: list[Target], draw: float) -> list[Target]:
    """The drawn target first, the others by weight: the share is in the first choice."""
    point = draw * sum(target.weight for target in targets)
    chosen = targets[-1]
    for target in targets:
        point -= target.weight
        if point < 0:
            chosen = target
            break
    return [chosen, *sorted((target for target in targets if target is not chosen), key=lambda target: -target.weight)]
