"""``ostiary link``: invitations for a customer's IT administrator."""

from __future__ import annotations

from typing import Annotated

import typer

from ostiary.bootstrap import Services
from ostiary.core.consent.links import IssuedLink
from ostiary.core.kernel.errors import NotFound
from ostiary.entrypoints.cli.answers import (
    JSONOption,
    OrganizationOption,
    advise,
    command_line_actor,
    print_json,
)
from ostiary.entrypoints.cli.runtime import run_with_services

link = typer.Typer(help="Links with which an IT administrator approves.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(link, name="link")


@link.command("create", epilog="Next: ostiary approval status")
def create(
    organization: OrganizationOption,
    to: Annotated[str | None, typer.Option(help="Address of the IT administrator, for your records.")] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Only this tenant may answer: a domain or id known for the customer.")
    ] = None,
    as_json: JSONOption = False,
) -> None:
    """Make a link for a customer's IT administrator and show it, this once. It works for three days.

    Examples:

        ostiary link create --org hv --to priya.nair@harbourvale.example

        ostiary link create --org hv --tenant hv-nordics.example
    """

    async def use(services: Services) -> IssuedLink:
        found = await services.organizations.resolve(organization)
        expected = None if tenant is None else await _tenant_id(services, found.id, tenant)
        return await services.consent.links.create(
            organization_id=found.id,
            asked_by_name=services.settings.vendor_name,
            expected_tenant_id=expected,
            sent_to=to,
            actor=command_line_actor(),
        )

    issued = run_with_services(use, as_json=as_json)
    if as_json:
        print_json(
            {
                "ok": True,
                "url": issued.url.reveal(),
                "ref": issued.link.reference,
                "expires_at": issued.link.expires_at.isoformat(),
            }
        )
        return
    print(issued.url.reveal())
    advise(f"{issued.link.reference}  works until {issued.link.expires_at:%Y-%m-%d %H:%M} UTC")


async def _tenant_id(services: Services, organization_id: str, text: str) -> str:
    for tenant in await services.tenants.list_for(organization_id):
        if text.lower() in {tenant.id, tenant.tenant_id, *tenant.domains}:
            return tenant.tenant_id
    raise NotFound(f"{text} is no tenant of this customer.")
