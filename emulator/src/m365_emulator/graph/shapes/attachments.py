"""Attachments as Graph writes them."""

from __future__ import annotations

import base64
from typing import Any

from m365_emulator.graph.call import Call
from m365_emulator.graph.errors import bad_request
from m365_emulator.world.mailbox import Attachment, CalendarEvent, Item, Message

from .events import EVENT, event_json
from .messages import MESSAGE, message_json
from .values import moment

_BASE = ("id", "lastModifiedDateTime", "name", "contentType", "size", "isInline")
_FILE = ("contentId", "contentLocation", "contentBytes")


def attachment_json(
    call: Call,
    item: Item,
    attachment: Attachment,
    select: tuple[str, ...] | None = None,
    *,
    with_item: bool = False,
) -> dict[str, Any]:
    """Return an attachment; its bytes come with it unless $select leaves them out.

    Args:
        with_item: Include the item of an item attachment ($expand=microsoft.graph.itemattachment/item).
    """
    found: dict[str, Any] = {
        "@odata.type": type_of(attachment),
        "@odata.mediaContentType": attachment.content_type,
        "id": call.id_of(item, attachment),
        "lastModifiedDateTime": moment(attachment.modified_at),
        "name": attachment.name,
        "contentType": attachment.content_type,
        "size": attachment.size,
        "isInline": attachment.is_inline,
    }
    if attachment.item is None and attachment.source_url is None:
        found["contentId"] = attachment.content_id
        found["contentLocation"] = attachment.content_location
        if select is None or "contentbytes" in {name.lower() for name in select}:
            found["contentBytes"] = base64.b64encode(attachment.content).decode()
    elif attachment.item is not None and with_item:
        found["item"] = _item_json(call, attachment.item)
    if select is not None:
        # A property of a derived type is named with its type: microsoft.graph.fileAttachment/contentId.
        wanted = {name.lower().removeprefix("microsoft.graph.fileattachment/") for name in select} | {"id"}
        for name in wanted - {known.lower() for known in (*_BASE, *_FILE)}:
            if not name.startswith("microsoft.graph."):
                raise bad_request(
                    f"Could not find a property named '{name[:80]}' on type 'microsoft.graph.attachment'.",
                    "RequestBroker--ParseUri",
                )
        found = {
            name: value for name, value in found.items() if name.startswith("@") or name.lower() in wanted
        }
    return found


def type_of(attachment: Attachment) -> str:
    """Return the `@odata.type` of an attachment."""
    if attachment.item is not None:
        return "#microsoft.graph.itemAttachment"
    if attachment.source_url is not None:
        return "#microsoft.graph.referenceAttachment"
    return "#microsoft.graph.fileAttachment"


def _item_json(call: Call, item: Item) -> dict[str, Any]:
    chosen_by = EVENT if isinstance(item, CalendarEvent) else MESSAGE
    chosen = tuple(
        (name, get)
        for name, get in chosen_by.selection(call, ())
        if name not in ("id", "changeKey", "parentFolderId", "webLink", "conversationId")
    )
    if isinstance(item, CalendarEvent):
        found = event_json(call, item, chosen)
        kind = "#microsoft.graph.event"
    elif isinstance(item, Message):
        found = message_json(call, item, chosen)
        kind = "#microsoft.graph.message"
    else:
        raise bad_request("The attached item cannot be shown.")
    found.pop("@odata.etag", None)
    return {"@odata.type": kind, "id": "", **found}
