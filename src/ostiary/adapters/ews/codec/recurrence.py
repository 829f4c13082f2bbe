"""EWS's ``Recurrence`` to ours and back."""

from __future__ import annotations

from datetime import date
from typing import Final

from ostiary.adapters.ews.codec.xml_shape import broken, count, text
from ostiary.adapters.ews.soap import Element, T
from ostiary.core.calendar.recurrence import (
    WEEK,
    WEEKEND,
    WORKDAYS,
    Pattern,
    Recurrence,
    Weekday,
    WeekIndex,
    from_first_date,
    in_years,
    is_plausible,
)

_ELEMENTS: Final = {
    "DailyRecurrence": Pattern.DAILY,
    "WeeklyRecurrence": Pattern.WEEKLY,
    "AbsoluteMonthlyRecurrence": Pattern.ABSOLUTE_MONTHLY,
    "RelativeMonthlyRecurrence": Pattern.RELATIVE_MONTHLY,
    "AbsoluteYearlyRecurrence": Pattern.ABSOLUTE_YEARLY,
    "RelativeYearlyRecurrence": Pattern.RELATIVE_YEARLY,
}
_GROUPS: Final = {"Day": frozenset(WEEK), "Weekday": WORKDAYS, "WeekendDay": WEEKEND}
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_WITH_DAY: Final = (Pattern.ABSOLUTE_MONTHLY, Pattern.ABSOLUTE_YEARLY)
_WITH_MONTH: Final = (Pattern.ABSOLUTE_YEARLY, Pattern.RELATIVE_YEARLY)
_RELATIVE: Final = (Pattern.RELATIVE_MONTHLY, Pattern.RELATIVE_YEARLY)


def recurrence(node: Element | None) -> Recurrence | None:
    """Return how a series repeats, None for what is none."""
    if node is None:
        return None
    parts = {str(child.tag).removeprefix(T): child for child in node}
    found = next(((parts[name], kind) for name, kind in _ELEMENTS.items() if name in parts), None)
    ranges = [parts[name] for name in parts if name.endswith("Recurrence") and name not in _ELEMENTS]
    if found is None or not ranges:
        raise broken("Recurrence")
    pattern, kind = found
    span = ranges[0]
    try:
        read = Recurrence(
            pattern=kind,
            starts_on=_day(span, "StartDate"),
            interval=count(pattern, "Interval") or 1,
            days=_days(pattern),
            day_of_month=count(pattern, "DayOfMonth") if kind in _WITH_DAY else None,
            month=_MONTHS.index(text(pattern, "Month").strip()) + 1 if kind in _WITH_MONTH else None,
            index=WeekIndex(text(pattern, "DayOfWeekIndex").strip().lower()) if kind in _RELATIVE else None,
            week_starts_on=Weekday((text(pattern, "FirstDayOfWeek").strip() or "Sunday").lower()),
            ends_on=_day(span, "EndDate") if span.tag == f"{T}EndDateRecurrence" else None,
            count=count(span, "NumberOfOccurrences") if span.tag == f"{T}NumberedRecurrence" else None,
        )
    except ValueError as error:
        raise broken("Recurrence") from error
    if not is_plausible(read):
        raise broken("Recurrence")
    return in_years(read)


def recurrence_xml(wanted: Recurrence) -> str:
    """Return a recurrence as Exchange takes it.

    Years have no interval in EWS, so that every second year is written as every 24 months, from the first of them on.

    Source: EWS Recurrence element (RecurrenceType); ews.md §6, §10.
    """
    first = from_first_date(wanted)
    return f"<t:Recurrence>{_pattern_xml(wanted)}{_range_xml(first)}</t:Recurrence>"


def _pattern_xml(wanted: Recurrence) -> str:
    interval = f"<t:Interval>{wanted.interval}</t:Interval>"
    if wanted.pattern is Pattern.DAILY:
        return f"<t:DailyRecurrence>{interval}</t:DailyRecurrence>"
    if wanted.pattern is Pattern.WEEKLY:
        days = " ".join(day.value.capitalize() for day in WEEK if day in wanted.days)
        week = f"<t:FirstDayOfWeek>{wanted.week_starts_on.value.capitalize()}</t:FirstDayOfWeek>"
        return f"<t:WeeklyRecurrence>{interval}<t:DaysOfWeek>{days}</t:DaysOfWeek>{week}</t:WeeklyRecurrence>"
    is_relative = wanted.pattern in _RELATIVE
    which = _relative_xml(wanted) if is_relative else f"<t:DayOfMonth>{wanted.day_of_month}</t:DayOfMonth>"
    kind = "Relative" if is_relative else "Absolute"
    if wanted.pattern in _WITH_MONTH and wanted.interval == 1:
        month = f"<t:Month>{_MONTHS[(wanted.month or 1) - 1]}</t:Month>"
        return f"<t:{kind}YearlyRecurrence>{which}{month}</t:{kind}YearlyRecurrence>"
    months = wanted.interval * (12 if wanted.pattern in _WITH_MONTH else 1)
    return f"<t:{kind}MonthlyRecurrence><t:Interval>{months}</t:Interval>{which}</t:{kind}MonthlyRecurrence>"


def _relative_xml(wanted: Recurrence) -> str:
    days = frozenset(wanted.days)
    group = next((name for name, members in _GROUPS.items() if members == days), None)
    word = group or next(day.value.capitalize() for day in WEEK if day in days)
    index = wanted.index or WeekIndex.FIRST
    return (
        f"<t:DaysOfWeek>{word}</t:DaysOfWeek><t:DayOfWeekIndex>{index.value.capitalize()}</t:DayOfWeekIndex>"
    )


def _range_xml(wanted: Recurrence) -> str:
    start = f"<t:StartDate>{wanted.starts_on.isoformat()}</t:StartDate>"
    if wanted.ends_on is not None:
        end = f"<t:EndDate>{wanted.ends_on.isoformat()}</t:EndDate>"
        return f"<t:EndDateRecurrence>{start}{end}</t:EndDateRecurrence>"
    if wanted.count is not None:
        number = f"<t:NumberOfOccurrences>{wanted.count}</t:NumberOfOccurrences>"
        return f"<t:NumberedRecurrence>{start}{number}</t:NumberedRecurrence>"
    return f"<t:NoEndRecurrence>{start}</t:NoEndRecurrence>"


def _days(pattern: Element) -> tuple[Weekday, ...]:
    found: set[Weekday] = set()
    for word in text(pattern, "DaysOfWeek").split():
        found |= _GROUPS.get(word) or {Weekday(word.lower())}
    return tuple(day for day in WEEK if day in found)


def _day(span: Element, name: str) -> date:
    # Exchange may append an offset ("2026-11-27+01:00"), which says nothing about a day of the wall.
    return date.fromisoformat(text(span, name).strip()[:10])
