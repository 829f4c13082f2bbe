"""Attachments of messages and events."""

from __future__ import annotations

from typing import Any

from m365_emulator.world.mailbox import Attachment, CalendarEvent, Item, Message
from m365_emulator.world.mailbox.meetings import add_attachment_holder
from m365_emulator.world.mailbox.mime import to_mime

from .access import CALENDAR_READ, CALENDAR_WRITE, MAIL_READ, MAIL_WRITE
from .call import Call, Reply
from .errors import GraphError, not_found
from .events import event_of
from .inputs.messages import MAX_INLINE_ATTACHMENT_BYTES, build_attachment
from .messages import message_of
from .odata.listing import Listing, page_json, select_page
from .operations import Operations
from .shapes.attachments import attachment_json

operations = Operations()
_LISTING = Listing(
    "microsoft.graph.attachment",
    {
        "name": lambda part: part.name,
        "size": lambda part: part.size,
        "isinline": lambda part: part.is_inline,
        "contenttype": lambda part: part.content_type,
        "lastmodifieddatetime": lambda part: part.modified_at,
    },
    default_top=1000,
)


@operations.get("/{mailbox}/messages/{message}/attachments", MAIL_READ)
def list_of_message(call: Call) -> Reply:
    """List the attachments of a message."""
    return _list(call, message_of(call))


@operations.get("/{mailbox}/events/{event}/attachments", CALENDAR_READ)
def list_of_event(call: Call) -> Reply:
    """List the attachments of an event."""
    return _list(call, event_of(call))


@operations.post("/{mailbox}/messages/{message}/attachments", MAIL_WRITE)
def add_to_message(call: Call) -> Reply:
    """Attach something to a message, up to 3 MB."""
    return _add(call, message_of(call))


@operations.post("/{mailbox}/events/{event}/attachments", CALENDAR_WRITE)
def add_to_event(call: Call) -> Reply:
    """Attach something to an event, up to 3 MB."""
    return _add(call, add_attachment_holder(call.mailbox, event_of(call)))


@operations.get("/{mailbox}/messages/{message}/attachments/{attachment}", MAIL_READ)
def get_of_message(call: Call) -> Reply:
    """Return one attachment of a message."""
    return _get(call, message_of(call))


@operations.get("/{mailbox}/events/{event}/attachments/{attachment}", CALENDAR_READ)
def get_of_event(call: Call) -> Reply:
    """Return one attachment of an event."""
    return _get(call, event_of(call))


@operations.get("/{mailbox}/messages/{message}/attachments/{attachment}/$value", MAIL_READ)
def get_bytes_of_message(call: Call) -> Reply:
    """Return the bytes of an attached file, or the MIME of an attached message."""
    return _bytes(attachment_of(call, message_of(call)))


@operations.get("/{mailbox}/events/{event}/attachments/{attachment}/$value", CALENDAR_READ)
def get_bytes_of_event(call: Call) -> Reply:
    """Return the bytes of a file attached to an event."""
    return _bytes(attachment_of(call, event_of(call)))


@operations.delete("/{mailbox}/messages/{message}/attachments/{attachment}", MAIL_WRITE)
def remove_from_message(call: Call) -> Reply:
    """Take an attachment off a message."""
    return _remove(call, message_of(call))


@operations.delete("/{mailbox}/events/{event}/attachments/{attachment}", CALENDAR_WRITE)
def remove_from_event(call: Call) -> Reply:
    """Take an attachment off an event."""
    return _remove(call, event_of(call))


def attachment_of(call: Call, item: Item) -> Attachment:
    """Return the attachment a path names; raises GraphError 404 and MalformedId."""
    key = call.mailbox.ids.read_rest(call.arguments["attachment"])
    found = item.attachment(key.attachment) if key.attachment is not None else None
    if found is None:
        raise not_found("ErrorItemNotFound", "The specified attachment could not be found.")
    return found


def _list(call: Call, item: Item) -> Reply:
    page = select_page(call, _LISTING, list(item.attachments or ()))
    with_item = _wants_item(call)
    rendered = [
        attachment_json(call, item, part, call.options.select, with_item=with_item) for part in page.items
    ]
    return Reply(json=page_json(call, page, call.context(_context(item)), rendered))


def _get(call: Call, item: Item) -> Reply:
    part = attachment_of(call, item)
    body: dict[str, Any] = {"@odata.context": f"{call.context(_context(item))}/$entity"}
    body |= attachment_json(call, item, part, call.options.select, with_item=_wants_item(call))
    return Reply(json=body)


def _add(call: Call, item: Item) -> Reply:
    attachment = build_attachment(call.mailbox, call.json(), limit=MAX_INLINE_ATTACHMENT_BYTES)
    add_attachment(call, item, attachment)
    body: dict[str, Any] = {"@odata.context": f"{call.context(_context(item))}/$entity"}
    body |= attachment_json(call, item, attachment)
    return Reply(201, body)


def add_attachment(call: Call, item: Item, attachment: Attachment) -> None:
    """Hang an attachment on an item; on an exception of a series it is the series that is recorded as changed."""
    if isinstance(item, CalendarEvent) and item.original_start is not None:
        item.attachments = [*(item.attachments or ()), attachment]
        call.mailbox.touch(call.mailbox.item(item.identity), occurrence=item.original_start)
        return
    call.mailbox.add_attachment(item, attachment)


def _bytes(part: Attachment) -> Reply:
    if isinstance(part.item, Message):
        return Reply(content=to_mime(part.item), content_type="text/plain")
    if part.item is not None or part.source_url is not None:
        raise GraphError(
            405, "ErrorInvalidRequest", "The content of this kind of attachment cannot be downloaded."
        )
    return Reply(content=part.content, content_type=part.content_type or "application/octet-stream")


def _remove(call: Call, item: Item) -> Reply:
    part = attachment_of(call, item)
    if isinstance(item, CalendarEvent) and item.original_start is not None:
        holder = add_attachment_holder(call.mailbox, item)
        holder.attachments = [one for one in holder.attachments or () if one is not part] or None
        call.mailbox.touch(call.mailbox.item(item.identity), occurrence=item.original_start)
    else:
        call.mailbox.remove_attachment(item, part)
    return Reply(204)


def _context(item: Item) -> str:
    kind = "messages" if isinstance(item, Message) else "events"
    return f"{kind}('')/attachments"


def _wants_item(call: Call) -> bool:
    return any(
        one.name.lower() in ("microsoft.graph.itemattachment/item", "item") for one in call.options.expand
    )
