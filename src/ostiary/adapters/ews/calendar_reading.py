"""Reading calendars over EWS."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from ostiary.adapters.ews.calendar_view import MOST_FOUND, CalendarViewReader, FoundEvent
from ostiary.adapters.ews.codec import calendar as codec
from ostiary.adapters.ews.codec.xml_shape import required_id
from ostiary.adapters.ews.offsets import start_offset
from ostiary.adapters.ews.operations import find_folder, find_item, find_stamped, get_item
from ostiary.adapters.ews.operations.shape import FolderId
from ostiary.adapters.ews.response_code import only_message, response_messages
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.ews.soap import Element, T
from ostiary.core.calendar.model import Calendar, CalendarEvent, EventKind, Series
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


class EWSEventReading:
    """``EventReader`` over EWS."""

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
        reader = CalendarViewReader(self._session, mailbox, calendar_folder(calendar_id), window)
        binding = f"ews\n{mailbox.connection_id}\nevents\n{calendar_id}\n{window}"
        found, next_cursor = await reader.page(cursor, limit, binding)
        events = await self._whole(mailbox, found, calendar_id)
        kept = [event for event in events if window.holds(event)]
        kept.sort(key=lambda event: event.starts_at)
        return Page(tuple(kept), next_cursor)

    async def get_event(self, mailbox: MailboxAccess, event_id: str) -> CalendarEvent:
        """One event; of a meeting of a series, its series too, since EWS does not name that with it.

        Source: EWS GetItem operation.
        """
        (event,) = await self._get_events(mailbox, [event_id])
        if event is None:
            raise NotFound("There is no such object in this mailbox.")
        return event

    async def get_series(self, mailbox: MailboxAccess, series_id: str) -> Series:
        """A series in two calls: the series, then its changed meetings.

        Source: EWS ModifiedOccurrences and DeletedOccurrences elements.
        """
        node = await self._master(mailbox, series_id)
        found = codec.event(node, calendar_id=codec.parent_id(node), series_id=None)
        exceptions = await self._get(mailbox, codec.exception_ids(node), [])
        changed = [
            codec.event(each, calendar_id=None, series_id=found.id) for each in exceptions if each is not None
        ]
        changed.sort(key=lambda event: event.original_starts_at or event.starts_at)
        return Series(found, tuple(changed), codec.cancelled_on(node))

    async def list_occurrences(
        self, mailbox: MailboxAccess, series_id: str, *, starts_at: datetime, ends_at: datetime
    ) -> tuple[CalendarEvent, ...]:
        """All meetings of a series in a window of its calendar.

        Source: EWS FindItem with CalendarView; all meetings of a series share its UID (ews.md §10).
        """
        node = await self._master(mailbox, series_id)
        window = EventWindow(starts_at, ends_at)
        folder = FolderId.by_id(codec.parent_id(node))
        reader = CalendarViewReader(self._session, mailbox, folder, window)
        found: list[FoundEvent] = []
        cursor: str | None = None
        while True:
            page, cursor = await reader.page(cursor, MOST_FOUND, series_id)
            found += [event for event in page if event.uid == codec.uid(node)]
            if cursor is None:
                break
        events = [event for event in await self._whole(mailbox, found, None) if window.holds(event)]
        return tuple(sorted(events, key=lambda event: event.starts_at))

    async def find_created(
        self, mailbox: MailboxAccess, stamp: str, *, calendar_id: str | None
    ) -> CalendarEvent | None:
        """The event that carries a stamp.

        Source: EWS FindItem operation, Restriction.
        """
        body = find_stamped.request(calendar_folder(calendar_id), stamp)
        response = await self._session.call(mailbox, find_stamped.OPERATION, body)
        found = find_item.found_items(only_message(response)).items
        if not found:
            return None
        try:
            event = await self.get_event(mailbox, required_id(found[0], "ItemId"))
        except NotFound:
            return None
        return replace(event, calendar_id=calendar_id)

    async def _master(self, mailbox: MailboxAccess, series_id: str) -> Element:
        body = get_item.request([series_id], fields=codec.SERIES_FIELDS, body_type=codec.BODY_TYPE)
        response = await self._session.call(mailbox, get_item.OPERATION, body)
        node = get_item.item_of(only_message(response))
        if codec.event_kind(node) is not EventKind.SERIES:
            raise NotFound("There is no series with this id.")
        return node

    async def _get_events(self, mailbox: MailboxAccess, event_ids: list[str]) -> list[CalendarEvent | None]:
        body = get_item.request(
            event_ids, fields=codec.EVENT_FIELDS, body_type=codec.BODY_TYPE, masters_of=event_ids
        )
        response = await self._session.call(mailbox, get_item.OPERATION, body)
        outcomes = list(response_messages(response, expected_count=2 * len(event_ids)))
        events: list[CalendarEvent | None] = []
        for outcome, master in zip(outcomes, outcomes[len(event_ids) :], strict=False):
            if isinstance(outcome, NotFound):
                events.append(None)
                continue
            if isinstance(outcome, OstiaryError):
                raise outcome
            node = get_item.item_of(outcome)
            if node.tag != f"{T}CalendarItem":
                events.append(None)
                continue
            # What is of no series has no master either, and the error about it means nothing.
            has_master = codec.event_kind(node) in (EventKind.OCCURRENCE, EventKind.EXCEPTION)
            if has_master and isinstance(master, OstiaryError):
                raise master
            series_id = (
                codec.item_id(get_item.item_of(master))
                if has_master and not isinstance(master, OstiaryError)
                else None
            )
            events.append(codec.event(node, calendar_id=None, series_id=series_id))
        return events

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
                body_type=codec.BODY_TYPE,
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


def calendar_folder(calendar_id: str | None) -> FolderId:
    """Return a calendar as requests name it, the default one for None; raises NotFound for what is no id."""
    return _DEFAULT if calendar_id is None else FolderId.by_id(calendar_id)
