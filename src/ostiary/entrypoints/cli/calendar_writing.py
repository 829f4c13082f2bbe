"""``ostiary calendar create``, ``change``, ``respond``, ``cancel``, ``delete``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ostiary.core.calendar.drafts import Answer, Body, EventChange, Invitee, Scope
from ostiary.core.calendar.model import CalendarEvent
from ostiary.core.calendar.recurrence import WEEK, Pattern, Recurrence, WeekIndex
from ostiary.core.connections.model import Connection
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.entrypoints.cli.answers import JSONOption, advise, print_json
from ostiary.entrypoints.cli.calendar_times import event_times, typed_time
from ostiary.entrypoints.cli.connections import OptionalOrganization, Which, find_connection
from ostiary.entrypoints.cli.documents import document_of
from ostiary.entrypoints.cli.plain_text import one_line
from ostiary.entrypoints.cli.runtime import run_with_services

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

EventId = Annotated[str, typer.Argument(help="An event's id, as `calendar list` shows it.", metavar="EVENT")]
ScopeOption = Annotated[
    Scope | None, typer.Option(help="Of a series: this meeting, this and all following ones, or all.")
]
Zone = Annotated[
    str | None,
    typer.Option(
        "--zone", help="Whose clock is meant, such as Europe/Berlin; the person's own when left out."
    ),
]
Comment = Annotated[str, typer.Option(help="A word to the others.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


class Repeat(StrEnum):
    """How an event repeats, on the day (of the week, month, year) that it starts on."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    SAME_WEEKDAY = "monthly-by-weekday"
    YEARLY = "yearly"


def register(calendar: typer.Typer) -> None:
    """Add the commands."""
    calendar.command("create", epilog="Next: ostiary calendar list CONNECTION")(create)
    calendar.command("change", epilog="Next: ostiary calendar show CONNECTION EVENT")(change)
    calendar.command("respond", epilog="Next: ostiary calendar list CONNECTION")(respond)
    calendar.command("cancel", epilog="Next: ostiary calendar list CONNECTION")(cancel)
    calendar.command("delete", epilog="Next: ostiary calendar list CONNECTION")(delete)


def create(
    connection: Which,
    subject: Annotated[str, typer.Argument(help="What it is called.")],
    start: Annotated[str, typer.Option(help="2026-11-24T10:00, or a day for an all-day event.")],
    end: Annotated[
        str | None, typer.Option(help="Likewise; of an all-day event the day after its last.")
    ] = None,
    minutes: Annotated[
        int | None, typer.Option(min=1, help="How long, instead of --end; 30 when left out.")
    ] = None,
    zone: Zone = None,
    place: Annotated[str, typer.Option(help="Where.")] = "",
    text: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    invite: Annotated[list[str] | None, typer.Option(help="Somebody's address; repeat it for more.")] = None,
    repeat: Annotated[Repeat | None, typer.Option(help="How it repeats.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Every how many days, weeks, months or years.")] = 1,
    until: Annotated[str | None, typer.Option(help="The last day it may be on.")] = None,
    times: Annotated[int | None, typer.Option(min=1, help="How often in all.")] = None,
    online: Annotated[bool, typer.Option("--online", help="With a Teams link (Graph only).")] = False,
    silent: Annotated[bool, typer.Option("--silent", help="Tell nobody (EWS only).")] = False,
    key: Annotated[
        str | None, typer.Option(help="Your own name for this: the same one makes no second event.")
    ] = None,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Create an event and invite people.

    Examples:

        ostiary calendar create tom.ellis@harbourvale.example "Planning" --start 2026-11-24T10:00 --repeat weekly

        ostiary calendar create CO-9D1M-7VHE "Away" --start 2026-12-24 --end 2027-01-02 --json
    """

    async def use(services: Services, found: Connection) -> CalendarEvent:
        when = event_times(start, end, minutes, zone)
        content = EventChange(
            subject=subject,
            location=place,
            body=None if text is None else Body(text),
            attendees=_invitees(invite),
            is_online_meeting=online,
            recurrence=None if repeat is None else _recurrence(repeat, start, every, until, times),
        )
        return await services.calendar.create_event(
            found.id,
            organization_id=found.organization_id,
            times=when,
            content=content,
            key=key,
            notify=not silent,
        )

    _show(_run(use, connection, organization, as_json), as_json)


def change(
    connection: Which,
    event: EventId,
    subject: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    start: Annotated[
        str | None, typer.Option(help="2026-11-24T10:00, or a day for an all-day event.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="Likewise, exclusive.")] = None,
    minutes: Annotated[int | None, typer.Option(min=1, help="How long, instead of --end.")] = None,
    zone: Zone = None,
    place: Annotated[str | None, typer.Option(help="Where.")] = None,
    text: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    invite: Annotated[
        list[str] | None, typer.Option(help="Everybody who is invited from now on; repeat it for more.")
    ] = None,
    scope: ScopeOption = None,
    silent: Annotated[bool, typer.Option("--silent", help="Tell nobody (EWS only).")] = False,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Change an event; what is left out stays.

    Examples:

        ostiary calendar change tom.ellis@harbourvale.example AAkALgAAAAAAHYQD --place "Room 2"

        ostiary calendar change CO-9D1M-7VHE AAkALgAAAAAAHYQD --start 2026-11-24T15:00 --scope following --json
    """

    async def use(services: Services, found: Connection) -> CalendarEvent:
        given: dict[str, Any] = {"subject": subject, "location": place}
        given |= {"body": None if text is None else Body(text), "attendees": _invitees(invite) or None}
        return await services.calendar.update_event(
            found.id,
            event,
            organization_id=found.organization_id,
            change=EventChange(**{name: value for name, value in given.items() if value is not None}),
            times=None if start is None else event_times(start, end, minutes, zone),
            scope=scope,
            notify=not silent,
        )

    _show(_run(use, connection, organization, as_json), as_json)


def respond(
    connection: Which,
    event: EventId,
    answer: Annotated[Answer, typer.Argument(help="What to say.")],
    comment: Comment = "",
    silent: Annotated[bool, typer.Option("--silent", help="Do not tell the organizer.")] = False,
    scope: ScopeOption = None,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Answer an invitation. A declined meeting leaves the calendar.

    Examples:

        ostiary calendar respond tom.ellis@harbourvale.example AAkALgAAAAAAHYQD accept

        ostiary calendar respond CO-9D1M-7VHE AAkALgAAAAAAHYQD decline --comment "On holiday" --json
    """

    async def use(services: Services, found: Connection) -> None:
        await services.calendar.respond(
            found.id,
            event,
            organization_id=found.organization_id,
            answer=answer,
            comment=comment,
            send=not silent,
            scope=scope,
        )

    _run(use, connection, organization, as_json)
    _done("Answered.", as_json)


def cancel(
    connection: Which,
    event: EventId,
    comment: Comment = "",
    scope: ScopeOption = None,
    yes: Yes = False,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Call off the person's own meeting and tell the others.

    Examples:

        ostiary calendar cancel tom.ellis@harbourvale.example AAkALgAAAAAAHYQD --comment "Next week instead"

        ostiary calendar cancel CO-9D1M-7VHE AAkALgAAAAAAHYQD --scope all --yes --json
    """

    async def use(services: Services, found: Connection) -> None:
        await services.calendar.cancel_event(
            found.id, event, organization_id=found.organization_id, comment=comment, scope=scope
        )

    if not yes:
        typer.confirm("Call it off and tell everybody?", abort=True, err=True)
    _run(use, connection, organization, as_json)
    _done("Called off.", as_json)


def delete(
    connection: Which,
    event: EventId,
    scope: ScopeOption = None,
    silent: Annotated[bool, typer.Option("--silent", help="Tell nobody (EWS only).")] = False,
    yes: Yes = False,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Delete an event. The person's own meeting is called off with it.

    Examples:

        ostiary calendar delete tom.ellis@harbourvale.example AAkALgAAAAAAHYQD

        ostiary calendar delete CO-9D1M-7VHE AAkALgAAAAAAHYQD --scope following --yes --json
    """

    async def use(services: Services, found: Connection) -> None:
        await services.calendar.delete_event(
            found.id, event, organization_id=found.organization_id, scope=scope, notify=not silent
        )

    if not yes:
        typer.confirm("Delete it?", abort=True, err=True)
    _run(use, connection, organization, as_json)
    _done("Deleted.", as_json)


def _run(
    use: Callable[[Services, Connection], Awaitable[Any]],
    connection: str,
    organization: str | None,
    as_json: bool,
) -> Any:
    async def with_connection(services: Services) -> Any:
        return await use(services, await find_connection(services, connection, organization=organization))

    return run_with_services(with_connection, as_json=as_json)


def _show(event: CalendarEvent, as_json: bool) -> None:
    if as_json:
        print_json({"ok": True, "event": document_of(event)})
        return
    print(f"{one_line(event.subject)}  {event.starts_at:%a %Y-%m-%d %H:%M} UTC  {event.id}")


def _done(words: str, as_json: bool) -> None:
    if as_json:
        print_json({"ok": True})
    else:
        advise(words)


def _invitees(addresses: list[str] | None) -> tuple[Invitee, ...]:
    return tuple(Invitee(MailAddress(each)) for each in addresses or ())


def _recurrence(repeat: Repeat, start: str, every: int, until: str | None, times: int | None) -> Recurrence:
    day = typed_time(start, "start").date()
    ends_on = None if until is None else typed_time(until, "until").date()
    weekday = (WEEK[day.weekday()],)
    match repeat:
        case Repeat.DAILY:
            wanted = Recurrence(Pattern.DAILY)
        case Repeat.WEEKLY:
            wanted = Recurrence(Pattern.WEEKLY, days=weekday, week_starts_on=WEEK[0])
        case Repeat.MONTHLY:
            wanted = Recurrence(Pattern.ABSOLUTE_MONTHLY, day_of_month=day.day)
        case Repeat.SAME_WEEKDAY:
            index = list(WeekIndex)[min((day.day - 1) // 7, 4)]
            wanted = Recurrence(Pattern.RELATIVE_MONTHLY, days=weekday, index=index)
        case Repeat.YEARLY:
            wanted = Recurrence(Pattern.ABSOLUTE_YEARLY, day_of_month=day.day, month=day.month)
    return Recurrence(
        pattern=wanted.pattern,
        interval=every,
        days=wanted.days,
        day_of_month=wanted.day_of_month,
        month=wanted.month,
        index=wanted.index,
        week_starts_on=wanted.week_starts_on,
        ends_on=ends_on,
        count=times,
    )
