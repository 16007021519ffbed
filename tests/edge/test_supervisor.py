"""Supervisor and workers as real processes: kills, reloads, revocations, limits across workers, drains.

The workers serve a small app of the tests (`standin_worker`) over the real server, limits, journal and channel;
the routes of the service have tests of their own.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge_service import WORKER_PATH, WORKERS, Service, serving, write
from lizi.edge.supervisor import Supervisor
from lizi.errors import ConfigError, LiziError, StoreError
from lizi.types import Plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


async def until(condition: Any, what: str, deadline_s: float = 10.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        await asyncio.sleep(0.02)


async def until_true(condition: Callable[[], Awaitable[object]], deadline_s: float = 10.0) -> None:
    async with asyncio.timeout(deadline_s):
        for _ in itertools.count():
            if await condition():
                return
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_killed_worker_is_replaced_and_requests_on_the_others_do_not_notice(folder: Path) -> None:
    async with serving(write(folder)) as service:
        statuses: Counter[int] = Counter()
        done = asyncio.Event()

        async def trickle() -> None:
            while not done.is_set():
                try:
                    status, _, _ = await service.ask()
                    statuses[status] += 1
                except aiohttp.ClientError:
                    statuses[0] += 1
                await asyncio.sleep(0.005)

        asking = [asyncio.ensure_future(trickle()) for _ in range(4)]
        await until(lambda: statuses[200] > 50, "a trickle")
        victim, survivor = service.pids
        os.kill(victim, signal.SIGKILL)
        await until(lambda: victim not in service.pids and all(state.ready for state in service.supervisor.fleet.states), "a new worker")
        before = statuses[200]
        await until(lambda: statuses[200] > before + 50, "the trickle going on")
        done.set()
        await asyncio.gather(*asking)
        # At most what the killed process held in its hands.
        assert statuses[0] <= 4
        assert set(statuses) <= {0, 200}
        assert survivor in service.pids
        assert service.supervisor.fleet.restarts == 1
        assert service.supervisor.owner.in_flight == 0 or await settled(service)


async def settled(service: Service) -> bool:
    await until(lambda: service.supervisor.owner.in_flight == 0, "all places free")
    return True


async def test_places_streams_and_claims_of_a_killed_worker_come_free_and_its_money_stays_charged(folder: Path) -> None:
    async with serving(write(folder, workers=1, in_flight=2)) as service:
        key = await service.new_key(streams=2, money_per_day_micros=100)
        held = [asyncio.ensure_future(service.ask(key=key, hold_ms=60_000, stream=True, money=40)) for _ in range(2)]
        await until(lambda: service.supervisor.owner.in_flight == 2, "two in flight")
        assert (await service.ask())[0] == 503
        os.kill(service.pids[0], signal.SIGKILL)
        await asyncio.gather(*held, return_exceptions=True)
        await until(lambda: any(state.ready for state in service.supervisor.fleet.states), "a new worker")
        assert (await service.ask(key=key, stream=True, money=20))[0] == 200
        status, body, headers = await service.ask(key=key, stream=True, money=21)
        assert (status, body["code"]) == (429, "quota_reached")
        assert float(headers["retry-after"]) <= 86_400


async def test_workers_exit_when_their_supervisor_is_killed(folder: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": WORKER_PATH}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKERS / "standin_supervisor.py"), str(write(folder)), "standin_worker",
        stdout=asyncio.subprocess.PIPE, env=environ,
    )  # fmt: skip
    assert process.stdout is not None
    line = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    assert all(alive(pid) for pid in line["pids"])
    process.kill()
    await process.wait()
    await until(lambda: not any(alive(pid) for pid in line["pids"]), "workers gone")
    # Nothing is in the way of a new start: neither lock, nor socket file, nor store.
    async with serving(folder / "lizi.toml") as service:
        assert (await service.ask(key=line["key"]))[0] == 200


async def test_a_revoked_key_is_refused_on_every_worker_when_the_call_returns(folder: Path) -> None:
    async with serving(write(folder, workers=3)) as service:
        assert (await service.ask())[0] == 200
        began = time.monotonic()
        record, landing = await service.supervisor.revoke_key(service.key_id)
        assert record.revoked_at is not None
        assert (landing.workers, landing.killed, landing.errors) == (3, 0, ())
        assert landing.elapsed_ms <= 1000
        statuses = Counter([(await service.ask())[0] for _ in range(60)])
        assert statuses == {401: 60}
        assert time.monotonic() - began < 10


async def test_a_worker_that_does_not_acknowledge_a_revocation_is_killed(folder: Path) -> None:
    async with serving(write(folder)) as service:
        stuck = service.pids[0]
        os.kill(stuck, signal.SIGSTOP)
        _, landing = await service.supervisor.revoke_key(service.key_id)
        assert (landing.workers, landing.killed) == (1, 1)
        await until(lambda: not alive(stuck), "the stuck worker gone")
        await until(lambda: all(state.ready for state in service.supervisor.fleet.states), "its replacement")
        assert {(await service.ask())[0] for _ in range(40)} == {401}


async def test_a_revocation_while_a_worker_starts_acts_before_its_first_request(folder: Path) -> None:
    async with serving(write(folder)) as service:
        victim = service.pids[0]
        os.kill(victim, signal.SIGKILL)
        await until(lambda: victim not in service.pids, "its replacement begun")
        assert not all(state.ready for state in service.supervisor.fleet.states)
        _, landing = await service.supervisor.revoke_key(service.key_id)
        assert landing.killed == 0
        await until(lambda: all(state.ready for state in service.supervisor.fleet.states), "its replacement ready")
        assert {(await service.ask())[0] for _ in range(40)} == {401}
        assert service.supervisor.fleet.restarts == 1


async def test_keys_made_rotated_and_changed_act_at_once(folder: Path) -> None:
    async with serving(write(folder)) as service:
        shown, record, _ = await service.supervisor.create_key("mail", Plan(requests_per_minute=2))
        assert [(await service.ask(key=shown))[0] for _ in range(3)] == [200, 200, 429]
        await service.supervisor.set_plan(record.key_id, Plan(requests_per_minute=100))
        await asyncio.sleep(0.03)  # a worker may repeat the owner's refusal for 20 ms
        assert (await service.ask(key=shown))[0] == 200
        second, _, _ = await service.supervisor.rotate_key(record.key_id, 0.0)
        assert [(await service.ask(key=key))[0] for key in (shown, second)] == [401, 200]
        with pytest.raises(LiziError) as caught:
            await service.supervisor.revoke_key("nosuchkey")
        assert caught.value.code == "not_found"


async def test_a_limit_is_kept_across_workers_under_load(folder: Path) -> None:
    async with serving(write(folder)) as service:
        key = await service.new_key(requests_per_minute=300)
        statuses: Counter[int] = Counter()
        pids: set[int] = set()

        async def flood() -> None:
            for _ in range(30):
                status, body, _ = await service.ask(key=key)
                statuses[status] += 1
                if status == 200:
                    pids.add(body["pid"])

        await asyncio.gather(*(flood() for _ in range(16)))
        assert set(statuses) == {200, 429}
        assert 285 <= statuses[200] <= 300
        assert len(pids) == 2


async def test_money_is_kept_across_workers_and_rebuilt_from_the_ledger_after_a_restart(folder: Path) -> None:
    async with serving(write(folder)) as service:
        key = await service.new_key(money_per_month_micros=1000)
        statuses = Counter(status for status, _, _ in await asyncio.gather(*(service.ask(key=key, money=60) for _ in range(40))))
        assert statuses == {200: 16, 429: 24}
    async with serving(folder / "lizi.toml") as service:
        assert (await service.ask(key=key, money=41))[0] == 429
        assert (await service.ask(key=key, money=40))[0] == 200


async def test_an_idempotency_key_is_kept_across_workers_and_restarts(folder: Path) -> None:
    async with serving(write(folder)) as service:
        first_status, first_body, _ = await ask_claimed(service, "k1")
        assert first_status == 200
        for _ in range(10):
            status, body, _ = await ask_claimed(service, "k1")
            assert status == 409
            assert body["extra"]["exchange_id"] == first_body["id"]
            assert body["extra"]["state"] in {"open", "ok"}
    async with serving(folder / "lizi.toml") as service:
        key = await service.new_key()
        status, body, _ = await ask_claimed(service, "k1", key=key)
        assert (status, body["extra"]) == (409, {"exchange_id": first_body["id"], "state": "ok"})


async def ask_claimed(service: Service, claim: str, key: str | None = None) -> tuple[int, Any, dict[str, str]]:
    headers = {"authorization": f"Bearer {key or service.key}", "connection": "close"}
    async with service.session.post(service.supervisor.address + "/ask", json={"key": claim}, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None), dict(answer.headers)


async def test_a_reload_acts_on_every_worker_and_a_bad_file_leaves_the_old_one_serving(folder: Path) -> None:
    async with serving(write(folder)) as service:
        before = service.supervisor.config.hash
        (folder / "lizi.toml").write_text("[admission]\nexchanges_in_flight = 0\n")
        with pytest.raises(ConfigError) as caught:
            await service.supervisor.reload()
        assert "exchanges_in_flight" in caught.value.message
        assert (service.supervisor.config.hash, service.supervisor.number) == (before, 1)
        assert (await service.ask())[0] == 200
        write(folder, output_tokens=77, in_flight=5)
        landing = await service.supervisor.reload()
        assert landing.workers == 2
        assert {tuple((await service.who())["default_output_tokens"]) for _ in range(30)} == {(77,)}
        assert service.supervisor.owner.in_flight_limit == 5
        assert [state.generation for state in service.supervisor.fleet.states] == [2, 2]
        # A worker that starts later starts with it.
        victim = service.pids[0]
        os.kill(victim, signal.SIGKILL)
        await until(lambda: victim not in service.pids and all(state.ready for state in service.supervisor.fleet.states), "a new worker")
        assert {tuple((await service.who())["default_output_tokens"]) for _ in range(30)} == {(77,)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"workers": 3}, "server.workers needs a restart"),
        ({"durability": "strict"}, "store.durability needs a restart"),
        ({"credential": "env:LIZI_NO_SUCH"}, "env:LIZI_NO_SUCH"),
    ],
)
async def test_a_reload_that_cannot_be_done_says_so_and_changes_nothing(folder: Path, changes: dict[str, Any], words: str) -> None:
    async with serving(write(folder)) as service:
        write(folder, output_tokens=77, **changes)
        with pytest.raises(ConfigError) as caught:
            await service.supervisor.reload()
        assert words in caught.value.message
        assert (await service.who())["default_output_tokens"] == [1000]


async def test_a_drain_answers_503_first_lets_streams_finish_and_then_ends(folder: Path) -> None:
    async with serving(write(folder)) as service:
        held = asyncio.ensure_future(service.ask(hold_ms=1200))
        await until(lambda: service.supervisor.owner.in_flight == 1, "one in flight")
        ending = asyncio.ensure_future(service.supervisor.until_ended())
        service.supervisor.request_end()
        await asyncio.sleep(0.1)
        status, _, headers = await service.ask()
        assert (status, headers["retry-after"]) == (503, "1")
        assert (await held)[0] == 200
        await asyncio.wait_for(ending, 10)
        with pytest.raises(aiohttp.ClientError):
            await service.ask()


async def test_a_second_wish_to_end_stops_at_once_and_records_what_was_cut(folder: Path) -> None:
    async with serving(write(folder)) as service:
        held = asyncio.ensure_future(service.ask(hold_ms=60_000, money=5))
        await until(lambda: service.supervisor.owner.in_flight == 1, "one in flight")
        ending = asyncio.ensure_future(service.supervisor.until_ended())
        service.supervisor.request_end()
        service.supervisor.request_end()
        await asyncio.wait_for(ending, 10)
        with suppress(aiohttp.ClientError):
            await held
        past = await service.supervisor.book.past(day_start=0.0, month_start=0.0, claims_since=0.0)
        assert past.day_micros == {"notes": 5}


async def test_strict_intents_of_a_killed_worker_settle_at_the_reserved_maximum(folder: Path) -> None:
    async with serving(write(folder, durability="strict")) as service:
        held = asyncio.ensure_future(service.ask(hold_ms=60_000, money=9))
        await until(lambda: service.supervisor.owner.in_flight == 1, "one in flight")

        async def intents() -> int:
            return await service.supervisor.book.run(lambda store: store.connection.execute("SELECT count(*) FROM intents").fetchone()[0])

        async def no_intents() -> bool:
            return await intents() == 0

        await until_true(intents)
        for pid in service.pids:
            os.kill(pid, signal.SIGKILL)
        with suppress(aiohttp.ClientError):
            await held
        await until_true(no_intents)
        past = await service.supervisor.book.past(day_start=0.0, month_start=0.0, claims_since=0.0)
        assert past.day_micros == {"notes": 9}


async def test_a_worker_that_cannot_start_ends_the_start_with_its_reason(folder: Path) -> None:
    supervisor = Supervisor(write(folder), worker_module="no_such_module_of_ours")
    try:
        with pytest.raises(ConfigError) as caught:
            await supervisor.start()
        assert "before it was ready" in caught.value.message
    finally:
        await supervisor.close()


async def test_a_second_service_on_the_same_data_is_refused(folder: Path) -> None:
    async with serving(write(folder)):
        second = Supervisor(folder / "lizi.toml", worker_module="standin_worker")
        try:
            with pytest.raises(StoreError):
                await second.start()
        finally:
            await second.close()


async def test_a_taken_port_is_named(folder: Path) -> None:
    async with serving(write(folder)) as service:
        port = service.supervisor.address.rpartition(":")[2]
        other = folder / "other"
        other.mkdir()
        path = write(other)
        path.write_text(path.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        second = Supervisor(path, worker_module="standin_worker")
        try:
            with pytest.raises(ConfigError) as caught:
                await second.start()
            assert f"127.0.0.1:{port}" in caught.value.message
        finally:
            await second.close()


async def test_signals_reload_drain_and_stop_the_real_process(folder: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": WORKER_PATH}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKERS / "standin_supervisor.py"), str(write(folder)), "standin_worker",
        stdout=asyncio.subprocess.PIPE, env=environ,
    )  # fmt: skip
    assert process.stdout is not None
    line = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    write(folder, output_tokens=55)
    process.send_signal(signal.SIGHUP)
    async with aiohttp.ClientSession() as session:

        async def tokens() -> list[int]:
            async with session.get(line["address"] + "/who", headers={"connection": "close"}) as answer:
                return (await answer.json(content_type=None))["default_output_tokens"]

        end = time.monotonic() + 10
        while await tokens() != [55]:
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 15) == 0
    assert not any(alive(pid) for pid in line["pids"])


async def test_metrics_of_all_workers_are_summed_and_may_be_asked_of_any(folder: Path) -> None:
    async with serving(write(folder)) as service:
        for _ in range(20):
            await service.ask()
        await until(lambda: service.supervisor.owner.in_flight == 0, "rest")
        async with service.session.get(service.supervisor.address + "/metrics") as answer:
            text = (await answer.read()).decode()
        assert "lizi_workers 2" in text.splitlines()
        committed = next(line for line in text.splitlines() if line.startswith("lizi_journal_committed_total"))
        assert float(committed.split()[1]) <= 20
        assert "# TYPE lizi_journal_committed_total counter" in text
