"""`lizi model …`: the weights of local models, fetched on command only.

Says where weights come from before fetching them. Files live in `$LIZI_MODELS`, `./models` or the
user's data folder, as `lizi.edge.models` decides.
"""

from __future__ import annotations

import os
from typing import Any

from lizi.cli.output import Output
from lizi.edge import models

__all__ = ["get", "listing", "remove", "verify"]


def get(output: Output, name: str) -> None:
    """Fetch and check one model, unless it is here already."""
    folder = models.directory(os.environ)
    path = models.path_of(name, folder)
    source = models.MODELS[name]
    with output.progress(f"checking {name}"):
        here = models.verify(name, folder)
    if not here:
        output.say(source.provenance.replace("[", "\\["))
        output.say(f"[dim]{source.download_bytes // 1_000_000} MB to fetch; SHA-256 {source.sha256}[/dim]")
        with output.progress(f"fetching {name}") as bar:
            models.get(name, folder, lambda step, done, total: bar(done, total) if step == "download" else None)
    value = {**_row(name), "fetched": not here, "sha256": source.sha256, "provenance": source.provenance}
    said = f"{name} is here{' already' if here else ''}: {path}"
    output.data(value, lambda console: console.print(said, soft_wrap=True, markup=False))


def _row(name: str) -> dict[str, Any]:
    source, path = models.MODELS[name], models.path_of(name, models.directory(os.environ))
    here = path.is_file() and path.stat().st_size == source.size_bytes
    return {
        "model": name,
        "here": here,
        "size_bytes": source.size_bytes,
        "languages": source.languages,
        "licence": source.licence,
        "path": str(path),
    }


def listing(output: Output) -> None:
    """Every known model; a file counts as here by its size, `verify` reads it."""
    rows = [_row(name) for name in models.MODELS]
    shown = [
        {
            "model": row["model"],
            "here": "yes" if row["here"] else "no",
            "MB": row["size_bytes"] // 1_000_000,
            "languages": row["languages"],
            "licence": row["licence"],
        }
        for row in rows
    ]
    output.table(rows, shown=shown, title=f"local models in {models.directory(os.environ)}")


def verify(output: Output, name: str) -> None:
    """Read the whole file again; ends with 1 when it is missing or wrong."""
    folder = models.directory(os.environ)
    path = models.path_of(name, folder)
    with output.progress(f"checking {name}"):
        good = models.verify(name, folder)
    if not good:
        wrong = "does not have the pinned size and SHA-256" if path.is_file() else "is not here"
        again = f"'lizi model get {name}' fetches it"
        output.fail(f"{name} {wrong}.", hint=f"{again} again." if path.is_file() else f"{again}.", error="model_wrong")
    value = {**_row(name), "sha256": models.MODELS[name].sha256}
    output.data(value, lambda console: console.print(f"{name} is whole: SHA-256 {models.MODELS[name].sha256}", soft_wrap=True))


def remove(output: Output, name: str) -> None:
    """Delete the file; ends with 1 when there was none."""
    if not models.remove(name, models.directory(os.environ)):
        output.fail(f"{name} is not here.", hint="'lizi model list' shows what is.", error="model_missing")
    output.data({"model": name, "removed": True}, lambda console: console.print(f"{name} is removed."))
