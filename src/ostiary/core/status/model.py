"""Days, and how much of each a part worked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

LOOK_EVERY: Final = timedelta(minutes=5)
"""How often the parts are asked; a fault that is shorter may pass unseen."""

HISTORY_DAYS: Final = 7
"""Days that the status page shows, today among them (UX §3)."""

KEPT_DAYS: Final = 8
"""One more, so that the page is whole whatever the hour."""


class Part(StrEnum):
    """What people would notice by itself when it stopped."""

    SERVICE = "service"
    """Pages, API and database: without it nothing is recorded, and a look that is missing counts against it."""
    SAVED_SIGN_INS = "saved_sign_ins"
    """The keys that saved sign-ins are sealed with."""
    MICROSOFT = "microsoft"
    """Microsoft's sign-in host, as seen from here."""


@dataclass(frozen=True, slots=True)
class DayCount:
    """What was seen of one part on one day (UTC)."""

    on: date
    part: Part
    good: int
    bad: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Uptime:
    """How much of a day a part worked, as far as we looked."""

    good: int
    expected: int
    """Looks that there should have been."""

    @property
    def percent(self) -> float:
        """In percent, rounded down to a tenth: 100 only when every look was good."""
        return int(1000 * self.good / self.expected) / 10

    @property
    def minutes_down(self) -> int:
        """Roughly: each look that was bad or missing stands for the time until the next."""
        return (self.expected - self.good) * int(LOOK_EVERY.total_seconds() // 60)


@dataclass(frozen=True, slots=True)
class DayStatus:
    """One day. A part that nobody looked at yet is missing."""

    on: date
    uptimes: dict[Part, Uptime]


def slot_of(at: datetime) -> datetime:
    """The look that a moment belongs to, so that a job that runs twice counts once."""
    step = int(LOOK_EVERY.total_seconds())
    seconds = int(at.timestamp()) // step * step
    return datetime.fromtimestamp(seconds, UTC)


def history(counts: tuple[DayCount, ...], *, now: datetime) -> tuple[DayStatus, ...]:
    """The last days, newest first, from the first day on which anybody looked.

    A day without a single look after that is a day on which nothing worked, and reads so. Of a part that was
    not asked although the service was there, nothing is said.
    """
    if not counts:
        return ()
    by_day = {(count.on, count.part): count for count in counts}
    began_at = min(count.first_at for count in counts)
    today = now.astimezone(UTC).date()
    days: list[DayStatus] = []
    for back in range(HISTORY_DAYS):
        day = today - timedelta(days=back)
        if day < began_at.astimezone(UTC).date():
            break
        expected = _expected(day, began_at=began_at, now=now)
        if expected == 0:
            continue
        uptimes: dict[Part, Uptime] = {}
        for part in Part:
            count = by_day.get((day, part))
            if part is Part.SERVICE:
                uptimes[part] = Uptime(min(0 if count is None else count.good, expected), expected)
            elif count is not None and count.good + count.bad > 0:
                uptimes[part] = Uptime(count.good, count.good + count.bad)
        days.append(DayStatus(day, uptimes))
    return tuple(days)


def _expected(day: date, *, began_at: datetime, now: datetime) -> int:
    """Looks that a day should have had, those before we began and those still to come left out."""
    start = max(datetime.combine(day, time(), UTC), slot_of(began_at))
    # The newest look may still be under way.
    end = min(datetime.combine(day + timedelta(days=1), time(), UTC), slot_of(now))
    return max(0, int((end - start) / LOOK_EVERY))
