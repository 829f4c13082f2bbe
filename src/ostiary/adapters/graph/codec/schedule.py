"""Graph's ``scheduleInformation`` to ours."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ostiary.adapters.graph.codec.calendar import SHOW_AS, edge
from ostiary.adapters.graph.codec.json_shape import (
    JSONObject,
    as_object,
    broken,
    objects,
    optional_text,
    text,
    texts,
)
from ostiary.core.calendar.availability import (
    A_DAY_OF_MINUTES,
    BusyTime,
    Schedule,
    WorkingHours,
    busy_times_of,
)
from ostiary.core.calendar.model import ShowAs
from ostiary.core.calendar.recurrence import Weekday
from ostiary.core.calendar.time_zones import iana_zone_name

_UNKNOWN: Final = "unknown"


def schedule(entity: JSONObject, address: str, starts_at: datetime, interval: timedelta) -> Schedule:
    """Return one person's schedule. ``starts_at`` and ``interval`` are those of the question."""
    error = entity.get("error")
    if error is not None:
        code = text(as_object(error, "error"), "responseCode") or _UNKNOWN
        return Schedule(address=address, problem=code)
    busy = tuple(_busy_time(item) for item in objects(entity, "scheduleItems"))
    if not busy:
        busy = busy_times_of(text(entity, "availabilityView"), starts_at, interval)
    hours = entity.get("workingHours")
    return Schedule(
        address=address,
        busy=tuple(sorted(busy, key=lambda each: (each.starts_at, each.ends_at))),
        working_hours=None if hours is None else _working_hours(as_object(hours, "workingHours")),
    )


def _busy_time(item: JSONObject) -> BusyTime:
    return BusyTime(
        starts_at=edge(item, "start"),
        ends_at=edge(item, "end"),
        show_as=SHOW_AS.get(text(item, "status").lower(), ShowAs.UNKNOWN),
        subject=optional_text(item, "subject") or None,
        location=optional_text(item, "location") or None,
    )


def _working_hours(entity: JSONObject) -> WorkingHours | None:
    """Return working hours, None where they are in a zone of the person's own making."""
    zone_entity = entity.get("timeZone")
    zone = None if zone_entity is None else iana_zone_name(text(as_object(zone_entity, "timeZone"), "name"))
    if zone is None:
        return None
    try:
        days = frozenset(Weekday(day.lower()) for day in texts(entity, "daysOfWeek"))
    except ValueError as error:
        raise broken("daysOfWeek") from error
    return WorkingHours(days, _minute(entity, "startTime"), _minute(entity, "endTime"), zone)


def _minute(entity: JSONObject, name: str) -> int:
    hour, _, rest = text(entity, name).partition(":")
    if not hour.isascii() or not hour.isdigit() or not rest[:2].isascii() or not rest[:2].isdigit():
        raise broken(name)
    minute = int(hour[:4]) * 60 + int(rest[:2])
    if minute > A_DAY_OF_MINUTES:
        raise broken(name)
    return minute
