"""CreateItem with a response object: answering a meeting, and cancelling one's own."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.ews.codec.event_xml import comment_xml
from ostiary.adapters.ews.ids import ews_id
from ostiary.adapters.ews.soap import attribute
from ostiary.core.calendar.drafts import Answer

OPERATION: Final = "CreateItem"
_ELEMENTS: Final = {
    Answer.ACCEPT: "AcceptItem",
    Answer.TENTATIVE: "TentativelyAcceptItem",
    Answer.DECLINE: "DeclineItem",
}


def answer_request(event_id: str, change_key: str, answer: Answer, *, comment: str, send: bool) -> str:
    """Answer a meeting that somebody else organizes.

    Source: EWS AcceptItem, TentativelyAcceptItem, DeclineItem; SaveOnly keeps the answer in the own calendar.
    """
    name = _ELEMENTS[answer]
    inner = f"{comment_xml(comment, 'Body')}{_reference(event_id, change_key)}"
    return _create("SendAndSaveCopy" if send else "SaveOnly", f"<t:{name}>{inner}</t:{name}>")


def cancel_request(event_id: str, change_key: str, *, comment: str) -> str:
    """Cancel a meeting of the owner's.

    Source: EWS CancelCalendarItem element.
    """
    inner = f"{_reference(event_id, change_key)}{comment_xml(comment, 'NewBodyContent')}"
    return _create("SendAndSaveCopy", f"<t:CancelCalendarItem>{inner}</t:CancelCalendarItem>")


def _create(disposition: str, item: str) -> str:
    return f'<m:CreateItem MessageDisposition="{disposition}"><m:Items>{item}</m:Items></m:CreateItem>'


def _reference(event_id: str, change_key: str) -> str:
    key = f" ChangeKey={attribute(change_key)}" if change_key else ""
    return f"<t:ReferenceItemId Id={attribute(ews_id(event_id))}{key}/>"
