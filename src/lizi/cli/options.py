"""Options that many commands take, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DEFAULT_CONFIG", "ConfigPath"]

ConfigPath = Annotated[Path, typer.Option("--config", "-c", envvar="LIZI_CONFIG", help="The configuration file.")]
DEFAULT_CONFIG = Path("lizi.toml")
