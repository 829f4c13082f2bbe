"""``ostiary erase`` and ``ostiary export``: what people may ask of whoever keeps data about them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ostiary.bootstrap import Services
from ostiary.core.connections.erase import EraseReceipt
from ostiary.core.vault.model import KeyFate
from ostiary.entrypoints.cli.answers import JSONOption, OrganizationOption, command_line_actor, print_json
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.export_file import json_document

MemberOption = Annotated[
    str | None, typer.Option("--member", help="Only this person: address or id of a member.")
]

_KEYS = {
    KeyFate.DESTROYED: "destroyed: no backup can be opened",
    KeyFate.SCHEDULED: "out of use, destroyed after the key service's waiting time",
    KeyFate.KEPT: "kept, because others use them too",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("erase", epilog="Next: ostiary org list")(erase)
    app.command("export", epilog="Next: ostiary erase")(export)


def erase(
    organization: OrganizationOption,
    member: MemberOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. It cannot be undone.")] = False,
    as_json: JSONOption = False,
) -> None:
    """Destroy the tokens and delete all data of a customer, or of one person, for good.

    Examples:

        ostiary erase --org hv --member tom.ellis@harbourvale.example --yes

        ostiary erase --org hv --yes
    """
    if not yes:
        print("This cannot be undone. Say --yes to do it; ostiary export keeps a copy.", file=sys.stderr)
        raise typer.Exit(ExitCode.WRONG_USAGE)

    async def use(services: Services) -> EraseReceipt:
        found = await services.organizations.resolve(organization)
        actor = command_line_actor()
        if member is None:
            return await services.erasure.erase_organization(found.id, actor=actor)
        person = await services.organizations.resolve_member(member, organization_id=found.id)
        return await services.erasure.erase_member(person.id, organization_id=found.id, actor=actor)

    receipt = run_with_services(use, as_json=as_json)
    if as_json:
        print_json(
            {
                "ok": True,
                "organization_id": receipt.organization_id,
                "member_id": receipt.member_id,
                "at": receipt.at.isoformat(),
                "erased": dict(receipt.rows),
                "keys": receipt.keys.value,
                "backups_gone_by": receipt.backups_gone_by.isoformat(),
            }
        )
        return
    for kind, count in receipt.rows.items():
        if count:
            print(f"{kind.replace('_', ' '):<24} {count}")
    print(f"{'keys':<24} {_KEYS[receipt.keys]}")
    print(f"{'gone from backups by':<24} {receipt.backups_gone_by:%Y-%m-%d}")


def export(organization: OrganizationOption, member: MemberOption = None) -> None:
    """Write everything stored about a customer, or about one person, as JSON. Never a token or a secret.

    Examples:

        ostiary export --org hv > hv.json

        ostiary export --org hv --member tom.ellis@harbourvale.example
    """

    async def use(services: Services) -> None:
        found = await services.organizations.resolve(organization)
        person = (
            None
            if member is None
            else await services.organizations.resolve_member(member, organization_id=found.id)
        )
        rows = services.export.rows(
            found.id, member_id=None if person is None else person.id, actor=command_line_actor()
        )
        async for piece in json_document(rows):
            sys.stdout.write(piece)

    run_with_services(use)
