"""Calendars kept in a dictionary: the twin of the Graph and EWS gateways for unit tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ostiary.adapters.memory.mail import page_of
from ostiary.core.calendar.model import Calendar, CalendarEvent
from ostiary.core.calendar.window import EventWindow
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import MailboxMissing, NotFound
from ostiary.core.kernel.page import Page


class MemoryCalendarGateway:
    """``CalendarGateway`` on lists; recurring events are put in already expanded."""

    def __init__(self) -> None:
        self._calendars: dict[str, Sequence[Calendar]] = {}
        self._events: dict[str, Sequence[CalendarEvent]] = {}

    def add_mailbox(
        self, object_id: str, calendars: Sequence[Calendar], events: Sequence[CalendarEvent]
    ) -> None:
        """Make or replace the calendars of one person; each event names its ``calendar_id``."""
        self._calendars[object_id] = tuple(calendars)
        self._events[object_id] = tuple(events)

    async def list_calendars(
        self, mailbox: MailboxAccess, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Calendar]:
        return page_of(self._calendars_of(mailbox), f"{mailbox.connection_id} calendars", cursor, limit)

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
        window = EventWindow(starts_at, ends_at)
        wanted = self._calendar(mailbox, calendar_id)
        found = [
            replace(event, calendar_id=calendar_id)
            for event in self._events[mailbox.object_id]
            if event.calendar_id == wanted.id and window.holds(event)
        ]
        found.sort(key=lambda event: (event.starts_at, event.id))
        binding = f"{mailbox.connection_id} {calendar_id} {window}"
        return page_of(found, binding, cursor, limit)

    def _calendars_of(self, mailbox: MailboxAccess) -> Sequence[Calendar]:
        try:
            return self._calendars[mailbox.object_id]
        except KeyError:
            raise MailboxMissing("There is no such mailbox.", reason="mailbox_missing") from None

    def _calendar(self, mailbox: MailboxAccess, calendar_id: str | None) -> Calendar:
        for calendar in self._calendars_of(mailbox):
            if calendar.is_default if calendar_id is None else calendar.id == calendar_id:
                return calendar
        raise NotFound("There is no such object in this mailbox.")
