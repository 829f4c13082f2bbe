"""EWS's changed folders and items, in the shapes of following."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.ews.codec.xml_shape import (
    change_key,
    count,
    flag,
    moment,
    object_id,
    optional_text,
    required_id,
    text,
)
from ostiary.adapters.ews.soap import Element, T
from ostiary.core.kernel.errors import ProviderContractBroken
from ostiary.core.sync.model import FolderSeen, Item, ItemKind

FOLDER_FIELDS: Final = ("folder:FolderClass", "folder:TotalCount", "folder:DistinguishedFolderId")
MESSAGE_FIELDS: Final = (
    "item:ParentFolderId",
    "item:DateTimeReceived",
    "item:IsDraft",
    "item:LastModifiedTime",
    "message:InternetMessageId",
    "message:IsRead",
)
EVENT_FIELDS: Final = (
    "item:ParentFolderId",
    "item:LastModifiedTime",
    "calendar:UID",
    "calendar:Start",
    "calendar:End",
    "calendar:CalendarItemType",
)
CALENDAR_CLASS: Final = "IPF.Appointment"

_RANKS: Final = {"inbox": 0, "sentitems": 10, "drafts": 20, "junkemail": 80, "deleteditems": 90}


def folder(node: Element) -> FolderSeen:
    """Return a folder."""
    name = text(node, "DistinguishedFolderId").strip().lower()
    return FolderSeen(required_id(node, "FolderId"), count(node, "TotalCount"), _RANKS.get(name, 50))


def is_calendar(node: Element) -> bool:
    """Whether a folder holds calendar events."""
    folder_class = text(node, "FolderClass")
    return folder_class == CALENDAR_CLASS or folder_class.startswith(f"{CALENDAR_CLASS}.")


def is_search_folder(node: Element) -> bool:
    """Whether a folder only shows what is in others; it cannot be followed (ews.md §6)."""
    return node.tag == f"{T}SearchFolder"


_NO_MAIL: Final = frozenset(
    {f"{T}{name}" for name in ("CalendarItem", "Contact", "DistributionList", "Task")}
)
"""What else can lie in a mail folder, such as a deleted event; Graph does not count it as mail either."""


def is_message(node: Element) -> bool:
    """Whether an item of a mail folder is mail."""
    return node.tag not in _NO_MAIL


def is_event(node: Element) -> bool:
    """Whether an item of a calendar is an event."""
    return node.tag == f"{T}CalendarItem"


def message(node: Element, *, folder_id: str = "") -> Item:
    """Return an item of a mail folder: a message, or a meeting request and the like."""
    return Item(
        id=required_id(node, "ItemId"),
        version=_version(node),
        folder_id=object_id(node, "ParentFolderId") or folder_id,
        kind=ItemKind.MESSAGE,
        changed_at=moment(node, "LastModifiedTime"),
        match_key=optional_text(node, "InternetMessageId"),
        received_at=moment(node, "DateTimeReceived"),
        is_read=flag(node, "IsRead"),
        is_draft=flag(node, "IsDraft"),
    )


def event(node: Element, *, folder_id: str = "") -> Item:
    """Return a calendar event; SyncFolderItems gives single ones and series, no occurrences (ews.md §6)."""
    kind = text(node, "CalendarItemType").strip().lower()
    return Item(
        id=required_id(node, "ItemId"),
        version=_version(node),
        folder_id=object_id(node, "ParentFolderId") or folder_id,
        kind=ItemKind.SERIES if kind == "recurringmaster" else ItemKind.SINGLE,
        changed_at=moment(node, "LastModifiedTime"),
        ical_uid=optional_text(node, "UID"),
        starts_at=moment(node, "Start"),
        ends_at=moment(node, "End"),
    )


def _version(node: Element) -> str:
    key = change_key(node, "ItemId")
    if not key:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (ChangeKey).")
    return key
