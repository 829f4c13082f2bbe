"""Time zone definitions as EWS writes them: periods, and the yearly changes between them.

The rules are read off the IANA database by looking at the changes of one year, because that is all a
TimeZoneDefinition says: from this period to that one, on the n-th weekday of a month, at a local time of day.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/timezonedefinition
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from m365_emulator.ews import xml

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LAST = -1


@dataclass(frozen=True, slots=True)
class YearlyChange:
    """One clock change: at ``time_of_day`` of the old offset, on the ``occurrence``-th ``weekday`` of ``month``."""

    to_daylight: bool
    month: int
    weekday: str
    occurrence: int
    """1 to 4, or -1 for the last one of the month."""
    time_of_day: timedelta


@dataclass(frozen=True, slots=True)
class ZoneRules:
    """How one zone keeps its clocks in one year."""

    standard_offset: timedelta
    daylight_offset: timedelta | None
    changes: tuple[YearlyChange, ...]


@lru_cache(maxsize=512)
def rules_of(iana_name: str, year: int) -> ZoneRules:
    """Return the rules of ``iana_name`` in ``year``; a year with anything but two changes counts as one without."""
    zone = ZoneInfo(iana_name)
    changes = _changes(zone, year)
    if len(changes) != 2:
        return ZoneRules(_offset(zone, datetime(year, 12, 31, tzinfo=UTC)), None, ())
    first, second = changes
    one, two = _offset(zone, first), _offset(zone, second)
    standard, daylight = min(one, two), max(one, two)
    return ZoneRules(
        standard,
        daylight,
        (
            _yearly(first, before=two, to_daylight=one == daylight),
            _yearly(second, before=one, to_daylight=two == daylight),
        ),
    )


def definition(
    windows_id: str, display_name: str, iana_name: str, year: int, *, tag: str = "TimeZoneDefinition"
) -> str:
    """Return the full definition element of one zone."""
    rules = rules_of(iana_name, year)
    standard_id = f"trule:Microsoft/Registry/{windows_id}/{year}-Standard"
    daylight_id = f"trule:Microsoft/Registry/{windows_id}/{year}-Daylight"
    periods = _period("Standard", standard_id, rules.standard_offset)
    if rules.daylight_offset is None:
        transitions = f'<t:Transition><t:To Kind="Period">{xml.text(standard_id)}</t:To></t:Transition>'
    else:
        periods += _period("Daylight", daylight_id, rules.daylight_offset)
        transitions = "".join(
            _transition(change, daylight_id if change.to_daylight else standard_id)
            for change in rules.changes
        )
    content = (
        f"<t:Periods>{periods}</t:Periods>"
        f'<t:TransitionsGroups><t:TransitionsGroup Id="0">{transitions}</t:TransitionsGroup></t:TransitionsGroups>'
        '<t:Transitions><t:Transition><t:To Kind="Group">0</t:To></t:Transition></t:Transitions>'
    )
    return xml.element(f"t:{tag}", content, {"Id": windows_id, "Name": display_name})


def duration(value: timedelta) -> str:
    """Return an xs:duration such as ``PT2H`` or ``-PT5H30M``."""
    seconds = int(value.total_seconds())
    sign = "-" if seconds < 0 else ""
    hours, rest = divmod(abs(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    parts = "".join(
        f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if number
    )
    return f"{sign}PT{parts or '0S'}"


def _period(name: str, period_id: str, offset: timedelta) -> str:
    # A bias is what must be added to local time to get UTC, so its sign is the opposite of the offset's.
    return xml.element("t:Period", "", {"Bias": duration(-offset), "Name": name, "Id": period_id})


def _transition(change: YearlyChange, period_id: str) -> str:
    return (
        f'<t:RecurringDayTransition><t:To Kind="Period">{xml.text(period_id)}</t:To>'
        f"<t:TimeOffset>{duration(change.time_of_day)}</t:TimeOffset><t:Month>{change.month}</t:Month>"
        f"<t:DayOfWeek>{change.weekday}</t:DayOfWeek><t:Occurrence>{change.occurrence}</t:Occurrence>"
        "</t:RecurringDayTransition>"
    )


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """Return the UTC moments in ``year`` from which another offset holds."""
    found: list[datetime] = []
    day = datetime(year, 1, 1, tzinfo=UTC)
    while day.year == year:
        following = day + timedelta(days=1)
        if _offset(zone, day) != _offset(zone, following):
            found.append(_narrow(zone, day, following))
        day = following
    return found


def _narrow(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    before = _offset(zone, low)
    while high - low > timedelta(minutes=1):
        middle = low + (high - low) // 2
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high.replace(second=0, microsecond=0)


def _yearly(moment: datetime, *, before: timedelta, to_daylight: bool) -> YearlyChange:
    local = (moment + before).replace(tzinfo=None)
    last = (local + timedelta(days=7)).month != local.month
    return YearlyChange(
        to_daylight=to_daylight,
        month=local.month,
        weekday=_WEEKDAYS[local.weekday()],
        occurrence=_LAST if last else (local.day - 1) // 7 + 1,
        time_of_day=timedelta(hours=local.hour, minutes=local.minute),
    )
