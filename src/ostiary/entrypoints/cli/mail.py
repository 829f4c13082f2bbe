"""``ostiary mail``: folders and messages of a connected mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from ostiary.core.connections.model import Connection
from ostiary.core.kernel.errors import InvalidRequest, NotFound
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.kernel.page import Page
from ostiary.core.mail.batches import MOST_MESSAGES
from ostiary.core.mail.errors import BatchFull
from ostiary.core.mail.filters import MessageFilter
from ostiary.core.mail.model import MailFolder, Message, MessageSummary
from ostiary.entrypoints.cli import mail_files, mail_sending
from ostiary.entrypoints.cli.answers import JSONOption, advise, print_json
from ostiary.entrypoints.cli.calendar_times import typed_moment
from ostiary.entrypoints.cli.connections import OptionalOrganization, Which, find_connection
from ostiary.entrypoints.cli.documents import document_of
from ostiary.entrypoints.cli.plain_text import many_lines, one_line, text_of_html
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

SUBJECT_WIDTH: Final = 60
NAME_WIDTH: Final = 28

mail = typer.Typer(help="Mail of a connected mailbox.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    mail_sending.register(mail)
    mail_files.register(mail)
    app.add_typer(mail, name="mail")


@mail.command("folders", epilog="Next: ostiary mail list CONNECTION --folder FOLDER")
def list_folders(
    connection: Which,
    parent: Annotated[str | None, typer.Option(help="Folder whose children are wanted.")] = None,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """List the folders of a mailbox, one level deep.

    Examples:

        ostiary mail folders tom.ellis@harbourvale.example

        ostiary mail folders CO-9D1M-7VHE --json
    """

    async def use(services: Services) -> list[MailFolder]:
        found = await find_connection(services, connection, organization=organization)
        folders: list[MailFolder] = []
        cursor: str | None = None
        while True:
            page = await services.mail.list_folders(
                found.id, organization_id=found.organization_id, parent_id=parent, cursor=cursor
            )
            folders.extend(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return folders

    folders = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "folders": document_of(folders)})
        return
    print_table(
        ("NAME", "UNREAD", "TOTAL", "FOLDERS", "FOLDER"),
        [
            (
                one_line(each.name, NAME_WIDTH),
                str(each.unread_count),
                str(each.total_count),
                str(each.child_count or ""),
                each.well_known.value if each.well_known else each.id,
            )
            for each in folders
        ],
    )


@mail.command("list", epilog="Next: ostiary mail show CONNECTION MESSAGE")
def list_messages(
    connection: Which,
    folder: Annotated[
        str, typer.Option(help="inbox, drafts, sent, deleted, junk, archive, outbox, or a folder's id.")
    ] = "inbox",
    unread: Annotated[bool, typer.Option("--unread", help="Only what nobody has read.")] = False,
    limit: Annotated[int, typer.Option(help="Most messages shown.", min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last list ended.")] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="With bodies, headers and attachments' names; only with --json.")
    ] = False,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """List messages, newest first.

    Examples:

        ostiary mail list tom.ellis@harbourvale.example --unread

        ostiary mail list CO-9D1M-7VHE --folder sent --limit 50 --whole --json
    """
    if whole and not as_json:
        raise InvalidRequest("--whole goes together with --json.", field="whole")
    _list(
        connection,
        organization,
        as_json,
        folder_id=folder,
        cursor=cursor,
        limit=limit,
        where=MessageFilter(unread_only=unread),
        whole=whole,
    )


@mail.command("search", epilog="Next: ostiary mail show CONNECTION MESSAGE")
def search_messages(
    connection: Which,
    words: Annotated[
        str, typer.Argument(help="Words that all have to be somewhere: subject, text, people, file names.")
    ],
    folder: Annotated[
        str | None, typer.Option(help="Only in this folder: a well-known name or a folder's id.")
    ] = None,
    sender: Annotated[str | None, typer.Option("--from", help="Only from this address.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only received then or later: a day or a time, UTC.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Most messages shown.", min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last list ended.")] = None,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Find messages by Microsoft's index, in all folders or in one.

    Examples:

        ostiary mail search tom.ellis@harbourvale.example "quarterly figures"

        ostiary mail search CO-9D1M-7VHE figures --from dana.okafor@harbourvale.example --since 2026-11-01 --json
    """
    _list(
        connection,
        organization,
        as_json,
        folder_id=folder,
        cursor=cursor,
        limit=limit,
        where=MessageFilter(
            words=words, sender=sender, since=None if since is None else typed_moment(since, "since")
        ),
    )


def _list(
    connection: str,
    organization: str | None,
    as_json: bool,
    *,
    folder_id: str | None,
    cursor: str | None,
    limit: int,
    where: MessageFilter,
    whole: bool = False,
) -> None:
    async def use(services: Services) -> Page[MessageSummary]:
        found = await find_connection(services, connection, organization=organization)
        page = await services.mail.list_messages(
            found.id,
            organization_id=found.organization_id,
            folder_id=folder_id,
            cursor=cursor,
            limit=limit,
            where=where,
        )
        return await _whole(services, found, page) if whole else page

    page = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "messages": document_of(page.items), "next_cursor": page.next_cursor})
        return
    if not page.items:
        advise("No messages.")
        return
    print_table(
        ("RECEIVED (UTC)", "", "FROM", "SUBJECT", "MESSAGE"),
        [
            (
                f"{each.received_at:%Y-%m-%d %H:%M}" if each.received_at else "",
                _marks(each),
                one_line(_name(each.sender), NAME_WIDTH),
                one_line(each.subject, SUBJECT_WIDTH) or "(no subject)",
                each.id,
            )
            for each in page.items
        ],
    )
    if page.next_cursor is not None:
        advise(f"There is more: --cursor {page.next_cursor}")


@mail.command("show", epilog="Next: ostiary mail list CONNECTION")
def show_message(
    connection: Which,
    message: Annotated[str, typer.Argument(help="A message's id, as `mail list` shows it.")],
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Show one message: who, when, what, and what is attached.

    Examples:

        ostiary mail show tom.ellis@harbourvale.example AAkALgAAAAAAHYQDEapmEc2byACq

        ostiary mail show CO-9D1M-7VHE AAkALgAAAAAAHYQDEapmEc2byACq --json
    """

    async def use(services: Services) -> Message:
        found = await find_connection(services, connection, organization=organization)
        return await services.mail.get_message(found.id, message, organization_id=found.organization_id)

    shown = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "message": document_of(shown)})
        return
    for label, words in _heading(shown):
        if words:
            print(f"{label:<9} {one_line(words)}")
    print()
    print(many_lines(shown.text) if shown.text is not None else text_of_html(shown.html or ""))


async def _whole(
    services: Services, connection: Connection, page: Page[MessageSummary]
) -> Page[MessageSummary]:
    """Return the page with its messages whole; what went away since it was listed is left out."""
    ids = [each.id for each in page.items]
    messages: dict[str, MessageSummary] = {}
    while ids:
        part, ids = ids[:MOST_MESSAGES], ids[MOST_MESSAGES:]
        outcomes = await services.mail.get_messages(
            connection.id, part, organization_id=connection.organization_id
        )
        for message_id, outcome in zip(part, outcomes, strict=True):
            if isinstance(outcome, Message):
                messages[message_id] = outcome
            elif isinstance(outcome, BatchFull):
                ids.append(message_id)
            elif not isinstance(outcome, NotFound):
                raise outcome
    in_order = (messages[each.id] for each in page.items if each.id in messages)
    return Page(tuple(in_order), page.next_cursor)


def _heading(message: Message) -> list[tuple[str, str]]:
    files = [
        f"{attachment.name} ({attachment.size_bytes:,} bytes)"
        for attachment in message.attachments
        if not attachment.is_inline
    ]
    at = message.received_at or message.sent_at
    return [
        ("From", _address(message.sender)),
        ("To", ", ".join(_address(who) for who in message.to)),
        ("Cc", ", ".join(_address(who) for who in message.cc)),
        ("Date", f"{at:%Y-%m-%d %H:%M} UTC" if at else ""),
        ("Subject", message.subject or "(no subject)"),
        ("Attached", ", ".join(files)),
    ]


def _marks(message: MessageSummary) -> str:
    marks = (("new", not message.is_read), ("draft", message.is_draft), ("file", message.has_attachments))
    return " ".join(word for word, applies in marks if applies)


def _name(who: MailAddress | None) -> str:
    return "" if who is None else who.name or who.address


def _address(who: MailAddress | None) -> str:
    if who is None:
        return ""
    return f"{who.name} <{who.address}>" if who.name and who.address else who.name or who.address
