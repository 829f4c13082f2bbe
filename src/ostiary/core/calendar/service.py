"""Reading calendars of a connection, whichever way Microsoft serves them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ostiary.core.calendar.model import Calendar, CalendarEvent
from ostiary.core.calendar.ports import CalendarGateway
from ostiary.core.calendar.window import EventWindow
from ostiary.core.connections.mailboxes import Mailboxes, Part
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.page import Page


class CalendarService:
    """Use cases of unified calendars. Raises what :class:`Mailboxes` and ``CalendarGateway`` raise."""

    def __init__(self, *, mailboxes: Mailboxes, gateways: Mapping[AccessMethod, CalendarGateway]) -> None:
        self._mailboxes = mailboxes
        self._gateways = gateways

    async def list_calendars(
        self, connection_id: str, *, organization_id: str | None, cursor: str | None = None, limit: int = 50
    ) -> Page[Calendar]:
        """Return one page of the mailbox's calendars."""
        async with self._mailboxes.use(
            connection_id, Part.CALENDAR, organization_id=organization_id
        ) as mailbox:
            return await self._gateways[mailbox.method].list_calendars(
                mailbox.access, cursor=cursor, limit=limit
            )

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
        async with self._mailboxes.use(
            connection_id, Part.CALENDAR, organization_id=organization_id
        ) as mailbox:
            return await self._gateways[mailbox.method].list_events(
                mailbox.access,
                starts_at=window.starts_at,
                ends_at=window.ends_at,
                calendar_id=calendar_id,
                cursor=cursor,
                limit=limit,
            )
