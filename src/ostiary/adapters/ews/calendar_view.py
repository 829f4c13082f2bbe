"""Finding the events of a window in order, a page at a time: EWS's calendar view has no pages of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ostiary.adapters.ews.codec import calendar as codec
from ostiary.adapters.ews.codec.xml_shape import flag, required_id
from ostiary.adapters.ews.operations import find_item
from ostiary.adapters.ews.operations.shape import FolderId
from ostiary.adapters.ews.response_code import only_message
from ostiary.adapters.ews.session import EWSSession
from ostiary.core.calendar.model import EventKind
from ostiary.core.calendar.window import FURTHEST_ZONE, EventWindow
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.cursor import unwrap_cursor, wrap_cursor
from ostiary.core.kernel.errors import InvalidRequest

STRIDE: Final = timedelta(days=92)
"""How much of the window one call looks at: a busy calendar has some hundred events in it."""
SHORTEST_STRIDE: Final = 3 * FURTHEST_ZONE
"""Each look must get further than the two overlaps that all-day events make necessary."""
MOST_FOUND: Final = 1000
"""Exchange finds no more in one call (ews.md §7)."""


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """What FindItem says of an event."""

    starts_at: datetime
    id: str
    uid: str | None
    kind: EventKind

    @property
    def place(self) -> tuple[datetime, str]:
        """Where it stands in the list."""
        return self.starts_at, self.id


class CalendarViewReader:
    """Walks one calendar's window."""

    def __init__(
        self, session: EWSSession, mailbox: MailboxAccess, folder: FolderId, window: EventWindow
    ) -> None:
        self._session = session
        self._mailbox = mailbox
        self._folder = folder
        self._window = window

    async def page(self, cursor: str | None, limit: int, binding: str) -> tuple[list[FoundEvent], str | None]:
        """Return the next events by start, and the cursor after them."""
        after = None if cursor is None else _position(cursor, binding)
        found: list[FoundEvent] = []
        begin = self._window.search_from if after is None else after[0] - FURTHEST_ZONE
        begin = max(begin, self._window.search_from)
        while begin < self._window.search_to and len(found) <= limit:
            stretch, end = await self._look(begin)
            is_last = end >= self._window.search_to
            # An all-day event is stored up to FURTHEST_ZONE away from where we show it: one shown beyond this
            # line may have neighbours that only the next look finds.
            line = datetime.max.replace(tzinfo=UTC) if is_last else end - FURTHEST_ZONE
            fresh = [
                event
                for event in stretch
                if event.starts_at < line and (after is None or event.place > after)
            ]
            fresh.sort(key=lambda event: event.place)
            found.extend(fresh)
            if is_last:
                break
            after = max(after or (line, ""), (line, ""))
            begin = line - FURTHEST_ZONE
        page = found[:limit]
        if len(found) <= limit:
            return page, None
        last = page[-1]
        return page, wrap_cursor({"at": last.starts_at.isoformat(), "id": last.id}, binding=binding)

    async def _look(self, begin: datetime) -> tuple[list[FoundEvent], datetime]:
        """Find events from ``begin`` on, and how far that reached: less far when there are very many."""
        stride = STRIDE
        while True:
            end = min(begin + stride, self._window.search_to)
            body = find_item.events_request(
                self._folder, fields=codec.FOUND_FIELDS, starts_at=begin, ends_at=end, limit=MOST_FOUND
            )
            response = await self._session.call(self._mailbox, find_item.OPERATION, body)
            found = find_item.found_items(only_message(response))
            if found.is_last_page or stride <= SHORTEST_STRIDE:
                events = [event for event in map(self._event, found.items) if event is not None]
                return events, end
            stride = max(stride / 2, SHORTEST_STRIDE)

    def _event(self, node: find_item.Element) -> FoundEvent | None:
        starts_at, ends_at = codec.edges(node, None)
        if not flag(node, "IsAllDayEvent"):
            is_early = ends_at <= self._window.starts_at and starts_at < self._window.starts_at
            if is_early or starts_at >= self._window.ends_at:
                return None
        return FoundEvent(starts_at, required_id(node, "ItemId"), codec.uid(node), codec.event_kind(node))


def _position(cursor: str, binding: str) -> tuple[datetime, str]:
    position = unwrap_cursor(cursor, binding=binding)
    at, item_id = position.get("at"), position.get("id")
    refusal = InvalidRequest("This cursor does not belong to this list. Start without one.", field="cursor")
    if not isinstance(at, str) or not isinstance(item_id, str):
        raise refusal
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise refusal from error
    if moment.tzinfo is None or not 1900 <= moment.year < 9000:
        raise refusal
    return moment, item_id
