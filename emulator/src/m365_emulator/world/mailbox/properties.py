"""Extended properties: those that were set, and the MAPI ones that follow from the item."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from .event import CalendarEvent
from .item import Item, PropertyKey, PropertyType, PropertyValue
from .message import Message
from .mime import headers_of


def _moment(at: datetime) -> str:
    return at.isoformat()[:19] + "Z"


def _message_flags(item: Item) -> str:
    if not isinstance(item, Message):
        return "1"
    return str((1 if item.is_read else 0) | (8 if item.is_draft else 0) | (16 if item.has_attachments else 0))


_COMPUTED: dict[int, tuple[PropertyType, Callable[[Item], str | None]]] = {
    0x001A: (PropertyType.STRING, lambda item: item.item_class),
    0x0037: (PropertyType.STRING, lambda item: item.subject),
    0x0E07: (PropertyType.INTEGER, _message_flags),
    0x0E08: (PropertyType.INTEGER, lambda item: str(item.size)),
    0x3007: (PropertyType.SYSTEM_TIME, lambda item: _moment(item.created_at)),
    0x3008: (PropertyType.SYSTEM_TIME, lambda item: _moment(item.modified_at)),
    0x0E06: (
        PropertyType.SYSTEM_TIME,
        lambda item: _moment(item.received_at) if isinstance(item, Message) else None,
    ),
    0x0039: (
        PropertyType.SYSTEM_TIME,
        lambda item: _moment(item.sent_at) if isinstance(item, Message) else None,
    ),
    0x1035: (
        PropertyType.STRING,
        lambda item: item.internet_message_id if isinstance(item, Message) else None,
    ),
    0x1039: (
        PropertyType.STRING,
        lambda item: item.references or None if isinstance(item, Message) else None,
    ),
    0x1042: (
        PropertyType.STRING,
        lambda item: item.in_reply_to or None if isinstance(item, Message) else None,
    ),
    0x007D: (
        PropertyType.STRING,
        lambda item: (
            "".join(f"{name}: {value}\r\n" for name, value in headers_of(item))
            if isinstance(item, Message)
            else None
        ),
    ),
}
"""Source: MS-OXPROPS, by property tag."""

_GLOBAL_OBJECT_IDS = (0x3, 0x23)
_MEETING_SET = "6ed8da90-450b-101b-98da-00aa003f1305"


def read_property(item: Item, key: PropertyKey) -> PropertyValue | None:
    """Return the value of an extended property, None if the item has none."""
    if item.properties is not None:
        found = item.properties.get(key)
        if found is None and key.name is None:
            # Tags and numbers are the same property whatever type the reader names.
            found = next(
                (value for known, value in item.properties.items() if _same_number(known, key)), None
            )
        if found is not None:
            return found
    if key.tag is not None and key.tag in _COMPUTED:
        return _COMPUTED[key.tag][1](item)
    if key.set_id == _MEETING_SET and key.number in _GLOBAL_OBJECT_IDS and isinstance(item, CalendarEvent):
        return item.uid
    return None


def all_properties(item: Item) -> dict[PropertyKey, PropertyValue]:
    """Return every property that has a value, computed ones included."""
    found: dict[PropertyKey, PropertyValue] = {}
    for tag, (kind, get) in _COMPUTED.items():
        value = get(item)
        if value is not None:
            found[PropertyKey(kind, tag=tag)] = value
    return found | (item.properties or {})


def _same_number(one: PropertyKey, other: PropertyKey) -> bool:
    return (one.tag, one.set_id, one.number, one.name) == (other.tag, other.set_id, other.number, other.name)
