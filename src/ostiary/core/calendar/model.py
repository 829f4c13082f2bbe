"""Calendars and calendar events as every caller sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ostiary.core.kernel.mail_address import MailAddress


@dataclass(frozen=True, slots=True)
class Calendar:
    """One calendar of a mailbox."""

    id: str
    name: str
    is_default: bool
    can_edit: bool


class EventKind(StrEnum):
    SINGLE = "single"
    OCCURRENCE = "occurrence"
    EXCEPTION = "exception"
    SERIES = "series"


class ShowAs(StrEnum):
    FREE = "free"
    TENTATIVE = "tentative"
    BUSY = "busy"
    OUT_OF_OFFICE = "out_of_office"
    WORKING_ELSEWHERE = "working_elsewhere"
    UNKNOWN = "unknown"


class Response(StrEnum):
    NONE = "none"
    ORGANIZER = "organizer"
    ACCEPTED = "accepted"
    TENTATIVE = "tentative"
    DECLINED = "declined"


class AttendeeKind(StrEnum):
    REQUIRED = "required"
    OPTIONAL = "optional"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class Attendee:
    """Somebody invited."""

    who: MailAddress
    kind: AttendeeKind
    response: Response


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """One event, or one occurrence of a series, complete in itself."""

    id: str
    calendar_id: str | None
    series_id: str | None
    """Id of the series this is an occurrence of."""
    ical_uid: str | None
    kind: EventKind
    subject: str
    starts_at: datetime
    """Aware, UTC. For an all-day event: midnight UTC of its first day."""
    ends_at: datetime
    """Aware, UTC, exclusive. For an all-day event: midnight UTC of the day after its last."""
    is_all_day: bool
    time_zone: str | None
    """IANA name of the zone the event was made in, where it is known."""
    location: str
    show_as: ShowAs
    is_cancelled: bool
    is_private: bool
    is_organizer: bool
    organizer: MailAddress | None
    attendees: tuple[Attendee, ...]
    my_response: Response
    online_meeting_url: str | None
    preview: str
    version: str
