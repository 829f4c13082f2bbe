"""Series: single meetings of them, this and all after it, all; the same over every gateway."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ostiary.core.calendar.drafts import Answer, EventChange, Invitee, Scope
from ostiary.core.calendar.errors import NotOrganizer
from ostiary.core.calendar.model import EventKind, Response
from ostiary.core.calendar.recurrence import Pattern, Recurrence, Weekday, WeekIndex
from ostiary.core.calendar.times import EventTimes, original_day
from ostiary.core.kernel.errors import InvalidRequest, NotFound, TemporarilyUnavailable, Throttled
from ostiary.core.kernel.mail_address import MailAddress

from ...recurrence_oracle import random_recurrence, walked_days

OWNER = "sales.one@harbourvale.example"
COLLEAGUE = "sales.two@harbourvale.example"
BERLIN = ZoneInfo("Europe/Berlin")
WEEK = timedelta(weeks=1)
World = Any


def times(day: date, hour: int = 10, *, zone: str = "Europe/Berlin", minutes: int = 60) -> EventTimes:
    start = datetime.combine(day, time(hour))
    return EventTimes(start, start + timedelta(minutes=minutes), time_zone=zone)


def weekly(**options: Any) -> Recurrence:
    return Recurrence(Pattern.WEEKLY, days=(Weekday.MONDAY,), **options)


def invited(*addresses: str) -> dict[str, Any]:
    return {"attendees": tuple(Invitee(MailAddress(each, each)) for each in addresses)}


async def planning(world: World, day: date, **options: Any) -> Any:
    """Six Mondays at ten, the second moved to a Tuesday afternoon, the third called off, the fifth renamed."""
    content = {"recurrence": weekly(count=6), "location": "Room 1", **options}
    series = await world.create("Planning", times(day), content=content)
    found = await world.seen(day)
    assert [event.starts_at.astimezone(BERLIN).date() for event in found] == [
        day + n * WEEK for n in range(6)
    ]
    await change(world, found[1].id, times=times(day + WEEK + timedelta(days=1), 15))
    await world.service.delete_event(OWNER, found[2].id, organization_id=None)
    await change(world, found[4].id, subject="Planning, longer", times=times(day + 4 * WEEK, minutes=120))
    return series


async def change(world: World, event_id: str, *, scope: Scope | None = None, **options: Any) -> Any:
    when, key = options.pop("times", None), options.pop("key", None)
    return await world.service.update_event(
        OWNER,
        event_id,
        organization_id=None,
        change=EventChange(**options),
        times=when,
        scope=scope,
        key=key,
    )


def shown(events: list[Any], day: date) -> list[tuple[int, int, str]]:
    """What is in a calendar: how many days after the first, at which hour, and under which name."""
    local = [(event, event.starts_at.astimezone(BERLIN)) for event in events]
    return [((at.date() - day).days, at.hour, event.subject) for event, at in local]


AS_PLANNED = [
    (0, 10, "Planning"),
    (8, 15, "Planning"),
    (21, 10, "Planning"),
    (28, 10, "Planning, longer"),
    (35, 10, "Planning"),
]


async def test_series_tells_its_changed_and_cancelled_meetings(world: World) -> None:
    day = world.monday()
    series = await planning(world, day)
    events = await world.seen(day)

    whole = await world.service.get_series(OWNER, events[0].id, organization_id=None)

    assert shown(events, day) == AS_PLANNED
    assert [event.kind for event in events] == [
        EventKind.OCCURRENCE,
        EventKind.EXCEPTION,
        EventKind.OCCURRENCE,
        EventKind.EXCEPTION,
        EventKind.OCCURRENCE,
    ]
    assert {event.series_id for event in events} == {series.id}
    assert [original_day(event) for event in events] == [day + n * WEEK for n in (0, 1, 3, 4, 5)]
    assert all(event.location == "Room 1" for event in events)
    assert whole.event.kind is EventKind.SERIES
    assert whole.event.recurrence == weekly(count=6, starts_on=day)
    assert [original_day(each) for each in whole.exceptions] == [day + WEEK, day + 4 * WEEK]
    assert whole.cancelled_on == (day + 2 * WEEK,)
    one = await world.get(events[1].id)
    assert (one, one.series_id) == (events[1], series.id)


async def test_single_event_is_no_series(world: World) -> None:
    made = await world.create("Single", times(world.monday()))

    with pytest.raises(NotFound):
        await world.service.get_series(OWNER, made.id, organization_id=None)


async def test_meeting_cannot_move_past_its_neighbour(world: World) -> None:
    day = world.monday()
    await planning(world, day)
    events = await world.seen(day)

    with pytest.raises(InvalidRequest):
        await change(world, events[2].id, times=times(day + 5 * WEEK + timedelta(days=2)))

    assert shown(await world.seen(day), day) == AS_PLANNED


async def test_change_of_all_keeps_what_was_changed_about_single_meetings(world: World) -> None:
    day = world.monday()
    await planning(world, day)
    events = await world.seen(day)

    changed = await change(world, events[0].id, scope=Scope.ALL, location="Room 9")

    assert changed.kind is EventKind.SERIES
    assert changed.location == "Room 9"
    after = await world.seen(day)
    assert [each[:2] for each in shown(after, day)] == [each[:2] for each in AS_PLANNED]
    assert {after[0].location, after[2].location, after[4].location} == {"Room 9"}


async def test_all_meetings_move_as_far_as_the_one_that_is_named(world: World) -> None:
    day = world.monday()
    series = await world.create("Standing", times(day), content={"recurrence": weekly(count=16)})
    third = (await world.seen(day))[2]

    await change(world, third.id, scope=Scope.ALL, times=times(day + 2 * WEEK, 8, minutes=30))

    events = await world.seen(day)
    local = [(event.starts_at.astimezone(BERLIN), event.ends_at - event.starts_at) for event in events]
    # The clock on the wall stands at eight, before and after the change to summer time.
    assert [(at.date(), at.hour) for at, _ in local] == [(day + n * WEEK, 8) for n in range(16)]
    assert {length for _, length in local} == {timedelta(minutes=30)}
    assert len({at.utcoffset() for at, _ in local}) == 2
    assert {event.series_id for event in events} == {series.id}


async def test_series_moves_off_its_days_only_with_a_new_pattern(world: World) -> None:
    day = world.monday()
    series = await world.create("Mondays", times(day), content={"recurrence": weekly(count=3)})
    tuesday = times(day + timedelta(days=1))

    with pytest.raises(InvalidRequest):
        await change(world, series.id, times=tuesday)
    pattern = Recurrence(Pattern.WEEKLY, days=(Weekday.TUESDAY,), count=3)
    await change(world, series.id, times=tuesday, recurrence=pattern)

    assert [each[0] for each in shown(await world.seen(day), day)] == [1, 8, 15]


async def test_event_becomes_a_series_and_single_again(world: World) -> None:
    day = world.monday()
    made = await world.create("Grows", times(day))

    grown = await change(world, made.id, recurrence=weekly(count=3))
    assert grown.kind is EventKind.SERIES
    assert len(await world.seen(day)) == 3

    shrunk = await change(world, made.id, recurrence=None)
    assert shrunk.kind is EventKind.SINGLE
    assert [each[0] for each in shown(await world.seen(day), day)] == [0]


async def test_one_meeting_cannot_repeat(world: World) -> None:
    day = world.monday()
    await world.create("Nested", times(day), content={"recurrence": weekly(count=3)})

    with pytest.raises(InvalidRequest):
        await change(world, (await world.seen(day))[1].id, recurrence=weekly(count=3))


async def test_this_and_following_splits_the_series_and_keeps_every_exception(world: World) -> None:
    day = world.monday()
    series = await planning(world, day)
    fourth = (await world.seen(day))[2]

    rest = await change(world, fourth.id, scope=Scope.FOLLOWING, location="Room 2")

    events = await world.seen(day)
    assert shown(events, day) == AS_PLANNED
    assert [event.location for event in events] == ["Room 1", "Room 1", "Room 2", "Room 2", "Room 2"]
    assert [event.series_id for event in events] == [series.id] * 2 + [rest.id] * 3
    old = await world.service.get_series(OWNER, series.id, organization_id=None)
    new = await world.service.get_series(OWNER, rest.id, organization_id=None)
    assert old.cancelled_on == (day + 2 * WEEK,)
    assert [original_day(each) for each in old.exceptions] == [day + WEEK]
    assert [original_day(each) for each in new.exceptions] == [day + 4 * WEEK]
    assert new.event.recurrence == weekly(count=3, starts_on=day + 3 * WEEK)
    assert events[3].ends_at - events[3].starts_at == timedelta(hours=2)


async def test_split_in_the_middle_keeps_a_cancelled_meeting_of_the_rest(world: World) -> None:
    day = world.monday()
    await planning(world, day)
    second = (await world.seen(day))[1]

    rest = await change(world, second.id, scope=Scope.FOLLOWING, location="Room 3")

    events = await world.seen(day)
    assert shown(events, day) == AS_PLANNED
    assert [event.location for event in events] == ["Room 1"] + ["Room 3"] * 4
    new = await world.service.get_series(OWNER, rest.id, organization_id=None)
    assert new.cancelled_on == (day + 2 * WEEK,)


async def test_this_and_following_at_another_time(world: World) -> None:
    day = world.monday()
    await planning(world, day)
    fourth = (await world.seen(day))[2]

    await change(world, fourth.id, scope=Scope.FOLLOWING, times=times(day + 3 * WEEK, 16))

    # What was special about single meetings went with the days and hours they were on.
    assert shown(await world.seen(day), day) == [
        (0, 10, "Planning"),
        (8, 15, "Planning"),
        (21, 16, "Planning"),
        (28, 16, "Planning"),
        (35, 16, "Planning"),
    ]


async def test_this_and_following_from_the_first_meeting_is_all(world: World) -> None:
    day = world.monday()
    series = await planning(world, day)
    first = (await world.seen(day))[0]

    changed = await change(world, first.id, scope=Scope.FOLLOWING, location="Room 4")

    assert changed.id == series.id
    events = await world.seen(day)
    assert len(events) == 5
    assert {event.series_id for event in events} == {series.id}


@pytest.mark.parametrize("lost", ["POST", "PATCH"])
async def test_split_whose_answer_is_lost_is_finished_by_the_same_call(world: World, lost: str) -> None:
    if world.method == "memory":
        pytest.skip("nothing gets lost in memory")
    day = world.monday()
    await world.create("Cut off", times(day), content={"recurrence": weekly(count=10)})
    third = (await world.seen(day))[2]
    wish: dict[str, Any] = {
        "scope": Scope.FOLLOWING,
        "subject": "Carried on",
        "key": f"split-{world.method}-{lost}",
    }
    world.losses.waiting.add(lost)
    try:
        first = await change(world, third.id, **wish)
    except TemporarilyUnavailable:
        first = None

    second = await change(world, third.id, **wish)

    assert first is None or first.id == second.id
    events = await world.seen(day, 70)
    assert [(at, name) for at, _, name in shown(events, day)] == [
        (7 * number, "Cut off" if number < 2 else "Carried on") for number in range(10)
    ]


async def test_split_that_failed_half_way_is_finished_by_the_same_call_without_a_key(world: World) -> None:
    if world.method == "memory":
        pytest.skip("nothing gets lost in memory")
    day = world.monday()
    await world.create("Half way", times(day), content={"recurrence": weekly(count=4)})
    third = (await world.seen(day))[2]
    ended = world.gateway.update_event

    async def throttled(*given: Any, **options: Any) -> Any:
        raise Throttled("Slow down.", retry_after_seconds=1)

    world.gateway.update_event = throttled
    with pytest.raises(Throttled):
        await change(world, third.id, scope=Scope.FOLLOWING, subject="Other half")
    world.gateway.update_event = ended
    assert len(await world.seen(day)) == 6

    await change(world, third.id, scope=Scope.FOLLOWING, subject="Other half")

    assert [each[2] for each in shown(await world.seen(day), day)] == ["Half way"] * 2 + ["Other half"] * 2


async def test_deleting_this_and_following_ends_the_series(world: World) -> None:
    day = world.monday()
    await planning(world, day)
    fourth = (await world.seen(day))[2]

    await world.service.delete_event(OWNER, fourth.id, organization_id=None, scope=Scope.FOLLOWING)

    assert shown(await world.seen(day), day) == AS_PLANNED[:2]


async def test_deleting_all_leaves_nothing(world: World) -> None:
    day = world.monday()
    await planning(world, day)

    await world.service.delete_event(
        OWNER, (await world.seen(day))[3].id, organization_id=None, scope=Scope.ALL
    )

    assert await world.seen(day) == []


async def test_cancelling_one_meeting_calls_off_that_one(world: World) -> None:
    day = world.monday()
    await planning(world, day, **invited(COLLEAGUE))
    events = await world.seen(day)

    await world.service.cancel_event(OWNER, events[0].id, organization_id=None, comment="Not today.")
    with pytest.raises(InvalidRequest):
        await world.service.cancel_event(
            OWNER, events[2].id, organization_id=None, comment="Never again.", scope=Scope.FOLLOWING
        )

    assert shown(await world.seen(day), day) == AS_PLANNED[1:]
    await world.service.cancel_event(OWNER, events[3].id, organization_id=None, scope=Scope.FOLLOWING)
    assert shown(await world.seen(day), day) == AS_PLANNED[1:3]
    assert len(await world.seen(day, who=COLLEAGUE)) in (2, 3)


async def test_series_is_answered_as_a_whole_or_one_by_one(world: World) -> None:
    day = world.monday()
    await world.create("Together", times(day), content={"recurrence": weekly(count=5), **invited(COLLEAGUE)})
    copies = await world.seen(day, who=COLLEAGUE)
    assert len(copies) == 5

    async def answer(event_id: str, answer: Answer, scope: Scope | None = None) -> None:
        await world.service.respond(COLLEAGUE, event_id, organization_id=None, answer=answer, scope=scope)

    await answer(copies[0].id, Answer.ACCEPT, Scope.ALL)
    await answer(copies[1].id, Answer.TENTATIVE)
    await answer(copies[3].id, Answer.DECLINE, Scope.FOLLOWING)

    left = await world.seen(day, who=COLLEAGUE)
    assert [event.my_response for event in left] == [
        Response.ACCEPTED,
        Response.TENTATIVE,
        Response.ACCEPTED,
    ]
    with pytest.raises(NotOrganizer):
        await world.service.delete_event(COLLEAGUE, left[1].id, organization_id=None, scope=Scope.FOLLOWING)


async def test_endless_series_is_not_answered_one_by_one(world: World) -> None:
    day = world.monday()
    await world.create("For ever", times(day), content={"recurrence": weekly(), **invited(COLLEAGUE)})
    copy = (await world.seen(day, 20, who=COLLEAGUE))[0]

    with pytest.raises(InvalidRequest):
        await world.service.respond(
            COLLEAGUE, copy.id, organization_id=None, answer=Answer.ACCEPT, scope=Scope.FOLLOWING
        )
    # Nobody else's calendar is free of it either.
    await world.service.delete_event(
        OWNER, (await world.seen(day, 20))[0].id, organization_id=None, scope=Scope.ALL
    )


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Auckland", "America/Los_Angeles"])
async def test_all_day_series_keeps_its_days_across_the_clock_change_and_a_split(
    world: World, zone: str
) -> None:
    year = world.monday().year
    start = datetime(year, 3, 8)
    whole_days = EventTimes(start, start + timedelta(days=1), is_all_day=True, time_zone=zone)
    every_week = Recurrence(Pattern.DAILY, interval=7, count=6)
    series = await world.create("Fair", whole_days, content={"recurrence": every_week})
    days = [start.date() + number * WEEK for number in range(6)]
    events = await world.seen(start.date(), 60)
    assert [(event.starts_at.date(), event.ends_at.date()) for event in events] == [
        (day, day + timedelta(days=1)) for day in days
    ]
    assert [original_day(event) for event in events] == days

    await change(world, events[4].id, subject="Fair, last")
    await world.service.delete_event(OWNER, events[1].id, organization_id=None)
    rest = await change(world, events[3].id, scope=Scope.FOLLOWING, location="Hall 2")

    old = await world.service.get_series(OWNER, series.id, organization_id=None)
    new = await world.service.get_series(OWNER, rest.id, organization_id=None)
    assert old.cancelled_on == (days[1],)
    assert [original_day(each) for each in new.exceptions] == [days[4]]
    after = await world.seen(start.date(), 60)
    assert [(event.starts_at.date(), event.is_all_day, event.location) for event in after] == [
        (day, True, "Hall 2" if day >= days[3] else "") for day in days if day != days[1]
    ]
    assert {event.time_zone for event in after} == {zone}


async def test_series_named_as_one_meeting_is_refused(world: World) -> None:
    series = await world.create("Whole", times(world.monday()), content={"recurrence": weekly(count=2)})

    for scope in (Scope.THIS, Scope.FOLLOWING):
        with pytest.raises(InvalidRequest):
            await change(world, series.id, scope=scope, subject="Half")


async def test_series_starts_on_the_first_day_of_its_pattern(world: World) -> None:
    day = world.monday()
    pattern = Recurrence(Pattern.RELATIVE_MONTHLY, days=(Weekday.FRIDAY,), index=WeekIndex.LAST, count=2)

    made = await world.create("Last Friday", times(day), content={"recurrence": pattern})

    assert made.starts_at.astimezone(BERLIN).weekday() == 4
    assert (made.starts_at.astimezone(BERLIN).date() + WEEK).month != made.starts_at.astimezone(BERLIN).month


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "America/Santiago")


@pytest.mark.parametrize("pattern", list(Pattern))
async def test_every_pattern_has_the_days_of_an_oracle_at_the_same_hour_of_the_wall(
    world: World, pattern: Pattern
) -> None:
    rng = random.Random(f"{pattern.value} 7")
    for _ in range(3):
        day = world.monday()
        zone, hour = ZoneInfo(rng.choice(ZONES)), rng.choice((0, 2, 9, 23))
        wanted = random_recurrence(rng, pattern, day + timedelta(days=rng.randint(0, 60)))
        until = wanted.starts_on + timedelta(days=500)
        expected = [
            datetime.combine(each, time(hour, 30), tzinfo=zone).astimezone(UTC)
            for each in walked_days(wanted, until)
        ]

        made = await world.create(
            "Repeats",
            EventTimes(
                datetime.combine(wanted.starts_on, time(hour, 30)),
                datetime.combine(wanted.starts_on, time(hour, 45)),
                time_zone=zone.key,
            ),
            content={"recurrence": wanted},
        )
        events = await world.seen(wanted.starts_on - timedelta(days=1), 502)

        assert [event.starts_at for event in events if event.starts_at.date() <= until] == [
            each for each in expected if each.date() <= until
        ], wanted
        assert made.recurrence is not None
        if expected:
            assert made.recurrence.starts_on == expected[0].astimezone(zone).date()
        # An endless series would stand in the way of the next year's tests.
        await world.service.delete_event(OWNER, made.id, organization_id=None)
