"""Recurrence over clock changes, time zones, meetings between mailboxes, free/busy."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m365_emulator.world.mailbox import Attendee, CalendarEvent, DeleteMode, Mailbox, Recipient, Recurrence
from m365_emulator.world.mailbox.errors import MeetingRefused, OccurrenceCrossing, OccurrenceGone
from m365_emulator.world.mailbox.event import DAYS
from m365_emulator.world.mailbox.meetings import create_event, delete_event, respond, update_event
from m365_emulator.world.mailbox.recurrence import (
    dates,
    expand,
    occurrence_at,
    occurrence_number,
    original_starts,
)
from m365_emulator.world.mailbox.schedule import busy_blocks, meeting_times, merged_view
from m365_emulator.world.mailbox.timezones import (
    UnknownTimeZone,
    iana_name,
    to_local,
    to_utc,
    windows_name,
    windows_zones,
    zone,
)

BERLIN = "W. Europe Standard Time"
SUPPORT = Recipient("Support", "support@vale.example")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def weekly(count: int = 4, start: str = "2027-03-15") -> CalendarEvent:
    return CalendarEvent(
        subject="Talk",
        start=to_utc(datetime.fromisoformat(f"{start}T10:00"), BERLIN),
        end=to_utc(datetime.fromisoformat(f"{start}T11:00"), BERLIN),
        start_zone=BERLIN,
        end_zone=BERLIN,
        recurrence=Recurrence(
            "weekly", days=("monday",), end="numbered", count=count, start_on=date.fromisoformat(start)
        ),
    )


def test_every_windows_zone_has_rules_and_both_names_lead_to_it() -> None:
    assert len(windows_zones()) > 135
    for row in windows_zones().values():
        assert zone(row.name).utcoffset(datetime(2027, 1, 1)) is not None
        assert windows_name(row.name.upper()) == row.name
    assert windows_name("Europe/Amsterdam") == BERLIN
    assert iana_name("Pacific Standard Time") == "America/Los_Angeles"
    with pytest.raises(UnknownTimeZone):
        windows_name("Mars/Olympus")


def test_nearly_every_iana_zone_is_known() -> None:
    unknown = set()
    for name in available_timezones():
        try:
            windows_name(name)
        except UnknownTimeZone:
            unknown.add(name)
    assert unknown <= {"Factory", "localtime", "Antarctica/Troll", "posixrules"}


def test_zones_of_one_windows_group_keep_their_own_rules() -> None:
    moment = datetime(2027, 7, 1, 12, tzinfo=UTC)
    assert to_local(moment, "Europe/Berlin") == moment.astimezone(ZoneInfo("Europe/Berlin")).replace(
        tzinfo=None
    )
    assert to_local(moment, "UTC").hour == 12


def test_wall_clock_time_stays_over_both_clock_changes() -> None:
    series = weekly(40)
    walls = {to_local(start, BERLIN).time() for start in original_starts(series)}
    assert len(walls) == 1
    assert len({start.time() for start in original_starts(series)}) == 2


def test_time_skipped_in_spring_is_read_with_the_offset_before() -> None:
    assert to_utc(datetime(2027, 3, 28, 2, 30), "Europe/Berlin") == at("2027-03-28T01:30")
    assert to_utc(datetime(2027, 10, 31, 2, 30), "Europe/Berlin") == at("2027-10-31T00:30")


@settings(max_examples=150, deadline=None)
@given(
    pattern=st.sampled_from(
        ["daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"]
    ),
    interval=st.integers(1, 7),
    days=st.sets(st.sampled_from(DAYS), min_size=1),
    day=st.integers(1, 31),
    month=st.integers(1, 12),
    index=st.sampled_from(["first", "second", "third", "fourth", "last"]),
    start=st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    offset=st.integers(0, 4000),
    count=st.one_of(st.none(), st.integers(1, 60)),
)
def test_window_shows_the_same_dates_as_the_whole_series(
    pattern: str,
    interval: int,
    days: set[str],
    day: int,
    month: int,
    index: str,
    start: date,
    offset: int,
    count: int | None,
) -> None:
    """A window deep inside a series is expanded without walking from its beginning; both ways must agree."""
    recurrence = Recurrence(
        pattern,
        interval,
        tuple(sorted(days)),
        day,
        month,
        index,
        "sunday",
        "numbered" if count else "endDate",
        start,
        start + timedelta(days=5000),
        count or 0,
    )
    first = next(dates(recurrence), None)
    if first is None:
        return
    series = CalendarEvent(
        start=to_utc(datetime.combine(first, datetime.min.time().replace(hour=9)), BERLIN),
        end=to_utc(datetime.combine(first, datetime.min.time().replace(hour=10)), BERLIN),
        start_zone=BERLIN,
        kind="seriesMaster",
        recurrence=recurrence,
    )
    window_start = datetime(start.year, start.month, start.day, tzinfo=UTC) + timedelta(days=offset)
    window_end = window_start + timedelta(days=90)
    whole = [one for one in original_starts(series) if window_start - timedelta(hours=1) < one < window_end]
    shown = [one.start for one in expand(series, window_start, window_end)]
    assert shown == whole
    for one in shown:
        assert occurrence_at(series, one).original_start == one


def test_occurrences_are_counted_from_one(sales: Mailbox) -> None:
    event = create_event(sales, weekly())
    assert occurrence_number(event, 1) == event.start
    assert occurrence_number(event, 5) is None


def test_master_moves_to_the_first_date_of_its_pattern(sales: Mailbox) -> None:
    event = weekly(2, "2027-03-15")
    event.recurrence = Recurrence(
        "weekly", days=("wednesday",), end="numbered", count=2, start_on=date(2027, 3, 15)
    )
    assert to_local(create_event(sales, event).start, BERLIN) == datetime(2027, 3, 17, 10)


def test_cancelled_occurrence_is_gone_and_a_moved_one_shows_where_it_went(sales: Mailbox) -> None:
    event = create_event(sales, weekly())
    first, second, third, _ = original_starts(event)
    delete_event(sales, occurrence_at(event, first))
    with pytest.raises(OccurrenceGone):
        occurrence_at(event, first)
    moved = update_event(
        sales,
        occurrence_at(event, second),
        {"start": second + timedelta(days=2), "end": second + timedelta(days=2, hours=1)},
    )
    assert moved.kind == "exception"
    assert expand(event, second + timedelta(days=1), second + timedelta(days=3)) == [moved]
    assert expand(event, second, second + timedelta(hours=1)) == []
    with pytest.raises(OccurrenceCrossing):
        update_event(
            sales, occurrence_at(event, third), {"start": second, "end": second + timedelta(hours=1)}
        )
    update_event(
        sales, event, {"start": event.start + timedelta(hours=1), "end": event.end + timedelta(hours=1)}
    )
    assert not event.exceptions
    assert not event.cancelled


def test_meeting_answers_cancellation_and_removal_reach_the_other_side(
    sales: Mailbox, support: Mailbox
) -> None:
    event = weekly()
    event.attendees = [Attendee(SUPPORT)]
    create_event(sales, event)
    theirs = support.find_event_by_uid(event.uid)
    assert theirs is not None
    assert (theirs.response, theirs.show_as, theirs.is_organizer) == ("notResponded", "tentative", False)
    with pytest.raises(MeetingRefused):
        respond(sales, event, "accepted")
    respond(support, occurrence_at(theirs, theirs.start), "declined")
    assert event.exceptions[event.start].attendees[0].response == "declined"
    assert len(expand(theirs, at("2027-03-01T00:00"), at("2027-05-01T00:00"))) == 3
    respond(support, theirs, "accepted")
    assert event.attendees[0].response == "accepted"
    delete_event(sales, event, DeleteMode.HARD)
    assert theirs.is_cancelled
    classes = [item.item_class for item in support.well_known("inbox").items.values()]
    assert classes == ["IPM.Schedule.Meeting.Request", "IPM.Schedule.Meeting.Canceled"]


def test_organizer_can_stay_silent(sales: Mailbox, support: Mailbox) -> None:
    event = weekly()
    event.attendees = [Attendee(SUPPORT)]
    create_event(sales, event, send_invitations=False)
    assert support.find_event_by_uid(event.uid) is None
    delete_event(sales, event, send_cancellations=False)
    assert not support.well_known("inbox").items


def test_free_busy_shows_the_strongest_state_of_each_interval(sales: Mailbox) -> None:
    for start, length, show_as in (
        ("09:00", 60, "tentative"),
        ("09:30", 30, "busy"),
        ("11:00", 30, "oof"),
        ("12:00", 60, "free"),
    ):
        begin = at(f"2027-05-11T{start}")
        create_event(
            sales, CalendarEvent(start=begin, end=begin + timedelta(minutes=length), show_as=show_as)
        )
    start, end = at("2027-05-11T09:00"), at("2027-05-11T13:00")
    blocks = busy_blocks(sales, start, end)
    assert merged_view(blocks, start, end, timedelta(minutes=30)) == "12003000"
    assert merged_view(blocks, start, end, timedelta(hours=1)) == "2030"


def test_meeting_times_are_those_at_which_everyone_is_free(sales: Mailbox, support: Mailbox) -> None:
    begin = at("2027-05-11T09:00")
    create_event(sales, CalendarEvent(start=begin, end=begin + timedelta(hours=1), show_as="busy"))
    create_event(
        support,
        CalendarEvent(start=begin + timedelta(hours=1), end=begin + timedelta(hours=2), show_as="busy"),
    )
    found = meeting_times(
        sales,
        [support],
        [(begin, begin + timedelta(hours=3))],
        timedelta(hours=1),
        only_working_hours=False,
        least_percentage=100,
    )
    assert [one.start for one in found] == [begin + timedelta(hours=2)]
    assert (
        meeting_times(
            sales,
            [None],
            [(begin, begin + timedelta(hours=3))],
            timedelta(hours=1),
            only_working_hours=False,
            least_percentage=50,
        )
        == []
    )
