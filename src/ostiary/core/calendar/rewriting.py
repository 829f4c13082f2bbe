"""What a change makes of an event or a series. Pure rules, no I/O."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

from ostiary.core.calendar.drafts import (
    UNCHANGED,
    EventChange,
    EventDraft,
    body_of,
    check_attendees,
    invitees_of,
)
from ostiary.core.calendar.model import CalendarEvent, ShowAs
from ostiary.core.calendar.recurrence import Recurrence, check, from_first_date, in_years
from ostiary.core.calendar.times import WallTimes, wall_times_of
from ostiary.core.kernel.errors import InvalidRequest


def finished(draft: EventDraft) -> EventDraft:
    """Return a draft as it can be created: its series, if it is one, laid on its first day.

    Raises:
        InvalidRequest: Pattern and range do not fit together, or too many people.
    """
    check_attendees(draft.attendees)
    if draft.recurrence is None:
        return draft
    recurrence, times = laid(draft.recurrence, draft.times)
    return replace(draft, recurrence=recurrence, times=times)


def laid(recurrence: Recurrence, times: WallTimes) -> tuple[Recurrence, WallTimes]:
    """Return a pattern and a start that fit: on the first day of the pattern that is not before the start."""
    wanted = replace(recurrence, starts_on=times.start.date())
    check(wanted)
    first = in_years(from_first_date(wanted))
    return first, times.moved_to(_on(first.starts_on, times.start))


def change_of_single(event: CalendarEvent, change: EventChange) -> EventChange:
    """Return a change of an event that is no series, or of one meeting.

    Raises:
        InvalidRequest: A single meeting of a series shall repeat.
    """
    if change.attendees is not UNCHANGED:
        check_attendees(change.attendees)
    if change.recurrence is UNCHANGED:
        return change
    if event.is_of_series:
        raise InvalidRequest(
            "One meeting of a series cannot repeat: use scope all or following.", field="recurrence"
        )
    if change.recurrence is None:
        return replace(change, recurrence=UNCHANGED)
    times = wall_times_of(event) if change.times is UNCHANGED else change.times
    recurrence, start = laid(change.recurrence, times)
    return replace(change, recurrence=recurrence, times=start)


def change_of_series(series: CalendarEvent, change: EventChange, *, moved_from: WallTimes) -> EventChange:
    """Return a change of when a whole series is.

    Args:
        moved_from: When the meeting that the caller named is now. New times are meant for that one, and the series
            moves as far as it does.

    Raises:
        InvalidRequest: The series would move off the days of its pattern.
    """
    if change.attendees is not UNCHANGED:
        check_attendees(change.attendees)
    now = wall_times_of(series)
    times = now
    if change.times is not UNCHANGED:
        days = change.times.start.date() - moved_from.start.date()
        times = change.times.moved_to(_on(now.start.date() + days, change.times.start))
    if change.recurrence is None:
        return replace(change, times=times)
    if change.recurrence is not UNCHANGED:
        recurrence, start = laid(change.recurrence, times)
        return replace(change, recurrence=recurrence, times=start)
    known = series.recurrence
    if known is None:
        return replace(change, times=times)
    return replace(change, recurrence=_moved(known, times.start.date()), times=times)


def draft_of(series: CalendarEvent, recurrence: Recurrence) -> EventDraft:
    """Return a new series like one that there is, with another range."""
    times = wall_times_of(series)
    return EventDraft(
        subject=series.subject,
        times=times.moved_to(_on(recurrence.starts_on, times.start)),
        recurrence=recurrence,
        location=series.location,
        body=body_of(series),
        attendees=invitees_of(series),
        show_as=series.show_as if series.show_as is not ShowAs.UNKNOWN else ShowAs.BUSY,
        sensitivity=series.sensitivity,
        categories=series.categories,
        reminder_minutes=series.reminder_minutes,
        is_online_meeting=series.is_online_meeting,
    )


def rest_of_series(series: CalendarEvent, rest: Recurrence, change: EventChange) -> EventDraft:
    """Return the new series that a change makes of the meetings from one on.

    Args:
        rest: The range from that meeting on.

    Raises:
        InvalidRequest: The meetings would move off the days of their pattern.
    """
    draft = draft_of(series, rest)
    if change.recurrence is None:
        raise InvalidRequest("The meetings from one on cannot stop repeating.", field="recurrence")
    changed = draft.with_changes(replace(change, recurrence=UNCHANGED, is_online_meeting=UNCHANGED))
    if change.is_online_meeting is not UNCHANGED:
        changed = replace(changed, is_online_meeting=change.is_online_meeting)
    if change.recurrence is not UNCHANGED:
        return finished(replace(changed, recurrence=change.recurrence))
    day = changed.times.start.date()
    return finished(replace(changed, recurrence=_moved(rest, day)))


def difference(exception: CalendarEvent, series: CalendarEvent, *, on: datetime) -> EventChange:
    """Return what sets one meeting apart from its series.

    Args:
        on: Where the meeting stood in the series, by the clock of its zone.
    """
    change = EventChange()
    expected = wall_times_of(series).moved_to(on)
    times = wall_times_of(exception)
    if (times.start, times.end, times.is_all_day) != (expected.start, expected.end, expected.is_all_day):
        change = replace(change, times=times)
    for name in ("subject", "location", "show_as", "sensitivity", "categories", "reminder_minutes"):
        value = getattr(exception, name)
        if value != getattr(series, name):
            change = replace(change, **{name: value})
    if body_of(exception) != body_of(series):
        change = replace(change, body=body_of(exception))
    if invitees_of(exception) != invitees_of(series):
        change = replace(change, attendees=invitees_of(exception))
    return change


def without(change: EventChange, names: frozenset[str]) -> EventChange:
    """Return a change that leaves some fields as they are."""
    return replace(change, **dict.fromkeys(names & change.names, UNCHANGED))


def _moved(recurrence: Recurrence, day: date) -> Recurrence:
    """Return the series starting on another day, if that is one of its pattern's days."""
    moved = replace(recurrence, starts_on=day)
    check(moved)
    if from_first_date(moved).starts_on != day:
        raise InvalidRequest(
            "The new day is none of the pattern’s. Say how the series repeats from now on.",
            field="recurrence",
        )
    return moved


def _on(day: date, clock: datetime) -> datetime:
    """Return a time of the clock on a day."""
    return clock + timedelta(days=(day - clock.date()).days)
