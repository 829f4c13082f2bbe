"""Time zones in the form GetUserAvailability uses: a bias in minutes and two yearly changes.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/timezone-availability
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from m365_emulator.ews import xml
from m365_emulator.ews.faults import schema_violation
from m365_emulator.ews.soap import Node
from m365_emulator.ews.zone_definition import YearlyChange, rules_of

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LAST_ORDER = 5
_MAX_BIAS_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Change:
    """From here on ``bias`` minutes are added to the zone's own: the ``order``-th ``weekday`` (0 is Monday) of a month."""

    bias: int
    at: time
    month: int
    order: int
    weekday: int

    def moment(self, year: int) -> datetime:
        """Return the wall-clock time of the change in a year."""
        length = calendar.monthrange(year, self.month)[1]
        days = [day for day in range(1, length + 1) if date(year, self.month, day).weekday() == self.weekday]
        day = days[-1] if self.order >= _LAST_ORDER else days[min(self.order, len(days)) - 1]
        return datetime.combine(date(year, self.month, day), self.at)


@dataclass(frozen=True, slots=True)
class BiasZone:
    """A zone by its bias: UTC = local time + bias."""

    bias: int
    standard: Change | None
    daylight: Change | None

    def to_utc(self, wall: datetime) -> datetime:
        """Return the UTC time of a wall-clock time."""
        return (wall + timedelta(minutes=self.bias + self._extra(wall))).replace(tzinfo=UTC)

    def to_local(self, moment: datetime) -> datetime:
        """Return the wall-clock time of a UTC time."""
        base = moment.astimezone(UTC).replace(tzinfo=None) - timedelta(minutes=self.bias)
        return base - timedelta(minutes=self._extra(base))

    def _extra(self, wall: datetime) -> int:
        if self.standard is None or self.daylight is None:
            return 0
        if (self.standard.month, self.standard.bias) == (self.daylight.month, self.daylight.bias):
            return self.standard.bias
        to_standard, to_daylight = self.standard.moment(wall.year), self.daylight.moment(wall.year)
        if to_daylight < to_standard:
            in_daylight = to_daylight <= wall < to_standard
        else:
            in_daylight = not to_standard <= wall < to_daylight
        return self.daylight.bias if in_daylight else self.standard.bias


def read_bias_zone(node: Node) -> BiasZone:
    """Read ``t:TimeZone``; raises a schema fault for values that make no zone."""
    return BiasZone(
        _number(node, "Bias", -_MAX_BIAS_MINUTES, _MAX_BIAS_MINUTES),
        _change(node.find(f"{xml.T}StandardTime")),
        _change(node.find(f"{xml.T}DaylightTime")),
    )


def write_bias_zone(iana_name: str, year: int) -> str:
    """Return ``t:TimeZone`` for a named zone."""
    rules = rules_of(iana_name, year)
    bias = -int(rules.standard_offset.total_seconds()) // 60
    if rules.daylight_offset is None:
        # Clients stumble over a zone without the two changes, so they stand there without effect.
        nothing = (
            "<t:Bias>0</t:Bias><t:Time>00:00:00</t:Time><t:DayOrder>{}</t:DayOrder><t:Month>{}</t:Month>"
        )
        day = "<t:DayOfWeek>Sunday</t:DayOfWeek>"
        return (
            f"<t:TimeZone><t:Bias>{bias}</t:Bias><t:StandardTime>{nothing.format(1, 1)}{day}</t:StandardTime>"
            f"<t:DaylightTime>{nothing.format(5, 12)}{day}</t:DaylightTime></t:TimeZone>"
        )
    extra = -int((rules.daylight_offset - rules.standard_offset).total_seconds()) // 60
    parts = {change.to_daylight: change for change in rules.changes}
    return (
        f"<t:TimeZone><t:Bias>{bias}</t:Bias>{_write('StandardTime', 0, parts[False])}"
        f"{_write('DaylightTime', extra, parts[True])}</t:TimeZone>"
    )


def _write(name: str, bias: int, change: YearlyChange) -> str:
    order = _LAST_ORDER if change.occurrence == -1 else change.occurrence
    at = (datetime.combine(date.min, time()) + change.time_of_day).time()
    return (
        f"<t:{name}><t:Bias>{bias}</t:Bias><t:Time>{at.isoformat(timespec='seconds')}</t:Time>"
        f"<t:DayOrder>{order}</t:DayOrder><t:Month>{change.month}</t:Month>"
        f"<t:DayOfWeek>{change.weekday}</t:DayOfWeek></t:{name}>"
    )


def _change(node: Node | None) -> Change | None:
    if node is None:
        return None
    weekday = (node.findtext(f"{xml.T}DayOfWeek") or "").strip()
    month = _number(node, "Month", 0, 12)
    if month == 0:
        return None
    if weekday not in _WEEKDAYS:
        raise schema_violation(f"The 'DayOfWeek' element is invalid - The value '{weekday[:20]}' is invalid.")
    try:
        at = time.fromisoformat((node.findtext(f"{xml.T}Time") or "").strip()[:8])
    except ValueError as error:
        raise schema_violation("The 'Time' element is invalid.") from error
    return Change(
        _number(node, "Bias", -_MAX_BIAS_MINUTES, _MAX_BIAS_MINUTES),
        at,
        month,
        _number(node, "DayOrder", 1, _LAST_ORDER),
        _WEEKDAYS.index(weekday),
    )


def _number(node: Node, name: str, low: int, high: int) -> int:
    text = (node.findtext(f"{xml.T}{name}") or "").strip()
    try:
        value = int(text)
    except ValueError as error:
        raise schema_violation(
            f"The '{name}' element is invalid - The value '{text[:20]}' is invalid."
        ) from error
    if not low <= value <= high:
        raise schema_violation(f"The '{name}' element is invalid - The value '{text[:20]}' is invalid.")
    return value
