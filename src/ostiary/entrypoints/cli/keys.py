"""``ostiary keys``: the file with the key-encryption keys."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ostiary.bootstrap import create_key_file
from ostiary.core.kernel.entropy import SystemEntropy
from ostiary.entrypoints.cli.outcome import ExitCode


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(help="The file with the key-encryption keys.", no_args_is_help=True)
    keys.command("new", epilog="Next: set OSTIARY_KEY_FILE, then ostiary doctor")(new)
    app.add_typer(keys, name="keys")


def new(
    file: Annotated[Path, typer.Argument(help="Where to write it; must not exist.", dir_okay=False)],
    name: Annotated[str | None, typer.Option(help="Name of the key; this month by default.")] = None,
) -> None:
    """Write a new key file that only this user can read. Keep a copy apart from the database and its backups.

    Examples:

        ostiary keys new /etc/ostiary/keys.json

        ostiary keys new keys.json --name 2026-11
    """
    try:
        create_key_file(file, name=name or datetime.now(UTC).strftime("%Y-%m"), entropy=SystemEntropy())
    except FileExistsError:
        print(
            f"{file} exists. Keys in use are never overwritten: what they sealed would be lost.",
            file=sys.stderr,
        )
        raise typer.Exit(ExitCode.CONFLICT) from None
    except (OSError, ValueError) as error:
        print(f"{file} cannot be written: {error}", file=sys.stderr)
        raise typer.Exit(ExitCode.FAILED) from None
    print(f"Wrote {file}. Without it nothing that is sealed can be opened: keep a copy in another place.")
