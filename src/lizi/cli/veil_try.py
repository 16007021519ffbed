"""`lizi veil try`: a text before and after, as a partner would read it. Sends nothing and keeps nothing."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.markup import escape

from lizi.cli.output import USAGE, Output
from lizi.config import Config, load
from lizi.text import Matcher, stretches  # noqa: F401 - the recognisers: loaded before the clock starts
from lizi.types import ChatRequest, Text
from lizi.veil import Lexicon, Unveiling, VeilBook, mask
from lizi.veil.settings import profiles

__all__ = ["try_text"]

_MOST_CHARACTERS = 1_000_000  # what no partner's window takes anyway


def try_text(output: Output, config_path: Path, text: str, *, feature: str, market: str, profile: str) -> None:
    """Mask `text` (or standard input, for `-`) by the profile that covers `feature` and `market`, or by the one that is named."""
    config = load(config_path, time.time()) if config_path.exists() else Config()
    book = VeilBook(profiles=profiles(config.veil), rules=config.veil.rules)
    if profile and profile not in book.profiles:
        known = ", ".join(sorted(book.profiles))
        output.fail(f"There is no profile '{profile}'.", hint=f"The configuration has: {known}.", code=USAGE, error="usage")
    chosen = book.profiles[profile] if profile else book.profile(feature, market)
    if text == "-":
        text = sys.stdin.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS:
        output.fail(f"The text is longer than {_MOST_CHARACTERS:,} characters.", hint="Try a part of it.", code=USAGE, error="usage")
    Matcher.prepare_all()
    lexicon, began = Lexicon(), time.perf_counter()
    work = mask(ChatRequest(model="", messages=[{"role": "user", "content": text}]), chosen, lexicon)
    while True:
        try:
            next(work)
        except StopIteration as done:
            masked = str(done.value.messages[-1]["content"])
            break
    took_us = (time.perf_counter() - began) * 1e6
    back = Unveiling(lexicon, None)
    restored = "".join(event.text for event in [*back.feed([Text(masked)]), *back.close()] if isinstance(event, Text))
    rows = [{"partner reads": word, "kind": kind, "stands for": original} for word, kind, original in lexicon.entries()]
    same = restored == text
    value = {"profile": chosen.name, "partner_reads": masked, "hidden": rows, "restored_is_the_text": same, "took_us": round(took_us)}
    if output.json:
        output.data(value, lambda console: None)
        return
    output.say(f"[bold]written[/bold]        {escape(text)}")
    output.say(f"[bold]partner reads[/bold]  {escape(masked)}")
    output.table(rows, title=f"profile {chosen.name}", empty="Nothing was hidden: no personal data was recognised.")
    output.say(f"[dim]{len(text):,} characters in {took_us / 1000:.1f} ms; restored, it is {'' if same else 'not '}the text again.[/dim]")
