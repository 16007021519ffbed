"""What the corridor is given: an arrival, one configuration generation, the ports.

Values only. A `House` is immutable but for `traffic`, which is a fold of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from lizi.callers import CallerBook
from lizi.carry import Carrier
from lizi.features import Answer
from lizi.metering import PriceBook
from lizi.notices import Notice
from lizi.ports import Clock, Images, Journal, Limits, Upstream
from lizi.routing import Route, Traffic
from lizi.types import Caller, ChatRequest, Claim, Exchange, Ticket
from lizi.veil import VeilBook
from lizi.wire.tasks import TaskRequest

__all__ = ["Arrival", "Deadlines", "House", "Opened", "Ports", "Steps"]

Steps: TypeAlias = Generator[ChatRequest, Answer, Any]


class Arrival(Struct, frozen=True, kw_only=True):
    """What came in: one POST to a feature by an authenticated app, its body still undecoded."""

    feature: str
    caller: Caller
    """As `callers` knows it from the head: no body is read for a key that nobody gave out."""
    body: bytes
    idempotency_key: str | None
    exchange_id: str


class Deadlines(Struct, frozen=True, kw_only=True):
    """The four waits, in seconds."""

    connect_s: float
    first_token_s: float
    idle_gap_s: float
    whole_s: float


class House(Struct, frozen=True, kw_only=True):
    """One configuration generation. An exchange keeps the one that it started with (law 10)."""

    callers: CallerBook
    routes: Mapping[str, Route]
    """For users: active partners alone."""
    synthetic_routes: Mapping[str, Route]
    """For keys whose traffic is synthetic: partners that are not active yet as well."""
    features: Mapping[str, str]
    """Feature → logical model that answers it."""
    locales: Mapping[str, tuple[str, ...]]
    """Feature → locales that it is offered in."""
    prices: PriceBook
    deadlines: Deadlines
    traffic: Traffic
    idempotency_key: bytes
    other_idempotency_keys: tuple[bytes, ...]
    """Before or after a rotation: a repeat is looked for under these, too."""
    carrier: Carrier | None
    """Seals what a partner wants brought back; `None`: nothing is carried."""
    remote_images: bool
    """A link to a picture may be passed on, for the partner to fetch."""
    notices: tuple[Notice, ...]
    veil: VeilBook
    config_hash: str


class Ports(Struct, frozen=True, kw_only=True):
    """What the corridor awaits."""

    upstream: Upstream
    limits: Limits
    journal: Journal
    images: Images
    clock: Clock
    draw: Callable[[], float]
    """In [0, 1): the choice among targets."""


class Opened(Struct, kw_only=True):
    """An authenticated, decoded request that may be served."""

    house: House
    caller: Caller
    request: ChatRequest | TaskRequest
    route: Route
    exchange: Exchange
    claim: Claim | None
    first: ChatRequest
    steps: Steps | None
    ticket: Ticket | None = None
