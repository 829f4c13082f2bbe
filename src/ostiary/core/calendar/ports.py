"""What calendar needs from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ostiary.core.calendar.model import Calendar, CalendarEvent
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.page import Page


class CalendarGateway(Protocol):
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
