"""What an exchange may cost at the most, and what routing must know of one ask: values out of a request.

Never asks anybody and never waits. Beside `attempt`, it is the corridor's: it knows several rooms, and no order of things.
"""

from __future__ import annotations

from lizi import routing
from lizi.features import FEATURES
from lizi.features.structured import LONGEST_REPAIR
from lizi.house import Opened
from lizi.metering import bill
from lizi.metering.tokens import estimate_request
from lizi.types import ChatRequest, DataClass, Demand, Target
from lizi.wire.tasks import TaskRequest

__all__ = ["wanting", "worst"]

_SENSITIVE = frozenset({"resident_id", "permit", "passport", "ssn", "bank_card", "iban", "secret"})
"""Kinds whose loss hurts by itself: they identify for life, or open an account."""


def worst(opened: Opened) -> Demand:
    """The most that the exchange can be charged, whatever its plan asks, at any target that may answer it."""
    request, route, prices = opened.first, opened.route, opened.house.prices
    at, targets = opened.exchange.started_at, route.able(request.needs)
    plan = bill.ONE
    if isinstance(opened.request, TaskRequest):
        feature = FEATURES[opened.request.feature]
        plan = bill.Asks(paid=feature.asks(opened.request), repair=feature.repair(opened.request))
    elif opened.steps is not None:
        plan = bill.Asks(repair=LONGEST_REPAIR, quotes_answer=True)
    added = "" if all(target.own for target in targets) else opened.house.veil.words
    return bill.demand(request, targets, route.default_output_tokens, prices, at, stream=opened.exchange.stream, plan=plan, added=added)


def wanting(opened: Opened, request: ChatRequest, demand: Demand) -> routing.Wanted:
    """What routing must know of this one ask; of the whole plan `demand` knows it."""
    plan, prices, at = opened.caller.plan, opened.house.prices, opened.exchange.started_at
    input_tokens = demand.input_tokens if request is opened.first else estimate_request(request, prices.estimator)
    output_tokens = request.max_output_tokens or opened.route.default_output_tokens

    def cost(target: Target) -> int:
        return prices.worst_cost_micros(input_tokens, output_tokens, (target.price_key,), at)

    return routing.Wanted(
        needs=request.needs,
        input_tokens=input_tokens,
        tokens=input_tokens + output_tokens,
        market=plan.market,
        regions=plan.regions,
        data=_data(opened, request),
        at=at,
        synthetic=plan.synthetic,
        cost=cost,
    )


def _data(opened: Opened, request: ChatRequest) -> frozenset[DataClass]:
    """The classes of what one ask would send, which partners' terms must allow. The one place that decides them.

    What the profile keeps counts, whether or not this text holds any: whether it does is known only after it was searched.
    """
    kept = opened.house.veil.profile(opened.exchange.feature, opened.caller.plan.market).kept
    found: set[DataClass] = {"text"}
    if "images" in request.needs:
        found.add("image")
    if kept:
        found.add("personal")
    if kept & _SENSITIVE:
        found.add("sensitive")
    return frozenset(found)
