"""The commands that need no running service, and what they say when one is missing."""

from __future__ import annotations

import json
import stat
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from lizi.cli import output
from lizi.cli.output import money
from lizi.config import load, parse
from lizi.edge.store import Store
from running_program import ROOT, Program

Alone = Callable[..., Program]


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0.00"), (1, "0.000001"), (500_000, "0.50"), (12_345_678, "12.345678"), (-1_500_000, "-1.50"), (1_234_000_000, "1,234.00")],
)
def test_money_is_shown_exactly(micros: int, text: str) -> None:
    assert money(micros) == text


def test_every_exit_code_is_its_own() -> None:
    codes = [output.NO, output.USAGE, output.UNREACHABLE, output.FAILED, output.INTERRUPTED]
    assert codes == [1, 2, 3, 4, 130]


def test_keys_are_made_rotated_and_revoked_in_the_store_while_no_service_runs(alone: Alone) -> None:
    lizi = alone()
    assert lizi.inside("key", "list", "--json").json == []
    made = lizi("key", "create", "notes", "--money-per-month", "0.000001", "--expires-days", "2", "--json").json
    assert (made["landing"], made["plan"]["money_per_month_micros"]) == (None, 1)
    assert 0 < made["expires_at"] - time.time() <= 2 * 86_400
    second = lizi.inside("key", "rotate", made["key_id"], "--overlap-hours", "1", "--json").json
    assert second["plan"] == made["plan"]
    assert second["replaced_ends_at"] < made["expires_at"]
    gone = lizi("key", "revoke", made["key_id"])
    assert (gone.code, "next start" in gone.out) == (0, True)
    assert {row["key_id"]: row["state"] for row in lizi.inside("key", "list", "--json").json} == {
        made["key_id"]: "revoked",
        second["key_id"]: "active",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("key", "create", "notes", "--money-per-day", "0.0000001"),
        ("key", "create", "notes", "--money-per-day", "-1"),
        ("key", "create", "Notes!"),
        ("key", "create", "notes", "--model", "nosuch"),
        ("key", "destroy"),
        ("partner", "ping", "nobody"),
        ("chat", "Hello"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_ends_with_2_and_a_hint(alone: Alone, arguments: tuple[str, ...]) -> None:
    done = alone().inside(*arguments, "--json")
    assert done.code == 2
    assert done.json["error"]["hint"]


def test_a_configuration_is_checked_with_all_that_it_needs(alone: Alone) -> None:
    lizi = alone()
    good = lizi.inside("config", "check", "--json")
    assert (good.code, good.json["servable"], good.json["problems"]) == (0, True, [])
    assert not (lizi.folder / "var").exists()
    missing = lizi.inside("config", "check", ACME_KEY="")
    assert missing.code == 1
    assert "env:ACME_KEY" in missing.err
    assert "hint: Set ACME_KEY" in missing.err


def test_a_broken_file_is_named_with_its_place_and_ends_with_1(alone: Alone) -> None:
    lizi = alone("[admission]\nexchanges_in_flight = 0\n")
    broken = lizi("config", "check", "--json")
    assert broken.code == 1
    (problem,) = broken.json["problems"]
    assert problem["param"] == "$.admission.exchanges_in_flight"
    assert problem["hint"]
    served = lizi("serve")
    assert (served.code, served.out) == (1, "")
    assert "exchanges_in_flight" in served.err


def test_what_is_shown_can_be_served_as_it_stands(alone: Alone) -> None:
    lizi = alone((ROOT / "examples" / "failover.toml").read_text())
    at = time.time()
    shown = lizi.inside("config", "show")
    assert parse(shown.out, at).hash == load(lizi.config, at).hash
    value = lizi.inside("config", "show", "--no-effective", "--json").json
    assert value["config_hash"] == load(lizi.config, at).hash
    assert value["config"]["partners"]["acme"]["credential"] == "env:ACME_KEY"
    assert "idle_gap_ms" not in value["config"]["deadlines"]


def test_the_starter_is_the_local_example() -> None:
    starter = Path(output.__file__).with_name("starter.toml")
    assert tomllib.loads(starter.read_text()) == tomllib.loads((ROOT / "examples" / "local.toml").read_text())


def test_local_models_are_listed_checked_and_removed(alone: Alone) -> None:
    lizi = alone()
    listed = lizi.inside("model", "list", "--json").json
    assert {row["model"]: row["here"] for row in listed} == {"smollm2-135m": False, "qwen2.5-coder-0.5b": False}
    (lizi.folder / "models").mkdir()
    (lizi.folder / "models" / "smollm2-135m.gguf").write_bytes(b"half of it")
    wrong = lizi.inside("model", "verify", "smollm2-135m")
    assert wrong.code == 1
    assert "lizi model get smollm2-135m" in wrong.err
    assert lizi.inside("model", "remove", "smollm2-135m", "--json").json == {"model": "smollm2-135m", "removed": True}
    assert lizi.inside("model", "remove", "smollm2-135m").code == 1
    unknown = lizi.inside("model", "get", "nosuch", "--json")
    assert (unknown.code, "smollm2-135m" in unknown.json["error"]["hint"]) == (1, True)


def test_a_restore_puts_the_backup_back_and_keeps_the_old_store(alone: Alone) -> None:
    lizi = alone()
    first = lizi.inside("key", "create", "notes", "--json").json["key_id"]
    assert lizi.inside("store", "backup", "copy.sqlite").code == 0
    lizi.inside("key", "create", "mail", "--json")
    done = lizi.inside("store", "restore", "copy.sqlite", "--json")
    assert done.code == 0, done.out
    assert (lizi.folder / "var" / done.json["kept"]).exists()
    assert [row["key_id"] for row in lizi.inside("key", "list", "--json").json] == [first]
    (lizi.folder / "noise").write_bytes(b"no store at all " * 100)
    foreign = lizi.inside("audit", "verify", "--store", "noise")
    assert foreign.code == 4
    assert "hint:" in foreign.err


def test_a_partner_that_is_not_there_is_unreachable_and_a_local_one_needs_the_service(alone: Alone) -> None:
    lizi = alone()
    dead = lizi.inside("partner", "ping", "acme", "--json")
    assert dead.code == 3
    assert {row["error"] for row in dead.json} == {"connect"}
    lizi.config.write_text((ROOT / "examples" / "local.toml").read_text())
    local = lizi.inside("partner", "ping", "local", "--json")
    assert (local.code, local.json["error"]["code"]) == (3, "not_running")
    assert lizi.inside("partner", "list", "--json").json[0]["health"] == "unknown"


def test_a_service_that_is_not_there_is_unreachable(alone: Alone) -> None:
    done = alone().inside("chat", "Hello", "--url", "http://127.0.0.1:9", "--key", "lz-a-b", "--json")
    assert done.code == 3
    assert json.loads(done.out)["error"]["hint"]


def test_what_reads_the_ledger_says_what_is_missing_where_there_is_none(alone: Alone) -> None:
    lizi = alone()
    for arguments in (("ledger", "report"), ("ledger", "reconcile"), ("ledger", "quote", "--as", "bolt")):
        nothing = lizi.inside(*arguments)
        assert (nothing.code, "hint: start the service once" in nothing.err) == (4, True), nothing.err


def test_the_keyring_is_rotated_while_no_service_runs_and_the_next_start_finds_it(alone: Alone) -> None:
    lizi = alone()
    folder = lizi.folder / "var" / "keyring"
    assert lizi.inside("keyring", "list", "--json").json == []
    assert "at its first start" in lizi.inside("keyring", "list").out
    assert not folder.exists(), "looking makes nothing"
    lizi.inside("key", "create", "notes")
    made = lizi.inside("keyring", "rotate", "audit-signing", "--json")
    assert (made.code, made.json["landing"]) == (0, None)
    listed = lizi.inside("keyring", "list", "--json").json
    assert [key["key_id"] for key in listed if key["purpose"] == "audit-signing" and key["current"]] == [made.json["key_id"]]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    with lizi.serving():
        assert lizi.inside("keyring", "list", "--json").json == listed
    verified = lizi.inside("audit", "verify", "--json")
    assert (verified.code, verified.json["signatures_checked"]) == (0, True)
    with Store.open(lizi.folder / "var" / "lizi.sqlite", read_only=True) as store:
        bodies = [json.loads(row[0]) for row in store.connection.execute("SELECT body FROM audit ORDER BY place")]
    told = [body["key_id"] for body in bodies if body["kind"] == "keyring"]
    assert sorted(told) == sorted(key["key_id"] for key in listed), "each once"
