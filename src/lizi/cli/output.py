"""How the command line speaks: rich for people, JSON for programs, errors that end in a hint.

Data goes to standard output, everything else to standard error. Exit codes: 0 done · 1 the answer
is no (a check failed, a chain is broken) · 2 the command was wrong · 3 the service or a partner can't be
reached · 4 something under it failed (store, disk) · 130 interrupted. Never prints a secret but the
one that a command was asked to make.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from lizi.errors import LiziError

if TYPE_CHECKING:
    # Rich takes a third of a command's start; a program that asks for JSON doesn't pay for it.
    from rich.console import Console

__all__ = ["FAILED", "INTERRUPTED", "NO", "UNREACHABLE", "USAGE", "Output", "money"]

NO, USAGE, UNREACHABLE, FAILED, INTERRUPTED = 1, 2, 3, 4, 130
_CODES = {
    "config_invalid": NO,
    "store_failed": FAILED,
    "invalid_request": USAGE,
    "invalid_api_key": USAGE,
    "busy": UNREACHABLE,
    "shutting_down": UNREACHABLE,
}
"""Exit codes of failures; of those not named, a partner's are `UNREACHABLE` and the rest `NO`."""
_WIDE = 200
"""Columns of a table that goes to a file or a pipe: nobody's terminal is there to be too narrow."""


def money(micros: int) -> str:
    """Micro-units as a decimal number, exactly: two decimals, more only where they are needed."""
    whole, part = divmod(abs(micros), 1_000_000)
    return f"{'-' if micros < 0 else ''}{whole:,}.{f'{part:06d}'.rstrip('0'):0<2}"


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            """The reader left. Ours to say what that means, not the library's: `main` does."""
            raise BrokenPipeError

    return Ours(stderr=stderr, highlight=False, width=None if stderr or sys.stdout.isatty() else _WIDE)


class Output:
    """One command's voice."""

    def __init__(self) -> None:
        self.json = False

    @cached_property
    def people(self) -> Console:
        """Standard output, for people."""
        return _console(stderr=False)

    @cached_property
    def aside(self) -> Console:
        """Standard error."""
        return _console(stderr=True)

    def data(self, value: Any, show: Callable[[Console], None]) -> None:
        """`value` as one JSON document for programs, or whatever `show` draws for people."""
        if self.json:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
        else:
            show(self.people)

    def line(self, value: Any) -> None:
        """`value` as one line of JSON at once, from a command that goes on."""
        sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
        sys.stdout.flush()

    def table(
        self, rows: Sequence[dict[str, Any]], *, shown: Sequence[dict[str, Any]] | None = None, title: str = "", empty: str = "nothing"
    ) -> None:
        """Rows of one shape: an array of objects, or a table with their keys as headings; `shown` is what people see instead."""

        def show(console: Console) -> None:
            from rich.markup import escape
            from rich.table import Table

            drawn = rows if shown is None else shown
            if not drawn:
                console.print(f"[dim]{empty}[/dim]")
                return
            table = Table(title=title or None, title_justify="left", header_style="bold")
            for name in drawn[0]:
                number = all(_is_number(row[name]) for row in drawn)
                table.add_column(name.replace("_", " "), justify="right" if number else "left")
            for row in drawn:
                table.add_row(*(escape("" if value is None else str(value)) for value in row.values()))
            console.print(table)

        self.data(list(rows), show)

    def say(self, text: str) -> None:
        """One line beside the data; silent under `--json`."""
        if not self.json:
            self.aside.print(text, soft_wrap=True)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """A bar on standard error for anything that may take longer than a second: call it with (done, total)."""
        if self.json or not self.aside.is_terminal:
            yield lambda done, total: None
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn())
        with Progress(*columns, console=self.aside, transient=True) as bars:
            bar = bars.add_task(what, total=None)
            yield lambda done, total: bars.update(bar, completed=done, total=total)

    def fail(self, message: str, *, hint: str | None = None, code: int = NO, error: str = "failed") -> NoReturn:
        """Say what was wrong and how to put it right, then leave."""
        if self.json:
            self.line({"error": {"code": error, "message": message, "hint": hint}})
        else:
            from rich.markup import escape

            self.aside.print(f"[bold red]error:[/bold red] {escape(message)}", soft_wrap=True)
            if hint:
                self.aside.print(f"[bold]hint:[/bold] {escape(hint)}", soft_wrap=True)
        raise SystemExit(code)

    def refuse(self, error: LiziError) -> NoReturn:
        """The same for a failure of the house."""
        code = _CODES.get(error.code, UNREACHABLE if error.side == "partner" else NO)
        self.fail(error.message, hint=error.hint, code=code, error=error.code)


def _is_number(value: Any) -> bool:
    text = str(value).removeprefix("≈").replace(",", "").removeprefix("-")
    return value is None or (not isinstance(value, bool) and text.replace(".", "", 1).isdigit())
