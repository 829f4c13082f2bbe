"""Readings of the clock and moments, on both sides of every clock change; names of zones there and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.core.calendar.time_zones import keep_same_clock, windows_zone_name, zone_like, zone_of
from ostiary.core.calendar.times import EventTimes, wall_times
from ostiary.core.kernel.errors import InvalidRequest

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Santiago",
    "UTC",
)
walls = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)).map(
    lambda at: at.replace(second=0, microsecond=0)
)
lengths = st.timedeltas(timedelta(0), timedelta(days=3)).map(
    lambda each: timedelta(minutes=each // timedelta(minutes=1))
)


@settings(max_examples=200)
@given(start=walls, length=lengths, zone=st.sampled_from(ZONES))
def test_reading_of_the_clock_is_the_moment_at_which_the_clock_shows_it(
    start: datetime, length: timedelta, zone: str
) -> None:
    try:
        found = wall_times(EventTimes(start, start + length, time_zone=zone), own_zone="Etc/UTC")
    except InvalidRequest:
        # Only where the clocks went back between start and end can the end come first.
        assert length < timedelta(hours=1)
        return

    shown = found.starts_at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    skipped = shown - start
    # Where the clock skips an hour (or half one) it shows no such time.
    assert skipped in (timedelta(0), timedelta(minutes=30), timedelta(hours=1))
    assert found.start == start
    assert found.zone.key.removeprefix("Etc/") == zone


@settings(max_examples=200)
@given(moment=walls, zone=st.sampled_from(ZONES), offset=st.integers(-12, 14))
def test_moment_stays_the_same_moment_in_any_zone(moment: datetime, zone: str, offset: int) -> None:
    at = moment.replace(tzinfo=UTC)
    sent = (at + timedelta(hours=offset)).replace(tzinfo=None)
    sent = sent.replace(tzinfo=timezone(timedelta(hours=offset)))

    found = wall_times(EventTimes(sent, sent + timedelta(hours=1), time_zone=zone), own_zone="Etc/UTC")

    assert (found.starts_at, found.ends_at) == (at, at + timedelta(hours=1))


@given(day=st.dates(date(1990, 1, 1), date(2060, 1, 1)), days=st.integers(1, 40), zone=st.sampled_from(ZONES))
def test_all_day_event_keeps_its_days_whatever_the_clocks_do(day: date, days: int, zone: str) -> None:
    start = datetime.combine(day, time())
    times = EventTimes(start, start + timedelta(days=days), is_all_day=True, time_zone=zone)

    found = wall_times(times, own_zone="Etc/UTC")

    assert (found.start, found.end) == (start, start + timedelta(days=days))
    assert found.is_all_day


def test_hour_that_is_skipped_counts_on_from_before_and_of_one_that_comes_twice_the_first_is_meant() -> None:
    def moment(at: datetime) -> datetime:
        times = EventTimes(at, at, time_zone="Europe/Berlin")
        return wall_times(times, own_zone="Etc/UTC").starts_at

    assert moment(datetime(2027, 3, 28, 2, 30)) == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
    assert moment(datetime(2027, 10, 31, 2, 30)) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    second = datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
    assert moment(second) == second


def test_floating_times_are_the_owners() -> None:
    noon = datetime(2027, 7, 1, 12)

    found = wall_times(EventTimes(noon, noon), own_zone="America/New_York")

    assert found.starts_at == datetime(2027, 7, 1, 16, tzinfo=UTC)


def test_every_zone_has_a_windows_name_that_keeps_its_clock() -> None:
    without: list[str] = []
    for name in sorted(available_timezones()):
        try:
            windows = windows_zone_name(ZoneInfo(name), year=2026)
        except InvalidRequest:
            without.append(name)
            continue
        if "/" in name and not name.startswith(("Etc/", "Antarctica/")):
            assert zone_of(windows).utcoffset(datetime(2026, 1, 10)) is not None
    # A station in the Antarctic changes its clock by two hours.
    assert without == ["Antarctica/Troll"]


@pytest.mark.parametrize(
    "zone",
    ["Europe/London", "Europe/Berlin", "America/New_York", "America/Havana", "Asia/Kolkata", "Etc/UTC"],
)
def test_zone_is_known_again_by_its_rules_alone(zone: str) -> None:
    found = zone_like(ZoneInfo(zone), year=2026)

    assert found is not None
    assert keep_same_clock(ZoneInfo(found), ZoneInfo(zone), 2026)
    assert zone not in ("Europe/London", "Europe/Berlin", "America/New_York") or found == zone
