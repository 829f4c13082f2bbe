"""The ``meeting:`` and ``meetingRequest:`` fields, of meeting messages."""

from __future__ import annotations

from m365_emulator.ews import xml
from m365_emulator.ews.fields.registry import Field
from m365_emulator.ews.fields.values import bool_element, text_element, time_element
from m365_emulator.ews.view import View
from m365_emulator.world.mailbox.message import Message

_RESPONSES = {"accepted": "Accept", "tentative": "Tentative", "declined": "Decline"}


def _associated(view: View, item: Message) -> str:
    event = view.meeting_event(item.meeting) if item.meeting else None
    if event is None:
        return ""
    return xml.element("t:AssociatedCalendarItemId", "", view.item_id_attributes(event))


def _out_of_date(view: View, item: Message) -> bool:
    return item.meeting is not None and item.meeting.is_out_of_date


def _processed(view: View, item: Message) -> bool:
    return item.meeting is not None and item.meeting.event_identity is not None


def _response_type(view: View, item: Message) -> str:
    kind = item.meeting.kind if item.meeting else ""
    if kind in _RESPONSES:
        return _RESPONSES[kind]
    return "NoResponseReceived" if kind == "request" else "Unknown"


def _request_type(view: View, item: Message) -> str:
    if item.meeting is None:
        return "None"
    if item.meeting.is_out_of_date:
        return "Outdated"
    return "FullUpdate" if item.meeting.is_update else "NewMeetingRequest"


def _highlights(view: View, item: Message) -> str:
    details = item.meeting
    if details is None or not details.is_update:
        return ""
    inner = ""
    if details.previous_location is not None and details.previous_location != details.location:
        inner += bool_element("HasLocationChanged", True) + text_element(
            "Location", details.previous_location
        )
    if details.previous_start is not None and details.previous_start != details.start:
        inner += bool_element("HasStartTimeChanged", True) + time_element("Start", details.previous_start)
    if details.previous_end is not None and details.previous_end != details.end:
        inner += bool_element("HasEndTimeChanged", True) + time_element("End", details.previous_end)
    return f"<t:ChangeHighlights>{inner}</t:ChangeHighlights>"


FIELDS: tuple[Field, ...] = (
    Field("meeting:AssociatedCalendarItemId", "AssociatedCalendarItemId", _associated),
    Field("meeting:IsDelegated", "IsDelegated", lambda view, item: bool_element("IsDelegated", False)),
    Field(
        "meeting:IsOutOfDate",
        "IsOutOfDate",
        lambda view, item: bool_element("IsOutOfDate", _out_of_date(view, item)),
        _out_of_date,
    ),
    Field(
        "meeting:HasBeenProcessed",
        "HasBeenProcessed",
        lambda view, item: bool_element("HasBeenProcessed", _processed(view, item)),
    ),
    Field(
        "meeting:ResponseType",
        "ResponseType",
        lambda view, item: text_element("ResponseType", _response_type(view, item)),
        _response_type,
    ),
    Field(
        "meeting:ProposedStart",
        "ProposedStart",
        lambda view, item: time_element("ProposedStart", item.meeting.proposed_start) if item.meeting else "",
    ),
    Field(
        "meeting:ProposedEnd",
        "ProposedEnd",
        lambda view, item: time_element("ProposedEnd", item.meeting.proposed_end) if item.meeting else "",
    ),
    Field(
        "meetingRequest:MeetingRequestType",
        "MeetingRequestType",
        lambda view, item: text_element("MeetingRequestType", _request_type(view, item)),
        _request_type,
    ),
    Field(
        "meetingRequest:IntendedFreeBusyStatus",
        "IntendedFreeBusyStatus",
        lambda view, item: "<t:IntendedFreeBusyStatus>Busy</t:IntendedFreeBusyStatus>",
    ),
    Field("meetingRequest:ChangeHighlights", "ChangeHighlights", _highlights, in_find=False),
)
