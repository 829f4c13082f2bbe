"""Reading calendars over Microsoft Graph."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec import calendar as codec
from ostiary.adapters.graph.codec.event_json import STAMP_PROPERTY
from ostiary.adapters.graph.codec.json_shape import JSONObject, text, values
from ostiary.adapters.graph.ids import path_segment
from ostiary.adapters.graph.paging import read_page
from ostiary.core.calendar.model import Calendar, CalendarEvent, EventKind, Series
from ostiary.core.calendar.time_zones import iana_zone_name
from ostiary.core.calendar.window import FURTHEST_ZONE, EventWindow
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import InvalidRequest, NotFound
from ostiary.core.kernel.page import Page

_PAGE_SIZE: Final = 100
_MOST_PAGES: Final = 20


class GraphEventReading:
    """``EventReader`` over Graph."""

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
        path = f"{calendar_path(calendar_id)}/calendarView"
        query = _window_query(window.search_from, window.search_to, limit)
        answer, next_cursor = await read_page(self._client, mailbox, path, query, cursor)
        events = (codec.event(entity, calendar_id=calendar_id) for entity in values(answer))
        return Page(tuple(event for event in events if window.holds(event)), next_cursor)

    async def get_event(self, mailbox: MailboxAccess, event_id: str) -> CalendarEvent:
        """One event.

        Source: Graph, get event.
        """
        entity = await self._client.get(mailbox, event_path(event_id), {"$select": codec.EVENT_FIELDS})
        return codec.event(entity, calendar_id=None)

    async def get_series(self, mailbox: MailboxAccess, series_id: str) -> Series:
        """A series in one call, and one more for each changed meeting that comes without its original start.

        Source: Graph event resource, exceptionOccurrences and cancelledOccurrences (graph.md §5).
        """
        query = {"$select": codec.SERIES_FIELDS, "$expand": "exceptionOccurrences,calendar($select=id)"}
        entity = await self._client.get(mailbox, event_path(series_id), query)
        series = codec.series(entity)
        if series.event.kind is not EventKind.SERIES:
            raise NotFound("There is no series with this id.")
        exceptions = [
            await self.get_event(mailbox, each.id) if each.original_starts_at is None else each
            for each in series.exceptions
        ]
        exceptions.sort(key=lambda event: event.original_starts_at or event.starts_at)
        return replace(series, exceptions=tuple(exceptions))

    async def list_occurrences(
        self, mailbox: MailboxAccess, series_id: str, *, starts_at: datetime, ends_at: datetime
    ) -> tuple[CalendarEvent, ...]:
        """All meetings of a series in a window.

        Source: Graph, list instances.
        """
        window = EventWindow(starts_at, ends_at)
        query = _window_query(starts_at - FURTHEST_ZONE, ends_at + FURTHEST_ZONE, _PAGE_SIZE)
        path = f"{event_path(series_id)}/instances"
        found: list[JSONObject] = []
        answer = await self._client.get(mailbox, path, query)
        for _ in range(_MOST_PAGES):
            found += values(answer)
            link = self._client.next_link(answer)
            if link is None:
                break
            answer = await self._client.get_next(mailbox, link)
        events = [codec.event(entity, calendar_id=None) for entity in found]
        return tuple(sorted(filter(window.holds, events), key=lambda event: event.starts_at))

    async def find_created(
        self, mailbox: MailboxAccess, stamp: str, *, calendar_id: str | None
    ) -> CalendarEvent | None:
        """The event that carries a stamp.

        Source: Graph, singleValueLegacyExtendedProperty, filter by value (graph.md §3).
        """
        condition = f"ep/id eq '{STAMP_PROPERTY}' and ep/value eq '{stamp}'"
        query = {
            "$filter": f"singleValueExtendedProperties/any(ep: {condition})",
            "$select": codec.EVENT_FIELDS,
            "$top": "1",
        }
        answer = await self._client.get(mailbox, f"{calendar_path(calendar_id)}/events", query)
        found = [codec.event(entity, calendar_id=calendar_id) for entity in values(answer)]
        return found[0] if found else None

    async def own_zone(self, mailbox: MailboxAccess, *, at: datetime) -> str:
        """The owner's own zone.

        Source: Graph mailboxSettings resource.
        """
        settings = await self._client.get(mailbox, "/me/mailboxSettings", {"$select": "timeZone"})
        zone = iana_zone_name(text(settings, "timeZone"))
        if zone is None:
            raise InvalidRequest(
                "The person’s own time zone has no name. Say which is meant.", field="time_zone"
            )
        return zone


def calendar_path(calendar_id: str | None) -> str:
    """Return the path of a calendar, the default one for None; raises NotFound for what is no id."""
    return "/me/calendar" if calendar_id is None else f"/me/calendars/{path_segment(calendar_id)}"


def event_path(event_id: str) -> str:
    """Return the path of an event; raises NotFound for what is no id."""
    return f"/me/events/{path_segment(event_id)}"


def _window_query(starts_at: datetime, ends_at: datetime, limit: int) -> dict[str, str]:
    return {
        "startDateTime": _wire(starts_at),
        "endDateTime": _wire(ends_at),
        "$top": str(limit),
        "$select": codec.EVENT_FIELDS,
        "$orderby": "start/dateTime",
    }


def _wire(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
