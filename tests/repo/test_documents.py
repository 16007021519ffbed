"""Manual and program say the same: examples load, pages are generated, versions agree, skips have reasons."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import lizi
from lizi import config

ROOT = Path(__file__).resolve().parent.parent.parent
NOW = 1_795_500_000.0  # 2026-11-24: after the dates in the examples

NOT_RUN_IN_TESTS = {
    "make bench": "minutes of measurement on a quiet machine; its results are committed",
    "make run": "it serves until it is stopped; tests start the same `lizi serve --dev` themselves",
}
"""Commands that README shows and no test runs as they stand, each with its reason."""


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


KINDS_OF_CLAIMS = {"cryptographic", "checkable", "promised"}
CLAIMS = [
    tuple(cell.strip() for cell in line.strip("|\n ").split(" | "))
    for line in (ROOT / "docs" / "concepts" / "privacy.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and any(f"| {kind} |" in line for kind in KINDS_OF_CLAIMS)
]


def test_there_are_claims_of_each_kind() -> None:
    assert {claim[1] for claim in CLAIMS} == KINDS_OF_CLAIMS


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim[0][:50])
def test_each_sentence_about_privacy_stands_on_a_test_or_is_a_promise(claim: tuple[str, str, str]) -> None:
    sentence, kind, proof = claim
    proofs = re.findall(r"`(tests/[^`]+)`", proof)
    assert bool(proofs) == (kind != "promised"), sentence
    for named in proofs:
        path, _, test = named.partition("::")
        source = (ROOT / path).read_text(encoding="utf-8")
        assert not test or re.search(rf"^(?:async )?def {test}\(", source, re.MULTILINE), named


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.name)
def test_every_example_loads(path: Path) -> None:
    assert config.load(path, NOW).models


def test_generated_pages_are_up_to_date(generate: ModuleType) -> None:
    pages = {name: (generate.REFERENCE / name, content) for name, content in generate.pages().items()}
    stale = [name for name, (page, content) in pages.items() if not page.exists() or page.read_text(encoding="utf-8") != content]
    assert stale == [], "`make docs` writes them"


def test_the_labels_of_metrics_are_found_however_they_are_made(generate: ModuleType) -> None:
    made = """
for name, kept in (("lizi_a_total", self._a), ("lizi_b_total", self._b)):
    for (x, y), count in kept.items():
        found[_series(name, feature=x, model=y)] = count
for name, kept, label in (("lizi_c_total", self._c, "code"),):
    found[_series(name, **{label: 1})] = 1
found[_series("lizi_d_total", kind=kind)] = 1
found[_series(unknown, kind=kind)] = 1
"""
    assert generate.series_labels(ast.parse(made)) == {
        "lizi_a_total": ["feature", "model"],
        "lizi_b_total": ["feature", "model"],
        "lizi_c_total": ["code"],
        "lizi_d_total": ["kind"],
    }
    labels = generate.printed_metrics()
    assert labels["lizi_exchanges_total"] == labels["lizi_synthetic_exchanges_total"] == ["feature", "model", "outcome"]
    bare = [name for name, meaning in generate._METRICS.items() if ", by " in meaning and not labels[name]]
    assert bare == [], "what is counted by something has a label for it"


def test_every_setting_is_explained(generate: ModuleType) -> None:
    bare = [line for line in generate.config_page().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert bare == []


def test_every_command_says_what_it_does(generate: ModuleType) -> None:
    assert [path for path, command in generate.commands() if not command.help] == []


def test_the_version_is_the_first_one_in_the_changelog() -> None:
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == lizi.__version__


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]


def test_every_relative_link_leads_somewhere() -> None:
    dead = []
    for page in documents():
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in link and not link.startswith("mailto:") and not (page.parent / link).exists():
                dead.append(f"{page.relative_to(ROOT)}: {link}")
    assert dead == []


def anchors(page: Path) -> set[str]:
    """What a page's headings are linked as: lower case, letters, digits and hyphens only, spaces to hyphens."""
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)}


def test_every_anchor_exists() -> None:
    dead = []
    for page in documents():
        for link, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
            target = page.parent / link if link else page
            if target.exists() and anchor not in anchors(target):
                dead.append(f"{page.relative_to(ROOT)}: {link}#{anchor}")
    assert dead == []


def test_every_page_is_reachable_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")} - {"index.md"}
    assert sorted(page for page in pages if f"]({page})" not in index) == [], "docs/index.md has a link to each page"


def test_every_file_that_a_page_names_exists() -> None:
    gone = []
    for page in documents():
        for name in re.findall(r"`((?:tests|src|docs|deploy|examples|benchmarks|tour)/[\w./-]+)`", page.read_text(encoding="utf-8")):
            if "NAME" not in name and not (ROOT / name).exists():
                gone.append(f"{page.relative_to(ROOT)}: {name}")
    assert gone == []


def test_the_settings_and_commands_that_a_page_names_exist(generate: ModuleType) -> None:
    paths = {path for path, _ in generate.commands()}
    sections = set(re.findall(r"^## `\[?\[?(\w+)", generate.config_page(), re.MULTILINE))
    keys = set(re.findall(r"^\| `(\w+)` \|", generate.config_page(), re.MULTILINE))
    wrong = []
    for page in documents():
        text = page.read_text(encoding="utf-8")
        for words in re.findall(r"`lizi((?: [a-z]+){1,2})", text) + re.findall(r"^lizi((?: [a-z]+){1,2})", text, re.MULTILINE):
            parts = words.split()
            if not any(f"lizi {' '.join(parts[:length])}" in paths for length in (1, 2)):
                wrong.append(f"{page.relative_to(ROOT)}: lizi{words}")
        for section, key in re.findall(r"`(\w+)\.(\w+)`", text):
            if section in sections and key not in keys | {"py", "rates", "prices", "estimator"}:
                wrong.append(f"{page.relative_to(ROOT)}: {section}.{key}")
    assert wrong == []


def runs() -> str:
    """Everything that tests and CI run, as text, this file left out."""
    files = [path for path in sorted((ROOT / "tests").rglob("*.py")) if path != Path(__file__).resolve()]
    return "\n".join(path.read_text(encoding="utf-8") for path in [*files, ROOT / ".ci" / "run"])


def shown_commands(name: str) -> set[str]:
    """`make target` and `lizi group command` as README shows them, without their arguments."""
    found = set()
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL):
        found |= set(re.findall(r"^(make [a-z-]+|lizi [a-z]+(?: [a-z]+\b)?)", block, re.MULTILINE))
    return found


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_every_command_in_the_readme_is_run_somewhere(name: str) -> None:
    text = runs()
    never = []
    for command in sorted(shown_commands(name) - set(NOT_RUN_IN_TESTS)):
        program, *words = command.split()
        as_list = ", ".join(f'"{word}"' for word in (words[:2] if program == "lizi" else words))
        if command not in text and as_list not in text:
            never.append(command)
    assert never == []


def test_make_test_is_what_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\nmake lint\n" in ci
    assert "\nmake test " in ci


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {target for page in documents() for target in re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))}
    assert named - targets == set()


def test_every_skip_gives_its_reason() -> None:
    silent = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                if isinstance(node, ast.Attribute) and node.attr in {"skip", "xfail"} and ast.unparse(node).startswith("pytest.mark"):
                    silent += [] if _called(path, node) else [f"{path.name}:{node.lineno}"]
                continue
            name = ast.unparse(node.func)
            given = {keyword.arg for keyword in node.keywords}
            if name in {"pytest.mark.skipif", "pytest.mark.xfail", "pytest.importorskip"} and "reason" not in given:
                silent.append(f"{path.name}:{node.lineno}")
            if name in {"pytest.mark.skip", "pytest.skip"} and not node.args and "reason" not in given:
                silent.append(f"{path.name}:{node.lineno}")
    assert silent == []


def _called(path: Path, mark: ast.Attribute) -> bool:
    """Whether the mark is the function of a call (which is looked at by itself) and not a bare decorator."""
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return any(call.func.lineno == mark.lineno and call.func.col_offset == mark.col_offset for call in calls)


def test_pins_carry_hashes_and_name_no_host_or_path() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://|file:|--index|--find-links|(?<![a-z])/(work|tmp|home|root)/", text), path.name
        for pin in text.replace("\\\n", " ").splitlines():  # a pin and its hashes are one logical line
            assert "==" in pin, f"{path.name}: {pin[:80]}"
            assert "--hash=sha256:" in pin, f"{path.name}: {pin[:80]}"


def test_lizi_starts_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "lizi", "--version"], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"lizi {lizi.__version__}", done.stderr
