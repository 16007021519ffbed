"""What owner and workers say to each other. Plain values; they cross the control channel as arrays."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from lizi.errors import InvalidRequest, LiziError, Refused, Retry
from lizi.types import Plan

__all__ = ["Ask", "Grant", "Moment", "Refusal", "Return"]

LEASE_S = 0.1
"""A lease lives this long: what a killed or idle worker strands comes back within it (surge.md §3.2)."""
HOT_REQUESTS = 2
"""Fewer than this in a lease's life, and a lease would only strand: the owner decides each request."""


class Moment(Struct, frozen=True, kw_only=True):
    """An instant on both clocks, with the budget periods around it (Unix seconds)."""

    mono: float
    at: float
    day_start: float
    day_end: float
    month_start: float
    month_end: float


class Ask(Struct, frozen=True, array_like=True, tag="ask"):
    """One request's need, and how many like it the worker saw lately. `ahead`: only a lease is wanted."""

    id: int
    app: str
    plan: Plan
    tokens: int
    money_micros: int
    streams: int
    rate_per_s: float = 0.0
    ahead: bool = False
    key_hash: str = ""
    exchange_id: str = ""
    other_hashes: tuple[str, ...] = ()
    """The key may have been claimed under one of these as well."""


class Grant(Struct, frozen=True, array_like=True, tag="grant"):
    """Amounts already deducted at the owner; to be used before `expires_mono`, the rest to be returned."""

    id: int
    app: str
    slot: int
    day_start: float
    month_start: float
    expires_mono: float
    requests: int
    tokens: int
    money_micros: int
    streams: int
    nearing: bool
    resets_at: float


class Refusal(Struct, frozen=True, array_like=True, tag="refusal"):
    """Why not, and when it may. `retry_after_s` is None where waiting can't help or nobody can know."""

    id: int
    code: Literal["rate_limited", "quota_reached", "busy", "idempotency_conflict"]
    which: str
    limit: int = 0
    retry_after_s: float | None = None
    exchange_id: str = ""
    state: str = ""

    def error(self) -> LiziError:
        """The refusal in the words of the wire."""
        if self.code == "idempotency_conflict":
            return InvalidRequest(
                "This Idempotency-Key was already used; the request was not run again.",
                code=self.code,
                param="Idempotency-Key",
                hint="Use a new key for a new request.",
                extra={"exchange_id": self.exchange_id, "state": self.state},
            )
        never = self.code == "rate_limited" and self.retry_after_s is None
        text = _TEXTS[self.which].format(limit=self.limit)
        return Refused(
            text + (" This request alone needs more." if never else ""),
            code=self.code,
            retry=Retry.NEVER if never else Retry.LATER,
            retry_after_s=self.retry_after_s,
            hint="Ask for less in one request, or for a larger plan." if never else "Wait as long as Retry-After says, then try again.",
            extra={"limit": self.which},
        )


_TEXTS = {
    "requests": "This app may make {limit} requests per minute.",
    "tokens": "This app may use {limit} tokens per minute.",
    "streams": "This app may have {limit} streams open at once.",
    "money_per_day": "This app's budget for the day is used up.",
    "money_per_month": "This app's budget for the month is used up.",
    "in_flight": "The service is at its limit of requests in progress.",
    "claims": "The service can't remember more Idempotency-Keys right now.",
    "owner": "The service can't check limits right now.",
    "ahead": "No lease ahead of need.",
}


class Return(Struct, frozen=True, array_like=True):
    """Amounts of one grant that come back; negative where more was used than reserved."""

    app: str
    slot: int
    day_start: float
    month_start: float
    requests: int
    tokens: int
    money_micros: int
    streams: int
    places: int
    leases: int
    """Leases ended, and `leased`: the requests that they were made of."""
    leased: int
