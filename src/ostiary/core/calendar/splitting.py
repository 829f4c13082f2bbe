"""This meeting and all after it: a series is ended before one of its meetings, and another one takes over.

Microsoft has no such call. The new series is made first, so that no meeting is ever lost: if we die in between, the
meetings are there twice until the call is sent again with its key, and then once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from ostiary.core.calendar.drafts import EventChange
from ostiary.core.calendar.model import CalendarEvent, Series
from ostiary.core.calendar.recurrence import Recurrence, before, since
from ostiary.core.calendar.rewriting import difference, rest_of_series, without
from ostiary.core.calendar.times import original_day, wall_times_of
from ostiary.core.calendar.use_cases import OpenCalendar
from ostiary.core.kernel.errors import NotFound

_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a series is cut: ``day`` is the first one of the rest."""

    series: Series
    day: date
    earlier: Recurrence | None
    """The range before; None when the rest is the whole series."""
    rest: Recurrence


def cut_at(series: Series, event: CalendarEvent) -> Cut:
    """Return how a series is cut before one of its meetings.

    Raises:
        NotFound: The meeting is none of the series' days.
    """
    day, recurrence = original_day(event), series.event.recurrence
    rest = None if recurrence is None else since(recurrence, day)
    if recurrence is None or rest is None:
        raise NotFound("There is no such meeting in the series.")
    return Cut(series, day, before(recurrence, day), rest)


async def continue_with(
    calendar: OpenCalendar, cut: Cut, change: EventChange, *, stamp: str, notify: bool
) -> CalendarEvent:
    """Make the new series of the rest and end the old one. Returns the new one.

    Meetings of the rest that were changed or cancelled are so in the new series, too, unless the change moves the
    series: then they are as all others, as Exchange does it with a whole series.
    """
    draft = rest_of_series(cut.series.event, cut.rest, change)
    made = await calendar.gateway.create_event(
        calendar.mailbox, draft, calendar_id=cut.series.event.calendar_id, stamp=stamp, notify=notify
    )
    if not change.names & {"times", "recurrence"}:
        changed = {
            original_day(each): without(_apart(cut.series, each), change.names)
            for each in cut.series.exceptions
            if original_day(each) >= cut.day
        }
        cancelled = [day for day in cut.series.cancelled_on if day >= cut.day]
        await _set_apart(calendar, made.id, changed, cancelled, notify=notify)
    await end_before(calendar, cut, notify=notify)
    return made


async def end_before(calendar: OpenCalendar, cut: Cut, *, notify: bool) -> None:
    """End a series before the cut; what was changed or cancelled before it stays so."""
    series = cut.series.event
    if cut.earlier is None:
        await calendar.gateway.delete_event(calendar.mailbox, series, version=None, notify=notify)
        return
    shorter = EventChange(recurrence=cut.earlier)
    await calendar.gateway.update_event(
        calendar.mailbox, series, replace(shorter, times=wall_times_of(series)), version=None, notify=notify
    )
    # Exchange may forget the changed meetings of a series whose recurrence is written anew.
    kept = await calendar.gateway.get_series(calendar.mailbox, series.id)
    known = {original_day(each) for each in kept.exceptions}
    lost = {
        day: _apart(cut.series, each)
        for each in cut.series.exceptions
        if (day := original_day(each)) < cut.day and day not in known
    }
    revived = [day for day in cut.series.cancelled_on if day < cut.day and day not in kept.cancelled_on]
    await _set_apart(calendar, series.id, lost, revived, notify=notify)


def _apart(series: Series, exception: CalendarEvent) -> EventChange:
    clock = wall_times_of(series.event).start
    day = original_day(exception)
    return difference(exception, series.event, on=datetime.combine(day, clock.time()))


async def _set_apart(
    calendar: OpenCalendar,
    series_id: str,
    changed: dict[date, EventChange],
    cancelled: list[date],
    *,
    notify: bool,
) -> None:
    """Change and cancel single meetings of a series, each named by its day."""
    for day in sorted({*changed, *cancelled}):
        occurrence = await _occurrence_on(calendar, series_id, day)
        if occurrence is None:
            continue
        if day in cancelled:
            await calendar.gateway.delete_event(calendar.mailbox, occurrence, version=None, notify=notify)
        elif changed[day].names:
            await calendar.gateway.update_event(
                calendar.mailbox, occurrence, changed[day], version=None, notify=notify
            )


async def _occurrence_on(calendar: OpenCalendar, series_id: str, day: date) -> CalendarEvent | None:
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    found = await calendar.gateway.list_occurrences(
        calendar.mailbox, series_id, starts_at=noon - 2 * _A_DAY, ends_at=noon + 2 * _A_DAY
    )
    return next((each for each in found if original_day(each) == day), None)
