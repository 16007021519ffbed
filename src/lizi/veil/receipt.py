"""What left the house for one answer, told to the app that asked: which fields, how much was hidden, under which terms.

Made of the exchange's own record, which stands in the audit chain with the same counts. Never holds content, and nothing by which a
partner could be known: no name, model or region, and a field that only some dialects have is counted under the name of what it says.
Pure. Bound: one entry an attempt.
"""

from __future__ import annotations

from lizi.types import Attempt, Exchange, Json, Receipt

__all__ = ["receipt"]

_OTHER = "partner_options"
_FIELDS = {
    "system": "messages", "max_completion_tokens": "max_tokens", "stop_sequences": "stop", "thinking": "reasoning_effort",
    "output_config": "reasoning_effort", "tool_choice": "tools", "parallel_tool_calls": "tools", "stream_options": "stream",
} | {
    name: name
    for name in (
        "model", "messages", "max_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty", "stop", "seed", "stream",
        "reasoning_effort", "tools", "response_format",
    )
}  # fmt: skip
"""A dialect's body field → what it says, in the words of the chat protocol; any other is one of the partner's own options."""


def receipt(exchange: Exchange) -> Receipt:
    """The receipt of an exchange whose attempts are over."""
    return Receipt({"config": exchange.config_hash, "attempts": [_attempt(attempt) for attempt in exchange.attempts]})


def _attempt(attempt: Attempt) -> dict[str, Json]:
    target = attempt.target
    return {
        "to": "own" if target.own else "partner",
        "terms": None if target.terms is None else target.terms.hash,
        "fields": sorted({_FIELDS.get(name, _OTHER) for name in attempt.sent}),
        "hidden": dict(sorted(attempt.hidden.items())),
        "answered": attempt.outcome == "ok",
    }
