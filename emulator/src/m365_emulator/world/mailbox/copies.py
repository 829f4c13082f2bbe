"""Copies of items and attachments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .event import CalendarEvent
from .item import Attachment, Item

if TYPE_CHECKING:
    from .store import Mailbox


def copy_attachment(mailbox: Mailbox, part: Attachment) -> Attachment:
    """Return a copy of an attachment under a key of its own."""
    return replace(part, key=mailbox.random_key(), modified_at=mailbox.now())


def clone_item(item: Item) -> Item:
    """Return a copy of an item with the same keys; whoever keeps it gives it its own."""
    twin = object.__new__(type(item))
    for owner in type(item).__mro__:
        for name in getattr(owner, "__slots__", ()):
            setattr(twin, name, getattr(item, name))
    if item.properties is not None:
        twin.properties = dict(item.properties)
    if isinstance(item, CalendarEvent) and isinstance(twin, CalendarEvent):
        twin.attendees = [attendee.copy() for attendee in item.attendees]
        twin.exceptions = dict(item.exceptions)
        twin.cancelled = set(item.cancelled)
    return twin
