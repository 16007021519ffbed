"""A scripted partner by hand: it says where it is, what it prints can be pasted, and it speaks as it was told."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lizi.testing.speeches import SPEECHES
from running_program import STARTS_WITHIN_S, Program

Alone = Callable[..., Program]


@contextmanager
def fake(lizi: Program, *arguments: str) -> Iterator[str]:
    """`lizi partner fake` until the context ends; gives the first that it says. It leaves in peace."""
    command = [sys.executable, "-m", "lizi", "partner", "fake", *arguments]
    with subprocess.Popen(command, cwd=lizi.folder, env=lizi.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        said = b""
        while b"output_per_million" not in said:
            ready, _, _ = select.select([process.stdout], [], [], STARTS_WITHIN_S)
            piece = os.read(process.stdout.fileno(), 65_536) if ready else b""
            assert piece, process.stderr.read1().decode()
            said += piece
        yield said.decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("dialect", "behaviour", "code", "outcome"), [("anthropic", "good", 0, "ok"), ("glm", "unpaid_as_429", 3, "billing")]
)
def test_what_it_prints_can_be_pasted_and_pinged(alone: Alone, dialect: str, behaviour: str, code: int, outcome: str) -> None:
    lizi = alone()
    with fake(lizi, "--dialect", dialect, "--behaviour", behaviour) as said:
        lizi.config.write_text(said[said.index("[partners.") :])
        done = lizi("partner", "ping", f"fake-{dialect}", "--json", FAKE_KEY="anything")
        assert done.code == code, done.err
        assert outcome in done.out
        assert SPEECHES[dialect].models[0] in done.out


def test_programs_get_one_line(alone: Alone) -> None:
    with fake(alone(), "--dialect", "qwen", "--behaviour", "13", "--chunks", "3", "--json") as said:
        line = json.loads(said)
        assert said.count("\n") == 1
        assert line["base_url"].startswith("http://127.0.0.1:") and line["base_url"].endswith("/compatible-mode/v1")
        assert line["base_url"] in line["configuration"] and line["model"] == "qwen-plus"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--dialect", "nobody"), "There is no scripted partner 'nobody'."),
        (("--behaviour", "loud"), "there is no behaviour 'loud'"),
        (("--dialect", "vllm", "--behaviour", "flags"), "'flags' can't happen with vllm"),
    ],
)
def test_what_there_is_not_is_said_with_what_there_is(alone: Alone, arguments: tuple[str, ...], says: str) -> None:
    done = alone().inside("partner", "fake", *arguments)
    assert done.code == 2 and says in done.err and "hint:" in done.err


def test_a_list_of_what_it_can_do(alone: Alone) -> None:
    rows = alone().inside("partner", "fake", "--dialect", "hunyuan", "--list", "--json").json
    assert [row["number"] for row in rows] == list(range(1, 31))
    assert "it was never shown" in rows[4]["variants"] and rows[5]["absent"]
    assert "can't happen" in alone().inside("partner", "fake", "--dialect", "hunyuan", "--list").out


def test_a_port_in_use_is_said(alone: Alone) -> None:
    lizi = alone()
    with fake(lizi, "--json") as said:
        port = json.loads(said)["base_url"].split(":")[2].split("/")[0]
        done = lizi("partner", "fake", "--port", port)
    assert done.code == 4 and f"Port {port} can't be used" in done.err
