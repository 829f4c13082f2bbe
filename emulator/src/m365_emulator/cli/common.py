"""What all commands share: the application, and how to give up."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

app = typer.Typer(
    help="Microsoft Entra ID, Microsoft Graph mail and calendar, and Exchange Web Services on one machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def fail(text: str) -> NoReturn:
    """Say why on standard error and end with code 2."""
    print(text, file=sys.stderr)
    raise typer.Exit(2)
