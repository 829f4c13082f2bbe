"""``ostiary calendar busy`` and ``slots``: when people are taken, and when they are all free."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ostiary.core.calendar.availability import Schedule, SlotSearch
from ostiary.core.calendar.service import FreeSlots
from ostiary.entrypoints.cli.answers import JSONOption, advise, print_json
from ostiary.entrypoints.cli.calendar_times import moment
from ostiary.entrypoints.cli.connections import OptionalOrganization, Which, find_connection
from ostiary.entrypoints.cli.documents import document_of
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

DEFAULT_LOOK: Final = timedelta(days=7)

People = Annotated[list[str], typer.Argument(help="Addresses of people.", metavar="PERSON...")]
Begin = Annotated[str | None, typer.Option("--from", help="A day or a time, UTC; today when left out.")]
End = Annotated[str | None, typer.Option("--to", help="Likewise; a week after the start when left out.")]


def register(calendar: typer.Typer) -> None:
    """Add the commands."""
    calendar.command("busy", epilog="Next: ostiary calendar slots CONNECTION PERSON")(busy)
    calendar.command("slots", epilog="Next: ostiary calendar create CONNECTION SUBJECT --start TIME")(slots)


def busy(
    connection: Which,
    people: People,
    begin: Begin = None,
    end: End = None,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Show when people are taken, as far as this person may see it.

    Examples:

        ostiary calendar busy tom.ellis@harbourvale.example dana.okafor@harbourvale.example

        ostiary calendar busy CO-9D1M-7VHE dana.okafor@harbourvale.example --from 2026-11-24 --to 2026-11-28 --json
    """

    async def use(services: Services) -> tuple[Schedule, ...]:
        starts_at, ends_at = _window(services, begin, end)
        found = await find_connection(services, connection, organization=organization)
        return await services.calendar.free_busy(
            found.id, people, organization_id=found.organization_id, starts_at=starts_at, ends_at=ends_at
        )

    schedules = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "people": [_document(each) for each in schedules]})
        return
    print_table(
        ("WHO", "FROM (UTC)", "UNTIL", "SHOWN AS"),
        [
            (
                each.address,
                f"{time.starts_at:%a %Y-%m-%d %H:%M}",
                f"{time.ends_at:%Y-%m-%d %H:%M}",
                time.show_as.value.replace("_", " "),
            )
            for each in schedules
            for time in each.busy
        ],
    )
    _say_unknown(schedules)


def slots(
    connection: Which,
    people: People,
    minutes: Annotated[int, typer.Option(min=5, help="How long the meeting takes.")] = 30,
    begin: Begin = None,
    end: End = None,
    any_hour: Annotated[bool, typer.Option("--any-hour", help="Also outside of working hours.")] = False,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Find times at which this person and all others are free.

    Examples:

        ostiary calendar slots tom.ellis@harbourvale.example dana.okafor@harbourvale.example

        ostiary calendar slots CO-9D1M-7VHE dana.okafor@harbourvale.example --minutes 60 --json
    """

    async def use(services: Services) -> FreeSlots:
        starts_at, ends_at = _window(services, begin, end)
        search = SlotSearch(starts_at, ends_at, timedelta(minutes=minutes), only_working_hours=not any_hour)
        found = await find_connection(services, connection, organization=organization)
        return await services.calendar.find_free_slots(
            found.id, people, search, organization_id=found.organization_id, with_owner=True
        )

    found = run_with_services(use, as_json=as_json)
    if as_json:
        unknown = [each.address for each in found.schedules if each.problem]
        print_json({"ok": True, "slots": document_of(found.slots), "unknown": unknown})
        return
    _say_unknown(found.schedules)
    if not found.slots:
        advise("No time in this window suits everybody.")
        return
    print_table(
        ("FROM (UTC)", "UNTIL"),
        [(f"{slot.starts_at:%a %Y-%m-%d %H:%M}", f"{slot.ends_at:%H:%M}") for slot in found.slots],
    )


def _window(services: Services, begin: str | None, end: str | None) -> tuple[datetime, datetime]:
    now = services.clock.now().replace(minute=0, second=0, microsecond=0)
    starts_at = now if begin is None else moment(begin, "from")
    return starts_at, starts_at + DEFAULT_LOOK if end is None else moment(end, "to")


def _document(schedule: Schedule) -> dict[str, object]:
    hours = schedule.working_hours
    return {
        "address": schedule.address,
        "busy": document_of(schedule.busy),
        "working_hours": None
        if hours is None
        else {
            "days": sorted(day.value for day in hours.days),
            "from_minute": hours.from_minute,
            "to_minute": hours.to_minute,
            "zone": hours.zone,
        },
        "problem": schedule.problem,
    }


def _say_unknown(schedules: tuple[Schedule, ...]) -> None:
    for each in schedules:
        if each.problem is not None:
            advise(f"Nothing is known of {each.address}: {each.problem}")
