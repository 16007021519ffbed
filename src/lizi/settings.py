"""The sections of `lizi.toml` that are about the process itself, and the words that all sections share.

Values only. What is about partners and models stands in `lizi.config`, beside the checks that need both.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = [
    "AdmissionSettings",
    "CarrySettings",
    "DeadlineSettings",
    "Name",
    "Reference",
    "ServerSettings",
    "StoreSettings",
    "Strict",
    "TelemetrySettings",
]

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="lower-case letters, digits, `.`, `_`, `-`")]
Reference = Annotated[str, Meta(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)?$", description="`env:NAME`, `file:PATH` or empty")]
Milliseconds = Annotated[int, Meta(ge=1, le=86_400_000)]


class Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section of the file: an unknown key is an error with its path."""


class ServerSettings(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The listening side. Changing anything here needs a restart."""

    listen: Annotated[str, Meta(description="host:port that devices and apps reach")] = "127.0.0.1:8080"
    workers: Annotated[int, Meta(ge=1, le=256, description="worker processes; one per core")] = 1
    data_dir: Annotated[str, Meta(description="store, keys and sockets live here; relative to the file")] = "var"
    tls_certificate: Annotated[str, Meta(description="PEM file with the chain; empty serves plain HTTP")] = ""
    tls_key: Annotated[str, Meta(description="PEM file with the private key")] = ""
    trusted_proxies: Annotated[tuple[str, ...], Meta(description="addresses or networks whose X-Forwarded-For is believed")] = ()
    body_limit_bytes: Annotated[int, Meta(ge=1024, description="largest request body; beyond it 413")] = 20 * 1024 * 1024
    header_limit_bytes: Annotated[int, Meta(ge=1024, description="request line and headers together; beyond it 431")] = 32 * 1024
    connections: Annotated[int, Meta(ge=1, description="open client connections per worker; beyond it new ones are closed")] = 20_000
    headers_timeout_ms: Annotated[Milliseconds, Meta(description="from the first byte of a request to its last header")] = 10_000
    body_timeout_ms: Annotated[Milliseconds, Meta(description="longest silence within a request's body")] = 15_000
    idle_timeout_ms: Annotated[Milliseconds, Meta(description="a kept-alive connection without a request")] = 75_000
    write_timeout_ms: Annotated[Milliseconds, Meta(description="a reader that takes nothing for this long is closed")] = 30_000
    write_buffer_bytes: Annotated[int, Meta(ge=4096, description="unsent bytes per connection before its source is paused")] = 64 * 1024
    grace_ms: Annotated[int, Meta(ge=0, description="after SIGTERM: 503 for new requests while balancers look away")] = 2_000
    drain_ms: Annotated[Milliseconds, Meta(description="after the grace: open streams may finish")] = 60_000
    metrics_token: Annotated[Reference, Meta(description="bearer token for /metrics; empty: only from loopback")] = ""
    wipe_memory: Annotated[bool, Meta(description="overwrite what is freed in workers and local models (Linux with glibc)")] = False


class AdmissionSettings(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much may be under way at once."""

    exchanges_in_flight: Annotated[int, Meta(ge=1, description="over all workers; beyond it 503 at once")] = 2_000


class DeadlineSettings(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The four waits of an attempt and of the whole exchange."""

    connect_ms: Annotated[Milliseconds, Meta(description="to a connected socket with TLS")] = 3_000
    first_token_ms: Annotated[Milliseconds, Meta(description="from sending to the first token")] = 30_000
    idle_gap_ms: Annotated[Milliseconds, Meta(description="between two events of a stream; comments don't count")] = 30_000
    whole_ms: Annotated[Milliseconds, Meta(description="one exchange, all attempts together")] = 300_000


class StoreSettings(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ledger and audit chain."""

    durability: Annotated[
        Literal["batched", "strict"],
        Meta(
            description="batched: a kill loses `batch_ms` of records at most; strict: an intent is on disk before the first released byte"
        ),
    ] = "batched"
    batch_ms: Annotated[int, Meta(ge=1, le=5_000, description="longest time a record waits for its commit")] = 100
    queue_records: Annotated[int, Meta(ge=100, description="records waiting per worker; when full, new work gets 503")] = 20_000
    idempotency_life_s: Annotated[int, Meta(ge=60, description="how long an Idempotency-Key is remembered")] = 24 * 3600


class CarrySettings(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sealed reasoning that devices bring back (`x_state`), since partners demand it in later turns."""

    life_s: Annotated[int, Meta(ge=60, le=30 * 86_400, description="how long one opens; a conversation may rest so long")] = 86_400


class TelemetrySettings(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Logs, metrics, traces; none of them ever holds content."""

    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="least severity that is written")] = "info"
    otlp_endpoint: Annotated[str, Meta(description="OTLP/HTTP collector; empty: no traces (extra `otel`)")] = ""
