"""Scripted partners, by import and by hand.

`from lizi.testing.partners import Partner, Behaviour, BEHAVIOURS`, or
`python -m lizi.testing.partners --port 9000 --chunks 50 --interval-ms 20`: prints one JSON line with
its address, then serves until SIGINT or SIGTERM. Never listens beyond loopback unless told to.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import msgspec

from lizi.testing.behaviours import BEHAVIOURS, Asked, Behaviour, ToolCall
from lizi.testing.server import Captured, Departure, Partner, Script

__all__ = ["BEHAVIOURS", "Asked", "Behaviour", "Captured", "Departure", "Partner", "Script", "ToolCall", "main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lizi.testing.partners", description="A scripted chat-completions partner on a socket.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one; the address is printed as a JSON line")
    parser.add_argument("--behaviour", choices=sorted(BEHAVIOURS), default="good", help="a planted behaviour by name")
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


def _script(options: argparse.Namespace) -> list[Behaviour]:
    if options.script is not None:
        return msgspec.json.decode(options.script.read_bytes(), type=list[Behaviour])
    names = {"chunks": "chunks", "interval_ms": "interval_ms", "reply_bytes": "reply_bytes"}
    names |= {"first_byte_ms": "first_byte_ms", "first_token_ms": "first_token_ms"}
    changes = {field: getattr(options, name) for name, field in names.items() if getattr(options, name) is not None}
    if options.stamp:
        changes["stamp_times"] = True
    return [msgspec.structs.replace(BEHAVIOURS[options.behaviour], **changes)]


async def _serve(options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    script = _script(options)
    async with Partner(
        script, host=options.host, port=options.port, seed=options.seed, capture=options.capture, cycle=len(script) > 1
    ) as partner:
        sys.stdout.write(json.dumps({"base_url": partner.base_url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        await stopped.wait()


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal. Uses uvloop where it is installed."""
    options = _parser().parse_args(arguments)
    with contextlib.suppress(ImportError):
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(options))
        return 0
    asyncio.run(_serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
