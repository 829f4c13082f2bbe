"""The properties of calendar items that a caller may set."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta

from m365_emulator.ews import xml
from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.fields.values import FREE_BUSY, RESPONSE, reverse
from m365_emulator.ews.recurrence_xml import read_recurrence
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.ews.writing.message import COMMON
from m365_emulator.ews.writing.reader import (
    PropertyReader,
    Reader,
    Values,
    flag_of,
    ignored,
    invalid_value,
    person,
    text_of,
    with_directory_names,
    word_of,
)
from m365_emulator.world.mailbox import Attendee, CalendarEvent, Location
from m365_emulator.world.mailbox.timezones import UnknownTimeZone, to_local, to_utc, windows_name

_DEFAULT_LENGTH = timedelta(minutes=30)
# Exchange takes no calendar item that is longer than five years.
_MAX_LENGTH = timedelta(days=5 * 366)
_MAX_REMINDER_MINUTES = 2629800


def _location(reader: Reader, node: Node) -> Values:
    name = (node.text or "").strip()
    return {"locations": (Location(name),) if name else ()}


def _enhanced_location(reader: Reader, node: Node) -> Values:
    name = (node.findtext(f"{xml.T}DisplayName") or "").strip()
    return {"locations": (Location(name),) if name else ()}


def _zone(attribute: str) -> PropertyReader:
    def read(reader: Reader, node: Node) -> Values:
        name = node.get("Id") or node.get("TimeZoneName") or (node.text or "").strip()
        try:
            return {attribute: windows_name(name)}
        except UnknownTimeZone as error:
            raise ResponseError(
                "ErrorCalendarInvalidTimeZone", f"The time zone '{name[:100]}' is not known."
            ) from error

    return read


def _meeting_zone(reader: Reader, node: Node) -> Values:
    name = node.get("TimeZoneName") or ""
    try:
        return {"start_zone": windows_name(name), "end_zone": windows_name(name)} if name else {}
    except UnknownTimeZone:
        # The legacy form may carry a free name with its own rules; the request's zone then stands.
        return {}


def _reminder(reader: Reader, node: Node) -> Values:
    try:
        minutes = int(node.text or "")
    except ValueError as error:
        raise invalid_value(node, "It is not a number.") from error
    if not 0 <= minutes <= _MAX_REMINDER_MINUTES:
        raise invalid_value(node, "It is out of range.")
    return {"reminder_minutes": minutes}


def _attendees(kind: str) -> PropertyReader:
    answers = reverse(RESPONSE)

    def read(reader: Reader, node: Node) -> Values:
        found: list[Attendee] = []
        for child in elements(node):
            mailbox = child.find(f"{xml.T}Mailbox")
            if local_name(child) != "Attendee" or mailbox is None:
                raise ResponseError("ErrorMissingInformationEmailAddress", "The attendee has no mailbox.")
            recipient = with_directory_names(reader, (person(mailbox),))[0]
            answer = (child.findtext(f"{xml.T}ResponseType") or "Unknown").strip()
            # Only the organizer's own line may claim an answer; the others answer for themselves.
            own = recipient.address.lower() == reader.mailbox.address.lower()
            found.append(Attendee(recipient, kind, answers.get(answer, "none") if own else "none"))
        return {f"{kind}_attendees": found}

    return read


def _moment(attribute: str) -> PropertyReader:
    # Read later by `finish_times`, because the zone stands in an element further down.
    def read(reader: Reader, node: Node) -> Values:
        return {f"{attribute}_text": (node.text or "").strip()}

    return read


def _recurrence(reader: Reader, node: Node) -> Values:
    return {"recurrence_node": node}


CALENDAR: Mapping[str, PropertyReader] = {
    **COMMON,
    "ReminderIsSet": flag_of("is_reminder_on"),
    "ReminderMinutesBeforeStart": _reminder,
    "UID": text_of("uid"),
    "RecurrenceId": ignored,
    "DateTimeStamp": ignored,
    "Start": _moment("start"),
    "End": _moment("end"),
    "StartWallClock": ignored,
    "EndWallClock": ignored,
    "IsAllDayEvent": flag_of("is_all_day"),
    "LegacyFreeBusyStatus": word_of("show_as", reverse(FREE_BUSY)),
    "Location": _location,
    "EnhancedLocation": _enhanced_location,
    "IsResponseRequested": flag_of("response_requested"),
    "RequiredAttendees": _attendees("required"),
    "OptionalAttendees": _attendees("optional"),
    "Resources": _attendees("resource"),
    "Recurrence": _recurrence,
    "MeetingTimeZone": _meeting_zone,
    "StartTimeZone": _zone("start_zone"),
    "EndTimeZone": _zone("end_zone"),
    "StartTimeZoneId": _zone("start_zone"),
    "EndTimeZoneId": _zone("end_zone"),
    "ConferenceType": ignored,
    "AllowNewTimeProposal": flag_of("allow_new_time_proposals"),
    "MeetingWorkspaceUrl": ignored,
    "NetShowUrl": ignored,
    "Flag": ignored,
}

CLEARED: Values = {
    "subject": "",
    "locations": (),
    "categories": (),
    "attachments": None,
    "required_attendees": [],
    "optional_attendees": [],
    "resource_attendees": [],
    "recurrence": None,
    "is_reminder_on": False,
    "importance": "normal",
    "sensitivity": "normal",
}
"""What DeleteItemField leaves behind."""


def finish(reader: Reader, values: Values, existing: CalendarEvent | None) -> Values:
    """Turn what was read piecemeal into values of an event: times in their zone, one list of attendees.

    Raises:
        ResponseError: A time cannot be read, or the recurrence makes no series.
    """
    values = dict(values)
    _finish_zones(reader, values, existing)
    _finish_times(reader, values, existing)
    _finish_attendees(values, existing)
    node = values.pop("recurrence_node", None)
    zone = values.get("start_zone") or (existing.start_zone if existing else reader.call.zone)
    if node is not None:
        values["recurrence"] = read_recurrence(node, zone)
    return values


def _finish_zones(reader: Reader, values: Values, existing: CalendarEvent | None) -> None:
    if existing is None:
        values.setdefault("start_zone", reader.call.zone)
        values.setdefault("end_zone", values["start_zone"])


def _finish_times(reader: Reader, values: Values, existing: CalendarEvent | None) -> None:
    start_zone = values.get("start_zone") or (existing.start_zone if existing else "UTC")
    end_zone = values.get("end_zone") or (existing.end_zone if existing else start_zone)
    start_text, end_text = values.pop("start_text", None), values.pop("end_text", None)
    if start_text is not None:
        values["start"] = reader.call.moment(start_text, start_zone)
    elif existing is None:
        values["start"] = _next_half_hour(reader.mailbox.now())
    if end_text is not None:
        values["end"] = reader.call.moment(end_text, end_zone)
    elif existing is None:
        values["end"] = values["start"] + _DEFAULT_LENGTH
    elif start_text is not None and values["start"] > existing.end:
        # A start moved past the end takes the end along, as Exchange does.
        values["end"] = values["start"] + existing.duration
    _check_length(values, existing)
    all_day = values.get("is_all_day", existing.is_all_day if existing else False)
    if all_day and ("start" in values or "end" in values or "is_all_day" in values):
        start = values.get("start") or (existing.start if existing else None)
        end = values.get("end") or (existing.end if existing else None)
        if start is not None and end is not None:
            values["start"], values["end"] = _whole_days(start, end, start_zone)
            values["start_zone"] = values["end_zone"] = start_zone


def _check_length(values: Values, existing: CalendarEvent | None) -> None:
    start = values.get("start") or (existing.start if existing else None)
    end = values.get("end") or (existing.end if existing else None)
    if start is not None and end is not None and end - start > _MAX_LENGTH:
        raise ResponseError("ErrorCalendarDurationIsTooLong", "The event is longer than five years.")


def _whole_days(start: datetime, end: datetime, zone: str) -> tuple[datetime, datetime]:
    """Stretch a span to midnights of its zone, which is what Exchange makes of an all-day event."""
    first = to_local(start, zone)
    last = to_local(end, zone)
    first_day = first.date()
    last_day = last.date() if last.time() == time() else last.date() + timedelta(days=1)
    if last_day <= first_day:
        last_day = first_day + timedelta(days=1)
    return to_utc(datetime.combine(first_day, time()), zone), to_utc(datetime.combine(last_day, time()), zone)


def _next_half_hour(now: datetime) -> datetime:
    base = now.replace(minute=0, second=0, microsecond=0)
    return base + timedelta(minutes=30 if now.minute < 30 else 60)


def _finish_attendees(values: Values, existing: CalendarEvent | None) -> None:
    kinds = ("required", "optional", "resource")
    given: dict[str, list[Attendee]] = {
        kind: values.pop(f"{kind}_attendees") for kind in kinds if f"{kind}_attendees" in values
    }
    if not given:
        return
    before: dict[tuple[str, str], Attendee] = (
        {(one.kind, one.recipient.address.lower()): one for one in existing.attendees} if existing else {}
    )
    together: list[Attendee] = []
    for kind in kinds:
        if kind in given:
            # Someone who was invited before keeps the answer given then.
            together += [before.get((kind, one.recipient.address.lower()), one) for one in given[kind]]
        elif existing is not None:
            together += [one for one in existing.attendees if one.kind == kind]
    values["attendees"] = [one.copy() for one in together]
