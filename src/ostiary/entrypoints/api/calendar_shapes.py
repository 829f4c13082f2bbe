"""What the API shows of calendars and events."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.calendar.model import AttendeeKind, EventKind, Response, Sensitivity, ShowAs
from ostiary.core.calendar.recurrence import Pattern, Weekday, WeekIndex
from ostiary.entrypoints.api.shapes import AnswerShape

_TOM: Final = {"address": "tom.ellis@harbourvale.example", "name": "Tom Ellis"}
_DANA: Final = {"address": "dana.okafor@harbourvale.example", "name": "Dana Okafor"}
_WEEKLY: Final = {
    "pattern": "weekly",
    "interval": 1,
    "days": ["tuesday"],
    "day_of_month": None,
    "month": None,
    "index": None,
    "week_starts_on": "monday",
    "starts_on": "2026-11-24",
    "ends_on": None,
    "count": 10,
}
_EVENT: Final[dict[str, Any]] = {
    "id": "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0B",
    "calendar_id": None,
    "series_id": "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A",
    "ical_uid": "040000008200E00074C5B7101A82E008",
    "kind": "occurrence",
    "subject": "Weekly planning",
    "starts_at": "2026-11-24T09:00:00Z",
    "ends_at": "2026-11-24T09:30:00Z",
    "is_all_day": False,
    "time_zone": "Europe/Berlin",
    "original_starts_at": "2026-11-24T09:00:00Z",
    "location": "Room 2",
    "show_as": "busy",
    "is_cancelled": False,
    "is_private": False,
    "sensitivity": "normal",
    "is_organizer": True,
    "organizer": _TOM,
    "attendees": [{"who": _DANA, "kind": "required", "response": "accepted"}],
    "my_response": "organizer",
    "is_online_meeting": False,
    "online_meeting_url": None,
    "preview": "Figures of the week",
    "text": "Figures of the week",
    "html": None,
    "categories": [],
    "reminder_minutes": 15,
    "recurrence": None,
    "version": "CQAAABYAAAB",
}
_SERIES: Final[dict[str, Any]] = {
    **_EVENT,
    "id": _EVENT["series_id"],
    "series_id": None,
    "kind": "series",
    "original_starts_at": None,
    "recurrence": _WEEKLY,
}


def _shape(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(from_attributes=True, frozen=True, json_schema_extra={"examples": list(examples)})


class CalendarShape(AnswerShape):
    """A calendar."""

    model_config = _shape(
        {
            "id": "AQMkADAwATM0MDAAMS1hNmQ4LWIwAC4AAAQ",
            "name": "Calendar",
            "is_default": True,
            "can_edit": True,
        }
    )

    id: str
    name: str
    is_default: bool
    can_edit: bool


class PersonShape(AnswerShape):
    """Somebody's name and address."""

    address: str
    name: str


class AttendeeShape(AnswerShape):
    """Somebody invited."""

    who: PersonShape
    kind: AttendeeKind
    response: Response


class RecurrenceShape(AnswerShape):
    """How a series repeats. Its days are days in the event's time zone."""

    model_config = _shape(_WEEKLY)

    pattern: Pattern
    interval: int
    days: list[Weekday]
    day_of_month: Annotated[int | None, Field(description="In a shorter month its last day is meant.")]
    month: int | None
    index: WeekIndex | None
    week_starts_on: Weekday
    starts_on: date
    ends_on: Annotated[
        date | None,
        Field(description="The last day that may hold a meeting; null with `count` null: no end."),
    ]
    count: int | None


class EventShape(AnswerShape):
    """An event, or one meeting of a series, complete in itself."""

    model_config = _shape(_EVENT, _SERIES)

    id: Annotated[str, Field(description="Opaque and case-sensitive.")]
    calendar_id: Annotated[
        str | None,
        Field(
            description="The calendar that was asked for; null for the default one and for a single event."
        ),
    ]
    series_id: Annotated[str | None, Field(description="The series this is a meeting of.")]
    ical_uid: str | None
    kind: EventKind
    subject: str
    starts_at: Annotated[
        AwareDatetime, Field(description="UTC. All-day events: midnight UTC of the first day.")
    ]
    ends_at: Annotated[
        AwareDatetime, Field(description="UTC, exclusive. All-day events: midnight UTC after the last day.")
    ]
    is_all_day: bool
    time_zone: Annotated[
        str | None, Field(description="IANA name of the zone the event lives in, where known.")
    ]
    original_starts_at: Annotated[
        AwareDatetime | None,
        Field(description="Where a meeting stood in its series before anybody moved it: names it for good."),
    ]
    location: str
    show_as: ShowAs
    is_cancelled: bool
    is_private: bool
    sensitivity: Sensitivity
    is_organizer: bool
    organizer: PersonShape | None
    attendees: list[AttendeeShape]
    my_response: Response
    is_online_meeting: bool
    online_meeting_url: str | None
    preview: str
    text: Annotated[str | None, Field(description="The body, where it is plain text.")]
    html: Annotated[
        str | None,
        Field(description="The body, where it is HTML: a stranger's, to be cleaned before it is shown."),
    ]
    categories: list[str]
    reminder_minutes: Annotated[int | None, Field(description="Null: no reminder.")]
    recurrence: Annotated[RecurrenceShape | None, Field(description="Only of a series.")]
    version: str


class SeriesShape(AnswerShape):
    """A series with everything that sets single meetings of it apart."""

    model_config = _shape({"event": _SERIES, "exceptions": [], "cancelled_on": ["2026-12-29"]})

    event: Annotated[EventShape, Field(description="Its times are those of the first meeting.")]
    exceptions: Annotated[list[EventShape], Field(description="Changed meetings, by original start.")]
    cancelled_on: Annotated[
        list[date], Field(description="Days, in the zone of the series, whose meetings were taken out.")
    ]


class BusyTimeShape(AnswerShape):
    """A stretch of somebody's calendar."""

    starts_at: AwareDatetime
    ends_at: AwareDatetime
    show_as: ShowAs
    subject: Annotated[str | None, Field(description="Only where its owner lets the person see it.")]
    location: str | None


class WorkingHoursShape(AnswerShape):
    """When somebody works, by the clock of one zone."""

    days: list[Weekday]
    from_minute: Annotated[int, Field(description="Minutes after midnight.")]
    to_minute: Annotated[
        int, Field(description="Minutes after midnight; not after `from_minute`: on the next day.")
    ]
    zone: Annotated[str, Field(description="IANA name; over EWS of a zone that keeps the same clock.")]


class ScheduleShape(AnswerShape):
    """What is known of one person's time."""

    model_config = _shape(
        {
            "address": "dana.okafor@harbourvale.example",
            "busy": [
                {
                    "starts_at": "2026-11-24T09:00:00Z",
                    "ends_at": "2026-11-24T09:30:00Z",
                    "show_as": "busy",
                    "subject": None,
                    "location": None,
                }
            ],
            "working_hours": {
                "days": ["monday", "tuesday", "wednesday", "thursday", "friday"],
                "from_minute": 480,
                "to_minute": 1020,
                "zone": "Europe/Berlin",
            },
            "problem": None,
        }
    )

    address: str
    busy: list[BusyTimeShape]
    working_hours: WorkingHoursShape | None
    problem: Annotated[
        str | None,
        Field(description="Microsoft's code for why nothing is known, such as `ErrorMailRecipientNotFound`."),
    ]


class SchedulesShape(AnswerShape):
    """Several people's time, in the order they were named."""

    items: list[ScheduleShape]


class SlotShape(AnswerShape):
    """A time at which a meeting fits."""

    starts_at: AwareDatetime
    ends_at: AwareDatetime


class FreeSlotsShape(AnswerShape):
    """Times at which everybody is free."""

    model_config = _shape(
        {
            "items": [{"starts_at": "2026-11-24T10:00:00Z", "ends_at": "2026-11-24T10:30:00Z"}],
            "unknown": ["guest@other-company.example"],
        }
    )

    items: Annotated[list[SlotShape], Field(description="By start, 200 at most.")]
    unknown: Annotated[
        list[str], Field(description="People of whose time nothing is known: they count as free.")
    ]


class CalendarCapabilitiesShape(AnswerShape):
    """Where Microsoft's two ways differ for calendars."""

    stable_event_ids: Annotated[
        bool, Field(description="Whether an event keeps its id when it moves to another calendar.")
    ]
    can_stay_silent: Annotated[
        bool, Field(description="Whether `notify=false` is possible for a meeting with attendees.")
    ]
    online_meetings: Annotated[
        bool, Field(description="Whether an online meeting can be made. Its link is always told.")
    ]
    same_uid_for_occurrences: Annotated[
        bool, Field(description="Whether all meetings of a series share one `ical_uid`.")
    ]
    if_match_on_delete: Annotated[
        bool,
        Field(
            description="Whether Microsoft itself checks `If-Match` of a delete; else we look just before, and a "
            "change in between goes unnoticed."
        ),
    ]
    own_zone_has_a_name: Annotated[
        bool,
        Field(description="Whether the owner's zone is known by name; else one with the same clock is used."),
    ]
    split_keeps_attachments: Annotated[
        bool,
        Field(
            description="Whether a change with `scope=following` takes along what is attached to the series; else it "
            "stays with the old one."
        ),
    ]
    longest_window_days: int
    longest_free_busy_days: int
    most_free_busy_people: int
    most_attendees: int
    most_answered_meetings: Annotated[
        int, Field(description="Meetings that one answer with `scope=following` reaches.")
    ]
