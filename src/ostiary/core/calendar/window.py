"""The window of a calendar query. Pure rules, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ostiary.core.calendar.model import CalendarEvent
from ostiary.core.kernel.errors import InvalidRequest

LONGEST_WINDOW: Final = timedelta(days=730)
"""EWS refuses a calendar view of more than two years (ews.md §5)."""

FURTHEST_ZONE: Final = timedelta(hours=14)
"""An all-day event is stored from midnight to midnight in its own zone, and zones reach from UTC−12 to UTC+14.
We give it as whole days in UTC, so a provider has to be asked for this much more on both sides."""


@dataclass(frozen=True, slots=True)
class EventWindow:
    """From ``starts_at`` (inclusive) to ``ends_at`` (exclusive), aware, to the second.

    Raises:
        InvalidRequest: Backwards, empty, too long, or without a time zone.
    """

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if self.starts_at.tzinfo is None or self.ends_at.tzinfo is None:
            raise InvalidRequest("Give times with a zone, such as 2026-11-24T09:00:00Z.", field="from")
        if self.ends_at <= self.starts_at:
            raise InvalidRequest("The window must end after it starts.", field="to")
        if self.ends_at - self.starts_at > LONGEST_WINDOW:
            raise InvalidRequest(f"The window may be {LONGEST_WINDOW.days} days long at most.", field="to")
        earliest, latest = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
        if self.starts_at < earliest or self.ends_at > latest:
            raise InvalidRequest("The window is outside of what calendars hold.", field="from")

    @property
    def search_from(self) -> datetime:
        """Where a provider has to start looking."""
        return self.starts_at - FURTHEST_ZONE

    @property
    def search_to(self) -> datetime:
        """Where a provider may stop looking."""
        return self.ends_at + FURTHEST_ZONE

    def holds(self, event: CalendarEvent) -> bool:
        """Whether the event overlaps the window; touching an edge is not overlapping.

        An event without length belongs to the window it starts in, so that adjoining windows show it once.
        """
        begins_before_end = event.starts_at < self.ends_at
        return begins_before_end and (event.ends_at > self.starts_at or event.starts_at >= self.starts_at)
