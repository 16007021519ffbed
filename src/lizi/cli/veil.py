"""The commands of `lizi veil`. Parses and calls; decides nothing itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lizi.cli.options import DEFAULT_CONFIG, ConfigPath
from lizi.cli.output import Output

__all__ = ["group"]


def group(output: Output) -> typer.Typer:
    """`lizi veil …`, speaking through `output`."""
    commands = typer.Typer(help="What partners see, and what stays behind.", no_args_is_help=True)

    @commands.command("try")
    def veil_try(
        text: Annotated[str, typer.Argument(help="The text; `-` reads standard input.")],
        config: ConfigPath = DEFAULT_CONFIG,
        feature: Annotated[str, typer.Option(help="`chat`, `writing.proofread` …: whose profile covers it.")] = "chat",
        market: Annotated[str, typer.Option(help="Market of the key's plan.")] = "",
        profile: Annotated[str, typer.Option(help="A profile by its name, instead of the one that covers feature and market.")] = "",
    ) -> None:
        """Show a text before and after, as a partner would read it. Sends nothing; needs no service and no configuration file."""
        from lizi.cli.veil_try import try_text

        try_text(output, config, text, feature=feature, market=market, profile=profile)

    @commands.command("scan")
    def veil_scan(
        config: ConfigPath = DEFAULT_CONFIG,
        key: Annotated[str, typer.Option(help="Where the app key is: env:NAME or file:PATH; never the key itself.")] = "env:LIZI_KEY",
        url: Annotated[str, typer.Option(envvar="LIZI_URL", help="Where the service listens. Default: where it says itself.")] = "",
        model: Annotated[str, typer.Option(help="Logical model to ask.")] = "assistant",
        memory: Annotated[
            Literal["readable", "none"], typer.Option(help="Search the memory of the service's processes as far as it may be read, or not.")
        ] = "readable",
        log: Annotated[list[Path] | None, typer.Option(help="File or folder that the log ends in; repeat.")] = None,
        also: Annotated[list[Path] | None, typer.Option(help="More files or folders, e.g. what a trace collector writes; repeat.")] = None,
        neutral: Annotated[int, typer.Option(min=0, help="Requests without planted words that follow, as users' would.")] = 20,
        idle_s: Annotated[float, typer.Option(min=0, help="Seconds to wait before the search.")] = 3.0,
        rounds: Annotated[int, typer.Option(min=1, max=100, help="How often everything is planted.")] = 2,
        ca: Annotated[str | None, typer.Option(help="PEM file of the authority to trust, for a private certificate.")] = None,
    ) -> None:
        """Plant unique words in a running service and look for them everywhere. Ends with 0: none found, 1: found, 2: could not look."""
        from lizi.cli.veil_scan import Asked, scan

        asked = Asked(
            key=key,
            url=url,
            model=model,
            memory=memory,
            logs=tuple(log or ()),
            also=tuple(also or ()),
            neutral=neutral,
            idle_s=idle_s,
            rounds=rounds,
            ca=ca,
        )
        scan(output, config, asked)

    @commands.command("trace")
    def veil_trace(
        source: Annotated[str, typer.Argument(help="File with the text that was found; `-` reads standard input.")],
        config: ConfigPath = DEFAULT_CONFIG,
    ) -> None:
        """Tell to which partner a text went that turned up elsewhere, by the random line in it. Ends with 0: known, 1: not."""
        from lizi.cli.veil_trace import trace

        trace(output, config, source)

    return commands
