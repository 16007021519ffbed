"""A partner is written into the configuration, and nothing else in it changes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from lizi.config import load
from running_program import Done, Program

Alone = Callable[..., Program]
NOWHERE = "http://127.0.0.1:9/v1"
FILE = """# our service
[server]
listen = "127.0.0.1:8080"  # behind nginx

[metering]
unpriced = "free"

[partners.house]
base_url = "http://127.0.0.1:9/v1"

[models.assistant]
# the order is the order of asking
targets = [
    { partner = "house", model = "own-7" },  # cheap
]
"""


def add(lizi: Program, *more: str) -> Done:
    return lizi("partner", "add", "ali", "--dialect", "qwen", "--model", "qwen-plus", "--credential", "env:QWEN_KEY", *more)


def test_a_partner_is_added_last_or_first_and_comments_stay(alone: Alone) -> None:
    for more, order in (((), ["house", "ali"]), (("--first",), ["ali", "house"])):
        lizi = alone(FILE)
        done = add(lizi, "--region", "cn", *more)
        assert done.code == 0, done.err
        text = lizi.config.read_text()
        for line in FILE.splitlines():
            assert line in text
        config = load(lizi.config, time.time())
        assert [target.partner for target in config.models["assistant"].targets] == order
        partner = config.partners["ali"]
        assert (partner.dialect, partner.region, partner.credential) == ("qwen", "cn", "env:QWEN_KEY")
        assert partner.base_url == "https://dashscope.aliyuncs.com/compatible-mode/v1"
        assert partner.state == "candidate", "users' traffic does not go to it yet"


def test_a_file_that_is_not_there_yet_is_made(alone: Alone) -> None:
    lizi = alone(FILE)
    lizi.config.unlink()
    assert add(lizi, "--region", "sg", "--as", "writer", "--free").code == 0
    assert load(lizi.config, time.time()).models["writer"].targets[0].model == "qwen-plus"


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        ((), 2, "--region (cn, sg, us)"),
        (("--region", "mars"), 2, "--region (cn, sg, us)"),
        (("--region", "cn", "--dialect", "qwem"), 2, "no record 'qwem'"),
        (("--region", "cn", "--credential", "sk-123"), 2, "env:NAME or file:PATH"),
        (("--base-url", "ftp://127.0.0.1/v1"), 1, "was not touched"),
    ],
)
def test_what_would_not_load_is_not_written(alone: Alone, more: tuple[str, ...], code: int, says: str) -> None:
    lizi = alone(FILE)
    done = add(lizi, *more)
    assert done.code == code
    assert says in done.out + done.err
    assert lizi.config.read_text() == FILE


def test_a_model_without_a_price_is_a_hint_and_not_a_surprise_on_the_bill(alone: Alone) -> None:
    lizi = alone(FILE.replace('unpriced = "free"', ""))
    price = '[[metering.prices]]\nkey = "house/own-7"\nfrom = 2026-01-01\n'
    lizi.config.write_text(price + lizi.config.read_text().replace("[metering]", ""))
    done = add(lizi, "--region", "cn")
    assert done.code == 1
    assert "ali/qwen-plus" in done.err
    assert "--free" in done.err


def test_a_record_of_ones_own_gives_its_address_and_knows_its_models(alone: Alone) -> None:
    own = '[records.acme]\ntitle = "Acme"\naddresses = { cn = "http://127.0.0.1:9/v2" }\n'
    entry = '[[records.acme.models]]\nmodel = "acme-*"\nsince = 2026-01-01\ntools = true\nschema = "json_object"\n'
    lizi = alone(FILE + own + entry)
    done = lizi("partner", "add", "bolt", "--dialect", "acme", "--model", "acme-large", "--credential", "env:ACME_KEY", "--json")
    assert done.code == 0, done.err
    said = done.json
    assert (said["base_url"], said["region"], said["known"]) == ("http://127.0.0.1:9/v2", "cn", True)
    assert said["capabilities"] == ["json_object", "tools"]


def test_a_record_of_ones_own_that_would_not_load_is_said_to_be_so(alone: Alone) -> None:
    lizi = alone(FILE + '[records.acme]\ntitle = "Acme"\ndialect = { finish = {} }\n')
    done = lizi("partner", "add", "bolt", "--dialect", "acme", "--model", "acme-1", "--base-url", NOWHERE)
    assert done.code == 1
    assert "$.records.acme" in done.err and "`finish`" in done.err


def test_the_same_name_twice_is_refused(alone: Alone) -> None:
    lizi = alone(FILE)
    assert add(lizi, "--region", "cn").code == 0
    again = add(lizi, "--region", "cn")
    assert (again.code, "already" in again.err) == (2, True)
