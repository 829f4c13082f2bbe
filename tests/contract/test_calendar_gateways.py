"""What every calendar gateway does, whichever way the mailbox is reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ostiary.core.calendar.model import AttendeeKind, EventKind, Response
from ostiary.core.kernel.errors import InvalidRequest, NotFound

BEGIN = datetime(2026, 11, 30, tzinfo=UTC)
END = datetime(2027, 4, 12, tzinfo=UTC)


def at(month: int, day: int, hour: int = 0, minute: int = 0, *, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


async def events_of(mailbox: Any, read_all: Any, begin: datetime, end: datetime, **options: Any) -> list[Any]:
    return await read_all(
        lambda cursor: mailbox.calendar.list_events(
            mailbox.access, starts_at=begin, ends_at=end, cursor=cursor, **options
        )
    )


def shown(event: Any) -> tuple[Any, ...]:
    return (
        event.subject,
        event.kind,
        event.starts_at,
        event.ends_at,
        event.is_all_day,
        event.time_zone,
        event.location,
        event.show_as,
        event.is_private,
    )


@pytest.mark.parametrize("limit", [1, 4, 100])
async def test_window_holds_every_event_once_by_start(
    mailbox: Any, seed: Any, read_all: Any, limit: int
) -> None:
    events = await events_of(mailbox, read_all, BEGIN, END, limit=limit)

    assert [shown(event) for event in events] == [shown(each) for each in seed.occurrences]
    assert len({event.id for event in events}) == len(events)
    assert all(event.version for event in events)
    assert not any(event.is_cancelled for event in events)


async def test_occurrences_name_their_series_and_singles_none(mailbox: Any, seed: Any, read_all: Any) -> None:
    events = await events_of(mailbox, read_all, BEGIN, END)

    series: dict[str, set[str | None]] = {}
    for event, expected in zip(events, seed.occurrences, strict=True):
        if expected.series is None:
            assert event.series_id is None
        else:
            series.setdefault(expected.series, set()).add(event.series_id)
    assert all(len(ids) == 1 and None not in ids for ids in series.values())
    assert series["planning"] != series["spring"]


async def test_moved_meeting_is_an_exception_at_its_new_time_and_a_deleted_one_is_gone(
    mailbox: Any, read_all: Any
) -> None:
    events = await events_of(mailbox, read_all, at(12, 27), at(1, 9, year=2027))

    assert [(event.subject, event.kind, event.starts_at) for event in events] == [
        ("Weekly planning, moved", EventKind.EXCEPTION, at(12, 29, 13))
    ]


async def test_meeting_keeps_its_wall_clock_across_the_clock_change(mailbox: Any, read_all: Any) -> None:
    events = await events_of(mailbox, read_all, at(3, 15, year=2027), at(4, 5, year=2027))

    assert [event.starts_at.hour for event in events] == [18, 18, 17]


async def test_meeting_has_its_people(mailbox: Any, read_all: Any) -> None:
    (event,) = await events_of(mailbox, read_all, at(12, 1), at(12, 2))

    assert event.is_organizer
    assert event.my_response is Response.ORGANIZER
    assert event.organizer.address == "sales.one@harbourvale.example"
    assert {(each.who.address, each.kind, each.response) for each in event.attendees} == {
        ("sales.two@harbourvale.example", AttendeeKind.REQUIRED, Response.NONE),
        ("dana.okafor@harbourvale.example", AttendeeKind.OPTIONAL, Response.NONE),
    }
    assert event.ical_uid


async def test_single_event_without_guests_is_its_owners(mailbox: Any, read_all: Any) -> None:
    (event,) = await events_of(mailbox, read_all, at(12, 2, 9), at(12, 2, 12))

    assert event.is_organizer
    assert event.my_response is Response.ORGANIZER
    assert event.attendees == ()
    assert event.online_meeting_url is None


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (at(12, 2, 9), at(12, 2, 10), []),
        (at(12, 2, 9), at(12, 2, 10, 1), ["Private matter"]),
        (at(12, 2, 10, 59), at(12, 2, 12), ["Private matter"]),
        (at(12, 2, 11), at(12, 2, 12), []),
        (at(12, 2, 10, 20), at(12, 2, 10, 40), ["Private matter"]),
    ],
)
async def test_event_that_only_touches_an_edge_is_out(
    mailbox: Any, read_all: Any, begin: datetime, end: datetime, expected: list[str]
) -> None:
    events = await events_of(mailbox, read_all, begin, end)

    assert [event.subject for event in events] == expected


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (at(12, 4), at(12, 5), []),
        (at(12, 5), at(12, 6), ["Day in Berlin"]),
        (at(12, 5, 23), at(12, 6), ["Day in Berlin"]),
        (at(12, 6), at(12, 7), []),
        (at(12, 7), at(12, 8), []),
        (at(12, 8), at(12, 8, 1), ["Two days in California"]),
        (at(12, 9), at(12, 10), ["Two days in California"]),
        (at(12, 10), at(12, 11), []),
    ],
)
async def test_all_day_event_is_whole_days_wherever_it_was_made(
    mailbox: Any, read_all: Any, begin: datetime, end: datetime, expected: list[str]
) -> None:
    events = await events_of(mailbox, read_all, begin, end)

    assert [event.subject for event in events] == expected


async def test_adjoining_windows_show_everything_once(mailbox: Any, seed: Any, read_all: Any) -> None:
    subjects: list[str] = []
    day = at(12, 11)
    while day < at(1, 16, year=2027):
        subjects += [
            event.subject for event in await events_of(mailbox, read_all, day, day + timedelta(days=4))
        ]
        day += timedelta(days=4)

    assert subjects == [
        each.subject for each in seed.occurrences if at(12, 11) <= each.starts_at < at(1, 16, year=2027)
    ]


async def test_calendars_are_listed_and_read_by_id(mailbox: Any, seed: Any, read_all: Any) -> None:
    calendars = await read_all(
        lambda cursor: mailbox.calendar.list_calendars(mailbox.access, cursor=cursor, limit=1)
    )

    assert {calendar.name for calendar in calendars} >= {"Calendar", seed.other_calendar}
    assert [calendar.name for calendar in calendars if calendar.is_default] == ["Calendar"]
    assert all(calendar.can_edit for calendar in calendars)
    team = next(each for each in calendars if each.name == seed.other_calendar)
    events = await events_of(mailbox, read_all, BEGIN, END, calendar_id=team.id)
    assert [shown(event) for event in events] == [shown(seed.other_event)]
    assert events[0].calendar_id == team.id
    default = next(each for each in calendars if each.is_default)
    assert len(await events_of(mailbox, read_all, BEGIN, END, calendar_id=default.id)) == len(
        seed.occurrences
    )


async def test_longest_window_is_two_years(mailbox: Any, seed: Any, read_all: Any) -> None:
    begin = at(6, 1)

    events = await events_of(mailbox, read_all, begin, begin + timedelta(days=730))

    assert len(events) == len(seed.occurrences)
    with pytest.raises(InvalidRequest):
        await mailbox.calendar.list_events(
            mailbox.access, starts_at=begin, ends_at=begin + timedelta(days=730, seconds=1)
        )


async def test_unknown_calendar_is_not_found(mailbox: Any) -> None:
    for wrong in ("gone", "..", "a b"):
        with pytest.raises(NotFound):
            await mailbox.calendar.list_events(
                mailbox.access, starts_at=BEGIN, ends_at=END, calendar_id=wrong
            )


async def test_cursor_of_another_window_is_refused(mailbox: Any) -> None:
    page = await mailbox.calendar.list_events(mailbox.access, starts_at=BEGIN, ends_at=END, limit=2)
    assert page.next_cursor is not None

    with pytest.raises(InvalidRequest):
        await mailbox.calendar.list_events(
            mailbox.access, starts_at=BEGIN, ends_at=END - timedelta(days=1), cursor=page.next_cursor, limit=2
        )
