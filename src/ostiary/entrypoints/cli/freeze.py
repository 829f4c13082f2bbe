"""``ostiary freeze`` and ``ostiary unfreeze``: the kill switch."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ostiary.bootstrap import Services
from ostiary.core.connections.freeze import LOOK_AGAIN, Freeze, FreezeScope
from ostiary.entrypoints.cli.answers import JSONOption, advise, command_line_actor, print_json
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table

ConnectionOption = Annotated[str | None, typer.Option("--connection", help="One connection, by its id.")]
OrganizationOption = Annotated[
    str | None, typer.Option("--org", help="A customer: your own id for it, or ours.")
]
EverythingOption = Annotated[bool, typer.Option("--everything", help="The whole instance.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("freeze", epilog="Next: ostiary unfreeze")(freeze)
    app.command("unfreeze", epilog="Next: ostiary connections list")(unfreeze)


def freeze(
    connection: ConnectionOption = None,
    organization: OrganizationOption = None,
    everything: EverythingOption = False,
    note: Annotated[str, typer.Option(help="Why, for the audit log and whoever asks.")] = "",
    as_json: JSONOption = False,
) -> None:
    """Stop all use of tokens, in every process, within a minute. Nothing is lost; without an option: list.

    Examples:

        ostiary freeze --org hv --note "stolen laptop"

        ostiary freeze --everything

        ostiary freeze
    """

    async def use(services: Services) -> tuple[bool | None, tuple[Freeze, ...]]:
        is_new = None
        if connection or organization or everything:
            scope, target_id = await _target(services, connection, organization, everything)
            is_new = await services.freezes.freeze(scope, target_id, note=note, actor=command_line_actor())
        return is_new, await services.freezes.list_all()

    is_new, in_force = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "changed": bool(is_new), "frozen": [_document(each) for each in in_force]})
        return
    if is_new is None:
        print_table(
            ("Scope", "Id", "Since (UTC)", "By", "Note"),
            [
                (each.scope.value, each.target_id or "-", f"{each.at:%Y-%m-%d %H:%M}", each.by, each.note)
                for each in in_force
            ],
        )
        advise(f"{len(in_force)} frozen.")
    elif is_new:
        print(f"Frozen. Running processes notice within {LOOK_AGAIN.total_seconds():.0f} seconds.")
    else:
        print("It was frozen already; nothing was changed.")


def unfreeze(
    connection: ConnectionOption = None,
    organization: OrganizationOption = None,
    everything: EverythingOption = False,
    as_json: JSONOption = False,
) -> None:
    """Let tokens be used again. What was frozen by itself inside stays frozen.

    Examples:

        ostiary unfreeze --org hv

        ostiary unfreeze --everything
    """

    async def use(services: Services) -> bool:
        scope, target_id = await _target(services, connection, organization, everything)
        return await services.freezes.unfreeze(scope, target_id, actor=command_line_actor())

    was_frozen = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "changed": was_frozen})
        return
    print("Tokens may be used again." if was_frozen else "It was not frozen; nothing was changed.")


async def _target(
    services: Services, connection: str | None, organization: str | None, everything: bool
) -> tuple[FreezeScope, str]:
    if [bool(connection), bool(organization), everything].count(True) != 1:
        print("Give exactly one of --connection, --org and --everything.", file=sys.stderr)
        raise typer.Exit(ExitCode.WRONG_USAGE)
    if connection:
        return FreezeScope.CONNECTION, connection
    if organization:
        return FreezeScope.ORGANIZATION, (await services.organizations.resolve(organization)).id
    return FreezeScope.INSTANCE, ""


def _document(freeze: Freeze) -> dict[str, str]:
    return {
        "scope": freeze.scope.value,
        "target_id": freeze.target_id,
        "at": freeze.at.isoformat(),
        "by": freeze.by,
        "note": freeze.note,
    }
