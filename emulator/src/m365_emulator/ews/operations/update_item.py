"""UpdateItem: single properties of items, set, added to, or taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m365_emulator.ews import fields, xml
from m365_emulator.ews.batch import each
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.fields.calendar import INVITED
from m365_emulator.ews.fields.extended import read_path
from m365_emulator.ews.fields.registry import kind_of
from m365_emulator.ews.operations.create_item import DISPOSITIONS, saved_item_folder
from m365_emulator.ews.operations.meeting_copies import copies_kept
from m365_emulator.ews.shapes import read_uri
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.ews.targets import ItemTarget, item_target, listed
from m365_emulator.ews.writing import calendar, message
from m365_emulator.ews.writing.items import merge
from m365_emulator.ews.writing.reader import PropertyReader, Reader, Values
from m365_emulator.world.mailbox import Body, CalendarEvent, Item, Message, delivery, meetings

_RESOLUTIONS = frozenset({"NeverOverwrite", "AutoResolve", "AlwaysOverwrite"})
_NOTICES = frozenset(
    {"SendToNone", "SendOnlyToAll", "SendOnlyToChanged", "SendToAllAndSaveCopy", "SendToChangedAndSaveCopy"}
)
_APPENDABLE = frozenset(
    {
        "body",
        "to",
        "cc",
        "bcc",
        "reply_to",
        "required_attendees",
        "optional_attendees",
        "resource_attendees",
        "categories",
    }
)


def update_item(call: Call) -> str:
    """Answer one message per item, with its new change key.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/updateitem-operation
    """
    if call.body.get("ConflictResolution") not in _RESOLUTIONS:
        raise schema_violation("The 'ConflictResolution' attribute is missing or invalid.")
    disposition = call.body.get("MessageDisposition")
    if disposition is not None and disposition not in DISPOSITIONS:
        raise schema_violation("The 'MessageDisposition' attribute is invalid.")
    notices = call.body.get("SendMeetingInvitationsOrCancellations")
    if notices is not None and notices not in _NOTICES:
        raise schema_violation("The 'SendMeetingInvitationsOrCancellations' attribute is invalid.")

    def answer(node: Node) -> str:
        children = elements(node)
        if len(children) != 2 or local_name(children[1]) != "Updates":
            raise schema_violation("The element 'ItemChange' needs an id and Updates.")
        target = item_target(call, children[0])
        _check_conflict(call, target)
        item = _update(call, target, elements(children[1]), disposition, notices)
        kind = kind_of(item) if item is not None else ""
        shown = f"<t:{kind}>{call.view(target.mailbox).item_id(item)}</t:{kind}>" if item is not None else ""
        return f"<m:Items>{shown}</m:Items><m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>"

    return each("UpdateItem", listed(call, "ItemChanges"), answer, on_error="<m:Items/>")


def _check_conflict(call: Call, target: ItemTarget) -> None:
    if call.body.get("ConflictResolution") != "NeverOverwrite":
        return
    if target.change_key is None:
        raise ResponseError("ErrorChangeKeyRequiredForWriteOperations")
    if target.change_key != target.mailbox.change_key_of(target.item):
        raise ResponseError("ErrorIrresolvableConflict")


def _update(
    call: Call, target: ItemTarget, updates: list[Node], disposition: str | None, notices: str | None
) -> Item | None:
    reader = Reader(call, target.mailbox)
    item = target.item
    if isinstance(item, CalendarEvent):
        if notices is None:
            raise ResponseError(
                "ErrorSendMeetingInvitationsOrCancellationsRequired",
                "SendMeetingInvitationsOrCancellations is required for calendar items.",
            )
        values = _values(reader, item, updates, calendar.CALENDAR, calendar.CLEARED)
        values = calendar.finish(reader, values, item)
        send = notices != "SendToNone"
        if send and item.properties and INVITED in item.properties:
            kept = values.get("properties", item.properties)
            values["properties"] = {
                key: value for key, value in (kept or {}).items() if key != INVITED
            } or None
            with copies_kept(target.mailbox, keep="AndSaveCopy" in notices):
                return _send_first_invitations(target, item, values)
        with copies_kept(target.mailbox, keep="AndSaveCopy" in notices):
            return meetings.update_event(target.mailbox, item, values, send_updates=send)
    if not isinstance(item, Message):
        raise ResponseError("ErrorObjectTypeChanged", "The item cannot be changed.")
    values = _values(reader, item, updates, message.MESSAGE, message.CLEARED)
    if not item.is_draft and message.FIXED_ONCE_SENT & values.keys():
        raise ResponseError("ErrorInvalidPropertyUpdateSentMessage", "The message was sent already.")
    target.mailbox.update(item, values)
    if disposition in {"SendOnly", "SendAndSaveCopy"} and item.is_draft:
        folder = saved_item_folder(call)
        delivery.send(
            target.mailbox,
            item,
            save_copy=disposition == "SendAndSaveCopy",
            folder=folder.folder if folder else None,
        )
        return None
    return item


def _send_first_invitations(target: ItemTarget, item: CalendarEvent, values: Values) -> Item:
    """Invite everyone of a meeting that was saved without invitations so far."""
    attendees = values.pop("attendees", None)
    everyone = [one.copy() for one in (attendees if attendees is not None else item.attendees)]
    updated = meetings.update_event(target.mailbox, item, {**values, "attendees": []}, send_updates=False)
    return meetings.update_event(target.mailbox, updated, {"attendees": everyone}, send_updates=True)


def _values(
    reader: Reader, item: Item, updates: list[Node], readers: Mapping[str, PropertyReader], cleared: Values
) -> Values:
    values: Values = {}
    for update in updates:
        kind, children = local_name(update), elements(update)
        if not children:
            raise schema_violation(f"The element '{kind}' has incomplete content.")
        match kind:
            case "SetItemField":
                merge(values, _kept_properties(item, values, _one_property(reader, children, readers)))
            case "AppendToItemField":
                more = _one_property(reader, children, readers)
                merge(values, {name: _appended(item, values, name, value) for name, value in more.items()})
            case "DeleteItemField":
                merge(values, _removed(item, values, children[0], readers, cleared))
            case _:
                raise schema_violation(f"The element 'Updates' has invalid child element '{kind}'.")
    return values


def _one_property(reader: Reader, children: list[Node], readers: Mapping[str, PropertyReader]) -> Values:
    if len(children) != 2:
        raise schema_violation("An update needs a path and an item.")
    path, holder = children
    properties = elements(holder)
    if len(properties) != 1:
        raise ResponseError("ErrorIncorrectUpdatePropertyCount", "An update must hold exactly one property.")
    name = local_name(properties[0])
    if _element_of(path) != name:
        raise ResponseError(
            "ErrorUpdatePropertyMismatch", "The property of the update is not the one its path names."
        )
    if name == "MimeContent":
        replacement = message.read_mime(reader, properties[0])
        return {
            "subject": replacement.subject,
            "body": replacement.body,
            "attachments": replacement.attachments,
        }
    read = readers.get(name)
    if read is None:
        raise _not_settable("ErrorInvalidPropertySet", path)
    return read(reader, properties[0])


def _element_of(path: Node) -> str:
    match local_name(path):
        case "ExtendedFieldURI":
            return "ExtendedProperty"
        case "IndexedFieldURI":
            return "InternetMessageHeaders" if path.get("FieldURI") == "item:InternetMessageHeader" else ""
        case _:
            uri = read_uri(path)
            known = fields.ITEM_FIELDS.get(uri)
            return known.element if known is not None else uri.partition(":")[2]


def _kept_properties(item: Item, values: Values, more: Values) -> Values:
    """Let a new extended property join those the item has, instead of replacing them."""
    if "properties" not in more:
        return more
    before = values.get("properties", item.properties)
    return {**more, "properties": {**(before or {}), **more["properties"]}}


def _appended(item: Item, values: Values, name: str, value: Any) -> Any:
    if name not in _APPENDABLE:
        raise ResponseError("ErrorInvalidPropertyAppend", "Append action is invalid for property.")
    before = values.get(name, _current(item, name))
    if isinstance(before, Body):
        return Body(before.content + value.content, is_html=before.is_html)
    return [*before, *value] if isinstance(value, list) else (*before, *value)


def _current(item: Item, name: str) -> Any:
    kind = name.removesuffix("_attendees")
    if kind != name and isinstance(item, CalendarEvent):
        return [one for one in item.attendees if one.kind == kind]
    return getattr(item, name)


def _removed(
    item: Item, values: Values, path: Node, readers: Mapping[str, PropertyReader], cleared: Values
) -> Values:
    if local_name(path) == "ExtendedFieldURI":
        kept = dict(values.get("properties", item.properties) or {})
        kept.pop(read_path(path).key, None)
        # An empty dictionary must win over what merge would add up.
        values.pop("properties", None)
        return {"properties": kept or None}
    element = _element_of(path)
    if element == "Body":
        return {"body": Body("", is_html=item.body.is_html)}
    attributes = _ATTRIBUTES.get(element)
    if attributes is None or attributes not in cleared or element not in readers:
        raise _not_settable("ErrorInvalidPropertyDelete", path)
    return {attributes: cleared[attributes]}


def _not_settable(code: str, path: Node) -> ResponseError:
    shown = (
        xml.element("t:FieldURI", "", {"FieldURI": path.get("FieldURI") or ""})
        if path.get("FieldURI")
        else ""
    )
    verb = "Set" if code.endswith("Set") else "Delete"
    return ResponseError(code, f"{verb} action is invalid for property.", message_xml=shown)


_ATTRIBUTES: Mapping[str, str] = {
    "Subject": "subject",
    "InReplyTo": "in_reply_to",
    "References": "references",
    "Categories": "categories",
    "ToRecipients": "to",
    "CcRecipients": "cc",
    "BccRecipients": "bcc",
    "ReplyTo": "reply_to",
    "Attachments": "attachments",
    "Flag": "flag",
    "InternetMessageHeaders": "headers",
    "Importance": "importance",
    "Sensitivity": "sensitivity",
    "IsReadReceiptRequested": "read_receipt_requested",
    "IsDeliveryReceiptRequested": "delivery_receipt_requested",
    "Location": "locations",
    "EnhancedLocation": "locations",
    "RequiredAttendees": "required_attendees",
    "OptionalAttendees": "optional_attendees",
    "Resources": "resource_attendees",
    "Recurrence": "recurrence",
    "ReminderIsSet": "is_reminder_on",
}
"""Element that can be taken away, and the attribute it stands for."""
