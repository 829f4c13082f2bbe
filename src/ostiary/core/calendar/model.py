"""Calendars and calendar events as every caller sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from ostiary.core.calendar.recurrence import Recurrence
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


class Sensitivity(StrEnum):
    NORMAL = "normal"
    PERSONAL = "personal"
    PRIVATE = "private"
    CONFIDENTIAL = "confidential"


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
    sensitivity: Sensitivity
    is_organizer: bool
    organizer: MailAddress | None
    attendees: tuple[Attendee, ...]
    my_response: Response
    online_meeting_url: str | None
    preview: str
    version: str
    text: str | None = None
    """The body, where it is plain text."""
    html: str | None = None
    """The body, where it is HTML: a stranger's, to be cleaned before it is shown."""
    categories: tuple[str, ...] = ()
    reminder_minutes: int | None = None
    """How long before the start the person is reminded; None: not at all."""
    is_online_meeting: bool = False
    recurrence: Recurrence | None = None
    """Only of a series."""
    original_starts_at: datetime | None = None
    """Where an occurrence or exception stood in its series, as ``starts_at`` is given. Names it for good."""

    @property
    def is_private(self) -> bool:
        """Whether others who may see the calendar see only that the time is taken."""
        return self.sensitivity is Sensitivity.PRIVATE

    @property
    def is_of_series(self) -> bool:
        """Whether it is one of the meetings of a series."""
        return self.kind in (EventKind.OCCURRENCE, EventKind.EXCEPTION)


@dataclass(frozen=True, slots=True)
class Series:
    """A series with everything that sets single meetings of it apart."""

    event: CalendarEvent
    """The series itself: its times are those of its first meeting."""
    exceptions: tuple[CalendarEvent, ...]
    """Changed meetings, by original start."""
    cancelled_on: tuple[date, ...]
    """Days, in the zone of the series, whose meetings were taken out."""
