"""What a worker says of its work: metrics summed over workers, one log line an exchange, optional traces.

On the path it adds integers in dicts and queues one line; all else happens at a scrape or in
threads. Never holds content or a key, and a client's address at level `debug` only; partners' names are
for the operator, so `/metrics` is not for devices. Bound: `SERIES` label sets per metric, then `other`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, json

from lizi.edge.logs import LineWriter, places
from lizi.edge.numbers import Tally, text
from lizi.ports import Journal
from lizi.types import Exchange

if TYPE_CHECKING:
    from lizi.edge.http import Served
    from lizi.edge.traces import Traces

__all__ = ["Histogram", "Telemetry", "WatchedJournal", "render"]

SERIES = 2_000
"""Features × models × outcomes of a large installation; more is a mistake that must not cost memory."""
FIRST_TOKEN_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 30.0)
"""People notice from 0.1 s on and leave before 30."""
EXCHANGE_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Up to the longest exchange that deadlines allow by default."""
_REFUSALS = frozenset({"rate_limited", "quota_reached", "busy", "shutting_down"})
"""Not now; every other refusal of a request is its own fault."""
_Key = TypeVar("_Key")
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _Line(Struct, omit_defaults=True):
    """The log line of an exchange: this list is all that there can be in it."""

    at: datetime
    level: str
    event: str
    exchange: str
    feature: str = ""
    model: str = ""
    app: str = ""
    key: str = ""
    outcome: str = ""
    finish: str | None = None
    streamed: bool = False
    synthetic: bool = False
    attempts: int = 0
    partner: str = ""
    internal: str = ""
    first_token_ms: float | None = None
    duration_ms: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    charged_micros: int = 0
    spent_micros: int = 0
    client_request: str = ""
    client: str = ""
    route: str = ""
    method: str = ""
    status: int = 0
    code: str = ""
    error: str = ""
    where: str = ""


_ENCODE = json.Encoder().encode


class Histogram:
    """Counts per bucket, as plain integers."""

    __slots__ = ("bounds", "counts", "sum_s")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one; a value on a bound belongs to it."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum_s += seconds

    def numbers(self, name: str) -> dict[str, float]:
        """Cumulative buckets, sum and count by series name."""
        found: dict[str, float] = {}
        total = 0
        for at, count in enumerate(self.counts):
            total += count
            bound = f"{self.bounds[at]:g}" if at < len(self.bounds) else "+Inf"
            found[f'{name}_bucket{{le="{bound}"}}'] = total
        found[f"{name}_sum"] = self.sum_s
        found[f"{name}_count"] = total
        return found


class Telemetry(Tally):
    """The worker's witness: of requests (`served`, `crashed`) and of exchanges (`record`).

    `writer` takes the log lines, None writes none; `traces` is optional. Give the corridor
    `journal(inner)` instead of its journal, and every finished exchange is recorded here as well.
    """

    def __init__(self, *, writer: LineWriter | None = None, level: str = "info", traces: Traces | None = None) -> None:
        super().__init__()
        self._writer = writer
        self._level = _LEVELS[level]
        self._traces = traces
        self._exchanges: dict[tuple[str, str, str], int] = {}
        self._synthetic: dict[tuple[str, str, str], int] = {}
        self._attempts: dict[tuple[str, str], int] = {}
        self._refusals: dict[str, int] = {}
        self._rejects: dict[str, int] = {}
        self._dropped: dict[str, int] = {}
        self._first_token = Histogram(FIRST_TOKEN_S)
        self._duration = Histogram(EXCHANGE_S)
        self._input_tokens = self._output_tokens = self._cached_tokens = self._reasoning_tokens = 0
        self._charged_micros = self._spent_micros = 0

    # --- what happens
    def record(self, exchange: Exchange) -> None:
        """Count, log and trace a finished exchange. Synchronous, never blocks."""
        # A candidate that fails its examination must not wake anybody: neither users' counts nor their waits hold it.
        counts = self._synthetic if exchange.synthetic else self._exchanges
        _count(counts, (exchange.feature, exchange.model, exchange.outcome), ("other", "other", "other"))
        for attempt in exchange.attempts:
            _count(self._attempts, (attempt.target.partner, attempt.outcome), ("other", "other"))
        for name in exchange.dropped_fields:
            _count(self._dropped, name, "other")
        first = exchange.first_released_mono
        first_s = None if first is None else first - exchange.started_mono
        if first_s is not None and not exchange.synthetic:
            self._first_token.add(first_s)
        duration_s = max(0.0, exchange.ended_at - exchange.started_at)  # the wall clock may have been set back
        if not exchange.synthetic:
            self._duration.add(duration_s)
        usage = exchange.usage
        self._input_tokens += usage.input_tokens
        self._output_tokens += usage.output_tokens
        self._cached_tokens += usage.cached_tokens
        self._reasoning_tokens += usage.reasoning_tokens
        self._charged_micros += exchange.charged_micros
        self._spent_micros += exchange.spent_micros
        good = exchange.outcome in ("ok", "cancelled")
        if self._writer is not None and self._level <= (20 if good else 30):
            last = exchange.attempts[-1] if exchange.attempts else None
            line = _Line(
                at=datetime.fromtimestamp(exchange.ended_at, UTC),
                level="info" if good else "warning",
                event="exchange",
                exchange=exchange.id,
                feature=exchange.feature,
                model=exchange.model,
                app=exchange.app,
                key=exchange.key_id,
                outcome=exchange.outcome,
                finish=exchange.finish,
                internal=exchange.cause,
                streamed=exchange.stream,
                synthetic=exchange.synthetic,
                attempts=len(exchange.attempts),
                partner=last.target.partner if last is not None else "",
                first_token_ms=None if first_s is None else round(first_s * 1000, 1),
                duration_ms=round(duration_s * 1000, 1),
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                estimated=usage.estimated,
                charged_micros=exchange.charged_micros,
                spent_micros=exchange.spent_micros,
            )
            self._writer.write(_ENCODE(line))
        if self._traces is not None:
            self._traces.record(exchange)

    def served(self, served: Served) -> None:
        """Count one answered request; at level `debug` a line as well, with the client's own request id and address."""
        super().served(served)
        if served.code in _REFUSALS:
            _count(self._refusals, served.code, "other")
        elif served.code and 400 <= served.status < 500 and served.status != 499:
            _count(self._rejects, served.code, "other")
        if self._writer is not None and self._level <= 10:
            line = _Line(
                at=datetime.now(UTC),
                level="debug",
                event="request",
                exchange=served.exchange_id,
                client_request=served.client_request_id,
                client=served.client_address,
                route=served.route,
                method=served.method,
                status=served.status,
                code=served.code,
                streamed=served.streamed,
            )
            self._writer.write(_ENCODE(line))

    def crashed(self, exchange_id: str, exception: BaseException) -> None:
        """Count one defect and say where it happened: type and places, never the message, which may hold content."""
        super().crashed(exchange_id, exception)
        if self._writer is not None:
            line = _Line(
                at=datetime.now(UTC),
                level="error",
                event="defect",
                exchange=exchange_id,
                error=type(exception).__name__,
                where=places(exception.__traceback__),
            )
            self._writer.write(_ENCODE(line))

    def journal(self, inner: Journal) -> WatchedJournal:
        """A journal for the corridor that records here what it appends there."""
        return WatchedJournal(inner, self)

    # --- what is asked
    def numbers(self) -> dict[str, float]:
        """All series of this worker, for the channel; summed over workers by `edge.numbers.summed`."""
        found = super().numbers()
        for name, exchanges in (("lizi_exchanges_total", self._exchanges), ("lizi_synthetic_exchanges_total", self._synthetic)):
            for (feature, model, outcome), count in exchanges.items():
                found[_series(name, feature=feature, model=model, outcome=outcome)] = count
        for (partner, outcome), count in self._attempts.items():
            found[_series("lizi_attempts_total", partner=partner, outcome=outcome)] = count
        for name, counts, label in (
            ("lizi_refusals_total", self._refusals, "code"),
            ("lizi_http_rejects_total", self._rejects, "code"),
            ("lizi_dropped_fields_total", self._dropped, "field"),
        ):
            for value, count in counts.items():
                found[_series(name, **{label: value})] = count
        for kind, count in (
            ("input", self._input_tokens),
            ("output", self._output_tokens),
            ("cached", self._cached_tokens),
            ("reasoning", self._reasoning_tokens),
        ):
            found[_series("lizi_tokens_total", kind=kind)] = count
        found["lizi_charged_micros_total"] = self._charged_micros
        found["lizi_spent_micros_total"] = self._spent_micros
        if self._writer is not None:
            found["lizi_log_lines_dropped_total"] = self._writer.dropped
        found |= self._first_token.numbers("lizi_first_token_seconds")
        found |= self._duration.numbers("lizi_exchange_seconds")
        return found

    def snapshot(self) -> dict[str, float]:
        """The same under the name that a test or an embedding program looks for."""
        return self.numbers()

    def close(self) -> None:
        """Write and send what waits, for two seconds at the most."""
        if self._traces is not None:
            self._traces.close()
        if self._writer is not None:
            self._writer.close()


class WatchedJournal:
    """`lizi.ports.Journal` that also tells telemetry; the ledger comes first."""

    __slots__ = ("_inner", "_telemetry", "intend", "room")

    def __init__(self, inner: Journal, telemetry: Telemetry) -> None:
        self._inner = inner
        self._telemetry = telemetry
        # the inner one's own methods: watching costs them nothing
        self.room = inner.room
        self.intend = inner.intend

    def append(self, exchange: Exchange) -> None:
        """As `lizi.ports.Journal.append`."""
        self._inner.append(exchange)
        self._telemetry.record(exchange)


def render(snapshots: Iterable[Mapping[str, float]]) -> bytes:
    """The exposition of all workers' snapshots added up."""
    total: dict[str, float] = {}
    for snapshot in snapshots:
        for name, value in snapshot.items():
            total[name] = total.get(name, 0) + value
    return text(total)


def _count(counts: dict[_Key, int], key: _Key, other: _Key) -> None:
    present = counts.get(key)
    if present is not None:
        counts[key] = present + 1
    elif len(counts) < SERIES:
        counts[key] = 1
    else:
        counts[other] = counts.get(other, 0) + 1


def _series(name: str, **labels: str) -> str:
    pairs = [f'{label}="{value.translate(_ESCAPES)}"' for label, value in labels.items()]
    return f"{name}{{{','.join(pairs)}}}"


_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
