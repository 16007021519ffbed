"""Optional traces: a span per exchange and one per attempt, made when the exchange is over.

Costs nothing while an answer is under way: spans are made from the exchange's own times and leave
in the SDK's background thread. Never holds content, a device, or a secret. Bound: the SDK's queue of
2,048 spans; beyond it spans are dropped. Standard: OpenTelemetry semantic conventions for GenAI, OTLP/HTTP.
"""

from __future__ import annotations

from typing import Any

from lizi import __version__
from lizi.errors import ConfigError
from lizi.types import Attempt, Exchange

__all__ = ["Traces"]

_PATH = "/v1/traces"  # OTLP/HTTP's default, appended unless it is there
_LAST_SPANS_MS = 1_000
"""At the end of a worker; the supervisor kills after 2 s."""


class Traces:
    """Sends finished exchanges to an OTLP/HTTP collector. Raises `ConfigError` when the extra `otel` is not installed."""

    def __init__(self, endpoint: str, *, instance: str = "") -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
        except ImportError:
            raise ConfigError(
                "Traces need OpenTelemetry, which is not installed.",
                code="config_invalid",
                param="$.telemetry.otlp_endpoint",
                hint="Install the extra: pip install 'lizi[otel]'; or leave otlp_endpoint empty.",
            ) from None
        url = endpoint if endpoint.rstrip("/").endswith(_PATH) else endpoint.rstrip("/") + _PATH
        resource = Resource.create({"service.name": "lizi", "service.version": __version__, "service.instance.id": instance})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=5)))
        self._tracer = self._provider.get_tracer("lizi", __version__)
        self._kind: Any = SpanKind
        self._status: Any = Status
        self._code: Any = StatusCode
        self._within: Any = set_span_in_context

    def record(self, exchange: Exchange) -> None:
        """Make the spans of a finished exchange. Synchronous; sending happens elsewhere."""
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": exchange.model,  # the logical name: what the app asked for
            "gen_ai.usage.input_tokens": exchange.usage.input_tokens,
            "gen_ai.usage.output_tokens": exchange.usage.output_tokens,
            "lizi.exchange.id": exchange.id,
            "lizi.feature": exchange.feature,
            "lizi.app": exchange.app,
            "lizi.stream": exchange.stream,
            "lizi.charged_micros": exchange.charged_micros,
            "lizi.config_hash": exchange.config_hash,
        }
        if exchange.finish is not None:
            attributes["gen_ai.response.finish_reasons"] = [exchange.finish]
        span = self._tracer.start_span(
            f"chat {exchange.model}", kind=self._kind.SERVER, attributes=attributes, start_time=_nanoseconds(exchange.started_at)
        )
        self._outcome(span, exchange.outcome)
        for attempt in exchange.attempts:
            self._attempt(attempt, self._within(span))
        span.end(_nanoseconds(exchange.ended_at))

    def close(self) -> None:
        """Send what waits, for a second at the most."""
        self._provider.force_flush(_LAST_SPANS_MS)
        self._provider.shutdown()

    def _attempt(self, attempt: Attempt, context: Any) -> None:
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": attempt.target.partner,
            "gen_ai.request.model": attempt.target.model,
            "gen_ai.usage.input_tokens": attempt.usage.input_tokens,
            "gen_ai.usage.output_tokens": attempt.usage.output_tokens,
            "lizi.attempt": attempt.number,
            "lizi.region": attempt.target.region,
            "lizi.usage_estimated": attempt.usage.estimated,
            "lizi.cost_micros": attempt.cost_micros,
        }
        if attempt.finish is not None:
            attributes["gen_ai.response.finish_reasons"] = [attempt.finish]
        if attempt.status is not None:
            attributes["http.response.status_code"] = attempt.status
        span = self._tracer.start_span(
            f"chat {attempt.target.model}",
            context=context,
            kind=self._kind.CLIENT,
            attributes=attributes,
            start_time=_nanoseconds(attempt.started_at),
        )
        self._outcome(span, attempt.outcome)
        span.end(_nanoseconds(attempt.ended_at))

    def _outcome(self, span: Any, outcome: str) -> None:
        if outcome not in ("ok", "cancelled"):
            span.set_attribute("error.type", outcome)
            span.set_status(self._status(self._code.ERROR))


def _nanoseconds(at: float) -> int:
    return int(at * 1e9)
