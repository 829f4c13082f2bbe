"""Fields: what can be asked for by FieldURI, and where each stands in the schema's element order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from m365_emulator.world.mailbox.event import CalendarEvent
from m365_emulator.world.mailbox.item import Item
from m365_emulator.world.mailbox.message import Message

if TYPE_CHECKING:
    from m365_emulator.ews.view import View

Renderer = Callable[["View", Any], str]
Comparable = str | int | float | bool | bytes
Getter = Callable[["View", Any], "Comparable | tuple[str, ...] | None"]


@dataclass(frozen=True, slots=True)
class Field:
    """One property of an item or folder.

    Args:
        uri: The FieldURI, for example ``item:Subject``.
        element: Local name of the element it is written as.
        render: Writes the whole element, or nothing when the item does not have it.
        value: What restrictions compare and sort orders sort by; None if it cannot be searched.
        in_find: False for what FindItem never returns (bodies, recipients, attachments).
    """

    uri: str
    element: str
    render: Renderer
    value: Getter | None = None
    in_find: bool = True


def kind_of(item: Item) -> str:
    """Return the local name of the element an item is written as."""
    if isinstance(item, CalendarEvent):
        return "CalendarItem"
    if isinstance(item, Message):
        if item.meeting is None:
            return "Message"
        return _MEETING_KINDS.get(item.meeting.kind, "MeetingMessage")
    return "Item"


_MEETING_KINDS: Mapping[str, str] = {
    "request": "MeetingRequest",
    "cancellation": "MeetingCancellation",
    "accepted": "MeetingResponse",
    "tentative": "MeetingResponse",
    "declined": "MeetingResponse",
}

# The sequences of the published schema (MS-OXWSCORE, -OXWSMSG, -OXWSMTGS), for the elements this emulator can fill.
_ITEM_ORDER = [
    "MimeContent",
    "ItemId",
    "ParentFolderId",
    "ItemClass",
    "Subject",
    "Sensitivity",
    "Body",
    "Attachments",
    "DateTimeReceived",
    "Size",
    "Categories",
    "Importance",
    "InReplyTo",
    "IsSubmitted",
    "IsDraft",
    "IsFromMe",
    "IsResend",
    "IsUnmodified",
    "InternetMessageHeaders",
    "DateTimeSent",
    "DateTimeCreated",
    "ResponseObjects",
    "ReminderDueBy",
    "ReminderIsSet",
    "ReminderNextTime",
    "ReminderMinutesBeforeStart",
    "DisplayCc",
    "DisplayTo",
    "HasAttachments",
    "ExtendedProperty",
    "Culture",
    "EffectiveRights",
    "LastModifiedName",
    "LastModifiedTime",
    "IsAssociated",
    "WebClientReadFormQueryString",
    "WebClientEditFormQueryString",
    "ConversationId",
    "UniqueBody",
    "Flag",
    "StoreEntryId",
    "InstanceKey",
    "NormalizedBody",
    "Preview",
    "IsClutter",
    "HasBlockedImages",
    "TextBody",
    "IconIndex",
    "MimeContentUTF8",
    "MentionedMe",
]
_MESSAGE_ORDER = [
    "Sender",
    "ToRecipients",
    "CcRecipients",
    "BccRecipients",
    "IsReadReceiptRequested",
    "IsDeliveryReceiptRequested",
    "ConversationIndex",
    "ConversationTopic",
    "From",
    "InternetMessageId",
    "IsRead",
    "IsResponseRequested",
    "References",
    "ReplyTo",
    "ReceivedBy",
    "ReceivedRepresenting",
]
_MEETING_ORDER = [
    "AssociatedCalendarItemId",
    "IsDelegated",
    "IsOutOfDate",
    "HasBeenProcessed",
    "ResponseType",
    "UID",
    "RecurrenceId",
    "DateTimeStamp",
    "IsOrganizer",
]
_REQUEST_ORDER = [
    "MeetingRequestType",
    "IntendedFreeBusyStatus",
    "Start",
    "End",
    "OriginalStart",
    "IsAllDayEvent",
    "LegacyFreeBusyStatus",
    "Location",
    "When",
    "IsMeeting",
    "IsCancelled",
    "IsRecurring",
    "MeetingRequestWasSent",
    "CalendarItemType",
    "MyResponseType",
    "Organizer",
    "RequiredAttendees",
    "OptionalAttendees",
    "Resources",
    "ConflictingMeetingCount",
    "AdjacentMeetingCount",
    "Duration",
    "TimeZone",
    "AppointmentReplyTime",
    "AppointmentSequenceNumber",
    "AppointmentState",
    "Recurrence",
    "FirstOccurrence",
    "LastOccurrence",
    "ModifiedOccurrences",
    "DeletedOccurrences",
    "StartTimeZone",
    "EndTimeZone",
    "ConferenceType",
    "AllowNewTimeProposal",
    "IsOnlineMeeting",
    "MeetingWorkspaceUrl",
    "NetShowUrl",
    "EnhancedLocation",
    "ChangeHighlights",
    "StartWallClock",
    "EndWallClock",
    "StartTimeZoneId",
    "EndTimeZoneId",
]
_RESPONSE_ORDER = [
    "Start",
    "End",
    "Location",
    "Recurrence",
    "CalendarItemType",
    "ProposedStart",
    "ProposedEnd",
    "EnhancedLocation",
]
_CANCELLATION_ORDER = ["Start", "End", "Location", "Recurrence", "CalendarItemType", "EnhancedLocation"]
_CALENDAR_ORDER = [
    "UID",
    "RecurrenceId",
    "DateTimeStamp",
    "Start",
    "End",
    "OriginalStart",
    "IsAllDayEvent",
    "LegacyFreeBusyStatus",
    "Location",
    "When",
    "IsMeeting",
    "IsCancelled",
    "IsRecurring",
    "MeetingRequestWasSent",
    "IsResponseRequested",
    "CalendarItemType",
    "MyResponseType",
    "Organizer",
    "RequiredAttendees",
    "OptionalAttendees",
    "Resources",
    "ConflictingMeetingCount",
    "AdjacentMeetingCount",
    "Duration",
    "TimeZone",
    "AppointmentReplyTime",
    "AppointmentSequenceNumber",
    "AppointmentState",
    "Recurrence",
    "FirstOccurrence",
    "LastOccurrence",
    "ModifiedOccurrences",
    "DeletedOccurrences",
    "StartTimeZone",
    "EndTimeZone",
    "ConferenceType",
    "AllowNewTimeProposal",
    "IsOnlineMeeting",
    "MeetingWorkspaceUrl",
    "NetShowUrl",
    "EnhancedLocation",
    "StartWallClock",
    "EndWallClock",
    "StartTimeZoneId",
    "EndTimeZoneId",
    "IntendedFreeBusyStatus",
    "JoinOnlineMeetingUrl",
    "IsOrganizer",
]


def _positions(*parts: Iterable[str]) -> dict[str, int]:
    return {name: position for position, name in enumerate(name for part in parts for name in part)}


ORDER: Mapping[str, Mapping[str, int]] = {
    "Item": _positions(_ITEM_ORDER),
    "Message": _positions(_ITEM_ORDER, _MESSAGE_ORDER),
    "MeetingMessage": _positions(_ITEM_ORDER, _MESSAGE_ORDER, _MEETING_ORDER),
    "MeetingRequest": _positions(_ITEM_ORDER, _MESSAGE_ORDER, _MEETING_ORDER, _REQUEST_ORDER),
    "MeetingResponse": _positions(_ITEM_ORDER, _MESSAGE_ORDER, _MEETING_ORDER, _RESPONSE_ORDER),
    "MeetingCancellation": _positions(_ITEM_ORDER, _MESSAGE_ORDER, _MEETING_ORDER, _CANCELLATION_ORDER),
    "CalendarItem": _positions(_ITEM_ORDER, _CALENDAR_ORDER),
}

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Item": ("item",),
    "Message": ("item", "message"),
    "MeetingMessage": ("item", "message", "meeting"),
    "MeetingRequest": ("item", "message", "meeting", "meetingRequest", "calendar"),
    "MeetingResponse": ("item", "message", "meeting", "calendar"),
    "MeetingCancellation": ("item", "message", "meeting", "calendar"),
    "CalendarItem": ("item", "calendar"),
}
"""The FieldURI families whose fields an element of that kind can hold."""
