"""Calendars and calendar groups."""

from __future__ import annotations

from typing import Any

from m365_emulator.world.mailbox import Folder
from m365_emulator.world.mailbox.errors import FolderNotFound

from .access import CALENDAR_READ, CALENDAR_READ_BASIC
from .call import Call, Reply
from .getters import calendar_listing
from .odata.listing import page_json, select_page
from .operations import Operations
from .shapes.events import CALENDAR

operations = Operations()


@operations.get("/{mailbox}/calendars", CALENDAR_READ_BASIC)
def list_calendars(call: Call) -> Reply:
    """List the calendars, the default one first."""
    chosen = CALENDAR.selection(call)
    page = select_page(call, calendar_listing(call), calendars_of(call))
    rendered = [{name: get(call, folder) for name, get in chosen} for folder in page.items]
    return Reply(json=page_json(call, page, call.context("calendars"), rendered))


@operations.get("/{mailbox}/calendars/{calendar}", CALENDAR_READ_BASIC)
def get(call: Call) -> Reply:
    """Return one calendar."""
    return calendar_reply(call, calendar_of(call, call.arguments["calendar"]))


@operations.get("/{mailbox}/calendarGroups", CALENDAR_READ)
def list_groups(call: Call) -> Reply:
    """List the calendar groups; the emulator has the one that every mailbox is born with."""
    body = {"@odata.context": call.context("calendarGroups"), "value": [_group(call)]}
    return Reply(json=body)


@operations.get("/{mailbox}/calendarGroups/{group}/calendars", CALENDAR_READ_BASIC)
def list_in_group(call: Call) -> Reply:
    """List the calendars of a group."""
    return list_calendars(call)


@operations.get("/{mailbox}/calendars/{calendar}/calendarPermissions", CALENDAR_READ)
def list_permissions(call: Call) -> Reply:
    """List who may see a calendar: the default entry of every calendar."""
    calendar_of(call, call.arguments["calendar"])
    entry = {
        "id": "RGVmYXVsdA==",
        "isRemovable": False,
        "isInsideOrganization": True,
        "role": "freeBusyRead",
        "allowedRoles": ["none", "freeBusyRead", "limitedRead", "read", "write"],
        "emailAddress": {"name": "My Organization"},
    }
    return Reply(json={"@odata.context": call.context("calendarPermissions"), "value": [entry]})


def calendars_of(call: Call) -> list[Folder]:
    """Return all calendars, the default one first."""
    found = [folder for folder in call.mailbox.folders if folder.is_calendar and not folder.is_hidden]
    bin_folder = call.mailbox.well_known("deleteditems")
    return [folder for folder in found if not folder.is_within(bin_folder)]


def calendar_of(call: Call, name: str) -> Folder:
    """Return the calendar a path names: `calendar` is the default one; raises FolderNotFound or MalformedId."""
    mailbox = call.mailbox
    if name.lower() == "calendar":
        return mailbox.calendar
    folder = mailbox.resolve_folder(mailbox.ids.read_rest(name))
    if not folder.is_calendar:
        raise FolderNotFound
    return folder


def calendar_reply(call: Call, folder: Folder, status: int = 200) -> Reply:
    """Return one calendar as an answer."""
    body: dict[str, Any] = {"@odata.context": f"{call.context('calendars')}/$entity"}
    body |= {name: get(call, folder) for name, get in CALENDAR.selection(call)}
    return Reply(status, body)


def _group(call: Call) -> dict[str, Any]:
    root = call.mailbox.well_known("msgfolderroot")
    return {
        "id": call.mailbox.ids.folder_rest_id(root.number),
        "name": "My Calendars",
        "classId": "0006f0b7-0000-0000-c000-000000000046",
        "changeKey": call.mailbox.change_key_of(root),
    }
