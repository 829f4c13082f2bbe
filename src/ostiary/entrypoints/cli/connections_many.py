"""``ostiary connections by-customer`` and ``disconnect-all``: many connections at once, when something happened."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Annotated

import typer

from ostiary.bootstrap import Services
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.organizations.model import Organization
from ostiary.entrypoints.cli.answers import JSONOption, advise, command_line_actor, print_json
from ostiary.entrypoints.cli.connections import connections
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table

_PAGE = 200


def register(app: typer.Typer) -> None:
    """Add the commands to those of connections."""
    del app
    connections.command("by-customer", epilog="Next: ostiary connections disconnect-all")(by_customer)
    connections.command("disconnect-all", epilog="Next: ostiary connections by-customer")(disconnect_all)


def by_customer(as_json: JSONOption = False) -> None:
    """List the customers whose sign-ins are saved here, with their directories: whom a theft of tokens concerns.

    Examples:

        ostiary connections by-customer

        ostiary connections by-customer --json
    """

    async def use(services: Services) -> list[tuple[Organization, list[Connection]]]:
        found: dict[str, list[Connection]] = {}
        async for connection in _live(services, None):
            found.setdefault(connection.organization_id, []).append(connection)
        return [(await services.organizations.get(each), held) for each, held in sorted(found.items())]

    rows = run_with_services(use, as_json=as_json)
    if as_json:
        print_json(
            {
                "ok": True,
                "customers": [
                    {
                        "id": organization.id,
                        "external_id": organization.external_id,
                        "name": organization.name,
                        "connections": len(held),
                        "tenant_ids": sorted({each.tenant_id for each in held}),
                    }
                    for organization, held in rows
                ],
            }
        )
        return
    print_table(
        ("ID", "NAME", "CONNECTIONS", "DIRECTORIES"),
        [
            (
                organization.external_id,
                organization.name,
                str(len(held)),
                " ".join(sorted({each.tenant_id for each in held})),
            )
            for organization, held in rows
        ],
    )
    advise(f"{len(rows)} customers.")


def disconnect_all(
    organization: Annotated[
        str | None, typer.Option("--org", help="A customer: your own id for it, or ours.")
    ] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Every customer.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JSONOption = False,
) -> None:
    """Destroy the tokens of every connection of a customer, or of all, for good. Killed meanwhile, say it again.

    Examples:

        ostiary connections disconnect-all --org hv

        ostiary connections disconnect-all --everything --yes --json
    """
    if (organization is None) is not everything:
        print("Give exactly one of --org and --everything.", file=sys.stderr)
        raise typer.Exit(ExitCode.WRONG_USAGE)
    if not yes:
        whose = "every customer" if everything else organization
        typer.confirm(
            f"Disconnect every mailbox of {whose}? People would have to connect anew.", abort=True, err=True
        )

    async def use(services: Services) -> int:
        own = None if organization is None else (await services.organizations.resolve(organization)).id
        # Listed first: a list that is read while its rows change skips some.
        found = [connection async for connection in _live(services, own)]
        for connection in found:
            await services.connections.disconnect(
                connection.id, organization_id=connection.organization_id, actor=command_line_actor()
            )
        return len(found)

    count = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "disconnected": count})
        return
    print(f"{count} connections are disconnected and their tokens are destroyed.")


async def _live(services: Services, organization_id: str | None) -> AsyncIterator[Connection]:
    cursor: str | None = None
    while True:
        page = await services.connections.page(organization_id=organization_id, cursor=cursor, limit=_PAGE)
        for connection in page.items:
            if connection.status is not ConnectionStatus.DISCONNECTED:
                yield connection
        cursor = page.next_cursor
        if cursor is None:
            return
