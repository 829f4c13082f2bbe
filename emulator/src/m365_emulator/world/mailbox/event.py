"""Calendar events: single ones, series masters, occurrences and exceptions."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Any

from .item import NOT_SET, Item, Recipient

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
INDEXES = ("first", "second", "third", "fourth", "last")


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A pattern and a range, in Graph's words; EWS's patterns map onto them.

    `pattern` is daily, weekly, absoluteMonthly, relativeMonthly, absoluteYearly or relativeYearly; `days` lower-case
    English day names (EWS's Day, Weekday and WeekendDay are written out); `end` is noEnd, endDate or numbered.
    Dates are wall-clock dates in `zone`, a Windows time zone name (empty: the zone of the event's start).
    """

    pattern: str
    interval: int = 1
    days: tuple[str, ...] = ()
    day_of_month: int = 0
    month: int = 0
    index: str = "first"
    first_day_of_week: str = "sunday"
    end: str = "noEnd"
    start_on: date = date.min
    end_on: date | None = None
    count: int = 0
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Location:
    """A place; `kind` is default, conferenceRoom, homeAddress, …"""

    display_name: str
    kind: str = "default"
    email: str | None = None
    uri: str | None = None
    address: tuple[tuple[str, str], ...] = ()
    coordinates: tuple[tuple[str, float], ...] = ()


@dataclass(slots=True, eq=False)
class Attendee:
    """Someone invited. `kind` is required, optional or resource; `response` in Graph's words."""

    recipient: Recipient
    kind: str = "required"
    response: str = "none"
    responded_at: datetime | None = None
    proposed_start: datetime | None = None
    proposed_end: datetime | None = None

    def copy(self) -> Attendee:
        """Return an equal one that can be changed on its own."""
        return Attendee(
            self.recipient,
            self.kind,
            self.response,
            self.responded_at,
            self.proposed_start,
            self.proposed_end,
        )


@dataclass(frozen=True, slots=True)
class OnlineMeeting:
    """The joining details of an online meeting."""

    provider: str
    join_url: str
    conference_id: str
    toll_number: str


@dataclass(slots=True, eq=False)
class CalendarEvent(Item):
    """An event. `start` and `end` are UTC; `start_zone` and `end_zone` the Windows names they were given in.

    `kind` is singleInstance, seriesMaster, occurrence or exception. A master keeps its changed occurrences in
    `exceptions` and its deleted ones in `cancelled`, both by original start (UTC). Occurrences are made on demand
    by `recurrence.expand` and share the keys of their master, told apart by `original_start`.
    """

    start: datetime = NOT_SET
    end: datetime = NOT_SET
    start_zone: str = "UTC"
    end_zone: str = "UTC"
    is_all_day: bool = False
    locations: tuple[Location, ...] = ()
    show_as: str = "busy"
    attendees: list[Attendee] = field(default_factory=list)
    organizer: Recipient | None = None
    is_organizer: bool = True
    response: str = "organizer"
    responded_at: datetime | None = None
    response_requested: bool = True
    allow_new_time_proposals: bool = True
    hide_attendees: bool = False
    is_reminder_on: bool = True
    reminder_minutes: int = 15
    recurrence: Recurrence | None = None
    exceptions: dict[datetime, CalendarEvent] = field(default_factory=dict)
    cancelled: set[datetime] = field(default_factory=lambda: set[datetime]())
    kind: str = "singleInstance"
    original_start: datetime | None = None
    uid: str = ""
    transaction_id: str | None = None
    online_meeting: OnlineMeeting | None = None
    is_cancelled: bool = False
    is_draft: bool = False
    sequence: int = 0

    @property
    def duration(self) -> timedelta:
        return self.end - self.start

    @property
    def location(self) -> str:
        """The first place's name, which is what older clients show."""
        return self.locations[0].display_name if self.locations else ""

    @property
    def is_meeting(self) -> bool:
        return bool(self.attendees)

    def copy(self, **changes: Any) -> CalendarEvent:
        """Return a copy with other values; attendees are copied too, attachments are shared."""
        twin = CalendarEvent.__new__(CalendarEvent)
        for name in _FIELD_NAMES:
            object.__setattr__(twin, name, getattr(self, name))
        twin.attendees = [attendee.copy() for attendee in self.attendees]
        twin.exceptions = {}
        twin.cancelled = set()
        for name, value in changes.items():
            setattr(twin, name, value)
        return twin


_FIELD_NAMES = tuple(entry.name for entry in fields(CalendarEvent))
