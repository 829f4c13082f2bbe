"""DeleteItem, for calendar items."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.ews.ids import ews_id
from ostiary.adapters.ews.soap import attribute

OPERATION: Final = "DeleteItem"


def request(event_id: str, *, notify: bool) -> str:
    """Move one event to Deleted Items.

    Source: EWS DeleteItem operation.
    """
    send = "SendToAllAndSaveCopy" if notify else "SendToNone"
    return (
        f'<m:DeleteItem DeleteType="MoveToDeletedItems" SendMeetingCancellations="{send}">'
        f"<m:ItemIds><t:ItemId Id={attribute(ews_id(event_id))}/></m:ItemIds></m:DeleteItem>"
    )
