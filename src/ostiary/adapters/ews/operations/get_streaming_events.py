"""GetStreamingEvents: one answer that goes on for minutes, an envelope after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from ostiary.adapters.ews.codec.xml_shape import object_id
from ostiary.adapters.ews.response_code import only_message
from ostiary.adapters.ews.soap import Element, M

OPERATION: Final = "GetStreamingEvents"
MOST_MINUTES: Final = 30


@dataclass(frozen=True, slots=True)
class Heard:
    """What one envelope of the stream says."""

    folder_ids: frozenset[str]
    """Folders in which something happened."""
    is_closed: bool
    """The connection ends now, as agreed: open another one."""
    has_news: bool


def request(subscription_id: str, *, minutes: int) -> str:
    """Ask for a stream.

    Source: EWS GetStreamingEvents operation.
    """
    return (
        f"<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>{escape(subscription_id)}</t:SubscriptionId>"
        f"</m:SubscriptionIds><m:ConnectionTimeout>{min(minutes, MOST_MINUTES)}</m:ConnectionTimeout>"
        "</m:GetStreamingEvents>"
    )


def heard(response: Element) -> Heard:
    """Take one envelope's body apart; raises the error that it tells."""
    message = only_message(response)
    folders: set[str] = set()
    has_news = False
    # The service writes m:Notification where the published schema has t:Notification: either is taken.
    for notification in message.iterfind(f"{M}Notifications/*"):
        for event in notification:
            for name in ("ParentFolderId", "OldParentFolderId", "FolderId"):
                folder_id = object_id(event, name)
                if folder_id is not None:
                    folders.add(folder_id)
            has_news = has_news or str(event.tag).endswith("Event")
    status = (message.findtext(f"{M}ConnectionStatus") or "").strip()
    return Heard(frozenset(folders), status == "Closed", has_news)
