"""How an event repeats: pattern, range and the days that come of them. Pure rules, no I/O."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final

from ostiary.core.kernel.errors import InvalidRequest

LONGEST_INTERVAL: Final = 99
"""Exchange takes no more weeks or months (ews.md §6)."""
LONGEST_YEARS: Final = 8
"""EWS has no interval of years; they are written as months, of which it takes 99."""
MOST_OCCURRENCES: Final = 999
_MOST_COUNTED: Final = 100_000
"""Other programs write longer series than we do."""
FIRST_DAY: Final = date(1601, 1, 1)
"""Exchange's beginning of time."""
LAST_DAY: Final = date(4500, 8, 31)
"""Exchange's end of time."""


class Pattern(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    ABSOLUTE_MONTHLY = "absolute_monthly"
    """A day of the month, such as the 15th; in a shorter month its last day."""
    RELATIVE_MONTHLY = "relative_monthly"
    """Such as the second Tuesday."""
    ABSOLUTE_YEARLY = "absolute_yearly"
    RELATIVE_YEARLY = "relative_yearly"


class Weekday(StrEnum):
    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class WeekIndex(StrEnum):
    FIRST = "first"
    SECOND = "second"
    THIRD = "third"
    FOURTH = "fourth"
    LAST = "last"


WEEK: Final = tuple(Weekday)
WORKDAYS: Final = frozenset(WEEK[:5])
WEEKEND: Final = frozenset(WEEK[5:])
_INDEXES: Final = tuple(WeekIndex)
_YEARLY: Final = (Pattern.ABSOLUTE_YEARLY, Pattern.RELATIVE_YEARLY)
_RELATIVE: Final = (Pattern.RELATIVE_MONTHLY, Pattern.RELATIVE_YEARLY)
_ABSOLUTE: Final = (Pattern.ABSOLUTE_MONTHLY, Pattern.ABSOLUTE_YEARLY)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A pattern and its range; all days are wall-clock days in the zone of the event's start.

    Without ``ends_on`` and ``count`` it goes on without end.
    """

    pattern: Pattern
    starts_on: date = date.min
    """The first day. A caller who writes an event leaves it out: it comes from the event's start."""
    interval: int = 1
    days: tuple[Weekday, ...] = ()
    """Weekly: each of them. Relative: the day meant, or all five workdays, the weekend, or all seven days."""
    day_of_month: int | None = None
    month: int | None = None
    index: WeekIndex | None = None
    week_starts_on: Weekday = Weekday.SUNDAY
    """Matters to patterns of several weeks with several days."""
    ends_on: date | None = None
    """The last day that may hold an occurrence."""
    count: int | None = None


def check(recurrence: Recurrence) -> None:
    """Raise InvalidRequest unless pattern and range fit together and both access methods can hold them."""
    pattern = recurrence.pattern
    longest = LONGEST_YEARS if pattern in _YEARLY else LONGEST_INTERVAL
    if not 1 <= recurrence.interval <= longest:
        raise _wrong("interval", f"A {pattern.value} series repeats every 1 to {longest}.")
    _check_days(recurrence)
    for name, value, wanted, last in (
        ("day_of_month", recurrence.day_of_month, pattern in _ABSOLUTE, 31),
        ("month", recurrence.month, pattern in _YEARLY, 12),
    ):
        if wanted != (value is not None) or (value is not None and not 1 <= value <= last):
            rule = f"needs {name}, 1 to {last}" if wanted else f"has no {name}"
            raise _wrong(name, f"A series of pattern {pattern.value} {rule}.")
    if recurrence.ends_on is not None and recurrence.count is not None:
        raise _wrong("count", "A series ends on a day or after a count, not both.")
    if recurrence.count is not None and not 1 <= recurrence.count <= MOST_OCCURRENCES:
        raise _wrong("count", f"A series has 1 to {MOST_OCCURRENCES} occurrences.")
    if not date(1900, 1, 1) <= recurrence.starts_on < LAST_DAY:
        raise _wrong("starts_on", "The series starts outside of what calendars hold.")
    if recurrence.ends_on is not None and recurrence.ends_on > LAST_DAY:
        raise _wrong("ends_on", "The series ends outside of what calendars hold.")
    if next(dates(recurrence), None) is None:
        raise _wrong("ends_on", "The series has no occurrence.")


def _check_days(recurrence: Recurrence) -> None:
    days = frozenset(recurrence.days)
    if recurrence.pattern is Pattern.WEEKLY and not days:
        raise _wrong("days", "A weekly series needs days.")
    is_relative = recurrence.pattern in _RELATIVE
    if is_relative and len(days) != 1 and days not in (WORKDAYS, WEEKEND, frozenset(WEEK)):
        # EWS has one word for each of these and none for others (ews.md §6).
        raise _wrong("days", "Name one day, all five workdays, the two days of the weekend, or all seven.")
    if is_relative != (recurrence.index is not None):
        raise _wrong(
            "index", f"A {recurrence.pattern.value} series {'needs an' if is_relative else 'has no'} index."
        )
    if days and recurrence.pattern not in (Pattern.WEEKLY, *_RELATIVE):
        raise _wrong("days", f"A series of pattern {recurrence.pattern.value} has no days.")


def _wrong(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, field=f"recurrence.{field}")


def is_plausible(recurrence: Recurrence) -> bool:
    """Whether a series that Microsoft told of can be reckoned with; Exchange itself holds no others."""
    relative = recurrence.pattern in _RELATIVE
    return (
        1 <= recurrence.interval <= MOST_OCCURRENCES
        and FIRST_DAY <= recurrence.starts_on <= LAST_DAY
        and (recurrence.pattern not in _ABSOLUTE or 1 <= (recurrence.day_of_month or 0) <= 31)
        and (recurrence.pattern not in _YEARLY or 1 <= (recurrence.month or 0) <= 12)
        and (bool(recurrence.days) or not (relative or recurrence.pattern is Pattern.WEEKLY))
        and (recurrence.count is None or 1 <= recurrence.count <= _MOST_COUNTED)
    )


def dates(recurrence: Recurrence) -> Iterator[date]:
    """Yield the days of the series in order, its range applied."""
    last = recurrence.ends_on or LAST_DAY
    for day in islice(_candidates(recurrence), recurrence.count):
        if day > last:
            return
        yield day


def from_first_date(recurrence: Recurrence) -> Recurrence:
    """Return the same series, starting on its first day: what Exchange makes of a start that the pattern skips.

    Patterns of several weeks, months or years keep their step, since the first day lies in a period that counts.
    """
    first = next(dates(recurrence), recurrence.starts_on)
    return replace(recurrence, starts_on=first)


def in_years(recurrence: Recurrence) -> Recurrence:
    """Return a series of twelve months (or 24, …) as one of years: EWS can only write the former."""
    years, rest = divmod(recurrence.interval, 12)
    if rest or recurrence.pattern not in (Pattern.ABSOLUTE_MONTHLY, Pattern.RELATIVE_MONTHLY):
        return recurrence
    is_absolute = recurrence.pattern is Pattern.ABSOLUTE_MONTHLY
    return replace(
        recurrence,
        pattern=Pattern.ABSOLUTE_YEARLY if is_absolute else Pattern.RELATIVE_YEARLY,
        interval=years,
        month=from_first_date(recurrence).starts_on.month,
    )


def before(recurrence: Recurrence, day: date) -> Recurrence | None:
    """Return the part of the series before ``day``, None when there is none."""
    earlier = [each for each in _until(recurrence, day) if each < day]
    return replace(recurrence, ends_on=earlier[-1], count=None) if earlier else None


def since(recurrence: Recurrence, day: date) -> Recurrence | None:
    """Return the part of the series from ``day`` on, None when there is none. A count loses what came before."""
    earlier = sum(each < day for each in _until(recurrence, day))
    count = None if recurrence.count is None else recurrence.count - earlier
    first = next((each for each in dates(recurrence) if each >= day), None)
    return None if first is None else replace(recurrence, starts_on=first, count=count)


def _until(recurrence: Recurrence, day: date) -> Iterator[date]:
    for each in dates(recurrence):
        if each > day:
            return
        yield each


def _candidates(recurrence: Recurrence) -> Iterator[date]:
    """Yield the days of the pattern without end."""
    match recurrence.pattern:
        case Pattern.DAILY:
            yield from _daily(recurrence)
        case Pattern.WEEKLY:
            yield from _weekly(recurrence)
        case Pattern.ABSOLUTE_MONTHLY | Pattern.RELATIVE_MONTHLY:
            yield from _monthly(recurrence, recurrence.starts_on.month, recurrence.interval)
        case Pattern.ABSOLUTE_YEARLY | Pattern.RELATIVE_YEARLY:
            yield from _monthly(recurrence, recurrence.month or 1, 12 * recurrence.interval)


def _daily(recurrence: Recurrence) -> Iterator[date]:
    day = recurrence.starts_on
    while day <= LAST_DAY:
        yield day
        day += timedelta(days=recurrence.interval)


def _weekly(recurrence: Recurrence) -> Iterator[date]:
    start, first = recurrence.starts_on, WEEK.index(recurrence.week_starts_on)
    week = start - timedelta(days=(start.weekday() - first) % 7)
    offsets = sorted({(WEEK.index(day) - first) % 7 for day in recurrence.days})
    while week <= LAST_DAY:
        yield from (day for offset in offsets if (day := week + timedelta(days=offset)) >= start)
        week += timedelta(weeks=recurrence.interval)


def _monthly(recurrence: Recurrence, month: int, step: int) -> Iterator[date]:
    number = recurrence.starts_on.year * 12 + month - 1
    while True:
        year, index = divmod(number, 12)
        if year >= LAST_DAY.year:
            return
        day = _day_in_month(recurrence, year, index + 1)
        if day >= recurrence.starts_on:
            yield day
        number += step


def _day_in_month(recurrence: Recurrence, year: int, month: int) -> date:
    length = calendar.monthrange(year, month)[1]
    if recurrence.index is None:
        # The 31st of a shorter month is its last day, as Exchange counts it.
        return date(year, month, min(recurrence.day_of_month or 1, length))
    wanted = {WEEK.index(day) for day in recurrence.days}
    fitting = [day for day in range(1, length + 1) if date(year, month, day).weekday() in wanted]
    if recurrence.index is WeekIndex.LAST:
        return date(year, month, fitting[-1])
    return date(year, month, fitting[_INDEXES.index(recurrence.index)])
