"""MoveItem, CopyItem, DeleteItem and SendItem, for one message."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.ews.operations.shape import FolderId, folder_ids
from ostiary.adapters.ews.operations.write_message import item_xml

MOVE: Final = "MoveItem"
COPY: Final = "CopyItem"
DELETE: Final = "DeleteItem"
SEND: Final = "SendItem"


def transfer_request(operation: str, item_id: str, folder: FolderId) -> str:
    """Move or copy a message; the answer tells its new id.

    Source: EWS MoveItem and CopyItem operations.
    """
    target = folder_ids("ToFolderId", [folder])
    return (
        f"<m:{operation}>{target}<m:ItemIds>{item_xml(item_id)}</m:ItemIds>"
        f"<m:ReturnNewItemIds>true</m:ReturnNewItemIds></m:{operation}>"
    )


def delete_request(item_id: str, *, for_good: bool) -> str:
    """Delete a message; no read receipt follows. For messages that are invitations nobody is told.

    Source: EWS DeleteItem operation.
    """
    kind = "HardDelete" if for_good else "MoveToDeletedItems"
    return (
        f'<m:DeleteItem DeleteType="{kind}" SendMeetingCancellations="SendToNone" SuppressReadReceipts="true">'
        f"<m:ItemIds>{item_xml(item_id)}</m:ItemIds></m:DeleteItem>"
    )


def send_request(item_id: str, change_key: str) -> str:
    """Send a draft and keep it in Sent Items.

    Source: EWS SendItem operation; it needs the current change key (ews.md §4).
    """
    folder = folder_ids("SavedItemFolderId", [FolderId.named("sentitems")])
    return (
        f'<m:SendItem SaveItemToFolder="true"><m:ItemIds>{item_xml(item_id, change_key)}</m:ItemIds>'
        f"{folder}</m:SendItem>"
    )
