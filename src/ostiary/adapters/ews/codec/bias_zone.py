"""Time zones as GetUserAvailability writes them: a bias in minutes and two clock changes a year."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

from ostiary.adapters.ews.codec.xml_shape import broken, count, text
from ostiary.adapters.ews.soap import Element, T

_LAST: Final = 5
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FURTHEST: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class ClockChange:
    """From here on ``bias`` minutes are added to the zone's own: on the ``order``-th weekday of a month."""

    bias: int
    at: time
    order: int
    """1 to 4, or 5 for the last one of the month."""
    month: int
    weekday: int

    def wall(self, year: int) -> datetime:
        """Return when the clock that is changed shows the time of the change."""
        length = calendar.monthrange(year, self.month)[1]
        first = 1 + (self.weekday - calendar.weekday(year, self.month, 1)) % 7
        days = range(first, length + 1, 7)
        day = days[-1] if self.order >= _LAST else days[self.order - 1]
        return datetime.combine(datetime(year, self.month, day, tzinfo=UTC).date(), self.at)


@dataclass(frozen=True)
class BiasZone(tzinfo):
    """The rules, as Python's date arithmetic takes them. UTC = local time + bias."""

    bias: int
    standard: ClockChange | None
    daylight: ClockChange | None

    def fromutc(self, dt: datetime) -> datetime:
        """Return the local time of ``dt``, which is UTC."""
        return dt + self._offset(dt.replace(tzinfo=None))

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        """Return the offset of a local time; of one that comes twice, the earlier moment's."""
        if dt is None:
            return None
        wall = dt.replace(tzinfo=None)
        offsets = {self._offset(wall - timedelta(days=1)), self._offset(wall + timedelta(days=1))}
        for offset in sorted(offsets, reverse=dt.fold == 0):
            if self._offset(wall - offset) == offset:
                return offset
        return min(offsets)

    def dst(self, dt: datetime | None) -> timedelta | None:
        """Not known: only the whole offset is."""
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        """The zone has no name."""
        return None

    def _offset(self, utc: datetime) -> timedelta:
        base = timedelta(minutes=self.bias)
        if self.standard is None or self.daylight is None:
            return -base
        standard = base + timedelta(minutes=self.standard.bias)
        daylight = base + timedelta(minutes=self.daylight.bias)
        # Each change is told by the clock that it ends.
        to_daylight = self.daylight.wall(utc.year) + standard
        to_standard = self.standard.wall(utc.year) + daylight
        if to_daylight < to_standard:
            return -daylight if to_daylight <= utc < to_standard else -standard
        return -standard if to_standard <= utc < to_daylight else -daylight


def bias_zone(node: Element) -> BiasZone:
    """Return the rules of a ``TimeZone`` element.

    Source: EWS TimeZone (Availability) element.
    """
    bias = count(node, "Bias")
    if abs(bias) > _FURTHEST:
        raise broken("TimeZone")
    return BiasZone(bias, _change(node, "StandardTime"), _change(node, "DaylightTime"))


def _change(node: Element, name: str) -> ClockChange | None:
    child = node.find(f"{T}{name}")
    if child is None or count(child, "Month") == 0:
        return None
    try:
        change = ClockChange(
            bias=count(child, "Bias"),
            at=time.fromisoformat(text(child, "Time").strip()[:8]),
            order=count(child, "DayOrder"),
            month=count(child, "Month"),
            weekday=_DAYS.index(text(child, "DayOfWeek").strip()),
        )
    except ValueError as error:
        raise broken(name) from error
    if not 1 <= change.order <= _LAST or not 1 <= change.month <= 12 or abs(change.bias) > _FURTHEST:
        raise broken(name)
    return change
