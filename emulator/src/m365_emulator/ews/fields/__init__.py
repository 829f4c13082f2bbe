"""Every property EWS can show of items and folders, by FieldURI."""

from __future__ import annotations

from collections.abc import Mapping

from m365_emulator.ews.fields import calendar, item, meeting, message
from m365_emulator.ews.fields.registry import Field

ITEM_FIELDS: Mapping[str, Field] = {
    field.uri: field for field in (*item.FIELDS, *message.FIELDS, *meeting.FIELDS, *calendar.FIELDS)
}

KNOWN_FAMILIES = frozenset(
    [
        "folder",
        "item",
        "message",
        "meeting",
        "meetingRequest",
        "calendar",
        "task",
        "contacts",
        "distributionlist",
        "postitem",
        "conversation",
        "person",
        "persona",
        "rolemember",
        "network",
        "abchperson",
        "booking",
        "insight",
    ]
)
"""FieldURI families of the schema; a field of one of them that this emulator cannot fill is left out of answers."""

_SHORT = [
    "item:ItemId",
    "item:Subject",
    "item:Sensitivity",
    "item:Size",
    "item:DateTimeSent",
    "item:DateTimeCreated",
    "item:HasAttachments",
    "message:From",
    "message:IsReadReceiptRequested",
    "message:IsDeliveryReceiptRequested",
    "message:IsRead",
]
DEFAULT: Mapping[str, tuple[str, ...]] = {
    "Item": (*(uri for uri in _SHORT if uri.startswith("item:")), "item:Body", "item:Attachments"),
    "Message": (
        *_SHORT,
        "item:Body",
        "item:Attachments",
        "item:ResponseObjects",
        "message:ToRecipients",
        "message:CcRecipients",
        "message:BccRecipients",
    ),
    "CalendarItem": (
        "item:ItemId",
        "item:ParentFolderId",
        "item:Subject",
        "item:Attachments",
        "item:ResponseObjects",
        "item:HasAttachments",
        "calendar:Start",
        "calendar:End",
        "calendar:LegacyFreeBusyStatus",
        "calendar:Location",
        "calendar:CalendarItemType",
        "calendar:Organizer",
        "calendar:RequiredAttendees",
        "calendar:OptionalAttendees",
        "calendar:Resources",
    ),
    **dict.fromkeys(
        ("MeetingMessage", "MeetingRequest", "MeetingResponse", "MeetingCancellation"),
        (
            *_SHORT,
            "item:Body",
            "item:Attachments",
            "item:ResponseObjects",
            "message:ToRecipients",
            "meeting:AssociatedCalendarItemId",
            "meeting:IsDelegated",
            "meeting:IsOutOfDate",
            "meeting:HasBeenProcessed",
            "meeting:ResponseType",
            "meetingRequest:MeetingRequestType",
            "calendar:Start",
            "calendar:End",
            "calendar:Location",
        ),
    ),
}
"""What BaseShape Default gives, by kind of element.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/baseshape
"""

# Never part of a base shape: they are costly, or only there when asked for by name.
_ONLY_BY_NAME = frozenset(
    [
        "item:MimeContent",
        "item:UniqueBody",
        "item:NormalizedBody",
        "item:TextBody",
        "item:Preview",
        "item:InstanceKey",
        "item:StoreEntryId",
        "calendar:StartWallClock",
        "calendar:EndWallClock",
        "calendar:ConflictingMeetingCount",
        "calendar:AdjacentMeetingCount",
    ]
)
ALL = tuple(uri for uri in ITEM_FIELDS if uri not in _ONLY_BY_NAME)
