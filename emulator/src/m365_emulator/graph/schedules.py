"""getSchedule and findMeetingTimes."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from m365_emulator.world.mailbox import Mailbox
from m365_emulator.world.mailbox.schedule import BusyBlock, busy_blocks, meeting_times, merged_view

from .access import CALENDAR_READ_BASIC, MEETING_TIMES
from .call import Call, Reply
from .errors import GraphError, bad_request
from .inputs.values import (
    choice_of,
    list_of,
    member,
    object_of,
    recipient_of,
    text_of,
    truth_of,
    zoned_moment_of,
)
from .operations import Operations
from .settings import working_hours_json
from .shapes.values import moment_in_zone

operations = Operations()
LONGEST_WINDOW = timedelta(days=62)
MOST_SCHEDULES = 100
_DURATION = re.compile(r"^P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})(?:\.\d+)?S)?)?$")


@operations.post("/{mailbox}/calendars/{calendar}/getSchedule", CALENDAR_READ_BASIC)
def get_schedule(call: Call) -> Reply:
    """Return when people are taken; what is wrong with one address is told beside it."""
    return _schedule(call)


@operations.post("/{mailbox}/findMeetingTimes", MEETING_TIMES)
def find_meeting_times(call: Call) -> Reply:
    """Suggest times for a meeting."""
    body = call.json()
    zone = call.preferences.time_zone or "UTC"
    attendees = [object_of(one, "attendees") for one in list_of(member(body, "attendees"), "attendees")]
    people = [recipient_of(one, "attendees") for one in attendees]
    constraint = object_of(member(body, "timeConstraint") or {}, "timeConstraint")
    domain = choice_of(
        member(constraint, "activityDomain") or "work",
        "activityDomain",
        ("unknown", "work", "personal", "unrestricted"),
    )
    length = _duration_of(member(body, "meetingDuration"))
    wish = member(body, "maxCandidates")
    most = wish if isinstance(wish, int) and not isinstance(wish, bool) and 1 <= wish <= 100 else 20
    least = member(body, "minimumAttendeePercentage")
    optional = member(body, "isOrganizerOptional")
    is_optional = truth_of(optional, "isOrganizerOptional") if optional is not None else False
    found = meeting_times(
        call.mailbox,
        [call.world.find_mailbox(one.address) for one in people],
        _slots_of(call, constraint),
        length,
        only_working_hours=domain in ("work", "unknown"),
        organizer_optional=is_optional,
        least_percentage=float(least)
        if isinstance(least, (int, float)) and not isinstance(least, bool)
        else 50.0,
        most=most,
    )
    suggestions = [
        {
            "confidence": one.confidence,
            "organizerAvailability": "free",
            "suggestionReason": "Suggested because it is one of the nearest times when all attendees are available."
            if truth_of(member(body, "returnSuggestionReasons") or False, "returnSuggestionReasons")
            else "",
            "order": number,
            "meetingTimeSlot": {
                "start": moment_in_zone(one.start, zone),
                "end": moment_in_zone(one.end, zone),
            },
            "attendeeAvailability": [
                {
                    "availability": state,
                    "attendee": {
                        "type": choice_of(
                            member(entry, "type") or "required", "type", ("required", "optional", "resource")
                        ),
                        "emailAddress": {"address": person.address},
                    },
                }
                for person, entry, state in zip(people, attendees, one.availability, strict=True)
            ],
            "locations": [],
        }
        for number, one in enumerate(found, start=1)
    ]
    return Reply(
        json={
            "@odata.context": f"{call.root}/$metadata#microsoft.graph.meetingTimeSuggestionsResult",
            "emptySuggestionsReason": "" if suggestions else "attendeesUnavailable",
            "meetingTimeSuggestions": suggestions,
        }
    )


def _schedule(call: Call) -> Reply:
    body = call.json()
    names = [text_of(one, "schedules", limit=320) for one in list_of(member(body, "schedules"), "schedules")]
    if not 1 <= len(names) <= MOST_SCHEDULES:
        raise bad_request(
            f"Between 1 and {MOST_SCHEDULES} schedules can be asked for.", "ErrorInvalidParameter"
        )
    start, _ = zoned_moment_of(member(body, "startTime"), "startTime")
    end, _ = zoned_moment_of(member(body, "endTime"), "endTime")
    interval = member(body, "availabilityViewInterval")
    minutes = 30 if interval is None else interval
    if isinstance(minutes, bool) or not isinstance(minutes, int) or not 5 <= minutes <= 1440:
        raise bad_request(
            "availabilityViewInterval must be between 5 and 1440.", "ErrorInvalidMergedFreeBusyInterval"
        )
    step = timedelta(minutes=minutes)
    if end <= start or end - start > LONGEST_WINDOW or end - start < step:
        raise GraphError(400, "ErrorInvalidTimeInterval", "The requested time duration is not valid.")
    value = [_one(call, name, start, end, step) for name in names]
    return Reply(
        json={
            "@odata.context": f"{call.root}/$metadata#Collection(microsoft.graph.scheduleInformation)",
            "value": value,
        }
    )


def _one(call: Call, name: str, start: datetime, end: datetime, step: timedelta) -> dict[str, Any]:
    mailbox = call.world.find_mailbox(name) if "@" in name else None
    if mailbox is None:
        return {
            "scheduleId": name,
            "availabilityView": "",
            "scheduleItems": [],
            "error": {
                "message": f"Unable to resolve e-mail address {name} to an Active Directory object.",
                "responseCode": "ErrorMailRecipientNotFound" if "@" in name else "ErrorInvalidSmtpAddress",
            },
        }
    blocks = busy_blocks(mailbox, start, end)
    full = mailbox is call.mailbox
    zone = call.preferences.time_zone or "UTC"
    return {
        "scheduleId": name,
        "availabilityView": merged_view(blocks, start, end, step),
        "scheduleItems": [_item(block, zone, full=full) for block in blocks],
        "workingHours": _hours(mailbox),
    }


def _hours(mailbox: Mailbox) -> dict[str, Any]:
    return working_hours_json(mailbox.settings.working_hours, mailbox.time_zone)


def _item(block: BusyBlock, zone: str, *, full: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "status": block.show_as,
        "start": moment_in_zone(block.start, zone),
        "end": moment_in_zone(block.end, zone),
    }
    if full:
        # Colleagues see when somebody is taken, not by what.
        found |= {
            "isPrivate": block.is_private,
            "subject": block.subject,
            "location": block.location,
        }
    return found


def _duration_of(value: Any) -> timedelta:
    if value is None:
        return timedelta(minutes=30)
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None or not any(match.groups()):
        raise bad_request("The meetingDuration is no ISO 8601 duration.", "ErrorInvalidRequest")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not timedelta(minutes=1) <= length <= timedelta(days=1):
        raise bad_request(
            "The meetingDuration must be between one minute and one day.", "ErrorInvalidRequest"
        )
    return length


def _slots_of(call: Call, constraint: dict[str, Any]) -> list[tuple[datetime, datetime]]:
    given = list_of(member(constraint, "timeSlots") or member(constraint, "timeslots"), "timeSlots")
    if not given:
        now = call.mailbox.now()
        return [(now, now + timedelta(days=7))]
    found: list[tuple[datetime, datetime]] = []
    for one in given[:20]:
        slot = object_of(one, "timeSlots")
        start, _ = zoned_moment_of(member(slot, "start"), "timeSlots/start")
        end, _ = zoned_moment_of(member(slot, "end"), "timeSlots/end")
        if end <= start or end - start > LONGEST_WINDOW:
            raise bad_request("A time slot ends before it starts or is too long.", "ErrorInvalidRequest")
        found.append((start, end))
    return found
