"""``ostiary org``: the vendor's customers."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ostiary.bootstrap import Services
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.organizations.model import Organization
from ostiary.entrypoints.cli.answers import JSONOption, advise, command_line_actor, print_json
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table

org = typer.Typer(help="Customers: add them, list them.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(org, name="org")


@org.command("create", epilog="Next: ostiary members add")
def create(
    external_id: Annotated[str, typer.Argument(help="Your own id for the customer, such as hv.")],
    name: Annotated[str, typer.Argument(help="Its name, as its people know it.")],
    seats: Annotated[int, typer.Option(help="Most licences it may give out; 0 sets no limit.", min=0)] = 0,
    domain: Annotated[
        list[str] | None, typer.Option(help="A domain whose tenant may join without a click. Repeatable.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Its Microsoft tenant id, when you know it.")] = None,
    method: Annotated[AccessMethod | None, typer.Option(help="Use only this access method.")] = None,
    it_name: Annotated[str | None, typer.Option(help="Name of its IT administrator.")] = None,
    it_email: Annotated[str | None, typer.Option(help="Address of its IT administrator.")] = None,
    as_json: JSONOption = False,
) -> None:
    """Add a customer. Saying it twice changes nothing.

    Examples:

        ostiary org create hv "Harbour & Vale" --domain harbourvale.example

        ostiary org create hv "Harbour & Vale" --seats 550 --it-email priya.nair@harbourvale.example
    """

    async def use(services: Services) -> tuple[Organization, bool]:
        return await services.organizations.create(
            external_id=external_id,
            name=name,
            seat_count=seats,
            allowed_domains=domain or (),
            expected_tenant_id=tenant,
            pinned_method=method,
            it_contact_name=it_name,
            it_contact_email=it_email,
            actor=command_line_actor(),
        )

    organization, is_new = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "created": is_new, "organization": _document(organization)})
        return
    print(f"{organization.id}  {organization.name}")
    if not is_new:
        advise(f"There was a customer with the id {external_id} already; nothing was changed.")


@org.command("list", epilog="Next: ostiary approval status")
def list_organizations(
    search: Annotated[str | None, typer.Option(help="Part of the name or id.")] = None,
    as_json: JSONOption = False,
) -> None:
    """List customers by name.

    Examples:

        ostiary org list

        ostiary org list --search harbour --json
    """

    async def use(services: Services) -> list[tuple[Organization, int]]:
        found: list[tuple[Organization, int]] = []
        cursor: str | None = None
        while True:
            page = await services.organizations.list_organizations(search=search, cursor=cursor, limit=200)
            for each in page.items:
                found.append((each, await services.organizations.count_members(each.id, licensed=True)))
            cursor = page.next_cursor
            if cursor is None:
                return found

    rows = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "organizations": [_document(each) | {"licensed": n} for each, n in rows]})
        return
    if not rows:
        advise("No customers yet. Add one: ostiary org create")
        return
    print_table(
        ("ID", "NAME", "LICENCES", "OUR ID"),
        [
            (each.external_id, each.name, f"{n} of {each.seat_count}" if each.seat_count else str(n), each.id)
            for each, n in rows
        ],
    )


def _document(organization: Organization) -> dict[str, Any]:
    return {
        "id": organization.id,
        "external_id": organization.external_id,
        "name": organization.name,
        "seat_count": organization.seat_count,
        "allowed_domains": list(organization.allowed_domains),
        "expected_tenant_id": organization.expected_tenant_id,
        "pinned_method": organization.pinned_method,
        "it_contact": {"name": organization.it_contact_name, "email": organization.it_contact_email},
        "created_at": organization.created_at.isoformat(),
    }
