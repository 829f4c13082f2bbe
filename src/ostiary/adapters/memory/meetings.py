"""Meetings kept as one object that everybody in them looks at: what stands behind the calendar twin."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import islice
from typing import Final

from ostiary.core.calendar.drafts import Answer, EventChange, EventDraft
from ostiary.core.calendar.model import Attendee, CalendarEvent, EventKind, Response, ShowAs
from ostiary.core.calendar.recurrence import dates
from ostiary.core.calendar.times import WallTimes
from ostiary.core.kernel.mail_address import MailAddress

_MOST_DATES: Final = 3000
_RESPONSES: Final = {
    Answer.ACCEPT: Response.ACCEPTED,
    Answer.TENTATIVE: Response.TENTATIVE,
    Answer.DECLINE: Response.DECLINED,
}


@dataclass(slots=True)
class Meeting:
    """An event or a series, shared by its organizer and everybody invited."""

    key: str
    organizer: MailAddress
    calendar_id: str
    stamp: str
    draft: EventDraft
    exceptions: dict[date, EventDraft] = field(default_factory=dict[date, EventDraft])
    cancelled: set[date] = field(default_factory=set[date])
    answers: dict[tuple[str, date | None], Response] = field(
        default_factory=dict[tuple[str, date | None], Response]
    )
    removed: set[tuple[str, date | None]] = field(default_factory=set[tuple[str, date | None]])
    """Copies that an attendee took off the own calendar."""
    own: dict[tuple[str, date | None], EventChange] = field(
        default_factory=dict[tuple[str, date | None], EventChange]
    )
    """What attendees changed on their own copies."""
    invited: frozenset[str] = frozenset()
    """Addresses whose calendars show it."""
    version: int = 1

    def days(self) -> list[date]:
        """Return the days of a series, cancelled ones included; none for a single event."""
        if self.draft.recurrence is None:
            return []
        return list(islice(dates(self.draft.recurrence), _MOST_DATES))

    def times_on(self, day: date) -> WallTimes:
        """Return when the series has its meeting of a day."""
        times = self.draft.times
        return times.moved_to(datetime.combine(day, times.start.time()))

    def is_shown_to(self, address: str, day: date | None) -> bool:
        """Whether somebody's calendar shows it, or its meeting of a day."""
        if (address, None) in self.removed or (address, day) in self.removed or day in self.cancelled:
            return False
        return address == self.organizer.address.lower() or address in self.invited

    def answer(self, address: str, day: date | None, answer: Answer) -> None:
        """Keep somebody's answer; who declines loses the copy."""
        self.answers[address, day] = _RESPONSES[answer]
        show_as = ShowAs.BUSY if answer is Answer.ACCEPT else ShowAs.TENTATIVE
        self.own[address, day] = replace(self.own.get((address, day), EventChange()), show_as=show_as)
        if answer is Answer.DECLINE:
            self.removed.add((address, day))
        self.version += 1

    def view(self, address: str, day: date | None) -> CalendarEvent:
        """Return it, or its meeting of a day, as one person's calendar shows it."""
        draft = self.draft
        if day is not None:
            draft = self.exceptions.get(day) or replace(draft, times=self.times_on(day), recurrence=None)
        for key in ((address, None), (address, day)):
            draft = draft.with_changes(self.own.get(key, EventChange()))
        is_own = address == self.organizer.address.lower()
        times, body = draft.times, draft.body
        zone = times.zone
        online = f"https://meet.harbourvale.example/{self.key}" if draft.is_online_meeting else None
        return CalendarEvent(
            id=event_id(self.key, address, day),
            calendar_id=None,
            series_id=None if day is None else event_id(self.key, address, None),
            ical_uid=f"uid-{self.key}",
            kind=self._kind(day),
            subject=draft.subject,
            starts_at=_shown(times.start, times),
            ends_at=_shown(times.end, times),
            is_all_day=times.is_all_day,
            time_zone=zone.key,
            location=draft.location,
            show_as=draft.show_as,
            is_cancelled=False,
            sensitivity=draft.sensitivity,
            is_organizer=is_own,
            organizer=self.organizer,
            attendees=tuple(
                Attendee(each.who, each.kind, self._response(each.who.address.lower(), day))
                for each in draft.attendees
            ),
            my_response=Response.ORGANIZER if is_own else self._response(address, day),
            online_meeting_url=online,
            preview=(body.content if body else "")[:255],
            version=str(self.version),
            text=body.content if body and not body.is_html else None,
            html=body.content if body and body.is_html else None,
            categories=draft.categories,
            reminder_minutes=draft.reminder_minutes,
            is_online_meeting=draft.is_online_meeting,
            recurrence=draft.recurrence if day is None else None,
            original_starts_at=None if day is None else _shown(self.times_on(day).start, self.draft.times),
        )

    def _kind(self, day: date | None) -> EventKind:
        if day is not None:
            return EventKind.EXCEPTION if day in self.exceptions else EventKind.OCCURRENCE
        return EventKind.SERIES if self.draft.recurrence else EventKind.SINGLE

    def _response(self, address: str, day: date | None) -> Response:
        return self.answers.get((address, day), self.answers.get((address, None), Response.NONE))


def event_id(key: str, address: str, day: date | None) -> str:
    """Return the id of a meeting in somebody's mailbox: everybody has another one."""
    owner = "".join(letter if letter.isalnum() else "-" for letter in address)
    return f"{key}.{owner}" + (f".{day:%Y%m%d}" if day else "")


def _shown(wall: datetime, times: WallTimes) -> datetime:
    """Return a time as events show it: whole days in UTC for an all-day event."""
    moved = WallTimes(wall, wall, times.zone, times.is_all_day)
    if not times.is_all_day:
        return moved.starts_at
    return wall.replace(tzinfo=moved.starts_at.tzinfo)
