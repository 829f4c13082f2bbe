"""Which events a window holds, and the names of time zones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.calendar import time_zones
from ostiary.core.calendar.model import CalendarEvent, EventKind, Response, Sensitivity, ShowAs
from ostiary.core.calendar.time_zones import iana_zone_name
from ostiary.core.calendar.window import EventWindow
from ostiary.core.kernel.errors import InvalidRequest

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
EVENT = CalendarEvent(
    id="e",
    calendar_id=None,
    series_id=None,
    ical_uid=None,
    kind=EventKind.SINGLE,
    subject="",
    starts_at=NOON,
    ends_at=NOON,
    is_all_day=False,
    time_zone=None,
    location="",
    show_as=ShowAs.BUSY,
    is_cancelled=False,
    sensitivity=Sensitivity.NORMAL,
    is_organizer=True,
    organizer=None,
    attendees=(),
    my_response=Response.NONE,
    online_meeting_url=None,
    preview="",
    version="",
)
minutes = st.integers(min_value=0, max_value=600)


@given(start=minutes, length=minutes, window=st.integers(min_value=1, max_value=120))
def test_adjoining_windows_hold_an_events_start_exactly_once(start: int, length: int, window: int) -> None:
    event = replace(
        EVENT,
        starts_at=NOON + timedelta(minutes=start),
        ends_at=NOON + timedelta(minutes=start + length),
    )
    size = timedelta(minutes=window)
    windows = [
        EventWindow(NOON + number * size, NOON + (number + 1) * size) for number in range(1300 // window + 1)
    ]
    holding = [each for each in windows if each.holds(event)]

    assert sum(each.starts_at <= event.starts_at < each.ends_at for each in holding) == 1
    overlapping = [
        each
        for each in windows
        if max(each.starts_at, event.starts_at) < min(each.ends_at, event.ends_at)
        or each.starts_at <= event.starts_at == event.ends_at < each.ends_at
    ]
    assert holding == overlapping


@pytest.mark.parametrize(
    ("starts_at", "ends_at"),
    [
        (NOON, NOON),
        (NOON, NOON - timedelta(seconds=1)),
        (NOON, NOON + timedelta(days=731)),
        (NOON.replace(tzinfo=None), NOON),
        (NOON, NOON.replace(tzinfo=None) + timedelta(days=1)),
        (datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC)),
        (datetime(9999, 12, 30, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)),
    ],
)
def test_window_that_cannot_be_is_refused(starts_at: datetime, ends_at: datetime) -> None:
    with pytest.raises(InvalidRequest):
        EventWindow(starts_at, ends_at)


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("w. europe standard time", "Europe/Berlin"),
        ("GMT Standard Time", "Europe/London"),
        ("India Standard Time", "Asia/Kolkata"),
        ("UTC", "Etc/UTC"),
        ("Europe/Paris", "Europe/Paris"),
        ("tzone://Microsoft/Custom", None),
        ("Customized Time Zone", None),
        ("../../etc/passwd", None),
        ("", None),
        (None, None),
    ],
)
def test_microsofts_zone_names_become_iana_names(given_name: str | None, name: str | None) -> None:
    assert iana_zone_name(given_name) == name


def test_every_windows_zone_leads_to_rules_that_exist() -> None:
    table = time_zones._IANA_BY_WINDOWS_NAME

    assert len(table) > 130
    for name in table.values():
        ZoneInfo(name)
