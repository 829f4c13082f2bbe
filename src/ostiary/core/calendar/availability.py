"""When people are taken, and when several of them are free. Pure rules, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from ostiary.core.calendar.model import ShowAs
from ostiary.core.calendar.recurrence import WEEK, Weekday
from ostiary.core.calendar.times import to_moment
from ostiary.core.kernel.errors import InvalidRequest

LONGEST_LOOK: Final = timedelta(days=42)
"""EWS tells free/busy times of no longer window (ews.md §6)."""
MOST_PEOPLE: Final = 50
A_DAY_OF_MINUTES: Final = 24 * 60
MOST_SLOTS: Final = 200
SHORTEST_MEETING: Final = timedelta(minutes=5)
LONGEST_MEETING: Final = timedelta(days=7)

_BY_DIGIT: Final = {
    "1": ShowAs.TENTATIVE,
    "2": ShowAs.BUSY,
    "3": ShowAs.OUT_OF_OFFICE,
    "4": ShowAs.WORKING_ELSEWHERE,
}
_COMES_ANYWAY: Final = frozenset({ShowAs.FREE, ShowAs.WORKING_ELSEWHERE})


@dataclass(frozen=True, slots=True)
class BusyTime:
    """A stretch of somebody's calendar. Times are UTC, the end exclusive."""

    starts_at: datetime
    ends_at: datetime
    show_as: ShowAs
    subject: str | None = None
    """Only where the calendar's owner lets the person who asks see it."""
    location: str | None = None


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """When somebody works, by the clock of one zone."""

    days: frozenset[Weekday]
    from_minute: int
    """Minutes after midnight."""
    to_minute: int
    """Minutes after midnight; not after ``from_minute`` when the work ends on the next day."""
    zone: str
    """IANA name."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is known of one person's time."""

    address: str
    busy: tuple[BusyTime, ...] = ()
    working_hours: WorkingHours | None = None
    problem: str | None = None
    """Microsoft's code for why nothing is known, such as ``ErrorMailRecipientNotFound``."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A time at which a meeting fits."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class SlotSearch:
    """What kind of slots are wanted.

    Raises:
        InvalidRequest: The meeting is too short or too long, or the step makes no sense.
    """

    starts_at: datetime
    ends_at: datetime
    duration: timedelta
    step: timedelta = timedelta(minutes=30)
    """Slots start at whole multiples of it after the hour."""
    only_working_hours: bool = True
    """Within the working hours of everybody whose hours are known."""
    tentative_is_free: bool = False

    def __post_init__(self) -> None:
        if not SHORTEST_MEETING <= self.duration <= LONGEST_MEETING:
            raise InvalidRequest("A meeting takes five minutes to seven days.", field="duration_minutes")
        if not timedelta(minutes=5) <= self.step <= timedelta(days=1):
            raise InvalidRequest("The step is five minutes to one day.", field="step_minutes")
        check_look(self.starts_at, self.ends_at)


def check_look(starts_at: datetime, ends_at: datetime) -> None:
    """Raise InvalidRequest unless free/busy times of this window can be asked for."""
    if starts_at.tzinfo is None or ends_at.tzinfo is None:
        raise InvalidRequest("Give times with a zone, such as 2026-11-24T09:00:00Z.", field="from")
    if ends_at <= starts_at:
        raise InvalidRequest("The window must end after it starts.", field="to")
    if ends_at - starts_at < SHORTEST_MEETING:
        raise InvalidRequest("The window is at least five minutes long.", field="to")
    if ends_at - starts_at > LONGEST_LOOK:
        raise InvalidRequest(f"The window may be {LONGEST_LOOK.days} days long at most.", field="to")
    if not 1900 <= starts_at.year <= ends_at.year < 4500:
        raise InvalidRequest("The window is outside of what calendars hold.", field="from")


def find_free_slots(schedules: Sequence[Schedule], search: SlotSearch) -> tuple[Slot, ...]:
    """Return when everybody is free, by start; at most :data:`MOST_SLOTS`.

    Somebody of whom nothing is known counts as free at any time: look at ``Schedule.problem``.
    """
    return tuple(islice(_slots(schedules, search), MOST_SLOTS))


def _slots(schedules: Sequence[Schedule], search: SlotSearch) -> Iterator[Slot]:
    free = [(search.starts_at, search.ends_at)]
    for schedule in schedules:
        if search.only_working_hours and schedule.working_hours is not None:
            free = _common(free, working_times(schedule.working_hours, search.starts_at, search.ends_at))
        free = _without(free, _taken(schedule, search))
    for begin, end in free:
        start = _next_step(begin, search.step)
        while start + search.duration <= end:
            yield Slot(start.astimezone(UTC), (start + search.duration).astimezone(UTC))
            start += search.step


def working_times(
    hours: WorkingHours, starts_at: datetime, ends_at: datetime
) -> list[tuple[datetime, datetime]]:
    """Return the stretches of a window in which somebody works, by start, without overlaps."""
    zone = ZoneInfo(hours.zone)
    day = starts_at.astimezone(zone).date() - timedelta(days=1)
    last = ends_at.astimezone(zone).date()
    found: list[tuple[datetime, datetime]] = []
    to_minute = hours.to_minute if hours.to_minute > hours.from_minute else hours.to_minute + A_DAY_OF_MINUTES
    while day <= last:
        if WEEK[day.weekday()] in hours.days:
            midnight = datetime.combine(day, time())
            begin = to_moment(midnight + timedelta(minutes=hours.from_minute), zone)
            end = to_moment(midnight + timedelta(minutes=to_minute), zone)
            found.append((max(begin, starts_at), min(end, ends_at)))
        day += timedelta(days=1)
    return _joined(found)


def busy_times_of(digits: str, starts_at: datetime, interval: timedelta) -> tuple[BusyTime, ...]:
    """Return the busy times that a merged view tells, one digit for each interval.

    Some calendars let strangers see no more than this. Source: graph.md §5, ews.md §6.
    """
    found: list[BusyTime] = []
    # A view longer than anybody asks for is no honest answer.
    for number, digit in enumerate(digits[: LONGEST_LOOK // interval + 1]):
        show_as = _BY_DIGIT.get(digit)
        if show_as is None:
            continue
        begin = starts_at + number * interval
        if found and found[-1].ends_at == begin and found[-1].show_as is show_as:
            begin = found.pop().starts_at
        found.append(BusyTime(begin, starts_at + (number + 1) * interval, show_as))
    return tuple(found)


def _taken(schedule: Schedule, search: SlotSearch) -> list[tuple[datetime, datetime]]:
    free = _COMES_ANYWAY | ({ShowAs.TENTATIVE} if search.tentative_is_free else frozenset())
    return _joined((each.starts_at, each.ends_at) for each in schedule.busy if each.show_as not in free)


def _joined(stretches: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Return stretches by start, those that touch made one, empty ones left out."""
    found: list[tuple[datetime, datetime]] = []
    for begin, end in sorted(stretches):
        if begin >= end:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def _common(
    one: Sequence[tuple[datetime, datetime]], other: Sequence[tuple[datetime, datetime]]
) -> list[tuple[datetime, datetime]]:
    """Return what two sorted lists of stretches have in common."""
    return _joined((max(a, c), min(b, d)) for a, b in one for c, d in other if a < d and c < b)


def _without(
    stretches: Sequence[tuple[datetime, datetime]], taken: Sequence[tuple[datetime, datetime]]
) -> list[tuple[datetime, datetime]]:
    found: list[tuple[datetime, datetime]] = []
    for begin, end in stretches:
        at = begin
        for from_, to in taken:
            if to <= at or from_ >= end:
                continue
            if from_ > at:
                found.append((at, from_))
            at = max(at, to)
        if at < end:
            found.append((at, end))
    return found


def _next_step(at: datetime, step: timedelta) -> datetime:
    """Return the first whole multiple of the step after its day's midnight (UTC) that is not before ``at``."""
    moment = at.astimezone(UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - (midnight - moment) // step * step
