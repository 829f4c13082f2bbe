"""When an administrator who has not answered is reminded: on working day 3 and 7, and never more (UX §6.3)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

REMINDER_WORKING_DAYS: Final = (3, 7)
"""Working days after the request was sent."""


def working_days_after(day: date, count: int) -> date:
    """Return the day ``count`` working days later, Monday to Friday."""
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < 5
    return day


def reminder_days(sent_on: date) -> tuple[date, ...]:
    """Return the days of all reminders of a request that was sent on ``sent_on``."""
    return tuple(working_days_after(sent_on, count) for count in REMINDER_WORKING_DAYS)


def reminder_moments(sent_at: datetime) -> tuple[datetime, ...]:
    """Return when they go out: at the time of day the request did."""
    return tuple(datetime.combine(day, sent_at.timetz()) for day in reminder_days(sent_at.date()))
