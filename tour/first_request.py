"""Scene 1: what the device sent beside what the partner received; then kill -9 in the middle of load.

A scripted partner on a real socket stands for the partner's cloud and keeps the bytes that reach it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from lizi.load import Options, Planned, Run, Target, run_open
from lizi.load.arrivals import poisson
from lizi.testing import Behaviour, Partner
from tour.checks import verdict
from tour.service import Service

__all__ = ["play"]

CONFIG = """
[server]
listen = "127.0.0.1:0"
workers = 2
data_dir = "{data}"
grace_ms = 0
drain_ms = 2000

[store]
batch_ms = 100

[metering]
currency = "USD"
[[metering.prices]]
key = "acme/acme-large"
from = 2020-01-01
input_per_million = "0.50"
output_per_million = "1.50"

[partners.acme]
base_url = "{partner}"

[models.assistant]
targets = [{{ partner = "acme", model = "acme-large" }}]
"""
IDENTITY = {
    "device id": "device-7QX4-0113",
    "user": "user-melon-4471",
    "account": "acct-88-1209",
    "cookie": "session-c00kie-51",
    "agent": "PhoneApp/9.3 (Model-X)",
    "language": "de-CH",
    "address": "203.0.113.77",
    "request id": "req-from-the-phone-1",
}
"""What a partner must never learn; each a string of its own, so that finding none means none arrived."""
RATE_PER_S, LOAD_S, WORKER_DIES_S, ALL_DIE_S = 40.0, 6.0, 2.0, 4.5


async def play(console: Console) -> bool:
    """The whole scene; whether every check held."""
    console.rule("[bold]Scene 1 · the first request[/bold]")
    checks: list[tuple[str, bool]] = []
    with tempfile.TemporaryDirectory(prefix="lizi-tour-") as name:
        folder = Path(name)
        script = Behaviour(text="The harbour was quiet before the ships came in.", chunks=8, interval_ms=20, model="acme-large-v7")
        async with Partner(script, capture=4) as partner:
            service = Service(folder, CONFIG.format(data=folder / "var", partner=partner.base_url))
            await service.start()
            try:
                _, made = await service.lizi("key", "create", "notes")
                await _side_by_side(console, service, partner, made["key"], checks)
                await _kill(console, service, made["key"], checks)
            finally:
                service.stop()
    return verdict(console, checks)


async def _side_by_side(console: Console, service: Service, partner: Partner, key: str, checks: list[tuple[str, bool]]) -> None:
    body = json.dumps(
        {
            "model": "assistant",
            "messages": [{"role": "user", "content": "Write one line about a harbour."}],
            "user": IDENTITY["user"],
            "safety_identifier": IDENTITY["account"],
            "metadata": {"device": IDENTITY["device id"]},
            "store": True,
            "stream": True,
        }
    )
    head = "\r\n".join(
        [
            "POST /v1/chat/completions HTTP/1.1",
            f"Host: 127.0.0.1:{service.port}",
            f"Authorization: Bearer {key}",
            "Content-Type: application/json",
            f"User-Agent: {IDENTITY['agent']}",
            f"Accept-Language: {IDENTITY['language']}",
            f"Cookie: sid={IDENTITY['cookie']}",
            f"X-Device-Id: {IDENTITY['device id']}",
            f"X-Forwarded-For: {IDENTITY['address']}",
            f"X-Request-Id: {IDENTITY['request id']}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(f"{head}\r\n\r\n{body}".encode())
    answer = (await asyncio.wait_for(reader.read(), 20)).decode()
    writer.close()
    captured = partner.requests[-1]
    received = (captured.head + captured.body).decode()

    shown_key = f"{key[:6]}…"
    left = escape(f"{head}\n\n{json.dumps(json.loads(body), indent=1)}".replace("\r", "").replace(key, shown_key))
    for text in IDENTITY.values():
        left = left.replace(escape(text), f"[bold red]{escape(text)}[/bold red]")
    right = escape(captured.head.decode().replace("\r", "").strip() + "\n\n" + json.dumps(json.loads(captured.body), indent=1))
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(Panel(left, title="what the device sent"), Panel(right, title="what the partner received"))
    console.print(grid)
    console.print(Panel(escape(answer.replace("\r", "")[:900]), title="what the device got back (its beginning)"))

    arrived = [what for what, text in IDENTITY.items() if text in received]
    checks.append((f"nothing of the device reached the partner ({', '.join(IDENTITY)}; the app key)", not arrived and key not in received))
    checks.append(("the prompt did: the task needs it", "Write one line about a harbour." in received))
    hidden = "acme" not in answer and partner.base_url.split("/")[2] not in answer
    checks.append(("nothing of the partner reached the device (model name, address)", hidden))
    checks.append(("the answer came whole", answer.startswith("HTTP/1.1 200") and "[DONE]" in answer))


async def _kill(console: Console, service: Service, key: str, checks: list[tuple[str, bool]]) -> None:
    console.print(
        f"\n{RATE_PER_S:.0f} streams a second for {LOAD_S:.0f} s; at {WORKER_DIES_S} s [bold]kill -9[/bold] of one worker, "
        f"at {ALL_DIE_S} s [bold]kill -9[/bold] of everything."
    )
    target = Target(host="127.0.0.1", port=service.port, headers=(("authorization", f"Bearer {key}"),))
    asked = {"model": "assistant", "messages": [{"role": "user", "content": "Go on."}], "stream": True}
    payload = target.request(json.dumps(asked).encode())
    plan = [Planned(at_s=at, payload=payload, stream=True) for at in poisson(RATE_PER_S, LOAD_S, seed=7)]
    victim = service.worker_pids()[0]
    hooks = ((WORKER_DIES_S, lambda: os.kill(victim, signal.SIGKILL)), (ALL_DIE_S, service.kill_all))
    run = await run_open(target, plan, Options(timeout_s=5.0, drain_s=2.0, hooks=hooks))

    before = [record for record in run.records if record.t_intended < ALL_DIE_S - 0.5]
    cut = [record for record in before if record.outcome not in ("ok", "open")]
    between = [record for record in before if record.t_intended > WORKER_DIES_S + 0.1]
    window_s = 0.5
    """The stated window is batch_ms = 100 ms; a commit on a shared disk may take longer than it."""
    due = sum(1 for record in run.records if record.outcome == "ok" and (record.t_last or 0.0) < ALL_DIE_S - window_s)
    answered = sum(1 for record in run.records if record.outcome == "ok")

    await service.start()
    code, verdict = await service.lizi("audit", "verify")
    _, report = await service.lizi("ledger", "report", "--by", "app")
    recorded = _recorded(report)
    told = {"lizi audit verify": verdict, "lizi ledger report --by app": report}
    console.print(Panel(json.dumps(told, indent=1), title="after the restart"))
    console.print(f"answered at the device {answered}, of those {due} earlier than {window_s} s before the kill; in the ledger {recorded}")
    checks.append((f"a killed worker cut only what it was serving: {len(cut)} of {len(before)}", len(cut) <= len(before) // 4))
    went_on = bool(between) and sum(r.outcome == "ok" for r in between) > 0.9 * len(between)
    checks.append(("the other worker and the replacement went on", went_on))
    checks.append(("every audit chain verifies after kill -9", code == 0))
    # One exchange more: the first request of this scene.
    checks.append((f"nothing beyond the stated window is lost: {recorded} recorded of {due + 1} that must be", recorded >= due + 1))
    await _still_serves(service, key, checks)


async def _still_serves(service: Service, key: str, checks: list[tuple[str, bool]]) -> None:
    target = Target(host="127.0.0.1", port=service.port, headers=(("authorization", f"Bearer {key}"),))
    payload = target.request(b'{"model":"assistant","messages":[{"role":"user","content":"Still there?"}]}')
    run: Run = await run_open(target, [Planned(at_s=0.0, payload=payload)], Options(timeout_s=10.0))
    checks.append(("the key still works and the service answers", run.records[0].outcome == "ok"))


def _recorded(report: list[dict[str, object]]) -> int:
    return sum(int(str(row["exchanges"])) for row in report)
