"""A plain webmail view of one mailbox, to look at and not to work with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from m365_emulator.control.readable import readable
from m365_emulator.web import render
from m365_emulator.world.mailbox import CalendarEvent, Mailbox, Message, recurrence
from m365_emulator.world.mailbox.folder import Folder
from m365_emulator.world.mailbox.item import Item

if TYPE_CHECKING:
    from m365_emulator.world.world import World

ITEMS_PER_PAGE = 50
DAYS_SHOWN = 14


def _missing(what: str) -> Response:
    return render("message.html", status=404, title="Not there", text=f"There is no {what}.")


def _mailbox(world: World, request: Request) -> Mailbox | None:
    return world.find_mailbox(request.path_params["address"])


def _folders(mailbox: Mailbox) -> list[dict[str, Any]]:
    top = mailbox.well_known("msgfolderroot")
    return [
        {
            "number": folder.number,
            "name": folder.display_name,
            "depth": _depth(folder, top),
            "total": folder.total_count,
            "unread": folder.unread_count,
        }
        for folder in top.walk()
        if not folder.is_hidden and folder.is_mail
    ]


def _depth(folder: Folder, top: Folder) -> int:
    depth, at = 0, folder.parent
    while at is not None and at is not top:
        depth, at = depth + 1, at.parent
    return depth


def _when(item: Item) -> datetime:
    if isinstance(item, Message):
        return item.received_at
    return item.modified_at


def _row(item: Item) -> dict[str, Any]:
    people = ""
    if isinstance(item, Message):
        sender = item.from_ or item.sender
        people = (sender.name or sender.address) if sender else ""
    return {
        "identity": item.identity,
        "subject": item.subject or "(no subject)",
        "from": people,
        "at": f"{_when(item):%Y-%m-%d %H:%M}",
        "is_unread": isinstance(item, Message) and not item.is_read,
        "has_attachments": item.has_attachments,
    }


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isdigit() and len(text) < 12 else default


async def folder_page(world: World, request: Request) -> Response:
    """Show the folders and one page of one folder, newest first."""
    mailbox = _mailbox(world, request)
    if mailbox is None:
        return _missing("mailbox with that address")
    wanted = _number(request, "folder", mailbox.well_known("inbox").number)
    folder = next((known for known in mailbox.folders if known.number == wanted), None)
    if folder is None:
        return _missing("such folder")
    page = _number(request, "page", 0)
    items = sorted(folder.items.values(), key=_when, reverse=True)
    shown = items[page * ITEMS_PER_PAGE : (page + 1) * ITEMS_PER_PAGE]
    return render(
        "mailbox.html",
        title=f"{mailbox.display_name}, {folder.display_name}",
        address=mailbox.address,
        name=mailbox.display_name,
        folders=_folders(mailbox),
        folder={"number": folder.number, "name": folder.display_name},
        rows=[_row(item) for item in shown],
        page=page,
        has_more=len(items) > (page + 1) * ITEMS_PER_PAGE,
    )


async def item_page(world: World, request: Request) -> Response:
    """Show one item as text."""
    mailbox = _mailbox(world, request)
    item = mailbox.find_item(request.path_params["identity"]) if mailbox else None
    if mailbox is None or item is None:
        return _missing("such item")
    facts: list[tuple[str, str]] = []
    if isinstance(item, Message):
        sender = item.from_ or item.sender
        facts.append(("From", f"{sender.name} <{sender.address}>" if sender else ""))
        for label, people in (("To", item.to), ("Cc", item.cc), ("Bcc", item.bcc)):
            if people:
                facts.append((label, ", ".join(f"{person.name} <{person.address}>" for person in people)))
        facts.append(("Received", f"{item.received_at:%Y-%m-%d %H:%M} UTC"))
    elif isinstance(item, CalendarEvent):
        facts.append(("When", f"{item.start:%Y-%m-%d %H:%M} to {item.end:%Y-%m-%d %H:%M} UTC"))
        facts.append(
            ("Where", ", ".join(place.display_name for place in item.locations) or "nowhere in particular")
        )
        facts += [
            ("Invited", f"{attendee.recipient.name} <{attendee.recipient.address}>: {attendee.response}")
            for attendee in item.attendees
        ]
    if item.attachments:
        facts.append(
            ("Attachments", ", ".join(f"{part.name} ({part.size} bytes)" for part in item.attachments))
        )
    return render(
        "item.html",
        title=item.subject or "(no subject)",
        address=mailbox.address,
        name=mailbox.display_name,
        facts=facts,
        folder={"number": item.folder.number, "name": item.folder.display_name},
        is_html=item.body.is_html,
        body=readable(item.body.content, is_html=item.body.is_html),
        source=item.body.content if item.body.is_html else "",
    )


async def calendar_page(world: World, request: Request) -> Response:
    """Show two weeks of every calendar, series expanded."""
    mailbox = _mailbox(world, request)
    if mailbox is None:
        return _missing("mailbox with that address")
    offset = request.query_params.get("offset", "0")
    weeks = int(offset) if offset.lstrip("-").isdigit() and len(offset) < 5 else 0
    today = world.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    start = today + timedelta(days=DAYS_SHOWN * weeks)
    end = start + timedelta(days=DAYS_SHOWN)
    events: list[CalendarEvent] = []
    for folder in mailbox.folders:
        if folder.is_calendar:
            events += _within(folder, start, end)
    events.sort(key=lambda event: event.start)
    return render(
        "calendar.html",
        title=f"{mailbox.display_name}, calendar",
        address=mailbox.address,
        name=mailbox.display_name,
        start=f"{start:%Y-%m-%d}",
        end=f"{end:%Y-%m-%d}",
        weeks=weeks,
        events=[
            {
                "identity": event.identity,
                "subject": event.subject or "(no subject)",
                "start": f"{event.start:%a %Y-%m-%d %H:%M}",
                "end": f"{event.end:%H:%M}",
                "kind": event.kind,
                "show_as": event.show_as,
            }
            for event in events
        ],
    )


def _within(folder: Folder, start: datetime, end: datetime) -> list[CalendarEvent]:
    found: list[CalendarEvent] = []
    for item in folder.items.values():
        if not isinstance(item, CalendarEvent):
            continue
        if item.recurrence is not None:
            found += recurrence.expand(item, start, end)
        elif item.start < end and item.end > start:
            found.append(item)
    return found
