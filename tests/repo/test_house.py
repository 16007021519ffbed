"""The house keeps its own rules: who may import whom, how big a file may get, what is public."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import lizi
from lizi import errors

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "src" / "lizi"

LINES = 500
CORRIDOR_LINES = 300
PUBLIC_NAMES = 8
FORBIDDEN_NAMES = {"utils", "helpers", "common", "base", "manager", "misc"}

TABLES: set[str] = set()
"""Files over the budget because they are data. May only shrink, so the test below also fails for an entry that is no longer needed."""

WIDE: set[str] = set()
"""Rooms with more public names than the budget. May only shrink."""

NO_ROOMS = {"types", "errors", "ports", "settings", "config", "edge", "cli", "testing", "load", "console", "exam", "drill"}
"""Nouns, walls and tools: their public names are not a room's surface."""


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def short(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def public_names(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            return [str(name) for name in ast.literal_eval(node.value)]
    return None


def rooms() -> Iterator[tuple[str, ast.Module]]:
    """What each room shows: its one file, its `__init__`, or, where that is only a docstring, each file of the folder by itself."""
    for path in sorted(SOURCE.iterdir()):
        if path.stem in {*NO_ROOMS, "__init__", "__main__"}:
            continue
        if path.suffix == ".py":
            yield path.stem, parsed(path)
        elif (path / "__init__.py").exists():
            front = parsed(path / "__init__.py")
            if len(front.body) > 1:
                yield path.stem, front
            else:
                yield from ((f"{path.stem}.{file.stem}", parsed(file)) for file in sorted(path.glob("[!_]*.py")))


def test_no_file_outgrows_its_budget() -> None:
    over = {short(path) for path in modules() if len(path.read_text(encoding="utf-8").splitlines()) > LINES}
    assert over == TABLES


def test_the_corridor_stays_a_corridor() -> None:
    assert len((SOURCE / "pipeline.py").read_text(encoding="utf-8").splitlines()) <= CORRIDOR_LINES


def test_no_file_has_a_name_without_a_subject() -> None:
    parts = {part for path in modules() for part in path.relative_to(SOURCE).with_suffix("").parts}
    assert parts & FORBIDDEN_NAMES == set()


def test_a_room_shows_few_names() -> None:
    over = {room for room, tree in rooms() if len(public_names(tree) or []) > PUBLIC_NAMES}
    assert over == WIDE


def test_every_room_says_what_is_public() -> None:
    assert [room for room, tree in rooms() if public_names(tree) is None] == []


def test_every_public_name_exists() -> None:
    missing = []
    for path in modules():
        tree = parsed(path)
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        bound = {alias.asname or alias.name for node in imports for alias in node.names}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                bound.add(node.name)
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
            bound |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        missing += [f"{short(path)}: {name}" for name in public_names(tree) or [] if name not in bound]
    assert missing == []


def test_every_module_opens_with_what_it_does() -> None:
    without = [short(path) for path in modules() if not ast.get_docstring(parsed(path))]
    assert without == []


def test_the_public_list_of_the_package_is_pinned() -> None:
    assert lizi.__all__ == ["__version__"]


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"])
def test_nothing_is_left_for_later_in_the_source(word: str) -> None:
    assert [short(path) for path in modules() if word in path.read_text(encoding="utf-8")] == []


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_no_room_escapes_the_ban_on_io() -> None:
    contracts = {c["id"]: c for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]}
    layers = contracts["layers"]["layers"]
    below = layers[layers.index("(pipeline)") + 1 :]
    bound = {name.strip(" ()") for layer in below for name in layer.split("|")}
    present = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    banned = {module.removeprefix("lizi.") for module in contracts["rooms-do-no-io"]["source_modules"]}
    assert bound & present == banned


# --- errors ------------------------------------------------------------------------------------


def test_there_are_at_most_twelve_error_classes() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.LiziError)]
    assert len(classes) <= 12


@pytest.mark.parametrize("code", errors.CODES)
def test_every_code_speaks_three_languages_and_has_a_status(code: str) -> None:
    spec = errors.CODES[code]
    assert 400 <= spec.status <= 599
    assert all(words.strip() for words in (spec.en, spec.zh_hans, spec.zh_hant))
    assert spec.en.isascii()
    assert not spec.zh_hans.isascii()
    assert not spec.zh_hant.isascii()
    assert (spec.side == "caller") == (spec.status < 500) or code == "feature_unavailable"


def test_every_code_that_is_raised_is_in_the_table() -> None:
    unknown = []
    for path in modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                value = node.value.value
                if isinstance(value, str) and value not in errors.CODES:
                    unknown.append(f"{short(path)}: {value}")
    assert unknown == []


def said(tree: ast.AST) -> Iterator[str]:
    """Text that a module hands to something: arguments and defaults. Sets, annotations and comparisons hand over nothing."""

    def texts(node: ast.expr) -> Iterator[str]:
        if isinstance(node, ast.Tuple):
            for element in node.elts:
                yield from texts(element)
        if isinstance(node, ast.IfExp):
            yield from texts(node.body)
            yield from texts(node.orelse)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value

    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                yield from texts(argument)
        elif isinstance(node, ast.arguments):
            for default in [*node.defaults, *(default for default in node.kw_defaults if default is not None)]:
                yield from texts(default)
        elif isinstance(node, ast.Assign) and not isinstance(node.value, ast.Call):
            yield from texts(node.value)


def test_every_code_in_the_table_is_raised_somewhere() -> None:
    """A row that nothing raises is a promise to clients that no code keeps."""
    product = [path for path in modules() if path.relative_to(SOURCE).parts[0] not in {"errors.py", "testing", "load"}]
    found = {text for path in product for text in said(parsed(path))}
    assert sorted(set(errors.CODES) - found) == []


def test_text_that_is_only_compared_or_listed_is_no_use_of_a_code() -> None:
    tree = ast.parse('KNOWN = frozenset({"busy"})\nx: Literal["busy"]\nif code == "busy": pass\nraise E("m", code="gone" if y else "late")')
    assert set(said(tree)) == {"m", "gone", "late"}
