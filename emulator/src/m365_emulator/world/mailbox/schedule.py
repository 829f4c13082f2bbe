"""Free/busy: when somebody is taken, and when several people are free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .event import DAYS, CalendarEvent
from .recurrence import expand
from .settings import WorkingHours
from .store import Mailbox
from .timezones import to_local

DIGITS = {"free": "0", "tentative": "1", "busy": "2", "oof": "3", "workingElsewhere": "4", "unknown": "0"}


@dataclass(frozen=True, slots=True)
class BusyBlock:
    """One event as others see it. Times are UTC; `show_as` in Graph's words."""

    start: datetime
    end: datetime
    show_as: str
    subject: str
    location: str
    is_private: bool
    is_meeting: bool
    is_recurring: bool
    is_exception: bool
    is_reminder_set: bool


def busy_blocks(mailbox: Mailbox, start: datetime, end: datetime) -> list[BusyBlock]:
    """Return what is in a mailbox's default calendar between two times (UTC), by start; cancelled meetings are left out."""
    found: list[BusyBlock] = []
    for item in mailbox.calendar.items.values():
        if not isinstance(item, CalendarEvent) or item.is_draft:
            continue
        if item.kind == "seriesMaster":
            events = expand(item, start, end)
        else:
            events = [item] if item.start < end and item.end > start else []
        found.extend(_block(event) for event in events if not event.is_cancelled)
    found.sort(key=lambda block: (block.start, block.end))
    return found


def merged_view(blocks: Iterable[BusyBlock], start: datetime, end: datetime, interval: timedelta) -> str:
    """Return one digit per interval: 0 free, 1 tentative, 2 busy, 3 away, 4 working elsewhere.

    A last interval that is not whole counts as one. Source: getSchedule, availabilityView; EWS, MergedFreeBusy.
    """
    count = -(-(end - start) // interval)
    digits = ["0"] * count
    for block in blocks:
        digit = DIGITS[block.show_as]
        first = max(0, (block.start - start) // interval)
        last = min(count, -(-(block.end - start) // interval))
        for position in range(first, last):
            if _strength(digit) > _strength(digits[position]):
                digits[position] = digit
    return "".join(digits)


def _strength(digit: str) -> int:
    return {"0": 0, "4": 1, "1": 2, "2": 3, "3": 4}[digit]


def _block(event: CalendarEvent) -> BusyBlock:
    return BusyBlock(
        event.start,
        event.end,
        event.show_as,
        event.subject,
        event.location,
        event.sensitivity in ("private", "personal", "confidential"),
        event.is_meeting,
        event.kind in ("occurrence", "exception"),
        event.kind == "exception",
        event.is_reminder_on,
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A time for a meeting; `availability` is one of free, tentative, busy, oof, workingElsewhere, unknown per person."""

    start: datetime
    end: datetime
    availability: tuple[str, ...]

    @property
    def confidence(self) -> float:
        """The share (0 to 100) of people who can probably come; an unknown calendar counts half."""
        if not self.availability:
            return 100.0
        weights = {"free": 1.0, "workingElsewhere": 1.0, "tentative": 0.49, "unknown": 0.49}
        return 100.0 * sum(weights.get(one, 0.0) for one in self.availability) / len(self.availability)


def meeting_times(
    organizer: Mailbox,
    attendees: Sequence[Mailbox | None],
    slots: Sequence[tuple[datetime, datetime]],
    length: timedelta,
    *,
    only_working_hours: bool,
    organizer_optional: bool = False,
    least_percentage: float = 50.0,
    most: int = 20,
) -> list[Candidate]:
    """Return times at which enough people can meet, the surest first.

    Args:
        attendees: None stands for somebody whose calendar is not known.
        slots: Where to look (UTC); candidates start on half hours within them.
        least_percentage: Candidates below this confidence are left out.
    """
    step = timedelta(minutes=30)
    found: list[Candidate] = []
    for begin, finish in slots:
        mine = busy_blocks(organizer, begin, finish)
        theirs = [busy_blocks(one, begin, finish) if one is not None else None for one in attendees]
        at = _next_half_hour(begin)
        while at + length <= finish and len(found) < 500:
            end = at + length
            if not only_working_hours or _in_hours(organizer, at, end):
                own = _availability(mine, at, end)
                if organizer_optional or own in ("free", "workingElsewhere", "tentative"):
                    candidate = Candidate(
                        at,
                        end,
                        tuple(
                            "unknown" if blocks is None else _availability(blocks, at, end)
                            for blocks in theirs
                        ),
                    )
                    if candidate.confidence >= least_percentage:
                        found.append(candidate)
            at += step
    found.sort(key=lambda candidate: (-candidate.confidence, candidate.start))
    return found[:most]


def _availability(blocks: Sequence[BusyBlock], start: datetime, end: datetime) -> str:
    worst = "free"
    for block in blocks:
        if (
            block.start < end
            and block.end > start
            and _strength(DIGITS[block.show_as]) > _strength(DIGITS[worst])
        ):
            worst = block.show_as
    return worst


def _in_hours(mailbox: Mailbox, start: datetime, end: datetime) -> bool:
    hours: WorkingHours = mailbox.settings.working_hours
    zone = hours.zone or mailbox.time_zone
    first, last = to_local(start, zone), to_local(end, zone)
    return (
        first.date() == last.date()
        and DAYS[first.weekday()] in hours.days
        and hours.start <= first.time()
        and last.time() <= hours.end
    )


def _next_half_hour(at: datetime) -> datetime:
    rounded = at.replace(
        minute=0 if at.minute == 0 else 30 if at.minute <= 30 else 0, second=0, microsecond=0
    )
    if at.minute > 30:
        rounded += timedelta(hours=1)
    return rounded if rounded >= at else rounded + timedelta(minutes=30)
