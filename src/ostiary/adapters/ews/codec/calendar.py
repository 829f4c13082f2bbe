"""EWS's calendar folders and items to ours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ostiary.adapters.ews.codec.recurrence import recurrence
from ostiary.adapters.ews.codec.xml_shape import (
    broken,
    change_key,
    count,
    flag,
    mailbox,
    moment,
    object_id,
    optional_text,
    required_id,
    required_moment,
    text,
    texts,
)
from ostiary.adapters.ews.soap import Element, T
from ostiary.core.calendar.model import (
    Attendee,
    AttendeeKind,
    Calendar,
    CalendarEvent,
    EventKind,
    Response,
    Sensitivity,
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
    "item:Body",
    "item:Categories",
    "item:ReminderIsSet",
    "item:ReminderMinutesBeforeStart",
    "calendar:OriginalStart",
    "calendar:IsOnlineMeeting",
    "calendar:Recurrence",
)
SERIES_FIELDS: Final = (
    *EVENT_FIELDS,
    "item:ParentFolderId",
    "calendar:ModifiedOccurrences",
    "calendar:DeletedOccurrences",
)
BODY_TYPE: Final = "Best"
"""The body as it is stored: HTML stays HTML, text stays text."""
CALENDAR_CLASS: Final = "IPF.Appointment"
PREVIEW_LIMIT: Final = 255

_KINDS: Final = {
    "Single": EventKind.SINGLE,
    "Occurrence": EventKind.OCCURRENCE,
    "Exception": EventKind.EXCEPTION,
    "RecurringMaster": EventKind.SERIES,
}
SHOW_AS: Final = {
    "Free": ShowAs.FREE,
    "Tentative": ShowAs.TENTATIVE,
    "Busy": ShowAs.BUSY,
    "OOF": ShowAs.OUT_OF_OFFICE,
    "WorkingElsewhere": ShowAs.WORKING_ELSEWHERE,
}
_SENSITIVITIES: Final = {each.value.capitalize(): each for each in Sensitivity}
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
    plain, html = _body(node)
    original = moment(node, "OriginalStart")
    if original is not None and not 1600 <= original.year < 9000:
        raise broken("OriginalStart")
    is_all_day = flag(node, "IsAllDayEvent")
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
        is_all_day=is_all_day,
        time_zone=zone,
        location=text(node, "Location"),
        show_as=SHOW_AS.get(text(node, "LegacyFreeBusyStatus").strip(), ShowAs.UNKNOWN),
        is_cancelled=flag(node, "IsCancelled"),
        sensitivity=_SENSITIVITIES.get(text(node, "Sensitivity").strip(), Sensitivity.NORMAL),
        is_organizer=is_organizer,
        organizer=mailbox(node.find(f"{T}Organizer")),
        attendees=_attendees(node),
        my_response=Response.ORGANIZER if is_organizer else my_response,
        online_meeting_url=optional_text(node, "JoinOnlineMeetingUrl"),
        preview=text(node, "Preview")[:PREVIEW_LIMIT],
        version=change_key(node, "ItemId"),
        text=plain,
        html=html,
        categories=texts(node, "Categories"),
        reminder_minutes=count(node, "ReminderMinutesBeforeStart") if flag(node, "ReminderIsSet") else None,
        is_online_meeting=flag(node, "IsOnlineMeeting"),
        recurrence=recurrence(node.find(f"{T}Recurrence")),
        original_starts_at=_midnight(original, zone) if original and is_all_day else original,
    )


def exception_ids(node: Element) -> list[str]:
    """Return the ids of the changed meetings of a series."""
    found = node.iterfind(f"{T}ModifiedOccurrences/{T}Occurrence")
    return [required_id(occurrence, "ItemId") for occurrence in found]


def cancelled_on(node: Element) -> tuple[date, ...]:
    """Return the days, in the zone of the series, whose meetings were taken out."""
    name = iana_zone_name(optional_text(node, "StartTimeZoneId"))
    zone = ZoneInfo(name or "Etc/UTC")
    found = node.iterfind(f"{T}DeletedOccurrences/{T}DeletedOccurrence")
    return tuple(sorted(required_moment(each, "Start").astimezone(zone).date() for each in found))


def parent_id(node: Element) -> str:
    """Return the id of the calendar an event is in."""
    found = object_id(node, "ParentFolderId")
    if found is None:
        raise broken("ParentFolderId")
    return found


def _body(node: Element) -> tuple[str | None, str | None]:
    """Return the body as plain text or as HTML; neither where it is empty."""
    body = node.find(f"{T}Body")
    content = "" if body is None else body.text or ""
    if body is None or not content.strip():
        return None, None
    return (None, content) if body.get("BodyType") == "HTML" else (content, None)


def edges(node: Element, zone: str | None) -> tuple[datetime, datetime]:
    """Return start and end as we give them: UTC, and whole days in UTC for an all-day event."""
    starts_at, ends_at = required_moment(node, "Start"), required_moment(node, "End")
    if not 1600 <= starts_at.year <= ends_at.year < 9000:
        raise broken("Start")
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
