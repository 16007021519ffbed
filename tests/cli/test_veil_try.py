"""`lizi veil try`: what a partner would read, without a service and without a configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lizi.cli import app

TEXT = "我叫李雷，手机13912345678。"


def tried(folder: Path, *options: str, text: str = TEXT, piped: str | None = None) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(app, ["--json", "veil", "try", text, "--config", str(folder / "lizi.toml"), *options], input=piped)
    return done.exit_code, json.loads(done.stdout)


def test_a_text_before_and_after(tmp_path: Path) -> None:
    code, said = tried(tmp_path)
    assert code == 0
    assert said["partner_reads"] == "我叫⟦PERSON_1⟧，手机⟦PHONE_1⟧。"
    assert said["hidden"] == [
        {"partner reads": "⟦PERSON_1⟧", "kind": "person", "stands for": "李雷"},
        {"partner reads": "⟦PHONE_1⟧", "kind": "phone", "stands for": "13912345678"},
    ]
    assert said["restored_is_the_text"] is True


def test_a_text_from_standard_input(tmp_path: Path) -> None:
    assert tried(tmp_path, text="-", piped=TEXT)[1] == tried(tmp_path)[1] | {"took_us": pytest.approx(0, abs=10**9)}


def test_people_see_it_in_words(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["veil", "try", TEXT, "--config", str(tmp_path / "lizi.toml")])
    assert done.exit_code == 0
    assert "⟦PERSON_1⟧" in done.output
    assert "李雷" in done.output


def test_the_configurations_profiles_decide(tmp_path: Path) -> None:
    (tmp_path / "lizi.toml").write_text(
        '[veil]\nrules = [{ markets = ["CN"], profile = "open" }]\n[veil.profiles.open]\nkeep = ["person"]\n', encoding="utf-8"
    )
    assert tried(tmp_path, "--market", "CN")[1]["partner_reads"] == "我叫李雷，手机⟦PHONE_1⟧。"
    assert tried(tmp_path, "--profile", "open")[1]["profile"] == "open"
    assert tried(tmp_path)[1]["profile"] == "standard"
    code, said = tried(tmp_path, "--profile", "nobody")
    assert code == 2
    assert "open" in str(said["error"])
