"""What an exchange may cost, and what it did: who pays for which attempt.

The app pays for what it was given; the maker pays for everything that a partner billed (law 9).
Both stand in the ledger. Never reads a clock; integer micro-units throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from lizi.metering.prices import PriceBook
from lizi.metering.tokens import estimate_message, estimate_request
from lizi.types import Attempt, ChatRequest, Demand, Exchange, Json, Target, Usage

__all__ = ["ONE", "PAID", "Asks", "answered", "charge", "demand", "output_limit"]

PAID: Mapping[str, tuple[str, ...]] = {"ok": ("ok",), "cancelled": ("ok", "cancelled")}
"""Outcome of the exchange → outcomes of attempts that the app pays for: answers, and what a client
that left had ordered and the partner taken; never an attempt that failed or was rejected."""


class Asks(Struct, frozen=True, kw_only=True):
    """How often a plan may ask and be paid for, and what a repair may say beside the first ask's words."""

    paid: int = 1
    repair: str = ""
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
    added: str = "",
) -> Demand:
    """The most that an exchange can be charged: every ask of its plan at the dearest of the targets that may answer it.

    `added`: what the house itself says in front of a request that leaves it. An ask that is repaired is not charged, its repair is
    (`PAID`): so a plan's paid asks are counted, each as large as its repair.
    """
    more = estimate_message(added, prices.estimator) if added else 0
    input_tokens = largest = estimate_request(request, prices.estimator) + more
    output_tokens = request.max_output_tokens or default_output_tokens
    if plan is not ONE:
        said: list[dict[str, Json]] = [*request.messages, {"role": "user", "content": plan.repair}]
        if plan.quotes_answer:  # with as many tokens as it was allowed
            said.append({"role": "assistant", "content": ""})
        largest = estimate_request(replace(request, messages=said), prices.estimator) + more + output_tokens * plan.quotes_answer
    money_micros = plan.paid * prices.worst_cost_micros(largest, output_tokens, [target.price_key for target in targets], at)
    return Demand(tokens=plan.paid * (largest + output_tokens), money_micros=money_micros, streams=int(stream), input_tokens=input_tokens)


def output_limit(request: ChatRequest, target: Target, default_output_tokens: int, prices: PriceBook) -> int:
    """The ceiling of the answer at `target`: without one a reservation means nothing."""
    if request.max_output_tokens is not None:
        return request.max_output_tokens
    if target.context_tokens is None:
        return default_output_tokens
    return max(1, min(default_output_tokens, target.context_tokens - estimate_request(request, prices.estimator)))


def charge(exchange: Exchange, prices: PriceBook) -> None:
    """Price every attempt into `exchange`: `spent_micros` is the maker's, `charged_micros` and `usage` the app's."""
    paid = PAID.get(exchange.outcome, ())
    for attempt in exchange.attempts:
        # At the millisecond that ledger and chain keep, so that the price can be found again from them.
        attempt.cost_micros = prices.cost_micros(attempt.usage, attempt.target.price_key, round(attempt.started_at * 1000) / 1000)
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
