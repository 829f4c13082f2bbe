"""Items that answer another one: replies, forwards, and what is done with meetings.

They are created like items, with the id of what they answer inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from m365_emulator.ews import xml
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.operations.meeting_copies import copies_kept
from m365_emulator.ews.shapes import read_boolean
from m365_emulator.ews.soap import Node, local_name
from m365_emulator.ews.targets import FolderTarget, ItemTarget, item_target
from m365_emulator.ews.writing.reader import Reader, body, people, with_directory_names
from m365_emulator.world.mailbox import (
    Body,
    CalendarEvent,
    DeleteMode,
    Item,
    Mailbox,
    Message,
    bodies,
    delivery,
    drafting,
    meetings,
)


def answer_response(call: Call, node: Node, disposition: str | None, target: FolderTarget | None) -> str:
    """Do what a response object asks and return the payload of its response message.

    Raises:
        ResponseError: It refers to nothing, or to an item that cannot be answered like that.
    """
    reference = node.find(f"{xml.T}ReferenceItemId")
    if reference is None:
        raise ResponseError("ErrorMissingInformationReferenceItemId", "ReferenceItemId is missing.")
    return RESPONSES[local_name(node)](call, node, item_target(call, reference), disposition, target)


_Answer = Callable[[Call, Node, ItemTarget, "str | None", "FolderTarget | None"], str]


def _reply(
    call: Call, node: Node, original: ItemTarget, disposition: str | None, target: FolderTarget | None
) -> str:
    source = _as_message(original)
    comment = _new_body(node)
    if local_name(node) == "ForwardItem":
        if isinstance(original.item, CalendarEvent) and disposition in {"SendOnly", "SendAndSaveCopy"}:
            reader = Reader(call, original.mailbox)
            to = _listed(reader, node, "ToRecipients")
            meetings.forward_event(
                original.mailbox, original.item, to, bodies.to_text(comment) if comment.content else ""
            )
            return "<m:Items/>"
        message = drafting.forward(original.mailbox, source, comment=comment)
    else:
        to_all = local_name(node) == "ReplyAllToItem"
        message = drafting.reply_to(original.mailbox, source, to_all=to_all, comment=comment)
    _override(Reader(call, original.mailbox), node, message)
    return _store(call, original.mailbox, message, disposition, target)


def _store(
    call: Call, mailbox: Mailbox, message: Message, disposition: str | None, target: FolderTarget | None
) -> str:
    if disposition is None:
        raise ResponseError("ErrorMessageDispositionRequired", "MessageDisposition is required for messages.")
    folder = target.folder if target else None
    if disposition == "SaveOnly":
        draft = drafting.create_draft(mailbox, message, folder)
        return f"<m:Items><t:Message>{call.view(mailbox).item_id(draft)}</t:Message></m:Items>"
    delivery.send(mailbox, message, save_copy=disposition == "SendAndSaveCopy", folder=folder)
    return "<m:Items/>"


def _as_message(original: ItemTarget) -> Message:
    """Return the message to answer; for an event, one that its organizer might have written."""
    item = original.item
    if isinstance(item, Message):
        return item
    if isinstance(item, CalendarEvent):
        return Message(
            subject=item.subject,
            body=item.body,
            attachments=item.attachments,
            sender=item.organizer,
            from_=item.organizer,
            to=tuple(one.recipient for one in item.attendees if one.kind != "resource"),
            sent_at=item.created_at,
            received_at=item.created_at,
            conversation=original.mailbox.random_key(),
        )
    raise ResponseError("ErrorInvalidReferenceItem", "The item cannot be answered.")


def _override(reader: Reader, node: Node, message: Message) -> None:
    subject = node.findtext(f"{xml.T}Subject")
    if subject:
        message.subject = subject
    for name, attribute in (("ToRecipients", "to"), ("CcRecipients", "cc"), ("BccRecipients", "bcc")):
        found = _listed(reader, node, name)
        if found:
            setattr(message, attribute, found)
    sender = _listed(reader, node, "From")
    if sender:
        message.from_ = sender[0]
    message.read_receipt_requested = read_boolean(
        node.findtext(f"{xml.T}IsReadReceiptRequested"), default=False
    )


def _listed(reader: Reader, node: Node, name: str):
    found = node.find(f"{xml.T}{name}")
    return with_directory_names(reader, people(found)) if found is not None else ()


def _new_body(node: Node) -> Body:
    for name in ("NewBodyContent", "Body"):
        found = node.find(f"{xml.T}{name}")
        if found is not None:
            return body(found)
    return Body()


_ANSWERS: Mapping[str, tuple[str, str]] = {
    "AcceptItem": ("accepted", "Accept"),
    "TentativelyAcceptItem": ("tentativelyAccepted", "Tentative"),
    "DeclineItem": ("declined", "Decline"),
}


def _answer_meeting(
    call: Call, node: Node, original: ItemTarget, disposition: str | None, target: FolderTarget | None
) -> str:
    answer, suffix = _ANSWERS[local_name(node)]
    if disposition is None:
        raise ResponseError("ErrorMessageDispositionRequired", "MessageDisposition is required for answers.")
    mailbox = original.mailbox
    event = _meeting(
        call, original, f"ErrorInvalidItemForOperation{local_name(node)}".replace("Tentatively", "")
    )
    if event.is_organizer:
        raise ResponseError(
            f"ErrorCalendarIsOrganizerFor{suffix}", "The organizer cannot answer the own meeting."
        )
    if event.is_cancelled:
        raise ResponseError(f"ErrorCalendarIsCancelledFor{suffix}", "The meeting was cancelled.")
    with copies_kept(mailbox, keep=disposition == "SendAndSaveCopy"):
        meetings.respond(
            mailbox,
            event,
            answer,
            comment=bodies.to_text(_new_body(node)).strip(),
            send_response=disposition != "SaveOnly",
            proposed=_proposed(call, node),
        )
    if isinstance(original.item, Message):
        # The request has done its work, and moves out of the way as it does in every mail program.
        mailbox.delete(original.item, DeleteMode.TO_DELETED_ITEMS)
    if answer == "declined":
        return "<m:Items/>"
    view = call.view(mailbox)
    shown = (
        event
        if event.original_start is None
        else view.occurrence(meetings.master_of(mailbox, event), event.original_start)
    )
    return f"<m:Items><t:CalendarItem>{view.item_id(shown)}</t:CalendarItem></m:Items>"


def _proposed(call: Call, node: Node) -> tuple[datetime, datetime] | None:
    start, end = node.findtext(f"{xml.T}ProposedStart"), node.findtext(f"{xml.T}ProposedEnd")
    return (call.moment(start), call.moment(end)) if start and end else None


def _meeting(call: Call, original: ItemTarget, refusal: str) -> CalendarEvent:
    item: Item = original.item
    if isinstance(item, CalendarEvent):
        return item
    if isinstance(item, Message) and item.meeting is not None and item.meeting.kind == "request":
        event = call.view(original.mailbox).meeting_event(item.meeting)
        if event is not None:
            return event
    raise ResponseError(refusal, "The item is not a meeting that can be answered.")


def _cancel(
    call: Call, node: Node, original: ItemTarget, disposition: str | None, target: FolderTarget | None
) -> str:
    event = original.item
    if not isinstance(event, CalendarEvent):
        raise ResponseError("ErrorInvalidItemForOperationCancelItem", "Only meetings can be cancelled.")
    if not event.is_organizer:
        raise ResponseError("ErrorCalendarIsNotOrganizer", "Only the organizer can cancel a meeting.")
    with copies_kept(original.mailbox, keep=disposition != "SendOnly"):
        meetings.cancel_event(original.mailbox, event, comment=bodies.to_text(_new_body(node)).strip())
    return "<m:Items/>"


def _remove(
    call: Call, node: Node, original: ItemTarget, disposition: str | None, target: FolderTarget | None
) -> str:
    """Take a cancelled meeting off the calendar, by its cancellation message."""
    message = original.item
    if not isinstance(message, Message) or message.meeting is None or message.meeting.kind != "cancellation":
        raise ResponseError("ErrorInvalidItemForOperationRemoveItem", "The item is not a cancellation.")
    event = call.view(original.mailbox).meeting_event(message.meeting)
    if event is not None:
        meetings.delete_event(original.mailbox, event, send_cancellations=False)
    original.mailbox.delete(message, DeleteMode.TO_DELETED_ITEMS)
    return "<m:Items/>"


def _suppress(
    call: Call, node: Node, original: ItemTarget, disposition: str | None, target: FolderTarget | None
) -> str:
    item = original.item
    if not isinstance(item, Message) or not item.read_receipt_requested:
        raise ResponseError("ErrorReadReceiptNotPending", "No read receipt is pending.")
    original.mailbox.update(item, {"read_receipt_requested": False})
    return "<m:Items/>"


RESPONSES: Mapping[str, _Answer] = {
    "ReplyToItem": _reply,
    "ReplyAllToItem": _reply,
    "ForwardItem": _reply,
    "AcceptItem": _answer_meeting,
    "TentativelyAcceptItem": _answer_meeting,
    "DeclineItem": _answer_meeting,
    "CancelCalendarItem": _cancel,
    "RemoveItem": _remove,
    "SuppressReadReceipt": _suppress,
}
