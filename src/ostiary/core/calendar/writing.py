"""Creating, changing, answering and ending events: one of them, this and all after it, or a whole series."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Final

from ostiary.core.calendar.drafts import (
    OWN_FIELDS,
    Answer,
    EventChange,
    EventDraft,
    Scope,
    invitees_of,
)
from ostiary.core.calendar.errors import NotAttendee, NotOrganizer
from ostiary.core.calendar.model import CalendarEvent, EventKind
from ostiary.core.calendar.recurrence import dates
from ostiary.core.calendar.rewriting import change_of_series, change_of_single, finished
from ostiary.core.calendar.splitting import Cut, continue_with, cut_at, end_before
from ostiary.core.calendar.times import EventTimes, wall_times_of
from ostiary.core.calendar.use_cases import CalendarUseCases, OpenCalendar, placed
from ostiary.core.calendar.window import LONGEST_WINDOW
from ostiary.core.kernel.errors import InvalidRequest, NotFound

VersionCheck = Callable[[str], None]
"""Raises VersionChanged unless a version is the one the caller knows."""

MOST_ANSWERED: Final = 50
"""Meetings of a series that are answered one by one; each answer is a message to the organizer."""
_LOOK_BACK: Final = timedelta(seconds=1)
_MOST_CALENDARS: Final = 100


class EventWriting(CalendarUseCases):
    """Use cases that change calendars.

    ``scope`` says which meetings of a series are meant; None means the event named, be it a meeting or a series.
    ``check`` compares versions before anything is changed. ``notify`` says whether attendees are told.
    """

    async def create_event(
        self,
        connection_id: str,
        *,
        organization_id: str | None,
        times: EventTimes,
        content: EventChange,
        calendar_id: str | None = None,
        key: str | None = None,
        notify: bool = True,
    ) -> CalendarEvent:
        """Create an event and invite its attendees.

        Args:
            key: The caller's own name for this creation: the same key makes no second event, not even when the first
                answer was lost on the way from Microsoft.
        """
        async with self._open(connection_id, organization_id) as calendar:
            draft = EventDraft(subject="", times=await placed(calendar, times)).with_changes(content)
            return await calendar.gateway.create_event(
                calendar.mailbox,
                finished(draft),
                calendar_id=calendar_id,
                stamp=self._stamp(connection_id, key),
                notify=notify,
            )

    async def update_event(
        self,
        connection_id: str,
        event_id: str,
        *,
        organization_id: str | None,
        change: EventChange,
        times: EventTimes | None = None,
        scope: Scope | None = None,
        key: str | None = None,
        notify: bool = True,
        check: VersionCheck | None = None,
    ) -> CalendarEvent:
        """Change an event and return what it became: with scope *following* that is the new series.

        Raises:
            NotOrganizer: An attendee changes more than the own copy can hold.
        """
        stamp = self._stamp(connection_id, key)
        async with self._open(connection_id, organization_id) as calendar:
            event = await _event_or_successor(calendar, event_id, stamp, scope, key)
            if event.id != event_id:
                return event
            if check is not None:
                check(event.version)
            if times is not None:
                change = replace(change, times=await placed(calendar, times))
            if not event.is_organizer and change.names - OWN_FIELDS:
                raise NotOrganizer("Only the organizer can change this about the meeting.")
            match _scope_of(event, scope):
                case Scope.THIS:
                    fitting = change_of_single(event, change)
                    version = None if check is None else event.version
                    return await calendar.gateway.update_event(
                        calendar.mailbox, event, fitting, version=version, notify=notify
                    )
                case Scope.ALL:
                    return await _update_all(calendar, event, change, check is not None, notify)
                case Scope.FOLLOWING:
                    _require_organizer(event)
                    cut = await _cut(calendar, event)
                    if cut.earlier is None:
                        return await _update_all(calendar, event, change, check is not None, notify)
                    if key is None:
                        # The same call again finds the new series that this one may leave behind if it fails.
                        own = f"split {cut.series.event.id} {cut.series.event.version} {cut.day} {change!r}"
                        stamp = self._stamp(connection_id, own)
                    return await continue_with(calendar, cut, change, stamp=stamp, notify=notify)

    async def delete_event(
        self,
        connection_id: str,
        event_id: str,
        *,
        organization_id: str | None,
        scope: Scope | None = None,
        notify: bool = True,
        check: VersionCheck | None = None,
    ) -> None:
        """Delete an event. The owner's own meetings are called off with it; of others the own copy goes."""
        async with self._open(connection_id, organization_id) as calendar:
            event = await calendar.gateway.get_event(calendar.mailbox, event_id)
            if check is not None:
                check(event.version)
            target = await self._end(calendar, event, _scope_of(event, scope), notify)
            if target is not None:
                version = target.version if check is not None else None
                await calendar.gateway.delete_event(calendar.mailbox, target, version=version, notify=notify)

    async def cancel_event(
        self,
        connection_id: str,
        event_id: str,
        *,
        organization_id: str | None,
        comment: str = "",
        scope: Scope | None = None,
        check: VersionCheck | None = None,
    ) -> None:
        """Call off a meeting of the owner's and tell its attendees why.

        Raises:
            NotOrganizer: It is somebody else's.
            InvalidRequest: A comment for the rest of a series: Microsoft takes none there.
        """
        async with self._open(connection_id, organization_id) as calendar:
            event = await calendar.gateway.get_event(calendar.mailbox, event_id)
            if check is not None:
                check(event.version)
            _require_organizer(event)
            wanted = _scope_of(event, scope)
            if wanted is Scope.FOLLOWING and comment:
                raise InvalidRequest(
                    "A comment goes with one meeting or the whole series, not with the rest of one.",
                    field="comment",
                )
            target = await self._end(calendar, event, wanted, True)
            if target is None:
                return
            if invitees_of(target):
                await calendar.gateway.cancel_event(calendar.mailbox, target, comment=comment)
            else:
                await calendar.gateway.delete_event(calendar.mailbox, target, version=None, notify=False)

    async def respond(
        self,
        connection_id: str,
        event_id: str,
        *,
        organization_id: str | None,
        answer: Answer,
        comment: str = "",
        send: bool = True,
        scope: Scope | None = None,
    ) -> None:
        """Answer a meeting; what is declined leaves the calendar.

        With scope *following* each meeting is answered by itself, at most :data:`MOST_ANSWERED`.

        Raises:
            NotAttendee: The owner organizes it.
        """
        async with self._open(connection_id, organization_id) as calendar:
            event = await calendar.gateway.get_event(calendar.mailbox, event_id)
            if event.is_organizer:
                raise NotAttendee("This is the person’s own event: there is nobody to answer.")
            for each in await _answered(calendar, event, _scope_of(event, scope)):
                if each.id != event.id:
                    # Each answer gives the whole series a new version, which Exchange wants to hear of.
                    each = await calendar.gateway.get_event(calendar.mailbox, each.id)
                await calendar.gateway.respond(calendar.mailbox, each, answer, comment=comment, send=send)

    async def _end(
        self, calendar: OpenCalendar, event: CalendarEvent, scope: Scope, notify: bool
    ) -> CalendarEvent | None:
        """Return what has to go as a whole; None after a series was ended before one of its meetings."""
        if scope is Scope.THIS:
            return event
        if scope is Scope.ALL:
            return await _series_of(calendar, event)
        _require_organizer(event)
        cut = await _cut(calendar, event)
        if cut.earlier is None:
            return cut.series.event
        await end_before(calendar, cut, notify=notify)
        return None

    def _stamp(self, connection_id: str, key: str | None) -> str:
        if key is None:
            return self._entropy.token_bytes(24).hex()
        return hashlib.sha256(f"calendar event\n{connection_id}\n{key}".encode()).hexdigest()[:48]


def _scope_of(event: CalendarEvent, scope: Scope | None) -> Scope:
    """Return which meetings are meant.

    Raises:
        InvalidRequest: A series was named where one of its meetings has to be.
    """
    if event.kind is EventKind.SERIES:
        if scope in (Scope.THIS, Scope.FOLLOWING):
            raise InvalidRequest("This is a whole series. Name one of its meetings.", field="scope")
        return Scope.ALL
    return scope or Scope.THIS if event.is_of_series else Scope.THIS


def _require_organizer(event: CalendarEvent) -> None:
    if not event.is_organizer:
        raise NotOrganizer("Only the organizer can do this with the meeting.")


async def _event_or_successor(
    calendar: OpenCalendar, event_id: str, stamp: str, scope: Scope | None, key: str | None
) -> CalendarEvent:
    """Return the event; or, when the call is a repeated one that has split its series already, the new series."""
    try:
        return await calendar.gateway.get_event(calendar.mailbox, event_id)
    except NotFound:
        if scope is not Scope.FOLLOWING or key is None:
            raise
        made = await _created_anywhere(calendar, stamp)
        if made is None:
            raise
        return made


async def _created_anywhere(calendar: OpenCalendar, stamp: str) -> CalendarEvent | None:
    """Look through all calendars: where the series was that is gone, nobody knows any more."""
    page = await calendar.gateway.list_calendars(calendar.mailbox, limit=_MOST_CALENDARS)
    for each in page.items:
        found = await calendar.gateway.find_created(calendar.mailbox, stamp, calendar_id=each.id)
        if found is not None:
            return replace(found, calendar_id=None)
    return None


async def _update_all(
    calendar: OpenCalendar, event: CalendarEvent, change: EventChange, is_checked: bool, notify: bool
) -> CalendarEvent:
    series = await _series_of(calendar, event)
    if series.kind is not EventKind.SERIES or not change.names & {"times", "recurrence"}:
        fitting = change_of_single(series, change)
    else:
        fitting = change_of_series(series, change, moved_from=wall_times_of(event))
    version = series.version if is_checked else None
    return await calendar.gateway.update_event(
        calendar.mailbox, series, fitting, version=version, notify=notify
    )


async def _series_of(calendar: OpenCalendar, event: CalendarEvent) -> CalendarEvent:
    if event.series_id is None:
        return event
    return await calendar.gateway.get_event(calendar.mailbox, event.series_id)


async def _cut(calendar: OpenCalendar, event: CalendarEvent) -> Cut:
    if event.series_id is None:
        raise NotFound("There is no such series.")
    return cut_at(await calendar.gateway.get_series(calendar.mailbox, event.series_id), event)


async def _answered(calendar: OpenCalendar, event: CalendarEvent, scope: Scope) -> tuple[CalendarEvent, ...]:
    """Return the events that an answer goes to."""
    if scope is Scope.THIS:
        return (event,)
    if scope is Scope.ALL:
        return (await _series_of(calendar, event),)
    cut = await _cut(calendar, event)
    if len(list(islice(dates(cut.rest), MOST_ANSWERED + 1))) > MOST_ANSWERED:
        raise InvalidRequest(
            f"More than {MOST_ANSWERED} meetings follow. Answer the whole series.", field="scope"
        )
    return await calendar.gateway.list_occurrences(
        calendar.mailbox,
        cut.series.event.id,
        starts_at=event.starts_at - _LOOK_BACK,
        ends_at=event.starts_at - _LOOK_BACK + LONGEST_WINDOW,
    )
