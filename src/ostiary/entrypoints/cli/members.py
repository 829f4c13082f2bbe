"""``ostiary members``: people of a customer and their licences."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ostiary.bootstrap import Services
from ostiary.core.access.model import OneTimeLink
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Member, MemberRole
from ostiary.core.organizations.people_file import MOST_BYTES
from ostiary.core.organizations.people_import import ChangeKind, ImportPlan
from ostiary.entrypoints.cli.answers import (
    JSONOption,
    OrganizationOption,
    advise,
    command_line_actor,
    print_json,
)
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.plain_text import one_line
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.sign_in_links import print_sign_in_link
from ostiary.entrypoints.cli.table import print_table

members = typer.Typer(help="People of a customer and their licences.", no_args_is_help=True)
licence = typer.Typer(help="Give licences and take them away.", no_args_is_help=True)
members.add_typer(licence, name="licence")

Who = Annotated[list[str], typer.Argument(help="Addresses or ids of members.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(members, name="members")


@members.command("add", epilog="Next: ostiary members licence give")
def add(
    organization: OrganizationOption,
    email: Annotated[str, typer.Argument(help="Work address.")],
    name: Annotated[str, typer.Argument(help="Name.")],
    external_id: Annotated[
        str | None, typer.Option("--id", help="Your own id for the person; the address when left out.")
    ] = None,
    role: Annotated[MemberRole, typer.Option(help="What the person may do here.")] = MemberRole.MEMBER,
    licensed: Annotated[bool, typer.Option("--licence", help="Give a licence, too.")] = False,
    as_json: JSONOption = False,
) -> None:
    """Add a person. Saying it twice changes nothing.

    Examples:

        ostiary members add --org hv tom.ellis@harbourvale.example "Tom Ellis" --licence

        ostiary members add --org hv dana.okafor@harbourvale.example "Dana Okafor" --role organization_admin
    """

    async def use(services: Services) -> tuple[Member, bool]:
        found = await services.organizations.resolve(organization)
        return await services.organizations.add_member(
            organization_id=found.id,
            external_id=external_id or email.strip().lower(),
            email=email,
            display_name=name,
            role=role,
            licensed=licensed,
            actor=command_line_actor(),
        )

    member, is_new = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "created": is_new, "member": _document(member)})
        return
    print(f"{member.id}  {member.display_name}")
    if not is_new:
        advise("There was such a member already; nothing was changed.")


@members.command("import", epilog="Next: ostiary members list")
def import_members(
    organization: OrganizationOption,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV in UTF-8: email, name, and maybe id, role, licence.", dir_okay=False, exists=True
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would do.")] = False,
    as_json: JSONOption = False,
) -> None:
    """Add and change people from a CSV file: all of it or nothing. Nobody is removed.

    Examples:

        ostiary members import --org hv people.csv --dry-run

        ostiary members import --org hv people.csv
    """
    with file.open("rb") as opened:
        # One byte more than allowed tells a file that is too large, without reading all of it.
        data = opened.read(MOST_BYTES + 1)

    async def use(services: Services) -> ImportPlan:
        found = await services.organizations.resolve(organization)
        plan = await services.people_import.preview(data, organization_id=found.id)
        if dry_run or plan.errors or plan.lacks_seats:
            return plan
        return await services.people_import.apply(
            data, organization_id=found.id, fingerprint=plan.fingerprint, actor=command_line_actor()
        )

    plan = run_with_services(use, as_json=as_json)
    saved = not dry_run and not plan.errors and not plan.lacks_seats
    if as_json:
        print_json(_plan_document(plan, saved=saved))
    else:
        _print_plan(plan, saved=saved)
    if plan.errors or plan.lacks_seats:
        raise typer.Exit(ExitCode.WRONG_USAGE if plan.errors else ExitCode.CONFLICT)


@members.command("list", epilog="Next: ostiary members licence give")
def list_members(
    organization: OrganizationOption,
    search: Annotated[str | None, typer.Option(help="Part of the name, address or id.")] = None,
    licensed: Annotated[bool | None, typer.Option("--licensed/--unlicensed", help="Only these.")] = None,
    as_json: JSONOption = False,
) -> None:
    """List people by name.

    Examples:

        ostiary members list --org hv

        ostiary members list --org hv --unlicensed --json
    """

    async def use(services: Services) -> list[Member]:
        found = await services.organizations.resolve(organization)
        rows: list[Member] = []
        cursor: str | None = None
        while True:
            page = await services.organizations.list_members(
                organization_id=found.id, search=search, licensed=licensed, cursor=cursor, limit=200
            )
            rows.extend(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return rows

    rows = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "members": [_document(each) for each in rows]})
        return
    if not rows:
        advise("Nobody. Add a person: ostiary members add")
        return
    print_table(
        ("EMAIL", "NAME", "ROLE", "LICENCE", "ID"),
        [
            (
                each.email,
                each.display_name,
                each.role.value,
                "yes" if each.licensed else "no",
                each.external_id,
            )
            for each in rows
        ],
    )


@members.command("sign-in-link", epilog="Next: send the link to that person only")
def sign_in_link(
    organization: OrganizationOption,
    who: Annotated[str, typer.Argument(help="Address or id of an organization admin.")],
    as_json: JSONOption = False,
) -> None:
    """Make the link with which an organization admin signs in to the console for the first time.

    Examples:

        ostiary members sign-in-link --org hv dana.okafor@harbourvale.example

        ostiary members sign-in-link --org hv dana --json
    """

    async def use(services: Services) -> tuple[OneTimeLink, Secret, str]:
        found = await services.organizations.resolve(organization)
        member = await services.organizations.resolve_member(who, organization_id=found.id)
        link, secret = await services.access.create_admin_link(
            organization_id=found.id, member_id=member.id, actor=command_line_actor()
        )
        return link, secret, services.settings.effective_console_url

    link, secret, console_url = run_with_services(use, as_json=as_json)
    print_sign_in_link(link, secret, console_url=console_url, as_json=as_json)


@licence.command("give", epilog="Next: ostiary link create")
def give(organization: OrganizationOption, who: Who, as_json: JSONOption = False) -> None:
    """Give licences: to all of these people, or to none.

    Examples:

        ostiary members licence give --org hv tom.ellis@harbourvale.example

        ostiary members licence give --org hv u17 u18
    """
    _change(organization, who, giving=True, as_json=as_json)


@licence.command("take", epilog="Next: ostiary members list")
def take(organization: OrganizationOption, who: Who, as_json: JSONOption = False) -> None:
    """Take licences away.

    Examples:

        ostiary members licence take --org hv tom.ellis@harbourvale.example

        ostiary members licence take --org hv u17 u18
    """
    _change(organization, who, giving=False, as_json=as_json)


def _change(organization: str, who: list[str], *, giving: bool, as_json: bool) -> None:
    async def use(services: Services) -> tuple[Member, ...]:
        found = await services.organizations.resolve(organization)
        ids = [
            (await services.organizations.resolve_member(each, organization_id=found.id)).id for each in who
        ]
        change = services.organizations.give_licences if giving else services.organizations.take_licences
        return await change(ids, organization_id=found.id, actor=command_line_actor())

    changed = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "changed": [_document(each) for each in changed]})
        return
    for each in changed:
        print(f"{each.display_name}: licence {'given' if giving else 'taken'}")
    if not changed:
        advise("Nothing to change.")


def _print_plan(plan: ImportPlan, *, saved: bool) -> None:
    for error in plan.errors:
        print(
            f"line {error.line}{f', {error.column}' if error.column else ''}: {error.words}", file=sys.stderr
        )
    for change in plan.of(ChangeKind.ADDED, ChangeKind.CHANGED):
        said = f": {'; '.join(change.words)}" if change.words else ""
        print(
            f"line {change.line}  {change.kind.value}  {one_line(change.after.display_name)}{one_line(said)}"
        )
    if plan.lacks_seats:
        advise(f"This needs {plan.seats_wanted} licences, and there are {plan.seat_count}.")
    advise("Saved." if saved else "Nothing was saved.")


def _plan_document(plan: ImportPlan, *, saved: bool) -> dict[str, Any]:
    return {
        "ok": not plan.errors and not plan.lacks_seats,
        "saved": saved,
        "added": [change.after.external_id for change in plan.of(ChangeKind.ADDED)],
        "changed": [
            {"external_id": change.after.external_id, "what": list(change.words)}
            for change in plan.of(ChangeKind.CHANGED)
        ],
        "same": len(plan.of(ChangeKind.SAME)),
        "errors": [
            {"line": error.line, "column": error.column, "what": error.words} for error in plan.errors
        ],
        "seats_wanted": plan.seats_wanted,
        "seat_count": plan.seat_count,
    }


def _document(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "external_id": member.external_id,
        "email": member.email,
        "display_name": member.display_name,
        "role": member.role,
        "licensed": member.licensed,
        "identity_known": member.object_id is not None,
    }
