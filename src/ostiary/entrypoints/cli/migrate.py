"""``ostiary migrate``: bring the database to this version's schema."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from ostiary.bootstrap import SchemaState, database_addresses, downgrade, schema_state, upgrade
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.runtime import read_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("migrate", epilog="Next: ostiary serve")(migrate)


def migrate(
    check: Annotated[bool, typer.Option(help="Change nothing; exit 1 when a migration is missing.")] = False,
    back_to: Annotated[
        str | None, typer.Option(help="Go back to this revision instead; `base` removes everything.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before going back.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Bring the database to this version's schema.

    Examples:

        ostiary migrate

        ostiary migrate --check
    """
    settings = read_settings()
    if back_to is not None and not yes:
        typer.confirm(f"Go back to {back_to}? What newer migrations stored is lost.", abort=True)

    async def run() -> SchemaState:
        async with database_addresses(settings) as addresses:
            url = addresses.owner
            if check:
                return await asyncio.to_thread(schema_state, url)
            if back_to is not None:
                return await asyncio.to_thread(downgrade, url, back_to)
            return await asyncio.to_thread(upgrade, url)

    state = asyncio.run(run())
    if as_json:
        print(
            json.dumps(
                {"ok": state.is_usable or back_to is not None, "current": state.current, "head": state.head}
            )
        )
    else:
        print(f"The database has schema {state.current or 'nothing'}; this version needs {state.head}.")
        if state.is_newer:
            print("A newer version migrated it, and this version works on it: there is nothing to do.")
    if check and not state.is_usable:
        raise typer.Exit(ExitCode.FAILED)
