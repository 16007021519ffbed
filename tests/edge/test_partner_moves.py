"""Moves of partners over the real supervisor and real workers: when they act, what they leave, what can't stop them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pwd
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from edge_service import WORKER_PATH, WORKERS
from lizi.audit import Chain
from lizi.callers import mint
from lizi.edge import partners
from lizi.edge.channel import Keys, States, encode
from lizi.edge.journal import HouseChain
from lizi.edge.keyring import Keyring
from lizi.edge.ledger import report, write
from lizi.edge.store import Store
from lizi.edge.supervisor import Supervisor
from lizi.errors import ConfigError, InvalidRequest, StoreError
from lizi.testing import Behaviour, Partner
from lizi.types import Exchange, Plan, Standing

CONFIG = """
[server]
listen = "127.0.0.1:0"
workers = {workers}
grace_ms = 0
drain_ms = 5000
[store]
batch_ms = 10
[metering]
unpriced = "free"
[partners.old]
base_url = "{old}"
credential = "{credential}"
[partners.new]
base_url = "{new}"
state = "{state}"
[models.assistant]
critical = {critical}
targets = [{{ partner = "old", model = "old-7" }}, {{ partner = "new", model = "new-7" }}]
[models.fresh]
targets = [{{ partner = "new", model = "new-7" }}]
[models.worn]
targets = [{{ partner = "old", model = "old-7" }}]
{more}
"""
SLOW = Behaviour(text="one two three four five six", chunks=6, interval_ms=400)  # longer than two pulses, which tell what is under way


class Stage:
    """A supervisor in this process over real workers, and the two partners behind it."""

    def __init__(self, folder: Path, old: Partner, new: Partner) -> None:
        self.folder = folder
        self.old, self.new = old, new
        self.supervisor: Supervisor
        self.session: aiohttp.ClientSession
        self.users = self.synthetic = ""

    def write(self, **changes: Any) -> Path:
        given = {"workers": 2, "state": "candidate", "critical": "false", "credential": "", "more": ""} | changes
        path = self.folder / "lizi.toml"
        path.write_text(CONFIG.format(old=self.old.base_url, new=self.new.base_url, **given))
        return path

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Supervisor]:
        self.supervisor = Supervisor(self.folder / "lizi.toml")
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as self.session:
            try:
                await self.supervisor.start()
                self.users, _, _ = await self.supervisor.create_key("notes", Plan())
                self.synthetic, _, _ = await self.supervisor.create_key("examiner", Plan(synthetic=True))
                yield self.supervisor
            finally:
                await self.supervisor.close()

    def post(self, model: str = "assistant", *, key: str | None = None, stream: bool = False) -> Any:
        """On a connection of its own, so that any worker may take it."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
        headers = {"authorization": f"Bearer {key or self.users}", "connection": "close"}
        return self.session.post(self.supervisor.address + "/v1/chat/completions", json=body, headers=headers)

    async def ask(self, model: str = "assistant", *, key: str | None = None) -> tuple[int, str]:
        async with self.post(model, key=key) as answer:
            tree = await answer.json()
            return answer.status, tree["choices"][0]["message"]["content"] if answer.status == 200 else tree["error"]["code"]

    async def move(self, name: str, *states: str, force: bool = False) -> Any:
        for state in states:
            landed = await self.supervisor.move_partner(name, state, by="li.hua", why="trial", force=force)
        return landed


@pytest.fixture
def stage(tmp_path: Path) -> Any:
    with Partner(Behaviour(text="old")) as old, Partner(Behaviour(text="new")) as new:
        stage = Stage(tmp_path, old, new)
        stage.write()
        yield stage


async def until(condition: Callable[[], Any], what: str) -> None:
    async with asyncio.timeout(10.0):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.02)


def moves_in(folder: Path) -> list[tuple[str, str]]:
    with Store.open(folder / "var" / "lizi.sqlite", read_only=True) as store:
        return [(move.partner, move.state) for move in store.partner_moves()]


def bodies_in(folder: Path) -> list[dict[str, Any]]:
    with Store.open(folder / "var" / "lizi.sqlite", read_only=True) as store:
        assert store.verify().broken is None
        found = [json.loads(record.body) for record in store.audit_rows()]
    return [body for body in found if body["kind"] == "partner"]


# --- what a move does -----------------------------------------------------------


async def test_a_move_acts_on_every_worker_when_its_call_returns_within_a_second(stage: Stage) -> None:
    async with stage.serving():
        assert await stage.ask("fresh") == (409, "feature_unavailable")
        assert await stage.ask("fresh", key=stage.synthetic) == (200, "new")
        standing, landing = await stage.move("new", "approved", "active")
        assert (standing.state, standing.came_from) == ("active", "approved")
        assert (landing.workers, landing.killed, landing.errors) == (2, 0, ())
        assert landing.elapsed_ms <= 1000
        assert {await stage.ask("fresh") for _ in range(20)} == {(200, "new")}
        await stage.move("old", "retired")
        assert {await stage.ask() for _ in range(20)} == {(200, "new")}
        assert {await stage.ask("worn", key=stage.synthetic) for _ in range(4)} == {(409, "feature_unavailable")}


async def test_a_move_is_small_however_many_keys_there_are() -> None:
    keys = [mint("notes", Plan(), 1.0, number.to_bytes(38, "big"))[1] for number in range(1000)]
    assert len(encode(States(1, {f"partner-{number}": "approved" for number in range(20)}))) < 1024 < len(encode(Keys(1, keys)))


async def test_a_move_does_not_fail_for_what_has_become_of_a_file_since_the_start(stage: Stage) -> None:
    """A credential's file that is being rotated would refuse a reload; a partner must be retired all the same."""
    secret = stage.folder / "secret"
    secret.touch(0o600)
    secret.write_text("sk-1")
    stage.write(credential="file:secret", state="active")
    async with stage.serving():
        secret.unlink()
        with pytest.raises(ConfigError):
            await stage.supervisor.reload()
        _, landing = await stage.move("old", "retired")
        assert (landing.workers, landing.errors) == (2, ())
        assert {await stage.ask() for _ in range(12)} == {(200, "new")}


async def test_a_worker_that_does_not_acknowledge_a_move_is_killed_and_its_replacement_knows_it(stage: Stage) -> None:
    stage.write(state="active")
    async with stage.serving() as supervisor:
        stuck = supervisor.fleet.states[0].pid
        os.kill(stuck, signal.SIGSTOP)
        _, landing = await stage.move("old", "retired")
        assert (landing.workers, landing.killed) == (1, 1)
        await until(lambda: all(one.ready and one.pid != stuck for one in supervisor.fleet.states), "its replacement")
        assert {await stage.ask() for _ in range(20)} == {(200, "new")}


async def test_a_move_while_a_worker_starts_acts_before_its_first_request(stage: Stage) -> None:
    stage.write(state="active")
    async with stage.serving() as supervisor:
        victim = supervisor.fleet.states[0].pid
        os.kill(victim, signal.SIGKILL)
        await until(lambda: victim not in [one.pid for one in supervisor.fleet.states], "its replacement begun")
        await stage.move("old", "retired")
        await until(lambda: all(one.ready for one in supervisor.fleet.states), "its replacement ready")
        assert {await stage.ask() for _ in range(20)} == {(200, "new")}


async def test_a_stream_of_a_retired_partner_ends_whole_and_is_counted_as_draining_until_then(stage: Stage) -> None:
    stage.write(state="active", workers=1)
    with Partner(SLOW) as slow:
        stage.old = slow
        stage.write(state="active", workers=1)
        async with stage.serving() as supervisor, stage.post(stream=True) as answer:
            await answer.content.readany()
            await stage.move("old", "retired")
            await until(lambda: supervisor.status()["partners"]["old"]["in_flight"] == 1, "the drain seen")
            assert await stage.ask() == (200, "new")
            rest = (await answer.read()).decode()
            assert "[DONE]" in rest
            assert '"finish_reason":"stop"' in rest.replace(" ", "")
            await until(lambda: supervisor.status()["partners"]["old"]["in_flight"] == 0, "the drain's end")


# --- what a move leaves -----------------------------------------------------------


async def test_each_move_stands_in_the_chain_with_who_and_why_and_the_chain_verifies(stage: Stage) -> None:
    async with stage.serving():
        await stage.move("new", "approved", "active", "retired", "candidate")
    bodies = bodies_in(stage.folder)
    assert [(body["partner"], body["from"], body["to"]) for body in bodies] == [
        ("old", None, "active"),
        ("new", None, "candidate"),
        ("new", "candidate", "approved"),
        ("new", "approved", "active"),
        ("new", "active", "retired"),
        ("new", "retired", "candidate"),
    ]
    assert {(body["by"], body["why"]) for body in bodies[2:]} == {("li.hua", "trial")}
    assert [list(body) for body in bodies] == [sorted(body) for body in bodies], "canonical"
    assert all(isinstance(body["made_ms"], int) for body in bodies)


async def test_a_move_that_somebody_changed_in_the_chain_is_found(stage: Stage) -> None:
    async with stage.serving():
        await stage.move("new", "approved")
    file = stage.folder / "var" / "lizi.sqlite"
    connection = sqlite3.connect(file)
    changed = connection.execute(
        "UPDATE audit SET body = CAST(replace(CAST(body AS TEXT), 'li.hua', 'nobody') AS BLOB) WHERE CAST(body AS TEXT) LIKE '%li.hua%'"
    )
    assert changed.rowcount == 1
    connection.commit()
    connection.close()
    with Store.open(file, read_only=True) as store:
        broken = store.verify().broken
    assert broken is not None
    assert broken.why == "changed"


async def test_a_move_that_the_disk_refuses_is_not_made_at_all(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.write(state="active")
    async with stage.serving() as supervisor:

        def full(standing: Standing) -> None:
            raise StoreError("can't record the partner's move: SQLITE_FULL", code="store_failed")

        monkeypatch.setattr(supervisor.chain, "move", full)
        with pytest.raises(StoreError):
            await stage.move("old", "retired")
        assert supervisor.book.standings["old"].state == "active"
        assert {await stage.ask() for _ in range(6)} == {(200, "old")}


def test_row_and_record_are_written_together_or_neither(tmp_path: Path) -> None:
    with Store.open(tmp_path / "lizi.sqlite") as store:
        keyring = Keyring.open(tmp_path / "keyring", 1.0)
        chain = HouseChain(store, Chain(boot="b", worker=0, config_hash="c", version="1", started_at=1.0), keyring)
        good = Standing(partner="acme", state="active", at=2.0, by="li.hua", why="trial")
        chain.move(good)
        store.connection.execute("CREATE TRIGGER no_more BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END")
        with pytest.raises(StoreError):
            chain.move(replace(good, came_from="active", state="retired"))
        store.connection.execute("DROP TRIGGER no_more")
        assert [move.state for move in store.partner_moves()] == ["active"]
        chain.move(replace(good, came_from="active", state="approved"))
        assert [move.state for move in store.partner_moves()] == ["active", "approved"]
        assert store.verify().broken is None


async def test_kill_9_between_the_write_and_the_acknowledgement_leaves_the_move_made_and_the_chain_whole(stage: Stage) -> None:
    """The workers stand still, so that the move is on disk and nobody has acknowledged it when the supervisor dies."""
    stage.write(state="active")
    environ = {**os.environ, "PYTHONPATH": WORKER_PATH}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKERS / "standin_supervisor.py"), str(stage.folder / "lizi.toml"), "lizi.edge.worker",
        stdout=asyncio.subprocess.PIPE, env=environ,
    )  # fmt: skip
    assert process.stdout is not None
    line = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    for pid in line["pids"]:
        os.kill(pid, signal.SIGSTOP)
    asking = asyncio.ensure_future(admin(stage.folder, "POST", "/partners/old/move", {"state": "retired", "why": "contract ended"}))
    await until(lambda: ("old", "retired") in moves_in(stage.folder), "the move on disk")
    process.kill()
    with pytest.raises(aiohttp.ClientError):
        await asking
    for pid in line["pids"]:
        with suppress(ProcessLookupError):  # it had its 0.9 s and was killed for its silence
            os.kill(pid, signal.SIGCONT)
    await process.wait()
    assert bodies_in(stage.folder)[-1]["to"] == "retired"
    async with stage.serving():
        assert {await stage.ask() for _ in range(12)} == {(200, "new")}
    assert [body["to"] for body in bodies_in(stage.folder)] == ["active", "active", "retired"]


async def admin(folder: Path, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    token = (folder / "var" / "admin.token").read_text().strip()
    connector = aiohttp.UnixConnector(path=str(folder / "var" / "admin.sock"))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, "http://admin" + path, json=body, headers={"authorization": f"Bearer {token}"}) as answer,
    ):
        return answer.status, await answer.json()


async def test_the_record_names_the_user_at_the_sockets_other_end_whatever_the_command_says(stage: Stage) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    async with stage.serving():
        plain = {"state": "approved", "why": "trial", "user": "somebody-else"}
        assert (await admin(stage.folder, "POST", "/partners/new/move", plain))[1]["by"] == me
        named = {"state": "active", "why": "trial", "by": "li.hua"}
        assert (await admin(stage.folder, "POST", "/partners/new/move", named))[1]["by"] == f"li.hua ({me})"
        status, body = await admin(stage.folder, "GET", "/partners/new/history")
        assert (status, [move["by"] for move in body["moves"]]) == (200, ["configuration", me, f"li.hua ({me})"])


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("new", {"state": "active", "why": "trial"}, 400, "invalid_request"),
        ("new", {"state": "gone", "why": "trial"}, 400, "invalid_request"),
        ("new", {"state": "approved", "why": " "}, 400, "invalid_request"),
        ("new", {"state": "approved", "why": "x" * 201}, 400, "invalid_request"),
        ("new", {"state": "approved", "why": "two\nlines"}, 400, "invalid_request"),
        ("new", {"state": "approved", "why": "trial", "by": "x" * 65}, 400, "invalid_request"),
        ("new", {"state": "approved"}, 400, "invalid_request"),
        ("nobody", {"state": "approved", "why": "trial"}, 404, "not_found"),
        ("No Name", {"state": "approved", "why": "trial"}, 404, "not_found"),
    ],
)
async def test_a_move_that_is_not_allowed_is_refused_and_leaves_nothing(
    stage: Stage, name: str, body: dict[str, Any], status: int, code: str
) -> None:
    stage.write(workers=1)
    async with stage.serving():
        answered, told = await admin(stage.folder, "POST", f"/partners/{name}/move", body)
        assert (answered, told["error"]["code"]) == (status, code)
    assert moves_in(stage.folder) == [("old", "active"), ("new", "candidate")]


# --- the configuration's word -----------------------------------------------------------


async def test_the_configuration_says_only_where_a_partner_begins(stage: Stage) -> None:
    stage.write(workers=1)
    async with stage.serving() as supervisor:
        stage.write(workers=1, state="active")
        await supervisor.reload()
        assert await stage.ask("fresh") == (409, "feature_unavailable")
        stage.write(workers=1, more=f'[partners.third]\nbase_url = "{stage.new.base_url}"\nstate = "approved"')
        await supervisor.reload()
        assert supervisor.book.standings["third"].state == "approved"
    assert moves_in(stage.folder) == [("old", "active"), ("new", "candidate"), ("third", "approved")]


async def test_a_configuration_that_was_refused_decides_nothing_for_the_mended_one(stage: Stage) -> None:
    """A partner forgotten as `active` in a file that could not be served must not be active when the file is right."""
    stage.write(workers=1)
    third = f'[partners.third]\nbase_url = "{stage.new.base_url}"\ncredential = "file:third"\n'
    async with stage.serving() as supervisor:
        (stage.folder / "third").touch(0o600)
        (stage.folder / "third").write_text("sk-3")
        stage.write(workers=1, more=third)

        async def refused(change: Any) -> Any:
            raise ConfigError("A worker can't take it.", code="config_invalid")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(supervisor.fleet, "apply", refused)
            with pytest.raises(ConfigError):
                await supervisor.reload()
        assert "third" not in supervisor.book.standings
        stage.write(workers=1, more=third + 'state = "candidate"')
        await supervisor.reload()
        assert supervisor.book.standings["third"].state == "candidate"


# --- critical -----------------------------------------------------------


async def test_what_is_critical_with_too_few_partners_is_said_at_the_start_and_counted_and_needs_force(
    stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    stage.write(workers=1, critical="true")
    async with stage.serving() as supervisor:
        told = capfd.readouterr().err
        assert "WARNING: 'assistant' is marked critical and only 'old' can answer it" in told
        assert len(told.strip().splitlines()) >= 2
        assert 'lizi_critical_partners{name="assistant"} 1' in (await supervisor.metrics()).decode()
        await stage.move("new", "approved", "active")
        assert 'lizi_critical_partners{name="assistant"} 2' in (await supervisor.metrics()).decode()
        with pytest.raises(InvalidRequest, match="assistant"):
            await stage.move("old", "retired")
        await stage.move("old", "retired", force=True)
        assert supervisor.status()["critical"] == {"assistant": ["new"]}
        async with stage.session.get(supervisor.address + "/readyz") as answer:
            assert answer.status == 200


async def test_it_is_logged_again_every_hour_and_at_each_reload(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(partners, "_REMIND_S", 0.05)
    stage.write(workers=1, critical="true")

    def warnings() -> int:
        return sum("critical" in record.getMessage() and record.levelno == logging.WARNING for record in caplog.records)

    async with stage.serving() as supervisor:
        await until(lambda: warnings() >= 3, "reminders")
        monkeypatch.setattr(partners, "_REMIND_S", 3600.0)
        await asyncio.sleep(0.1)
        before = warnings()
        await supervisor.reload()
        assert warnings() == before + 1


# --- synthetic traffic in the books -----------------------------------------------------------


async def test_synthetic_exchanges_stand_apart_in_ledger_metrics_and_chain(stage: Stage) -> None:
    stage.write(workers=1)
    async with stage.serving() as supervisor:
        for _ in range(3):
            assert (await stage.ask("fresh", key=stage.synthetic))[0] == 200
        assert (await stage.ask())[0] == 200
        await until(lambda: supervisor.book.run(lambda store: len(report(store, by="day")) == 2), "the records")
        for by in ("app", "feature", "partner", "day"):
            rows = await supervisor.book.run(lambda store, by=by: report(store, by=by))
            assert {(row.synthetic, row.exchanges) for row in rows} == {(True, 3), (False, 1)}, by
        text = (await supervisor.metrics()).decode()
        assert 'lizi_synthetic_exchanges_total{feature="chat",model="fresh",outcome="ok"} 3' in text
        assert 'lizi_exchanges_total{feature="chat",model="assistant",outcome="ok"} 1' in text
        assert 'model="fresh"' not in text.replace('lizi_synthetic_exchanges_total{feature="chat",model="fresh"', "")
        assert "lizi_exchange_seconds_count 1" in text


def test_an_intent_of_synthetic_traffic_that_a_dead_worker_left_settles_as_such(tmp_path: Path) -> None:
    with Store.open(tmp_path / "lizi.sqlite") as store:
        keyring = Keyring.open(tmp_path / "keyring", 1.0)
        with store.writing("test") as connection:
            connection.execute("INSERT INTO intents VALUES ('rq_x','boot.1',250000,'notes','k','chat','writer',0,900,'c',NULL,1)")
        chain = HouseChain(store, Chain(boot="b", worker=0, config_hash="c", version="1", started_at=1.0), keyring)
        assert chain.settle_unclosed((), 300.0) == 1
        (row,) = report(store, by="app")
        assert (row.synthetic, row.charged_micros) == (True, 900)


def test_a_store_of_the_version_before_is_brought_up_to_date_with_its_exchanges_as_users(tmp_path: Path) -> None:
    from lizi.edge import store as stores

    file = tmp_path / "lizi.sqlite"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "_MIGRATIONS", stores._MIGRATIONS[:1])
        with Store.open(file) as store:
            store.connection.execute(
                "INSERT INTO exchanges VALUES (1,'rq',1,2,NULL,'notes','k','chat','m',0,'ok','stop',1,1,0,0,0,5,5,9,'c',NULL)"
            )
    with Store.open(file) as store:
        (row,) = report(store, by="app")
        assert (row.name, row.synthetic, row.charged_micros) == ("notes", False, 5)
        new = Exchange(
            id="rq_2", feature="chat", started_at=time.time(), started_mono=0.0, config_hash="c", app="notes", outcome="ok", synthetic=True
        )
        with store.writing("test") as connection:
            write(connection, 1, [new], [], intents=False)
        assert [row.synthetic for row in report(store, by="app")] == [False, True]
