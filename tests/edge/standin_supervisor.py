"""The real supervisor over stand-in workers; prints one JSON line when it serves."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import uvloop

from lizi.edge.supervisor import Supervisor, run
from lizi.errors import LiziError
from lizi.types import Plan


async def started(supervisor: Supervisor) -> None:
    key, record, _ = await supervisor.create_key("notes", Plan())
    line = {"address": supervisor.address, "key": key, "key_id": record.key_id, "pids": [state.pid for state in supervisor.fleet.states]}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(Path(sys.argv[1]), started, worker_module=sys.argv[2]))
    except LiziError as error:
        print(f"{error.message} {error.hint}", file=sys.stderr)
        raise SystemExit(2) from None
