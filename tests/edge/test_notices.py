"""`GET /v1/notices` over the real supervisor and worker: by an app's key, following who is active, hidden everywhere else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lizi.edge.supervisor import Supervisor
from lizi.testing import Behaviour, Partner
from lizi.types import Plan

CONFIG = """
[server]
listen = "127.0.0.1:0"
grace_ms = 0
drain_ms = 1000
[metering]
unpriced = "free"
[records.filed]
title = "Filed"
[[records.filed.models]]
model = "filed-*"
since = 2020-01-01
filing = "Record-2026-0009"
[partners.acme]
base_url = "{base_url}"
[partners.bolt]
base_url = "{base_url}"
dialect = "filed"
[models.assistant]
targets = [{{ partner = "acme", model = "acme-7", markets = ["CN", "HK"] }}]
[models.writer]
targets = [{{ partner = "bolt", model = "filed-2", markets = ["CN"] }}, {{ partner = "acme", model = "acme-7", markets = ["HK"] }}]
[features."writing.proofread"]
model = "assistant"
[features."writing.rewrite"]
model = "writer"
[[notices]]
market = "CN"
partner = "acme"
model = "acme-*"
name = "某某大模型"
number = "Example-2026-0007"
filed = 2026-02-03
authority = {{ zh-Hans = "某省网信办", en = "an example's authority" }}
"""


class Stage:
    """A running service, and what a device asks of it."""

    def __init__(self, supervisor: Supervisor, session: aiohttp.ClientSession) -> None:
        self.supervisor, self.session, self.key = supervisor, session, ""

    async def ask(self, query: str = "?market=CN", *, path: str = "/v1/notices", key: str | None = None, **headers: str) -> tuple[int, Any]:
        sent = {"authorization": f"Bearer {self.key if key is None else key}", "connection": "close"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(self.supervisor.address + path + query, headers=sent) as answer:
            return answer.status, await answer.json(content_type=None)

    async def numbers(self, query: str = "?market=CN", *, key: str | None = None) -> list[str]:
        status, body = await self.ask(query, key=key)
        assert status == 200, body
        return [notice["number"] for notice in body["notices"]]

    async def new_key(self, **plan: Any) -> str:
        shown, _, _ = await self.supervisor.create_key("notes", Plan(**plan))
        return shown


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    path = tmp_path / "lizi.toml"
    with Partner(Behaviour(text="Tea.")) as partner:
        path.write_text(CONFIG.format(base_url=partner.base_url))
        supervisor = Supervisor(path)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
            try:
                await supervisor.start()
                stage = Stage(supervisor, session)
                stage.key = await stage.new_key()
                yield stage
            finally:
                await supervisor.close()


@pytest.mark.requirement("S41")
async def test_a_notice_says_what_was_filed_and_what_it_stands_behind_in_the_language_asked_for(stage: Stage) -> None:
    status, body = await stage.ask(accept_language="en-GB, zh;q=0.5")
    assert (status, body["market"], body["locale"]) == (200, "CN", "en")
    acme, bolt = body["notices"]
    assert (acme["name"], acme["number"], acme["filed_on"], acme["authority"]) == (
        "某某大模型",
        "Example-2026-0007",
        "2026-02-03",
        "an example's authority",
    )
    assert (acme["models"], acme["features"]) == (["assistant"], ["writing.proofread"])
    assert (bolt["name"], bolt["number"], bolt["features"]) == ("filed-2", "Record-2026-0009", ["writing.rewrite"])
    assert (await stage.ask("?market=CN&locale=zh-Hant"))[1]["notices"][0]["authority"] == "某省网信办"
    assert (await stage.ask())[1]["locale"] == "zh-Hans"
    text = json.dumps(body, ensure_ascii=False)
    assert "acme" not in text, "who the partner is beyond what was filed is not said"


async def test_only_partners_that_are_active_for_the_market_are_shown(stage: Stage) -> None:
    assert await stage.numbers("?market=HK") == []
    assert await stage.numbers() == ["Example-2026-0007", "Record-2026-0009"]
    await stage.supervisor.move_partner("acme", "retired", by="li.hua", why="trial", force=True)
    assert await stage.numbers() == ["Record-2026-0009"]
    await stage.supervisor.move_partner("acme", "candidate", by="li.hua", why="trial", force=True)
    examiner = await stage.new_key(synthetic=True)
    assert await stage.numbers(key=examiner) == ["Record-2026-0009"], "a candidate answers no user"


async def test_a_key_is_shown_what_it_may_ask_for_and_its_own_market(stage: Stage) -> None:
    key = await stage.new_key(models=frozenset({"writer"}), market="CN")
    assert await stage.numbers("", key=key) == ["Record-2026-0009"]


async def test_it_asks_for_an_apps_key_as_the_list_of_models_does(stage: Stage) -> None:
    for path in ("/v1/notices", "/v1/models"):
        status, body = await stage.ask(path=path, key="nobody")
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?market=XX", "unsupported_market"),
        ("", "invalid_request"),
        ("?market=CN&market=HK", "invalid_request"),
        ("?market=CN&locale=fr", "unsupported_locale"),
        ("?market=CN&user=7", "unknown_field"),
        ("?" + "&".join(f"a{number}=1" for number in range(50)), "invalid_request"),
    ],
)
async def test_a_question_that_makes_no_sense_is_a_typed_400(stage: Stage, query: str, code: str) -> None:
    status, body = await stage.ask(query)
    assert (status, body["error"]["code"]) == (400, code)
    assert body["error"]["request_id"].startswith("rq_")


async def test_a_notice_of_a_partner_that_is_not_there_is_refused_with_its_path(stage: Stage) -> None:
    from lizi.errors import ConfigError

    path = stage.supervisor.path
    path.write_text(path.read_text().replace('partner = "acme"\nmodel = "acme-*"', 'partner = "acne"\nmodel = "acme-*"'))
    with pytest.raises(ConfigError) as caught:
        await stage.supervisor.reload()
    assert caught.value.param == "$.notices[0].partner"
