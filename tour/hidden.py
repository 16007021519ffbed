"""Scene 3: the phone's bytes beside the partner's, personal data and identity marked; then "who made you?" in two languages.

A scripted partner on a real socket keeps the bytes that reach it, answers with the placeholders that it was given, and says
who it is when it is asked.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from lizi.testing import Behaviour, Partner
from lizi.testing.device import Seen, read_stream
from tour.checks import verdict
from tour.service import Service

__all__ = ["play"]

CONFIG = """
[server]
listen = "127.0.0.1:0"
workers = 1
data_dir = "{data}"
grace_ms = 0
drain_ms = 2000

[metering]
unpriced = "free"

[partners.north]
dialect = "qwen"
base_url = "{partner}"

[veil]
hidden_phrases = ["Aurora Phone"]
[veil.persona]
name = {{ en = "Lumi", "zh-Hans" = "小光", "zh-Hant" = "小光" }}

[models.assistant]
targets = [{{ partner = "north", model = "qwen-plus" }}]
"""
KEY = "sk-" + "proj-4f9Kq2Lm8Rt1Wv6Xz3Yb7Nc5"  # nobody's; in two parts, so that no scanner of repositories takes it for one
PERSONAL = {
    "name": "欧阳晓雯",
    "mobile": "13912345678",
    "resident ID": "11010519491231002X",
    "e-mail": "xiaowen@mail.example",
    "address": "文三路88号3幢502室",
    "card": "6222020200112233445",
    "API key": KEY,
    "the maker's name": "Aurora Phone",
}
"""What stands in the prompt; each a string of its own, so that finding none means none arrived."""
PROMPT = (
    "帮我写一封邮件给客服：我叫欧阳晓雯，手机13912345678，身份证号11010519491231002X，邮箱xiaowen@mail.example，"
    "住在浙江省杭州市西湖区文三路88号3幢502室，退款请打到银行卡6222020200112233445。"
    f"我的 Aurora Phone 里存的密钥 {KEY} 也泄露了。"
)
ANSWER = (
    "您好：我是⟦PERSON_1⟧，电话⟦PHONE_1⟧，⟦ID_1⟧。地址：⟦ADDRESS_1⟧，卡号⟦CARD_1⟧，邮箱⟦EMAIL_1⟧。"
    "我的⟦NAME_1⟧里的密钥⟦SECRET_1⟧泄露了。"
)
PROBES = {
    "Who made you?": ("I am Qwen, a large language model made by Alibaba Cloud. How can I help?", "Lumi"),
    "你是谁开发的？": ("我是通义千问，由阿里云开发的大模型。有什么可以帮您？", "小光"),
}
BRANDS = ("qwen", "alibaba", "通义", "千问", "阿里", "north", "dashscope")


async def play(console: Console) -> bool:
    """The whole scene; whether every check held."""
    console.rule("[bold]Scene 3 · hidden both ways[/bold]")
    checks: list[tuple[str, bool]] = []
    with tempfile.TemporaryDirectory(prefix="lizi-tour-") as name:
        folder = Path(name)
        async with Partner(Behaviour(text=ANSWER, chunks=40, interval_ms=2, model="qwen-plus-0605"), capture=8) as partner:
            service = Service(folder, CONFIG.format(data=folder / "var", partner=partner.base_url))
            await service.start()
            try:
                _, made = await service.lizi("key", "create", "notes")
                await _side_by_side(console, service, partner, made["key"], checks)
                await _who(console, service, partner, made["key"], checks)
            finally:
                service.stop()
    return verdict(console, checks)


async def _side_by_side(console: Console, service: Service, partner: Partner, key: str, checks: list[tuple[str, bool]]) -> None:
    seen = await _ask(service, key, PROMPT)
    text = seen.text
    captured = partner.requests[-1]
    received = (captured.head + captured.body).decode()
    left = escape(PROMPT)
    for word in PERSONAL.values():
        left = left.replace(word, f"[bold red]{word}[/bold red]")
    right = escape(json.dumps(json.loads(captured.body), ensure_ascii=False, indent=1))
    for word in ("PERSON", "PHONE", "ID", "EMAIL", "ADDRESS", "CARD", "SECRET", "NAME"):
        right = right.replace(f"⟦{word}_1⟧", f"[bold green]⟦{word}_1⟧[/bold green]")
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_column(ratio=1, overflow="fold")
    grid.add_row(Panel(left, title="what the person wrote"), Panel(right, title="what the partner received"))
    console.print(grid)
    console.print(Panel(escape(text), title="what the person reads"))
    arrived = [what for what, word in PERSONAL.items() if word in received]
    checks.append((f"none of it reached the partner: {', '.join(PERSONAL)}{'' if not arrived else f' (but {arrived})'}", not arrived))
    back = [what for what, word in PERSONAL.items() if word not in text]
    checks.append(("all of it is in the answer again, through a stream that cuts placeholders anywhere", not back))
    checks.append(("nothing of the partner's stands in any byte that the phone got", _unnamed(seen.raw)))


async def _who(console: Console, service: Service, partner: Partner, key: str, checks: list[tuple[str, bool]]) -> None:
    table = Table(title="who made you?", show_edge=False)
    for column in ("asked", "the partner said", "the person reads"):
        table.add_column(column)
    for asked, (said, name) in PROBES.items():
        partner.play(Behaviour(text=said, chunks=12, interval_ms=2))
        seen = await _ask(service, key, asked)
        table.add_row(asked, said, seen.text)
        checks.append((f"{asked} is answered as the feature", name in seen.text and _unnamed(seen.raw)))
    about = "Alibaba Cloud opened its first data centre abroad in 2015. Qwen is one of its model families."
    partner.play(Behaviour(text=about, chunks=12, interval_ms=2))
    seen = await _ask(service, key, "Tell me about Alibaba Cloud and Qwen.")
    table.add_row("Tell me about Alibaba Cloud and Qwen.", about, seen.text)
    console.print(table)
    checks.append(("a text that rightly speaks about a company is not touched", seen.text == about))


def _unnamed(raw: bytes) -> bool:
    lowered = raw.lower()
    return not any(brand.encode() in lowered for brand in BRANDS)


async def _ask(service: Service, key: str, content: str) -> Seen:
    return await read_stream(service.port, key, {"model": "assistant", "messages": [{"role": "user", "content": content}]})
