"""UpdateItem, for calendar items: an event, a series, or one meeting of it."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.ews.ids import ews_id
from ostiary.adapters.ews.soap import attribute

OPERATION: Final = "UpdateItem"


def request(event_id: str, updates: str, *, version: str | None, notify: bool) -> str:
    """Change one event. ``version`` is the change key it must still have; None overwrites whatever is there.

    Source: EWS UpdateItem operation, ConflictResolution (ews.md §4, §6).
    """
    resolution = "AlwaysOverwrite" if version is None else "NeverOverwrite"
    key = "" if version is None else f" ChangeKey={attribute(version)}"
    send = "SendToAllAndSaveCopy" if notify else "SendToNone"
    return (
        f'<m:UpdateItem ConflictResolution="{resolution}" SendMeetingInvitationsOrCancellations="{send}">'
        f"<m:ItemChanges><t:ItemChange><t:ItemId Id={attribute(ews_id(event_id))}{key}/>"
        f"<t:Updates>{updates}</t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
    )
