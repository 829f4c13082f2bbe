"""DeleteItem: to Deleted Items, to the dumpster, or for good."""

from __future__ import annotations

from collections.abc import Mapping

from m365_emulator.ews.batch import each
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.operations.create_item import INVITATIONS
from m365_emulator.ews.operations.meeting_copies import copies_kept
from m365_emulator.ews.soap import Node
from m365_emulator.ews.targets import item_target, listed
from m365_emulator.world.mailbox import CalendarEvent, DeleteMode, meetings

MODES: Mapping[str, DeleteMode] = {
    "HardDelete": DeleteMode.HARD,
    "SoftDelete": DeleteMode.SOFT,
    "MoveToDeletedItems": DeleteMode.TO_DELETED_ITEMS,
}


def delete_item(call: Call) -> str:
    """Answer one message per item; occurrences are deleted one by one, a master takes its series along.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/deleteitem-operation
    """
    mode = delete_mode(call)
    cancellations = call.body.get("SendMeetingCancellations")
    if cancellations is not None and cancellations not in INVITATIONS:
        raise schema_violation("The 'SendMeetingCancellations' attribute is invalid.")

    def answer(node: Node) -> str:
        target = item_target(call, node)
        if isinstance(target.item, CalendarEvent):
            if cancellations is None:
                raise ResponseError(
                    "ErrorSendMeetingCancellationsRequired",
                    "SendMeetingCancellations is required for calendar items.",
                )
            send = cancellations != "SendToNone"
            with copies_kept(target.mailbox, keep=cancellations != "SendOnlyToAll"):
                meetings.delete_event(target.mailbox, target.item, mode, send_cancellations=send)
        else:
            target.mailbox.delete(target.item, mode)
        return ""

    return each("DeleteItem", listed(call, "ItemIds"), answer)


def delete_mode(call: Call) -> DeleteMode:
    """Return what the DeleteType attribute asks for; a schema fault when it is missing or unknown."""
    mode = MODES.get(call.body.get("DeleteType") or "")
    if mode is None:
        raise schema_violation("The 'DeleteType' attribute is missing or invalid.")
    return mode
