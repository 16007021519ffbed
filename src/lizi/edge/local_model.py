"""The embedded partner: a real language model behind OpenAI's chat protocol, as its own process.

Lizi talks to it as to any partner: HTTP on loopback, a bearer key, health, restart on crash.
It prints one JSON line once it is healthy (`address`, `key_id`, `model`), then nothing. The key
comes by environment, never by argument (arguments are readable by everybody on the machine).
It dies with its parent. It fetches nothing. Bound: `slots` answers at once, each of at most
`context_tokens`; further requests wait inside, which Lizi's own admission keeps short.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import http.client
import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from lizi.edge import models, wiping
from lizi.errors import ConfigError, LiziError

__all__ = ["CONNECTIONS", "KEY_ENV", "command", "health", "main"]

KEY_ENV = "LIZI_LOCAL_MODEL_KEY"
"""Variable that the key is handed over in, unless another is named."""

CONNECTIONS = 30
"""Connections that it serves at once, idle ones counted; a pool in front must stay below."""

_SLOTS = 2  # answers generated side by side; with one core each more slot slows all the others
_CONTEXT_TOKENS = 4096  # prompt and answer of every writing feature; 90 MB of memory a slot for the default model
_HTTP_THREADS = CONNECTIONS + 2  # a kept-alive connection holds a thread; two stay free for health checks
_IDLE_TIMEOUT_S = 300  # as long as the longest exchange (`deadlines.whole_ms`)
_PARENT_POLL_S = 0.5  # where the kernel can't tell us that the parent died
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

_NO_ENGINE = (
    "The engine for local models is not installed, or has no build for this machine.",
    "Install it with `pip install 'lizi[local]'`. Where there is no build, use a partner instead: in lizi.toml, under [partners.NAME], "
    "leave out `embedded` and set `base_url` (up to /v1) and `credential` (env:NAME or file:PATH); then name it in [models.NAME] targets.",
)


def command(
    model: str, models_dir: Path, *, port: int = 0, slots: int = _SLOTS, context_tokens: int = _CONTEXT_TOKENS, key_env: str = KEY_ENV
) -> list[str]:
    """The command line of the process that serves `model`; the key goes into its environment as `key_env`.

    Start it from the main thread: on Linux the child is told of the death of the *thread* that made it.
    """
    line = [sys.executable, "-m", "lizi.edge.local_model", "--model", model, "--models-dir", str(models_dir), "--port", str(port)]
    return [*line, "--slots", str(slots), "--context-tokens", str(context_tokens), "--key-env", key_env]


def health(address: str, timeout_s: float = 2.0) -> bool:
    """Whether the process at `address` (`http://127.0.0.1:PORT`) answers; blocking, for the supervisor's own thread.

    Two seconds: it answers in about one millisecond, and later than that only when the machine is stuck.
    """
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=timeout_s)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(argv: list[str] | None = None) -> int:
    """Serve one model until SIGTERM, SIGINT or the parent's death. 0 after a wanted end, 2 when it can't start."""
    parent = os.getppid()
    _die_with_parent()
    wiping.close()
    arguments = _arguments(argv)
    ready_line = _own_stdout()
    try:
        key = os.environ.pop(arguments.key_env, "")
        if not key:
            hint = "Set it to a fresh random key."
            raise ConfigError(f"No key: the variable {arguments.key_env} is not set.", code="config_invalid", hint=hint)
        server = _start(arguments, key)
    except LiziError as error:
        print(f"{error.message} {error.hint or ''}".strip(), file=sys.stderr)  # noqa: T201 - this process has no other voice
        return 2
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    ready = {"address": server.listening_address, "key_id": hashlib.sha256(key.encode()).hexdigest()[:8], "model": arguments.model}
    try:
        os.write(ready_line, json.dumps(ready).encode() + b"\n")
    except BrokenPipeError:  # the parent died before we could look at who it was
        stop.set()
    while not stop.wait(_PARENT_POLL_S):
        if os.getppid() != parent:
            break
    # The engine's own tear-down waits for answers under way; the client is gone, so nobody needs them.
    os._exit(0)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lizi.edge.local_model", description="Serve one local model over HTTP.")
    parser.add_argument("--model", required=True, help="name, as in `lizi model list`")
    parser.add_argument("--models-dir", type=Path, required=True, help="directory that `lizi model get` keeps them in")
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")
    parser.add_argument("--slots", type=int, default=_SLOTS, help="answers generated side by side")
    parser.add_argument("--context-tokens", type=int, default=_CONTEXT_TOKENS, help="prompt and answer together, for each slot")
    parser.add_argument("--key-env", default=KEY_ENV, help="variable that holds the bearer key")
    return parser.parse_args(argv)


def _start(arguments: argparse.Namespace, key: str) -> Any:
    """The engine's own HTTP server, healthy when this returns."""
    path = models.path_of(arguments.model, arguments.models_dir)
    if not path.is_file():
        hint = f"Fetch it with `lizi model get {arguments.model}`."
        raise ConfigError(f"The weights of {arguments.model} are not in the models directory.", code="config_invalid", hint=hint)
    try:
        import xllamacpp
    except (ImportError, OSError) as error:
        raise ConfigError(_NO_ENGINE[0], code="config_invalid", hint=_NO_ENGINE[1]) from error
    options = xllamacpp.CommonParams()
    options.model.path = str(path)
    options.model_alias = {arguments.model}  # else /v1/models shows a path of this machine
    options.hostnames = ["127.0.0.1"]
    options.port = arguments.port
    options.api_keys = [key]
    options.n_parallel = arguments.slots
    options.n_ctx = arguments.context_tokens * arguments.slots  # the engine divides it among the slots
    for threads in (options.cpuparams, options.cpuparams_batch):
        threads.n_threads = 1  # measured: on a shared machine two spin against their neighbours, 135 tokens/s fall to 7
    options.n_threads_http = _HTTP_THREADS
    options.timeout_read = options.timeout_write = _IDLE_TIMEOUT_S
    options.cache_ram_mib = 0  # the default prompt cache may take 8 GiB, and would keep prompts of past exchanges
    options.ui = False
    options.endpoint_slots = False  # would tell what is being generated
    options.endpoint_props = False
    options.use_jinja = True  # the model's own chat template, with tools where it knows them
    options.verbosity = 1  # errors only: warnings may quote a request
    try:
        return xllamacpp.Server(options)
    except (RuntimeError, ValueError) as error:
        hint = "Is the port free and is there memory for the context? `lizi model list` checks the weights."
        raise ConfigError(f"The engine could not serve {arguments.model}.", code="config_invalid", hint=hint) from error


def _own_stdout() -> int:
    """Keep the real standard output for the one line; whatever the engine prints goes to standard error."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return kept


def _die_with_parent() -> None:
    """Ask the kernel (Linux) for SIGTERM when the parent dies; elsewhere the loop in `main` looks each half second."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
