"""Logs, metrics and traces say what happened and never what was said."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lizi.edge.logs import FIELDS, JsonHandler, LineWriter, install
from lizi.edge.numbers import pack, summed, text
from lizi.edge.telemetry import SERIES, Histogram, Telemetry, render
from lizi.edge.traces import Traces
from lizi.errors import ConfigError
from lizi.ports import Journal
from lizi.testing import MemoryJournal
from lizi.types import Attempt, Exchange, Target, Usage

CANARY = "canary-7781-river"
TARGET = Target(
    partner="acme", model="acme-large", region="cn", dialect="openai_chat", base_url="http://x", credential="env:K", price_key="p"
)


def _exchange(**changes: Any) -> Exchange:
    attempt = Attempt(number=1, target=TARGET, started_at=100.0, ended_at=101.0, status=200, outcome="ok", finish="stop")
    values: dict[str, Any] = {
        "id": "rq_1", "feature": "chat", "started_at": 100.0, "started_mono": 5.0, "config_hash": "c0ffee", "app": "notes", "key_id": "k1",
        "model": "writer", "stream": True, "ended_at": 101.5, "first_released_mono": 5.3, "outcome": "ok", "finish": "stop",
        "attempts": [attempt], "usage": Usage(input_tokens=12, output_tokens=30, cached_tokens=4), "charged_micros": 70, "spent_micros": 90,
    }  # fmt: skip
    return Exchange(**(values | changes))


def _served(**changes: Any) -> Any:
    values = {
        "exchange_id": "rq_2", "client_request_id": "c-1", "route": "/v1/chat/completions", "method": "POST", "status": 200, "code": "",
        "streamed": False, "started_mono": 5.0, "client_address": "192.0.2.7",
    }  # fmt: skip
    return SimpleNamespace(**(values | changes))


def _samples(exposition: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(exposition.decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


class Lines:
    """A writer's other end."""

    def __init__(self) -> None:
        self._reader, self.descriptor = os.pipe()
        self.writer = LineWriter(self.descriptor)

    def all(self) -> list[dict[str, Any]]:
        self.writer.close(5.0)
        os.close(self.descriptor)
        with open(self._reader, "rb") as file:
            return [json.loads(line) for line in file]


@pytest.fixture
def lines() -> Lines:
    return Lines()


# --- metrics


def test_metrics_of_an_exchange_are_valid_prometheus_text() -> None:
    telemetry = Telemetry()
    telemetry.record(_exchange())
    telemetry.record(_exchange(outcome="upstream_failed", first_released_mono=None, dropped_fields=("user",)))
    telemetry.served(_served(status=429, code="rate_limited"))
    telemetry.served(_served(status=400, code="unknown_field"))
    found = _samples(render([telemetry.snapshot()]))
    assert found["lizi_exchanges_total", (("feature", "chat"), ("model", "writer"), ("outcome", "ok"))] == 1
    assert found["lizi_exchanges_total", (("feature", "chat"), ("model", "writer"), ("outcome", "upstream_failed"))] == 1
    assert found["lizi_attempts_total", (("outcome", "ok"), ("partner", "acme"))] == 2
    assert found["lizi_tokens_total", (("kind", "output"),)] == 60
    assert found["lizi_charged_micros_total", ()] == 140 and found["lizi_spent_micros_total", ()] == 180
    assert found["lizi_refusals_total", (("code", "rate_limited"),)] == 1
    assert found["lizi_http_rejects_total", (("code", "unknown_field"),)] == 1
    assert found["lizi_dropped_fields_total", (("field", "user"),)] == 1
    assert found["lizi_first_token_seconds_count", ()] == 1 and found["lizi_exchange_seconds_count", ()] == 2
    assert found["lizi_first_token_seconds_bucket", (("le", "0.4"),)] == 1
    assert found["lizi_first_token_seconds_bucket", (("le", "0.2"),)] == 0
    assert found["lizi_exchange_seconds_sum", ()] == pytest.approx(3.0)


def test_snapshots_of_workers_add_up_and_travel_over_the_channel() -> None:
    workers = [Telemetry() for _ in range(3)]
    for number, worker in enumerate(workers):
        for _ in range(number + 1):
            worker.record(_exchange())
    merged = render(worker.snapshot() for worker in workers)
    assert merged == text(summed([pack(worker.snapshot()) for worker in workers], {}))
    assert _samples(merged)["lizi_exchanges_total", (("feature", "chat"), ("model", "writer"), ("outcome", "ok"))] == 6
    assert _samples(merged)["lizi_exchange_seconds_bucket", (("le", "+Inf"),)] == 6


def test_label_sets_are_bounded() -> None:
    telemetry = Telemetry()
    for number in range(SERIES + 50):
        telemetry.record(_exchange(model=f"m{number}"))
    found = _samples(render([telemetry.snapshot()]))
    assert sum(1 for name, _ in found if name == "lizi_exchanges_total") == SERIES + 1
    assert found["lizi_exchanges_total", (("feature", "other"), ("model", "other"), ("outcome", "other"))] == 50


def test_odd_label_values_are_escaped() -> None:
    telemetry = Telemetry()
    telemetry.record(_exchange(model='a"b\\c\nd'))
    assert ("lizi_exchanges_total", (("feature", "chat"), ("model", 'a"b\\c\nd'), ("outcome", "ok"))) in _samples(
        render([telemetry.snapshot()])
    )


def test_a_value_on_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.0, 0.1, 0.11, 1.0, 2.0):
        histogram.add(seconds)
    numbers = histogram.numbers("x_seconds")
    assert [numbers[f'x_seconds_bucket{{le="{bound}"}}'] for bound in ("0.1", "1", "+Inf")] == [2, 4, 5]


async def test_the_corridors_journal_tells_telemetry() -> None:
    inner, telemetry = MemoryJournal(capacity=1), Telemetry()
    journal: Journal = telemetry.journal(inner)
    assert journal.room()
    await journal.intend(_exchange())
    journal.append(_exchange())
    assert not journal.room() and len(inner.records) == 1 and inner.intents == ["rq_1"]
    assert telemetry.snapshot()["lizi_exchange_seconds_count"] == 1


# --- logs


def test_an_exchange_ends_in_one_line_of_listed_fields(lines: Lines) -> None:
    telemetry = Telemetry(writer=lines.writer)
    telemetry.record(_exchange())
    telemetry.served(_served())
    (line,) = lines.all()
    assert line["event"] == "exchange" and line["outcome"] == "ok" and line["first_token_ms"] == 300.0 and line["duration_ms"] == 1500.0
    assert line["partner"] == "acme" and line["at"].startswith("1970-01-01T00:01:41.5")
    assert set(line) - {"at", "level", "event"} <= FIELDS


def test_levels_are_kept(lines: Lines) -> None:
    telemetry = Telemetry(writer=lines.writer, level="warning")
    telemetry.record(_exchange())
    telemetry.record(_exchange(outcome="upstream_failed"))
    telemetry.served(_served())
    assert [line["outcome"] for line in lines.all()] == ["upstream_failed"]


def test_at_debug_the_clients_request_id_and_address_are_tied_to_ours(lines: Lines) -> None:
    telemetry = Telemetry(writer=lines.writer, level="debug")
    telemetry.served(_served(client_request_id="abc", status=404, code="not_found"))
    (line,) = lines.all()
    assert (line["client_request"], line["exchange"], line["status"]) == ("abc", "rq_2", 404)
    assert line["client"] == "192.0.2.7"


def test_without_debug_no_clients_address_is_written(lines: Lines) -> None:
    telemetry = Telemetry(writer=lines.writer)
    telemetry.served(_served())
    telemetry.record(_exchange())
    assert "192.0.2.7" not in json.dumps(lines.all())


def test_no_log_line_metric_or_trace_holds_a_planted_canary(lines: Lines, caplog: pytest.LogCaptureFixture) -> None:
    handler = JsonHandler(lines.writer)
    ours, theirs = logging.getLogger("lizi.canary"), logging.getLogger("other.library")
    for logger in (ours, theirs):
        logger.addHandler(handler)
        logger.propagate = False
    try:
        ours.error("worker ended %s", CANARY, extra={"prompt": CANARY, "worker": 3, "task": [CANARY]})
        theirs.warning("Task exception was never retrieved: %s", CANARY)
        theirs.warning(CANARY)
        try:
            raise ValueError(CANARY)
        except ValueError:
            ours.exception("defect seen")
        telemetry = Telemetry(writer=lines.writer, level="debug")
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            telemetry.crashed("rq_9", error)
    finally:
        for logger in (ours, theirs):
            logger.removeHandler(handler)
    found = lines.all()
    assert CANARY not in json.dumps(found) + render([telemetry.snapshot()]).decode()
    assert len(found) == 5 and handler.refused == 1
    assert found[0]["worker"] == 3 and found[0]["task"] == "list"
    assert found[3]["error"] == "ValueError" and "test_telemetry.py:" in found[3]["where"]
    assert found[4]["error"] == "KeyError" and found[4]["event"] == "defect"


def test_a_long_value_is_cut(lines: Lines) -> None:
    logger = logging.getLogger("lizi.long")
    handler = JsonHandler(lines.writer)
    logger.addHandler(handler)
    logger.propagate = False
    logger.error("reload refused", extra={"reason": "x" * 5_000})
    logger.removeHandler(handler)
    assert len(lines.all()[0]["reason"]) == 201


def test_installing_twice_writes_each_record_once(lines: Lines) -> None:
    root = logging.getLogger()
    level = root.level
    install("info", lines.writer)
    handler = install("info", lines.writer)
    try:
        logging.getLogger("lizi.twice").info("reloaded", extra={"generation": 2})
        logging.getLogger("lizi.twice").debug("unseen")
        logging.getLogger("library").info("unseen")
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        logging.getLogger("lizi").setLevel(logging.NOTSET)
    assert [line["event"] for line in lines.all()] == ["reloaded"]


def test_a_reader_that_stands_still_delays_nobody_and_costs_bounded_memory() -> None:
    reader, descriptor = os.pipe()
    writer = LineWriter(descriptor, lines=100)
    started = time.monotonic()
    for _ in range(5_000):
        writer.write(b"x" * 1_000)
    assert time.monotonic() - started < 2.0
    assert writer.dropped >= 4_000
    os.close(reader)  # the blocked write ends with an error, which ends nothing else
    writer.close(5.0)
    os.close(descriptor)


def test_a_closed_standard_error_is_survived() -> None:
    reader, descriptor = os.pipe()
    os.close(reader)
    writer = LineWriter(descriptor)
    writer.write(b"line")
    writer.close(5.0)
    assert writer.dropped == 1
    os.close(descriptor)


# --- traces


class Collector:
    """An OTLP/HTTP collector that keeps what it is sent."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def test_a_finished_exchange_becomes_spans_with_genai_attributes(collector: Collector) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` is not installed")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    failed = Attempt(number=1, target=TARGET, started_at=100.0, ended_at=100.2, status=503, outcome="upstream_failed")
    good = Attempt(number=2, target=TARGET, started_at=100.2, ended_at=101.0, status=200, outcome="ok", finish="stop")
    telemetry = Telemetry(traces=Traces(collector.url, instance="w0"))
    telemetry.record(_exchange(attempts=[failed, good]))
    telemetry.close()
    path, body = collector.received[0]
    assert path == "/v1/traces"
    message = ExportTraceServiceRequest.FromString(_unpacked(body))
    spans = {(span.name, span.start_time_unix_nano): span for scope in message.resource_spans[0].scope_spans for span in scope.spans}
    whole = spans["chat writer", 100_000_000_000]
    attributes = {entry.key: entry.value for entry in whole.attributes}
    assert attributes["gen_ai.operation.name"].string_value == "chat" and attributes["gen_ai.request.model"].string_value == "writer"
    assert attributes["gen_ai.usage.input_tokens"].int_value == 12 and attributes["gen_ai.usage.output_tokens"].int_value == 30
    assert whole.end_time_unix_nano == 101_500_000_000
    first = spans["chat acme-large", 100_000_000_000]
    assert first.parent_span_id == whole.span_id and first.status.code == 2
    assert {entry.key: entry.value.string_value for entry in first.attributes}["error.type"] == "upstream_failed"
    assert len(spans) == 3


def _unpacked(body: bytes) -> bytes:
    import gzip

    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def test_an_endpoint_without_the_extra_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigError, match="not installed") as caught:
        Traces("http://127.0.0.1:4318")
    assert caught.value.param == "$.telemetry.otlp_endpoint" and "lizi[otel]" in (caught.value.hint or "")


def test_numbers_are_plain_numbers() -> None:
    telemetry = Telemetry()
    telemetry.record(_exchange())
    assert msgspec.convert(telemetry.snapshot(), dict[str, float])
