"""Rotations of the keyring over the real supervisor and real workers: what still holds, what is recorded, what a kill leaves."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge_service import WORKER_PATH, WORKERS
from lizi.edge.keyring import Keyring
from lizi.edge.store import Store
from lizi.edge.supervisor import Supervisor
from lizi.errors import StoreError
from lizi.testing import Behaviour, Partner
from lizi.types import Plan

CONFIG = """
[server]
listen = "127.0.0.1:0"
workers = 2
grace_ms = 0
drain_ms = 5000
[store]
batch_ms = 10
[metering]
unpriced = "free"
[partners.acme]
base_url = "{base_url}"
[models.assistant]
targets = [{{ partner = "acme", model = "acme-7" }}]
"""
ME = pwd.getpwuid(os.getuid()).pw_name


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20.0):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.002)


class Stage:
    """A supervisor in this process over real workers, and the partner behind it."""

    def __init__(self, folder: Path, partner: Partner) -> None:
        self.folder = folder
        self.partner = partner
        self.supervisor: Supervisor
        self.session: aiohttp.ClientSession
        self.key = ""
        self.config = folder / "lizi.toml"
        self.config.write_text(CONFIG.format(base_url=partner.base_url))
        self.store = folder / "var" / "lizi.sqlite"
        self.keyring = folder / "var" / "keyring"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Supervisor]:
        self.supervisor = Supervisor(self.config)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as self.session:
            try:
                await self.supervisor.start()
                self.key = self.key or (await self.supervisor.create_key("notes", Plan()))[0]
                yield self.supervisor
            finally:
                await self.supervisor.close()

    async def ask(self, idempotency_key: str = "") -> int:
        """On a connection of its own, so that any worker may take it."""
        body = {"model": "assistant", "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"authorization": f"Bearer {self.key}", "connection": "close"}
        if idempotency_key:
            headers["idempotency-key"] = idempotency_key
        async with self.session.post(self.supervisor.address + "/v1/chat/completions", json=body, headers=headers) as answer:
            await answer.read()
            return answer.status

    async def admin(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        token = (self.folder / "var" / "admin.token").read_text().strip()
        connector = aiohttp.UnixConnector(path=str(self.folder / "var" / "admin.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, "http://admin" + path, json=body, headers={"authorization": f"Bearer {token}"}) as answer,
        ):
            return answer.status, await answer.json()

    async def seal(self) -> str:
        """A checkpoint over what was just recorded; the id of the key that signed it."""
        supervisor = self.supervisor
        await until(lambda: supervisor.book.run(lambda _: supervisor.chain.checkpoint(supervisor.clock.now())))
        return self.signers()[-1]

    def signers(self) -> list[str]:
        with Store.open(self.store, read_only=True) as store:
            return [row[0] for row in store.connection.execute("SELECT key_id FROM checkpoints ORDER BY place")]

    def whole(self) -> bool:
        with Store.open(self.store, read_only=True) as store:
            return store.verify(Keyring.read(self.keyring).trusts).broken is None

    def records(self) -> list[dict[str, Any]]:
        """What the chains say of the service's own keys, in the order in which it was written."""
        with Store.open(self.store, read_only=True) as store:
            bodies = [json.loads(row[0]) for row in store.connection.execute("SELECT body FROM audit ORDER BY place")]
        return [body for body in bodies if body["kind"] == "keyring"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Partner(Behaviour(text="Hello.")) as partner:
        yield Stage(tmp_path, partner)


# --- what still holds --------------------------------------------------------------------


async def test_checkpoints_before_and_after_a_rotation_verify_also_after_a_restart(stage: Stage) -> None:
    async with stage.serving() as supervisor:
        assert await stage.ask() == 200
        old = await stage.seal()
        new, landing = await supervisor.rotate_keyring("audit-signing", by="li.hua")
        assert (landing.workers, landing.killed, landing.errors) == (2, 0, ())
        assert await stage.ask() == 200
        assert await stage.seal() == new != old
        assert stage.whole()
    async with stage.serving():
        assert await stage.ask() == 200
        assert await stage.seal() == new
    assert stage.whole()
    assert {old, new} == {*stage.signers()}
    (stage.keyring / f"audit-signing.{old}.json").unlink()
    assert not stage.whole(), "what the removed key signed can't be verified any more"


async def test_a_repeat_is_refused_on_every_worker_across_rotations_and_a_restart(stage: Stage) -> None:
    async with stage.serving() as supervisor:
        assert await stage.ask("order-1") == 200
        await supervisor.rotate_keyring("idempotency", by="li.hua")
        assert {await stage.ask("order-1") for _ in range(12)} == {409}
        assert await stage.ask("order-2") == 200
        await supervisor.rotate_keyring("idempotency", by="li.hua")
        assert {await stage.ask(key) for key in ("order-1", "order-2") for _ in range(8)} == {409}
        await supervisor.reload()
        assert {await stage.ask("order-1") for _ in range(8)} == {409}
        os.kill(supervisor.fleet.states[0].pid, signal.SIGKILL)
        await until(lambda: supervisor.fleet.restarts and all(one.ready for one in supervisor.fleet.states))
        assert {await stage.ask(key) for key in ("order-1", "order-2") for _ in range(8)} == {409}
    async with stage.serving():
        assert {await stage.ask(key) for key in ("order-1", "order-2") for _ in range(4)} == {409}
    assert len(stage.partner.requests) == 2


async def test_no_repeat_runs_in_the_middle_of_a_rotation(stage: Stage) -> None:
    """A repeat may meet a worker that has the new key already, or not yet."""
    async with stage.serving() as supervisor:
        asking = [asyncio.ensure_future(stage.ask(f"order-{number}")) for number in range(20)]
        for turn in range(3):
            rotating = asyncio.ensure_future(supervisor.rotate_keyring("idempotency", by="li.hua"))
            asking += [asyncio.ensure_future(stage.ask(f"order-{number}")) for number in range(20) for _ in range(3)]
            await rotating
            asking += [asyncio.ensure_future(stage.ask(f"late-{turn}-{number}")) for number in range(10) for _ in range(2)]
        answers = await asyncio.gather(*asking)
    assert sorted({*answers}) == [200, 409]
    assert answers.count(200) == len(stage.partner.requests) == 20 + 30


async def test_a_worker_that_does_not_acknowledge_is_killed_and_its_replacement_has_the_key(stage: Stage) -> None:
    async with stage.serving() as supervisor:
        assert await stage.ask("order-1") == 200
        stuck = supervisor.fleet.states[0].pid
        os.kill(stuck, signal.SIGSTOP)
        await supervisor.rotate_keyring("idempotency", by="li.hua")
        await until(lambda: all(one.ready and one.pid != stuck for one in supervisor.fleet.states))
        assert {await stage.ask("order-1") for _ in range(12)} == {409}


# --- what is recorded ----------------------------------------------------------------------


async def test_every_key_stands_in_the_chain_once_with_its_public_half_and_who_made_it(stage: Stage) -> None:
    async with stage.serving() as supervisor:
        status, made = await stage.admin("POST", "/keyring/rotate", {"purpose": "audit-signing", "user": "somebody-else"})
        assert (status, made["landing"]["workers"]) == (201, 2)
        status, listed = await stage.admin("GET", "/keyring")
        assert (status, len(listed["keys"])) == (200, 4)
        assert supervisor.keyring.keys()[1].key_id == made["key_id"]
    async with stage.serving():  # a start records no key again
        pass
    records = stage.records()
    assert [(body["purpose"], body["by"]) for body in records] == [
        ("audit-signing", "service"),
        ("idempotency", "service"),
        ("state", "service"),
        ("audit-signing", ME),
    ], "the socket's word for who it was, not the caller's"
    shown = {key["key_id"]: key for key in listed["keys"]}
    assert {body["key_id"]: body["public"] for body in records} == {name: key["public"] for name, key in shown.items()}
    secrets = [json.loads(path.read_text())["secret"] for path in stage.keyring.glob("*.json")]
    told = stage.store.read_bytes() + json.dumps(listed).encode()
    assert not any(secret.encode() in told for secret in secrets)
    assert {stat.S_IMODE(path.stat().st_mode) for path in stage.keyring.iterdir()} == {0o600}


async def test_a_key_that_somebody_put_there_by_hand_is_recorded_at_the_start(stage: Stage) -> None:
    async with stage.serving():
        pass
    placed = Keyring.read(stage.keyring).rotate("state", 4e9)
    async with stage.serving():
        assert await stage.ask() == 200
    assert [(body["key_id"], body["by"]) for body in stage.records()][-1] == (placed, "service")
    assert stage.whole()


async def test_a_rotation_that_the_disk_refuses_is_none(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage.serving() as supervisor:
        before, files = supervisor.keyring.keys(), {*stage.keyring.iterdir()}

        def full(keys: Any, by: str) -> None:
            raise StoreError("can't record the keyring's keys: SQLITE_FULL", code="store_failed")

        with monkeypatch.context() as patch:
            patch.setattr(supervisor.chain, "keys", full)
            with pytest.raises(StoreError):
                await supervisor.rotate_keyring("idempotency", by="li.hua")
        assert (supervisor.keyring.keys(), {*stage.keyring.iterdir()}) == (before, files)
        assert await stage.ask("order-1") == 200
        assert {await stage.ask("order-1") for _ in range(6)} == {409}
    assert len(stage.records()) == 3


@pytest.mark.parametrize("body", [{}, {"purpose": "app"}, {"purpose": "state", "more": 1}, {"purpose": "state", "user": "two\nlines"}])
async def test_a_rotation_of_what_is_not_there_is_refused_and_leaves_nothing(
    stage: Stage, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lizi.edge.admin._user_of", lambda address: "")  # a system that does not tell who is there
    async with stage.serving() as supervisor:
        before = supervisor.keyring.keys()
        status, answer = await stage.admin("POST", "/keyring/rotate", body)
        assert (status, answer["error"]["code"]) == (400, "invalid_request")
        assert supervisor.keyring.keys() == before


# --- kill -9 -------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["audit-signing", "idempotency"])
async def test_kill_9_between_the_write_and_the_use_leaves_a_key_for_the_next_start_which_records_it_once(
    stage: Stage, purpose: str
) -> None:
    """The workers stand still, so that the key is on disk and nobody uses it when the supervisor dies."""
    async with stage.serving():
        assert await stage.ask("order-1") == 200
        old = await stage.seal()
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKERS / "standin_supervisor.py"), str(stage.config), "lizi.edge.worker",
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": WORKER_PATH},
    )  # fmt: skip
    assert process.stdout is not None
    line = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    for pid in line["pids"]:
        os.kill(pid, signal.SIGSTOP)
    files = {*stage.keyring.glob("*.json")}
    asking = asyncio.ensure_future(stage.admin("POST", "/keyring/rotate", {"purpose": purpose}))
    await until(lambda: {*stage.keyring.glob("*.json")} - files)
    process.kill()
    (new,) = {*stage.keyring.glob("*.json")} - files
    with pytest.raises(aiohttp.ClientError):
        await asking
    for pid in line["pids"]:
        with suppress(ProcessLookupError):  # it had its 0.9 s and was killed for its silence
            os.kill(pid, signal.SIGCONT)
    await process.wait()
    made = new.stem.partition(".")[2]
    async with stage.serving() as supervisor:
        assert made in [key.key_id for key in supervisor.keyring.keys() if key.current]  # noqa: SIM118
        assert {await stage.ask("order-1") for _ in range(6)} == {409}
        assert await stage.ask() == 200
        assert await stage.seal() == (made if purpose == "audit-signing" else old)
    assert stage.whole()
    assert [body["key_id"] for body in stage.records()].count(made) == 1


async def test_kill_9_before_the_record_leaves_a_key_that_the_next_start_records(stage: Stage) -> None:
    async with stage.serving() as supervisor:
        killed = supervisor.keyring

        def killed_here(key: Any) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "unlink", lambda path, **_: None)  # who is dead cleans nothing up
            killed.add("audit-signing", supervisor.clock.now(), killed_here)
    assert len(stage.records()) == 3
    async with stage.serving() as supervisor:
        assert await stage.ask() == 200
        signed = await stage.seal()
    assert stage.records()[-1]["key_id"] == signed
    assert stage.whole()


async def test_a_changed_record_of_a_key_is_found(stage: Stage) -> None:
    async with stage.serving() as supervisor:
        await supervisor.rotate_keyring("audit-signing", by="li.hua")
    connection = sqlite3.connect(stage.store)
    changed = connection.execute(
        "UPDATE audit SET body = CAST(replace(CAST(body AS TEXT), 'li.hua', 'nobody') AS BLOB) WHERE CAST(body AS TEXT) LIKE '%li.hua%'"
    )
    assert changed.rowcount == 1
    connection.commit()
    connection.close()
    assert not stage.whole()
