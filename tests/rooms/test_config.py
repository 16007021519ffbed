"""The configuration: strict, exact about what is wrong, hashed, free of secrets."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from lizi.callers import mint
from lizi.config import Config, build_house, critical, lacking, load, parse
from lizi.errors import ConfigError
from lizi.routing import Traffic
from lizi.terms import public_key, sign
from lizi.types import LaneLimits, Plan

NOW = 1_800_000_000.0
GOOD = """
[metering]
unpriced = "free"

[veil]
terms = "optional"

[partners.acme]
base_url = "https://api.acme.example/v1"
credential = "env:ACME_KEY"
region = "cn-north"

[partners.house]
embedded = "smollm2-135m"

[models.writer]
targets = [
    { partner = "acme", model = "acme-large", capabilities = ["tools", "json_schema"], strict_schema = true },
    { partner = "house", model = "smollm2-135m", context_tokens = 2048 },
]

[features."writing.proofread"]
model = "writer"
locales = ["en"]
"""


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text, NOW)
    return caught.value


def test_an_empty_file_is_the_defaults() -> None:
    assert parse("", NOW) == Config()


def test_a_file_becomes_the_corridors_house() -> None:
    config = parse(GOOD, NOW)
    _, record = mint("notes", Plan(), NOW, bytes(38))
    urls = {"house": "http://127.0.0.1:9/v1"}
    house = build_house(config, [record], idempotency_key=b"k" * 32, traffic=Traffic(config.routing), base_urls=urls, at=NOW)
    first, second = house.routes["writer"].targets
    assert (first.base_url, first.region) == ("https://api.acme.example/v1", "cn-north")
    assert (first.credential, first.strict_schema) == ("env:ACME_KEY", True)
    assert (second.base_url, second.price_key, second.context_tokens) == ("http://127.0.0.1:9/v1", "house/smollm2-135m", 2048)
    assert house.features == {"writing.proofread": "writer"}
    assert house.locales == {"writing.proofread": ("en",)}
    assert house.deadlines.first_token_s == 30.0
    assert house.config_hash == config.hash
    assert len(house.callers) == 1


def test_a_target_carries_its_rank_its_markets_and_the_limits_of_its_lane() -> None:
    lanes = 'lane = { concurrency = 9 }\nlanes = { "acme-large" = { growth_percent = 50 } }'
    text = GOOD.replace('region = "cn-north"', f'region = "cn-north"\n{lanes}')
    text = text.replace("strict_schema = true", 'strict_schema = true, rank = 2, markets = ["CN"]')
    text += '[models.other]\nstrategy = "balanced"\ntargets = [{ partner = "acme", model = "acme-small" }]\n'
    config = parse(text, NOW)
    routes = build_house(config, [], idempotency_key=b"k" * 32, traffic=Traffic(config.routing), base_urls={}, at=NOW).routes
    large, embedded = routes["writer"].targets
    assert (large.rank, large.markets, large.lane) == (2, frozenset({"CN"}), LaneLimits(growth_percent=50))
    assert (embedded.rank, embedded.markets, embedded.lane) == (0, frozenset(), LaneLimits())
    assert (routes["other"].strategy, routes["other"].targets[0].lane) == ("balanced", LaneLimits(concurrency=9))


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("[admission]\nexchanges_in_fligth = 3", "$.admission", "exchanges_in_fligth"),
        ("[server]\nworkers = 0", "$.server.workers", ">= 1"),
        ("[server]\nworkers = '2'", "$.server.workers", "int"),
        ("[store]\ndurability = 'never'", "$.store.durability", "never"),
        ("[partners.Acme]\nbase_url = 'https://a.example/v1'", "$.partners.Acme", "matching regex"),
        ("[partners.a]", "$.partners.a", "base_url or embedded"),
        ("[partners.a]\nbase_url = 'https://a.example/v1'\nembedded = 'm'", "$.partners.a", "base_url or embedded"),
        ("[partners.a]\nbase_url = 'ftp://a.example'", "$.partners.a.base_url", "https://"),
        ("[partners.a]\nbase_url = 'https://a.example/v1/'", "$.partners.a.base_url", "slash"),
        ("[partners.a]\nbase_url = 'https://a.example/v1'\ncredential = 'sk-secret'", "$.partners.a.credential", "regex"),
        ("[models.m]\ntargets = []", "$.models.m.targets", "length >= 1"),
        ("[models.m]\ntargets = [{ partner = 'nobody', model = 'm' }]", "$.models.m.targets[0].partner", "no partner"),
        ("[features.'writing.proofread']\nmodel = 'nothing'", '$.features."writing.proofread".model', "no model"),
        ("[features.'writing.poem']\nmodel = 'm'", "$.features.writing.poem", "writing.poem"),
        ("[server]\ntls_certificate = 'cert.pem'", "$.server", "both"),
        ("[partners.a]\nbase_url = 'https://a.example/v1'\nlane = { requests = 5 }", "$.partners.a.lane", "requests"),
        ("[partners.a]\nbase_url = 'https://a.example/v1'\nlanes = { large = { concurrency = 5 } }", "$.partners.a.lanes", "no target"),
    ],
)
def test_a_mistake_is_named_with_its_path(text: str, path: str, says: str) -> None:
    error = refusal(text)
    assert (error.param or "").startswith(path) or path in str(error), str(error)
    assert says in str(error)
    assert error.hint


def test_a_syntax_error_is_named_with_its_line() -> None:
    assert "line 2" in str(refusal("[server]\nworkers =\n"))


def test_a_target_without_a_price_is_refused_unless_free_is_written() -> None:
    error = refusal(GOOD.replace('unpriced = "free"', ""))
    assert "acme/acme-large" in str(error)


def test_a_secret_in_the_file_is_refused_without_being_repeated() -> None:
    error = refusal("[partners.a]\nbase_url = 'https://a.example/v1'\ncredential = 'sk-very-secret'")
    assert "sk-very-secret" not in str(error)


def test_the_hash_covers_the_defaults_and_every_change() -> None:
    assert parse("", NOW).hash == parse("[server]\nworkers = 1", NOW).hash
    assert parse("", NOW).hash != parse("[server]\nworkers = 2", NOW).hash
    assert len(parse("", NOW).hash) == 64


def test_load_reads_a_file_and_names_one_that_it_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "lizi.toml"
    path.write_text(GOOD)
    assert load(path, NOW) == parse(GOOD, NOW)
    with pytest.raises(ConfigError, match=r"missing\.toml can't be read"):
        load(tmp_path / "missing.toml", NOW)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(path, NOW)


# --- partner terms -----------------------------------------------------------------------------

FOREIGN = '[metering]\nunpriced = "free"\n[partners.acme]\nbase_url = "https://api.acme.example/v1"\n'


def test_a_partner_without_terms_asks_for_the_switch_and_the_switch_has_no_default() -> None:
    error = refusal(FOREIGN)
    assert error.param == "$.veil.terms"
    assert '"required"' in str(error.hint)
    assert '"optional"' in str(error.hint)
    for said in ("required", "optional"):
        assert parse(f'{FOREIGN}[veil]\nterms = "{said}"', NOW).veil.terms == said
    assert parse(FOREIGN + 'terms = "acme.toml"', NOW).veil.terms is None


@pytest.mark.parametrize(
    ("partner", "own"),
    [
        ('embedded = "smollm2-135m"', True),
        ('base_url = "http://127.0.0.1:9/v1"', True),
        ('base_url = "http://[::1]:9/v1"', True),
        ('base_url = "http://localhost:9/v1"', True),
        ('base_url = "https://models.house.example/v1"\nown = true', True),
        ('base_url = "https://models.house.example/v1"\nprivate_network = true', False),
        ('base_url = "http://10.0.0.7/v1"', False),
        ('base_url = "https://localhost.example/v1"', False),
    ],
)
def test_only_the_makers_own_machines_need_no_terms(partner: str, own: bool) -> None:
    text = f"[partners.p]\n{partner}\n"
    if own:
        assert parse(text, NOW).veil.terms is None
    else:
        assert refusal(text).param == "$.veil.terms"
    assert lacking(parse(f'{text}[veil]\nterms = "required"', NOW)) == (set() if own else {"p"})
    assert lacking(parse(f'{text}[veil]\nterms = "optional"', NOW)) == set()


PRIVATE = base64.b64encode(bytes(32)).decode()
AGREED = (
    'partner = "acme"\ndata = ["text"]\nregions = ["cn-north"]\nretention_days = 0\ntraining = false\ncontract = "A-17"\n'
    "since = 2026-01-01\nuntil = 2028-01-01\n"
)


def with_terms(folder: Path, record: str = AGREED, signature: str | None = None) -> Path:
    (folder / "terms").mkdir(exist_ok=True)
    (folder / "terms" / "acme.toml").write_text(record)
    (folder / "terms" / "acme.toml.sig").write_text(signature or sign(record.encode(), PRIVATE))
    path = folder / "lizi.toml"
    keys = f'[veil]\nterms = "required"\n[veil.terms_keys]\nlegal = "{public_key(PRIVATE)}"\n'
    path.write_text(FOREIGN + 'region = "cn-north"\nterms = "terms/acme.toml"\n' + keys)
    return path


def test_terms_are_read_beside_the_file_and_change_its_hash(tmp_path: Path) -> None:
    path = with_terms(tmp_path)
    config = load(path, NOW)
    assert (config.agreed["acme"].contract, lacking(config)) == ("A-17", set())
    with_terms(tmp_path, AGREED.replace("A-17", "A-18"))
    assert load(path, NOW).hash != config.hash


def test_terms_that_are_not_there_or_not_signed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no trusted key"):
        load(with_terms(tmp_path, signature=sign(b"something else", PRIVATE)), NOW)
    path = with_terms(tmp_path)
    (tmp_path / "terms" / "acme.toml.sig").unlink()
    with pytest.raises(ConfigError, match=r"'acme', or FILE\.sig beside them, can't be read") as caught:
        load(path, NOW)
    assert caught.value.param == "$.partners.acme.terms"


def test_terms_come_from_signed_files_only_and_never_from_the_configuration_itself() -> None:
    assert "agreed" in str(refusal("[agreed.acme]\ncontract = 'A-17'"))


def test_what_is_critical_counts_only_partners_whose_terms_hold(tmp_path: Path) -> None:
    path = with_terms(tmp_path)
    path.write_text(path.read_text() + '[models.m]\ncritical = true\ntargets = [{ partner = "acme", model = "m" }]\n')
    config = load(path, NOW)
    ended = config.agreed["acme"].until_at
    assert [critical(config, {}, at)["m"] for at in (ended - 1, ended)] == [["acme"], []]
    assert critical(parse(path.read_text(), NOW), {}, NOW)["m"] == []
