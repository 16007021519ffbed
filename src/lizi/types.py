"""The nouns of the house. Imports nothing of ours.

All values are frozen, slotted and keyword-only, except `Exchange`, the one mutable
object, which the corridor owns for one request's life. Money is an integer of
micro-units (1/1,000,000) of one ledger currency; times are seconds: `*_at` on the
wall clock (Unix time), `*_mono` on the monotonic clock.

`msgspec.Struct` and not a dataclass: a stream makes several events a chunk, and a
frozen dataclass costs five times as much to make (docs/decisions/0002).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct, field

Json: TypeAlias = Any
"""A parsed JSON tree: dict, list, str, int, float, bool or None."""

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]
Capability: TypeAlias = Literal["tools", "images", "json_object", "json_schema"]
DataClass: TypeAlias = Literal["text", "personal", "sensitive", "image"]
"""What a request can hold, closed: text that is masked or holds nothing personal; personal data in the clear; in the clear
what its kind makes sensitive (resident ID, bank card, secret); an image."""


class Plan(Struct, frozen=True, kw_only=True):
    """What one app may do. `None` means no limit of that kind."""

    models: frozenset[str] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    streams: int | None = None
    money_per_day_micros: int | None = None
    money_per_month_micros: int | None = None
    synthetic: bool = False
    """Its traffic is made for examining: it may reach partners that are not active yet, and no user stands behind it."""
    market: str = ""
    """Jurisdiction that it serves. Without one it reaches only targets that are for every market."""
    regions: frozenset[str] | None = None
    """Where partners may compute for it."""


class Caller(Struct, frozen=True, kw_only=True):
    """An authenticated app. Never a device or a user identity."""

    app: str
    key_id: str
    plan: Plan


class Facts(Struct, frozen=True, kw_only=True):
    """How a partner's model differs from its family's base on one day, as the dated records say (dialects/records).

    Everything here is data: the family's code applies it and knows no partner by name. The empty `Facts()` is the base.
    """

    # how it is asked
    path: str = ""
    """Appended to the base URL instead of the family's own path."""
    authorization: Literal["bearer", "x-api-key"] = "bearer"
    headers: tuple[tuple[str, str], ...] = ()
    rename: dict[str, str] = {}
    """Body field → the partner's name for it."""
    drop: frozenset[str] = frozenset()
    """Body fields that the partner refuses; `tools.strict` is the flag within each tool."""
    clamp: dict[str, tuple[float, float]] = {}
    default: dict[str, Json] = {}
    """Body fields that are sent when the request does not set them."""
    reasoning: dict[str, dict[str, Json]] = {}
    """Effort asked for → what goes into the body; `default` is for requests that ask for none, `whole` replaces it when not streamed.
    Where an effort is absent, the next lower one that is there; empty: `reasoning_effort` as asked."""
    tool_choices: frozenset[str] = frozenset({"none", "auto", "required", "named"})
    """Forms of `tool_choice` that it takes; another becomes `required`, else `auto`."""
    system_role: str = "system"
    replay: Literal["drop", "tool_loop", "always"] = "drop"
    """Whether a turn's reasoning must come back: never; in turns with tool calls; in every turn, empty where there was none."""
    # how it answers
    tags: bool = False
    """Reasoning may stand in the text as `<think>…</think>`, and tool calls as `<tool_call>{…}</tool_call>`."""
    finishes: dict[str, str] = {}
    """Its own words for why it stopped → ours; `!class` is a failure, `retract` withdraws what was sent."""
    codes: dict[str, str] = {}
    """Its own error codes (lower case), or an HTTP status that comes without one → canonical class, before the common table."""
    phrases: dict[str, str] = {}
    """Parts of its error messages (lower case) → canonical class, where no code says it: read to understand, never handed on."""
    flags: dict[str, Literal["allow", "warn", "stop", "retract"]] = {}
    """Values of its moderation field `flag` → what they ask for."""
    retracts: bool = False
    """It may withdraw what it has already sent."""
    # what it must not learn, or learn by
    cache: Literal["account", "request"] = "account"
    """Who may find a prompt in its cache by the time that an answer takes: every request of the account (then a random line keeps one
    apart from another), or none but the one that marks it."""
    random_fields: tuple[str, ...] = ()
    """Body fields for which it demands a value of the user's: they get one that is new in each attempt."""
    rate_headers: dict[str, str] = {}
    """Part of a rate limit (`requests_limit`, `tokens_remaining`, `requests_reset` …) → header that carries it."""


BASE = Facts()
"""A target without facts has this very object: a dialect that has nothing to apply finds out by identity."""


class LaneLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one partner, model and region may be sent, by all workers together; what is left out limits nothing."""

    requests_per_minute: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="requests a minute, evenly")] = None
    tokens_per_minute: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="tokens a minute, evenly: the prompt and the longest answer")
    ] = None
    concurrency: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="requests under way at once")] = None
    growth_percent: Annotated[
        Annotated[int, Meta(ge=1, le=1_000)] | None,
        Meta(description="how much more requests each 10 s may bring than the 10 s before; 50 where a partner limits the slope"),
    ] = None
    cold_requests_per_minute: Annotated[int, Meta(ge=1, description="what a limited slope lets a lane start with")] = 300


class LimitHint(Struct, frozen=True, kw_only=True):
    """What a partner's rate headers said with one reply; `None` where it said nothing."""

    requests_limit: int | None = None
    requests_remaining: int | None = None
    requests_reset_s: float | None = None
    tokens_limit: int | None = None
    tokens_remaining: int | None = None
    tokens_reset_s: float | None = None


class Terms(Struct, frozen=True, kw_only=True):
    """What a partner's signed record allows (`lizi.terms`). Times are midnights in UTC; `until_at` is the first moment without them."""

    data: frozenset[DataClass]
    regions: frozenset[str]
    retention_days: int
    training: bool
    contract: str
    since_at: float
    until_at: float
    hash: str
    """SHA-256 of the record's bytes, hex."""
    signed_by: str
    """Public key, base64."""

    @property
    def short(self) -> str:
        """The first 64 bits of the hash: what each attempt names. The whole stands in the audit record of their coming into use."""
        return self.hash[:16]


class Target(Struct, frozen=True, kw_only=True):
    """Partner + model + region: what one attempt is sent to."""

    partner: str
    model: str
    region: str
    dialect: str
    base_url: str
    credential: str
    """A reference such as `env:ACME_KEY`, never the secret; the wall resolves it."""
    price_key: str
    weight: int = 1
    capabilities: frozenset[Capability] = frozenset()
    strict_schema: bool = False
    """The partner is known to enforce `json_schema` strictly, so text may be released unheld."""
    context_tokens: int | None = None
    rank: int = 0
    """Lower ranks are asked first; among equals the route's strategy decides."""
    markets: frozenset[str] = frozenset()
    """Markets that it may answer for; empty: all."""
    lane: LaneLimits = LaneLimits()
    own: bool = False
    """The maker's own machines: there is no partner, and nothing to hide from one."""
    facts: Facts = BASE
    terms: Terms | None = None
    filing: str = ""
    """Registration number that its record gives its model."""


# --- the request ---------------------------------------------------------------


class JsonObjectFormat(Struct, frozen=True, kw_only=True):
    """`response_format: {"type": "json_object"}`: any JSON object."""


class JsonSchemaFormat(Struct, frozen=True, kw_only=True):
    """`response_format: {"type": "json_schema", …}`: an object that the schema accepts."""

    name: str
    schema: dict[str, Json]


class ChatRequest(Struct, frozen=True, kw_only=True):
    """A typed view over the parsed JSON tree: only what Lizi acts on is modelled.

    `messages`, `tools` and `tool_choice` stay in the shape of the OpenAI chat API, already
    checked by `wire.openai`; a dialect builds the partner's request from them by a closed
    schema, and never forwards the tree.
    """

    model: str
    messages: list[dict[str, Json]]
    stream: bool = False
    include_usage: bool = False
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    tools: list[dict[str, Json]] | None = None
    tool_choice: Json = None
    parallel_tool_calls: bool | None = None
    response_format: JsonObjectFormat | JsonSchemaFormat | None = None
    reasoning_effort: str | None = None
    format_floor: Literal["json_schema", "json_object", "prompt"] = "json_schema"
    """The highest rung of the structured-output ladder that may still be tried (api.md §4.6)."""
    repairs: bool = False
    """Replaces the answer before it, which broke its contract; that attempt is not charged to the app."""
    needs: frozenset[Capability] = frozenset()
    """What a target must be able to do for this request to make sense there."""
    can_retract: bool = False
    """The device can take back what it has shown: a partner that may withdraw its answer need not be waited for."""
    images: tuple[tuple[str, dict[str, Json]], ...] = ()
    """Each picture that came inline: its path in the request, and the object within `messages` whose `url` it is."""
    carried: bool = False
    """Some assistant's turn brings an `x_state`."""
    conversation: str = ""
    """The device's own random word for this conversation: keeps placeholders the same when its history is cut. Never sent."""
    receipt: bool = False
    """The app wants to be told what left the house for its answer."""
    salt: str = ""
    """New in each attempt, 32 hex digits: what a partner's record wants random is made of it."""
    dropped: tuple[str, ...] = ()
    """Known, harmless fields that were dropped (`user`, `metadata`, `store` …): counted, never sent."""


# --- what comes back -----------------------------------------------------------


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens of one attempt. `estimated` when the partner did not report them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False


class Text(Struct, frozen=True):
    """Answer text, as much as arrived."""

    text: str


class Reasoning(Struct, frozen=True):
    """The model's reasoning text. Not shown to a device unless its protocol has a place for it."""

    text: str
    signature: str = ""
    """Opaque to us: what its partner wants back beside the text; comes once, with or after the last text."""


class ToolDelta(Struct, frozen=True, kw_only=True):
    """A part of tool call number `index`; `id` and `name` come once, `arguments` accumulate."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class Retract(Struct, frozen=True, kw_only=True):
    """What was shown must be withdrawn and replaced."""

    replacement: str
    reason_class: str


class State(Struct, frozen=True):
    """What the device is asked to bring back beside this turn: sealed, opaque (`lizi.carry`)."""

    sealed: str


class Receipt(Struct, frozen=True):
    """What left the house for this answer, for the app that wanted to know (`lizi.veil.receipt`)."""

    told: dict[str, Json]


class Finish(Struct, frozen=True):
    """The model stopped, and why. A stream without it was cut."""

    reason: FinishReason


class Final(Struct, frozen=True, kw_only=True):
    """A feature's checked result object."""

    result: dict[str, Json]


class Fault(Struct, frozen=True):
    """The exchange failed; always the last event. `error` is a `lizi.errors.LiziError`."""

    error: Any


Event: TypeAlias = Text | Reasoning | ToolDelta | Usage | Retract | State | Receipt | Finish | Final | Fault


# --- what crosses the wall -----------------------------------------------------


class Call(Struct, frozen=True, kw_only=True):
    """One HTTP request to a partner. `headers` never carries the credential: the wall adds it."""

    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    credential: str
    """Reference of the secret that the wall sends; empty for none."""
    fields: tuple[str, ...] = ()
    """Names of the body's fields: what is sent, and nothing of it."""
    authorization: Literal["bearer", "x-api-key"] = "bearer"
    """Header that carries it: `Authorization: Bearer …` (RFC 6750) or `x-api-key: …`."""


# --- partners ------------------------------------------------------------------

PartnerState: TypeAlias = Literal["candidate", "approved", "active", "retired"]


class Standing(Struct, frozen=True, kw_only=True):
    """Where a partner stands, and the move that brought it there."""

    partner: str
    state: PartnerState
    at: float
    by: str
    why: str
    came_from: PartnerState | None = None
    """`None` for the first: how the configuration introduced it."""


# --- accounting ----------------------------------------------------------------


class Demand(Struct, frozen=True, kw_only=True):
    """What an exchange may use at the most; reserved before it starts."""

    tokens: int
    money_micros: int
    streams: int = 1
    input_tokens: int = 0
    """The part of `tokens` that is the prompt: an estimate."""


class Claim(Struct, frozen=True, kw_only=True):
    """An Idempotency-Key in use: `key_hash` is keyed and bound to the app; the key itself is not kept."""

    key_hash: str
    exchange_id: str
    others: tuple[str, ...] = ()
    """Its hashes by the service's other keys: a repeat across a rotation of those is one, too."""


class Ticket(Struct, frozen=True, kw_only=True):
    """A reservation. Settled exactly once, with what was really used."""

    id: int
    app: str
    demand: Demand
    reserved_at: float
    quota_state: Literal["ok", "nearing"] = "ok"
    """`nearing` from 80 % of the tightest limit on, so that an app can say so before it is refused."""
    quota_resets_at: float | None = None
    claim: Claim | None = None


class Attempt(Struct, kw_only=True):
    """One try at one target; becomes a ledger row."""

    number: int
    target: Target
    started_at: float
    ended_at: float = 0.0
    status: int | None = None
    outcome: str = "open"
    """`ok`, `cancelled`, or the code of the error that ended it."""
    finish: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost_micros: int = 0
    released: bool = False
    sent: tuple[str, ...] = ()
    """Names of the fields that the partner's request had."""
    hidden: dict[str, int] = {}
    """Kind of personal data → how many values of it had placeholders."""


class Exchange(Struct, kw_only=True):
    """One request's life. The only mutable noun; owned by the corridor."""

    id: str
    feature: str
    """`chat`, or the name of a feature: `writing.proofread` …"""
    started_at: float
    started_mono: float
    config_hash: str
    app: str = ""
    key_id: str = ""
    model: str = ""
    stream: bool = False
    idempotency: str | None = None
    """Keyed hash of app and Idempotency-Key, never the key itself."""
    ended_at: float = 0.0
    first_released_mono: float | None = None
    outcome: str = "open"
    """`ok`, `cancelled`, or the code of the error that ended it."""
    cause: str = ""
    """What `LiziError.internal` said of it: for the log alone."""
    finish: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    """What the app is charged for: the attempt that answered it."""
    charged_micros: int = 0
    spent_micros: int = 0
    """What all attempts cost the maker; never less than charged for the same attempts."""
    reserved_micros: int = 0
    checks: dict[str, str] = field(default_factory=dict)
    """Check name → `passed`, `failed`, `repaired`, `skipped` or `error`; never `passed` unless it ran."""
    dropped_fields: tuple[str, ...] = ()
    synthetic: bool = False
    """Made for examining partners; no user stands behind it."""
