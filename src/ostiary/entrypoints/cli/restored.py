"""``ostiary restored``: after a restore, before processes start."""

from __future__ import annotations

import typer

from ostiary.bootstrap import Services
from ostiary.core.sync.restored import RestoreReport
from ostiary.entrypoints.cli.answers import JSONOption, command_line_actor, print_json
from ostiary.entrypoints.cli.runtime import run_with_services


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("restored", epilog="Next: ostiary audit verify")(restored)


def restored(as_json: JSONOption = False) -> None:
    """Say that the database was put back from a backup: everything is read again, and feed readers begin anew.

    Examples:

        ostiary restored
    """

    async def use(services: Services) -> RestoreReport:
        return await services.after_restore.run(actor=command_line_actor())

    report = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "sources": report.sources_count, "streams": report.streams_count})
        return
    print(f"{report.sources_count} mailboxes and calendars will be read again.")
    print(f"Readers of {report.streams_count} feeds will be told to begin anew.")
