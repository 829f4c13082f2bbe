"""Calendars over Microsoft Graph."""

from __future__ import annotations

from datetime import UTC, datetime

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec import calendar as codec
from ostiary.adapters.graph.codec.json_shape import values
from ostiary.adapters.graph.ids import path_segment
from ostiary.adapters.graph.paging import read_page
from ostiary.core.calendar.model import Calendar, CalendarEvent
from ostiary.core.calendar.window import EventWindow
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.page import Page


class GraphCalendarGateway:
    """``CalendarGateway`` over Graph: ``calendarView`` expands occurrences, one call per page."""

    def __init__(self, client: GraphClient) -> None:
        self._client = client

    async def list_calendars(
        self, mailbox: MailboxAccess, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Calendar]:
        """One page of calendars.

        Source: Graph, list calendars.
        """
        query = {"$top": str(limit), "$select": codec.CALENDAR_FIELDS}
        answer, next_cursor = await read_page(self._client, mailbox, "/me/calendars", query, cursor)
        return Page(tuple(codec.calendar(entity) for entity in values(answer)), next_cursor)

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
        """One page of the window; it may be short, because Graph's idea of an all-day event's edges differs.

        Source: Graph, list calendarView.
        """
        window = EventWindow(starts_at, ends_at)
        path = "/me/calendar/calendarView"
        if calendar_id is not None:
            path = f"/me/calendars/{path_segment(calendar_id)}/calendarView"
        query = {
            "startDateTime": _wire(window.search_from),
            "endDateTime": _wire(window.search_to),
            "$top": str(limit),
            "$select": codec.EVENT_FIELDS,
            "$orderby": "start/dateTime",
        }
        answer, next_cursor = await read_page(self._client, mailbox, path, query, cursor)
        events = (codec.event(entity, calendar_id=calendar_id) for entity in values(answer))
        return Page(tuple(event for event in events if window.holds(event)), next_cursor)


def _wire(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
