"""``ostiary webhooks``: the vendor's endpoints, and the log of what was sent to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ostiary.core.feed.model import FeedEventType
from ostiary.core.kernel.page import Page
from ostiary.core.webhooks.endpoints import Issued
from ostiary.core.webhooks.model import Delivery, DeliveryState, WebhookEndpoint
from ostiary.core.webhooks.ports import DeliveryFilter
from ostiary.entrypoints.cli.answers import JSONOption, advise, command_line_actor, print_json
from ostiary.entrypoints.cli.calendar_times import typed_moment
from ostiary.entrypoints.cli.connections import find_connection
from ostiary.entrypoints.cli.documents import document_of
from ostiary.entrypoints.cli.plain_text import one_line
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

SHOWN_OF_URL: Final = 60
SHOWN_OF_TROUBLE: Final = 50

EndpointId = Annotated[
    str, typer.Argument(help="An endpoint's id, as `webhooks list` shows it.", metavar="ENDPOINT")
]
SecretFile = Annotated[
    Path | None,
    typer.Option(help="Write the signing secret into this new file instead of showing it.", dir_okay=False),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

webhooks = typer.Typer(
    help="Addresses of yours that get events, and what was sent to them.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(webhooks, name="webhooks")


@webhooks.command("list", epilog="Next: ostiary webhooks deliveries ENDPOINT")
def list_endpoints(as_json: JSONOption = False) -> None:
    """List the endpoints, with what waits for them and what could not be delivered.

    Examples:

        ostiary webhooks list

        ostiary webhooks list --json
    """

    async def use(services: Services) -> Any:
        endpoints = services.webhooks.endpoints
        return await endpoints.list_all(), await endpoints.counts()

    endpoints, counts = run_with_services(use, as_json=as_json)
    if as_json:
        rows = [
            {**_document(each), "deliveries": document_of(_by_word(counts.get(each.id, {})))}
            for each in endpoints
        ]
        print_json({"ok": True, "endpoints": rows})
        return
    if not endpoints:
        advise("No endpoints. Add one: ostiary webhooks add URL")
        return
    print_table(
        ("ADDRESS", "STATUS", "WAITING", "DEAD", "EVENTS", "ENDPOINT"),
        [
            (
                one_line(each.url, SHOWN_OF_URL),
                _status(each),
                str(counts.get(each.id, {}).get(DeliveryState.PENDING, 0)),
                str(counts.get(each.id, {}).get(DeliveryState.DEAD, 0)),
                ", ".join(kind.value for kind in each.types) or "all",
                each.id,
            )
            for each in endpoints
        ],
    )


@webhooks.command("add", epilog="Next: ostiary webhooks verify ENDPOINT")
def add(
    url: Annotated[str, typer.Argument(help="An https address on a public network.")],
    description: Annotated[str, typer.Option(help="What it is, for people.")] = "",
    kind: Annotated[
        list[FeedEventType] | None,
        typer.Option("--type", help="Only this type of event; repeat it for more."),
    ] = None,
    organization: Annotated[
        str | None, typer.Option("--org", help="Only this customer's events: your own id for it, or ours.")
    ] = None,
    secret_file: SecretFile = None,
    as_json: JSONOption = False,
) -> None:
    """Add an endpoint and show its signing secret, this once. It gets events once it is verified.

    Examples:

        ostiary webhooks add https://app.larkspur.example/hooks/ostiary --secret-file webhook.secret

        ostiary webhooks add https://app.larkspur.example/hooks/ostiary --type message.created --org hv --json
    """

    async def use(services: Services) -> Issued:
        customer = None if organization is None else await services.organizations.resolve(organization)
        return await services.webhooks.endpoints.add(
            url,
            description=description,
            organization_id=None if customer is None else customer.id,
            types=kind or (),
            actor=command_line_actor(),
        )

    _issue(use, secret_file, as_json)


@webhooks.command("verify", epilog="Next: ostiary webhooks deliveries ENDPOINT")
def verify(endpoint: EndpointId, as_json: JSONOption = False) -> None:
    """Send the signed challenge; an endpoint that repeats it gets events from now on.

    Examples:

        ostiary webhooks verify whe_7zq4m1c9x2t8v5w0y3k6r1d4fh

        ostiary webhooks verify whe_7zq4m1c9x2t8v5w0y3k6r1d4fh --json
    """
    _change(lambda services: services.webhooks.endpoints.prove(endpoint, actor=command_line_actor()), as_json)


@webhooks.command("rotate", epilog="Next: ostiary webhooks list")
def rotate(endpoint: EndpointId, secret_file: SecretFile = None, as_json: JSONOption = False) -> None:
    """Get a new signing secret. For 24 hours messages carry signatures of both.

    Examples:

        ostiary webhooks rotate whe_7zq4m1c9x2t8v5w0y3k6r1d4fh --secret-file webhook.secret.new

        ostiary webhooks rotate whe_7zq4m1c9x2t8v5w0y3k6r1d4fh --json
    """
    _issue(
        lambda services: services.webhooks.endpoints.rotate_secret(endpoint, actor=command_line_actor()),
        secret_file,
        as_json,
    )


@webhooks.command("disable", epilog="Next: ostiary webhooks verify ENDPOINT")
def disable(endpoint: EndpointId, as_json: JSONOption = False) -> None:
    """Stop sending. Events wait until the endpoint is verified again.

    Examples:

        ostiary webhooks disable whe_7zq4m1c9x2t8v5w0y3k6r1d4fh

        ostiary webhooks disable whe_7zq4m1c9x2t8v5w0y3k6r1d4fh --json
    """
    _change(
        lambda services: services.webhooks.endpoints.disable(endpoint, actor=command_line_actor()), as_json
    )


@webhooks.command("delete", epilog="Next: ostiary webhooks list")
def delete(endpoint: EndpointId, yes: Yes = False, as_json: JSONOption = False) -> None:
    """Delete an endpoint and everything that was to go there.

    Examples:

        ostiary webhooks delete whe_7zq4m1c9x2t8v5w0y3k6r1d4fh

        ostiary webhooks delete whe_7zq4m1c9x2t8v5w0y3k6r1d4fh --yes --json
    """
    if not yes:
        typer.confirm("Delete it, with the events that wait for it?", abort=True, err=True)
    run_with_services(
        lambda services: services.webhooks.endpoints.delete(endpoint, actor=command_line_actor()),
        as_json=as_json,
    )
    if as_json:
        print_json({"ok": True})
    else:
        advise("Deleted.")


@webhooks.command("deliveries", epilog="Next: ostiary webhooks replay ENDPOINT")
def deliveries(
    endpoint: Annotated[
        str | None, typer.Argument(help="Only of this endpoint.", metavar="[ENDPOINT]", show_default=False)
    ] = None,
    state: Annotated[DeliveryState | None, typer.Option(help="Only in this state.")] = None,
    connection: Annotated[
        str | None, typer.Option(help="Only of this connection: id, reference or address.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only from then on: a day or a time, UTC.")] = None,
    limit: Annotated[int, typer.Option(help="Most shown.", min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last list ended.")] = None,
    as_json: JSONOption = False,
) -> None:
    """List what was sent and is to be sent, newest first.

    Examples:

        ostiary webhooks deliveries --state dead

        ostiary webhooks deliveries whe_7zq4m1c9x2t8v5w0y3k6r1d4fh --since 2026-11-24 --json
    """
    begin = None if since is None else typed_moment(since, "since")

    async def use(services: Services) -> Page[Delivery]:
        found = None if connection is None else await find_connection(services, connection, organization=None)
        wanted = DeliveryFilter(
            endpoint_id=endpoint,
            connection_id=None if found is None else found.id,
            states=() if state is None else (state,),
            since=begin,
        )
        return await services.webhooks.deliveries.page(wanted, cursor=cursor, limit=limit)

    page = run_with_services(use, as_json=as_json)
    if as_json:
        items = [{**document_of(each), "body": None} for each in page.items]
        for item in items:
            del item["body"]
        print_json({"ok": True, "deliveries": items, "next_cursor": page.next_cursor})
        return
    if not page.items:
        advise("Nothing was sent.")
        return
    print_table(
        ("WHEN (UTC)", "WHAT", "STATE", "TRIES", "LAST", "NEXT (UTC)", "DELIVERY"),
        [
            (
                f"{each.created_at:%Y-%m-%d %H:%M:%S}",
                each.type,
                each.state.value,
                str(each.attempts),
                str(each.last_status or one_line(each.last_trouble or "", SHOWN_OF_TROUBLE)),
                "" if each.next_at is None else f"{each.next_at:%Y-%m-%d %H:%M}",
                each.id,
            )
            for each in page.items
        ],
    )
    if page.next_cursor is not None:
        advise(f"There is more: --cursor {page.next_cursor}")


@webhooks.command("replay", epilog="Next: ostiary webhooks deliveries ENDPOINT")
def replay(
    what: Annotated[
        str, typer.Argument(help="An endpoint's id, or one delivery's.", metavar="ENDPOINT|DELIVERY")
    ],
    state: Annotated[
        list[DeliveryState] | None,
        typer.Option(help="Only those that are delivered or dead; both when left out."),
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only from then on: a day or a time, UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Only before then.")] = None,
    as_json: JSONOption = False,
) -> None:
    """Send finished deliveries once more, with the same ids; at most 10,000 at a time, the oldest first.

    Examples:

        ostiary webhooks replay whe_7zq4m1c9x2t8v5w0y3k6r1d4fh --state dead --since 2026-11-24

        ostiary webhooks replay whd_5d41402abc4b2a76b9719d911017c592 --json
    """
    begin = None if since is None else typed_moment(since, "since")
    end = None if until is None else typed_moment(until, "until")

    async def use(services: Services) -> int:
        log = services.webhooks.deliveries
        if what.startswith("whd_"):
            before, _ = await log.get(what)
            await log.replay_one(what, actor=command_line_actor())
            return 0 if before.state is DeliveryState.PENDING else 1
        wanted = DeliveryFilter(endpoint_id=what, states=tuple(state or ()), since=begin, until=end)
        return await log.replay(what, wanted, actor=command_line_actor())

    count = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "replayed": count})
    else:
        advise(f"{count} to be sent again." if count else "Nothing to send again.")


def _issue(use: Callable[[Services], Awaitable[Issued]], secret_file: Path | None, as_json: bool) -> None:
    """Show an endpoint and its secret, or write the secret where only its owner reads it."""
    if secret_file is not None and secret_file.exists():
        raise typer.BadParameter("this file is there already", param_hint="--secret-file")
    issued = run_with_services(use, as_json=as_json)
    secret = issued.secret.reveal()
    if secret_file is not None:
        secret_file.touch(mode=0o600, exist_ok=False)
        secret_file.write_text(f"{secret}\n", "utf-8")
    if as_json:
        shown = {} if secret_file is not None else {"secret": secret}
        print_json({"ok": True, "endpoint": _document(issued.endpoint), **shown})
        return
    advise(f"{issued.endpoint.id}  {one_line(issued.endpoint.url)}  {_status(issued.endpoint)}")
    if secret_file is None:
        advise("Keep this secret; it is not shown again:")
        print(secret)
    else:
        advise(f"Its signing secret is in {secret_file}")


def _change(use: Callable[[Services], Awaitable[WebhookEndpoint]], as_json: bool) -> None:
    endpoint = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "endpoint": _document(endpoint)})
    else:
        print(f"{one_line(endpoint.url)}: {_status(endpoint)}")


def _document(endpoint: WebhookEndpoint) -> dict[str, Any]:
    document: dict[str, Any] = document_of(endpoint)
    del document["secret_number"]
    return document


def _by_word(counts: Any) -> dict[str, int]:
    return {state.value: counts.get(state, 0) for state in DeliveryState}


def _status(endpoint: WebhookEndpoint) -> str:
    words = {"by_hand": "by hand", "gone": "it answered 410", "failed": "five days of failures"}
    if endpoint.disabled_because is None:
        return endpoint.status.value
    return f"{endpoint.status.value} ({words[endpoint.disabled_because.value]})"
