"""`make tour`: the proof, in scenes. Each really happens and ends in checks; a check that fails ends the tour with 1."""

from __future__ import annotations

import asyncio
import sys

from rich.console import Console

from tour import first_request, hidden, swap

SCENES = (first_request.play, swap.play, hidden.play)


def main() -> int:
    """Play every scene; 0 when all their checks held."""
    console = Console(highlight=False)
    return 0 if all(asyncio.run(scene(console)) for scene in SCENES) else 1


sys.exit(main())
