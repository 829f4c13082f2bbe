"""``ostiary calendar``: events of a connected calendar. The commands that write and look for times stand beside."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ostiary.core.calendar.model import Calendar, CalendarEvent
from ostiary.entrypoints.cli import calendar_availability, calendar_writing
from ostiary.entrypoints.cli.answers import JSONOption, advise, print_json
from ostiary.entrypoints.cli.calendar_times import moment
from ostiary.entrypoints.cli.connections import OptionalOrganization, Which, find_connection
from ostiary.entrypoints.cli.documents import document_of
from ostiary.entrypoints.cli.plain_text import many_lines, one_line, text_of_html
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

DEFAULT_WINDOW: Final = timedelta(days=7)
SUBJECT_WIDTH: Final = 48
PLACE_WIDTH: Final = 24

calendar = typer.Typer(help="Calendar of a connected mailbox.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    calendar_writing.register(calendar)
    calendar_availability.register(calendar)
    app.add_typer(calendar, name="calendar")


@calendar.callback()
def commands() -> None:
    """Calendar of a connected mailbox."""


@calendar.command("calendars", epilog="Next: ostiary calendar list CONNECTION --calendar CALENDAR")
def list_calendars(
    connection: Which, organization: OptionalOrganization = None, as_json: JSONOption = False
) -> None:
    """List the calendars of a mailbox.

    Examples:

        ostiary calendar calendars tom.ellis@harbourvale.example

        ostiary calendar calendars CO-9D1M-7VHE --json
    """

    async def use(services: Services) -> list[Calendar]:
        found = await find_connection(services, connection, organization=organization)
        calendars: list[Calendar] = []
        cursor: str | None = None
        while True:
            page = await services.calendar.list_calendars(
                found.id, organization_id=found.organization_id, cursor=cursor
            )
            calendars.extend(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return calendars

    calendars = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "calendars": document_of(calendars)})
        return
    print_table(
        ("NAME", "DEFAULT", "CAN WRITE", "CALENDAR"),
        [
            (each.name, "yes" if each.is_default else "", "yes" if each.can_edit else "no", each.id)
            for each in calendars
        ],
    )


@calendar.command("show", epilog="Next: ostiary calendar respond CONNECTION EVENT accept")
def show_event(
    connection: Which,
    event: Annotated[str, typer.Argument(help="An event's id, as `calendar list` shows it.")],
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Show one event: when, where, who, and what it is about.

    Examples:

        ostiary calendar show tom.ellis@harbourvale.example AAkALgAAAAAAHYQDEapmEc2byACq

        ostiary calendar show CO-9D1M-7VHE AAkALgAAAAAAHYQDEapmEc2byACq --json
    """

    async def use(services: Services) -> CalendarEvent:
        found = await find_connection(services, connection, organization=organization)
        return await services.calendar.get_event(found.id, event, organization_id=found.organization_id)

    shown = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "event": document_of(shown)})
        return
    begin, until = _when(shown)
    people = ", ".join(f"{each.who.address} ({each.response.value})" for each in shown.attendees)
    facts = (
        ("Subject", shown.subject),
        ("When", f"{begin} to {until} UTC" if until != "all day" else f"{begin}, all day"),
        ("Zone", shown.time_zone or ""),
        ("Where", shown.location),
        ("Organizer", shown.organizer.address if shown.organizer else ""),
        ("People", people),
        ("Answer", "" if shown.is_organizer else shown.my_response.value),
        ("Join", shown.online_meeting_url or ""),
        ("Series", shown.series_id or ""),
    )
    for label, words in facts:
        if words:
            print(f"{label:<9} {one_line(words)}")
    print()
    print(many_lines(shown.text) if shown.text is not None else text_of_html(shown.html or ""))


@calendar.command("list", epilog="Next: ostiary calendar show CONNECTION EVENT")
def list_events(
    connection: Which,
    begin: Annotated[
        str | None, typer.Option("--from", help="2026-11-23 or 2026-11-23T09:00:00Z; today when left out.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Likewise, exclusive; a week after the start when left out.")
    ] = None,
    calendar_id: Annotated[
        str | None, typer.Option("--calendar", help="A calendar's id; the default calendar when left out.")
    ] = None,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """List the events of a window by start, recurring ones expanded.

    Examples:

        ostiary calendar list tom.ellis@harbourvale.example

        ostiary calendar list CO-9D1M-7VHE --from 2026-11-23 --to 2026-11-30 --json
    """

    async def use(services: Services) -> list[CalendarEvent]:
        today = services.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        starts_at = today if begin is None else moment(begin, "from")
        ends_at = starts_at + DEFAULT_WINDOW if end is None else moment(end, "to")
        found = await find_connection(services, connection, organization=organization)
        events: list[CalendarEvent] = []
        cursor: str | None = None
        while True:
            page = await services.calendar.list_events(
                found.id,
                organization_id=found.organization_id,
                starts_at=starts_at,
                ends_at=ends_at,
                calendar_id=calendar_id,
                cursor=cursor,
                limit=200,
            )
            events.extend(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return events

    events = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "events": document_of(events)})
        return
    if not events:
        advise("No events in this window.")
        return
    print_table(
        ("WHEN (UTC)", "UNTIL", "SUBJECT", "PLACE", "SHOWN AS", "EVENT"),
        [
            (
                *_when(each),
                one_line(each.subject, SUBJECT_WIDTH) or "(no subject)",
                one_line(each.location, PLACE_WIDTH),
                "cancelled" if each.is_cancelled else each.show_as.value.replace("_", " "),
                each.id,
            )
            for each in events
        ],
    )


def _when(event: CalendarEvent) -> tuple[str, str]:
    if event.is_all_day:
        last = event.ends_at - timedelta(days=1)
        return f"{event.starts_at:%a %Y-%m-%d}", f"{last:%Y-%m-%d}" if last > event.starts_at else "all day"
    same_day = event.starts_at.date() == event.ends_at.date()
    until = f"{event.ends_at:%H:%M}" if same_day else f"{event.ends_at:%Y-%m-%d %H:%M}"
    return f"{event.starts_at:%a %Y-%m-%d %H:%M}", until
