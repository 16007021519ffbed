"""A partner's life over a real service with two workers: only an active one is asked for users, and each move is proven."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lizi.testing import Behaviour, Partner
from running_program import Done, Program

CONFIG = """
[server]
listen = "127.0.0.1:0"
workers = 2
grace_ms = 0
drain_ms = 1000
[store]
batch_ms = 10
[metering]
unpriced = "free"
[partners.old]
base_url = "{old}"
[partners.new]
base_url = "{new}"
state = "candidate"
[models.assistant]
targets = [{{ partner = "old", model = "old-7" }}, {{ partner = "new", model = "new-7" }}]
critical = true
[models.fresh]
targets = [{{ partner = "new", model = "new-7" }}]
"""


@pytest.fixture(scope="module")
def partners() -> Iterator[tuple[Partner, Partner]]:
    with Partner(Behaviour(text="old")) as old, Partner(Behaviour(text="new")) as new:
        yield old, new


@pytest.fixture
def lizi(tmp_path: Path, partners: tuple[Partner, Partner]) -> Program:
    program = Program(tmp_path)
    program.config.write_text(CONFIG.format(old=partners[0].base_url, new=partners[1].base_url))
    return program


def ask(address: str, key: str, model: str = "assistant") -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    try:
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}]})
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", body, headers)
        got = connection.getresponse()
        tree = json.loads(got.read())
        return got.status, tree["choices"][0]["message"]["content"] if got.status == 200 else tree["error"]["code"]
    finally:
        connection.close()


def move(lizi: Program, name: str, state: str, *more: str) -> Done:
    return lizi("partner", "move", name, state, "--why", "the trial went well", "--by", "li.hua", "--json", *more)


def key_of(lizi: Program, *more: str) -> str:
    key: str = lizi("key", "create", "notes", "--json", *more).json["key"]
    return key


def test_a_candidate_is_examined_approved_made_active_and_the_old_one_retires(lizi: Program) -> None:
    with lizi.serving("--json") as said:
        address = json.loads(said)["address"]
        users, synthetic = key_of(lizi), key_of(lizi, "--synthetic")
        assert ask(address, users, "fresh") == (409, "feature_unavailable")
        assert ask(address, synthetic, "fresh") == (200, "new")
        assert move(lizi, "new", "active").code == 2, "not without being approved"
        assert ask(address, users, "fresh")[0] == 409
        assert move(lizi, "new", "approved").code == 0
        assert ask(address, users, "fresh")[0] == 409
        landed = move(lizi, "new", "active").json
        assert (landed["came_from"], landed["state"], landed["landing"]["workers"]) == ("approved", "active", 2)
        assert landed["landing"]["elapsed_ms"] < 1000
        assert [ask(address, users, "fresh") for _ in range(6)] == [(200, "new")] * 6

        refused = move(lizi, "old", "retired")
        assert refused.code == 2
        assert "assistant" in refused.out + refused.err, "it is critical and would have one partner left"
        assert move(lizi, "old", "retired", "--force").code == 0
        assert [ask(address, users) for _ in range(6)] == [(200, "new")] * 6
        assert ask(address, synthetic) == (200, "new"), "a retired partner is for nobody"

        rows = {row["partner"]: row for row in lizi("partner", "list", "--json").json}
        # Who they say decided it, and whom the system saw at the socket.
        assert (rows["old"]["state"], rows["old"]["by"]) == ("retired", f"li.hua ({pwd.getpwuid(os.getuid()).pw_name})")
        assert "critical" in lizi("partner", "list").err
        moves = lizi("partner", "history", "new", "--json").json
        assert [(one["came_from"], one["state"]) for one in moves] == [
            (None, "candidate"),
            ("candidate", "approved"),
            ("approved", "active"),
        ]
        assert moves[-1]["why"] == "the trial went well"
        with_token = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
        with_token.request("GET", "/metrics")
        assert b'lizi_critical_partners{name="assistant"} 1' in with_token.getresponse().read()
        with_token.close()
    assert lizi("audit", "verify").code == 0
    assert b"the trial went well" in (lizi.folder / "var" / "lizi.sqlite").read_bytes()


def test_a_move_stays_through_a_restart_and_the_configuration_no_longer_decides(lizi: Program) -> None:
    with lizi.serving("--json"):
        assert move(lizi, "old", "retired", "--force").code == 0
        assert move(lizi, "new", "approved").code == 0
    assert move(lizi, "new", "active").json["landing"] is None, "also while no service runs"
    with lizi.serving("--json") as said:
        assert ask(json.loads(said)["address"], key_of(lizi)) == (200, "new")
    verdict = lizi("audit", "verify", "--json")
    assert verdict.code == 0


def test_kill_9_at_any_moment_of_a_move_leaves_it_made_or_not_made_and_the_chain_whole(lizi: Program) -> None:
    for attempt in range(3):
        with lizi.serving("--json", ends=-signal.SIGKILL) as said:
            pid = json.loads(said)["pid"]
            assert move(lizi, "new", "approved").code in (0, 2)
            threading.Timer(0.15 + 0.1 * attempt, lambda pid=pid: os.kill(pid, signal.SIGKILL)).start()
            done = move(lizi, "new", "active").code
            time.sleep(0.5)
        moves = lizi("partner", "history", "new", "--json").json
        if done == 0:
            assert moves[-1]["state"] == "active", "what was acknowledged is on disk"
        assert lizi("audit", "verify").code == 0
        with lizi.serving("--json") as said:
            state = lizi("partner", "history", "new", "--json").json[-1]["state"]
            assert ask(json.loads(said)["address"], key_of(lizi), "fresh")[0] == (200 if state == "active" else 409)
            if state == "active":
                assert move(lizi, "new", "approved", "--force").code == 0


def test_a_reason_is_not_optional_and_not_a_document(lizi: Program) -> None:
    assert lizi("partner", "move", "new", "approved").code == 2
    assert lizi("partner", "move", "new", "approved", "--why", " ").code == 2
    assert lizi("partner", "move", "new", "approved", "--why", "x" * 201).code == 2
    assert lizi("partner", "move", "nobody", "approved", "--why", "x").code == 2


def test_something_critical_with_one_partner_is_said_at_the_check_and_at_the_start(lizi: Program) -> None:
    checked = lizi("config", "check")
    assert checked.code == 0
    assert "'assistant' is marked critical and only 'old' can answer it" in " ".join(checked.err.split())
    assert lizi("config", "check", "--json").json["warnings"]
