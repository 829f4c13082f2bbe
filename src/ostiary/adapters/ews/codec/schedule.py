"""EWS's ``FreeBusyResponse`` to ours. All its times are UTC, since that is what we ask in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ostiary.adapters.ews.codec.bias_zone import bias_zone
from ostiary.adapters.ews.codec.calendar import SHOW_AS
from ostiary.adapters.ews.codec.xml_shape import broken, count, optional_text, required_moment, text
from ostiary.adapters.ews.soap import Element, M, T
from ostiary.core.calendar.availability import (
    A_DAY_OF_MINUTES,
    BusyTime,
    Schedule,
    WorkingHours,
    busy_times_of,
)
from ostiary.core.calendar.model import ShowAs
from ostiary.core.calendar.recurrence import WEEK, WEEKEND, WORKDAYS, Weekday
from ostiary.core.calendar.time_zones import zone_like

_GROUPS: Final = {"Day": frozenset(WEEK), "Weekday": WORKDAYS, "WeekendDay": WEEKEND}


def schedule(answer: Element, address: str, starts_at: datetime, interval: timedelta) -> Schedule:
    """Return one person's schedule. ``starts_at`` and ``interval`` are those of the question."""
    message, view = answer.find(f"{M}ResponseMessage"), answer.find(f"{M}FreeBusyView")
    code = "" if message is None else (message.findtext(f"{M}ResponseCode") or "").strip()
    if code != "NoError" or view is None:
        return Schedule(address=address, problem=code or "unknown")
    busy = tuple(_busy_time(node) for node in view.iterfind(f"{T}CalendarEventArray/{T}CalendarEvent"))
    if not busy:
        busy = busy_times_of(text(view, "MergedFreeBusy").strip(), starts_at, interval)
    hours = view.find(f"{T}WorkingHours")
    return Schedule(
        address=address,
        busy=tuple(sorted(busy, key=lambda each: (each.starts_at, each.ends_at))),
        working_hours=None if hours is None else _working_hours(hours, starts_at.year),
    )


def _busy_time(node: Element) -> BusyTime:
    details = node.find(f"{T}CalendarEventDetails")
    return BusyTime(
        starts_at=required_moment(node, "StartTime"),
        ends_at=required_moment(node, "EndTime"),
        show_as=SHOW_AS.get(text(node, "BusyType").strip(), ShowAs.UNKNOWN),
        subject=None if details is None else optional_text(details, "Subject"),
        location=None if details is None else optional_text(details, "Location"),
    )


def _working_hours(node: Element, year: int) -> WorkingHours | None:
    """Return working hours; None where they are none, or in a zone like no other.

    Exchange tells the rules of the zone and not its name, so that we name one with the same rules. Of several
    periods the first is taken: Outlook lets people set only one.
    """
    zone, period = node.find(f"{T}TimeZone"), node.find(f"{T}WorkingPeriodArray/{T}WorkingPeriod")
    if zone is None or period is None:
        return None
    name = zone_like(bias_zone(zone), year=year)
    if name is None:
        return None
    days: set[Weekday] = set()
    try:
        for word in text(period, "DayOfWeek").split():
            days |= _GROUPS.get(word) or {Weekday(word.lower())}
    except ValueError as error:
        raise broken("DayOfWeek") from error
    start, end = count(period, "StartTimeInMinutes"), count(period, "EndTimeInMinutes")
    if not 0 <= start <= A_DAY_OF_MINUTES or not 0 <= end <= A_DAY_OF_MINUTES:
        raise broken("WorkingPeriod")
    return WorkingHours(frozenset(days), start, end, name)
