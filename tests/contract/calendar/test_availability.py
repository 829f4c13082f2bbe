"""When people are taken and when they are free, the same over every gateway."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ostiary.core.calendar.availability import SlotSearch
from ostiary.core.calendar.model import ShowAs
from ostiary.core.calendar.recurrence import WORKDAYS, Pattern, Recurrence
from ostiary.core.calendar.times import EventTimes
from ostiary.core.kernel.errors import InvalidRequest

OWNER = "sales.one@harbourvale.example"
COLLEAGUE = "sales.two@harbourvale.example"
STRANGER = "nobody@nowhere.example"
World = Any


def utc(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=UTC)


def times(day: date, begin: int, end: int) -> EventTimes:
    return EventTimes(utc(day, begin), utc(day, end))


async def test_free_busy_tells_each_persons_time_and_whose_is_unknown(world: World) -> None:
    day = world.monday()
    await world.create("Mine", times(day, 9, 10))
    await world.create("Perhaps", times(day, 11, 12), content={"show_as": ShowAs.TENTATIVE})
    await world.create("Nothing", times(day, 13, 14), content={"show_as": ShowAs.FREE})
    await world.create("Away", times(day, 9, 11), who=COLLEAGUE, content={"show_as": ShowAs.OUT_OF_OFFICE})

    own, theirs, unknown = await world.service.free_busy(
        OWNER,
        [OWNER, COLLEAGUE, STRANGER],
        organization_id=None,
        starts_at=utc(day, 0),
        ends_at=utc(day + timedelta(days=1), 0),
    )

    busy = [
        (each.starts_at, each.ends_at, each.show_as) for each in own.busy if each.show_as is not ShowAs.FREE
    ]
    assert busy == [
        (utc(day, 9), utc(day, 10), ShowAs.BUSY),
        (utc(day, 11), utc(day, 12), ShowAs.TENTATIVE),
    ]
    assert own.problem is None
    assert own.working_hours is not None
    assert own.working_hours.days == WORKDAYS
    assert (own.working_hours.from_minute, own.working_hours.to_minute) == (8 * 60, 17 * 60)
    assert [(each.starts_at, each.ends_at, each.show_as) for each in theirs.busy] == [
        (utc(day, 9), utc(day, 11), ShowAs.OUT_OF_OFFICE)
    ]
    # What a colleague does there is nobody's business.
    assert [each.subject for each in theirs.busy] == [None]
    assert unknown.problem == "ErrorMailRecipientNotFound"
    assert (unknown.address, unknown.busy, unknown.working_hours) == (STRANGER, (), None)


async def test_recurring_meetings_take_time_too(world: World) -> None:
    day = world.monday()
    daily = Recurrence(Pattern.DAILY, count=3)
    await world.create("Daily", times(day, 9, 10), content={"recurrence": daily})

    (own,) = await world.service.free_busy(
        OWNER,
        [OWNER],
        organization_id=None,
        starts_at=utc(day, 0),
        ends_at=utc(day + timedelta(days=7), 0),
    )

    assert [each.starts_at for each in own.busy] == [utc(day + timedelta(days=n), 9) for n in range(3)]


async def test_free_slots_are_free_for_all_within_working_hours(world: World) -> None:
    day = world.monday()
    (own,) = await world.service.free_busy(
        OWNER, [OWNER], organization_id=None, starts_at=utc(day, 0), ends_at=utc(day, 23)
    )
    zone = ZoneInfo(own.working_hours.zone)
    begin = datetime.combine(day, time(8), tzinfo=zone).astimezone(UTC)

    def at(hours: float) -> datetime:
        return begin + timedelta(hours=hours)

    async def busy(who: str, start: float, end: float) -> None:
        await world.create("Taken", EventTimes(at(start), at(end)), who=who)

    await busy(OWNER, 0, 3)
    await busy(COLLEAGUE, 3.5, 6)
    await busy(COLLEAGUE, 7, 9)

    found = await world.service.find_free_slots(
        OWNER,
        [COLLEAGUE],
        SlotSearch(utc(day, 0), utc(day + timedelta(days=1), 0), timedelta(minutes=30)),
        organization_id=None,
        with_owner=True,
    )

    assert [(slot.starts_at, slot.ends_at) for slot in found.slots] == [
        (at(start), at(start + 0.5)) for start in (3, 6, 6.5)
    ]
    assert [each.address for each in found.schedules] == [OWNER, COLLEAGUE]


async def test_weekend_has_no_slots_unless_asked_for(world: World) -> None:
    saturday = world.monday() + timedelta(days=5)
    window = utc(saturday, 6), utc(saturday, 20)

    async def find(**options: Any) -> int:
        search = SlotSearch(*window, timedelta(hours=1), **options)
        found = await world.service.find_free_slots(
            OWNER, [COLLEAGUE], search, organization_id=None, with_owner=True
        )
        return len(found.slots)

    assert await find() == 0
    assert await find(only_working_hours=False) == 27


async def test_longest_look_is_taken_and_a_longer_one_refused(world: World) -> None:
    day = world.monday()
    begin = utc(day, 0)

    async def look(length: timedelta) -> Any:
        return await world.service.free_busy(
            OWNER, [OWNER], organization_id=None, starts_at=begin, ends_at=begin + length
        )

    for length in (timedelta(days=42), timedelta(minutes=5)):
        assert [each.problem for each in await look(length)] == [None]
    for length in (timedelta(days=42, minutes=1), timedelta(minutes=1), -timedelta(days=1)):
        with pytest.raises(InvalidRequest):
            await look(length)


@pytest.mark.parametrize("people", [[], [OWNER, OWNER.upper()], [f"p{n}@x.example" for n in range(51)]])
async def test_nobody_twice_or_too_many_people_are_refused(world: World, people: list[str]) -> None:
    day = world.monday()
    with pytest.raises(InvalidRequest):
        await world.service.free_busy(
            OWNER, people, organization_id=None, starts_at=utc(day, 0), ends_at=utc(day, 9)
        )
