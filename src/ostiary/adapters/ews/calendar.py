"""Calendars over EWS."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ostiary.adapters.ews.calendar_view import CalendarViewReader, FoundEvent
from ostiary.adapters.ews.codec import calendar as codec
from ostiary.adapters.ews.offsets import start_offset
from ostiary.adapters.ews.operations import find_folder, get_item
from ostiary.adapters.ews.operations.shape import FolderId
from ostiary.adapters.ews.response_code import response_messages
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.ews.soap import Element
from ostiary.core.calendar.model import Calendar, CalendarEvent, EventKind
from ostiary.core.calendar.window import EventWindow
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.cursor import wrap_cursor
from ostiary.core.kernel.errors import NotFound, OstiaryError
from ostiary.core.kernel.page import Page

BATCH_SIZE: Final = 100
"""Ids in one GetItem."""
_MOST_CALENDARS: Final = 1000
_DEFAULT: Final = FolderId.named("calendar")
_PLACES: Final = (FolderId.named("msgfolderroot"), _DEFAULT)
"""Where people's calendars are: beside the default one or below it. Not in Deleted Items."""


class EWSCalendarGateway:
    """``CalendarGateway`` over EWS. A page of events costs two calls: find, then get them whole."""

    def __init__(self, session: EWSSession) -> None:
        self._session = session

    async def list_calendars(
        self, mailbox: MailboxAccess, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Calendar]:
        """One page of calendars, the default one first.

        Source: EWS FindFolder operation.
        """
        binding = f"ews\n{mailbox.connection_id}\ncalendars"
        offset = start_offset(cursor, binding)
        body = find_folder.request(_PLACES, fields=codec.CALENDAR_FIELDS, offset=0, limit=_MOST_CALENDARS)
        response = await self._session.call(mailbox, find_folder.OPERATION, body)
        calendars: list[Calendar] = []
        for outcome in response_messages(response, expected_count=len(_PLACES)):
            if isinstance(outcome, OstiaryError):
                raise outcome
            calendars.extend(
                codec.calendar(node)
                for node in find_folder.found_folders(outcome).folders
                if codec.is_calendar_folder(node) and not find_folder.is_hidden(node)
            )
        calendars.sort(key=lambda calendar: not calendar.is_default)
        end = offset + limit
        following = wrap_cursor({"offset": end}, binding=binding) if end < len(calendars) else None
        return Page(tuple(calendars[offset:end]), following)

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
        """One page of the window; it may be short, because all-day events are looked for a little beyond its edges.

        Source: EWS FindItem with CalendarView, GetItem.
        """
        window = EventWindow(starts_at, ends_at)
        folder = _DEFAULT if calendar_id is None else FolderId.by_id(calendar_id)
        reader = CalendarViewReader(self._session, mailbox, folder, window)
        binding = f"ews\n{mailbox.connection_id}\nevents\n{calendar_id}\n{window}"
        found, next_cursor = await reader.page(cursor, limit, binding)
        events = await self._whole(mailbox, found, calendar_id)
        kept = [event for event in events if window.holds(event)]
        kept.sort(key=lambda event: event.starts_at)
        return Page(tuple(kept), next_cursor)

    async def _whole(
        self, mailbox: MailboxAccess, found: list[FoundEvent], calendar_id: str | None
    ) -> list[CalendarEvent]:
        """Get events with everything FindItem leaves out; one that went away meanwhile is left out."""
        series = {
            event.uid: event.id
            for event in reversed(found)
            if event.uid and event.kind in (EventKind.OCCURRENCE, EventKind.EXCEPTION)
        }
        wanted = [event.id for event in found]
        items = await self._get(mailbox, wanted, list(series.values()))
        masters = dict(zip(series, items[len(wanted) :], strict=True))
        events: list[CalendarEvent] = []
        for event, node in zip(found, items, strict=False):
            if node is None:
                continue
            master = masters.get(event.uid) if event.uid else None
            is_of_series = codec.event_kind(node) in (EventKind.OCCURRENCE, EventKind.EXCEPTION)
            series_id = codec.item_id(master) if master is not None and is_of_series else None
            events.append(codec.event(node, calendar_id=calendar_id, series_id=series_id))
        return events

    async def _get(
        self, mailbox: MailboxAccess, item_ids: list[str], masters_of: list[str]
    ) -> list[Element | None]:
        """Return each item, then the master of each given occurrence, in as few calls as the batch size allows."""
        parts = [(item_id, False) for item_id in item_ids] + [(item_id, True) for item_id in masters_of]
        items: list[Element | None] = []
        for start in range(0, len(parts), BATCH_SIZE):
            batch = parts[start : start + BATCH_SIZE]
            body = get_item.request(
                [item_id for item_id, is_master in batch if not is_master],
                fields=codec.EVENT_FIELDS,
                masters_of=[item_id for item_id, is_master in batch if is_master],
            )
            response = await self._session.call(mailbox, get_item.OPERATION, body)
            for outcome in response_messages(response, expected_count=len(batch)):
                if isinstance(outcome, NotFound):
                    items.append(None)
                elif isinstance(outcome, OstiaryError):
                    raise outcome
                else:
                    items.append(get_item.item_of(outcome))
        return items
