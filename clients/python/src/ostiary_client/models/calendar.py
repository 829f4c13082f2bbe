"""Calendars, events, and people's time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from ostiary_client.models.mail import Address

Pattern = Literal[
    "daily", "weekly", "absolute_monthly", "relative_monthly", "absolute_yearly", "relative_yearly"
]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WeekIndex = Literal["first", "second", "third", "fourth", "last"]
ShowAs = Literal["free", "tentative", "busy", "out_of_office", "working_elsewhere", "unknown"]
Sensitivity = Literal["normal", "personal", "private", "confidential"]
AttendeeKind = Literal["required", "optional", "resource"]
Response = Literal["none", "organizer", "accepted", "tentative", "declined"]
Answer = Literal["accept", "tentative", "decline"]
Scope = Literal["this", "following", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A calendar."""

    id: str
    name: str
    is_default: bool
    can_edit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendee:
    """Somebody invited."""

    who: Address
    kind: AttendeeKind
    response: Response


@dataclass(frozen=True, slots=True)
class Invitee:
    """Somebody to invite."""

    address: str
    name: str = ""
    kind: AttendeeKind = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """How an event shall repeat, from its own first day on.

    Give ``ends_on`` or ``count``, or neither for a series without end.
    """

    pattern: Pattern
    interval: int = 1
    days: tuple[Weekday, ...] = ()
    day_of_month: int | None = None
    month: int | None = None
    index: WeekIndex | None = None
    week_starts_on: Weekday = "monday"
    ends_on: date | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """How a series repeats. Its days are days in the event's time zone."""

    pattern: Pattern
    interval: int
    days: tuple[Weekday, ...]
    day_of_month: int | None
    month: int | None
    index: WeekIndex | None
    week_starts_on: Weekday
    starts_on: date
    ends_on: date | None
    count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event, or one meeting of a series, complete in itself."""

    id: str
    calendar_id: str | None
    series_id: str | None
    """The series this is a meeting of."""
    ical_uid: str | None
    kind: Literal["single", "occurrence", "exception", "series"]
    subject: str
    starts_at: datetime
    """UTC. All-day events: midnight UTC of the first day."""
    ends_at: datetime
    """UTC, exclusive."""
    is_all_day: bool
    time_zone: str | None
    """IANA name of the zone the event lives in, where known."""
    original_starts_at: datetime | None
    location: str
    show_as: ShowAs
    is_cancelled: bool
    is_private: bool
    sensitivity: Sensitivity
    is_organizer: bool
    organizer: Address | None
    attendees: tuple[Attendee, ...]
    my_response: Response
    is_online_meeting: bool
    online_meeting_url: str | None
    preview: str
    text: str | None
    html: str | None
    """Written by a stranger: clean it before it is shown."""
    categories: tuple[str, ...]
    reminder_minutes: int | None
    recurrence: Recurrence | None
    """Only of a series."""
    version: str
    etag: str | None = None
    """For ``if_match``; known where the event was read or changed by itself, not from lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series with everything that sets single meetings of it apart."""

    event: Event
    exceptions: tuple[Event, ...]
    cancelled_on: tuple[date, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyTime:
    """A stretch of somebody's calendar."""

    starts_at: datetime
    ends_at: datetime
    show_as: ShowAs
    subject: str | None
    location: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingHours:
    """When somebody works, by the clock of one zone."""

    days: tuple[Weekday, ...]
    from_minute: int
    """Minutes after midnight."""
    to_minute: int
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What is known of one person's time."""

    address: str
    busy: tuple[BusyTime, ...]
    working_hours: WorkingHours | None
    problem: str | None
    """Microsoft's code for why nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A time at which a meeting fits."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSlots:
    """Times at which everybody is free."""

    items: tuple[Slot, ...]
    unknown: tuple[str, ...]
    """People of whose time nothing is known: they count as free."""
