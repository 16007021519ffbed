"""Writes benchmarks/README.md and its pictures from the newest results; nothing on the page is typed by hand.

Goals stand beside what was measured, misses as misses. A void round (the generator itself was late) is left out and counted.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
Row = dict[str, Any]
OF_BASE = 1.3  # a dialect that costs more than a third extra would be felt in the number of cores
NOISY = 0.05  # share of the gateway's core that went to others


class Results:
    """One results file, asked for medians over its rounds."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self.tree = tree
        self.rows: list[Row] = tree["rounds"]
        self.labels = {system["name"]: system["label"] for system in tree["systems"]} | {"direct": "direct, no gateway"}

    def of(self, measure: str, system: str, **where: Any) -> list[Row]:
        """The rounds of one cell that count."""
        return [
            row
            for row in self.rows
            if row["measure"] == measure
            and row["system"] == system
            and not row.get("void")
            and all(row.get(k) == v for k, v in where.items())
        ]

    def median(self, measure: str, system: str, figure: str, **where: Any) -> float | None:
        values = [row[figure] for row in self.of(measure, system, **where) if row.get(figure) is not None]
        return statistics.median(values) if values else None

    def span(self, measure: str, system: str, figure: str, digits: int, **where: Any) -> str:
        """`median (least–most)`."""
        values = [row[figure] for row in self.of(measure, system, **where) if row.get(figure) is not None]
        if not values:
            return "–"
        middle = _number(statistics.median(values), digits)
        return middle if len(values) == 1 else f"{middle} ({_number(min(values), digits)}–{_number(max(values), digits)})"

    def ratio(self, measure: str, system: str, other: str, figure: str) -> float | None:
        """Median over the rounds of the ratio within each round."""
        theirs = {row["round"]: row[figure] for row in self.of(measure, other) if row.get(figure)}
        found = [row[figure] / theirs[row["round"]] for row in self.of(measure, system) if row.get(figure) and row["round"] in theirs]
        return statistics.median(found) if found else None

    def systems(self, measure: str) -> list[str]:
        """Systems with a row of this measure, as they were listed."""
        present = {row["system"] for row in self.rows if row["measure"] == measure}
        return [name for name in ("direct", *(system["name"] for system in self.tree["systems"])) if name in present]


class Goal:
    """One line of the table of goals."""

    def __init__(self, text: str, value: Callable[[Results], float | None], sense: str, bound: float, unit: str, digits: int = 2) -> None:
        self.text, self.value, self.sense, self.bound, self.unit, self.digits = text, value, sense, bound, unit, digits

    def line(self, results: Results) -> list[str]:
        found = self.value(results)
        goal = f"{self.sense} {_number(self.bound, self.digits)}{self.unit}"
        if found is None:
            return [self.text, goal, "not measured", "–"]
        met = found >= self.bound if self.sense == "≥" else found <= self.bound
        return [self.text, goal, f"{_number(found, self.digits)}{self.unit}", "met" if met else "**missed**"]


def _ratio(measure: str, other: str, figure: str, system: str = "lizi") -> Callable[[Results], float | None]:
    return lambda results: results.ratio(measure, system, other, figure)


def _half_p99(results: Results) -> float | None:
    ours = results.median("whole_half", "lizi", "p99_ms", at_half_of="tensorzero")
    theirs = results.median("whole_half", "tensorzero", "p99_ms", at_half_of="tensorzero")
    return ours / theirs if ours is not None and theirs else None


def _first_overhead(results: Results, system: str = "lizi", figure: str = "first_content_p99_ms") -> float | None:
    ours, direct = results.median("streams", system, figure), results.median("streams", "direct", figure)
    return ours - direct if ours is not None and direct is not None else None


def _median(measure: str, figure: str) -> Callable[[Results], float | None]:
    return lambda results: results.median(measure, "lizi", figure)


def _growth(results: Results) -> float | None:
    """Growth over the second half of the requests: the first half may fill buffers and caches."""
    rows = results.of("memory_flat", "lizi")
    if not rows:
        return None
    steps = rows[-1]["steps"]
    return float(steps[-1]["rss_mib"] - steps[len(steps) // 2]["rss_mib"])


GOALS = (
    Goal("whole replies/s, beside TensorZero bare", _ratio("whole_max", "tensorzero", "requests_per_s"), "≥", 1.2, "×"),
    Goal("whole replies per CPU second, beside TensorZero bare", _ratio("whole_max", "tensorzero", "capacity_per_s"), "≥", 1.2, "×"),
    Goal("whole replies/s, beside Portkey", _ratio("whole_max", "portkey", "requests_per_s"), "≥", 5, "×", 1),
    Goal("whole replies/s, beside LiteLLM", _ratio("whole_max", "litellm", "requests_per_s"), "≥", 70, "×", 1),
    Goal("p99 at half of TensorZero's own load, beside TensorZero's", _half_p99, "≤", 1.0, "×"),
    Goal("CPU per relayed chunk, beside TensorZero bare", _ratio("streams", "tensorzero", "cpu_us_per_chunk"), "≤", 1.0, "×"),
    Goal("CPU per relayed chunk, beside the bare floor", _ratio("streams", "floor", "cpu_us_per_chunk"), "≤", 1.5, "×"),
    Goal("p99 lateness of a chunk", _median("streams", "lateness_p99_ms"), "≤", 20, " ms", 1),
    Goal("first-token overhead, p99 less that without a gateway", _first_overhead, "≤", 5, " ms", 1),
    Goal("CPU of a refusal", _median("refusing_max", "cpu_us_per_refusal"), "≤", 100, " µs", 0),
    Goal("429 at 90 % of measured capacity, p99", _median("refusing_busy", "p99_ms"), "≤", 5, " ms", 1),
    Goal("resident memory of a worker", _median("memory_flat", "largest_process_mib"), "≤", 143, " MiB", 0),
    Goal("growth over the second half of the requests", _growth, "≤", 5, " MiB", 1),
    Goal(
        "without the veil: whole replies/s, beside TensorZero bare",
        _ratio("whole_max", "tensorzero", "requests_per_s", "lizi-unveiled"),
        "≥",
        1.2,
        "×",
    ),
    Goal(
        "without the veil: CPU per relayed chunk, beside TensorZero bare",
        _ratio("streams", "tensorzero", "cpu_us_per_chunk", "lizi-unveiled"),
        "≤",
        1.0,
        "×",
    ),
    Goal("veil on: whole replies/s, beside TensorZero bare", _ratio("whole_max", "tensorzero", "requests_per_s"), "≥", 1.0, "×"),
    Goal("veil on: CPU per chunk, beside that without it", _ratio("streams", "lizi-unveiled", "cpu_us_per_chunk"), "≤", 1.2, "×"),
    Goal("short requests beside prompts of 100,000 characters: p99 later by", _median("beside_long", "delay_p99_ms"), "≤", 5, " ms", 1),
    Goal("memory of an open stream", _median("memory_streams", "kib_per_stream"), "≤", 29.3, " KiB", 1),
)
"""The issue's goals; 150 MB are 143 MiB and 30 kB are 29.3 KiB. Flat: 5 MiB is the noise of an allocator."""


METHOD = (
    "**Method.** Gateway with all its processes on one core; load generator and partner on another. Systems take turns within "
    "a round; figures are medians over the rounds (least–most). Latency counts from the moment a request was due, not from when "
    "it was sent. A run whose generator was late itself is void and left out. *Others* is the share of the gateway's core that "
    "went to other processes: above 5 % the requests per second say little, and the CPU figures carry the comparison. "
    "Lizi runs its whole path, the veil on; a second line has it without the veil. The others run bare."
)


def page(results: Results, source: str) -> str:
    """The whole page."""
    tree = results.tree
    where = tree["machine"]
    parts = [
        "# Benchmarks",
        f"Written by `benchmarks/render.py` from `results/{source}`; `make bench` makes both anew. Nothing here is typed by hand.",
        f"**When and where.** {tree['started_at']}, {tree['took_s']} s, commit `{tree['commit'] or 'unknown'}`; "
        f"{where['cpu']}, {where['cores']} cores, "
        f"{where['memory_mib']} MiB, Linux {where['kernel']}, Python {where['python']}, "
        + ", ".join(f"{name} {version}" for name, version in where["versions"].items() if version)
        + f"; load average {where['load_average'][0]} before and {where['load_average_after'][0]} after."
        + ("" if tree["pinned"] else " **Not pinned: this machine has one core, the figures compare nothing.**"),
        METHOD,
        _noise(results),
        "## Goals",
        _table(["goal", "wanted", "measured", ""], [goal.line(results) for goal in GOALS]),
    ]
    if tree["problems"]:
        parts += ["## What went wrong in this run", "\n".join(f"- {problem}" for problem in tree["problems"])]
    parts += _sections(results)
    parts += [
        "## Versions and settings",
        _table(["system", "version", "settings"], [[system["label"], system["version"], system["settings"]] for system in tree["systems"]]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _sections(results: Results) -> list[str]:
    return [
        "## Whole replies",
        "A 1 kB reply, as many callers as saturate the core, each asking again at once.\n\n![CPU per whole reply](results/whole.svg)",
        _cells(
            results,
            "whole_max",
            [
                ("replies/s", "requests_per_s", 0),
                ("CPU µs each", "cpu_us_per_request", 1),
                ("replies per CPU second", "capacity_per_s", 0),
                ("core used", "gateway_cpu_share", 2),
                ("others", "foreign_cpu_share", 2),
            ],
        ),
        "## Latency at half load",
        "Poisson arrivals at half of each rival's own maximum; Lizi and the bare partner at the same rate beside it.",
        _half(results),
        "## Streams",
        "Each stream brings 50 chunks a second for 4 s; users come at random. A chunk's lateness counts "
        "from when the partner was due to send it. "
        "Where fewer streams stand, the system could not bear more.\n\n![CPU per relayed chunk](results/streams.svg)",
        _cells(
            results,
            "streams",
            [
                ("streams", "streams", 0),
                ("chunks/s", "chunks_per_s", 0),
                ("CPU µs per chunk", "cpu_us_per_chunk", 1),
                ("lateness p50 ms", "lateness_p50_ms", 2),
                ("p99 ms", "lateness_p99_ms", 2),
                ("first token p50 ms", "first_content_p50_ms", 2),
                ("p99 ms", "first_content_p99_ms", 2),
                ("others", "foreign_cpu_share", 2),
            ],
            failures=True,
        ),
        "## Beside long prompts",
        "300 short requests a second, alone and while somebody sends a prompt of 100,000 characters twice a second. With the veil on "
        "it is searched, in slices.",
        _cells(
            results,
            "beside_long",
            [
                ("p99 alone, ms", "p99_alone_ms", 2),
                ("p99 beside, ms", "p99_beside_ms", 2),
                ("later by, p99 ms", "delay_p99_ms", 2),
                ("p50 ms", "delay_p50_ms", 2),
                ("a long prompt, ms", "long_ms", 1),
                ("others", "foreign_cpu_share", 2),
            ],
        ),
        "## Refusing",
        "A key over its limit: as fast as it goes, and while other callers fill the gateway to 90 % of its measured maximum.",
        _refusing(results),
        "## Memory",
        _memory(results),
    ]


def _noise(results: Results) -> str:
    void = sum(bool(row.get("void")) for row in results.rows)
    noisy = sum(row.get("foreign_cpu_share", 0.0) > NOISY for row in results.rows)
    return (
        f"**Noise.** Of {len(results.rows)} runs {void} were void and {noisy} shared their core by more than 5 %, "
        "after at most three tries each."
    )


def _cells(results: Results, measure: str, columns: list[tuple[str, str, int]], *, failures: bool = False) -> str:
    head = ["system", *(title for title, _, _ in columns)] + (["failed"] if failures else [])
    lines = []
    for system in results.systems(measure):
        line = [results.labels[system]] + [
            "–"
            if system == "direct" and figure in ("cpu_us_per_request", "capacity_per_s", "cpu_us_per_chunk", "gateway_cpu_share")
            else results.span(measure, system, figure, digits)
            for _, figure, digits in columns
        ]
        lines.append(line + ([_failed(results.of(measure, system))] if failures else []))
    return _table(head, lines)


def _failed(rows: Iterable[Row]) -> str:
    total = failed = 0
    errors: set[str] = set()
    for row in rows:
        total += sum(row["outcomes"].values())
        failed += sum(count for outcome, count in row["outcomes"].items() if outcome not in ("ok", "truncated", "censored"))
        errors.update(row["errors"])
    if not failed:
        return "0"
    return f"{failed} of {total}" + (f" ({', '.join(sorted(errors))})" if errors else "")


def _half(results: Results) -> str:
    lines = []
    for rival in results.systems("whole_half"):
        rate = results.median("whole_half", rival, "rate_per_s", at_half_of=rival)
        if rate is None:
            continue
        for system in dict.fromkeys(("direct", rival, "lizi")):
            if results.of("whole_half", system, at_half_of=rival):
                p50, p99 = (results.span("whole_half", system, figure, 2, at_half_of=rival) for figure in ("p50_ms", "p99_ms"))
                lines.append([f"half of {results.labels[rival]}", _number(rate, 0), results.labels[system], p50, p99])
            elif (results.median("whole_max", system, "requests_per_s") or rate) < rate / 0.9:
                lines.append([f"half of {results.labels[rival]}", _number(rate, 0), results.labels[system], "beyond its maximum", "–"])
    return _table(["load", "requests/s", "system", "p50 ms", "p99 ms"], lines)


def _refusing(results: Results) -> str:
    lines = []
    for system in results.systems("refusing_max"):
        rate = results.median("refusing_busy", system, "rate_per_s")
        lines.append(
            [
                results.labels[system],
                results.span("refusing_max", system, "refusals_per_s", 0),
                results.span("refusing_max", system, "cpu_us_per_refusal", 1),
                "–" if rate is None else _number(rate, 0),
                results.span("refusing_busy", system, "p50_ms", 2),
                results.span("refusing_busy", system, "p99_ms", 2),
            ]
        )
    return _table(["system", "429s/s", "CPU µs each", "others' requests/s", "429 p50 ms", "429 p99 ms"], lines)


def _memory(results: Results) -> str:
    lines = []
    for system in results.systems("memory_flat"):
        steps = results.of("memory_flat", system)[-1]["steps"]
        lines.append(
            [
                results.labels[system],
                _number(steps[0]["rss_mib"], 1),
                _number(steps[len(steps) // 2]["rss_mib"], 1),
                _number(steps[-1]["rss_mib"], 1),
                _number(steps[-1]["requests"], 0),
                results.span("memory_flat", system, "largest_process_mib", 1),
                results.span("memory_streams", system, "kib_per_stream", 1),
            ]
        )
    return _table(["system", "MiB before", "half way", "after", "requests", "largest process MiB", "KiB per open stream"], lines)


def bars(title: str, unit: str, values: list[tuple[str, float, bool]]) -> str:
    """A bar chart as SVG; the third of a value says whether it is ours. Shorter is better."""
    width, left, height, line = 720, 220, 26, 34
    most = max((value for _, value, _ in values), default=1.0)
    tall = line * len(values) + 50
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{tall}" viewBox="0 0 {width} {tall}" '
        'role="img" font-family="system-ui, sans-serif" font-size="14">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{tall}" fill="#fff"/>',
        f'<text x="12" y="24" font-weight="600" fill="#222">{escape(title)}</text>',
    ]
    for number, (label, value, ours) in enumerate(values):
        top = 42 + number * line
        long = max(1.0, (width - left - 110) * value / most)
        out.append(f'<text x="{left - 10}" y="{top + 18}" text-anchor="end" fill="#222">{escape(label)}</text>')
        out.append(f'<rect x="{left}" y="{top}" width="{long:.1f}" height="{height}" rx="2" fill="{"#b23a48" if ours else "#8a94a6"}"/>')
        out.append(f'<text x="{left + long + 8:.1f}" y="{top + 18}" fill="#222">{_number(value, 1)} {escape(unit)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def pictures(results: Results) -> dict[str, str]:
    """File name → SVG."""
    out = {}
    for name, title, measure, figure in (
        ("whole.svg", "CPU per whole reply, µs (shorter is better)", "whole_max", "cpu_us_per_request"),
        ("streams.svg", "CPU per relayed chunk, µs (shorter is better)", "streams", "cpu_us_per_chunk"),
    ):
        values = [
            (results.labels[system], results.median(measure, system, figure), system == "lizi")
            for system in results.systems(measure)
            if system != "direct"
        ]
        out[name] = bars(title, "µs", [(label, value, ours) for label, value, ours in values if value is not None])
    return out


def _table(head: list[str], lines: list[list[str]]) -> str:
    if not lines:
        return "Not measured in this run."
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def dialects(path: Path) -> str:
    """What a chunk costs in each dialect beside the base; empty while that was never measured."""
    if not path.exists():
        return ""
    tree = json.loads(path.read_text())
    rows = tree["dialects"]
    lines = [
        [name, _number(row["cpu_us_per_chunk"], 2), f"{row['of_base']:.2f}×", "met" if row["of_base"] <= OF_BASE else "**missed**"]
        for name, row in rows.items()
    ]
    return "\n\n".join(
        [
            "\n## Dialects",
            f"From `results/{path.name}`, {tree['started_at']}, by `benchmarks/dialects.py`: one chunk from the partner's bytes to the "
            f"device's bytes, without sockets, rounds interleaved. Wanted: at most {OF_BASE}× the base (`openai_chat`).",
            _table(["dialect", "CPU µs per chunk", "of the base", ""], lines),
        ]
    ) + "\n"


def newest(here: Path) -> Path:
    """The newest full run; its name holds the date."""
    found = sorted(path for path in (here / "results").glob("versus-*.json") if "quick" not in path.name)
    if not found:
        raise FileNotFoundError("no results yet: run `make bench`")
    return found[-1]


def everything(here: Path) -> str:
    """The page with all that was measured: beside the rivals, and dialect by dialect."""
    path = newest(here)
    return page(Results(json.loads(path.read_text())), path.name) + dialects(here / "results" / "dialects.json")


def render(here: Path = HERE) -> None:
    """Write the page and its pictures."""
    results = Results(json.loads(newest(here).read_text()))
    for name, picture in pictures(results).items():
        (here / "results" / name).write_text(picture)
    (here / "README.md").write_text(everything(here))


if __name__ == "__main__":
    try:
        render()
    except FileNotFoundError as problem:
        sys.exit(str(problem))
