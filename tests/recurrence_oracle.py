"""Which days a series has, told by looking at every single day: an oracle that shares nothing with the product.

Also makes series of every pattern and range, for Hypothesis and for a seeded generator alike.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta

from ostiary.core.calendar.recurrence import WEEK, Pattern, Recurrence, Weekday, WeekIndex

GROUPS = (*[(day,) for day in WEEK], WEEK[:5], WEEK[5:], WEEK)


def walked_days(recurrence: Recurrence, until: date) -> list[date]:
    """Return the days of a series up to ``until``, found by trying each day from its start on."""
    last = min(until, recurrence.ends_on or until)
    found: list[date] = []
    for day in _each(recurrence.starts_on, last):
        if _is_in_period(recurrence, day) and _fits(recurrence, day):
            found.append(day)
    return found[: recurrence.count] if recurrence.count is not None else found


def _each(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


def _is_in_period(recurrence: Recurrence, day: date) -> bool:
    """Whether the day's week, month or year is one that counts."""
    start, interval = recurrence.starts_on, recurrence.interval
    match recurrence.pattern:
        case Pattern.DAILY:
            return (day - start).days % interval == 0
        case Pattern.WEEKLY:
            first = WEEK.index(recurrence.week_starts_on)
            weeks = [each - timedelta(days=(each.weekday() - first) % 7) for each in (start, day)]
            return (weeks[1] - weeks[0]).days // 7 % interval == 0
        case Pattern.ABSOLUTE_MONTHLY | Pattern.RELATIVE_MONTHLY:
            return ((day.year - start.year) * 12 + day.month - start.month) % interval == 0
        case Pattern.ABSOLUTE_YEARLY | Pattern.RELATIVE_YEARLY:
            return day.month == recurrence.month and (day.year - start.year) % interval == 0


def _fits(recurrence: Recurrence, day: date) -> bool:
    is_named = WEEK[day.weekday()] in recurrence.days
    match recurrence.pattern:
        case Pattern.DAILY:
            return True
        case Pattern.WEEKLY:
            return is_named
        case Pattern.ABSOLUTE_MONTHLY | Pattern.ABSOLUTE_YEARLY:
            wanted = recurrence.day_of_month or 0
            is_last = (day + timedelta(days=1)).month != day.month
            return day.day == wanted or (is_last and wanted > day.day)
        case Pattern.RELATIVE_MONTHLY | Pattern.RELATIVE_YEARLY:
            if not is_named:
                return False
            month = [
                each
                for each in _each(day.replace(day=1), day + timedelta(days=31))
                if each.month == day.month
            ]
            fitting = [each for each in month if WEEK[each.weekday()] in recurrence.days]
            number = (
                -1
                if recurrence.index is WeekIndex.LAST
                else list(WeekIndex).index(recurrence.index or WeekIndex.FIRST)
            )
            return fitting[number] == day


def random_recurrence(rng: random.Random, pattern: Pattern, starts_on: date) -> Recurrence:
    """Return a series of a pattern; a few of its occurrences lie within six years."""
    is_yearly = pattern in (Pattern.ABSOLUTE_YEARLY, Pattern.RELATIVE_YEARLY)
    is_relative = pattern in (Pattern.RELATIVE_MONTHLY, Pattern.RELATIVE_YEARLY)
    is_absolute = pattern in (Pattern.ABSOLUTE_MONTHLY, Pattern.ABSOLUTE_YEARLY)
    days: tuple[Weekday, ...] = ()
    if pattern is Pattern.WEEKLY:
        days = tuple(day for day in WEEK if rng.random() < 0.4) or (rng.choice(WEEK),)
    elif is_relative:
        days = rng.choice(GROUPS)
    end = rng.choice(("none", "count", "day"))
    return Recurrence(
        pattern=pattern,
        starts_on=starts_on,
        interval=rng.randint(1, 2) if is_yearly else rng.randint(1, 4),
        days=days,
        day_of_month=rng.choice((1, 15, 28, 29, 30, 31)) if is_absolute else None,
        month=rng.choice((2, 2, 3, 7, 10, 12)) if is_yearly else None,
        index=rng.choice(list(WeekIndex)) if is_relative else None,
        week_starts_on=rng.choice((Weekday.SUNDAY, Weekday.MONDAY)),
        ends_on=starts_on + timedelta(days=rng.randint(1500, 2100)) if end == "day" else None,
        count=rng.randint(1, 12) if end == "count" else None,
    )
