"""Calendar events and calendars as Graph writes them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from m365_emulator.graph.call import Call
from m365_emulator.world.mailbox import CalendarEvent, Folder, Location
from m365_emulator.world.mailbox.bodies import preview
from m365_emulator.world.mailbox.timezones import to_local

from .fields import Field, Shape
from .messages import body_json
from .recurrence import recurrence_json
from .values import moment, moment_in_zone, recipient

ONLINE_PROVIDERS = ("teamsForBusiness",)


def _when(call: Call, event: CalendarEvent, *, end: bool) -> dict[str, str]:
    zone = call.preferences.time_zone or "UTC"
    at = event.end if end else event.start
    if event.is_all_day:
        # An all-day event is a date, not a moment: its midnight is shown in whatever zone is asked for.
        wall = to_local(at, event.start_zone)
        return {"dateTime": wall.isoformat()[:19] + ".0000000", "timeZone": zone}
    return moment_in_zone(at, zone)


def _location(place: Location) -> dict[str, Any]:
    found: dict[str, Any] = {
        "displayName": place.display_name,
        "locationType": place.kind,
        "uniqueId": place.display_name,
        "uniqueIdType": "private",
    }
    if place.email:
        found["locationEmailAddress"] = place.email
    if place.uri:
        found["locationUri"] = place.uri
    if place.address:
        found["address"] = dict(place.address)
    if place.coordinates:
        found["coordinates"] = dict(place.coordinates)
    return found


def _first_location(call: Call, event: CalendarEvent) -> dict[str, Any]:
    if event.locations:
        return _location(event.locations[0])
    return {
        "displayName": "",
        "locationType": "default",
        "uniqueIdType": "unknown",
        "address": {},
        "coordinates": {},
    }


def _attendees(call: Call, event: CalendarEvent) -> list[dict[str, Any]]:
    zone = call.preferences.time_zone or "UTC"
    found: list[dict[str, Any]] = []
    for attendee in event.attendees:
        one: dict[str, Any] = {
            "type": attendee.kind,
            "status": {
                "response": attendee.response,
                "time": moment(attendee.responded_at) or "0001-01-01T00:00:00Z",
            },
            "emailAddress": {
                "name": attendee.recipient.name or attendee.recipient.address,
                "address": attendee.recipient.address,
            },
        }
        if attendee.proposed_start and attendee.proposed_end:
            one["proposedNewTime"] = {
                "start": moment_in_zone(attendee.proposed_start, zone),
                "end": moment_in_zone(attendee.proposed_end, zone),
            }
        found.append(one)
    return found


def _online(call: Call, event: CalendarEvent) -> dict[str, Any] | None:
    meeting = event.online_meeting
    if meeting is None:
        return None
    return {
        "joinUrl": meeting.join_url,
        "conferenceId": meeting.conference_id,
        "tollNumber": meeting.toll_number,
    }


def _series_master_id(call: Call, event: CalendarEvent) -> str | None:
    if event.original_start is None:
        return None
    ids = call.mailbox.ids
    if call.preferences.immutable_ids:
        return ids.immutable_id(event.identity)
    return ids.rest_id(event.folder.number, event.entry)


def _uid(call: Call, event: CalendarEvent) -> str:
    if event.original_start is None:
        return event.uid
    # In v1.0 each occurrence has an iCalUId of its own: the date is written into the global object id.
    day = to_local(event.original_start, event.start_zone)
    return f"{event.uid[:32]}{day.year:04X}{day.month:02X}{day.day:02X}{event.uid[40:]}"


def _cancelled(call: Call, event: CalendarEvent) -> list[str]:
    master = call.id_of(event)
    return [
        f"OID.{master}.{to_local(at, event.start_zone).date().isoformat()}" for at in sorted(event.cancelled)
    ]


def _web_link(call: Call, event: CalendarEvent) -> str:
    item_id = quote(call.id_of(event), safe="")
    return f"https://outlook.office365.com/owa/?itemid={item_id}&exvsurl=1&path=/calendar/item"


FIELDS: dict[str, Field] = {
    "id": lambda call, e: call.id_of(e),
    "createdDateTime": lambda call, e: moment(e.created_at),
    "lastModifiedDateTime": lambda call, e: moment(e.modified_at),
    "changeKey": lambda call, e: call.mailbox.change_key_of(e),
    "categories": lambda call, e: list(e.categories),
    "transactionId": lambda call, e: e.transaction_id,
    "originalStart": lambda call, e: moment(e.original_start),
    "originalStartTimeZone": lambda call, e: e.start_zone,
    "originalEndTimeZone": lambda call, e: e.end_zone,
    "iCalUId": _uid,
    "reminderMinutesBeforeStart": lambda call, e: e.reminder_minutes,
    "isReminderOn": lambda call, e: e.is_reminder_on,
    "hasAttachments": lambda call, e: e.has_attachments,
    "subject": lambda call, e: e.subject,
    "bodyPreview": lambda call, e: preview(e.body),
    "importance": lambda call, e: e.importance,
    "sensitivity": lambda call, e: e.sensitivity,
    "isAllDay": lambda call, e: e.is_all_day,
    "isCancelled": lambda call, e: e.is_cancelled,
    "isOrganizer": lambda call, e: e.is_organizer,
    "responseRequested": lambda call, e: e.response_requested,
    "seriesMasterId": _series_master_id,
    "showAs": lambda call, e: e.show_as,
    "type": lambda call, e: e.kind,
    "webLink": _web_link,
    "onlineMeetingUrl": lambda call, e: None,
    "isOnlineMeeting": lambda call, e: e.online_meeting is not None,
    "onlineMeetingProvider": lambda call, e: e.online_meeting.provider if e.online_meeting else "unknown",
    "allowNewTimeProposals": lambda call, e: e.allow_new_time_proposals,
    "isDraft": lambda call, e: e.is_draft,
    "hideAttendees": lambda call, e: e.hide_attendees,
    "recurrence": lambda call, e: recurrence_json(e.recurrence, e.start_zone),
    "responseStatus": lambda call, e: {
        "response": e.response,
        "time": moment(e.responded_at) or "0001-01-01T00:00:00Z",
    },
    "body": lambda call, e: body_json(call, e.body),
    "start": lambda call, e: _when(call, e, end=False),
    "end": lambda call, e: _when(call, e, end=True),
    "location": _first_location,
    "locations": lambda call, e: [_location(place) for place in e.locations],
    "attendees": _attendees,
    "organizer": lambda call, e: recipient(e.organizer),
    "onlineMeeting": _online,
    "cancelledOccurrences": _cancelled,
}
"""Source: Graph event resource, v1.0 metadata."""

EVENT = Shape(
    "microsoft.graph.event",
    FIELDS,
    on_request=("originalStart", "cancelledOccurrences"),
    content=("body", "bodyPreview", "attendees", "location", "locations", "onlineMeeting", "organizer"),
    navigation=(
        "attachments",
        "calendar",
        "instances",
        "exceptionOccurrences",
        "extensions",
        "singleValueExtendedProperties",
        "multiValueExtendedProperties",
    ),
)


def event_json(call: Call, event: CalendarEvent, chosen: tuple[tuple[str, Field], ...]) -> dict[str, Any]:
    """Return an event with the chosen properties (of `EVENT.selection`)."""
    found: dict[str, Any] = {"@odata.etag": f'W/"{call.mailbox.change_key_of(event)}"'}
    whole = call.options.select is None
    for name, get in chosen:
        found[name] = get(call, event)
    if whole and event.original_start is not None:
        found["originalStart"] = moment(event.original_start)
    return found


def _owner(call: Call, folder: Folder) -> dict[str, str]:
    return {"name": call.mailbox.display_name, "address": call.mailbox.address}


CALENDAR = Shape(
    "microsoft.graph.calendar",
    {
        "id": lambda call, f: call.mailbox.ids.folder_rest_id(f.number),
        "name": lambda call, f: f.display_name,
        "color": lambda call, f: f.calendar.color if f.calendar else "auto",
        "hexColor": lambda call, f: f.calendar.hex_color if f.calendar else "",
        "isDefaultCalendar": lambda call, f: f.well_known == "calendar",
        "changeKey": lambda call, f: call.mailbox.change_key_of(f),
        "canShare": lambda call, f: True,
        "canViewPrivateItems": lambda call, f: True,
        "canEdit": lambda call, f: True,
        "allowedOnlineMeetingProviders": lambda call, f: list(ONLINE_PROVIDERS),
        "defaultOnlineMeetingProvider": lambda call, f: ONLINE_PROVIDERS[0],
        "isTallyingResponses": lambda call, f: f.well_known == "calendar",
        "isRemovable": lambda call, f: f.well_known is None,
        "owner": _owner,
    },
    navigation=("events", "calendarView", "calendarPermissions"),
)
