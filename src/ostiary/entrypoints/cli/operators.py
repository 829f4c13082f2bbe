"""``ostiary operator`` and ``ostiary api-key``: who runs the instance, and what may call it."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from ostiary.bootstrap import Services
from ostiary.core.access.model import ApiKey, OneTimeLink, Operator, Permission
from ostiary.core.access.operators import OperatorRow
from ostiary.core.kernel.clock import SystemClock
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.cli.answers import JSONOption, advise, command_line_actor, print_json
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.sign_in_links import print_sign_in_link
from ostiary.entrypoints.cli.table import print_table

operator = typer.Typer(help="Operators: the vendor's own staff.", no_args_is_help=True)
api_key = typer.Typer(help="Keys for the API.", no_args_is_help=True)


class KeyPermission(StrEnum):
    """What a key may be given."""

    READ = Permission.API_READ.value
    MANAGE = Permission.API_MANAGE.value
    MAILBOX_READ = Permission.API_MAILBOX_READ.value
    MAILBOX_WRITE = Permission.API_MAILBOX_WRITE.value
    METRICS = Permission.METRICS_READ.value


_WHOLE_API: Final = [each for each in KeyPermission if each is not KeyPermission.METRICS]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(operator, name="operator")
    app.add_typer(api_key, name="api-key")


@operator.command("sign-in-link", epilog="Next: open the link in your browser")
def sign_in_link(
    name: Annotated[
        str | None, typer.Option(help="The operator; added when unknown. Not needed while there is only one.")
    ] = None,
    as_json: JSONOption = False,
) -> None:
    """Make a link that signs an operator in to the console, once.

    Examples:

        ostiary operator sign-in-link

        ostiary operator sign-in-link --name Vik
    """

    async def use(services: Services) -> tuple[OneTimeLink, Secret, str]:
        link, secret = await services.access.create_operator_link(name=name, actor=command_line_actor())
        return link, secret, services.settings.effective_console_url

    link, secret, console_url = run_with_services(use, as_json=as_json)
    print_sign_in_link(link, secret, console_url=console_url, as_json=as_json)


@operator.command("list", epilog="Next: ostiary operator sign-in-link")
def list_operators(as_json: JSONOption = False) -> None:
    """List operators, and where they are signed in.

    Examples:

        ostiary operator list

        ostiary operator list --json
    """

    async def use(services: Services) -> tuple[OperatorRow, ...]:
        return await services.access.operators.list_all()

    rows = run_with_services(use, as_json=as_json)
    if as_json:
        print_json(
            {
                "ok": True,
                "operators": [
                    {
                        "id": row.operator.id,
                        "name": row.operator.name,
                        "disabled": row.operator.disabled_at is not None,
                        "microsoft_account": row.operator.object_id is not None,
                        "sessions": len(row.sessions),
                    }
                    for row in rows
                ],
            }
        )
        return
    print_table(
        ("ID", "NAME", "STATE", "MICROSOFT", "SIGNED IN"),
        [
            (
                row.operator.id,
                row.operator.name,
                "off" if row.operator.disabled_at else "on",
                "on file" if row.operator.object_id else "not yet",
                str(len(row.sessions)),
            )
            for row in rows
        ],
    )


@operator.command("disable", epilog="Next: ostiary operator list")
def disable(
    who: Annotated[str, typer.Argument(help="Name or id of the operator.")], as_json: JSONOption = False
) -> None:
    """Let an operator in no more: sessions and links end at once. The last one stays.

    Examples:

        ostiary operator disable Sam

        ostiary operator disable Sam --json
    """
    _switch(who, on=False, as_json=as_json)


@operator.command("enable", epilog="Next: ostiary operator sign-in-link")
def enable(
    who: Annotated[str, typer.Argument(help="Name or id of the operator.")], as_json: JSONOption = False
) -> None:
    """Let an operator in again.

    Examples:

        ostiary operator enable Sam

        ostiary operator enable Sam --json
    """
    _switch(who, on=True, as_json=as_json)


def _switch(who: str, *, on: bool, as_json: bool) -> None:
    async def use(services: Services) -> Operator:
        operators = services.access.operators
        found = await operators.resolve(who)
        change = operators.enable if on else operators.disable
        return await change(found.id, actor=command_line_actor())

    changed = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "id": changed.id, "disabled": changed.disabled_at is not None})
        return
    print(f"{changed.name} is switched {'on' if on else 'off'}")


@api_key.command("create", epilog="Next: send it as Authorization: Bearer …")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    permission: Annotated[
        list[KeyPermission] | None,
        typer.Option(help="What it may do. Repeatable; everything of the API when left out."),
    ] = None,
    days: Annotated[int, typer.Option(help="Days it lives.", min=1, max=365)] = 90,
    network: Annotated[
        list[str] | None,
        typer.Option(
            "--from", help="Address or network it works from. Repeatable; everywhere when left out."
        ),
    ] = None,
    as_json: JSONOption = False,
) -> None:
    """Make a key and show it, this once.

    Examples:

        ostiary api-key create "Larkspur backend"

        ostiary api-key create reports --permission api.read --days 30 --from 192.0.2.0/24
    """
    wanted = [Permission(each.value) for each in (permission or _WHOLE_API)]

    async def use(services: Services) -> tuple[ApiKey, Secret]:
        return await services.access.create_api_key(
            name=name,
            permissions=wanted,
            life=timedelta(days=days),
            networks=network or (),
            actor=command_line_actor(),
        )

    key, text = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "key": text.reveal()} | _document(key))
        return
    print(text.reveal())
    advise(
        f"Shown this once. Works until {key.expires_at:%Y-%m-%d %H:%M} UTC; revoke it: ostiary api-key revoke {key.id}"
    )


@api_key.command("rotate", epilog="Next: put the new key in place, then ostiary api-key list")
def rotate(
    key_id: Annotated[str, typer.Argument(help="Id of the key to replace.")],
    overlap_hours: Annotated[
        float | None,
        typer.Option(help="Hours both work; OSTIARY_API_KEY_OVERLAP_HOURS when left out.", min=0, max=168),
    ] = None,
    as_json: JSONOption = False,
) -> None:
    """Make a key that may do the same and show it, this once. The old one goes on for a while.

    Examples:

        ostiary api-key rotate key_0h2m…

        ostiary api-key rotate key_0h2m… --overlap-hours 2
    """

    async def use(services: Services) -> tuple[ApiKey, Secret, ApiKey]:
        new, text = await services.access.rotate_api_key(
            key_id,
            overlap=None if overlap_hours is None else timedelta(hours=overlap_hours),
            actor=command_line_actor(),
        )
        old = next(key for key in await services.access.list_api_keys() if key.id == key_id)
        return new, text, old

    new, text, old = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "key": text.reveal(), "replaces": _document(old)} | _document(new))
        return
    print(text.reveal())
    advise(f"Shown this once. The old key works until {old.expires_at:%Y-%m-%d %H:%M} UTC.")


@api_key.command("list", epilog="Next: ostiary api-key revoke")
def list_keys(as_json: JSONOption = False) -> None:
    """List keys, oldest first.

    Examples:

        ostiary api-key list

        ostiary api-key list --json
    """

    async def use(services: Services) -> tuple[ApiKey, ...]:
        return await services.access.list_api_keys()

    keys = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "api_keys": [_document(key) for key in keys]})
        return
    if not keys:
        advise("No keys yet. Make one: ostiary api-key create")
        return
    print_table(
        ("ID", "NAME", "STATE", "EXPIRES", "LAST USED", "FROM", "MAY"),
        [
            (
                key.id,
                key.name,
                _state(key),
                f"{key.expires_at:%Y-%m-%d}",
                f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never",
                " ".join(key.networks) or "everywhere",
                " ".join(sorted(key.permissions)),
            )
            for key in keys
        ],
    )


@api_key.command("revoke", epilog="Next: ostiary api-key list")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key.")], as_json: JSONOption = False
) -> None:
    """Make a key useless from its next use on. Saying it twice changes nothing.

    Examples:

        ostiary api-key revoke key_0h2m…

        ostiary api-key revoke key_0h2m… --json
    """

    async def use(services: Services) -> None:
        await services.access.revoke_api_key(key_id, actor=command_line_actor())

    run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "id": key_id})
        return
    print(f"{key_id} revoked")


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if not key.is_live(SystemClock().now()):
        return "expired"
    return "replaced" if key.replaced_by else "live"


def _document(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "state": _state(key),
        "permissions": sorted(key.permissions),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat(),
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
        "last_used_ip": key.last_used_ip,
        "networks": list(key.networks),
        "created_by": key.created_by,
        "replaced_by": key.replaced_by,
    }
