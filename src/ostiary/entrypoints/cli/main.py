"""The command ``ostiary``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ostiary import __version__
from ostiary.entrypoints.cli.commands import COMMANDS
from ostiary.entrypoints.cli.on_demand import CommandsOnDemand
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.runtime import ENV_FILE_VARIABLE


class Commands(CommandsOnDemand):
    """The commands of this distribution."""

    entries = COMMANDS


app = typer.Typer(
    name="ostiary",
    cls=Commands,
    help="Connect Microsoft 365 mailboxes and calendars: admin consent, connect, tokens, mail, calendar.",
    epilog="Next: ostiary demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    env_file: Annotated[
        Path | None,
        typer.Option(
            help="File with OSTIARY_… settings, one a line; the environment wins.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command."""
    del version
    if env_file is not None:
        os.environ[ENV_FILE_VARIABLE] = str(env_file)


def main() -> None:
    """Run the command line; a Ctrl-C ends it quietly."""
    try:
        app()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
