"""What a change of a mailbox is called in a notification.

Source: https://learn.microsoft.com/exchange/client-developer/exchange-web-services/notification-subscriptions-mailbox-events-and-ews-in-exchange
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from m365_emulator.ews import xml
from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.fields.values import moment
from m365_emulator.world.mailbox import Change, ChangeKind, Mailbox
from m365_emulator.world.mailbox.errors import FolderNotFound

EVENT_TYPES = frozenset(
    {
        "CopiedEvent",
        "CreatedEvent",
        "DeletedEvent",
        "ModifiedEvent",
        "MovedEvent",
        "NewMailEvent",
        "FreeBusyChangedEvent",
    }
)
_APPOINTMENT = "IPM.Appointment"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which folders a subscription watches (None: all of them) and which events it wants."""

    folders: frozenset[int] | None
    event_types: frozenset[str]

    def holds(self, folder: int | None) -> bool:
        """Return whether a folder is watched."""
        return folder is not None and (self.folders is None or folder in self.folders)


def events_of(mailbox: Mailbox, change: Change, scope: Scope, *, watermark: str = "") -> str:
    """Return the event elements that a subscriber gets for one change, often none."""
    mark = f"<t:Watermark>{watermark}</t:Watermark>" if watermark else ""
    stamp = f"{mark}<t:TimeStamp>{moment(change.at)}</t:TimeStamp>"
    if change.is_folder:
        return _folder_events(mailbox, change, scope, stamp)
    return "".join(
        f"<t:{name}>{stamp}{_item_ids(mailbox, change, name)}</t:{name}>"
        for name in _item_event_names(mailbox, change, scope)
        if name in scope.event_types
    )


def write_watermark(mailbox: Mailbox, number: int) -> str:
    """Return the text that stands for a change number."""
    return base64.b64encode(b"\x01\x00" + mailbox.guid.encode() + number.to_bytes(8, "big")).decode("ascii")


def read_watermark(mailbox: Mailbox, text: str) -> int:
    """Return the change number of a watermark; raises ErrorInvalidWatermark."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ResponseError(
            "ErrorInvalidWatermark", "The watermark used for creating this subscription was not found."
        ) from error
    head = b"\x01\x00" + mailbox.guid.encode()
    number = int.from_bytes(raw[len(head) :], "big")
    if not raw.startswith(head) or len(raw) != len(head) + 8 or number > mailbox.change_number:
        raise ResponseError(
            "ErrorInvalidWatermark", "The watermark used for creating this subscription was not found."
        )
    return number


def _item_event_names(mailbox: Mailbox, change: Change, scope: Scope) -> Iterable[str]:
    if not scope.holds(change.folder) or _is_dumpster(mailbox, change.folder):
        return
    match change.kind:
        case ChangeKind.CREATED:
            if change.is_copy:
                yield "CopiedEvent"
            else:
                # Delivery is told twice: as something new in the folder, and as new mail.
                yield "CreatedEvent"
                if change.is_new_mail:
                    yield "NewMailEvent"
        case ChangeKind.UPDATED | ChangeKind.READ_FLAG:
            yield "ModifiedEvent"
        case ChangeKind.MOVED_IN:
            yield "MovedEvent"
        case ChangeKind.MOVED_OUT:
            # A subscriber of both ends hears of a move once, at its end.
            if not scope.holds(change.other_folder):
                yield "MovedEvent"
        case ChangeKind.DELETED:
            yield "DeletedEvent"
    if change.item_class.startswith(_APPOINTMENT):
        yield "FreeBusyChangedEvent"


def _is_dumpster(mailbox: Mailbox, number: int) -> bool:
    try:
        return (mailbox.folder(number).well_known or "").startswith("recoverable")
    except FolderNotFound:
        return False


def _item_ids(mailbox: Mailbox, change: Change, name: str) -> str:
    here = (change.folder, change.entry)
    there = (change.other_folder, change.other_entry)
    if change.kind is ChangeKind.MOVED_OUT:
        here, there = there, here
    ids = _item_and_parent(mailbox, here[0] or 0, here[1] or 0)
    if name in {"MovedEvent", "CopiedEvent"}:
        ids += _item_and_parent(mailbox, there[0] or 0, there[1] or 0, "Old")
    return ids


def _item_and_parent(mailbox: Mailbox, folder: int, entry: int, prefix: str = "") -> str:
    return xml.element(f"t:{prefix}ItemId", "", {"Id": mailbox.ids.ews_id(folder, entry)}) + xml.element(
        f"t:{prefix}ParentFolderId", "", {"Id": mailbox.ids.folder_ews_id(folder)}
    )


def _folder_events(mailbox: Mailbox, change: Change, scope: Scope, stamp: str) -> str:
    if not scope.holds(change.folder) and not scope.holds(change.entry):
        return ""
    name = {ChangeKind.CREATED: "CreatedEvent", ChangeKind.DELETED: "DeletedEvent"}.get(
        change.kind, "ModifiedEvent"
    )
    if name not in scope.event_types:
        return ""
    ids = xml.element("t:FolderId", "", {"Id": mailbox.ids.folder_ews_id(change.entry)})
    ids += xml.element("t:ParentFolderId", "", {"Id": mailbox.ids.folder_ews_id(change.folder)})
    unread = ""
    if name == "ModifiedEvent":
        try:
            unread = f"<t:UnreadCount>{mailbox.folder(change.entry).unread_count}</t:UnreadCount>"
        except FolderNotFound:
            unread = ""
    return f"<t:{name}>{stamp}{ids}{unread}</t:{name}>"
