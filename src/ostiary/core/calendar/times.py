"""When an event is, as its writer means it: by the clock on a wall, or as whole days. Pure rules, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ostiary.core.calendar.model import CalendarEvent
from ostiary.core.calendar.time_zones import zone_of
from ostiary.core.kernel.errors import InvalidRequest

LONGEST_EVENT: Final = timedelta(days=1825)
"""Exchange takes no event of more than five years."""
_YEARS: Final = range(1900, 4500)
"""What calendars hold."""


@dataclass(frozen=True, slots=True)
class EventTimes:
    """Start and end as a caller writes them.

    With an offset they are moments, and ``time_zone`` only says by whose clock the event lives on. Without one they
    are readings of the clock in ``time_zone``; without a zone either they float: the owner's own zone is meant.
    An all-day event runs from midnight to midnight, its end exclusive; whatever offset stands there means nothing.
    """

    starts_at: datetime
    ends_at: datetime
    is_all_day: bool = False
    time_zone: str | None = None

    @property
    def is_floating(self) -> bool:
        """Whether the owner's own zone has to be known to place it."""
        return self.time_zone is None and (self.is_all_day or self.starts_at.tzinfo is None)


@dataclass(frozen=True, slots=True)
class WallTimes:
    """Start and end as readings of the clock in one zone, which is how Exchange keeps events."""

    start: datetime
    """Naive."""
    end: datetime
    """Naive; exclusive."""
    zone: ZoneInfo
    is_all_day: bool

    @property
    def starts_at(self) -> datetime:
        """The moment, UTC. An hour that the clocks skip counts on from before; of a repeated one, the first."""
        return to_moment(self.start, self.zone)

    @property
    def ends_at(self) -> datetime:
        """The moment, UTC."""
        return to_moment(self.end, self.zone)

    def moved_to(self, start: datetime) -> WallTimes:
        """Return the same length of clock time from another start."""
        return WallTimes(start, start + (self.end - self.start), self.zone, self.is_all_day)


def wall_times(times: EventTimes, *, own_zone: str) -> WallTimes:
    """Return times by the clock of their zone.

    Args:
        own_zone: The owner's zone, which floating times are meant in.

    Raises:
        InvalidRequest: Unknown zone, the end before the start, an all-day event not from midnight to midnight.
    """
    if times.starts_at.year not in _YEARS or times.ends_at.year not in _YEARS:
        raise InvalidRequest("The event is outside of what calendars hold.", field="starts_at")
    if (times.starts_at.tzinfo is None) != (times.ends_at.tzinfo is None):
        raise InvalidRequest("Give both times with an offset, or both without.", field="ends_at")
    zone = zone_of(times.time_zone or (own_zone if times.is_floating else "Etc/UTC"))
    start, end = times.starts_at, times.ends_at
    if times.is_all_day:
        start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)
        if start.time() != time(0) or end.time() != time(0):
            raise InvalidRequest("An all-day event runs from midnight to midnight.", field="starts_at")
        if end <= start:
            raise InvalidRequest("An all-day event ends on the day after its last.", field="ends_at")
    elif start.tzinfo is not None:
        if end < start:
            raise InvalidRequest("The event ends before it starts.", field="ends_at")
        start = start.astimezone(zone).replace(tzinfo=None)
        end = end.astimezone(zone).replace(tzinfo=None)
    found = WallTimes(start.replace(microsecond=0), end.replace(microsecond=0), zone, times.is_all_day)
    if found.ends_at < found.starts_at:
        raise InvalidRequest("The event ends before it starts.", field="ends_at")
    if found.end - found.start > LONGEST_EVENT:
        raise InvalidRequest("An event lasts five years at most.", field="ends_at")
    return found


def to_moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which the clock in ``zone`` shows ``wall``."""
    return wall.replace(tzinfo=zone).astimezone(UTC)


def wall_times_of(event: CalendarEvent) -> WallTimes:
    """Return when an event is, by the clock of its zone.

    Raises:
        InvalidRequest: It lives in a zone without a name, which cannot be written again.
    """
    if event.time_zone is None:
        raise InvalidRequest(
            "This event lives in a time zone of its own making. Send its times and a `time_zone` along.",
            field="time_zone",
        )
    zone = ZoneInfo(event.time_zone)
    if event.is_all_day:
        start, end = event.starts_at.replace(tzinfo=None), event.ends_at.replace(tzinfo=None)
    else:
        start = event.starts_at.astimezone(zone).replace(tzinfo=None)
        end = event.ends_at.astimezone(zone).replace(tzinfo=None)
    return WallTimes(start, end, zone, event.is_all_day)


def original_day(event: CalendarEvent) -> date:
    """Return the day on which a meeting stood in its series, in the series' zone: the day names the meeting."""
    at = event.original_starts_at or event.starts_at
    if event.is_all_day:
        return at.date()
    return at.astimezone(ZoneInfo(event.time_zone or "Etc/UTC")).date()
