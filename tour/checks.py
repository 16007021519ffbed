"""How a scene ends: each of its checks with what came of it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

__all__ = ["verdict"]


def verdict(console: Console, checks: list[tuple[str, bool]]) -> bool:
    """Print every check as held or broken; whether all held."""
    table = Table(show_header=False, box=None)
    for what, held in checks:
        table.add_row("[green]held[/green]" if held else "[bold red]BROKEN[/bold red]", what)
    console.print(table)
    return all(held for _, held in checks)
