"""Calendars of a connection, whichever way Microsoft serves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ostiary.core.calendar.availability import (
    MOST_PEOPLE,
    Schedule,
    Slot,
    SlotSearch,
    check_look,
    find_free_slots,
)
from ostiary.core.calendar.model import Calendar, CalendarEvent, Series
from ostiary.core.calendar.window import EventWindow
from ostiary.core.calendar.writing import EventWriting
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.page import Page


@dataclass(frozen=True, slots=True)
class FreeSlots:
    """Times at which a meeting fits, and what they rest on."""

    slots: tuple[Slot, ...]
    schedules: tuple[Schedule, ...]


class CalendarService(EventWriting):
    """Use cases of unified calendars. Raises what :class:`Mailboxes` and ``CalendarGateway`` raise."""

    async def list_calendars(
        self, connection_id: str, *, organization_id: str | None, cursor: str | None = None, limit: int = 50
    ) -> Page[Calendar]:
        """Return one page of the mailbox's calendars."""
        async with self._open(connection_id, organization_id) as calendar:
            return await calendar.gateway.list_calendars(calendar.mailbox, cursor=cursor, limit=limit)

    async def list_events(
        self,
        connection_id: str,
        *,
        organization_id: str | None,
        starts_at: datetime,
        ends_at: datetime,
        calendar_id: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[CalendarEvent]:
        """Return one page of the events that overlap the window, occurrences expanded.

        Raises:
            InvalidRequest: The window is backwards, empty, without a zone, or longer than 730 days.
        """
        window = EventWindow(starts_at, ends_at)
        async with self._open(connection_id, organization_id) as calendar:
            return await calendar.gateway.list_events(
                calendar.mailbox,
                starts_at=window.starts_at,
                ends_at=window.ends_at,
                calendar_id=calendar_id,
                cursor=cursor,
                limit=limit,
            )

    async def get_event(
        self, connection_id: str, event_id: str, *, organization_id: str | None
    ) -> CalendarEvent:
        """Return a single event, a series, or one meeting of a series."""
        async with self._open(connection_id, organization_id) as calendar:
            return await calendar.gateway.get_event(calendar.mailbox, event_id)

    async def get_series(self, connection_id: str, event_id: str, *, organization_id: str | None) -> Series:
        """Return the series that an event is, or is of, with its changed and cancelled meetings.

        Raises:
            NotFound: The event is gone, or repeats never.
        """
        async with self._open(connection_id, organization_id) as calendar:
            event = await calendar.gateway.get_event(calendar.mailbox, event_id)
            return await calendar.gateway.get_series(calendar.mailbox, event.series_id or event.id)

    async def free_busy(
        self,
        connection_id: str,
        people: Sequence[str],
        *,
        organization_id: str | None,
        starts_at: datetime,
        ends_at: datetime,
    ) -> tuple[Schedule, ...]:
        """Return when people are taken, one schedule for each address, in order.

        Raises:
            InvalidRequest: Nobody or too many people, or a window that is backwards or longer than 42 days.
        """
        _check_people(people)
        check_look(starts_at, ends_at)
        async with self._open(connection_id, organization_id) as calendar:
            return await calendar.gateway.free_busy(
                calendar.mailbox, people, starts_at=starts_at, ends_at=ends_at
            )

    async def find_free_slots(
        self,
        connection_id: str,
        people: Sequence[str],
        search: SlotSearch,
        *,
        organization_id: str | None,
        with_owner: bool,
    ) -> FreeSlots:
        """Return when all people are free; ``with_owner`` counts the mailbox's own person among them.

        Look at the schedules for those of whom nothing is known: they count as free.
        """
        async with self._open(connection_id, organization_id) as calendar:
            own = calendar.mailbox.address
            is_listed = any(each.lower() == own.lower() for each in people)
            everybody = [*([own] if with_owner and not is_listed else []), *people]
            _check_people(everybody)
            schedules = await calendar.gateway.free_busy(
                calendar.mailbox, everybody, starts_at=search.starts_at, ends_at=search.ends_at
            )
        return FreeSlots(find_free_slots(schedules, search), schedules)


def _check_people(people: Sequence[str]) -> None:
    if not 1 <= len(people) <= MOST_PEOPLE:
        raise InvalidRequest(f"Name 1 to {MOST_PEOPLE} people.", field="people")
    if len({each.lower() for each in people}) != len(people):
        raise InvalidRequest("Somebody is named twice.", field="people")
