"""Graph's calendar and event to ours."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from ostiary.adapters.graph.codec.json_shape import (
    JSONObject,
    as_object,
    broken,
    count,
    flag,
    moment,
    objects,
    optional_text,
    parse_moment,
    recipient,
    required_text,
    text,
    texts,
)
from ostiary.adapters.graph.codec.recurrence import recurrence
from ostiary.core.calendar.model import (
    Attendee,
    AttendeeKind,
    Calendar,
    CalendarEvent,
    EventKind,
    Response,
    Sensitivity,
    Series,
    ShowAs,
)
from ostiary.core.calendar.time_zones import iana_zone_name

CALENDAR_FIELDS: Final = "id,name,isDefaultCalendar,canEdit"
EVENT_FIELDS: Final = (
    "id,changeKey,seriesMasterId,iCalUId,type,subject,start,end,isAllDay,originalStartTimeZone,location,showAs,"
    "isCancelled,sensitivity,isOrganizer,organizer,attendees,responseStatus,isOnlineMeeting,onlineMeeting,onlineMeetingUrl,"
    "bodyPreview,body,categories,isReminderOn,reminderMinutesBeforeStart,originalStart,recurrence"
)
SERIES_FIELDS: Final = f"{EVENT_FIELDS},cancelledOccurrences"
PREVIEW_LIMIT: Final = 255

_KINDS: Final = {
    "singleinstance": EventKind.SINGLE,
    "occurrence": EventKind.OCCURRENCE,
    "exception": EventKind.EXCEPTION,
    "seriesmaster": EventKind.SERIES,
}
SHOW_AS: Final = {
    "free": ShowAs.FREE,
    "tentative": ShowAs.TENTATIVE,
    "busy": ShowAs.BUSY,
    "oof": ShowAs.OUT_OF_OFFICE,
    "workingelsewhere": ShowAs.WORKING_ELSEWHERE,
}
_SENSITIVITIES: Final = {each.value: each for each in Sensitivity}
_RESPONSES: Final = {
    "organizer": Response.ORGANIZER,
    "tentativelyaccepted": Response.TENTATIVE,
    "accepted": Response.ACCEPTED,
    "declined": Response.DECLINED,
}


def calendar(entity: JSONObject) -> Calendar:
    """Return a calendar."""
    return Calendar(
        id=required_text(entity, "id"),
        name=text(entity, "name"),
        is_default=flag(entity, "isDefaultCalendar"),
        can_edit=flag(entity, "canEdit"),
    )


def event(entity: JSONObject, *, calendar_id: str | None) -> CalendarEvent:
    """Return an event or occurrence. ``calendar_id`` is the calendar that was asked for."""
    is_all_day = flag(entity, "isAllDay")
    zone = iana_zone_name(optional_text(entity, "originalStartTimeZone"))
    starts_at, ends_at = edge(entity, "start"), edge(entity, "end")
    if is_all_day:
        starts_at, ends_at = _midnight(starts_at, zone), _midnight(ends_at, zone)
    is_organizer = flag(entity, "isOrganizer")
    plain, html = _body(entity.get("body"))
    original = moment(entity, "originalStart")
    if original is not None and not 1600 <= original.year < 9000:
        raise broken("originalStart")
    return CalendarEvent(
        id=required_text(entity, "id"),
        calendar_id=calendar_id,
        series_id=optional_text(entity, "seriesMasterId"),
        ical_uid=optional_text(entity, "iCalUId"),
        kind=_KINDS.get(text(entity, "type").lower(), EventKind.SINGLE),
        subject=text(entity, "subject"),
        starts_at=starts_at,
        ends_at=ends_at,
        is_all_day=is_all_day,
        time_zone=zone,
        location=_location(entity),
        show_as=SHOW_AS.get(text(entity, "showAs").lower(), ShowAs.UNKNOWN),
        is_cancelled=flag(entity, "isCancelled"),
        sensitivity=_SENSITIVITIES.get(text(entity, "sensitivity").lower(), Sensitivity.NORMAL),
        is_organizer=is_organizer,
        organizer=recipient(entity.get("organizer")),
        attendees=tuple(_attendee(who) for who in objects(entity, "attendees")),
        my_response=Response.ORGANIZER if is_organizer else _response(entity.get("responseStatus")),
        online_meeting_url=_online_meeting_url(entity),
        preview=text(entity, "bodyPreview")[:PREVIEW_LIMIT],
        version=text(entity, "changeKey"),
        text=plain,
        html=html,
        categories=texts(entity, "categories"),
        reminder_minutes=count(entity, "reminderMinutesBeforeStart")
        if flag(entity, "isReminderOn")
        else None,
        is_online_meeting=flag(entity, "isOnlineMeeting"),
        recurrence=recurrence(entity.get("recurrence")),
        original_starts_at=_midnight(original, zone) if original and is_all_day else original,
    )


def series(entity: JSONObject) -> Series:
    """Return a series, read with :data:`SERIES_FIELDS`, its exceptions and its calendar expanded."""
    exceptions = [event(each, calendar_id=None) for each in objects(entity, "exceptionOccurrences")]
    days = tuple(_cancelled_on(each) for each in texts(entity, "cancelledOccurrences"))
    home = entity.get("calendar")
    calendar_id = None if home is None else required_text(as_object(home, "calendar"), "id")
    return Series(event(entity, calendar_id=calendar_id), tuple(exceptions), tuple(sorted(days)))


def _cancelled_on(name: str) -> date:
    """Return the day in ``OID.<series>.<day>``, the name of a meeting that is gone (graph.md §5)."""
    try:
        return date.fromisoformat(name[-10:])
    except ValueError as error:
        raise broken("cancelledOccurrences") from error


def _body(value: object) -> tuple[str | None, str | None]:
    """Return the body as plain text or as HTML; neither where it is empty."""
    if value is None:
        return None, None
    body = as_object(value, "body")
    content = text(body, "content")
    if not content.strip():
        return None, None
    return (None, content) if text(body, "contentType").lower() == "html" else (content, None)


def edge(entity: JSONObject, name: str) -> datetime:
    """Return an edge such as ``start`` as UTC; the zone beside it is UTC, since no other was asked for."""
    pair = as_object(entity.get(name), name)
    at = parse_moment(required_text(pair, "dateTime"))
    zone = iana_zone_name(optional_text(pair, "timeZone"))
    if zone is None:
        raise broken(f"{name}.timeZone")
    if not 1600 <= at.year < 9000:
        raise broken(f"{name}.dateTime")
    return at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _midnight(at: datetime, zone: str | None) -> datetime:
    """Return midnight UTC of the day that an all-day edge names.

    Graph gives such an edge as midnight UTC. Where it is not midnight, the event's own zone tells the day.
    """
    is_midnight = at.time() == time(0)
    day = at.date() if is_midnight or zone is None else at.astimezone(ZoneInfo(zone)).date()
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _location(entity: JSONObject) -> str:
    place = entity.get("location")
    return "" if place is None else text(as_object(place, "location"), "displayName")


def _attendee(entity: JSONObject) -> Attendee:
    who = recipient(entity)
    if who is None:
        raise broken("attendees")
    try:
        kind = AttendeeKind(text(entity, "type").lower())
    except ValueError:
        kind = AttendeeKind.REQUIRED
    return Attendee(who=who, kind=kind, response=_response(entity.get("status")))


def _response(status: object) -> Response:
    if status is None:
        return Response.NONE
    word = text(as_object(status, "responseStatus"), "response").lower()
    return _RESPONSES.get(word, Response.NONE)


def _online_meeting_url(entity: JSONObject) -> str | None:
    meeting = entity.get("onlineMeeting")
    if meeting is not None:
        url = optional_text(as_object(meeting, "onlineMeeting"), "joinUrl")
        if url:
            return url
    return optional_text(entity, "onlineMeetingUrl") or None
