"""The admin plane over its real Unix socket, with real workers behind it."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge_service import WORKER_PATH, Service, serving, write
from lizi.edge.supervisor import Supervisor
from lizi.errors import ConfigError


class Admin:
    def __init__(self, service: Service, session: aiohttp.ClientSession) -> None:
        self.service = service
        self.session = session
        self.token = (service.supervisor.data_dir / "admin.token").read_text().strip()

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, raw: bytes | None = None
    ) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {self.token if token is None else token}"}
        async with self.session.request(method, "http://admin" + path, json=body, data=raw, headers=headers) as answer:
            if answer.content_type == "application/json":
                return answer.status, await answer.json()
            return answer.status, await answer.text()


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    async with serving(write(tmp_path)) as service:
        connector = aiohttp.UnixConnector(path=str(service.supervisor.data_dir / "admin.sock"))
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Admin(service, session)


async def test_socket_and_token_belong_to_the_service_alone(admin: Admin) -> None:
    folder = admin.service.supervisor.data_dir
    assert stat.S_IMODE((folder / "admin.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "admin.token").stat().st_mode) == 0o600
    assert len(admin.token) >= 43  # 256 bits


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
async def test_without_the_token_nothing_is_told(admin: Admin, token: str) -> None:
    for method, path in (("GET", "/status"), ("POST", "/drain"), ("GET", "/nothing")):
        status, body = await admin.call(method, path, token=token)
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    assert not admin.service.supervisor.fleet.draining


async def test_status_says_what_runs(admin: Admin) -> None:
    status, body = await admin.call("GET", "/status")
    assert status == 200
    assert body["generation"] == 1
    assert body["config_hash"] == admin.service.supervisor.config.hash
    assert [worker["pid"] for worker in body["workers"]] == admin.service.pids
    acme = body["partners"]["acme"]
    standing = acme.pop("standing")
    assert acme == {"embedded": "", "region": "local", "targets_in_trouble": {}, "in_flight": 0, "terms": None}
    assert (standing["state"], standing["by"]) == ("active", "configuration")


async def test_the_life_of_a_key(admin: Admin) -> None:
    status, made = await admin.call("POST", "/keys", {"app": "mail", "plan": {"requests_per_minute": 3}})
    assert status == 201
    assert made["landing"]["workers"] == 2
    key, key_id = made["key"], made["key_id"]
    assert (await admin.service.ask(key=key))[0] == 200

    status, listed = await admin.call("GET", "/keys")
    assert status == 200
    assert key_id in [one["key_id"] for one in listed["keys"]]
    assert key not in str(listed)
    assert "digest" not in str(listed)

    status, changed = await admin.call("PUT", f"/keys/{key_id}/plan", {"requests_per_minute": 1})
    assert (status, changed["plan"]["requests_per_minute"]) == (200, 1)
    assert (await admin.service.ask(key=key))[0] == 429
    await admin.call("PUT", f"/keys/{key_id}/plan", {})

    status, rotated = await admin.call("POST", f"/keys/{key_id}/rotate", {"overlap_s": 60})
    assert status == 201
    assert [(await admin.service.ask(key=one))[0] for one in (key, rotated["key"])] == [200, 200]

    status, revoked = await admin.call("POST", f"/keys/{key_id}/revoke")
    assert status == 200
    assert revoked["revoked_at"] is not None
    assert revoked["landing"]["elapsed_ms"] <= 1000
    assert {(await admin.service.ask(key=key))[0] for _ in range(20)} == {401}
    assert (await admin.service.ask(key=rotated["key"]))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "raw", "status", "code"),
    [
        ("GET", "/nothing", None, None, 404, "not_found"),
        ("DELETE", "/keys", None, None, 405, "method_not_allowed"),
        ("POST", "/keys", {"app": "Not A Name"}, None, 400, "invalid_request"),
        ("POST", "/keys", {"app": "mail", "unknown": 1}, None, 400, "invalid_request"),
        ("POST", "/keys", None, b"{", 400, "invalid_request"),
        ("POST", "/keys/none/revoke", None, None, 404, "not_found"),
        ("POST", "/keys/none/rotate", None, None, 404, "not_found"),
        ("PUT", "/keys/none/plan", {"streams": "two"}, None, 400, "invalid_request"),
        ("POST", "/keys", None, b" " * 70_000, 413, "body_too_large"),
    ],
)
async def test_bad_requests_are_refused_with_their_reason(
    admin: Admin, method: str, path: str, body: Any, raw: bytes | None, status: int, code: str
) -> None:
    answered, told = await admin.call(method, path, body, raw=raw)
    assert (answered, told["error"]["code"]) == (status, code)


async def test_a_bad_file_is_refused_with_its_path_and_a_good_one_reloaded(admin: Admin) -> None:
    path = admin.service.supervisor.path
    path.write_text("[admission]\nnonsense = 1\n")
    status, body = await admin.call("POST", "/reload")
    assert (status, body["error"]["code"]) == (422, "config_invalid")
    assert "nonsense" in body["error"]["message"]
    write(path.parent, output_tokens=99)
    status, body = await admin.call("POST", "/reload")
    assert (status, body["generation"], body["landing"]["workers"]) == (200, 2, 2)


async def test_metrics_are_text(admin: Admin) -> None:
    status, text = await admin.call("GET", "/metrics")
    assert status == 200
    assert "lizi_workers 2" in text


async def test_drain_is_taken_and_begins(admin: Admin) -> None:
    assert await admin.call("POST", "/drain") == (202, {"draining": True})
    await admin.service.supervisor.until_ended()
    assert admin.service.supervisor.fleet.draining


async def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    folder = tmp_path / "var"
    folder.mkdir(mode=0o700)
    (folder / "admin.token").write_text("guessed\n")
    (folder / "admin.token").chmod(0o644)
    with pytest.raises(ConfigError) as caught:
        async with serving(path):
            raise AssertionError("it must not serve")
    assert "admin.token" in caught.value.message


async def test_a_data_folder_with_too_long_a_path_is_named(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 110)
    deep.mkdir()
    supervisor = Supervisor(write(deep), worker_module="standin_worker", environ={"PYTHONPATH": WORKER_PATH})
    try:
        with pytest.raises(ConfigError) as caught:
            await supervisor.start()
        assert "data_dir" in (caught.value.param or "")
    finally:
        await supervisor.close()
