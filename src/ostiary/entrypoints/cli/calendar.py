"""``ostiary calendar``: events of a connected calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from ostiary.bootstrap import Services
from ostiary.core.calendar.model import CalendarEvent
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.entrypoints.cli.answers import JSONOption, advise, print_json
from ostiary.entrypoints.cli.connections import OptionalOrganization, Which, find_connection
from ostiary.entrypoints.cli.documents import document_of
from ostiary.entrypoints.cli.plain_text import one_line
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table

DEFAULT_WINDOW: Final = timedelta(days=7)
SUBJECT_WIDTH: Final = 48
PLACE_WIDTH: Final = 24

calendar = typer.Typer(help="Calendar of a connected mailbox.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(calendar, name="calendar")


@calendar.callback()
def commands() -> None:
    """Calendar of a connected mailbox."""


@calendar.command("list", epilog="Next: ostiary mail list CONNECTION")
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
        starts_at = today if begin is None else _moment(begin, "from")
        ends_at = starts_at + DEFAULT_WINDOW if end is None else _moment(end, "to")
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
        ("WHEN (UTC)", "UNTIL", "SUBJECT", "PLACE", "SHOWN AS"),
        [
            (
                *_when(each),
                one_line(each.subject, SUBJECT_WIDTH) or "(no subject)",
                one_line(each.location, PLACE_WIDTH),
                "cancelled" if each.is_cancelled else each.show_as.value.replace("_", " "),
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


def _moment(text: str, field: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(
            f"--{field} is a day or a time, such as 2026-11-23 or 2026-11-23T09:00:00Z.", field=field
        ) from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
