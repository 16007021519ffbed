"""The systems that are compared: how each is installed, configured, started and asked.

Versions are pinned; settings are those the makers recommend for production, with telemetry off and one worker,
since each gets one core. Everything is on loopback. Installs go to `.work/`, which git ignores.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec import Struct, field

from lizi import __version__
from lizi.callers import mint
from lizi.edge.store import Store
from lizi.load import Target
from lizi.types import Plan
from versus.process import await_answer, await_port, free_port, start, stop, tree

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"
ROOT = HERE.parent.parent


class Running(Struct, kw_only=True):
    """A started system."""

    name: str
    target: Target
    model: str
    process: subprocess.Popen[bytes] | None = None
    refused: Target | None = None
    """The same with a key that is over its limit."""
    core: int | None = None
    """The core that it is pinned to."""
    pids: list[int] = field(default_factory=list)

    def refresh(self) -> list[int]:
        """The processes that it consists of now."""
        self.pids = tree(self.process.pid) if self.process is not None else []
        return self.pids

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process)


class System(Struct, frozen=True, kw_only=True):
    """One system. `scale` shrinks the load for one that can't bear the common one."""

    name: str
    label: str
    version: str
    settings: str
    launch: Callable[[int, int | None], Running]
    install: Callable[[], None] | None = None
    streams: bool = True
    scale: float = 1.0


def uv() -> str:
    """The uv that the Makefile brought, or the one on the path."""
    for candidate in (ROOT / ".tools/bin/uv", Path(sys.executable).parent / "uv"):
        if candidate.exists():
            return str(candidate)
    found = shutil.which("uv")
    if found is None:
        raise RuntimeError("uv is needed to install the rivals: run `make setup` first, or put uv on the path")
    return found


def _venv(name: str, *packages: str) -> Callable[[], None]:
    def install() -> None:
        place = WORK / name
        stamp = place / "installed.txt"
        wanted = "\n".join(packages)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        subprocess.run([uv(), "venv", "--quiet", "--clear", "--python", sys.executable, str(place)], check=True)
        subprocess.run([uv(), "pip", "install", "--quiet", "--python", str(place / "bin/python"), *packages], check=True)
        stamp.write_text(wanted)

    return install


def _portkey_install() -> None:
    place = WORK / "portkey"
    if (place / "node_modules/@portkey-ai/gateway/build/start-server.js").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "package.json").exists():
        (place / "package.json").write_text('{"name":"versus-portkey","private":true}\n')
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "@portkey-ai/gateway@1.15.2"],
        cwd=place,
        check=True,
        capture_output=True,
    )


def _start(
    name: str, command: list[str], core: int | None, port: int, *, env: dict[str, str] | None = None, seconds: float = 30, ready: str = ""
) -> subprocess.Popen[bytes]:
    process = start(command, core=core, log=WORK / f"{name}.log", env=env or {}, cwd=WORK)
    try:
        await_port(port, process, seconds=seconds)
        if ready:
            await_answer(port, ready, process, seconds=seconds)
    except RuntimeError as problem:
        stop(process)
        raise RuntimeError(f"{name} {problem}; see benchmarks/versus/.work/{name}.log") from None
    return process


def _floor(upstream: int, core: int | None) -> Running:
    port = free_port()
    process = _start(
        "floor", [sys.executable, str(HERE.parent / "floor.py"), "--port", str(port), "--upstream", f"127.0.0.1:{upstream}"], core, port
    )
    return Running(name="floor", process=process, target=Target(host="127.0.0.1", port=port), model="mock-model")


def _tensorzero(upstream: int, core: int | None) -> Running:
    config = WORK / "tensorzero.toml"
    config.write_text(
        f"""[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true
[models.mock]
routing = ["up"]
[models.mock.providers.up]
type = "openai"
model_name = "mock-model"
api_base = "http://127.0.0.1:{upstream}/v1/"
api_key_location = "none"
"""
    )
    code = (
        "import tensorzero, time\n"
        f"g = tensorzero._start_http_gateway(config_file={str(config)!r}, clickhouse_url=None, "
        "postgres_url=None, valkey_url=None, async_setup=False)\n"
        "print('BASE', g.base_url, flush=True)\n"
        "time.sleep(1e6)\n"
    )
    log = WORK / "tensorzero.log"
    process = start([str(WORK / "tensorzero/bin/python"), "-c", code], core=core, log=log, env={"RUST_LOG": "error"}, cwd=WORK)
    end = time.monotonic() + 30
    found = None
    while found is None and time.monotonic() < end and process.poll() is None:
        time.sleep(0.1)
        found = re.search(r"BASE http://[^:]+:(\d+)(\S*)", log.read_text(errors="replace"))
    if found is None:
        stop(process)
        raise RuntimeError("tensorzero did not start; see benchmarks/versus/.work/tensorzero.log")
    target = Target(host="127.0.0.1", port=int(found[1]), path=found[2] + "/chat/completions")
    return Running(name="tensorzero", process=process, target=target, model="tensorzero::model_name::mock")


def _vllm_router(upstream: int, core: int | None) -> Running:
    port = free_port()
    command = [str(WORK / "vllm-router/bin/vllm-router"), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port())]
    command += ["--worker-urls", f"http://127.0.0.1:{upstream}", "--policy", "round_robin", "--log-level", "error"]
    command += ["--max-concurrent-requests", "20000"]  # its default would queue the streams; the queue is not what is measured
    process = _start("vllm-router", command, core, port)
    return Running(name="vllm-router", process=process, target=Target(host="127.0.0.1", port=port), model="mock-model")


def _portkey(upstream: int, core: int | None) -> Running:
    port = free_port()
    server = WORK / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    process = _start("portkey", ["node", str(server), f"--port={port}", "--headless"], core, port, env={"NODE_ENV": "production"})
    headers = (
        ("x-portkey-provider", "openai"),
        ("x-portkey-custom-host", f"http://127.0.0.1:{upstream}/v1"),
        ("authorization", "Bearer x"),
    )
    return Running(name="portkey", process=process, target=Target(host="127.0.0.1", port=port, headers=headers), model="mock-model")


def _litellm(upstream: int, core: int | None) -> Running:
    port = free_port()
    key = "sk-" + secrets.token_hex(24)
    config = WORK / "litellm.yaml"
    config.write_text(
        f"""model_list:
  - model_name: phone-ai
    litellm_params: {{model: openai/mock-model, api_base: "http://127.0.0.1:{upstream}/v1", api_key: sk-x}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false, num_retries: 0, set_verbose: false, request_timeout: 600}}
"""
    )
    command = [str(WORK / "litellm/bin/litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    env = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "PATH": f"{WORK / 'litellm/bin'}:{os.environ['PATH']}",
    }
    process = _start("litellm", command, core, port, env=env, seconds=90)
    return Running(
        name="litellm",
        process=process,
        target=Target(host="127.0.0.1", port=port, headers=(("authorization", f"Bearer {key}"),)),
        model="phone-ai",
    )


_LIZI_CONFIG = """[server]
listen = "127.0.0.1:{port}"
workers = 1
data_dir = "{data}"

[admission]
exchanges_in_flight = 10000

[telemetry]
log_level = "warning"  # the rivals too write errors alone

[metering]
currency = "USD"

[[metering.prices]]
key = "mock/mock-model"
from = 2026-01-01
currency = "USD"
input_per_million = "0.50"
output_per_million = "1.50"

[veil]
brand = "{brand}"

[partners.mock]
base_url = "http://127.0.0.1:{upstream}/v1"
connections = 10000
own = {own}

[models.assistant]
targets = [{{ partner = "mock", model = "mock-model", context_tokens = 131072 }}]
"""


def _lizi(upstream: int, core: int | None, *, veil: bool = True) -> Running:
    """The full path: a key with every kind of limit set (wide), metering with prices, ledger and audit chain on disk; masked, or not."""
    port = free_port()
    name = "lizi" if veil else UNVEILED
    place = WORK / name
    shutil.rmtree(place, ignore_errors=True)
    data = place / "var"
    data.mkdir(parents=True, mode=0o700)
    config = place / "lizi.toml"
    told = {"brand": "hide", "own": "false"} if veil else {"brand": "show", "own": "true"}
    config.write_text(_LIZI_CONFIG.format(port=port, data=data, upstream=upstream, **told))
    now = time.time()
    billions = 10**15  # micro-units: a budget that no run reaches, yet is counted down
    wide = Plan(
        requests_per_minute=100_000_000,
        tokens_per_minute=10**12,
        streams=100_000,
        money_per_day_micros=billions,
        money_per_month_micros=billions,
    )
    key, record = mint("bench", wide, now, secrets.token_bytes(38))
    stopped_key, stopped = mint("over-its-limit", Plan(requests_per_minute=1), now, secrets.token_bytes(38))
    with Store.open(data / "lizi.sqlite") as store:
        store.add_key(record)
        store.add_key(stopped)
    process = _start(name, [sys.executable, "-m", "lizi.edge.supervisor", "--config", str(config)], core, port, ready="/readyz")
    target = Target(host="127.0.0.1", port=port, headers=(("authorization", f"Bearer {key}"),))
    refused = Target(host="127.0.0.1", port=port, headers=(("authorization", f"Bearer {stopped_key}"),))
    return Running(name=name, process=process, target=target, refused=refused, model="assistant")


UNVEILED = "lizi-unveiled"

SYSTEMS: tuple[System, ...] = (
    System(
        name="lizi",
        label="Lizi, full path",
        version=__version__,
        settings="one worker; app key, all limits, metering, ledger and audit chain on disk (durability batched); the veil on: masked, "
        "salted, brand hidden, the extra hyperscan; warnings logged",
        launch=_lizi,
    ),
    System(
        name=UNVEILED,
        label="Lizi, without the veil",
        version=__version__,
        settings="the same, the partner said to be the maker's own machines: nothing masked, salted or hidden",
        launch=partial(_lizi, veil=False),
    ),
    System(
        name="floor", label="bare uvloop floor", version="committed", settings="no features at all (benchmarks/floor.py)", launch=_floor
    ),
    System(
        name="tensorzero",
        label="TensorZero, bare",
        version="2026.6.0",
        settings="observability and analytics off; no auth, limits, metering or audit",
        launch=_tensorzero,
        install=_venv("tensorzero", "tensorzero==2026.6.0"),
    ),
    System(
        name="vllm-router",
        label="vllm-router (transparent)",
        version="0.1.17",
        settings="round robin; forwards bytes, no AI work",
        launch=_vllm_router,
        install=_venv("vllm-router", "vllm-router==0.1.17"),
    ),
    System(
        name="portkey",
        label="Portkey",
        version="1.15.2",
        settings="headless, NODE_ENV=production",
        launch=_portkey,
        install=_portkey_install,
        scale=0.2,
    ),
    System(
        name="litellm",
        label="LiteLLM, 1 worker",
        version="1.108.7",
        settings="LITELLM_MODE=PRODUCTION, master key, no database, no retries",
        launch=_litellm,
        install=_venv("litellm", "litellm[proxy]==1.108.7"),
        scale=0.02,
    ),
)
