"""CreateItem, for calendar items: a new event, once for each stamp."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.ews.operations.shape import FolderId, folder_ids
from ostiary.adapters.ews.soap import Element, M

OPERATION: Final = "CreateItem"


def request(folder: FolderId, item: str, *, notify: bool) -> str:
    """Create the event ``item``, which is XML already, in a calendar.

    Source: EWS CreateItem operation (calendar item).
    """
    send = "SendToAllAndSaveCopy" if notify else "SendToNone"
    return (
        f'<m:CreateItem SendMeetingInvitations="{send}">{folder_ids("SavedItemFolderId", [folder])}'
        f"<m:Items>{item}</m:Items></m:CreateItem>"
    )


def created_item(message: Element) -> Element | None:
    """Return the new item, of which Exchange tells the id; None where it tells nothing."""
    listed = message.find(f"{M}Items")
    return None if listed is None or len(listed) == 0 else listed[0]
