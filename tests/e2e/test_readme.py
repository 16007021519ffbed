"""README is run: its configuration is served, its commands and snippets do what they are shown for."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lizi.testing.partners import Behaviour, Partner

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ANSWER = "Paris is the capital of France."
_STARTS_WITHIN_S = 30  # a cold start is a second or two; the rest is for a busy machine


def block(language: str, holding: str) -> str:
    """The one fenced block of README in `language` that holds a text."""
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if holding in text]
    return found


class House:
    """README's configuration, served by the command that README shows."""

    def __init__(self, folder: Path, partner: Partner) -> None:
        config = block("toml", "[partners.acme]").replace("https://api.acme.example/v1", partner.base_url)
        (folder / "lizi.toml").write_text('[server]\nlisten = "127.0.0.1:0"\ngrace_ms = 0\ndrain_ms = 1000\n' + config, encoding="utf-8")
        self.folder = folder
        self.environ = {**os.environ, "ACME_KEY": "sk-partner-secret", "PYTHONPATH": str(ROOT / "src")}
        self.partner = partner
        self.address = ""
        self.key = ""

    def start(self) -> subprocess.Popen[bytes]:
        log = (self.folder / "log").open("wb")
        line = [sys.executable, "-m", "lizi", "serve"]
        process = subprocess.Popen(line, cwd=self.folder, env=self.environ, stdout=subprocess.PIPE, stderr=log)
        log.close()
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _STARTS_WITHIN_S)
        self.address = process.stdout.readline().decode().strip() if ready else ""
        if not self.address:
            process.kill()
            process.wait(10)
            pytest.fail((self.folder / "log").read_text())
        return process

    def run(self, shown: str) -> str:
        """A `lizi …` command as README shows it, its comment left out; fails the test unless it ends with 0."""
        assert f"\n{shown}" in README
        line = [sys.executable, "-m", *shlex.split(shown)]
        done = subprocess.run(line, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with Partner(Behaviour(text=ANSWER, chunks=3)) as partner:
        house = House(tmp_path_factory.mktemp("readme"), partner)
        assert "lizi.toml" in house.run("lizi config check")
        process = house.start()
        try:
            (house.key,) = house.run("lizi key create notes --requests-per-minute 600 --money-per-day 20").split()
            yield house
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                ended = process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                ended = process.wait(10)
            assert process.stdout is not None
            process.stdout.close()
        assert ended == 0


def test_the_python_snippet_works_when_pasted(house: House) -> None:
    snippet = block("python", "import OpenAI").replace("http://127.0.0.1:8080", house.address)
    environ = {**house.environ, "LIZI_KEY": house.key}
    done = subprocess.run([sys.executable, "-c", snippet], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == ANSWER, done.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed; the snippet is for people who have it")
def test_the_curl_snippet_works_when_pasted(house: House) -> None:
    snippet = block("sh", "curl ").replace("http://127.0.0.1:8080", house.address).replace("export LIZI_KEY=lz-…\n", "")
    environ = {**house.environ, "LIZI_KEY": house.key}
    done = subprocess.run(["sh", "-c", snippet], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == ANSWER, done.stderr


def test_what_was_asked_is_in_the_ledger_and_the_chain_is_whole(house: House) -> None:
    assert "notes" in house.run("lizi ledger report --by app")
    assert house.run("lizi audit verify").startswith("whole")


def test_a_text_before_and_after_is_shown(house: House) -> None:
    shown = house.run("""lizi veil try "I'm Ann Lee, +1 415 555 0182\"""")
    assert "PERSON_1" in shown and "PHONE_1" in shown
