"""Recurrence patterns and ranges between the store's words and EWS's elements.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/recurrence-recurrencetype
"""

from __future__ import annotations

from datetime import date

from m365_emulator.ews import xml
from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.world.mailbox.event import DAYS, Recurrence

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_WEEKDAYS = frozenset(DAYS[:5])
_WEEKEND = frozenset(DAYS[5:])
_GROUPS = {"Day": DAYS, "Weekday": DAYS[:5], "WeekendDay": DAYS[5:]}
_INDEXES = {"First": "first", "Second": "second", "Third": "third", "Fourth": "fourth", "Last": "last"}
# What Exchange can store, see `call.FIRST_YEAR`.
_FIRST_YEAR, _LAST_YEAR = 1601, 4500
_MAX_INTERVAL = {"daily": 999, "weekly": 99, "absoluteMonthly": 99, "relativeMonthly": 99}


def recurrence_element(recurrence: Recurrence | None) -> str:
    """Return ``t:Recurrence``, or nothing."""
    if recurrence is None:
        return ""
    return f"<t:Recurrence>{_pattern(recurrence)}{_range(recurrence)}</t:Recurrence>"


def read_recurrence(node: Node, zone: str) -> Recurrence:
    """Read ``t:Recurrence``; its dates are wall-clock dates in the Windows zone ``zone``.

    Raises:
        ResponseError: The pattern or range is missing or holds a value that makes no series.
    """
    children = elements(node)
    if len(children) != 2:
        raise ResponseError("ErrorCalendarInvalidRecurrence", "A recurrence needs one pattern and one range.")
    pattern, limits = children
    kind = _PATTERNS.get(local_name(pattern))
    if kind is None:
        raise ResponseError(
            "ErrorCalendarInvalidRecurrence", f"{local_name(pattern)} is no recurrence pattern."
        )
    start_on = _date(limits, "StartDate")
    interval = _number(pattern, "Interval", 1, _MAX_INTERVAL.get(kind, 1)) if _has(pattern, "Interval") else 1
    days = _days(pattern)
    if kind in {"weekly", "relativeMonthly", "relativeYearly"} and not days:
        raise ResponseError("ErrorCalendarInvalidRecurrence", "DaysOfWeek is missing.")
    end, end_on, count = _limits(limits, start_on)
    return Recurrence(
        pattern=kind,
        interval=interval,
        days=days,
        day_of_month=_number(pattern, "DayOfMonth", 1, 31) if _has(pattern, "DayOfMonth") else 0,
        month=_month(pattern) if kind.endswith("Yearly") else 0,
        index=_INDEXES.get(_text(pattern, "DayOfWeekIndex"), "first"),
        first_day_of_week=(_text(pattern, "FirstDayOfWeek") or "Sunday").lower(),
        end=end,
        start_on=start_on,
        end_on=end_on,
        count=count,
        zone=zone,
    )


_PATTERNS = {
    "DailyRecurrence": "daily",
    "WeeklyRecurrence": "weekly",
    "AbsoluteMonthlyRecurrence": "absoluteMonthly",
    "RelativeMonthlyRecurrence": "relativeMonthly",
    "AbsoluteYearlyRecurrence": "absoluteYearly",
    "RelativeYearlyRecurrence": "relativeYearly",
}
_ELEMENTS = {kind: name for name, kind in _PATTERNS.items()}


def _pattern(recurrence: Recurrence) -> str:
    name = _ELEMENTS[recurrence.pattern]
    interval = f"<t:Interval>{recurrence.interval}</t:Interval>"
    day_of_month = f"<t:DayOfMonth>{recurrence.day_of_month or recurrence.start_on.day}</t:DayOfMonth>"
    month = f"<t:Month>{_MONTHS[(recurrence.month or recurrence.start_on.month) - 1]}</t:Month>"
    relative = (
        f"<t:DaysOfWeek>{_single_day(recurrence.days)}</t:DaysOfWeek>"
        f"<t:DayOfWeekIndex>{recurrence.index.capitalize()}</t:DayOfWeekIndex>"
    )
    match recurrence.pattern:
        case "daily":
            inner = interval
        case "weekly":
            days = " ".join(day.capitalize() for day in DAYS if day in recurrence.days)
            first = recurrence.first_day_of_week.capitalize()
            inner = (
                f"{interval}<t:DaysOfWeek>{days}</t:DaysOfWeek><t:FirstDayOfWeek>{first}</t:FirstDayOfWeek>"
            )
        case "absoluteMonthly":
            inner = interval + day_of_month
        case "relativeMonthly":
            inner = interval + relative
        case "absoluteYearly":
            inner = day_of_month + month
        case _:
            inner = relative + month
    return f"<t:{name}>{inner}</t:{name}>"


def _range(recurrence: Recurrence) -> str:
    start = f"<t:StartDate>{recurrence.start_on.isoformat()}</t:StartDate>"
    if recurrence.end == "endDate" and recurrence.end_on is not None:
        end = f"<t:EndDate>{recurrence.end_on.isoformat()}</t:EndDate>"
        return f"<t:EndDateRecurrence>{start}{end}</t:EndDateRecurrence>"
    if recurrence.end == "numbered":
        count = f"<t:NumberOfOccurrences>{recurrence.count}</t:NumberOfOccurrences>"
        return f"<t:NumberedRecurrence>{start}{count}</t:NumberedRecurrence>"
    return f"<t:NoEndRecurrence>{start}</t:NoEndRecurrence>"


def _single_day(days: tuple[str, ...]) -> str:
    """Return EWS's one word for the days of a relative pattern, where the store lists them all."""
    wanted = frozenset(days)
    if wanted == _WEEKDAYS:
        return "Weekday"
    if wanted == _WEEKEND:
        return "WeekendDay"
    if len(wanted) == len(DAYS):
        return "Day"
    return next((day.capitalize() for day in DAYS if day in wanted), "Monday")


def _days(pattern: Node) -> tuple[str, ...]:
    days: list[str] = []
    for word in _text(pattern, "DaysOfWeek").split():
        if word in _GROUPS:
            days.extend(_GROUPS[word])
        elif word.lower() in DAYS:
            days.append(word.lower())
        else:
            raise ResponseError(
                "ErrorCalendarInvalidDayForWeeklyRecurrence", f"'{word}' is no day of the week."
            )
    return tuple(dict.fromkeys(days))


def _limits(node: Node, start_on: date) -> tuple[str, date | None, int]:
    match local_name(node):
        case "NoEndRecurrence":
            return "noEnd", None, 0
        case "EndDateRecurrence":
            end_on = _date(node, "EndDate")
            if end_on < start_on:
                raise ResponseError(
                    "ErrorCalendarEndDateIsEarlierThanStartDate",
                    "The end of the recurrence is before its start.",
                )
            return "endDate", end_on, 0
        case "NumberedRecurrence":
            return "numbered", None, _number(node, "NumberOfOccurrences", 1, 999)
        case name:
            raise ResponseError("ErrorCalendarInvalidRecurrence", f"{name} is no recurrence range.")


def _month(pattern: Node) -> int:
    name = _text(pattern, "Month")
    if name not in _MONTHS:
        raise ResponseError("ErrorCalendarInvalidRecurrence", f"'{name}' is no month.")
    return _MONTHS.index(name) + 1


def _has(node: Node, name: str) -> bool:
    return node.find(f"{xml.T}{name}") is not None


def _text(node: Node, name: str) -> str:
    return (node.findtext(f"{xml.T}{name}") or "").strip()


def _number(node: Node, name: str, low: int, high: int) -> int:
    try:
        value = int(_text(node, name))
    except ValueError as error:
        raise ResponseError("ErrorCalendarInvalidRecurrence", f"{name} is not a number.") from error
    if not low <= value <= high:
        raise ResponseError("ErrorCalendarInvalidRecurrence", f"{name} must be from {low} to {high}.")
    return value


def _date(node: Node, name: str) -> date:
    # exchangelib and .NET clients append a zone ("2026-11-27Z", "2026-11-27+01:00"), which means nothing here.
    try:
        found = date.fromisoformat(_text(node, name)[:10])
    except ValueError as error:
        raise ResponseError("ErrorCalendarInvalidRecurrence", f"{name} is not a date.") from error
    if found.year > _LAST_YEAR:
        raise ResponseError("ErrorRecurrenceEndDateTooBig", f"{name} is after the end of time.")
    if found.year < _FIRST_YEAR:
        raise ResponseError("ErrorCalendarOutOfRange", f"{name} is out of range.")
    return found
