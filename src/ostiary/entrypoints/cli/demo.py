"""``ostiary demo``: everything on one machine."""

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
