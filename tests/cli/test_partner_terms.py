"""Terms by command: a key is made, a record signed, shown and checked; what is wrong is said, and no private key is."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from running_program import Program

Alone = Callable[..., Program]
TODAY = datetime.now(UTC).date()
FILE = """
[metering]
unpriced = "free"
[veil]
terms = "required"
{keys}
[partners.acme]
base_url = "https://api.acme.example/v1"
region = "cn-north"
{terms}
[models.assistant]
targets = [{{ partner = "acme", model = "large", capabilities = ["images"] }}]
"""


def record(folder: Path, *, days: int = 400, since: int = -30, data: str = '["text"]', training: str = "false") -> Path:
    path = folder / "acme.toml"
    path.write_text(
        f'partner = "acme"\ndata = {data}\nregions = ["cn-north"]\nretention_days = 7\ntraining = {training}\n'
        f'contract = "A-17"\nsince = {TODAY + timedelta(since)}\nuntil = {TODAY + timedelta(days)}\n'
    )
    return path


@pytest.fixture
def lizi(alone: Alone) -> Program:
    return alone(FILE.format(keys="", terms=""))


def signed(lizi: Program, **fields: object) -> str:
    """The way through all of it: key, record, signature, configuration. Returns the public key."""
    made = lizi.inside("partner", "terms", "key", "--to", "legal", "--json")
    public: str = made.json["public"]
    record(lizi.folder, **fields)  # type: ignore[arg-type]
    done = lizi.inside("partner", "terms", "sign", "acme.toml", "--key", "file:legal")
    assert done.code == 0, done.err
    lizi.config.write_text(FILE.format(keys=f'[veil.terms_keys]\nlegal = "{public}"', terms='terms = "acme.toml"'))
    return public


def test_a_signed_record_is_shown_checked_and_listed(lizi: Program) -> None:
    public = signed(lizi)
    shown = lizi.inside("partner", "terms", "show", "acme", "--json").json
    assert (shown["contract"], shown["data"], shown["regions"]) == ("A-17", ["text"], ["cn-north"])
    assert (shown["retention_days"], shown["training"], shown["signed_by"]) == (7, False, public)
    assert shown["hash"].startswith(shown["short"])
    assert lizi.inside("partner", "terms", "verify", "acme.toml").code == 0
    assert lizi.inside("partner", "terms", "verify", "acme.toml", "--public", public).code == 0
    (row,) = lizi.inside("partner", "list", "--json").json
    assert (row["terms_hash"], row["terms_days"]) == (shown["short"], 399)
    assert "until" in row["terms"]
    assert "forbidden" in lizi.inside("partner", "terms", "show", "acme").out


def test_the_private_key_is_for_its_owner_alone_and_never_printed(lizi: Program) -> None:
    said = lizi.inside("partner", "terms", "key", "--to", "legal")
    private = (lizi.folder / "legal").read_text().strip()
    assert (lizi.folder / "legal").stat().st_mode & 0o777 == 0o600
    record(lizi.folder)
    done = lizi.inside("partner", "terms", "sign", "acme.toml", "--key", "file:legal")
    assert private not in said.out + said.err + done.out + done.err
    by_variable = lizi.inside("partner", "terms", "sign", "acme.toml", "--key", "env:TERMS_KEY", TERMS_KEY=private)
    assert by_variable.code == 0
    again = lizi.inside("partner", "terms", "key", "--to", "legal")
    assert (again.code, (lizi.folder / "legal").read_text().strip()) == (2, private), "a key that is there is not written over"


def test_a_changed_record_is_refused_by_every_command_that_would_use_it(lizi: Program) -> None:
    signed(lizi)
    path = lizi.folder / "acme.toml"
    path.write_text(path.read_text().replace('["text"]', '["text", "image"]'))
    for command in (("partner", "terms", "verify", "acme.toml", "--public", "A" * 43 + "="), ("config", "check"), ("partner", "list")):
        done = lizi.inside(*command)
        assert done.code != 0
        assert "no trusted key" in done.err


def test_what_can_not_be_used_is_not_signed(lizi: Program) -> None:
    lizi.inside("partner", "terms", "key", "--to", "legal")
    for wrong in ({"days": -60}, {"data": '["everything"]'}):
        record(lizi.folder, **wrong)  # type: ignore[arg-type]
        assert lizi.inside("partner", "terms", "sign", "acme.toml", "--key", "file:legal").code == 1
    assert not (lizi.folder / "acme.toml.sig").exists()


def test_terms_that_end_soon_or_are_over_are_told(lizi: Program) -> None:
    signed(lizi, days=5)
    listed = lizi.inside("partner", "list")
    assert "WARNING: the terms of 'acme'" in listed.err
    assert lizi.inside("partner", "terms", "verify", "acme.toml").code == 0
    (lizi.folder / "legal").unlink()
    signed(lizi, days=-1)
    assert lizi.inside("partner", "terms", "verify", "acme.toml").code == 1
    assert "ended on" in lizi.inside("partner", "list", "--json").json[0]["terms"]


@pytest.mark.parametrize(
    ("fields", "options", "state", "says"),
    [
        ({}, (), "asked", ""),
        ({}, ("--images",), "data", "don't allow image"),
        ({}, ("--data", "personal"), "data", "don't allow personal"),
        ({"days": -1}, (), "terms", "ended on"),
        ({"since": 3}, (), "terms", "begin on"),
        ({"training": "true"}, (), "terms", "allow training"),
    ],
)
def test_route_explain_says_which_term(lizi: Program, fields: dict[str, object], options: tuple[str, ...], state: str, says: str) -> None:
    signed(lizi, **fields)
    done = lizi.inside("route", "explain", "assistant", *options, "--json")
    (target,) = done.json["targets"]
    assert (target["state"], done.code) == (state, 0 if state == "asked" else 1)
    assert says in target["reason"]


def test_route_explain_says_that_there_are_none_and_knows_the_classes(lizi: Program) -> None:
    (target,) = lizi.inside("route", "explain", "assistant", "--json").json["targets"]
    assert (target["place"], target["state"]) == (None, "terms")
    assert 'has no terms, and the configuration says [veil] terms = "required"' in target["reason"]
    assert lizi.inside("route", "explain", "assistant", "--data", "secrets").code == 2
    assert lizi.inside("partner", "terms", "show", "acme").code == 1
    assert "no users' traffic" in lizi.inside("partner", "list", "--json").json[0]["terms"]


def test_adding_a_foreign_partner_says_required_where_the_file_says_nothing(alone: Alone) -> None:
    lizi = alone('[metering]\nunpriced = "free"\n')
    add = ("partner", "add", "ali", "--dialect", "qwen", "--region", "cn", "--model", "qwen-plus", "--credential", "env:ACME_KEY")
    done = lizi.inside(*add)
    assert done.code == 0, done.err
    assert 'terms = "required"' in lizi.config.read_text()
    assert "nothing of users'" in done.err
    lizi = alone('[metering]\nunpriced = "free"\n[veil]\nterms = "optional"\n')
    assert lizi.inside(*add).code == 0
    assert 'terms = "optional"' in lizi.config.read_text()
    lizi = alone('[metering]\nunpriced = "free"\n')
    assert lizi.inside("partner", "add", "own", "--dialect", "vllm", "--base-url", "http://127.0.0.1:9/v1", "--model", "m").code == 0
    assert "veil" not in lizi.config.read_text()


def test_the_configuration_is_shown_without_what_its_files_say(lizi: Program) -> None:
    signed(lizi)
    shown = lizi.inside("config", "show", "--json").json["config"]
    assert "agreed" not in shown
    assert shown["partners"]["acme"]["terms"] == "acme.toml"
    assert json.dumps(shown)
