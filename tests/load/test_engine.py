from __future__ import annotations

import asyncio
import socket
import time
from array import array

import pytest

from lizi.load import Options, Planned, Record, Target, run_closed, run_open
from lizi.load.arrivals import constant
from lizi.load.score import Slo, latencies, quantile
from load.known_answers import STREAM, Known, chunked, event, http, serving, whole


def plan(target: Target, times: list[float], *, stream: bool = False) -> list[Planned]:
    return [Planned(at_s=at, payload=target.request(b"{}"), stream=stream) for at in times]


async def one(reply: bytes, *, stream: bool = False, hang_up: bool = False, pieces: int = 0, options: Options | None = None) -> Record:
    async with serving(Known(lambda _: reply, hang_up=hang_up, pieces=pieces)) as target:
        run = await run_open(target, plan(target, [0.0], stream=stream), options or Options(timeout_s=5, drain_s=5))
    return run.records[0]


async def test_a_stall_is_felt_by_every_user_who_came_during_it_and_hidden_by_service_time() -> None:
    # One slot: the server stands still for 0.5 s, and those who come meanwhile wait.
    async with serving(Known(lambda _: http(200, whole()), stall_at_s=0.5, stall_s=0.5)) as target:
        run = await run_open(target, plan(target, constant(100, 2)), Options(timeout_s=5, drain_s=5))
    assert [record.outcome for record in run.records] == ["ok"] * 200
    during = [record for record in run.records if 0.52 <= record.t_intended <= 0.95]
    assert during
    for record in during:
        assert record.t_last is not None
        assert record.t_last - record.t_intended >= 1.0 - record.t_intended - 0.05
    assert quantile(latencies(run.records), 0.99).value > 0.4


async def test_a_capped_client_shows_the_stall_in_user_time_only() -> None:
    # What a closed loop hides: one caller meets the stall once; users who would have come are never counted.
    async with serving(Known(lambda _: http(200, whole()), stall_at_s=0.5, stall_s=0.5)) as target:
        closed = await run_closed(target, [target.request(b"{}")], connections=1, duration_s=1.5, options=Options(timeout_s=5, drain_s=5))
    served = latencies(closed.records, since="sent")
    assert sum(took > 0.3 for took in served) == 1
    assert quantile(served, 0.99).value < 0.3
    assert closed.manifest.mode == "closed"


async def test_dispatch_never_waits_for_completions() -> None:
    async with serving(Known(lambda _: http(200, whole()), stall_at_s=0.0, stall_s=0.6)) as target:
        run = await run_open(target, plan(target, constant(50, 0.5)), Options(timeout_s=5, drain_s=5))
    assert all(record.t_sent is not None and record.t_sent < 0.58 for record in run.records)


async def test_without_a_connection_left_a_request_counts_as_dropped() -> None:
    async with serving(Known(lambda _: http(200, whole()), stall_at_s=0.0, stall_s=0.3)) as target:
        run = await run_open(target, plan(target, constant(50, 0.2)), Options(timeout_s=5, drain_s=5, connections_max=4))
    outcomes = [record.outcome for record in run.records]
    assert outcomes.count("ok") == 4
    assert outcomes.count("client_dropped") == 6


async def test_connections_are_kept_and_used_again() -> None:
    known = Known(lambda _: http(200, whole()))
    async with serving(known) as target:
        await run_open(target, plan(target, constant(50, 0.5)), Options(timeout_s=5, drain_s=5))
    assert known.count == 25
    assert known.connections < 6


async def test_an_overloaded_generator_voids_its_run() -> None:
    async def hog() -> None:
        for _ in range(6):
            await asyncio.sleep(0.02)
            time.sleep(0.08)  # noqa: ASYNC251 - that is the point

    async with serving(Known(lambda _: http(200, whole()))) as target:
        slos = (Slo(metric="whole", limit_s=0.2),)
        run, _ = await asyncio.gather(run_open(target, plan(target, constant(100, 0.6)), Options(timeout_s=5, drain_s=5, slos=slos)), hog())
    assert "generator-limited" in str(run.manifest.void_reason)


async def test_a_whole_reply_brings_its_usage_and_times() -> None:
    record = await one(http(200, whole()))
    assert (record.outcome, record.finish, record.input_tokens, record.output_tokens) == ("ok", "stop", 3, 5)
    times = [record.t_intended, record.t_sent, record.t_headers, record.t_first_byte, record.t_last]
    assert None not in times
    assert times == sorted(times, key=lambda value: value or 0.0)


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 50])
async def test_a_stream_is_read_the_same_however_it_is_cut(pieces: int) -> None:
    record = await one(chunked(*STREAM), stream=True, pieces=pieces, options=Options(timeout_s=5, drain_s=5, chunk_times=True))
    assert (record.outcome, record.finish, record.events) == ("ok", "stop", 5)
    assert record.chunk_times is not None
    assert len(record.chunk_times) == 5
    assert record.t_first_byte is not None
    assert record.t_first_content is not None
    assert record.t_first_content >= record.t_first_byte


async def test_heartbeats_and_carriage_returns_are_no_events() -> None:
    blocks = [b": hello\n\n", *STREAM[:2], b": still here\n\n", *STREAM[2:]]
    assert (await one(chunked(*blocks), stream=True)).events == 5
    crlf = [block.replace(b"\n", b"\r\n") for block in STREAM]
    record = await one(chunked(*crlf), stream=True, pieces=3)
    assert (record.outcome, record.events) == ("ok", 5)


@pytest.mark.parametrize(
    ("reply", "stream", "hang_up", "outcome", "error"),
    [
        (chunked(*STREAM[:3]), True, False, "cut", "no_finish"),
        (chunked(*STREAM[:4]), True, False, "cut", "no_done"),
        (chunked(*STREAM[:3], end=False), True, True, "cut", "connection_lost"),
        (chunked(STREAM[0], event(error={"message": "x"})), True, False, "error", "error_event"),
        (chunked(STREAM[0], b"event: error\ndata: {}\n\n"), True, False, "error", "error_event"),
        (chunked(STREAM[0], STREAM[3], STREAM[4]), True, False, "empty", None),
        (chunked(*STREAM[:3], event(finish="length"), STREAM[4]), True, False, "truncated", None),
        (chunked(*STREAM[:3], b"data: {oops\n\n"), True, False, "error", "unreadable_event"),
        (http(200, whole("", "stop")), False, False, "empty", None),
        (http(200, whole("Hello", "length")), False, False, "truncated", None),
        (http(200, b'{"error": {"message": "x"}}'), False, False, "error", "error_in_200"),
        (http(200, b"<html>"), False, False, "error", "unreadable_reply"),
        (http(500, b"{}"), False, False, "error", "http_500"),
        (http(429, b"{}", "Retry-After: 3"), False, False, "refused", None),
        (http(429, b"{}"), False, False, "error", "http_429"),
        (http(503, b"{}", "retry-after: 1"), True, False, "refused", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{", False, True, "cut", "connection_lost"),
        (b"", False, True, "error", "closed_before_reply"),
        (b"garbage\r\n\r\n", False, False, "error", "broken_http"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + whole(), False, True, "ok", None),
    ],
)
async def test_each_way_to_fail_has_its_own_outcome(reply: bytes, stream: bool, hang_up: bool, outcome: str, error: str | None) -> None:
    record = await one(reply, stream=stream, hang_up=hang_up)
    assert (record.outcome, record.error) == (outcome, error)


async def test_retry_after_is_kept() -> None:
    assert (await one(http(429, b"{}", "Retry-After: 7"))).retry_after_s == 7


async def test_silence_times_out_and_the_runs_own_end_only_censors() -> None:
    async with serving(Known(lambda _: http(200, whole()), stall_at_s=0.0, stall_s=30)) as target:
        timed = await run_open(target, plan(target, [0.0]), Options(timeout_s=0.2, drain_s=5))
        ended = await run_open(target, plan(target, [0.0]), Options(timeout_s=5, drain_s=0.2))
    assert timed.records[0].outcome == "timeout"
    assert ended.records[0].outcome == "censored"


async def test_nobody_listening_is_an_error_of_each_request() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        target = Target(host="127.0.0.1", port=probe.getsockname()[1])
    run = await run_open(target, plan(target, [0.0, 0.01]), Options(timeout_s=2, drain_s=2))
    assert [(record.outcome, record.error) for record in run.records] == [("error", "connect")] * 2


async def test_lateness_is_counted_from_the_moment_a_chunk_was_due_at_its_source() -> None:
    lateness: array[float] = array("d")

    def reply(_: int) -> bytes:
        return chunked(STREAM[0], event({"content": f"@{time.monotonic() - 0.25:.6f} "}), *STREAM[3:])

    async with serving(Known(reply)) as target:
        await run_open(target, plan(target, [0.0], stream=True), Options(timeout_s=5, drain_s=5, lateness=lateness))
    assert len(lateness) == 1
    assert 0.25 <= lateness[0] < 1.0


async def test_a_plan_out_of_order_is_refused() -> None:
    target = Target(host="127.0.0.1", port=1)
    with pytest.raises(ValueError, match="order of time"):
        await run_open(target, plan(target, [1.0, 0.5]), Options())


async def test_an_interim_response_is_not_the_answer() -> None:
    record = await one(b"HTTP/1.1 100 Continue\r\n\r\n" + http(200, whole()))
    assert (record.outcome, record.status) == ("ok", 200)


async def test_any_complete_answer_counts_under_the_plain_protocol() -> None:
    record = await one(http(200, b"anything"), options=Options(timeout_s=5, drain_s=5, protocol="plain"))
    assert record.outcome == "ok"
