"""Expansion of recurring events in their own time zone."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import takewhile

from .errors import InvalidContent, OccurrenceGone
from .event import DAYS, INDEXES, CalendarEvent, Recurrence
from .timezones import to_local, to_utc

LAST_DATE = date(4500, 12, 31)
"""Exchange's end of time; a series without end stops being expanded here at the latest."""

_DAY_NUMBERS = {name: number for number, name in enumerate(DAYS)}
PATTERNS = ("daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly")


def check(recurrence: Recurrence) -> None:
    """Raise InvalidContent if a recurrence lacks what its pattern or range needs."""
    if recurrence.pattern not in PATTERNS:
        raise InvalidContent("The recurrence pattern type is invalid.", "recurrence")
    if not 1 <= recurrence.interval <= 999:
        raise InvalidContent("The recurrence interval must be between 1 and 999.", "recurrence")
    if recurrence.pattern in ("weekly", "relativeMonthly", "relativeYearly") and not recurrence.days:
        raise InvalidContent("The recurrence pattern needs daysOfWeek.", "recurrence")
    if (
        any(day not in _DAY_NUMBERS for day in recurrence.days)
        or recurrence.first_day_of_week not in _DAY_NUMBERS
    ):
        raise InvalidContent("A day of the week is invalid.", "recurrence")
    if recurrence.pattern.startswith("absolute") and not 1 <= recurrence.day_of_month <= 31:
        raise InvalidContent("The recurrence pattern needs dayOfMonth between 1 and 31.", "recurrence")
    if recurrence.pattern.endswith("Yearly") and not 1 <= recurrence.month <= 12:
        raise InvalidContent("The recurrence pattern needs month between 1 and 12.", "recurrence")
    if recurrence.pattern.startswith("relative") and recurrence.index not in INDEXES:
        raise InvalidContent("The recurrence index is invalid.", "recurrence")
    if recurrence.end == "endDate" and (recurrence.end_on is None or recurrence.end_on < recurrence.start_on):
        raise InvalidContent("The recurrence ends before it starts.", "recurrence")
    if recurrence.end == "numbered" and not 1 <= recurrence.count <= 999:
        raise InvalidContent("numberOfOccurrences must be between 1 and 999.", "recurrence")
    if recurrence.end not in ("noEnd", "endDate", "numbered"):
        raise InvalidContent("The recurrence range type is invalid.", "recurrence")


def dates(recurrence: Recurrence) -> Iterator[date]:
    """Yield the wall-clock dates of a series in order, its range applied."""
    last = recurrence.end_on if recurrence.end == "endDate" and recurrence.end_on else LAST_DATE
    for number, day in enumerate(_candidates(recurrence)):
        if day > last or (recurrence.end == "numbered" and number >= recurrence.count):
            return
        yield day


def original_starts(master: CalendarEvent) -> Iterator[datetime]:
    """Yield the original starts (UTC) of a series in order, cancelled ones included."""
    if master.recurrence is None:
        yield master.start
        return
    wall = to_local(master.start, master.start_zone)
    for day in dates(master.recurrence):
        yield to_utc(datetime.combine(day, wall.time()), master.start_zone)


def expand(master: CalendarEvent, start: datetime, end: datetime) -> list[CalendarEvent]:
    """Return the occurrences of a series that touch a window, exceptions and cancellations applied, by start.

    An event that ends at `start` or begins at `end` does not touch the window.
    """
    found: list[CalendarEvent] = []
    length = master.duration
    # Exceptions can be moved into the window from anywhere, so they are looked at one by one.
    for exception in master.exceptions.values():
        if _touches(exception.start, exception.end, start, end):
            found.append(exception)
    for original in _starts_near(master, start - length, end):
        if original in master.cancelled or original in master.exceptions:
            continue
        if _touches(original, original + length, start, end):
            found.append(make_occurrence(master, original))
    found.sort(key=lambda event: event.start)
    return found


def occurrence_at(master: CalendarEvent, original: datetime) -> CalendarEvent:
    """Return the occurrence with that original start (UTC).

    Raises:
        OccurrenceGone: It was cancelled, or the series has none there.
    """
    exception = master.exceptions.get(original)
    if exception is not None:
        return exception
    if original in master.cancelled or master.recurrence is None or not has_start(master, original):
        raise OccurrenceGone
    return make_occurrence(master, original)


def has_start(master: CalendarEvent, original: datetime) -> bool:
    """Return whether the pattern of a series produces that original start, cancelled or not."""
    return original in _starts_near(master, original, original + timedelta(seconds=1))


def make_occurrence(master: CalendarEvent, original: datetime) -> CalendarEvent:
    """Return an occurrence made of its master; it shares the master's keys and has its own start."""
    wall_start = to_local(master.start, master.start_zone)
    wall_length = to_local(master.end, master.start_zone) - wall_start
    # The wall-clock length is kept: an all-day occurrence on the day of a clock change has 23 or 25 hours.
    wall = to_local(original, master.start_zone)
    end = to_utc(wall + wall_length, master.start_zone)
    return master.copy(
        kind="occurrence",
        start=original,
        end=end,
        original_start=original,
        recurrence=None,
        transaction_id=None,
    )


def neighbours(
    master: CalendarEvent, original: datetime
) -> tuple[CalendarEvent | None, CalendarEvent | None]:
    """Return the live occurrences before and after the one with that original start."""
    before: CalendarEvent | None = None
    for at in original_starts(master):
        if at in master.cancelled:
            continue
        if at < original:
            before = occurrence_at(master, at)
        elif at > original:
            return before, occurrence_at(master, at)
    return before, None


def occurrence_number(master: CalendarEvent, number: int) -> datetime | None:
    """Return the original start of the n-th occurrence (from 1), cancelled ones counted, or None."""
    for position, at in enumerate(original_starts(master), start=1):
        if position == number:
            return at
    return None


def _touches(begin: datetime, finish: datetime, start: datetime, end: datetime) -> bool:
    if begin == finish:
        return start <= begin < end
    return begin < end and finish > start


def _starts_near(master: CalendarEvent, start: datetime, end: datetime) -> list[datetime]:
    """Return the original starts in a window, without walking a long series from its beginning where that is safe."""
    recurrence = master.recurrence
    if recurrence is None:
        return []
    wall = to_local(master.start, master.start_zone)
    first_day = to_local(max(start, _FIRST), master.start_zone).date() - timedelta(days=1)
    last_day = to_local(min(end, _LAST), master.start_zone).date() + timedelta(days=1)
    days: Iterable[date] = dates(recurrence)
    if recurrence.end != "numbered":
        limit = recurrence.end_on if recurrence.end == "endDate" and recurrence.end_on else LAST_DATE
        # Ends with the series: one that ended before the window would otherwise be walked to the end of time.
        days = takewhile(lambda day: day <= limit, _candidates(recurrence, first_day))
    found: list[datetime] = []
    for day in days:
        if day > last_day:
            break
        if day < first_day:
            continue
        at = to_utc(datetime.combine(day, wall.time()), master.start_zone)
        if start <= at <= end:
            found.append(at)
    return found


_FIRST = datetime.fromisoformat("1800-01-01T00:00:00+00:00")
_LAST = datetime.fromisoformat("4500-01-01T00:00:00+00:00")


def _candidates(recurrence: Recurrence, not_before: date | None = None) -> Iterator[date]:
    """Yield the dates of the pattern from the range's start, without its end.

    With `not_before` the walk may begin later, in whole periods, so that a series of decades is not walked through.
    """
    start = recurrence.start_on
    skip_days = max(0, (not_before - start).days) if not_before else 0
    match recurrence.pattern:
        case "daily":
            yield from _daily(start, recurrence.interval, skip_days)
        case "weekly":
            yield from _weekly(recurrence, skip_days)
        case "absoluteMonthly" | "relativeMonthly":
            yield from _monthly(recurrence, start.replace(day=1), recurrence.interval, skip_days)
        case _:
            yield from _monthly(
                recurrence, date(start.year, recurrence.month, 1), 12 * recurrence.interval, skip_days
            )


def _daily(start: date, interval: int, skip_days: int) -> Iterator[date]:
    day = start + timedelta(days=skip_days // interval * interval)
    while day <= LAST_DATE:
        yield day
        day += timedelta(days=interval)


def _weekly(recurrence: Recurrence, skip_days: int) -> Iterator[date]:
    first = _DAY_NUMBERS[recurrence.first_day_of_week]
    week = recurrence.start_on - timedelta(days=(recurrence.start_on.weekday() - first) % 7)
    step = timedelta(weeks=recurrence.interval)
    week += skip_days // (7 * recurrence.interval) * step
    offsets = sorted((_DAY_NUMBERS[day] - first) % 7 for day in set(recurrence.days))
    while week <= LAST_DATE:
        for offset in offsets:
            day = week + timedelta(days=offset)
            if day >= recurrence.start_on:
                yield day
        week += step


def _monthly(recurrence: Recurrence, month: date, months: int, skip_days: int) -> Iterator[date]:
    month = _add_months(month, max(0, skip_days // 31 - 1) // months * months)
    while month <= LAST_DATE:
        day = _day_in_month(recurrence, month)
        if day >= recurrence.start_on:
            yield day
        month = _add_months(month, months)


def _day_in_month(recurrence: Recurrence, month: date) -> date:
    length = calendar.monthrange(month.year, month.month)[1]
    if recurrence.pattern.startswith("absolute"):
        # The 31st of a shorter month is its last day, as Exchange counts it.
        return month.replace(day=min(recurrence.day_of_month, length))
    wanted = {_DAY_NUMBERS[day] for day in recurrence.days}
    fitting = [day for day in range(1, length + 1) if date(month.year, month.month, day).weekday() in wanted]
    position = INDEXES.index(recurrence.index)
    return month.replace(
        day=fitting[-1] if recurrence.index == "last" else fitting[min(position, len(fitting) - 1)]
    )


def _add_months(month: date, months: int) -> date:
    total = month.year * 12 + month.month - 1 + months
    year, index = divmod(total, 12)
    return date(min(year, 9999), index + 1, 1)
