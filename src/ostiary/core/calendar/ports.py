"""What calendar needs from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ostiary.core.calendar.availability import Schedule
from ostiary.core.calendar.drafts import Answer, EventChange, EventDraft
from ostiary.core.calendar.model import Calendar, CalendarEvent, Series
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.page import Page


class EventReader(Protocol):
    """Reads one mailbox's calendars over one access method. Raises as ``MailGateway`` does."""

    async def list_calendars(
        self, mailbox: MailboxAccess, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Calendar]: ...

    async def list_events(
        self,
        mailbox: MailboxAccess,
        *,
        starts_at: datetime,
        ends_at: datetime,
        calendar_id: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[CalendarEvent]:
        """Events that overlap the window, by start; occurrences expanded and complete, masters left out.

        Args:
            starts_at: Aware; an event that ends at it is out.
            ends_at: Aware; an event that starts at it is out. At most 730 days later (EWS's limit).
            calendar_id: None means the default calendar.
        """
        ...

    async def get_event(self, mailbox: MailboxAccess, event_id: str) -> CalendarEvent:
        """Return a single event, a series, or one meeting of a series.

        Raises:
            NotFound: Gone, or never there.
        """
        ...

    async def get_series(self, mailbox: MailboxAccess, series_id: str) -> Series:
        """Return a series with its changed and cancelled meetings.

        Raises:
            NotFound: Gone, or no series.
        """
        ...

    async def list_occurrences(
        self, mailbox: MailboxAccess, series_id: str, *, starts_at: datetime, ends_at: datetime
    ) -> tuple[CalendarEvent, ...]:
        """Return every meeting of a series that overlaps a window, by start."""
        ...

    async def find_created(
        self, mailbox: MailboxAccess, stamp: str, *, calendar_id: str | None
    ) -> CalendarEvent | None:
        """Return the event that was created under a stamp, None when there is none (any more)."""
        ...

    async def own_zone(self, mailbox: MailboxAccess, *, at: datetime) -> str:
        """Return the IANA name of the owner's own time zone, or of one that keeps the same clock around ``at``.

        Raises:
            InvalidRequest: The owner's zone is unknown; the caller has to name one.
        """
        ...


class EventWriter(Protocol):
    """Changes one mailbox's calendars over one access method.

    No method repeats a change by itself when the answer was lost: ``TemporarilyUnavailable`` then says nothing about
    whether it was made.

    Raises:
        InvalidRequest: Microsoft does not take the values, such as a meeting moved past its neighbour.
        NotOverThisMethod: What was asked cannot be done over this access method.
        VersionChanged: ``version`` is not the object's version any more.
    """

    async def create_event(
        self,
        mailbox: MailboxAccess,
        draft: EventDraft,
        *,
        calendar_id: str | None,
        stamp: str,
        notify: bool,
    ) -> CalendarEvent:
        """Create an event and invite its attendees.

        Args:
            stamp: Names this creation for good and is kept with the event: when the answer is lost, or when the
                same stamp comes again, the event that is there already is returned and nobody is invited twice.
            notify: Whether attendees are told.
        """
        ...

    async def update_event(
        self,
        mailbox: MailboxAccess,
        event: CalendarEvent,
        change: EventChange,
        *,
        version: str | None,
        notify: bool,
    ) -> CalendarEvent:
        """Change an event, a series, or one meeting of it, and return it as it is now.

        Args:
            event: As it was read.
            version: The version it must still have; None overwrites whatever is there.
        """
        ...

    async def delete_event(
        self, mailbox: MailboxAccess, event: CalendarEvent, *, version: str | None, notify: bool
    ) -> None:
        """Delete an event, a series, or one meeting of it. Attendees of the owner's meeting are told if ``notify``."""
        ...

    async def cancel_event(self, mailbox: MailboxAccess, event: CalendarEvent, *, comment: str) -> None:
        """Cancel a meeting of the owner and tell its attendees."""
        ...

    async def respond(
        self, mailbox: MailboxAccess, event: CalendarEvent, answer: Answer, *, comment: str, send: bool
    ) -> None:
        """Answer a meeting that somebody else organizes; what is declined leaves the calendar."""
        ...


class AvailabilityReader(Protocol):
    """Reads when people are taken, as far as the owner of a mailbox may see it."""

    async def free_busy(
        self, mailbox: MailboxAccess, addresses: Sequence[str], *, starts_at: datetime, ends_at: datetime
    ) -> tuple[Schedule, ...]:
        """Return one schedule for each address, in order; a window of 42 days at most."""
        ...


class CalendarGateway(EventReader, EventWriter, AvailabilityReader, Protocol):
    """Everything that calendars need of one access method."""
