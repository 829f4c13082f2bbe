"""CreateItem: new messages and events, and answers to those that exist."""

from __future__ import annotations

from m365_emulator.ews import xml
from m365_emulator.ews.batch import each
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.fields.calendar import INVITED
from m365_emulator.ews.fields.registry import kind_of
from m365_emulator.ews.operations.meeting_copies import copies_kept
from m365_emulator.ews.operations.responses import RESPONSES, answer_response
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.ews.targets import FolderTarget, folder_target, listed
from m365_emulator.ews.writing.items import read_event, read_message
from m365_emulator.ews.writing.reader import Reader, Values
from m365_emulator.world.mailbox import (
    Item,
    Mailbox,
    Message,
    PropertyKey,
    PropertyType,
    delivery,
    drafting,
    meetings,
)
from m365_emulator.world.mailbox.threads import new_message_id, start_thread

DISPOSITIONS = frozenset({"SaveOnly", "SendOnly", "SendAndSaveCopy"})
INVITATIONS = frozenset({"SendToNone", "SendOnlyToAll", "SendToAllAndSaveCopy"})
# PR_MESSAGE_FLAGS and its "this is a draft" bit: the way to put mail into a mailbox that was not written there.
_MESSAGE_FLAGS = PropertyKey(PropertyType.INTEGER, tag=0x0E07)
_UNSENT = 0x8
# PR_MESSAGE_DELIVERY_TIME and PR_CLIENT_SUBMIT_TIME, which such mail brings along.
_DELIVERY_TIME = PropertyKey(PropertyType.SYSTEM_TIME, tag=0x0E06)
_SUBMIT_TIME = PropertyKey(PropertyType.SYSTEM_TIME, tag=0x0039)


def create_item(call: Call) -> str:
    """Answer one message per item; what is sent has no id any more, so those messages hold no item.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/createitem-operation
    """
    disposition = call.body.get("MessageDisposition")
    if disposition is not None and disposition not in DISPOSITIONS:
        raise schema_violation("The 'MessageDisposition' attribute is invalid.")
    invitations = call.body.get("SendMeetingInvitations")
    if invitations is not None and invitations not in INVITATIONS:
        raise schema_violation("The 'SendMeetingInvitations' attribute is invalid.")

    def answer(node: Node) -> str:
        target = saved_item_folder(call)
        kind = local_name(node)
        if kind in RESPONSES:
            return answer_response(call, node, disposition, target)
        reader = Reader(call, target.mailbox if target else call.mailbox)
        if kind == "CalendarItem":
            made = _create_event(reader, node, invitations, target)
        elif kind in {"Message", "Item"}:
            made = _create_message(reader, node, disposition, target)
        else:
            raise ResponseError("ErrorInvalidItemForOperationCreateItem", f"A {kind} cannot be created here.")
        return (
            f"<m:Items>{created(call, reader.mailbox, made)}</m:Items>" if made is not None else "<m:Items/>"
        )

    return each("CreateItem", listed(call, "Items"), answer, on_error="<m:Items/>")


def saved_item_folder(call: Call) -> FolderTarget | None:
    """Return the folder of ``m:SavedItemFolderId``, None when the request names none."""
    node = call.body.find(f"{xml.M}SavedItemFolderId")
    ids = elements(node) if node is not None else []
    if not ids:
        return None
    try:
        return folder_target(call, ids[0])
    except ResponseError as error:
        if error.code == "ErrorFolderNotFound":
            raise ResponseError(
                "ErrorSavedItemFolderNotFound", "The folder to save the item in was not found."
            ) from error
        raise


def created(call: Call, mailbox: Mailbox, item: Item) -> str:
    """Return a new item as answers show it: its element with nothing but its id (and those of its attachments)."""
    view = call.view(mailbox)
    kind = kind_of(item)
    attachments = "".join(
        "<t:FileAttachment>"
        + xml.element("t:AttachmentId", "", {"Id": view.attachment_id(item, part)})
        + "</t:FileAttachment>"
        for part in item.attachments or ()
        if part.item is None and part.source_url is None
    )
    shown = f"<t:Attachments>{attachments}</t:Attachments>" if attachments else ""
    return f"<t:{kind}>{view.item_id(item)}{shown}</t:{kind}>"


def require_disposition(disposition: str | None) -> str:
    """Return the disposition; a message cannot be handled without one."""
    if disposition is None:
        raise ResponseError("ErrorMessageDispositionRequired", "MessageDisposition is required for messages.")
    return disposition


def save_or_send(
    mailbox: Mailbox, message: Message, disposition: str, target: FolderTarget | None
) -> Item | None:
    """Do with a new message what the disposition says; return it only if it was saved as a draft."""
    folder = target.folder if target else None
    if disposition == "SaveOnly":
        return drafting.create_draft(mailbox, message, folder)
    delivery.send(mailbox, message, save_copy=disposition == "SendAndSaveCopy", folder=folder)
    return None


def _create_message(
    reader: Reader, node: Node, disposition: str | None, target: FolderTarget | None
) -> Item | None:
    disposition = require_disposition(disposition)
    message, values = read_message(reader, node)
    if target is not None and target.folder.is_calendar:
        raise ResponseError("ErrorInvalidFolderTypeForOperation", "A message cannot be saved in a calendar.")
    flags = (message.properties or {}).get(_MESSAGE_FLAGS)
    if disposition == "SaveOnly" and isinstance(flags, str) and not int(flags) & _UNSENT:
        return _import(reader, message, values, target, is_read=bool(int(flags) & 1))
    if message.properties:
        message.properties.pop(_MESSAGE_FLAGS, None)
    saved = save_or_send(reader.mailbox, message, disposition, target)
    if saved is not None and values.get("is_read") is False:
        reader.mailbox.update(saved, {"is_read": False})
    return saved


def _import(
    reader: Reader, message: Message, values: Values, target: FolderTarget | None, *, is_read: bool
) -> Item:
    """Put a message into a folder as one that came by mail, not as a draft."""
    mailbox = reader.mailbox
    properties = dict(message.properties or {})
    properties.pop(_MESSAGE_FLAGS, None)
    delivered, submitted = properties.pop(_DELIVERY_TIME, None), properties.pop(_SUBMIT_TIME, None)
    message.properties = properties or None
    message.is_draft = False
    message.is_read = values.get("is_read", is_read)
    known_at = message.sent_at if message.sent_at.year > 1 else mailbox.now()
    message.received_at = reader.call.moment(delivered) if isinstance(delivered, str) else known_at
    message.sent_at = reader.call.moment(submitted) if isinstance(submitted, str) else known_at
    message.internet_message_id = message.internet_message_id or new_message_id(mailbox.rng, mailbox.address)
    if not message.conversation:
        start_thread(message, mailbox.rng, message.received_at)
    return mailbox.add(message, target.folder if target else mailbox.well_known("inbox"))


def _create_event(reader: Reader, node: Node, invitations: str | None, target: FolderTarget | None) -> Item:
    if invitations is None:
        raise ResponseError(
            "ErrorSendMeetingInvitationsRequired", "SendMeetingInvitations is required for calendar items."
        )
    if target is not None and not target.folder.is_calendar:
        raise ResponseError(
            "ErrorCannotCreateCalendarItemInNonCalendarFolder",
            "A calendar item can only be saved in a calendar.",
        )
    event = read_event(reader, node)
    send = invitations != "SendToNone"
    if event.attendees and not send:
        event.properties = {**(event.properties or {}), INVITED: "false"}
    with copies_kept(reader.mailbox, keep=invitations != "SendOnlyToAll"):
        return meetings.create_event(
            reader.mailbox, event, target.folder if target else None, send_invitations=send
        )
