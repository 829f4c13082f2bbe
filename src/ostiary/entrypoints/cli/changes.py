"""``ostiary changes``: the feed of a connection or a customer, read once or followed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ostiary.core.feed.model import LONGEST_WAIT_SECONDS, FeedEvent, FeedPage
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.entrypoints.cli.answers import JSONOption, advise, print_json
from ostiary.entrypoints.cli.connections import find_connection
from ostiary.entrypoints.cli.documents import document_of
from ostiary.entrypoints.cli.plain_text import one_line
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

PAGE_SIZE: Final = 200

Stream = Annotated[
    str | None,
    typer.Argument(
        help="A connection's id or reference, or the address of its mailbox. Left out with --org: the customer's own feed.",
        metavar="[CONNECTION]",
        show_default=False,
    ),
]
Organization = Annotated[str | None, typer.Option("--org", help="The customer: your own id for it, or ours.")]

changes = typer.Typer(
    help="What happened to a mailbox, a calendar, a connection or a customer.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(changes, name="changes")


@changes.command("list", epilog="Next: ostiary changes follow CONNECTION --cursor CURSOR")
def list_changes(
    connection: Stream = None,
    cursor: Annotated[str | None, typer.Option(help="Go on where an earlier list ended.")] = None,
    limit: Annotated[int, typer.Option(help="Most changes shown.", min=1, max=500)] = 50,
    organization: Organization = None,
    as_json: JSONOption = False,
) -> None:
    """List changes, oldest first: ids, versions and states, never content.

    Examples:

        ostiary changes list tom.ellis@harbourvale.example

        ostiary changes list --org hv --json
    """

    async def use(services: Services) -> FeedPage:
        stream_id = await _stream(services, connection, organization)
        return await services.feed.read(stream_id, cursor=cursor, limit=limit)

    page = run_with_services(use, as_json=as_json)
    if as_json:
        items = [_document(each) for each in page.events]
        print_json({"ok": True, "items": items, "next_cursor": page.cursor, "has_more": page.has_more})
        return
    if not page.events:
        advise("Nothing new.")
    else:
        print_table(
            ("PLACE", "WHEN (UTC)", "WHAT", "OF"),
            [(str(each.sequence), _when(each), each.type.value, _of(each)) for each in page.events],
        )
    advise(f"{'There is more' if page.has_more else 'What follows'}: --cursor {page.cursor}")


@changes.command("follow", epilog="Next: ostiary mail show CONNECTION MESSAGE")
def follow(
    connection: Stream = None,
    cursor: Annotated[
        str | None, typer.Option(help="Go on after this place; what happens from now on when left out.")
    ] = None,
    cursor_file: Annotated[
        Path | None,
        typer.Option(help="Keep the place in this file, and go on from there the next time.", dir_okay=False),
    ] = None,
    from_oldest: Annotated[
        bool, typer.Option("--from-oldest", help="Begin with the oldest change that is kept.")
    ] = False,
    until_now: Annotated[
        bool, typer.Option("--until-now", help="Stop when there is nothing new, instead of waiting for more.")
    ] = False,
    organization: Organization = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print each change as it happens, until Ctrl-C. Each comes at least once, and with the same id if again.

    Examples:

        ostiary changes follow tom.ellis@harbourvale.example

        ostiary changes follow CO-9D1M-7VHE --cursor-file tom.cursor --until-now --json
    """
    start = _start(cursor, cursor_file)

    async def use(services: Services) -> None:
        stream_id = await _stream(services, connection, organization)
        at = start
        if at is None and not from_oldest:
            at = (await services.feed.newest(stream_id)).cursor
        while True:
            page = await services.feed.wait(
                stream_id, cursor=at, limit=PAGE_SIZE, seconds=0 if until_now else LONGEST_WAIT_SECONDS
            )
            _print(page.events, as_json)
            at = page.cursor
            if cursor_file is not None:
                _keep(cursor_file, at)
            if until_now and not page.has_more:
                break
        if cursor_file is None:
            advise(f"What follows: --cursor {at}")

    run_with_services(use, as_json=as_json)


async def _stream(services: Services, connection: str | None, organization: str | None) -> str:
    if connection is not None:
        return (await find_connection(services, connection, organization=organization)).id
    if organization is None:
        raise InvalidRequest("Name a connection, or a customer with --org.", field="connection")
    return (await services.organizations.resolve(organization)).id


def _start(cursor: str | None, cursor_file: Path | None) -> str | None:
    if cursor is not None or cursor_file is None or not cursor_file.exists():
        return cursor
    return cursor_file.read_text("utf-8").strip() or None


def _keep(cursor_file: Path, cursor: str) -> None:
    # In one step: whoever is killed meanwhile finds the old place, and reads the last page again.
    beside = cursor_file.with_name(f".{cursor_file.name}.new")
    beside.write_text(f"{cursor}\n", "utf-8")
    os.replace(beside, cursor_file)


def _print(events: Sequence[FeedEvent], as_json: bool) -> None:
    for event in events:
        if as_json:
            print(json.dumps(_document(event), ensure_ascii=False), flush=True)
        else:
            print(f"{event.sequence:>6}  {_when(event)}  {event.type.value:<22}  {_of(event)}", flush=True)


def _document(event: FeedEvent) -> dict[str, Any]:
    document: dict[str, Any] = document_of(event)
    del document["stream_id"]
    return document


def _when(event: FeedEvent) -> str:
    return f"{event.occurred_at:%Y-%m-%d %H:%M:%S}"


def _of(event: FeedEvent) -> str:
    named = ("message_id", "event_id", "reason", "source", "consent_id", "member_id")
    found = next((event.data[name] for name in named if event.data.get(name)), "")
    return one_line(str(found))
