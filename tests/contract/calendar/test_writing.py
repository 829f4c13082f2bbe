"""Creating, changing, answering and ending single events, the same over every gateway."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from ostiary.core.calendar.drafts import Answer, Body, EventChange, Invitee
from ostiary.core.calendar.errors import NotAttendee, NotOrganizer, NotOverThisMethod
from ostiary.core.calendar.model import AttendeeKind, EventKind, Response, Sensitivity, ShowAs
from ostiary.core.calendar.times import EventTimes
from ostiary.core.kernel.errors import InvalidRequest, NotFound, TemporarilyUnavailable, VersionChanged
from ostiary.core.kernel.mail_address import MailAddress

OWNER = "sales.one@harbourvale.example"
COLLEAGUE = "sales.two@harbourvale.example"
THIRD = "dana.okafor@harbourvale.example"
ROOM = "sales.three@harbourvale.example"
World = Any


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """A reading of the clock, without a zone."""
    return datetime.combine(day, time(hour, minute))


def in_berlin(day: date, hour: int = 10, *, minutes: int = 60) -> EventTimes:
    start = at(day, hour)
    return EventTimes(start, start + timedelta(minutes=minutes), time_zone="Europe/Berlin")


def invited(*addresses: str) -> dict[str, Any]:
    return {"attendees": tuple(Invitee(MailAddress(each, each)) for each in addresses)}


async def test_created_event_has_everything_that_was_written(world: World) -> None:
    day = world.monday()
    content = EventChange(
        subject="Quarter <plan> & more",
        location="Room 2 & lobby",
        body=Body("<p>Bring the <b>figures</b> &amp; time.</p>", is_html=True),
        attendees=(
            Invitee(MailAddress(COLLEAGUE, "Sales Two")),
            Invitee(MailAddress(THIRD, "Dana Okafor"), AttendeeKind.OPTIONAL),
            Invitee(MailAddress(ROOM, "Room 2"), AttendeeKind.RESOURCE),
        ),
        show_as=ShowAs.TENTATIVE,
        sensitivity=Sensitivity.PRIVATE,
        categories=("Blue category", "Green category"),
        reminder_minutes=25,
    )

    made = await world.service.create_event(
        OWNER, organization_id=None, times=in_berlin(day), content=content
    )
    read = await world.get(made.id)
    (listed,) = await world.seen(day)

    assert made.kind is EventKind.SINGLE
    assert made.version == read.version
    assert replace(made, version="", calendar_id=None) == replace(read, version="", calendar_id=None)
    assert listed == read
    assert (read.subject, read.location) == ("Quarter <plan> & more", "Room 2 & lobby")
    assert read.html is not None
    assert "<b>figures</b> &amp; time." in read.html
    assert read.text is None
    assert read.preview.startswith(("Bring the figures", "<p>Bring"))
    assert (read.starts_at, read.ends_at) == (
        datetime.combine(day, time(9), tzinfo=UTC),
        datetime.combine(day, time(10), tzinfo=UTC),
    )
    assert read.time_zone == "Europe/Berlin"
    assert (read.show_as, read.sensitivity, read.is_private) == (
        ShowAs.TENTATIVE,
        Sensitivity.PRIVATE,
        True,
    )
    assert read.categories == ("Blue category", "Green category")
    assert read.reminder_minutes == 25
    assert read.is_organizer
    assert read.recurrence is None
    assert {(each.who.address, each.kind) for each in read.attendees} == {
        (COLLEAGUE, AttendeeKind.REQUIRED),
        (THIRD, AttendeeKind.OPTIONAL),
        (ROOM, AttendeeKind.RESOURCE),
    }


async def test_plain_event_is_plain(world: World) -> None:
    day = world.monday()

    made = await world.create("Plain", in_berlin(day), content={"body": Body("Two\nlines")})

    assert (made.text or "").replace("\r\n", "\n").strip() == "Two\nlines"
    assert made.html is None
    assert made.reminder_minutes is None
    assert (made.show_as, made.sensitivity) == (ShowAs.BUSY, Sensitivity.NORMAL)
    assert (made.attendees, made.categories, made.location) == ((), (), "")


async def test_change_touches_what_it_names_only(world: World) -> None:
    day = world.monday()
    made = await world.create(
        "Before",
        in_berlin(day),
        content={
            "location": "Here",
            "body": Body("Kept"),
            "categories": ("Blue category",),
            "reminder_minutes": 5,
        },
    )

    changed = await world.service.update_event(
        OWNER,
        made.id,
        organization_id=None,
        change=EventChange(subject="After", location="", reminder_minutes=None, categories=()),
        times=EventTimes(at(day, 15), at(day, 16, 30), time_zone="America/New_York"),
    )

    assert changed.id == made.id
    assert changed.version != made.version
    assert changed == await world.get(made.id)
    assert (changed.subject, changed.location, changed.categories) == ("After", "", ())
    assert changed.reminder_minutes is None
    assert (changed.text or "").strip() == "Kept"
    assert changed.starts_at == datetime.combine(day, time(20), tzinfo=UTC)
    assert changed.ends_at - changed.starts_at == timedelta(minutes=90)
    assert changed.time_zone == "America/New_York"


async def test_version_that_is_gone_is_noticed_and_nothing_changes(world: World) -> None:
    made = await world.create("Versions", in_berlin(world.monday()))

    def expects(version: str) -> Any:
        def check(found: str) -> None:
            if found != version:
                raise VersionChanged("It changed.")

        return check

    async def update(version: str, subject: str) -> Any:
        return await world.service.update_event(
            OWNER,
            made.id,
            organization_id=None,
            change=EventChange(subject=subject),
            check=expects(version),
        )

    second = await update(made.version, "Versions 2")
    with pytest.raises(VersionChanged):
        await update(made.version, "Versions 3")
    with pytest.raises(VersionChanged):
        await world.service.delete_event(OWNER, made.id, organization_id=None, check=expects(made.version))
    # And where it changes between our look and our write, Microsoft notices.
    with pytest.raises(VersionChanged):
        await world.gateway.update_event(
            world.access(), second, EventChange(subject="Versions 4"), version=made.version, notify=True
        )

    assert (await world.get(made.id)).subject == "Versions 2"


async def test_deleted_event_is_gone(world: World) -> None:
    day = world.monday()
    made = await world.create("Short-lived", in_berlin(day))

    await world.service.delete_event(OWNER, made.id, organization_id=None)

    assert await world.seen(day) == []


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland", None])
async def test_all_day_event_is_the_same_days_everywhere(world: World, zone: str | None) -> None:
    day = world.monday()
    times = EventTimes(at(day, 0), at(day + timedelta(days=2), 0), is_all_day=True, time_zone=zone)

    made = await world.create("Whole days", times)
    (listed,) = await world.seen(day)

    for event in (made, listed):
        assert event.is_all_day
        assert event.starts_at == datetime.combine(day, time(), tzinfo=UTC)
        assert event.ends_at == datetime.combine(day + timedelta(days=2), time(), tzinfo=UTC)
        assert zone is None or event.time_zone == zone


async def test_floating_time_is_laid_into_the_owners_own_zone(world: World) -> None:
    day = world.monday()
    own = await world.gateway.own_zone(world.access(), at=datetime.combine(day, time(), tzinfo=UTC))

    floating = await world.create("Floating", EventTimes(at(day, 10), at(day, 11)))
    zoned = await world.create("Zoned", EventTimes(at(day, 10), at(day, 11), time_zone=own))

    assert floating.starts_at == zoned.starts_at
    assert floating.time_zone is not None


async def test_moment_with_an_offset_lives_on_in_the_zone_that_is_named(world: World) -> None:
    day = world.monday()
    moment = datetime.combine(day, time(12), tzinfo=UTC)

    made = await world.create(
        "Moment", EventTimes(moment, moment + timedelta(hours=1), time_zone="Asia/Tokyo")
    )

    assert made.starts_at == moment
    assert made.time_zone == "Asia/Tokyo"


async def test_lost_answer_makes_no_second_event_and_no_second_invitation(
    world: World, request: pytest.FixtureRequest
) -> None:
    if world.method == "memory":
        pytest.skip("nothing gets lost in memory")
    day = world.monday()
    subject = f"Once over {world.method}"
    world.losses.waiting.add("POST")

    made = await world.create(subject, in_berlin(day), content=invited(COLLEAGUE), key=f"{world.method}-1")
    again = await world.create(subject, in_berlin(day), content=invited(COLLEAGUE), key=f"{world.method}-1")

    assert made.id == again.id
    assert [event.subject for event in await world.seen(day)] == [subject]
    assert [event.subject for event in await world.seen(day, who=COLLEAGUE)] == [subject]
    emulated = request.getfixturevalue("emulated")
    assert len(emulated.messages(COLLEAGUE, subject)) == 1
    other = await world.create(subject, in_berlin(day, 12), key=f"{world.method}-2")
    assert other.id != made.id


async def test_change_whose_answer_is_lost_is_not_repeated(world: World) -> None:
    if world.method == "memory":
        pytest.skip("nothing gets lost in memory")
    made = await world.create("Change once", in_berlin(world.monday()))
    world.losses.waiting.add("PATCH")

    with pytest.raises(TemporarilyUnavailable):
        await world.service.update_event(
            OWNER, made.id, organization_id=None, change=EventChange(subject="Changed once")
        )

    assert (await world.get(made.id)).subject == "Changed once"


@pytest.mark.parametrize(
    ("answer", "response"), [(Answer.ACCEPT, Response.ACCEPTED), (Answer.TENTATIVE, Response.TENTATIVE)]
)
async def test_answer_shows_in_both_calendars(world: World, answer: Answer, response: Response) -> None:
    day = world.monday()
    made = await world.create(f"Please {answer.value}", in_berlin(day), content=invited(COLLEAGUE))
    (copy,) = await world.seen(day, who=COLLEAGUE)
    assert not copy.is_organizer
    assert copy.organizer.address == OWNER
    assert copy.my_response is Response.NONE

    await world.service.respond(
        COLLEAGUE, copy.id, organization_id=None, answer=answer, comment="Gladly <there> & then"
    )

    (answered,) = await world.seen(day, who=COLLEAGUE)
    assert answered.my_response is response
    assert answered.ical_uid == made.ical_uid
    (attendee,) = (await world.get(made.id)).attendees
    assert attendee.response is response


async def test_silent_answer_stays_in_the_own_calendar(world: World) -> None:
    day = world.monday()
    made = await world.create("Silence", in_berlin(day), content=invited(COLLEAGUE))
    (copy,) = await world.seen(day, who=COLLEAGUE)

    await world.service.respond(COLLEAGUE, copy.id, organization_id=None, answer=Answer.ACCEPT, send=False)

    (answered,) = await world.seen(day, who=COLLEAGUE)
    assert answered.my_response is Response.ACCEPTED
    if world.method != "memory":
        assert (await world.get(made.id)).attendees[0].response is Response.NONE


async def test_declined_meeting_leaves_the_calendar(world: World) -> None:
    day = world.monday()
    await world.create("Not for me", in_berlin(day), content=invited(COLLEAGUE))
    (copy,) = await world.seen(day, who=COLLEAGUE)

    await world.service.respond(COLLEAGUE, copy.id, organization_id=None, answer=Answer.DECLINE)

    assert await world.seen(day, who=COLLEAGUE) == []
    assert len(await world.seen(day)) == 1


async def test_organizer_has_nothing_to_answer(world: World) -> None:
    made = await world.create("Mine", in_berlin(world.monday()), content=invited(COLLEAGUE))

    with pytest.raises(NotAttendee):
        await world.service.respond(OWNER, made.id, organization_id=None, answer=Answer.ACCEPT)


async def test_cancelled_meeting_is_called_off_with_a_comment(
    world: World, request: pytest.FixtureRequest
) -> None:
    day = world.monday()
    subject = f"Called off over {world.method}"
    made = await world.create(subject, in_berlin(day), content=invited(COLLEAGUE))

    await world.service.cancel_event(OWNER, made.id, organization_id=None, comment="Sorry, next week.")

    assert await world.seen(day) == []
    if world.method != "memory":
        messages = request.getfixturevalue("emulated").messages(COLLEAGUE, subject)
        assert any("Sorry, next week." in each["body"]["content"] for each in messages)


async def test_event_without_guests_is_cancelled_by_deleting_it(world: World) -> None:
    day = world.monday()
    made = await world.create("Alone", in_berlin(day))

    await world.service.cancel_event(OWNER, made.id, organization_id=None, comment="")

    assert await world.seen(day) == []


async def test_attendee_changes_the_own_copy_only(world: World) -> None:
    day = world.monday()
    made = await world.create("Theirs", in_berlin(day), content=invited(COLLEAGUE))
    (copy,) = await world.seen(day, who=COLLEAGUE)

    changed = await world.service.update_event(
        COLLEAGUE,
        copy.id,
        organization_id=None,
        change=EventChange(categories=("Red category",), show_as=ShowAs.FREE),
    )
    with pytest.raises(NotOrganizer):
        await world.service.update_event(
            COLLEAGUE, copy.id, organization_id=None, change=EventChange(subject="Mine now")
        )
    with pytest.raises(NotOrganizer):
        await world.service.cancel_event(COLLEAGUE, copy.id, organization_id=None)

    assert (changed.categories, changed.show_as) == (("Red category",), ShowAs.FREE)
    original = await world.get(made.id)
    assert (original.categories, original.show_as) == ((), ShowAs.BUSY)


async def test_invited_later_and_no_longer_invited(world: World) -> None:
    day = world.monday()
    made = await world.create("Guests", in_berlin(day), content=invited(THIRD))

    async def invite(*addresses: str) -> Any:
        return await world.service.update_event(
            OWNER, made.id, organization_id=None, change=EventChange(**invited(*addresses))
        )

    both = await invite(THIRD, COLLEAGUE)
    assert {each.who.address for each in both.attendees} == {THIRD, COLLEAGUE}
    assert len(await world.seen(day, who=COLLEAGUE)) == 1

    nobody = await invite()
    assert nobody.attendees == ()


async def test_silent_meeting_is_made_where_microsoft_can_and_refused_where_not(world: World) -> None:
    day = world.monday()
    wish = {"content": invited(COLLEAGUE), "notify": False}
    if world.method == "graph":
        with pytest.raises(NotOverThisMethod):
            await world.create("Quiet", in_berlin(day), **wish)
        assert await world.seen(day) == []
        loud = await world.create("Loud", in_berlin(day), content=invited(COLLEAGUE))
        with pytest.raises(NotOverThisMethod):
            await world.service.delete_event(OWNER, loud.id, organization_id=None, notify=False)
        return
    made = await world.create("Quiet", in_berlin(day), **wish)
    assert [each.who.address for each in made.attendees] == [COLLEAGUE]
    assert await world.seen(day, who=COLLEAGUE) == []


async def test_online_meeting_has_its_link_where_microsoft_makes_one(world: World) -> None:
    day = world.monday()
    if world.method == "ews":
        with pytest.raises(NotOverThisMethod):
            await world.create("Online", in_berlin(day), content={"is_online_meeting": True})
        return

    made = await world.create("Online", in_berlin(day), content={"is_online_meeting": True})

    assert made.is_online_meeting
    assert made.online_meeting_url is not None
    assert made.online_meeting_url.startswith("http")


async def test_unknown_event_is_not_found(world: World) -> None:
    made = await world.create("Known", in_berlin(world.monday()))
    await world.service.delete_event(OWNER, made.id, organization_id=None)
    for wrong in ("gone", "..", "a b"):
        with pytest.raises(NotFound):
            await world.get(wrong)
        with pytest.raises(NotFound):
            await world.service.delete_event(OWNER, wrong, organization_id=None)


@pytest.mark.parametrize(
    "times",
    [
        EventTimes(datetime(2027, 1, 4, 11), datetime(2027, 1, 4, 10), time_zone="Europe/Berlin"),
        EventTimes(datetime(2027, 1, 4, 11), datetime(2027, 1, 4, 12), time_zone="Middle/Earth"),
        EventTimes(datetime(2027, 1, 4, 11), datetime(2027, 1, 4, 12, tzinfo=UTC)),
        EventTimes(datetime(2027, 1, 4, 11), datetime(2027, 1, 5), is_all_day=True, time_zone="UTC"),
        EventTimes(datetime(2027, 1, 4), datetime(2027, 1, 4), is_all_day=True, time_zone="UTC"),
        EventTimes(datetime(2027, 1, 4), datetime(2037, 1, 4), time_zone="UTC"),
    ],
)
async def test_times_that_make_no_event_are_refused(world: World, times: EventTimes) -> None:
    with pytest.raises(InvalidRequest):
        await world.create("Never", times)


async def test_control_characters_are_refused_or_kept_never_dropped(world: World) -> None:
    day = world.monday()
    if world.method == "ews":
        with pytest.raises(InvalidRequest):
            await world.create("Bell \x07", in_berlin(day))
        return
    made = await world.create("Bell \x07", in_berlin(day))
    assert "Bell" in made.subject
