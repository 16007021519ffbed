"""What an exchange may cost, and what it did: who pays for which attempt.

The app pays for what it was given; the maker pays for everything that a partner billed (law 9).
Both stand in the ledger. Never reads a clock; integer micro-units throughout.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from lizi.metering.prices import PriceBook
from lizi.metering.tokens import estimate_request
from lizi.types import Attempt, ChatRequest, Demand, Exchange, Target, Usage

__all__ = ["ONE", "Asks", "answered", "charge", "demand", "output_limit"]

_PAID = {"ok": ("ok",), "cancelled": ("ok", "cancelled")}
"""Outcome of the exchange → outcomes of attempts that the app pays for: answers, and what a client
that left had ordered and the partner taken; never an attempt that failed or was rejected."""


class Asks(Struct, frozen=True, kw_only=True):
    """How often a plan may ask and be paid for, and how much longer than the first a repair may be."""

    paid: int = 1
    repair_tokens: int = 0
    quotes_answer: bool = False
    """A repair shows the model the answer that was wrong."""


ONE = Asks()
"""A plain chat: one ask, nothing repaired."""


def demand(
    request: ChatRequest,
    targets: Iterable[Target],
    default_output_tokens: int,
    prices: PriceBook,
    at: float,
    *,
    stream: bool,
    plan: Asks = ONE,
) -> Demand:
    """The most that an exchange can be charged: every ask of its plan at the dearest of the targets that may answer it.

    An ask that is repaired is not charged, its repair is (`_PAID`): so a plan's paid asks are counted, each as large as its repair.
    """
    input_tokens = estimate_request(request, prices.estimator)
    output_tokens = request.max_output_tokens or default_output_tokens
    largest = input_tokens + plan.repair_tokens + (output_tokens if plan.quotes_answer else 0)
    money_micros = plan.paid * prices.worst_cost_micros(largest, output_tokens, [target.price_key for target in targets], at)
    return Demand(
        tokens=plan.paid * (largest + output_tokens), money_micros=money_micros, streams=int(stream), input_tokens=input_tokens
    )


def output_limit(request: ChatRequest, target: Target, default_output_tokens: int, prices: PriceBook) -> int:
    """The ceiling of the answer at `target`: without one a reservation means nothing."""
    if request.max_output_tokens is not None:
        return request.max_output_tokens
    if target.context_tokens is None:
        return default_output_tokens
    return max(1, min(default_output_tokens, target.context_tokens - estimate_request(request, prices.estimator)))


def charge(exchange: Exchange, prices: PriceBook) -> None:
    """Price every attempt into `exchange`: `spent_micros` is the maker's, `charged_micros` and `usage` the app's."""
    paid = _PAID.get(exchange.outcome, ())
    for attempt in exchange.attempts:
        attempt.cost_micros = prices.cost_micros(attempt.usage, attempt.target.price_key, attempt.started_at)
        exchange.spent_micros += attempt.cost_micros
        exchange.finish = attempt.finish or exchange.finish
        if attempt.outcome in paid:
            exchange.charged_micros += attempt.cost_micros
            exchange.usage = _sum(exchange.usage, attempt.usage)


def answered(attempts: Iterable[Attempt]) -> Usage:
    """The usage of those attempts that answered."""
    total = Usage()
    for attempt in attempts:
        if attempt.outcome == "ok":
            total = _sum(total, attempt.usage)
    return total


def _sum(left: Usage, right: Usage) -> Usage:
    return Usage(
        input_tokens=left.input_tokens + right.input_tokens,
        output_tokens=left.output_tokens + right.output_tokens,
        cached_tokens=left.cached_tokens + right.cached_tokens,
        reasoning_tokens=left.reasoning_tokens + right.reasoning_tokens,
        estimated=left.estimated or right.estimated,
    )
