"""Calendars kept in a dictionary: the twin of the Graph and EWS gateways for unit tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from ostiary.adapters.memory.mail import page_of
from ostiary.adapters.memory.meetings import Meeting, event_id
from ostiary.core.calendar.availability import BusyTime, Schedule, WorkingHours
from ostiary.core.calendar.drafts import UNCHANGED, Answer, EventChange, EventDraft
from ostiary.core.calendar.model import Calendar, CalendarEvent, Series
from ostiary.core.calendar.recurrence import WORKDAYS
from ostiary.core.calendar.window import EventWindow
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import InvalidRequest, MailboxMissing, NotFound, VersionChanged
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.kernel.page import Page


class MemoryCalendarGateway:
    """``CalendarGateway`` on lists. Mailboxes of one gateway invite each other, as those of one Exchange do."""

    def __init__(self) -> None:
        self._calendars: dict[str, Sequence[Calendar]] = {}
        self._events: dict[str, Sequence[CalendarEvent]] = {}
        self._meetings: list[Meeting] = []
        self._made = 0
        self.zone = "Europe/Berlin"
        """Everybody's own zone; they work in it from eight to five."""

    def add_mailbox(
        self, object_id: str, calendars: Sequence[Calendar], events: Sequence[CalendarEvent]
    ) -> None:
        """Make or replace the calendars of one person; each event names its ``calendar_id``, series are expanded."""
        self._calendars[object_id] = tuple(calendars)
        self._events[object_id] = tuple(events)

    async def list_calendars(
        self, mailbox: MailboxAccess, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Calendar]:
        return page_of(self._calendars_of(mailbox), f"{mailbox.connection_id} calendars", cursor, limit)

    async def list_events(
        self,
        mailbox: MailboxAccess,
        *,
        starts_at: datetime,
        ends_at: datetime,
        calendar_id: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[CalendarEvent]:
        window = EventWindow(starts_at, ends_at)
        wanted = self._calendar(mailbox, calendar_id)
        found = [
            replace(event, calendar_id=calendar_id)
            for event in (*self._seeded(mailbox, wanted), *self._shown(mailbox, wanted))
            if window.holds(event)
        ]
        found.sort(key=lambda event: (event.starts_at, event.id))
        binding = f"{mailbox.connection_id} {calendar_id} {window}"
        return page_of(found, binding, cursor, limit)

    async def get_event(self, mailbox: MailboxAccess, event_id: str) -> CalendarEvent:
        for event in self._events[mailbox.object_id]:
            if event.id == event_id:
                return replace(event, calendar_id=None)
        meeting, day = self._find(mailbox, event_id)
        return meeting.view(_own(mailbox), day)

    async def get_series(self, mailbox: MailboxAccess, series_id: str) -> Series:
        meeting, day = self._find(mailbox, series_id)
        if day is not None or meeting.draft.recurrence is None:
            raise NotFound("There is no series with this id.")
        own = _own(mailbox)
        event = replace(meeting.view(own, None), calendar_id=self._home(mailbox, meeting).id)
        exceptions = tuple(meeting.view(own, each) for each in sorted(meeting.exceptions))
        return Series(event, exceptions, tuple(sorted(meeting.cancelled)))

    async def list_occurrences(
        self, mailbox: MailboxAccess, series_id: str, *, starts_at: datetime, ends_at: datetime
    ) -> tuple[CalendarEvent, ...]:
        window = EventWindow(starts_at, ends_at)
        meeting, _ = self._find(mailbox, series_id)
        events = [event for event in _occurrences(meeting, _own(mailbox)) if window.holds(event)]
        return tuple(sorted(events, key=lambda event: event.starts_at))

    async def find_created(
        self, mailbox: MailboxAccess, stamp: str, *, calendar_id: str | None
    ) -> CalendarEvent | None:
        own = _own(mailbox)
        for meeting in self._meetings:
            if meeting.stamp == stamp and meeting.organizer.address.lower() == own:
                return replace(meeting.view(own, None), calendar_id=calendar_id)
        return None

    async def own_zone(self, mailbox: MailboxAccess, *, at: datetime) -> str:
        return self.zone

    async def create_event(
        self,
        mailbox: MailboxAccess,
        draft: EventDraft,
        *,
        calendar_id: str | None,
        stamp: str,
        notify: bool,
    ) -> CalendarEvent:
        wanted = self._calendar(mailbox, calendar_id)
        known = await self.find_created(mailbox, stamp, calendar_id=calendar_id)
        if known is not None:
            return known
        self._made += 1
        meeting = Meeting(
            f"made-{self._made}", MailAddress(mailbox.address, mailbox.address), wanted.id, stamp, draft
        )
        self._meetings.append(meeting)
        _invite(meeting, notify)
        return replace(meeting.view(_own(mailbox), None), calendar_id=calendar_id)

    async def update_event(
        self,
        mailbox: MailboxAccess,
        event: CalendarEvent,
        change: EventChange,
        *,
        version: str | None,
        notify: bool,
    ) -> CalendarEvent:
        meeting, day = self._find(mailbox, event.id)
        _compare(meeting, version)
        own = _own(mailbox)
        if own != meeting.organizer.address.lower():
            before = meeting.own.get((own, day), EventChange())
            meeting.own[own, day] = replace(before, **{name: getattr(change, name) for name in change.names})
        elif day is not None:
            now = meeting.exceptions.get(day) or replace(
                meeting.draft, times=meeting.times_on(day), recurrence=None
            )
            changed = now.with_changes(change)
            _check_order(meeting, day, changed)
            meeting.exceptions[day] = changed
        else:
            changed = meeting.draft.with_changes(change)
            if (changed.times, changed.recurrence) != (meeting.draft.times, meeting.draft.recurrence):
                # What single meetings were is forgotten with the days they were on, as Exchange does it.
                meeting.exceptions.clear()
                meeting.cancelled.clear()
                meeting.answers.clear()
            meeting.draft = changed
        if change.attendees is not UNCHANGED:
            _invite(meeting, notify)
        meeting.version += 1
        return replace(meeting.view(own, day), calendar_id=event.calendar_id)

    async def delete_event(
        self, mailbox: MailboxAccess, event: CalendarEvent, *, version: str | None, notify: bool
    ) -> None:
        meeting, day = self._find(mailbox, event.id)
        _compare(meeting, version)
        own = _own(mailbox)
        meeting.version += 1
        if own != meeting.organizer.address.lower():
            meeting.removed.add((own, day))
        elif day is not None:
            meeting.exceptions.pop(day, None)
            meeting.cancelled.add(day)
        else:
            self._meetings.remove(meeting)

    async def cancel_event(self, mailbox: MailboxAccess, event: CalendarEvent, *, comment: str) -> None:
        await self.delete_event(mailbox, event, version=None, notify=True)

    async def respond(
        self, mailbox: MailboxAccess, event: CalendarEvent, answer: Answer, *, comment: str, send: bool
    ) -> None:
        meeting, day = self._find(mailbox, event.id)
        meeting.answer(_own(mailbox), day, answer)

    async def free_busy(
        self, mailbox: MailboxAccess, addresses: Sequence[str], *, starts_at: datetime, ends_at: datetime
    ) -> tuple[Schedule, ...]:
        return tuple(self._schedule(each, EventWindow(starts_at, ends_at)) for each in addresses)

    def _schedule(self, address: str, window: EventWindow) -> Schedule:
        known = address.lower()
        if not known.endswith("@harbourvale.example"):
            return Schedule(address, problem="ErrorMailRecipientNotFound")
        shown = [event for meeting in self._meetings for event in _all(meeting, known)]
        busy = tuple(
            BusyTime(event.starts_at, event.ends_at, event.show_as)
            for event in sorted(shown, key=lambda event: event.starts_at)
            if window.holds(event)
        )
        return Schedule(address, busy, WorkingHours(WORKDAYS, 8 * 60, 17 * 60, self.zone))

    def _seeded(self, mailbox: MailboxAccess, wanted: Calendar) -> Iterator[CalendarEvent]:
        return (event for event in self._events[mailbox.object_id] if event.calendar_id == wanted.id)

    def _shown(self, mailbox: MailboxAccess, wanted: Calendar) -> Iterator[CalendarEvent]:
        own = _own(mailbox)
        for meeting in self._meetings:
            if self._home(mailbox, meeting).id == wanted.id:
                yield from _all(meeting, own)

    def _home(self, mailbox: MailboxAccess, meeting: Meeting) -> Calendar:
        is_own = meeting.organizer.address.lower() == _own(mailbox)
        return self._calendar(mailbox, meeting.calendar_id if is_own else None)

    def _find(self, mailbox: MailboxAccess, wanted: str) -> tuple[Meeting, date | None]:
        own = _own(mailbox)
        for meeting in self._meetings:
            for day in (None, *meeting.days()):
                if event_id(meeting.key, own, day) == wanted and meeting.is_shown_to(own, day):
                    return meeting, day
        raise NotFound("There is no such object in this mailbox.")

    def _calendars_of(self, mailbox: MailboxAccess) -> Sequence[Calendar]:
        try:
            return self._calendars[mailbox.object_id]
        except KeyError:
            raise MailboxMissing("There is no such mailbox.", reason="mailbox_missing") from None

    def _calendar(self, mailbox: MailboxAccess, calendar_id: str | None) -> Calendar:
        for calendar in self._calendars_of(mailbox):
            if calendar.is_default if calendar_id is None else calendar.id == calendar_id:
                return calendar
        raise NotFound("There is no such object in this mailbox.")


def _own(mailbox: MailboxAccess) -> str:
    return mailbox.address.lower()


def _all(meeting: Meeting, address: str) -> Iterator[CalendarEvent]:
    """Yield what of a meeting stands in somebody's calendar, a series expanded."""
    if meeting.draft.recurrence is not None:
        yield from _occurrences(meeting, address)
    elif meeting.is_shown_to(address, None):
        yield meeting.view(address, None)


def _occurrences(meeting: Meeting, address: str) -> Iterator[CalendarEvent]:
    return (meeting.view(address, day) for day in meeting.days() if meeting.is_shown_to(address, day))


def _invite(meeting: Meeting, notify: bool) -> None:
    if notify:
        meeting.invited = frozenset(each.who.address.lower() for each in meeting.draft.attendees)


def _compare(meeting: Meeting, version: str | None) -> None:
    if version is not None and version != str(meeting.version):
        raise VersionChanged("It was changed since you read it. Read it again, then decide.")


def _check_order(meeting: Meeting, day: date, changed: EventDraft) -> None:
    """Refuse a meeting that would move onto or past its neighbours, as Exchange does."""
    live = [each for each in meeting.days() if each not in meeting.cancelled]
    at = changed.times.start.date()
    place = live.index(day)
    before, after = live[place - 1 : place] if place else [], live[place + 1 : place + 2]
    neighbours = [
        (
            meeting.exceptions[each].times if each in meeting.exceptions else meeting.times_on(each)
        ).start.date()
        for each in (*before, *after)
    ]
    too_early = bool(before) and at <= neighbours[0]
    too_late = bool(after) and at >= neighbours[-1]
    if too_early or too_late or changed.times.end - changed.times.start < timedelta(0):
        raise InvalidRequest("Microsoft does not take these values (ErrorOccurrenceCrossingBoundary).")
