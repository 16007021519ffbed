from __future__ import annotations

import os
import statistics
from itertools import pairwise
from pathlib import Path

import pytest

from lizi.load.traces import TraceRow, read_azure, replay

SHARED = Path(os.environ.get("LIZI_SHARED", "../shared"))


def rows(count: int) -> list[TraceRow]:
    return [TraceRow(at_s=float(at), input_tokens=at, output_tokens=1) for at in range(count)]


def test_an_azure_trace_is_read_in_time_order_from_its_first_row(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:05.9799600,4,5\n2023-11-16 18:17:03.9799600,374,44\n")
    assert read_azure(path) == [TraceRow(at_s=0.0, input_tokens=374, output_tokens=44), TraceRow(at_s=2.0, input_tokens=4, output_tokens=5)]


def test_a_broken_row_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,374,44\n")
    with pytest.raises(ValueError, match="line 2"):
        read_azure(path)


def test_the_published_code_trace_is_as_bursty_as_it_was_found_to_be() -> None:
    path = SHARED / "traces/azure_llm_2023_code.csv"
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("LIZI_SHARED is not there")
        pytest.skip(reason="the shared traces are not there (LIZI_SHARED)")
    found = read_azure(path)
    assert len(found) == 8819
    gaps = [later.at_s - earlier.at_s for earlier, later in pairwise(found)]
    assert statistics.pstdev(gaps) / statistics.fmean(gaps) == pytest.approx(13.15, rel=0.01)


def test_time_scale_stretches_time_and_keeps_every_row() -> None:
    out = replay(rows(10), time_scale=0.5, seed=1)
    assert [row.at_s for row in out] == [at / 2 for at in range(10)]


def test_rate_scale_changes_how_many_users_come_and_keeps_the_span() -> None:
    twice_and_a_half = replay(rows(2000), rate_scale=2.5, seed=1)
    assert len(twice_and_a_half) == pytest.approx(5000, rel=0.03)
    assert max(row.at_s for row in twice_and_a_half) <= 1999
    assert len(replay(rows(2000), rate_scale=0.25, seed=1)) == pytest.approx(500, rel=0.15)


def test_a_replay_is_reproduced_by_its_seed() -> None:
    assert replay(rows(100), rate_scale=1.5, seed=4) == replay(rows(100), rate_scale=1.5, seed=4)
