"""Graph's ``patternedRecurrence`` to ours and back."""

from __future__ import annotations

from datetime import date
from typing import Final

from ostiary.adapters.graph.codec.json_shape import JSONObject, as_object, broken, count, text, texts
from ostiary.core.calendar.recurrence import (
    Pattern,
    Recurrence,
    Weekday,
    WeekIndex,
    in_years,
    is_plausible,
)

_PATTERNS: Final = {
    "daily": Pattern.DAILY,
    "weekly": Pattern.WEEKLY,
    "absoluteMonthly": Pattern.ABSOLUTE_MONTHLY,
    "relativeMonthly": Pattern.RELATIVE_MONTHLY,
    "absoluteYearly": Pattern.ABSOLUTE_YEARLY,
    "relativeYearly": Pattern.RELATIVE_YEARLY,
}
_NAMES: Final = {pattern: name for name, pattern in _PATTERNS.items()}
_FOLDED: Final = {name.lower(): pattern for name, pattern in _PATTERNS.items()}
_WITH_DAYS: Final = (Pattern.WEEKLY, Pattern.RELATIVE_MONTHLY, Pattern.RELATIVE_YEARLY)
_WITH_MONTH: Final = (Pattern.ABSOLUTE_YEARLY, Pattern.RELATIVE_YEARLY)
_WITH_DAY: Final = (Pattern.ABSOLUTE_MONTHLY, Pattern.ABSOLUTE_YEARLY)
_RELATIVE: Final = (Pattern.RELATIVE_MONTHLY, Pattern.RELATIVE_YEARLY)


def recurrence(value: object) -> Recurrence | None:
    """Return how a series repeats, None for what is none.

    Graph fills in fields that mean nothing for the pattern (``dayOfMonth: 0``, ``endDate: "0001-01-01"``).
    """
    if value is None:
        return None
    entity = as_object(value, "recurrence")
    pattern, span = as_object(entity.get("pattern"), "pattern"), as_object(entity.get("range"), "range")
    kind = _FOLDED.get(text(pattern, "type").lower())
    if kind is None:
        raise broken("recurrence.pattern.type")
    end = text(span, "type").lower()
    try:
        found = Recurrence(
            pattern=kind,
            starts_on=_day(span, "startDate"),
            interval=count(pattern, "interval") or 1,
            days=tuple(Weekday(day.lower()) for day in texts(pattern, "daysOfWeek"))
            if kind in _WITH_DAYS
            else (),
            day_of_month=count(pattern, "dayOfMonth") if kind in _WITH_DAY else None,
            month=count(pattern, "month") if kind in _WITH_MONTH else None,
            index=WeekIndex((text(pattern, "index") or "first").lower()) if kind in _RELATIVE else None,
            week_starts_on=Weekday((text(pattern, "firstDayOfWeek") or "sunday").lower()),
            ends_on=_day(span, "endDate") if end == "enddate" else None,
            count=count(span, "numberOfOccurrences") if end == "numbered" else None,
        )
    except ValueError as error:
        raise broken("recurrence") from error
    if not is_plausible(found):
        raise broken("recurrence")
    return in_years(found)


def recurrence_json(wanted: Recurrence | None, zone: str) -> JSONObject | None:
    """Return a recurrence as Graph takes it; ``zone`` is the one its days are days in.

    Source: Graph recurrencePattern and recurrenceRange resources (graph.md §5).
    """
    if wanted is None:
        return None
    pattern: JSONObject = {"type": _NAMES[wanted.pattern], "interval": wanted.interval}
    if wanted.pattern in _WITH_DAYS:
        pattern["daysOfWeek"] = [day.value for day in wanted.days]
    if wanted.pattern is Pattern.WEEKLY:
        pattern["firstDayOfWeek"] = wanted.week_starts_on.value
    if wanted.index is not None:
        pattern["index"] = wanted.index.value
    if wanted.day_of_month is not None:
        pattern["dayOfMonth"] = wanted.day_of_month
    if wanted.month is not None:
        pattern["month"] = wanted.month
    span: JSONObject = {"startDate": wanted.starts_on.isoformat(), "recurrenceTimeZone": zone}
    if wanted.ends_on is not None:
        span |= {"type": "endDate", "endDate": wanted.ends_on.isoformat()}
    elif wanted.count is not None:
        span |= {"type": "numbered", "numberOfOccurrences": wanted.count}
    else:
        span["type"] = "noEnd"
    return {"pattern": pattern, "range": span}


def _day(span: JSONObject, name: str) -> date:
    return date.fromisoformat(text(span, name)[:10])
