"""``ostiary connect-session`` and ``ostiary connections``: invite somebody to connect; look after what is connected."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.connections.service import DisconnectReceipt
from ostiary.core.connections.sessions import NewSession
from ostiary.core.consent.features import Feature, chosen_features
from ostiary.core.kernel.errors import InvalidRequest, NotFound
from ostiary.core.kernel.ids import parse_reference
from ostiary.core.organizations.model import Member
from ostiary.core.reasons.explain import explain
from ostiary.core.reasons.model import Where
from ostiary.entrypoints.cli.answers import (
    JSONOption,
    OrganizationOption,
    advise,
    command_line_actor,
    print_json,
)
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.runtime import read_settings, run_with_services
from ostiary.entrypoints.cli.table import print_table

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

connect_session = typer.Typer(help="Let a member connect their mailbox.", no_args_is_help=True)
connections = typer.Typer(help="Connected mailboxes and how they are.", no_args_is_help=True)

OptionalOrganization = Annotated[
    str | None, typer.Option("--org", help="Only this customer: your own id for it, or ours.")
]
Which = Annotated[
    str,
    typer.Argument(
        help="A connection's id or reference, or the address of its mailbox.", metavar="CONNECTION"
    ),
]

_EXIT: dict[ConnectionStatus, ExitCode] = {
    ConnectionStatus.CONNECTED: ExitCode.DONE,
    ConnectionStatus.NEEDS_SIGN_IN: ExitCode.WAITING_FOR_PERSON,
    ConnectionStatus.WAITING_FOR_APPROVAL: ExitCode.WAITING_FOR_PERSON,
    ConnectionStatus.FAILING: ExitCode.FAILED,
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(connect_session, name="connect-session")
    app.add_typer(connections, name="connections")


@connect_session.command("create", epilog="Next: ostiary connections list")
def create(
    organization: OrganizationOption,
    who: Annotated[str, typer.Argument(help="Address or id of a member.")],
    return_url: Annotated[
        str | None, typer.Option(help="Registered address to end on; our own page when left out.")
    ] = None,
    as_json: JSONOption = False,
) -> None:
    """Make a link with which a member connects, and show it, this once. It works for 15 minutes.

    Examples:

        ostiary connect-session create --org hv tom.ellis@harbourvale.example

        ostiary connect-session create --org hv u-1042 --json
    """

    async def use(services: Services) -> tuple[NewSession, Member, str]:
        found = await services.organizations.resolve(organization)
        member = await services.organizations.resolve_member(who, organization_id=found.id)
        made = await services.connections.sessions.create(
            organization_id=found.id,
            member_id=member.id,
            return_url=return_url,
            actor=command_line_actor(),
        )
        address = f"{services.settings.public_url.rstrip('/')}/connect/s/{made.secret.reveal()}"
        return made, member, address

    made, member, address = run_with_services(use, as_json=as_json)
    if as_json:
        print_json(
            {
                "ok": True,
                "url": address,
                "id": made.session.id,
                "ref": made.session.reference,
                "expires_at": made.session.expires_at.isoformat(),
            }
        )
        return
    print(address)
    advise(
        f"{made.session.reference}  for {member.display_name} only, "
        f"until {made.session.expires_at:%Y-%m-%d %H:%M} UTC"
    )


@connections.command("list", epilog="Next: ostiary connections check CONNECTION")
def list_connections(
    organization: OptionalOrganization = None,
    status: Annotated[ConnectionStatus | None, typer.Option(help="Only in this state.")] = None,
    as_json: JSONOption = False,
) -> None:
    """List connections, newest first.

    Examples:

        ostiary connections list --org hv --status failing

        ostiary connections list --json
    """

    async def use(services: Services) -> list[Connection]:
        organization_id = (
            None if organization is None else (await services.organizations.resolve(organization)).id
        )
        rows: list[Connection] = []
        cursor: str | None = None
        while True:
            page = await services.connections.page(
                organization_id=organization_id, status=status, cursor=cursor, limit=200
            )
            rows.extend(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return rows

    rows = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "connections": [connection_document(each) for each in rows]})
        return
    if not rows:
        advise("No connections. Invite somebody: ostiary connect-session create")
        return
    print_table(
        ("ADDRESS", "STATUS", "METHOD", "WHAT", "REASON", "REFERENCE"),
        [
            (
                each.address,
                _words(each.status),
                each.method.value,
                _what(each),
                each.reason or "",
                each.reference,
            )
            for each in rows
        ],
    )


@connections.command("show", epilog="Next: ostiary connections check CONNECTION")
def show(which: Which, organization: OptionalOrganization = None, as_json: JSONOption = False) -> None:
    """Show one connection.

    Examples:

        ostiary connections show tom.ellis@harbourvale.example

        ostiary connections show CO-9D1M-7VHE --json
    """

    async def use(services: Services) -> Connection:
        return await find_connection(services, which, organization=organization)

    connection = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "connection": connection_document(connection)})
        return
    _print_rows(connection)


@connections.command("check", epilog="Next: ostiary connections show CONNECTION")
def check(which: Which, organization: OptionalOrganization = None, as_json: JSONOption = False) -> None:
    """Try a connection now and say how it is. Exit code 0 only if it works.

    Examples:

        ostiary connections check tom.ellis@harbourvale.example

        ostiary connections check CO-9D1M-7VHE --json
    """

    async def use(services: Services) -> Connection:
        found = await find_connection(services, which, organization=organization)
        return await services.connections.check(
            found.id, organization_id=found.organization_id, actor=command_line_actor()
        )

    connection = run_with_services(use, as_json=as_json)
    works = connection.status is ConnectionStatus.CONNECTED
    if as_json:
        print_json({"ok": works, "connection": connection_document(connection)})
    elif works:
        print(f"✓ {connection.address} works over {connection.method.label}")
    else:
        _print_trouble(connection)
    raise typer.Exit(_EXIT.get(connection.status, ExitCode.CONFLICT))


@connections.command("pause", epilog="Next: ostiary connections resume CONNECTION")
def pause(which: Which, organization: OptionalOrganization = None, as_json: JSONOption = False) -> None:
    """Stop using a connection until it is resumed.

    Examples:

        ostiary connections pause tom.ellis@harbourvale.example

        ostiary connections pause CO-9D1M-7VHE --json
    """
    _change(which, organization, lambda services: services.connections.pause, as_json=as_json)


@connections.command("resume", epilog="Next: ostiary connections check CONNECTION")
def resume(which: Which, organization: OptionalOrganization = None, as_json: JSONOption = False) -> None:
    """Use a paused connection again.

    Examples:

        ostiary connections resume tom.ellis@harbourvale.example

        ostiary connections resume CO-9D1M-7VHE --json
    """
    _change(which, organization, lambda services: services.connections.resume, as_json=as_json)


@connections.command("disconnect", epilog="Next: ostiary connect-session create")
def disconnect(
    which: Which,
    organization: OptionalOrganization = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JSONOption = False,
) -> None:
    """Destroy a connection's tokens for good.

    Examples:

        ostiary connections disconnect tom.ellis@harbourvale.example

        ostiary connections disconnect CO-9D1M-7VHE --yes --json
    """
    if not yes:
        typer.confirm(f"Disconnect {which}? The person would have to connect anew.", abort=True, err=True)

    async def use(services: Services) -> DisconnectReceipt:
        found = await find_connection(services, which, organization=organization)
        return await services.connections.disconnect(
            found.id, organization_id=found.organization_id, actor=command_line_actor()
        )

    receipt = run_with_services(use, as_json=as_json)
    if as_json:
        print_json(
            {
                "ok": True,
                "tokens_destroyed": receipt.tokens_destroyed,
                "at": receipt.at.isoformat(),
                "backups_gone_by": receipt.backups_gone_by.isoformat(),
                "subscriptions_left": receipt.subscriptions_left,
                "connection": connection_document(receipt.connection),
            }
        )
        return
    if receipt.tokens_destroyed:
        print(f"{receipt.connection.address} is disconnected and its tokens are destroyed.")
        advise(
            f"Backups made before hold them sealed until {receipt.backups_gone_by:%Y-%m-%d} at the latest."
        )
        if receipt.subscriptions_left:
            advise(
                "Microsoft could not be told in time; for up to a week it sends notices, which are thrown away."
            )
    else:
        print(f"{receipt.connection.address} was disconnected already.")


async def find_connection(services: Services, text: str, *, organization: str | None) -> Connection:
    """Return the connection that a person names by id, reference or address.

    Raises:
        NotFound: There is none.
        InvalidRequest: The address fits several; its id or reference is needed.
    """
    organization_id = (
        None if organization is None else (await services.organizations.resolve(organization)).id
    )
    reference = parse_reference(text)
    if reference is None and "@" not in text:
        return await services.connections.get(text, organization_id=organization_id)
    fitting: list[Connection] = []
    cursor: str | None = None
    while True:
        page = await services.connections.page(organization_id=organization_id, cursor=cursor, limit=200)
        fitting += [
            each for each in page.items if text.lower() == each.address.lower() or each.reference == reference
        ]
        cursor = page.next_cursor
        if cursor is None:
            break
    live = [each for each in fitting if each.status is not ConnectionStatus.DISCONNECTED] or fitting[:1]
    if not live:
        raise NotFound(f"There is no connection {text}.")
    if len(live) > 1:
        raise InvalidRequest(f"{text} fits {len(live)} connections; name one by its reference.")
    return live[0]


def connection_document(connection: Connection) -> dict[str, Any]:
    """Return a connection as ``--json`` shows it."""
    provider = connection.provider
    return {
        "id": connection.id,
        "ref": connection.reference,
        "organization_id": connection.organization_id,
        "member_id": connection.member_id,
        "address": connection.address,
        "status": connection.status.value,
        "reason": connection.reason,
        "method": connection.method.value,
        "mail": connection.mail,
        "calendar": connection.calendar,
        "left_out_reason": connection.left_out_reason,
        "connected_at": None if connection.connected_at is None else connection.connected_at.isoformat(),
        "last_success_at": None
        if connection.last_success_at is None
        else connection.last_success_at.isoformat(),
        "microsoft": None
        if provider is None
        else {"code": provider.code, "correlation_id": provider.correlation_id},
    }


def _change(which: str, organization: str | None, verb: Callable[[Services], Any], *, as_json: bool) -> None:
    async def use(services: Services) -> Connection:
        found = await find_connection(services, which, organization=organization)
        changed: Connection = await verb(services)(
            found.id, organization_id=found.organization_id, actor=command_line_actor()
        )
        return changed

    connection = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "connection": connection_document(connection)})
    else:
        print(f"{connection.address}: {_words(connection.status)}")


def _print_rows(connection: Connection) -> None:
    rows = [
        ("Address", connection.address),
        ("Status", _words(connection.status)),
        ("Method", connection.method.label),
        ("What", _what(connection)),
        ("Reason", connection.reason or ""),
        ("Connected", "" if connection.connected_at is None else f"{connection.connected_at:%Y-%m-%d %H:%M} UTC"),
        ("Worked last", "" if connection.last_success_at is None else f"{connection.last_success_at:%Y-%m-%d %H:%M} UTC"),
        ("Reference", connection.reference),
        ("Id", connection.id),
    ]  # fmt: skip
    for label, text in rows:
        if text:
            print(f"{label:<12} {text}")


def _print_trouble(connection: Connection) -> None:
    """The lines of UX §16."""
    settings = read_settings()
    words = explain(
        connection.reason,
        where=Where.HEALTH,
        values={
            "vendor": settings.vendor_name,
            "account": connection.address,
            "date": f"{connection.changed_at:%-d %B %Y}",
            "app_id": settings.app_client_id,
        },
    )
    code = connection.provider.code if connection.provider is not None else None
    support = "   ".join(
        part for part in (connection.reference, f"reason {words.reason_id}", code) if part is not None
    )
    print(f"✗ {words.headline if connection.reason else _words(connection.status)}")
    rows = [
        ("Why", words.why if connection.reason else f"The connection is {_words(connection.status)}."),
        ("Who can fix it", words.who_can_fix if connection.reason else ""),
        ("Do this next", words.actions[0].label if connection.reason and words.actions else ""),
        ("Reference", support if connection.reason else connection.reference),
    ]
    for label, text in rows:
        if text:
            print(f"  {label:<14}  {text}")


def _words(status: ConnectionStatus) -> str:
    return "needs sign-in" if status is ConnectionStatus.NEEDS_SIGN_IN else status.value.replace("_", " ")


def _what(connection: Connection) -> str:
    chosen = chosen_features(mail=connection.mail, calendar=connection.calendar)
    words = " and ".join(feature.label for feature in Feature if feature in chosen)
    if connection.left_out_reason is None or len(chosen) != 1:
        return words
    (other,) = set(Feature) - chosen
    return f"{words}; {other.label} isn’t connected ({connection.left_out_reason})"
