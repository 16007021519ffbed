"""`lizi veil scan`: plant words that occur nowhere else in a running service, then look for them everywhere.

Ends with 0 when everything was read and nothing found, 1 when something was found, 2 when something could not be read: what was not
read is listed and never called clean. Before the verdict the search proves itself on words that it planted into a scratch file, in
each form and compression. Never prints a word or what surrounds it. Runs where the service runs, as root or as its user.
"""

from __future__ import annotations

import gzip
import lzma
import random
import tempfile
import time
import zlib
from bz2 import compress as bzip2
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from lizi.cli.output import NO, USAGE, Output
from lizi.cli.running import House, Running
from lizi.cli.veil_planting import DOORS, Client, Planted, neutral, requests
from lizi.edge.runtime import resolve_secret
from lizi.edge.scan.memory import look_into, name_of
from lizi.edge.scan.places import Look, Unread, family
from lizi.edge.scan.seeker import Canaries, forms
from lizi.errors import ConfigError, LiziError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Asked", "scan"]

_COULD_NOT_LOOK = USAGE
"""Exit code 2, whatever was in the way."""
_SETTLED_S = 30.0
"""For exchanges to end and records to be written; a healthy service needs a tenth of a second."""
_LATIN, _HAN = "bcdfghjkmnpqrstvwxz", "厓厣叆呇咍哌哿唪唼啴喈喑嗄嗒嗥嘏噌噔噗噤囝囡圄圜圩圮坂坻垌垓垡垧"
"""What marks are made of: 12 letters of 19 and 6 characters of 32 give 51 and 30 random bits; by chance neither occurs."""
_SHOWN = 50
"""Findings that people are shown; `--json` has all."""
_VERDICTS = {
    "clean": "Nothing was found.",
    "found": "Planted words were found.",
    "could not look": "Nothing was found where it could be read; not all could be.",
}
_STATES = ("/status", "/keys", "/keyring")


class Asked(Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    key: str
    """Reference, `env:NAME` or `file:PATH`."""
    url: str = ""
    model: str = "assistant"
    memory: str = "readable"
    logs: tuple[Path, ...] = ()
    also: tuple[Path, ...] = ()
    neutral: int = 20
    idle_s: float = 3.0
    rounds: int = 2
    ca: str | None = None


def scan(output: Output, config_path: Path, asked: Asked) -> None:
    """Plant, wait, look, tell; leaves with the exit code."""
    try:
        _scan(output, config_path, asked)
    except (LiziError, OSError) as error:
        # Never 1: that would say that something was found.
        message = error.message if isinstance(error, LiziError) else f"The service can't be reached any more: {error}."
        output.fail(message, hint=getattr(error, "hint", None), code=_COULD_NOT_LOOK, error=getattr(error, "code", "unreachable"))


def _scan(output: Output, config_path: Path, asked: Asked) -> None:
    house = House(config_path)
    service = house.running()
    if service is None:
        hint = "Start it, or give its --config; a scan runs on the machine, and in the container, where the service runs."
        output.fail("No service runs on this configuration's data folder.", hint=hint, code=_COULD_NOT_LOOK, error="unreachable")
    began = time.time()
    canaries = _fresh()
    shown = _control(output)
    status = service.ask("GET", "/status")
    client = Client(asked.url or _reachable(status["address"]), resolve_secret(asked.key), ca=asked.ca)
    with output.progress("planting") as bar:
        sent = _plant(output, client, canaries, asked, bar)
    time.sleep(asked.idle_s)
    _settle(output, service)
    look = Look(canaries)
    with output.progress("looking") as bar:
        processes = _look(look, house, service, client, status["pid"], asked, began, bar)
    client.close()
    _tell(output, look, sent, processes, shown)


def _fresh() -> Canaries:
    draw = random.SystemRandom()
    return Canaries(latin="".join(draw.choices(_LATIN, k=12)), han="".join(draw.choices(_HAN, k=6)), doors=DOORS)


def _reachable(address: str) -> str:
    """The address to ask at: one that listens on all addresses is asked on loopback."""
    return address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


# --- planting ---


def _plant(output: Output, client: Client, canaries: Canaries, asked: Asked, bar: Any) -> dict[str, Any]:
    wanted = [planted for _ in range(asked.rounds) for planted in requests(canaries, asked.model)]
    wanted += [neutral(number, asked.model) for number in range(asked.neutral)]
    statuses: dict[int, int] = {}
    echoed = answered = 0
    for number, planted in enumerate(wanted):
        code, data = _sent(output, client, planted)
        statuses[code] = statuses.get(code, 0) + 1
        words = number < len(wanted) - asked.neutral
        answered += words and code == 200
        echoed += bool(planted.expects) and planted.expects.encode() in data
        bar(number + 1, len(wanted))
    if not answered:
        hint = f"Statuses: {statuses}. Give a key with enough budget and a model that answers."
        output.fail("No planted request was answered: a scan of refusals proves little.", hint=hint, code=_COULD_NOT_LOOK)
    return {"requests": len(wanted), "statuses": {str(code): count for code, count in sorted(statuses.items())}, "echoed": echoed}


def _sent(output: Output, client: Client, planted: Planted) -> tuple[int, bytes]:
    try:
        return client.ask("POST", planted.path, planted.body, planted.headers, leaves=planted.leaves)
    except OSError as error:
        hint = "Give its address with --url, and --ca for a private certificate."
        output.fail(f"The service can't be reached: {error}.", hint=hint, code=_COULD_NOT_LOOK, error="unreachable")


def _settle(output: Output, service: Running) -> None:
    """Until no exchange is under way; users' own exchanges may go on, and the scan goes on then as well."""
    end = time.monotonic() + _SETTLED_S
    while service.ask("GET", "/status")["in_flight"]:
        if time.monotonic() > end:
            output.say("[dim]Other exchanges are under way: the search begins all the same.[/dim]")
            return
        time.sleep(0.1)


# --- looking ---


def _look(
    look: Look, house: House, service: Running, client: Client, pid: int, asked: Asked, began: float, bar: Any
) -> list[dict[str, Any]]:
    look.tree(house.data_dir)
    for path in (*asked.logs, *asked.also):
        look.tree(path)
    for state in _STATES:
        look.octets(f"admin plane, GET {state}", msgspec.json.encode(service.ask("GET", state)))
    for shown in ("/v1/models", "/openapi.json", "/readyz"):
        look.octets(f"GET {shown}", client.ask("GET", shown)[1])
    _metrics(look, house, client)
    if house.config.telemetry.otlp_endpoint and not asked.also:
        why = "telemetry.otlp_endpoint sends them to a collector: give what it writes, or an export of it, with --also"
        look.unread.append(Unread(place="traces", why=why))
    pids = family(pid)
    look.cores(pids, began)
    processes = []
    for number, one in enumerate(pids):
        name = name_of(one)
        look.open_files(one, name, logs_given=bool(asked.logs))
        size = look_into(look, one, name) if asked.memory == "readable" else 0
        processes.append({"pid": one, "name": name, "memory_bytes": size})
        bar(number + 1, len(pids))
    return processes


def _metrics(look: Look, house: House, client: Client) -> None:
    try:
        token = resolve_secret(house.config.server.metrics_token, base=house.folder)
    except ConfigError as error:
        look.unread.append(Unread(place="GET /metrics", why=error.message))
        return
    code, data = client.ask("GET", "/metrics", headers={"authorization": f"Bearer {token}"} if token else {})
    if code == 200:
        look.octets("GET /metrics", data)
    else:
        look.unread.append(Unread(place="GET /metrics", why=f"it answers {code}: give --url on loopback, or set server.metrics_token"))


# --- the control ---


def _control(output: Output) -> dict[str, int]:
    """Plants a word of its own in a scratch file in every form and compression, and must find each; leaves with 2 where it does not."""
    canaries = _fresh()
    word, hanzi = canaries.word(DOORS[0]), canaries.hanzi(DOORS[0])
    plain = word.encode()
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = raw.compress(plain) + raw.flush()
    scripts = (("Latin letters", word), ("Chinese characters", hanzi))
    samples = [(f"{name} of {script}", data) for script, text in scripts for name, data in forms(text)]
    samples += [("gzip", b"log " + gzip.compress(plain)), ("zlib", b"log " + zlib.compress(plain)), ("deflate", deflated)]
    samples += [("bzip2", bzip2(plain)), ("xz", lzma.compress(plain)), ("gzip within gzip", gzip.compress(gzip.compress(plain)))]
    missed = []
    with tempfile.TemporaryDirectory(prefix="lizi-scan-") as folder:
        path = Path(folder) / "scratch"
        for name, data in samples:
            path.write_bytes(data if name == "deflate" else b"\x00before " * 3 + data + b" after")
            look = Look(canaries)
            look.file(path)
            if {finding.door for finding in look.found} != {DOORS[0]}:
                missed.append(name)
    if missed:
        hint = "Nothing can be said about the service. This is a defect of the scan: please report it."
        output.fail(f"The search does not find what it planted itself: {', '.join(missed)}.", hint=hint, code=_COULD_NOT_LOOK)
    return {"samples": len(samples)}


# --- the report ---


def _tell(output: Output, look: Look, sent: dict[str, Any], processes: list[dict[str, Any]], control: dict[str, int]) -> None:
    code = NO if look.found else _COULD_NOT_LOOK if look.unread else 0
    verdict = {0: "clean", NO: "found", _COULD_NOT_LOOK: "could not look"}[code]
    value = {
        "verdict": verdict,
        "found": look.found,
        "found_beyond_the_list": look.beyond,
        "unread": look.unread,
        "planted": sent,
        "control": control,
        "read": {"files": look.files, "bytes": look.bytes_read, "processes": processes},
    }

    def show(console: Console) -> None:
        for finding in look.found[:_SHOWN]:
            inside = f" ({finding.within})" if finding.within else ""
            line = f"found: {finding.place}{inside} at {finding.offset:#x}: the word of '{finding.door}', {finding.form}"
            console.print(line, markup=False, soft_wrap=True)
        if len(look.found) > _SHOWN:
            console.print(f"… and {len(look.found) - _SHOWN + look.beyond} more; --json lists them", markup=False)
        for unread in look.unread:
            console.print(f"not read: {unread.place}: {unread.why}", markup=False, soft_wrap=True)
        memory = sum(process["memory_bytes"] for process in processes)
        console.print(
            f"{sent['requests']} requests, {len(DOORS)} words, {sent['echoed']} came back in answers · {look.files} files, "
            f"{look.bytes_read / 1e6:.0f} MB read, {memory / 1e6:.0f} MB of it memory of {len(processes)} processes · "
            f"{control['samples']} samples of its own found",
            markup=False,
            soft_wrap=True,
        )
        console.print(f"[bold]{_VERDICTS[verdict]}[/bold]")

    output.data(value, show)
    raise SystemExit(code)
