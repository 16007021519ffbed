"""Terms over the real supervisor: recorded when they come into use and when they change, counted down, warned about."""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_service import serving, write
from lizi.edge import partners
from lizi.edge.store import Store
from lizi.errors import ConfigError
from lizi.terms import public_key, sign

PRIVATE = base64.b64encode(bytes(32)).decode()
TODAY = datetime.now(UTC).date()


def agree(folder: Path, *, days: int = 400, contract: str = "A-17", since: int = -30) -> None:
    """Signed terms of acme beside the configuration, which names them."""
    record = (
        f'partner = "acme"\ndata = ["text"]\nregions = ["local"]\nretention_days = 0\ntraining = false\ncontract = "{contract}"\n'
        f"since = {TODAY + timedelta(since)}\nuntil = {TODAY + timedelta(days)}\n"
    )
    (folder / "acme.toml").write_text(record)
    (folder / "acme.toml.sig").write_text(sign(record.encode(), PRIVATE))


def configured(folder: Path, *, named: bool = True) -> Path:
    path = write(folder, workers=1)
    text = path.read_text()
    if named:
        text = text.replace("[partners.acme]", '[partners.acme]\nterms = "acme.toml"')
    path.write_text(f'{text}[veil.terms_keys]\nlegal = "{public_key(PRIVATE)}"\n')
    return path


def recorded(folder: Path) -> list[dict[str, Any]]:
    """What the chain says of terms."""
    with closing(sqlite3.connect(folder / "var" / "lizi.sqlite")) as connection:
        bodies = [json.loads(body) for (body,) in connection.execute("SELECT body FROM audit ORDER BY place")]
    return [body for body in bodies if body["kind"] == "terms"]


async def test_terms_stand_in_the_chain_when_they_come_into_use_change_and_go(tmp_path: Path) -> None:
    agree(tmp_path)
    path = configured(tmp_path)
    async with serving(path) as service:
        (first,) = recorded(tmp_path)
        terms = service.supervisor.config.agreed["acme"]
        assert (first["partner"], first["terms"], first["was"], first["contract"]) == ("acme", terms.hash, None, "A-17")
        assert (first["signed_by"], first["by"]) == (public_key(PRIVATE), "configuration")
        await service.supervisor.reload()
        assert len(recorded(tmp_path)) == 1, "the same terms are no news"
        agree(tmp_path, contract="A-18")
        await service.supervisor.reload()
        assert [body["contract"] for body in recorded(tmp_path)] == ["A-17", "A-18"]
        assert recorded(tmp_path)[1]["was"] == terms.hash
    async with serving(path):
        assert len(recorded(tmp_path)) == 2, "a restart is no news either"
    configured(tmp_path, named=False)
    async with serving(path):
        assert [body["terms"] is None for body in recorded(tmp_path)] == [False, False, True]
    with Store.open(tmp_path / "var" / "lizi.sqlite", read_only=True) as store:
        assert store.partner_terms() == {"acme": None}


async def test_a_reload_with_terms_that_nobody_signed_changes_nothing(tmp_path: Path) -> None:
    agree(tmp_path)
    async with serving(configured(tmp_path)) as service:
        before = service.supervisor.config.hash
        (tmp_path / "acme.toml").write_text((tmp_path / "acme.toml").read_text().replace('["text"]', '["text", "sensitive"]'))
        with pytest.raises(ConfigError, match="no trusted key"):
            await service.supervisor.reload()
        assert service.supervisor.config.hash == before
        assert len(recorded(tmp_path)) == 1
        assert (await service.ask())[0] == 200


async def test_days_left_are_a_metric_and_the_status_says_them(tmp_path: Path) -> None:
    agree(tmp_path, days=12)
    async with serving(configured(tmp_path)) as service:
        assert b'lizi_partner_terms_days{partner="acme"} 11' in await service.supervisor.metrics()
        assert service.supervisor.status()["partners"]["acme"]["terms"].contract == "A-17"


@pytest.mark.parametrize(
    ("days", "since", "said"),
    [(400, -30, []), (12, -30, ["partner terms end soon"]), (-3, -30, ["partner terms ended"]), (400, 2, ["partner terms not begun"])],
)
async def test_terms_that_end_soon_are_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int, since: int, said: list[str]
) -> None:
    agree(tmp_path, days=days, since=since)
    async with serving(configured(tmp_path)) as service:
        caplog.clear()
        with caplog.at_level(logging.WARNING, "lizi.partners"):
            partners.warn(service.supervisor)
        assert [record.message for record in caplog.records] == said
        assert all(record.partner == "acme" for record in caplog.records)  # type: ignore[attr-defined]


async def test_a_store_from_before_terms_is_brought_up_to_date_and_its_chain_still_verifies(tmp_path: Path) -> None:
    agree(tmp_path)
    path = configured(tmp_path, named=False)
    async with serving(path) as service:
        await service.ask()
    store = tmp_path / "var" / "lizi.sqlite"
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("ALTER TABLE attempts DROP COLUMN terms")
        connection.execute("DROP TABLE partner_terms")
        connection.execute("PRAGMA user_version = 2")
    async with serving(configured(tmp_path)) as service:
        await service.ask()
    assert len(recorded(tmp_path)) == 1
    with Store.open(store, read_only=True) as opened:
        verdict = opened.verify()
    assert (verdict.broken, verdict.chains) == (None, 4)
