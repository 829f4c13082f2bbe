"""Finding what ids in a request mean: folders, items, occurrences, attachments.

Source: https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-identifiers-in-exchange
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from m365_emulator.ews import xml
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.ews.store_errors import translate
from m365_emulator.world.mailbox import (
    Attachment,
    CalendarEvent,
    Folder,
    IdFormat,
    Item,
    Mailbox,
    ObjectKey,
    recurrence,
)
from m365_emulator.world.mailbox.errors import MailboxError, MalformedId

# A series without end is not walked further than this to find its n-th occurrence.
_MAX_INSTANCE_INDEX = 4000
# Where the mailbox GUID stands in a decoded id, see world/mailbox/ids.py.
_GUID_START, _GUID_END = 4, 40


@dataclass(frozen=True, slots=True)
class FolderTarget:
    """A folder, and the mailbox it is in."""

    mailbox: Mailbox
    folder: Folder


@dataclass(frozen=True, slots=True)
class ItemTarget:
    """An item (or an occurrence), the mailbox it is in, and the change key the caller holds."""

    mailbox: Mailbox
    item: Item
    change_key: str | None


def folder_target(call: Call, node: Node) -> FolderTarget:
    """Return what a ``t:FolderId`` or ``t:DistinguishedFolderId`` names.

    Raises:
        ResponseError: Malformed, gone, an item's id, or in a mailbox the caller may not open.
    """
    if local_name(node) == "DistinguishedFolderId":
        return _distinguished(call, node)
    if local_name(node) != "FolderId":
        raise schema_violation(f"The element '{local_name(node)}' is not a folder id.")
    text = _id(node, "Id")
    _check_change_key(node)
    mailbox, key = _read(call, text, missing="ErrorFolderNotFound")
    if not key.is_folder:
        raise ResponseError("ErrorCannotUseItemIdForFolderId")
    try:
        return FolderTarget(mailbox, mailbox.resolve_folder(key))
    except MailboxError as error:
        raise translate(error) from error


def item_target(call: Call, node: Node) -> ItemTarget:
    """Return what a ``t:ItemId``, ``t:OccurrenceItemId`` or ``t:RecurringMasterItemId`` names; raises like above."""
    change_key = _check_change_key(node)
    match local_name(node):
        case "OccurrenceItemId":
            return _occurrence(call, node, change_key)
        case "RecurringMasterItemId":
            mailbox, item = _item(call, _id(node, "OccurrenceId"))
            master = mailbox.find_item(item.identity)
            if not isinstance(master, CalendarEvent) or master.kind != "seriesMaster":
                raise ResponseError(
                    "ErrorCalendarCannotUseIdForRecurringMasterId", "The id is not of an occurrence."
                )
            return ItemTarget(mailbox, master, change_key)
        case "ItemId" | "ReferenceItemId" | "ParentItemId":
            mailbox, item = _item(call, _id(node, "Id"))
            return ItemTarget(mailbox, item, change_key)
        case name:
            raise schema_violation(f"The element '{name}' is not an item id.")


def attachment_target(call: Call, text: str) -> tuple[ItemTarget, Attachment]:
    """Return the attachment with that id and the item it hangs on; raises ErrorInvalidAttachmentId."""
    if not text:
        raise ResponseError("ErrorInvalidIdEmpty")
    try:
        mailbox, key = _read(call, text, missing="ErrorInvalidAttachmentId")
    except ResponseError as error:
        raise ResponseError("ErrorInvalidAttachmentId") from error
    if key.attachment is None:
        raise ResponseError("ErrorInvalidAttachmentId")
    try:
        item = mailbox.resolve(key)
    except MailboxError as error:
        raise ResponseError("ErrorInvalidAttachmentId") from error
    part = item.attachment(key.attachment)
    if part is None:
        raise ResponseError("ErrorInvalidAttachmentId")
    return ItemTarget(mailbox, item, None), part


def listed(call: Call, name: str) -> list[Node]:
    """Return the children of the request's list element ``m:name``; a schema fault when it is missing or empty."""
    node = call.body.find(f"{xml.M}{name}")
    children = elements(node) if node is not None else []
    if not children:
        raise schema_violation(f"The element '{name}' is missing or empty.")
    return children


def single(call: Call, name: str) -> Node:
    """Return the one child of the request's element ``m:name``; a schema fault when there is none."""
    return listed(call, name)[0]


def open_mailbox(call: Call, address: str) -> Mailbox:
    """Return the mailbox with that address if the caller may open it.

    Raises:
        ResponseError: ErrorNonExistentMailbox, or ErrorAccessDenied without full access.
    """
    user = call.world.find_user(address, call.user.tenant)
    mailbox = call.world.mailbox_of(user) if user is not None else None
    if mailbox is None:
        raise ResponseError("ErrorNonExistentMailbox")
    return _permitted(call, mailbox, "ErrorAccessDenied")


def _permitted(call: Call, mailbox: Mailbox, refusal: str) -> Mailbox:
    if mailbox.guid == call.mailbox.guid or call.user.oid in mailbox.permissions.full_access:
        return mailbox
    raise ResponseError(refusal)


def _distinguished(call: Call, node: Node) -> FolderTarget:
    name = node.get("Id") or ""
    if not name:
        raise schema_violation("The required attribute 'Id' is missing.")
    address = (node.findtext(f"{xml.T}Mailbox/{xml.T}EmailAddress") or "").strip()
    mailbox = open_mailbox(call, address) if address else call.mailbox
    folder = mailbox.find_well_known(name)
    if folder is None:
        raise ResponseError("ErrorFolderNotFound")
    return FolderTarget(mailbox, folder)


def _occurrence(call: Call, node: Node, change_key: str | None) -> ItemTarget:
    mailbox, master = _item(call, _id(node, "RecurringMasterId"))
    if not isinstance(master, CalendarEvent) or master.kind != "seriesMaster":
        raise ResponseError("ErrorCalendarCannotUseIdForOccurrenceId", "The id is not of a recurring master.")
    try:
        index = int(node.get("InstanceIndex") or "")
    except ValueError as error:
        raise schema_violation("The 'InstanceIndex' attribute is invalid.") from error
    original = recurrence.occurrence_number(master, index) if 1 <= index <= _MAX_INSTANCE_INDEX else None
    if original is None:
        raise ResponseError("ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange")
    try:
        return ItemTarget(mailbox, recurrence.occurrence_at(master, original), change_key)
    except MailboxError as error:
        raise translate(error) from error


def _item(call: Call, text: str) -> tuple[Mailbox, Item]:
    mailbox, key = _read(call, text, missing="ErrorItemNotFound")
    if key.is_folder:
        raise ResponseError("ErrorCannotUseFolderIdForItemId")
    if key.attachment is not None:
        raise ResponseError("ErrorInvalidIdMalformed")
    try:
        return mailbox, mailbox.resolve(key)
    except MailboxError as error:
        raise translate(error) from error


def _read(call: Call, text: str, *, missing: str) -> tuple[Mailbox, ObjectKey]:
    """Read an EWS id; it says itself which mailbox it belongs to."""
    mailbox = _mailbox_inside(call, text, missing)
    try:
        key = mailbox.ids.read(text, IdFormat.EWS)
    except MalformedId as error:
        raise ResponseError("ErrorInvalidIdMalformed") from error
    if key.identity is not None:
        # EWS has no immutable ids.
        raise ResponseError("ErrorInvalidIdMalformed")
    return mailbox, key


def _mailbox_inside(call: Call, text: str, missing: str) -> Mailbox:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ResponseError("ErrorInvalidIdMalformed") from error
    guid = raw[_GUID_START:_GUID_END].decode("ascii", errors="replace")
    if guid == call.mailbox.guid or not guid.isprintable() or len(guid) < _GUID_END - _GUID_START:
        return call.mailbox
    other = call.world.find_mailbox(guid)
    if other is None:
        return call.mailbox
    return _permitted(call, other, missing)


def _id(node: Node, name: str) -> str:
    text = node.get(name)
    if text is None:
        raise schema_violation(f"The required attribute '{name}' is missing.")
    if not text.strip():
        raise ResponseError("ErrorInvalidIdEmpty")
    return text.strip()


def _check_change_key(node: Node) -> str | None:
    """Return the change key, if one is given; reading accepts any that looks like one."""
    change_key = node.get("ChangeKey")
    if not change_key:
        return None
    try:
        base64.b64decode(change_key, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ResponseError("ErrorInvalidChangeKey") from error
    return change_key
