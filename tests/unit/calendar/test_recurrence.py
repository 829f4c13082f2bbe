"""The days of a series: every pattern and range, held against a walk over all days."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from itertools import islice, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.core.calendar.recurrence import (
    Pattern,
    Recurrence,
    Weekday,
    WeekIndex,
    before,
    check,
    dates,
    from_first_date,
    in_years,
    since,
)
from ostiary.core.kernel.errors import InvalidRequest

from ...recurrence_oracle import random_recurrence, walked_days

HORIZON = timedelta(days=6 * 366)
starts = st.dates(date(1999, 1, 1), date(2101, 1, 1))
series = st.builds(
    lambda seed, pattern, start: random_recurrence(random.Random(seed), pattern, start),
    st.integers(0, 2**32),
    st.sampled_from(Pattern),
    starts,
)


def days_until(recurrence: Recurrence, until: date) -> list[date]:
    return list(takewhile(lambda day: day <= until, dates(recurrence)))


@settings(max_examples=150, deadline=None)
@given(recurrence=series)
def test_series_has_the_days_that_a_walk_over_all_days_finds(recurrence: Recurrence) -> None:
    until = recurrence.starts_on + HORIZON

    assert days_until(recurrence, until) == walked_days(recurrence, until)


@settings(max_examples=150, deadline=None)
@given(recurrence=series)
def test_starting_on_the_first_day_changes_no_day(recurrence: Recurrence) -> None:
    until = recurrence.starts_on + HORIZON
    moved = from_first_date(recurrence)

    assert days_until(moved, until) == days_until(recurrence, until)
    assert next(dates(moved), moved.starts_on) == moved.starts_on


@settings(max_examples=150, deadline=None)
@given(recurrence=series)
def test_months_by_the_dozen_are_years(recurrence: Recurrence) -> None:
    until = recurrence.starts_on + 2 * HORIZON
    months = replace(from_first_date(recurrence), interval=recurrence.interval * 12)
    if recurrence.pattern not in (Pattern.ABSOLUTE_MONTHLY, Pattern.RELATIVE_MONTHLY):
        assert in_years(recurrence) == recurrence
        return

    years = in_years(months)

    assert years.pattern in (Pattern.ABSOLUTE_YEARLY, Pattern.RELATIVE_YEARLY)
    assert days_until(years, until) == days_until(months, until)


@settings(max_examples=200, deadline=None)
@given(recurrence=series, days=st.integers(0, 6 * 366))
def test_cutting_a_series_loses_and_doubles_no_day(recurrence: Recurrence, days: int) -> None:
    until, cut = recurrence.starts_on + HORIZON, recurrence.starts_on + timedelta(days=days)

    first, rest = before(recurrence, cut), since(recurrence, cut)

    earlier = [] if first is None else list(dates(first))
    later = [] if rest is None else days_until(rest, until)
    assert earlier + later == days_until(recurrence, until)
    assert all(day < cut for day in earlier)
    assert all(day >= cut for day in later)


def test_leap_day_and_short_months_fall_on_the_last_day() -> None:
    birthday = Recurrence(Pattern.ABSOLUTE_YEARLY, date(2028, 2, 29), day_of_month=29, month=2, count=5)
    payday = Recurrence(Pattern.ABSOLUTE_MONTHLY, date(2027, 12, 31), day_of_month=31, count=4)

    assert list(dates(birthday)) == [
        date(2028, 2, 29),
        date(2029, 2, 28),
        date(2030, 2, 28),
        date(2031, 2, 28),
        date(2032, 2, 29),
    ]
    assert list(dates(payday)) == [
        date(2027, 12, 31),
        date(2028, 1, 31),
        date(2028, 2, 29),
        date(2028, 3, 31),
    ]


def test_every_other_week_depends_on_where_weeks_begin() -> None:
    def of(first: Weekday) -> list[date]:
        wanted = Recurrence(
            Pattern.WEEKLY,
            date(2027, 1, 5),
            interval=2,
            days=(Weekday.SUNDAY, Weekday.TUESDAY),
            week_starts_on=first,
            count=4,
        )
        return list(dates(wanted))

    assert of(Weekday.MONDAY) == [date(2027, 1, 5), date(2027, 1, 10), date(2027, 1, 19), date(2027, 1, 24)]
    assert of(Weekday.SUNDAY) == [date(2027, 1, 5), date(2027, 1, 17), date(2027, 1, 19), date(2027, 1, 31)]


def test_series_without_end_comes_to_the_end_of_the_calendar() -> None:
    endless = Recurrence(Pattern.ABSOLUTE_YEARLY, date(2027, 1, 1), day_of_month=1, month=1)

    assert len(list(dates(endless))) > 2400
    assert list(islice(dates(endless), 1)) == [date(2027, 1, 1)]


DAY = date(2027, 1, 4)
WRONG = [
    Recurrence(Pattern.DAILY, DAY, interval=0),
    Recurrence(Pattern.WEEKLY, DAY),
    Recurrence(Pattern.WEEKLY, DAY, interval=100, days=(Weekday.MONDAY,)),
    Recurrence(Pattern.DAILY, DAY, days=(Weekday.MONDAY,)),
    Recurrence(Pattern.ABSOLUTE_MONTHLY, DAY),
    Recurrence(Pattern.ABSOLUTE_MONTHLY, DAY, day_of_month=32),
    Recurrence(Pattern.ABSOLUTE_YEARLY, DAY, day_of_month=1),
    Recurrence(Pattern.ABSOLUTE_YEARLY, DAY, day_of_month=1, month=13),
    Recurrence(Pattern.ABSOLUTE_YEARLY, DAY, day_of_month=1, month=1, interval=9),
    Recurrence(Pattern.RELATIVE_MONTHLY, DAY, days=(Weekday.MONDAY,)),
    Recurrence(Pattern.RELATIVE_MONTHLY, DAY, days=(Weekday.MONDAY, Weekday.TUESDAY), index=WeekIndex.FIRST),
    Recurrence(Pattern.WEEKLY, DAY, days=(Weekday.MONDAY,), index=WeekIndex.FIRST),
    Recurrence(Pattern.DAILY, DAY, count=0),
    Recurrence(Pattern.DAILY, DAY, count=1000),
    Recurrence(Pattern.DAILY, DAY, count=2, ends_on=DAY),
    Recurrence(Pattern.DAILY, DAY, ends_on=DAY - timedelta(days=1)),
    Recurrence(Pattern.WEEKLY, DAY, days=(Weekday.SUNDAY,), ends_on=DAY),
    Recurrence(Pattern.DAILY, date.min),
]


@pytest.mark.parametrize("recurrence", WRONG)
def test_pattern_that_makes_no_series_is_refused_and_says_where(recurrence: Recurrence) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(recurrence)

    assert caught.value.field is not None
    assert caught.value.field.startswith("recurrence.")


@settings(max_examples=100, deadline=None)
@given(recurrence=series)
def test_every_pattern_that_makes_a_series_is_taken(recurrence: Recurrence) -> None:
    check(recurrence)
