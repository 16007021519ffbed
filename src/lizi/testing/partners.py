"""Scripted partners, by import and by hand.

`from lizi.testing.partners import Partner, Behaviour, BEHAVIOURS`, or
`python -m lizi.testing.partners --port 9000 --chunks 50 --interval-ms 20`: prints one JSON line with
its address, then serves until SIGINT or SIGTERM. With `--dialect` it speaks as that partner does and refuses what that
partner refuses; without, it is the bare chat protocol and takes anything, which is what load is measured with. For people
the same is `lizi partner fake`. Never listens beyond loopback unless told to.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from lizi.testing.behaviours import BEHAVIOURS, Asked, Behaviour, ToolCall
from lizi.testing.captured import Captured, Departure, Script
from lizi.testing.planted import PLANTED, find
from lizi.testing.server import MAX_RENDERINGS, Partner
from lizi.testing.speeches import SPEECHES

__all__ = ["BEHAVIOURS", "Asked", "Behaviour", "Captured", "Departure", "Partner", "Script", "ToolCall", "main", "run", "script_of"]


def script_of(name: str, dialect: str = "", **changes: Any) -> Script:
    """A behaviour by name or number as `planted.find` knows it, with fields of its answers changed; `None` changes nothing.

    Without a dialect the names of `BEHAVIOURS` go first. Raises `ValueError` with what there is.
    """
    changes = {field: value for field, value in changes.items() if value is not None}
    if not dialect and name in BEHAVIOURS:
        script: Script = BEHAVIOURS[name]
    else:
        script = find(SPEECHES[dialect or "openai_chat"], dialect or "openai_chat", name)
    if not changes:
        return script
    if "reply_bytes" in changes:
        changes.setdefault("text", None)
    if isinstance(script, Behaviour):
        return replace(script, **changes)
    if callable(script):
        return _Changed(script, changes)
    return [replace(behaviour, **changes) for behaviour in script]


class _Changed:
    """A script whose answers are changed, each once: their bytes are kept by the answer's identity. Its refusals stay."""

    def __init__(self, script: Callable[[Captured], Behaviour], changes: dict[str, Any]) -> None:
        self._script, self._changes = script, changes
        self._made: dict[int, tuple[Behaviour, Behaviour]] = {}

    def __call__(self, captured: Captured) -> Behaviour:
        behaviour = self._script(captured)
        if behaviour.error is not None:
            return behaviour
        found = self._made.get(id(behaviour))
        if found is None:
            if len(self._made) >= MAX_RENDERINGS:
                self._made.clear()
            found = self._made[id(behaviour)] = behaviour, replace(behaviour, **self._changes)  # the first stays, so that its id is its own
        return found[1]


def run(partner: Partner, ready: Callable[[Partner], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called once it listens. Uses uvloop where it is installed."""

    async def live() -> None:
        stopped = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stopped.set)
        async with partner:
            ready(partner)
            await stopped.wait()

    with contextlib.suppress(ImportError):
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(live())
        return
    asyncio.run(live())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lizi.testing.partners", description="A scripted chat-completions partner on a socket.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one; the address is printed as a JSON line")
    parser.add_argument("--dialect", choices=sorted(SPEECHES), default="", help="speak as this partner does, and refuse what it refuses")
    names = ", ".join([*(planted.name for planted in PLANTED), *BEHAVIOURS])
    parser.add_argument("--behaviour", default="good", metavar="NAME", help=f"a planted behaviour by name: {names}")
    parser.add_argument("--script", type=Path, help="JSON file with a list of behaviours, used in turn and over again")
    parser.add_argument("--chunks", type=int, help="text chunks of a streamed answer")
    parser.add_argument("--interval-ms", type=float, help="time between two chunks")
    parser.add_argument("--reply-bytes", type=int, help="size of the answer's text")
    parser.add_argument("--first-byte-ms", type=float, help="wait before the headers")
    parser.add_argument("--first-token-ms", type=float, help="wait between the headers and the first chunk")
    parser.add_argument("--stamp", action="store_true", help="begin each text chunk with its intended send time in monotonic microseconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--capture", type=int, default=0, help="keep the raw bytes of this many requests")
    return parser


def _script(options: argparse.Namespace) -> Script:
    if options.script is not None:
        script: list[Behaviour] = msgspec.json.decode(options.script.read_bytes(), type=list[Behaviour])
        return script
    names = ("chunks", "interval_ms", "reply_bytes", "first_byte_ms", "first_token_ms")
    return script_of(
        options.behaviour, options.dialect, stamp_times=options.stamp or None, **{name: getattr(options, name) for name in names}
    )


def _announce(partner: Partner) -> None:
    sys.stdout.write(json.dumps({"base_url": partner.base_url, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        script = _script(options)
    except ValueError as error:
        parser.error(str(error))
    several = isinstance(script, list) and len(script) > 1
    partner = Partner(
        script,
        host=options.host,
        port=options.port,
        seed=options.seed,
        capture=options.capture,
        cycle=several,
        dialect=options.dialect,
    )
    run(partner, _announce)
    return 0


if __name__ == "__main__":
    sys.exit(main())
