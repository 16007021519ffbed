"""The embedded partner, with the real engine and the real weights."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lizi.edge import local_model

KEY = "local-test-key-0123456789"
CANARY = "zanzibar-heron-4471"

pytestmark = pytest.mark.local_model


def start(models_dir: Path, **options: Any) -> subprocess.Popen[bytes]:
    environ = {**os.environ, local_model.KEY_ENV: KEY}
    line = local_model.command("smollm2-135m", models_dir, context_tokens=512, **options)
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ)


def ask(address: str, method: str, path: str, body: Any = None, key: str = KEY) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    with contextlib.closing(connection):
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        return response.status, response.read()


def gone(pid: int, within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(scope="module")
def models_dir(model_file: Callable[[str], Path]) -> Path:
    pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")
    return model_file("smollm2-135m").parent


@pytest.fixture(scope="module")
def served(models_dir: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    with start(models_dir) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield process, json.loads(line)
        process.terminate()
        _, said = process.communicate(timeout=10)
        assert process.returncode == 0
        assert CANARY.encode() not in said, "the engine wrote a prompt to its log"
        assert KEY.encode() not in said + line


def test_it_says_where_it_is_once_it_is_healthy(served: tuple[Any, dict[str, str]]) -> None:
    _, ready = served
    assert set(ready) == {"address", "key_id", "model"}
    assert ready["address"].startswith("http://127.0.0.1:")
    assert local_model.health(ready["address"])


def test_it_streams_a_chat_with_usage_and_done(served: tuple[Any, dict[str, str]]) -> None:
    messages = [{"role": "user", "content": f"Say hello to {CANARY}."}]
    body = {"model": "smollm2-135m", "messages": messages, "max_tokens": 8, "stream": True, "stream_options": {"include_usage": True}}
    status, raw = ask(served[1]["address"], "POST", "/v1/chat/completions", body)
    frames = [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: ")]
    assert status == 200
    assert frames[-1] == b"[DONE]"
    chunks = [json.loads(frame) for frame in frames[:-1]]
    assert any(chunk.get("usage", {}) and chunk["usage"]["completion_tokens"] == 8 for chunk in chunks)
    assert "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def test_a_wrong_key_gets_nothing(served: tuple[Any, dict[str, str]]) -> None:
    status, _ = ask(served[1]["address"], "POST", "/v1/chat/completions", {"messages": []}, key="wrong")
    assert status == 401


def test_what_is_being_generated_is_shown_to_nobody(served: tuple[Any, dict[str, str]]) -> None:
    status, body = ask(served[1]["address"], "GET", "/slots")
    assert status != 200
    assert CANARY.encode() not in body


def test_models_are_named_and_not_located(served: tuple[Any, dict[str, str]], models_dir: Path) -> None:
    status, body = ask(served[1]["address"], "GET", "/v1/models")
    assert status == 200
    assert b"smollm2-135m" in body
    assert str(models_dir).encode() not in body


def test_idle_connections_up_to_the_stated_number_keep_nobody_out(served: tuple[Any, dict[str, str]]) -> None:
    host = served[1]["address"].removeprefix("http://")
    with contextlib.ExitStack() as stack:
        for _ in range(local_model.CONNECTIONS):
            connection = stack.enter_context(contextlib.closing(http.client.HTTPConnection(host, timeout=10)))
            connection.request("GET", "/health")
            connection.getresponse().read()  # kept alive from here on
        assert local_model.health(served[1]["address"])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and other systems notice by polling")
def test_it_dies_with_its_parent(models_dir: Path) -> None:
    line = local_model.command("smollm2-135m", models_dir, context_tokens=512)
    script = "import subprocess, sys, time; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); time.sleep(600)"
    environ = {**os.environ, local_model.KEY_ENV: KEY}
    with subprocess.Popen([sys.executable, "-c", script, *line], stdout=subprocess.PIPE, env=environ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert json.loads(parent.stdout.readline())["address"]  # the child shares its standard output
        parent.send_signal(signal.SIGKILL)
        assert gone(child)


def test_without_a_key_it_does_not_start(models_dir: Path) -> None:
    done = subprocess.run(local_model.command("smollm2-135m", models_dir), capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert b"LIZI_LOCAL_MODEL_KEY" in done.stderr


def test_without_weights_it_says_how_to_get_them(tmp_path: Path) -> None:
    environ = {**os.environ, local_model.KEY_ENV: KEY}
    done = subprocess.run(local_model.command("smollm2-135m", tmp_path), capture_output=True, env=environ, timeout=60, check=False)
    assert done.returncode == 2
    assert b"lizi model get smollm2-135m" in done.stderr


def test_without_the_engine_it_says_which_partner_settings_to_give_instead(tmp_path: Path) -> None:
    (tmp_path / "smollm2-135m.gguf").write_bytes(b"not reached")
    script = "import sys; sys.modules['xllamacpp'] = None; from lizi.edge import local_model; sys.exit(local_model.main(sys.argv[1:]))"
    environ = {**os.environ, local_model.KEY_ENV: KEY}
    line = [sys.executable, "-c", script, *local_model.command("smollm2-135m", tmp_path)[3:]]
    done = subprocess.run(line, capture_output=True, env=environ, timeout=60, check=False)
    assert done.returncode == 2
    for setting in (b"base_url", b"credential", b"targets"):
        assert setting in done.stderr


def test_weights_that_are_no_model_are_refused_without_a_trace_of_paths(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")
    (tmp_path / "smollm2-135m.gguf").write_bytes(b"GGUF" + bytes(100))
    environ = {**os.environ, local_model.KEY_ENV: KEY}
    done = subprocess.run(local_model.command("smollm2-135m", tmp_path), capture_output=True, env=environ, timeout=60, check=False)
    assert done.returncode == 2
    assert b"could not serve smollm2-135m" in done.stderr


def test_health_of_nobody_is_false() -> None:
    assert not local_model.health("http://127.0.0.1:1", timeout_s=1)
