"""CreateItem and UpdateItem, for messages that are not sent with it."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.ews.ids import ews_id
from ostiary.adapters.ews.operations.shape import FolderId, folder_ids
from ostiary.adapters.ews.soap import Element, M, attribute
from ostiary.core.kernel.errors import ProviderContractBroken

CREATE: Final = "CreateItem"
UPDATE: Final = "UpdateItem"


def create_request(item: str) -> str:
    """Save ``item``, which is XML already, in Drafts.

    Source: EWS CreateItem operation (e-mail message); only SaveOnly tells the new item's id (ews.md §6).
    """
    folder = folder_ids("SavedItemFolderId", [FolderId.named("drafts")])
    return f'<m:CreateItem MessageDisposition="SaveOnly">{folder}<m:Items>{item}</m:Items></m:CreateItem>'


def update_request(item_id: str, updates: str, *, change_key: str | None) -> str:
    """Change an item by ``updates``, which is XML already.

    Args:
        change_key: The version it must still have; None changes whatever is there.

    Source: EWS UpdateItem operation. No read receipt follows from marking as read.
    """
    resolution = "AlwaysOverwrite" if change_key is None else "NeverOverwrite"
    return (
        f'<m:UpdateItem ConflictResolution="{resolution}" MessageDisposition="SaveOnly" SuppressReadReceipts="true">'
        f"<m:ItemChanges><t:ItemChange>{item_xml(item_id, change_key)}{updates}</t:ItemChange></m:ItemChanges>"
        "</m:UpdateItem>"
    )


def item_xml(item_id: str, change_key: str | None = None) -> str:
    """Return an ``ItemId``; raises NotFound for what cannot be one."""
    key = f" ChangeKey={attribute(change_key)}" if change_key else ""
    return f"<t:ItemId Id={attribute(ews_id(item_id))}{key}/>"


def written_item(message: Element) -> Element:
    """Return the item of a response message: its id and new change key."""
    listed = message.find(f"{M}Items")
    if listed is None or len(listed) != 1:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (Items).")
    return listed[0]
