"""Free slots: held against a look at every minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.core.calendar.availability import (
    BusyTime,
    Schedule,
    SlotSearch,
    WorkingHours,
    busy_times_of,
    find_free_slots,
    working_times,
)
from ostiary.core.calendar.model import ShowAs
from ostiary.core.calendar.recurrence import WEEK, WORKDAYS
from ostiary.core.kernel.errors import InvalidRequest

BEGIN = datetime(2027, 3, 27, 7, 5, tzinfo=UTC)
"""A day before the clocks go forward in Europe."""
STEP = timedelta(minutes=15)

busy_times = st.builds(
    lambda start, length, show_as: BusyTime(
        BEGIN + timedelta(minutes=5 * start), BEGIN + timedelta(minutes=5 * (start + length)), show_as
    ),
    st.integers(-50, 700),
    st.integers(0, 80),
    st.sampled_from(ShowAs),
)
hours = st.builds(
    WorkingHours,
    st.frozensets(st.sampled_from(WEEK)),
    st.sampled_from((0, 480, 540, 1320)),
    st.sampled_from((360, 1020, 1440)),
    st.sampled_from(("Europe/Berlin", "America/New_York", "Asia/Kolkata")),
)
schedules = st.lists(
    st.builds(
        lambda busy, hours: Schedule("p", tuple(busy), hours),
        st.lists(busy_times, max_size=6),
        st.none() | hours,
    ),
    max_size=3,
)


def is_free(schedule: Schedule, at: datetime, *, tentative_is_free: bool) -> bool:
    comes = {ShowAs.FREE, ShowAs.WORKING_ELSEWHERE} | ({ShowAs.TENTATIVE} if tentative_is_free else set())
    return not any(
        each.starts_at <= at < each.ends_at and each.show_as not in comes for each in schedule.busy
    )


def works(hours: WorkingHours, at: datetime) -> bool:
    """Whether somebody works in a minute, told by the clock on their wall."""
    wall = at.astimezone(ZoneInfo(hours.zone))
    minute = wall.hour * 60 + wall.minute
    today, yesterday = WEEK[wall.weekday()] in hours.days, WEEK[wall.weekday() - 1] in hours.days
    if hours.from_minute < hours.to_minute:
        return today and hours.from_minute <= minute < hours.to_minute
    return (today and minute >= hours.from_minute) or (yesterday and minute < hours.to_minute)


@settings(max_examples=60, deadline=None)
@given(schedules=schedules, quarters=st.integers(1, 8), window=st.integers(2, 300), tentative=st.booleans())
def test_slots_are_just_those_in_which_everybody_is_free_each_minute(
    schedules: list[Schedule], quarters: int, window: int, tentative: bool
) -> None:
    search = SlotSearch(
        BEGIN,
        BEGIN + window * STEP,
        quarters * STEP,
        step=STEP,
        tentative_is_free=tentative,
    )
    good = {
        minute
        for minute in range(window * 15)
        if all(
            is_free(each, at, tentative_is_free=tentative)
            and (each.working_hours is None or works(each.working_hours, at))
            for each in schedules
            for at in (BEGIN + timedelta(minutes=minute),)
        )
    }
    expected = [
        BEGIN + timedelta(minutes=start)
        for start in range(window * 15)
        if (BEGIN.minute + start) % 15 == 0
        and all(minute in good for minute in range(start, start + quarters * 15))
    ]

    found = find_free_slots(schedules, search)

    assert [slot.starts_at for slot in found] == expected[:200]
    assert all(slot.ends_at - slot.starts_at == search.duration for slot in found)


def test_work_begins_by_the_clock_on_the_wall_on_both_sides_of_its_change() -> None:
    hours = WorkingHours(WORKDAYS, 9 * 60, 17 * 60, "Europe/Berlin")

    found = working_times(hours, datetime(2027, 3, 26, tzinfo=UTC), datetime(2027, 3, 30, tzinfo=UTC))

    assert [begin.hour for begin, _ in found] == [8, 7]


def test_view_of_digits_becomes_stretches() -> None:
    found = busy_times_of("0220133", BEGIN, STEP)

    assert [(each.starts_at - BEGIN, each.ends_at - BEGIN, each.show_as) for each in found] == [
        (STEP, 3 * STEP, ShowAs.BUSY),
        (4 * STEP, 5 * STEP, ShowAs.TENTATIVE),
        (5 * STEP, 7 * STEP, ShowAs.OUT_OF_OFFICE),
    ]


@pytest.mark.parametrize(
    ("duration", "step"),
    [(timedelta(0), STEP), (timedelta(days=8), STEP), (STEP, timedelta(0)), (STEP, timedelta(days=2))],
)
def test_search_that_makes_no_sense_is_refused(duration: timedelta, step: timedelta) -> None:
    with pytest.raises(InvalidRequest):
        SlotSearch(BEGIN, BEGIN + timedelta(days=1), duration, step=step)
