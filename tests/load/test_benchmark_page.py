from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def renderer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_renderer", BENCHMARKS / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def results(*rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "started_at": "2026-01-01T00:00:00Z",
        "took_s": 1,
        "commit": None,
        "pinned": True,
        "problems": [],
        "machine": {
            "cpu": "x",
            "cores": 2,
            "memory_mib": 1,
            "kernel": "6",
            "python": "3.11",
            "versions": {},
            "load_average": [0],
            "load_average_after": [0],
        },
        "systems": [{"name": name, "label": name.title(), "version": "1", "settings": "s"} for name in ("lizi", "floor", "tensorzero")],
        "rounds": list(rows),
    }


def whole(system: str, rate: float, number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "measure": "whole_max",
        "system": system,
        "round": number,
        "requests_per_s": rate,
        "cpu_us_per_request": 1e6 / rate,
        "outcomes": {"ok": 1},
        "errors": {},
        **more,
    }


def goal(page: str, text: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(f"| {text}"))


def test_a_missed_goal_stands_as_missed_and_a_met_one_as_met(renderer: ModuleType) -> None:
    slow = renderer.page(renderer.Results(results(whole("lizi", 1100), whole("tensorzero", 1000))), "x.json")
    fast = renderer.page(renderer.Results(results(whole("lizi", 1300), whole("tensorzero", 1000))), "x.json")
    assert "1.10×" in goal(slow, "whole replies/s, beside TensorZero")
    assert "**missed**" in goal(slow, "whole replies/s, beside TensorZero")
    assert "met" in goal(fast, "whole replies/s, beside TensorZero")
    assert "missed" not in goal(fast, "whole replies/s, beside TensorZero")


def test_what_was_not_measured_is_never_met(renderer: ModuleType) -> None:
    page = renderer.page(renderer.Results(results()), "x.json")
    lines = [goal(page, each.text) for each in renderer.GOALS]
    assert all("not measured" in line and "| met |" not in line for line in lines)


def test_void_rounds_are_left_out_and_counted(renderer: ModuleType) -> None:
    page = renderer.page(
        renderer.Results(
            results(whole("lizi", 900), whole("lizi", 5000, 2, void="late"), whole("tensorzero", 1000), whole("tensorzero", 1000, 2))
        ),
        "x.json",
    )
    assert "0.90×" in goal(page, "whole replies/s, beside TensorZero")
    assert "Of 4 runs 1 were void" in page


def test_ratios_are_taken_within_a_round(renderer: ModuleType) -> None:
    rows = [
        whole("lizi", 1200),
        whole("tensorzero", 1000),
        whole("lizi", 600, 2),
        whole("tensorzero", 500, 2),
        whole("lizi", 2400, 3),
        whole("tensorzero", 2000, 3),
    ]
    assert renderer.Results(results(*rows)).ratio("whole_max", "lizi", "tensorzero", "requests_per_s") == pytest.approx(1.2)


def test_failed_streams_show_as_failed_with_their_error(renderer: ModuleType) -> None:
    row = {
        "measure": "streams",
        "system": "floor",
        "round": 1,
        "streams": 100,
        "outcomes": {"error": 7, "ok": 1},
        "errors": {"http_500": 7},
    }
    assert "7 of 8 (http_500)" in renderer.page(renderer.Results(results(row)), "x.json")


def test_pictures_are_well_formed_and_escape_their_labels(renderer: ModuleType) -> None:
    picture = renderer.bars("a < b", "µs", [("x & y", 3.0, True), ("z", 1.0, False)])
    root = ElementTree.fromstring(picture)
    assert sum("rx" in element.attrib for element in root) == 2


def test_the_committed_page_is_what_the_committed_results_say(renderer: ModuleType) -> None:
    page = BENCHMARKS / "README.md"
    if not page.exists():
        with pytest.raises(FileNotFoundError, match="make bench"):
            renderer.newest(BENCHMARKS)
        return
    assert page.read_text() == renderer.everything(BENCHMARKS)
