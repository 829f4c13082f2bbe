"""CreateAttachment, GetAttachment, DeleteAttachment."""

from __future__ import annotations

import base64

from m365_emulator.ews import fields, xml
from m365_emulator.ews.batch import each
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import schema_violation
from m365_emulator.ews.fields.item import attachment_element
from m365_emulator.ews.shapes import ItemShape, read_attachment_shape
from m365_emulator.ews.soap import Node, local_name
from m365_emulator.ews.targets import attachment_target, item_target, listed
from m365_emulator.ews.view import View
from m365_emulator.ews.writing.attachments import read_attachment
from m365_emulator.ews.writing.reader import Reader
from m365_emulator.world.mailbox import Attachment, CalendarEvent, Item, meetings

# What an item inside another one does not have: a place of its own in the mailbox.
_NOT_INSIDE = frozenset(
    {
        "item:ItemId",
        "item:ParentFolderId",
        "item:StoreEntryId",
        "item:InstanceKey",
        "item:IsSubmitted",
        "item:WebClientReadFormQueryString",
        "meeting:AssociatedCalendarItemId",
        "calendar:ConflictingMeetingCount",
        "calendar:FirstOccurrence",
        "calendar:LastOccurrence",
        "calendar:ModifiedOccurrences",
    }
)


def create_attachment(call: Call) -> str:
    """Answer one message per attachment: its id, and the parent's new change key, which sending needs.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/createattachment-operation
    """
    parent = call.body.find(f"{xml.M}ParentItemId")
    if parent is None:
        raise schema_violation("The element 'ParentItemId' is missing.")

    def answer(node: Node) -> str:
        target = item_target(call, parent)
        item = target.item
        if isinstance(item, CalendarEvent):
            item = meetings.add_attachment_holder(target.mailbox, item)
        part = read_attachment(Reader(call, target.mailbox), node)
        target.mailbox.add_attachment(item, part)
        view = call.view(target.mailbox)
        kind = local_name(node)
        return f"<m:Attachments><t:{kind}>{_id_with_root(view, item, part)}</t:{kind}></m:Attachments>"

    return each("CreateAttachment", listed(call, "Attachments"), answer, on_error="<m:Attachments/>")


def get_attachment(call: Call) -> str:
    """Answer one message per id, with the content of files and the item of item attachments.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/getattachment-operation
    """
    shape = read_attachment_shape(call.body.find(f"{xml.M}AttachmentShape"))

    def answer(node: Node) -> str:
        target, part = attachment_target(call, (node.get("Id") or "").strip())
        view = call.view(target.mailbox, shape)
        if part.item is not None:
            content = _attached_item(view, part.item, shape)
        elif part.source_url is not None:
            content = ""
        else:
            content = f"<t:Content>{base64.b64encode(part.content).decode('ascii')}</t:Content>"
        return (
            f"<m:Attachments>{attachment_element(view, target.item, part, content=content)}</m:Attachments>"
        )

    return each("GetAttachment", listed(call, "AttachmentIds"), answer, on_error="<m:Attachments/>")


def delete_attachment(call: Call) -> str:
    """Answer one message per id, with the parent's id and new change key.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/deleteattachment-operation
    """

    def answer(node: Node) -> str:
        target, part = attachment_target(call, (node.get("Id") or "").strip())
        target.mailbox.remove_attachment(target.item, part)
        root = call.view(target.mailbox).item_id_attributes(target.item)
        return xml.element(
            "m:RootItemId", "", {"RootItemId": root["Id"], "RootItemChangeKey": root["ChangeKey"]}
        )

    return each("DeleteAttachment", listed(call, "AttachmentIds"), answer)


def _id_with_root(view: View, item: Item, part: Attachment) -> str:
    root = view.item_id_attributes(item)
    return xml.element(
        "t:AttachmentId",
        "",
        {
            "Id": view.attachment_id(item, part),
            "RootItemId": root["Id"],
            "RootItemChangeKey": root["ChangeKey"],
        },
    )


def _attached_item(view: View, item: Item, shape: ItemShape) -> str:
    uris = tuple(uri for uri in (*fields.ALL, *shape.uris) if uri not in _NOT_INSIDE)
    inside = ItemShape(
        uris=uris,
        extended=shape.extended,
        headers=shape.headers,
        include_mime=shape.include_mime,
        body_type=shape.body_type,
        with_id=False,
    )
    return inside.element(view, item)
