"""What the command line says of partners' lives where no service runs, and of what is under way where one does."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lizi.testing import Behaviour, Partner
from running_program import Program

FILE = """
[server]
listen = "127.0.0.1:0"
workers = 1
grace_ms = 0
drain_ms = 5000
[metering]
unpriced = "free"
[partners.old]
base_url = "{old}"
[partners.new]
base_url = "{new}"
state = "candidate"
[models.assistant]
targets = [{{ partner = "old", model = "old-7" }}, {{ partner = "new", model = "new-7" }}]
"""
NOWHERE = "http://127.0.0.1:9/v1"
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def still(alone: Callable[..., Program]) -> Program:
    """No service runs."""
    return alone(FILE.format(old=NOWHERE, new=NOWHERE))


def moved(program: Program, *arguments: str) -> int:
    return program.inside("partner", "move", *arguments, "--why", "trial", "--json").code


def test_moves_without_a_service_name_the_user_of_the_system_and_not_of_a_variable(still: Program) -> None:
    done = still.inside("partner", "move", "new", "approved", "--why", "合同已签", "--json", LOGNAME="somebody", USER="somebody")
    assert (done.code, done.json["by"], done.json["came_from"], done.json["landing"]) == (0, ME, "candidate", None)
    assert still.inside("partner", "move", "new", "active", "--why", "trial", "--by", "li.hua", "--json").json["by"] == f"li.hua ({ME})"
    history = still.inside("partner", "history", "new", "--json").json
    assert [(move["state"], move["by"]) for move in history] == [
        ("candidate", "configuration"),
        ("approved", ME),
        ("active", f"li.hua ({ME})"),
    ]
    assert history[1]["why"] == "合同已签"
    verdict = still.inside("audit", "verify", "--json")
    assert (verdict.code, verdict.json["whole"]) == (0, True)


@pytest.mark.parametrize("name", ["No Name", "é", "../keys", "a/b?c", "", "x" * 65, "new\nline"])
@pytest.mark.parametrize("command", [("move", "approved", "--why", "trial"), ("history",)])
def test_what_can_not_be_a_name_is_refused_with_the_names_that_there_are(still: Program, name: str, command: tuple[str, ...]) -> None:
    done = still.inside("partner", command[0], "--", name) if len(command) == 1 else still.inside("partner", "move", name, *command[1:])
    assert done.code == 2
    assert "old, new" in " ".join((done.out + done.err).split())
    assert not (still.folder / "var").exists(), "nothing is made for it"


@pytest.mark.parametrize("command", [("move", "nobody", "approved", "--why", "trial"), ("history", "nobody")])
def test_a_partner_that_neither_file_nor_store_knows_is_refused(still: Program, command: tuple[str, ...]) -> None:
    assert still.inside("partner", "history", "new").code == 0, "it has no history yet"
    done = still.inside("partner", *command)
    assert done.code == 2
    assert "There is no partner 'nobody'" in done.out + done.err
    assert "old, new" in done.out + done.err


def test_the_list_says_state_since_and_who_and_needs_no_store(still: Program) -> None:
    before = {row["partner"]: row for row in still.inside("partner", "list", "--json").json}
    assert [(before[name]["state"], before[name]["since"]) for name in ("old", "new")] == [("active", None), ("candidate", None)]
    assert moved(still, "new", "approved") == 0
    people = still.inside("partner", "list").out
    assert "approved" in people
    assert ME in people
    assert "[bold]" not in people
    after = {row["partner"]: row for row in still.inside("partner", "list", "--json").json}
    assert (after["new"]["state"], after["new"]["by"]) == ("approved", ME)


def test_a_store_of_an_older_version_does_not_hide_the_partners(still: Program) -> None:
    assert moved(still, "new", "approved") == 0
    connection = sqlite3.connect(still.folder / "var" / "lizi.sqlite")
    connection.execute("PRAGMA user_version=1")
    connection.close()
    rows = {row["partner"]: row["state"] for row in still.inside("partner", "list", "--json").json}
    assert rows == {"old": "active", "new": "candidate"}, "what the configuration says, until the start brings the store up to date"


def test_a_candidate_and_a_retired_partner_can_be_pinged(alone: Callable[..., Program]) -> None:
    with Partner(Behaviour(text="ready")) as partner:
        program = alone(FILE.format(old=partner.base_url, new=partner.base_url))
        assert program.inside("partner", "ping", "new").code == 0
        assert moved(program, "old", "retired") == 0
        assert program.inside("partner", "ping", "old").code == 0


def test_a_retired_partner_is_shown_draining_while_its_stream_lasts(alone: Callable[..., Program], tmp_path: Path) -> None:
    slow = Behaviour(text="one two three four five six seven eight", chunks=8, interval_ms=1000)
    with Partner(slow) as partner:
        program = alone(FILE.format(old=partner.base_url, new=NOWHERE))
        with program.serving("--json") as said:
            address = urlsplit(json.loads(said)["address"]).netloc
            key = program("key", "create", "notes", "--json").json["key"]
            connection = http.client.HTTPConnection(address, timeout=20)
            body = {"model": "assistant", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            answer = connection.getresponse()
            assert answer.readline()
            assert program("partner", "move", "old", "retired", "--why", "trial").code == 0
            row: dict[str, object] = {}
            while not row.get("in_flight"):  # a worker tells once a second
                row = next(row for row in program("partner", "list", "--json").json if row["partner"] == "old")
                assert not answer.isclosed()
            assert (row["state"], row["in_flight"]) == ("retired", 1)
            assert "retired, draining 1" in program("partner", "list").out
            assert b"[DONE]" in answer.read()
            connection.close()


def tampered(program: Program, name: str, statement: str) -> str:
    """A copy of the store in which `statement` was run."""
    with sqlite3.connect(program.folder / "var" / "lizi.sqlite") as source, sqlite3.connect(program.folder / name) as copy:
        source.backup(copy)
        copy.execute(statement)
    source.close()
    copy.close()
    return name


@pytest.mark.parametrize(
    ("statement", "why", "row", "seq"),
    [
        ("UPDATE partner_moves SET state = 'active' WHERE no = 2", "row_changed", 2, 2),
        ("DELETE FROM partner_moves WHERE no = 2", "row_missing", 2, 2),
        (
            "INSERT INTO partner_moves (partner, came_from, state, at, by, why) VALUES ('new', 'approved', 'active', 1, 'li', 'x')",
            "row_unrecorded",
            3,
            -1,
        ),
    ],
)
def test_verify_compares_the_rows_of_moves_with_their_records_both_ways(
    still: Program, statement: str, why: str, row: int, seq: int
) -> None:
    assert moved(still, "new", "approved") == 0
    assert still.inside("audit", "verify").code == 0
    path = tampered(still, "tampered.sqlite", statement)
    said = still.inside("audit", "verify", "--store", path, "--json")
    broken = said.json["broken"]
    assert (said.code, said.json["whole"], broken["why"], broken["row"], broken["seq"]) == (1, False, why, row, seq)
    assert (broken["chain"] == "") == (why == "row_unrecorded")
    people = still.inside("audit", "verify", "--store", path)
    assert people.code == 1 and f"broken at row {row} of the partners' moves" in people.out and why in people.out
    refused = still.inside("store", "restore", path)
    assert refused.code != 0 and "partners' moves" in refused.err
