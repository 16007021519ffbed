"""Every command that speaks to a running service, against a real one with two workers. Tests stand in the order of a day."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lizi.testing import Partner
from running_program import ANSWER, SECRET, Done, Program


class Service:
    def __init__(self, lizi: Program, address: str) -> None:
        self.lizi = lizi
        self.address = address
        self.key = ""
        self.key_id = ""

    def status_of(self, key: str) -> int:
        """On a connection of its own, so that any worker may take it."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=10)
        try:
            connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {key}"})
            return connection.getresponse().status
        finally:
            connection.close()

    def chat(self, *arguments: str, key: str | None = None) -> Done:
        return self.lizi("chat", *arguments, "--url", self.address, LIZI_KEY=key or self.key)


@pytest.fixture(scope="module")
def service(lizi: Program) -> Iterator[Service]:
    with lizi.serving("--json") as said:
        line = json.loads(said)
        assert said.count("\n") == 1
        assert set(line) == {"address", "pid"}
        yield Service(lizi, line["address"])


def test_a_key_is_shown_once_by_its_creation_and_nowhere_else(service: Service, lizi: Program) -> None:
    made = lizi("key", "create", "notes", "--money-per-day", "12.345678", "--requests-per-minute", "600", "--model", "assistant", "--json")
    assert made.code == 0
    service.key, service.key_id = made.json["key"], made.json["key_id"]
    assert made.json["plan"]["money_per_day_micros"] == 12_345_678
    assert made.json["landing"]["workers"] == 2
    assert {service.status_of(service.key) for _ in range(8)} == {200}
    for output in (lizi("key", "list"), lizi("key", "list", "--json")):
        assert output.code == 0
        assert service.key_id in output.out
        assert service.key.rpartition("-")[2] not in output.out + output.err
    (row,) = output.json
    assert (row["app"], row["state"]) == ("notes", "active")


def test_a_key_for_people_stands_alone_on_standard_output(service: Service, lizi: Program) -> None:
    made = lizi("key", "create", "mail")
    assert made.out.count("\n") == 1
    assert service.status_of(made.out.strip()) == 200
    assert "2 workers" in made.err


def test_chat_streams_an_answer_once(service: Service) -> None:
    done = service.chat("Tell me about otters.", "--json")
    assert done.code == 0, done.out + done.err
    assert done.json["text"] == ANSWER
    assert done.json["finish_reason"] == "stop"
    assert done.json["usage"]["completion_tokens"] == 500
    assert done.json["request_id"].startswith("rq_")
    people = service.chat("Tell me about otters.", "--system", "Be brief.", "--max-tokens", "100")
    assert people.out == ANSWER + "\n"
    assert "1000 → 500 tokens" in people.err


def test_chat_says_what_is_wrong_in_words_with_a_hint_and_a_code(service: Service) -> None:
    wrong = service.chat("Hello", "--json", key="lz-nobody-nothing")
    assert wrong.code == 2
    assert wrong.json["error"]["code"] == "invalid_api_key"
    assert wrong.json["error"]["hint"]
    model = service.chat("Hello", "--model", "silent")
    assert model.code == 2
    assert model.err.startswith("error:")
    assert "hint:" in model.err


def test_partners_are_listed_with_their_health(service: Service, lizi: Program) -> None:
    listed = lizi("partner", "list", "--json")
    seen = [(row["partner"], row["region"], row["health"]) for row in listed.json]
    assert seen == [("acme", "cn-north", "good"), ("bolt", "local", "good")]
    assert [target["logical"] for target in listed.json[0]["targets"]] == ["assistant", "silent"]
    assert "assistant → acme-7" in lizi("partner", "list").out


def test_a_ping_asks_each_target_once_and_shows_no_content(service: Service, lizi: Program, partner: Partner) -> None:
    before = len(partner.requests)
    good = lizi("partner", "ping", "acme", "--json")
    assert good.code == 0, good.out
    assert len(partner.requests) == before + 2
    assert partner.requests[-1].headers["authorization"] == f"Bearer {SECRET}"
    first, second = good.json
    assert (first["target"], first["status"], first["finish"], first["output_tokens"]) == ("acme/acme-7", "2xx", "stop", 500)
    assert first["whole_ms"] >= first["first_token_ms"] > 0
    assert (second["good"], second["output_tokens"]) == (True, None)
    assert "Otters" not in good.out


def test_a_ping_that_fails_ends_with_3_and_names_the_class(service: Service, lizi: Program) -> None:
    bad = lizi("partner", "ping", "bolt")
    assert bad.code == 3
    assert "4xx" in bad.out
    assert "failed: auth" in bad.out
    assert "hint:" in bad.err


def test_the_ledger_reports_in_decimals_for_people_and_in_micros_for_programs(service: Service, lizi: Program) -> None:
    open_key = lizi("key", "create", "silent-app").out.strip()
    assert service.chat("Hello", "--model", "silent", key=open_key).code == 0
    (notes, silent) = _until_two(lambda: lizi("ledger", "report", "--json").json)
    # Two chats of 1000 tokens in at 1000 a million and 500 out at 2000 a million.
    assert (notes["name"], notes["exchanges"], notes["charged_micros"], notes["currency"]) == ("notes", 2, 4_000_000, "CNY")
    assert (silent["name"], silent["estimated"]) == ("silent-app", 1)
    people = lizi("ledger", "report", "--by", "app")
    assert "4.00" in people.out
    assert "CNY" in people.out
    assert "≈" in people.out
    assert "estimates" in people.err
    by_partner = lizi("ledger", "report", "--by", "partner", "--json").json
    assert [row["name"] for row in by_partner] == ["acme"]


def _until_two(rows_now: Any) -> Any:
    """Rows come with the journal's next batch."""
    end = time.monotonic() + 10
    while len(rows := rows_now()) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    return rows


def test_days_are_those_of_the_ledgers_zone_and_inclusive(service: Service, lizi: Program) -> None:
    (today,) = lizi.inside("ledger", "report", "--by", "day", "--json").json
    assert lizi.inside("ledger", "report", "--by", "day", "--since", today["name"], "--until", today["name"], "--json").json == [today]
    assert lizi.inside("ledger", "report", "--until", "2026-01-01", "--json").json == []
    wrong = lizi.inside("ledger", "report", "--since", "yesterday")
    assert wrong.code == 2
    assert "hint:" in wrong.err


def test_an_old_invoice_comes_out_as_it_was_until_somebody_changes_a_price_of_the_past(service: Service, lizi: Program) -> None:
    found = lizi.inside("ledger", "reconcile", "--json")
    assert found.code == 0
    assert found.json["attempts"] > 0
    assert found.json["stored_micros"] == found.json["computed_micros"]
    text = lizi.config.read_text()
    try:
        lizi.config.write_text(text.replace('input_per_million = "1000"', 'input_per_million = "1001"'))
        changed = lizi.inside("ledger", "reconcile")
        assert (changed.code, "another amount" in changed.out) == (1, True)
        assert "hint:" in changed.err
        differs = lizi.inside("ledger", "reconcile", "--json")
        assert (differs.code, differs.json["currency"]) == (1, "CNY")
        assert 0 < differs.json["differing"] <= differs.json["attempts"]
        assert differs.json["computed_micros"] > differs.json["stored_micros"] == found.json["stored_micros"]
        before = lizi.inside("ledger", "reconcile", "--until", "2026-01-01", "--json")
        assert (before.code, before.json["attempts"]) == (0, 0), "a span without the changed price is as it was"
    finally:
        lizi.config.write_text(text)


def test_the_keyring_rotates_under_a_running_service_and_the_chain_still_verifies(service: Service, lizi: Program) -> None:
    before = {key["key_id"]: key for key in lizi("keyring", "list", "--json").json}
    assert {key["purpose"] for key in before.values()} == {"audit-signing", "idempotency", "state"}
    for purpose in ("audit-signing", "idempotency", "state"):
        done = lizi.inside("keyring", "rotate", purpose, "--json")
        assert (done.code, done.json["purpose"], done.json["landing"]["workers"]) == (0, purpose, 2)
        assert done.json["key_id"] not in before
    after = lizi.inside("keyring", "list", "--json").json
    assert sorted((key["purpose"], key["current"]) for key in after) == sorted(
        (purpose, current) for purpose in ("audit-signing", "idempotency", "state") for current in (False, True)
    )
    secrets = [json.loads(path.read_text())["secret"] for path in (lizi.folder / "var" / "keyring").glob("*.json")]
    assert len(secrets) == 6
    people = lizi.inside("keyring", "list")
    assert all(key["key_id"] in people.out for key in after)
    assert not any(secret in people.out + people.err + json.dumps(after) for secret in secrets)
    assert service.status_of(service.key) == 200
    assert lizi.inside("audit", "verify").code == 0
    spoken = lizi.inside("keyring", "rotate", "audit-signing")
    assert "on 2 workers" in spoken.out
    assert "still verify" in " ".join(spoken.err.split())
    assert lizi.inside("keyring", "rotate", "app").code == 2


def test_the_past_is_quoted_at_another_partners_prices(service: Service, lizi: Program) -> None:
    quote = lizi.inside("ledger", "quote", "--as", "bolt", "--json").json
    assert quote["quoted_micros"] == 3 * quote["charged_micros"]
    assert (quote["unpriced"], quote["estimated"]) == (0, 1)
    assert "at bolt's prices" in lizi.inside("ledger", "quote", "--as", "bolt", "--model", "bolt-broken", "--until", "2027-12-31").out
    nobody = lizi.inside("ledger", "quote", "--as", "nobody")
    assert nobody.code == 1
    assert "hint:" in nobody.err


def test_a_rotation_gives_a_second_key_and_the_old_one_an_end(service: Service, lizi: Program) -> None:
    made = lizi("key", "rotate", service.key_id, "--overlap-hours", "0", "--json")
    assert made.json["replaces"] == service.key_id
    assert made.json["replaced_ends_at"] <= time.time()
    assert made.json["plan"]["money_per_day_micros"] == 12_345_678
    assert {service.status_of(service.key) for _ in range(8)} == {401}
    service.key, service.key_id = made.json["key"], made.json["key_id"]
    assert {service.status_of(service.key) for _ in range(8)} == {200}


def test_a_revoked_key_is_refused_on_both_workers_within_a_second(service: Service, lizi: Program) -> None:
    gone = lizi("key", "revoke", service.key_id, "--json")
    assert gone.code == 0
    assert (gone.json["landing"]["workers"], gone.json["landing"]["killed"]) == (2, 0)
    assert gone.json["landing"]["elapsed_ms"] < 1000
    assert {service.status_of(service.key) for _ in range(16)} == {401}
    assert "is refused on 2 workers after" in lizi("key", "revoke", service.key_id).out


def test_an_unknown_key_is_a_no_and_a_whole_key_is_never_repeated(service: Service, lizi: Program) -> None:
    assert lizi("key", "revoke", "nosuchkey", "--json").json["error"]["code"] == "not_found"
    whole = lizi("key", "revoke", service.key)
    assert whole.code == 2
    assert service.key not in whole.out + whole.err


def test_a_reader_that_leaves_early_gets_no_traceback(service: Service, lizi: Program) -> None:
    command = f"{sys.executable} -m lizi key list --json | head -1; {sys.executable} -m lizi key list --json | true"
    done = subprocess.run(command, shell=True, cwd=lizi.folder, env=lizi.environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "[\n"
    assert done.stderr == ""


def test_the_store_is_backed_up_while_serving_and_the_copy_verifies(service: Service, lizi: Program) -> None:
    done = lizi("store", "backup", "copy.sqlite", "--json")
    assert done.code == 0, done.out
    assert done.json["records"] >= 3
    again = lizi("store", "backup", "copy.sqlite")
    assert again.code == 4
    assert "hint:" in again.err
    verdict = lizi("audit", "verify", "--store", "copy.sqlite", "--json")
    assert (verdict.code, verdict.json["whole"], verdict.json["signatures_checked"]) == (0, True, True)
    live = lizi("audit", "verify")
    assert live.code == 0
    assert "whole" in live.out


def test_a_tampered_copy_is_named_at_its_first_broken_record(service: Service, lizi: Program) -> None:
    shutil.copy(lizi.folder / "copy.sqlite", lizi.folder / "tampered.sqlite")
    with sqlite3.connect(lizi.folder / "tampered.sqlite") as connection:
        query = 'SELECT place, body FROM audit WHERE instr(CAST(body AS TEXT), \'"app":"notes"\') ORDER BY place'
        place, body = connection.execute(query).fetchone()
        connection.execute("UPDATE audit SET body = ? WHERE place = ?", (body.replace(b'"app":"notes"', b'"app":"other"'), place))
    connection.close()
    verdict = lizi.inside("audit", "verify", "--store", "tampered.sqlite", "--json")
    assert verdict.code == 1
    broken = verdict.json["broken"]
    assert (broken["why"], broken["seq"]) == ("changed", place & ((1 << 40) - 1))
    people = lizi.inside("audit", "verify", "--store", "tampered.sqlite")
    assert people.code == 1
    assert f"record {broken['seq']} of chain {broken['chain']}: changed" in people.out


def test_a_restore_is_refused_while_serving(service: Service, lizi: Program) -> None:
    refused = lizi("store", "restore", "copy.sqlite", "--json")
    assert refused.code == 4
    assert "running" in refused.json["error"]["message"]
    assert refused.json["error"]["hint"]


def test_a_second_service_on_the_same_data_is_refused(service: Service, lizi: Program) -> None:
    second = lizi("serve")
    assert second.code == 4
    assert "hint:" in second.err


def test_nothing_that_was_said_stands_in_the_services_log(service: Service, lizi: Program) -> None:
    log = (lizi.folder / "log").read_text()
    assert not any(text in log for text in (SECRET, "otters", "Otters", service.key))


def test_the_folder_of_the_service_shows_nothing_to_others(service: Service, lizi: Program) -> None:
    names: list[Path] = [lizi.folder / "var" / name for name in ("admin.sock", "admin.token", "lizi.sqlite")]
    assert {os.stat(path).st_mode & 0o077 for path in names} == {0}
