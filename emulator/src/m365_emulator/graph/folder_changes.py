"""Writing mail folders and calendars."""

from __future__ import annotations

from typing import Any

from m365_emulator.world.mailbox import DeleteMode
from m365_emulator.world.mailbox.errors import FolderProtected
from m365_emulator.world.mailbox.folder import CALENDAR, CalendarLook

from .access import CALENDAR_WRITE, MAIL_WRITE
from .calendars import calendar_of, calendar_reply
from .call import Call, Reply
from .errors import GraphError
from .folders import folder_of, folder_reply
from .inputs.values import choice_of, member, text_of, truth_of
from .message_changes import destination_of
from .operations import Operations

operations = Operations()
COLORS = (
    "auto", "lightBlue", "lightGreen", "lightOrange", "lightGray", "lightYellow", "lightTeal", "lightPink", "lightBrown",
    "lightRed", "maxColor",
)  # fmt: skip


@operations.post("/{mailbox}/mailFolders", MAIL_WRITE)
def create(call: Call) -> Reply:
    """Create a folder below the top of the mailbox."""
    return _create(call, "msgfolderroot")


@operations.post("/{mailbox}/mailFolders/{folder}/childFolders", MAIL_WRITE)
def create_child(call: Call) -> Reply:
    """Create a folder below a folder."""
    return _create(call, call.arguments["folder"])


@operations.patch("/{mailbox}/mailFolders/{folder}", MAIL_WRITE)
def update(call: Call) -> Reply:
    """Rename a folder."""
    folder = folder_of(call, call.arguments["folder"])
    call.mailbox.rename_folder(folder, _name_of(call, "displayName"))
    return folder_reply(call, folder)


@operations.delete("/{mailbox}/mailFolders/{folder}", MAIL_WRITE)
def delete(call: Call) -> Reply:
    """Delete a folder with everything in it."""
    folder = folder_of(call, call.arguments["folder"])
    call.mailbox.delete_folder(folder, DeleteMode.TO_DELETED_ITEMS)
    return Reply(204)


@operations.post("/{mailbox}/mailFolders/{folder}/permanentDelete", MAIL_WRITE)
def delete_for_good(call: Call) -> Reply:
    """Delete a folder beyond the owner's reach."""
    call.mailbox.delete_folder(folder_of(call, call.arguments["folder"]), DeleteMode.PURGE)
    return Reply(204)


@operations.post("/{mailbox}/mailFolders/{folder}/move", MAIL_WRITE)
def move(call: Call) -> Reply:
    """Hang a folder under another one."""
    folder = folder_of(call, call.arguments["folder"])
    call.mailbox.move_folder(folder, destination_of(call))
    return folder_reply(call, folder, 201)


@operations.post("/{mailbox}/mailFolders/{folder}/copy", MAIL_WRITE)
def copy(call: Call) -> Reply:
    """Copy a folder with everything in it."""
    folder = folder_of(call, call.arguments["folder"])
    return folder_reply(call, call.mailbox.copy_folder(folder, destination_of(call)), 201)


@operations.post("/{mailbox}/calendars", CALENDAR_WRITE)
def create_calendar(call: Call) -> Reply:
    """Create a calendar."""
    name = _name_of(call, "name")
    look = _look_of(call.json())
    folder = call.mailbox.create_folder(call.mailbox.calendar, name, CALENDAR)
    folder.calendar = look
    return calendar_reply(call, folder, 201)


@operations.post("/{mailbox}/calendarGroups/{group}/calendars", CALENDAR_WRITE)
def create_calendar_in_group(call: Call) -> Reply:
    """Create a calendar in a group."""
    return create_calendar(call)


@operations.patch("/{mailbox}/calendars/{calendar}", CALENDAR_WRITE)
def update_calendar(call: Call) -> Reply:
    """Rename a calendar or give it another colour."""
    folder = calendar_of(call, call.arguments["calendar"])
    body = call.json()
    look = _look_of(body)
    if member(body, "name") is not None:
        call.mailbox.rename_folder(folder, _name_of(call, "name"))
    if member(body, "color") is not None or member(body, "hexColor") is not None:
        folder.calendar = look
        call.mailbox.touch_folder(folder)
    return calendar_reply(call, folder)


@operations.delete("/{mailbox}/calendars/{calendar}", CALENDAR_WRITE)
def delete_calendar(call: Call) -> Reply:
    """Delete a calendar that is not the default one."""
    folder = calendar_of(call, call.arguments["calendar"])
    if folder.well_known is not None:
        raise FolderProtected("The default calendar cannot be deleted.")
    call.mailbox.delete_folder(folder, DeleteMode.TO_DELETED_ITEMS)
    return Reply(204)


@operations.post("/{mailbox}/calendars/{calendar}/permanentDelete", CALENDAR_WRITE)
def delete_calendar_for_good(call: Call) -> Reply:
    """Delete a calendar beyond the owner's reach."""
    folder = calendar_of(call, call.arguments["calendar"])
    call.mailbox.delete_folder(folder, DeleteMode.PURGE)
    return Reply(204)


def _create(call: Call, parent: str) -> Reply:
    body = call.json()
    name = _name_of(call, "displayName")
    hidden = member(body, "isHidden")
    folder = call.mailbox.create_folder(
        folder_of(call, parent), name, is_hidden=truth_of(hidden, "isHidden") if hidden is not None else False
    )
    return folder_reply(call, folder, 201)


def _name_of(call: Call, key: str) -> str:
    name = text_of(member(call.json(), key), key, limit=1000)
    if not name:
        raise GraphError(400, "ErrorRequiredPropertyMissing", f"Required property is missing: {key}.")
    return name


def _look_of(body: dict[str, Any]) -> CalendarLook:
    color, hexadecimal = member(body, "color"), member(body, "hexColor")
    return CalendarLook(
        choice_of(color, "color", COLORS) if color is not None else "auto",
        text_of(hexadecimal, "hexColor", limit=20),
    )
