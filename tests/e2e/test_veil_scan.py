"""`lizi veil scan` against a running service whose partner repeats everything: nothing stays, and what does stay is found.

Memory and open files of workers are root's to read; without root the scan says so and ends with 2, which is tested as well.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lizi.testing.behaviours import Behaviour
from lizi.testing.captured import Captured
from lizi.testing.echoing import echo
from running_service import TESTS, Running, running

SERVER = "workers = 2\ngrace_ms = 0\ndrain_ms = 2000\n"
LOUD = '[store]\ndurability = "strict"\n[telemetry]\nlog_level = "debug"'
ROOT = os.geteuid() == 0
WORD = re.compile(rb"[bcdfghjkmnpqrstvwxz]{14,}")


def scanned(service: Running, *options: str, key: str | None = None) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "lizi", "veil", "scan", "--json", "--config", str(service.folder / "lizi.toml"), *options]
    environ = {**os.environ, "LIZI_KEY": key or service.key, "PYTHONPATH": str(TESTS.parent / "src")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr, done.stderr
    planted = {word for asked in service.partner.requests for word in WORD.findall(asked.body)}
    assert not any(word.decode() in done.stdout + done.stderr for word in planted), "a scan never prints what it finds"
    value: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, value


def places(value: dict[str, Any]) -> set[str]:
    return {finding["place"] for finding in value["found"]}


@pytest.fixture(scope="module")
def wiping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("wiping"), server=SERVER + "wipe_memory = true", more=LOUD) as service:
        service.partner.play(echo)
        yield service


def test_nothing_that_was_said_is_in_any_file_log_number_or_memory(wiping: Running) -> None:
    code, value = scanned(wiping)
    assert value["found"] == []
    assert value["planted"]["statuses"]["200"] > 20
    assert {"400", "502"} <= value["planted"]["statuses"].keys(), "refusals and broken answers handle content too"
    assert value["planted"]["echoed"] > 0
    assert value["control"]["samples"] > 60
    assert value["read"]["files"] >= 5
    names = [process["name"].rpartition(" ")[0] for process in value["read"]["processes"]]
    assert sorted(name for name in names if name != "image process") == ["service", "worker", "worker"]
    assert "image process" in names, "a resting one is read as well"
    if ROOT:
        assert (code, value["unread"]) == (0, [])
        assert all(process["memory_bytes"] > 5_000_000 for process in value["read"]["processes"])
    else:
        assert code == 2
        assert all("worker" in unread["place"] or "memory" in unread["place"] for unread in value["unread"])


def test_a_leak_into_a_file_a_log_a_database_or_an_archive_is_found(wiping: Running) -> None:
    folder = wiping.data_dir

    def leaky(captured: Captured) -> Behaviour:
        word = WORD.search(captured.body)
        if word is not None and not (folder / "leak.gz").exists():
            (folder / "leak.txt").write_bytes(b"seen: " + word[0])
            (folder / "leak.b64").write_bytes(base64.b64encode(b"seen: " + word[0]))
            (folder / "leak.utf16").write_bytes(word[0].decode().encode("utf-16"))
            (folder / "leak.gz").write_bytes(gzip.compress(b"seen: " + word[0]))
            with sqlite3.connect(folder / "leak.sqlite") as connection:
                connection.execute("CREATE TABLE t (x)")
                connection.execute("INSERT INTO t VALUES (?)", (word[0],))
            connection.close()
            with (wiping.folder / "log").open("ab") as log:
                log.write(b'{"event":"' + word[0] + b'"}\n')
        return echo(captured)

    wiping.partner.play(leaky)
    try:
        code, value = scanned(wiping, "--memory", "none", "--rounds", "1", "--neutral", "0", "--log", str(wiping.folder / "log"))
    finally:
        wiping.partner.play(echo)
        for path in folder.glob("leak.*"):
            path.unlink()
    assert code == 1
    assert value["verdict"] == "found"
    found = {(Path(finding["place"]).name, finding["form"], bool(finding["within"])) for finding in value["found"]}
    assert found == {
        ("leak.txt", "UTF-8", False),
        ("leak.b64", "UTF-8 in base 64", False),
        ("leak.utf16", "UTF-16", False),
        ("leak.gz", "UTF-8", True),
        ("leak.sqlite", "UTF-8", False),
        ("log", "UTF-8", False),
    }


@pytest.mark.skipif(not ROOT, reason="only root reads the memory of a process that is closed to others")
def test_memory_that_is_not_wiped_still_holds_words_and_the_scan_says_where(tmp_path: Path) -> None:
    with running(tmp_path, server=SERVER) as service:
        service.partner.play(echo)
        code, value = scanned(service, "--rounds", "1", "--neutral", "5")
        assert code == 1
        assert {place.split(" ")[2] for place in places(value)} >= {"worker", "image"}
        assert not any(place.startswith("memory of service") for place in places(value)), "the supervisor never has content"


def test_a_key_that_is_refused_proves_nothing_and_is_no_clean_bill(wiping: Running) -> None:
    code, value = scanned(wiping, "--rounds", "1", "--neutral", "0", key="lz-nobody-nothing")
    assert code == 2
    assert "No planted request was answered" in value["error"]["message"]


@pytest.mark.parametrize("options", [("--key", "file:nowhere"), ("--key", "lz-the-key-itself"), ("--url", "http://127.0.0.1:9")], ids=str)
def test_what_keeps_a_scan_from_beginning_never_looks_like_something_found(wiping: Running, options: tuple[str, str]) -> None:
    code, value = scanned(wiping, *options)
    assert code == 2
    assert "lz-the-key-itself" not in json.dumps(value)


def test_what_goes_where_the_scan_can_not_look_is_listed_and_no_clean_bill(tmp_path: Path) -> None:
    more = '[telemetry]\notlp_endpoint = "http://127.0.0.1:9"'
    with running(tmp_path, server="workers = 1\ngrace_ms = 0\n", more=more) as service:
        service.partner.play(echo)
        code, value = scanned(service, "--memory", "none", "--rounds", "1", "--neutral", "0")
        assert code == 2
        assert "traces" in {unread["place"] for unread in value["unread"]}


def test_without_a_service_there_is_nothing_to_scan(tmp_path: Path) -> None:
    (tmp_path / "lizi.toml").write_text('[models.assistant]\ntargets = [{ partner = "a", model = "m" }]\n[partners.a]\nbase_url = "http://127.0.0.1:9"\n'
                                        '[metering]\nunpriced = "free"\n')  # fmt: skip
    command = [sys.executable, "-m", "lizi", "--json", "veil", "scan", "--config", str(tmp_path / "lizi.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LIZI_KEY": "x"}, timeout=60)
    assert done.returncode == 2
    assert "No service runs" in json.loads(done.stdout)["error"]["message"]
