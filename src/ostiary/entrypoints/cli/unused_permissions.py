"""``ostiary unused-permissions``: what connections may do and never did."""

from __future__ import annotations

from typing import Annotated

import typer

from ostiary.bootstrap import Services
from ostiary.core.connections.usage import UnusedPermissions
from ostiary.entrypoints.cli.answers import JSONOption, advise, print_json
from ostiary.entrypoints.cli.plain_text import one_line
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("unused-permissions", epilog="Next: ostiary connections disconnect")(unused_permissions)


def unused_permissions(
    organization: Annotated[str | None, typer.Option("--org", help="Only this customer.")] = None,
    days: Annotated[int, typer.Option(help="Not used for 30, 60 or 90 days.")] = 30,
    as_json: JSONOption = False,
) -> None:
    """List permissions that connections hold and have not used for a while.

    Examples:

        ostiary unused-permissions --org hv

        ostiary unused-permissions --days 90 --json
    """

    async def use(services: Services) -> list[UnusedPermissions]:
        own = None if organization is None else (await services.organizations.resolve(organization)).id
        found: list[UnusedPermissions] = []
        cursor: str | None = None
        while True:
            page = await services.permission_usage.unused(
                days=days, organization_id=own, cursor=cursor, limit=200
            )
            found.extend(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return found

    found = run_with_services(use, as_json=as_json)
    rows = [
        (
            each.connection,
            use.permission,
            "never" if use.last_used_on is None else use.last_used_on.isoformat(),
        )
        for each in found
        for use in each.permissions
    ]
    if as_json:
        print_json(
            {
                "ok": True,
                "days": days,
                "unused": [
                    {
                        "connection_id": connection.id,
                        "address": connection.address,
                        "permission": permission,
                        "last_used_on": None if last == "never" else last,
                    }
                    for connection, permission, last in rows
                ],
            }
        )
        return
    if not rows:
        advise(f"Every permission that is older than {days} days was used.")
        return
    print_table(
        ("ADDRESS", "PERMISSION", "LAST USED", "REFERENCE"),
        [(one_line(each.address), permission, last, each.reference) for each, permission, last in rows],
    )
