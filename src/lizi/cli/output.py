"""How the command line speaks: rich for people, JSON for programs, errors that end in a hint.

Data goes to standard output, everything else to standard error. Exit codes: 0 done · 1 the answer
is no (a check failed, a chain is broken) · 2 the command was wrong · 3 the service can't be
reached · 4 something under it failed (store, disk, partner) · 130 interrupted. Never prints a secret but the
one that a command was asked to make.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lizi.errors import ConfigError, LiziError, StoreError, Unauthenticated

__all__ = ["FAILED", "INTERRUPTED", "NO", "UNREACHABLE", "USAGE", "Output"]

NO, USAGE, UNREACHABLE, FAILED, INTERRUPTED = 1, 2, 3, 4, 130


class Output:
    """One command's voice."""

    def __init__(self) -> None:
        self.json = False
        self.people = Console(highlight=False)
        self.aside = Console(stderr=True, highlight=False)

    def data(self, value: Any, show: Callable[[Console], None]) -> None:
        """`value` as one JSON document for programs, or whatever `show` draws for people."""
        if self.json:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
        else:
            show(self.people)

    def table(self, rows: Sequence[dict[str, Any]], *, title: str = "", empty: str = "nothing") -> None:
        """Rows of one shape: an array of objects, or a table with their keys as headings."""

        def show(console: Console) -> None:
            if not rows:
                console.print(f"[dim]{empty}[/dim]")
                return
            table = Table(title=title or None, title_justify="left", header_style="bold")
            for name in rows[0]:
                number = all(isinstance(row[name], int | float) and not isinstance(row[name], bool) for row in rows)
                table.add_column(name.replace("_", " "), justify="right" if number else "left")
            for row in rows:
                table.add_row(*(escape("" if value is None else str(value)) for value in row.values()))
            console.print(table)

        self.data(list(rows), show)

    def say(self, text: str) -> None:
        """One line beside the data; silent under `--json`."""
        if not self.json:
            self.aside.print(text)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """A bar on standard error for anything that may take longer than a second: call it with (done, total)."""
        if self.json or not self.aside.is_terminal:
            yield lambda done, total: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn())
        with Progress(*columns, console=self.aside, transient=True) as bars:
            bar = bars.add_task(what, total=None)
            yield lambda done, total: bars.update(bar, completed=done, total=total)

    def fail(self, message: str, *, hint: str | None = None, code: int = NO, error: str = "failed") -> NoReturn:
        """Say what was wrong and how to put it right, then leave."""
        if self.json:
            body = {"error": {"code": error, "message": message, "hint": hint}}
            sys.stdout.write(msgspec.json.encode(body).decode() + "\n")
        else:
            self.aside.print(f"[bold red]error:[/bold red] {escape(message)}", soft_wrap=True)
            if hint:
                self.aside.print(f"[bold]hint:[/bold] {escape(hint)}", soft_wrap=True)
        raise SystemExit(code)

    def refuse(self, error: LiziError) -> NoReturn:
        """The same for a failure of the house."""
        code = NO if isinstance(error, ConfigError) else FAILED if isinstance(error, StoreError) else UNREACHABLE if error.side == "partner" else NO
        if isinstance(error, Unauthenticated):
            code = USAGE
        self.fail(error.message, hint=error.hint, code=code, error=error.code)
