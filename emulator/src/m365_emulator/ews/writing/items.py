"""Whole items of a request, turned into items of the store that are not saved yet."""

from __future__ import annotations

from collections.abc import Mapping

from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.ews.writing.calendar import CALENDAR, finish
from m365_emulator.ews.writing.message import MESSAGE, read_mime
from m365_emulator.ews.writing.reader import PropertyReader, Reader, Values
from m365_emulator.world.mailbox import CalendarEvent, Item, Message
from m365_emulator.world.mailbox.threads import start_thread


def read_values(reader: Reader, node: Node, readers: Mapping[str, PropertyReader]) -> Values:
    """Return what an item element sets.

    Raises:
        ResponseError: ErrorInvalidPropertySet for a property that only the server writes.
    """
    values: Values = {}
    for child in elements(node):
        name = local_name(child)
        if name == "MimeContent":
            continue
        read = readers.get(name)
        if read is None:
            raise ResponseError("ErrorInvalidPropertySet", f"Set action is invalid for property {name}.")
        merge(values, read(reader, child))
    return values


def merge(values: Values, more: Values) -> None:
    """Add values; extended properties add up, anything else is replaced."""
    for name, value in more.items():
        if name == "properties" and isinstance(values.get(name), dict):
            values[name] = {**values[name], **value}
        else:
            values[name] = value


def read_message(reader: Reader, node: Node) -> tuple[Message, Values]:
    """Return an unsaved message, and the values that the request set explicitly."""
    values = read_values(reader, node, MESSAGE)
    mime = next((child for child in elements(node) if local_name(child) == "MimeContent"), None)
    message = read_mime(reader, mime) if mime is not None else Message()
    for name, value in values.items():
        setattr(message, name, value)
    return message, values


def read_event(reader: Reader, node: Node) -> CalendarEvent:
    """Return an unsaved event."""
    if any(local_name(child) == "MimeContent" for child in elements(node)):
        raise ResponseError("ErrorUnsupportedMimeConversion", "Calendar items cannot be made from MIME here.")
    event = CalendarEvent(item_class="IPM.Appointment")
    for name, value in finish(reader, read_values(reader, node, CALENDAR), None).items():
        setattr(event, name, value)
    return event


def read_detached_item(reader: Reader, node: Node) -> Item:
    """Return an item that will live inside another one, as an attachment."""
    now = reader.mailbox.now()
    match local_name(node):
        case "CalendarItem":
            item: Item = read_event(reader, node)
        case "Message" | "Item" | "PostItem":
            message, _ = read_message(reader, node)
            start_thread(message, reader.mailbox.rng, now)
            item = message
        case kind:
            raise ResponseError(
                "ErrorInvalidItemForOperationCreateItemAttachment", f"A {kind} cannot be attached here."
            )
    item.created_at = item.modified_at = now
    return item
