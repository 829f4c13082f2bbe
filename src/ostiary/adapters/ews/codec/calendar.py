"""EWS's calendar folders and items to ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ostiary.adapters.ews.codec.xml_shape import (
    change_key,
    flag,
    mailbox,
    object_id,
    optional_text,
    required_id,
    required_moment,
    text,
)
from ostiary.adapters.ews.soap import Element, T
from ostiary.core.calendar.model import (
    Attendee,
    AttendeeKind,
    Calendar,
    CalendarEvent,
    EventKind,
    Response,
    ShowAs,
)
from ostiary.core.calendar.time_zones import iana_zone_name

CALENDAR_FIELDS: Final = (
    "folder:FolderClass",
    "folder:DisplayName",
    "folder:DistinguishedFolderId",
    "folder:EffectiveRights",
)
FOUND_FIELDS: Final = (
    "calendar:UID",
    "calendar:Start",
    "calendar:End",
    "calendar:IsAllDayEvent",
    "calendar:CalendarItemType",
)
"""Enough to put occurrences in order and to know their series."""
EVENT_FIELDS: Final = (
    "item:Subject",
    "item:Sensitivity",
    "item:Preview",
    "calendar:UID",
    "calendar:Start",
    "calendar:End",
    "calendar:IsAllDayEvent",
    "calendar:LegacyFreeBusyStatus",
    "calendar:Location",
    "calendar:IsMeeting",
    "calendar:IsCancelled",
    "calendar:CalendarItemType",
    "calendar:MyResponseType",
    "calendar:Organizer",
    "calendar:RequiredAttendees",
    "calendar:OptionalAttendees",
    "calendar:Resources",
    "calendar:StartTimeZoneId",
    "calendar:JoinOnlineMeetingUrl",
)
CALENDAR_CLASS: Final = "IPF.Appointment"
PREVIEW_LIMIT: Final = 255

_KINDS: Final = {
    "Single": EventKind.SINGLE,
    "Occurrence": EventKind.OCCURRENCE,
    "Exception": EventKind.EXCEPTION,
    "RecurringMaster": EventKind.SERIES,
}
_SHOW_AS: Final = {
    "Free": ShowAs.FREE,
    "Tentative": ShowAs.TENTATIVE,
    "Busy": ShowAs.BUSY,
    "OOF": ShowAs.OUT_OF_OFFICE,
    "WorkingElsewhere": ShowAs.WORKING_ELSEWHERE,
}
_RESPONSES: Final = {
    "Organizer": Response.ORGANIZER,
    "Tentative": Response.TENTATIVE,
    "Accept": Response.ACCEPTED,
    "Decline": Response.DECLINED,
}
_ATTENDEES: Final = (
    ("RequiredAttendees", AttendeeKind.REQUIRED),
    ("OptionalAttendees", AttendeeKind.OPTIONAL),
    ("Resources", AttendeeKind.RESOURCE),
)


def is_calendar_folder(node: Element) -> bool:
    """Whether a folder holds events."""
    folder_class = text(node, "FolderClass")
    return folder_class == CALENDAR_CLASS or folder_class.startswith(f"{CALENDAR_CLASS}.")


def calendar(node: Element) -> Calendar:
    """Return a calendar."""
    rights = node.find(f"{T}EffectiveRights")
    return Calendar(
        id=required_id(node, "FolderId"),
        name=text(node, "DisplayName"),
        is_default=text(node, "DistinguishedFolderId").strip().lower() == "calendar",
        can_edit=rights is not None and flag(rights, "CreateContents"),
    )


def event_kind(node: Element) -> EventKind:
    """Return what kind of calendar item it is."""
    return _KINDS.get(text(node, "CalendarItemType").strip(), EventKind.SINGLE)


def event(node: Element, *, calendar_id: str | None, series_id: str | None) -> CalendarEvent:
    """Return an event or occurrence.

    Args:
        calendar_id: The calendar that was asked for.
        series_id: The series; EWS does not say it with the occurrence.
    """
    zone = iana_zone_name(optional_text(node, "StartTimeZoneId"))
    starts_at, ends_at = edges(node, zone)
    my_response = _RESPONSES.get(text(node, "MyResponseType").strip(), Response.NONE)
    # A plain appointment has no organizer's answer; the mailbox's owner made it all the same.
    is_organizer = my_response is Response.ORGANIZER or not flag(node, "IsMeeting")
    return CalendarEvent(
        id=required_id(node, "ItemId"),
        calendar_id=calendar_id,
        series_id=series_id,
        ical_uid=optional_text(node, "UID"),
        kind=event_kind(node),
        subject=text(node, "Subject"),
        starts_at=starts_at,
        ends_at=ends_at,
        is_all_day=flag(node, "IsAllDayEvent"),
        time_zone=zone,
        location=text(node, "Location"),
        show_as=_SHOW_AS.get(text(node, "LegacyFreeBusyStatus").strip(), ShowAs.UNKNOWN),
        is_cancelled=flag(node, "IsCancelled"),
        is_private=text(node, "Sensitivity").strip() == "Private",
        is_organizer=is_organizer,
        organizer=mailbox(node.find(f"{T}Organizer")),
        attendees=_attendees(node),
        my_response=Response.ORGANIZER if is_organizer else my_response,
        online_meeting_url=optional_text(node, "JoinOnlineMeetingUrl"),
        preview=text(node, "Preview")[:PREVIEW_LIMIT],
        version=change_key(node, "ItemId"),
    )


def edges(node: Element, zone: str | None) -> tuple[datetime, datetime]:
    """Return start and end as we give them: UTC, and whole days in UTC for an all-day event."""
    starts_at, ends_at = required_moment(node, "Start"), required_moment(node, "End")
    if not flag(node, "IsAllDayEvent"):
        return starts_at, ends_at
    return _midnight(starts_at, zone), _midnight(ends_at, zone)


def uid(node: Element) -> str | None:
    """Return the iCalendar id, which all occurrences of a series share over EWS."""
    return optional_text(node, "UID")


def item_id(node: Element) -> str | None:
    """Return the item's id, in the form we give out."""
    return object_id(node, "ItemId")


def _midnight(at: datetime, zone: str | None) -> datetime:
    """Return midnight UTC of the day that begins at ``at`` in the event's zone.

    EWS gives midnight of the event's own zone. Without its name the nearest midnight is taken, which is right
    from UTC−12 to UTC+12.
    """
    local = at + timedelta(hours=12) if zone is None else at.astimezone(ZoneInfo(zone))
    return datetime(local.year, local.month, local.day, tzinfo=UTC)


def _attendees(node: Element) -> tuple[Attendee, ...]:
    found: list[Attendee] = []
    for list_name, kind in _ATTENDEES:
        for attendee in node.iterfind(f"{T}{list_name}/{T}Attendee"):
            who = mailbox(attendee)
            if who is not None:
                answer = _RESPONSES.get(text(attendee, "ResponseType").strip(), Response.NONE)
                found.append(Attendee(who=who, kind=kind, response=answer))
    return tuple(found)
