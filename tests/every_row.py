"""The running service over a scripted partner of each dialect, and what a device gets of it to the last byte."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from leaving import found
from lizi.config import built_in
from lizi.dialects.records import known
from lizi.testing.branding import Brandmark, mark_of
from lizi.testing.partners import Partner
from lizi.testing.speeches import SPEECHES
from partner_line import NOW
from running_service import Served, serving

KEY = "sk-partner-of-every-row"
METRICS_TOKEN = "of-the-operator-alone-0123456789"
SEED = 0xACE5EED
NAME = {"en": "Lining", "zh-Hans": "小里", "zh-Hant": "小裡"}
MAKER = {"en": "Greenfield", "zh-Hans": "青禾科技", "zh-Hant": "青禾科技"}
CONFIG = """
[server]
listen = "127.0.0.1:0"
workers = 1
grace_ms = 0
drain_ms = 2000
metrics_token = "env:METRICS_TOKEN"
[metering]
unpriced = "free"
[routing]
forgiven_failures = 1000000
retry_floor = 1000
[deadlines]
first_token_ms = {first_token_ms}
[veil]
terms = "optional"
[veil.persona]
name = {{ en = "Lining", zh-Hans = "小里", zh-Hant = "小裡" }}
maker = {{ en = "Greenfield", zh-Hans = "青禾科技", zh-Hant = "青禾科技" }}
[[notices]]
market = "CN"
partner = "acme-qwen"
model = "qwen*"
name = "通义千问"
number = "Example-2026-0007"
filed = 2026-02-03
authority = {{ en = "an example's authority" }}
{more}
"""


class Answer(Struct, frozen=True):
    """One answer, whole: status line and headers, and the body without its transfer coding."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def id(self) -> str:
        """Of the exchange: random, any word may stand in it."""
        line = next(line for line in self.head.split(b"\r\n") if line.lower().startswith(b"x-request-id:"))
        return line.partition(b":")[2].strip().decode().removeprefix("rq_")

    @property
    def text(self) -> str:
        """What was said: a stream's deltas or a whole answer's content."""
        lines = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: {")] or [self.body.decode()]
        choices = [choice for line in lines for choice in json.loads(line).get("choices", ())]
        return "".join((choice.get("delta") or choice.get("message") or {}).get("content") or "" for choice in choices)

    def holding(self, words: Sequence[str]) -> list[str]:
        """Those of `words` that a device can read in it."""
        return found(self.head + b"\r\n\r\n" + self.body, words, own=(self.id, "x-request-id"))


class Row(Struct):
    """One dialect with its partner."""

    dialect: str
    partner: Partner
    mark: Brandmark
    model: str
    """The logical name that a device asks for."""
    seeing: str = ""
    """The same of a model that takes pictures."""

    @property
    def words(self) -> list[str]:
        """What no device may read: its names, addresses, ids, credential, and what the operator calls it."""
        address = self.partner.base_url.removeprefix("http://").partition("/")[0]
        return [*self.mark.words, *SPEECHES[self.dialect].models, self.handle, "acme", address, KEY, f"{SEED:08x}"]

    @property
    def handle(self) -> str:
        return "acme-" + self.dialect.replace("_", "-")


class Stage(Struct):
    """All of them behind one service."""

    served: Served
    rows: dict[str, Row]

    def ask(self, model: str, messages: Any, *, headers: Sequence[str] = (), path: str = "/v1/chat/completions", **fields: Any) -> Answer:
        return self.send("POST", path, json.dumps({"model": model, "messages": messages, **fields}).encode(), headers=headers)

    def send(self, method: str, path: str, body: bytes = b"", *, headers: Sequence[str] = (), key: str = "") -> Answer:
        """One request on a connection of its own; `key` in the place of the app's."""
        lines = [f"{method} {path} HTTP/1.1", "host: device.example", "connection: close"]
        lines += [f"authorization: Bearer {key or self.served.key}"]
        lines += ["content-type: application/json", f"content-length: {len(body)}"] if body else []
        with socket.create_connection(("127.0.0.1", self.served.port), timeout=30) as connection:
            connection.sendall("\r\n".join([*lines, *headers]).encode() + b"\r\n\r\n" + body)
            raw = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        head, _, rest = raw.partition(b"\r\n\r\n")
        return Answer(head, _unchunked(rest) if b"transfer-encoding: chunked" in head.lower() else rest)


def takes_pictures(dialect: str, model: str) -> bool:
    entry = known(built_in()[dialect], model, NOW)
    return entry is not None and "images" in entry.capabilities


def _unchunked(body: bytes) -> bytes:
    pieces = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        pieces.append(rest[: int(size, 16)])
        body = rest[int(size, 16) + 2 :]
    return b"".join(pieces)


@contextmanager
def every_row(folder: Path, *, first_token_ms: int = 20_000) -> Iterator[Stage]:
    """Serve until the context ends. `pair-<n>` tries the partner of row n first and then the next row's."""
    with ExitStack() as stack:
        rows, blocks = {}, []
        for number, (dialect, speech) in enumerate(SPEECHES.items()):
            partner = stack.enter_context(Partner(seed=SEED, dialect=dialect, key=KEY if speech.key_header else ""))
            row = rows[dialect] = Row(dialect, partner, mark_of(dialect, speech.models[0]), f"m{number:02d}")
            blocks.append(f'[partners.{row.handle}]\ndialect = "{dialect}"\nbase_url = "{partner.base_url}"')
            blocks += ['credential = "env:ROW_KEY"'] if speech.key_header else []
        names = list(rows)
        for number, (dialect, speech) in enumerate(SPEECHES.items()):
            row, after = rows[dialect], rows[names[(number + 1) % len(names)]]
            able = ', capabilities = ["tools", "json_object", "json_schema"]'
            first = f'{{ partner = "{row.handle}", model = "{speech.models[0]}"{able} }}'
            second = f'{{ partner = "{after.handle}", model = "{SPEECHES[after.dialect].models[0]}"{able} }}'
            blocks += [f"[models.{row.model}]\ntargets = [{first}]", f"[models.pair-{row.model}]\ntargets = [{first}, {second}]"]
            for model in speech.models:
                if takes_pictures(dialect, model):
                    row.seeing = f"s{number:02d}"
                    blocks.append(f'[models.{row.seeing}]\ntargets = [{{ partner = "{row.handle}", model = "{model}" }}]')
                    break
        config = CONFIG.format(first_token_ms=first_token_ms, more="\n".join(blocks))
        yield Stage(stack.enter_context(serving(folder, config, ROW_KEY=KEY, METRICS_TOKEN=METRICS_TOKEN)), rows)
