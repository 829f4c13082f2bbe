"""Calendar of a connection: events, answers, people's time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date, datetime
from enum import Enum
from typing import Any, Final, Literal

from ostiary_client.call import (
    Call,
    Listing,
    body_of,
    create,
    items_of,
    listing,
    match_header,
    nothing,
    one,
    one_tagged,
    path_of,
    plain,
    query_of,
)
from ostiary_client.call import get as read
from ostiary_client.models.calendar import (
    Answer,
    Calendar,
    Event,
    FreeSlots,
    Invitee,
    Repeat,
    Schedule,
    Scope,
    Sensitivity,
    Series,
    ShowAs,
)
from ostiary_client.operations import D, Noun, listed, operation


class Unset(Enum):
    """Keeps "leave it as it is" apart from "take it away", which is None."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unset.UNCHANGED
Unchanged = Literal[Unset.UNCHANGED]


class Calendars(Noun[D]):
    """Calendars of connected mailboxes. Every call begins with the id of the connection.

    A ``datetime`` with a zone is a moment. One without is a reading of the clock in ``time_zone``, or in the person's
    own zone where that is left out. All-day events take dates, the last one exclusive.
    """

    @listed
    def list(
        self, connection_id: str, *, limit: int | None = None, cursor: str | None = None
    ) -> Listing[Calendar]:
        """List the calendars of the mailbox."""
        return listing(
            path_of("connections", connection_id, "calendars"), Calendar, limit=limit, cursor=cursor
        )

    @listed
    def events(
        self,
        connection_id: str,
        start: datetime,
        end: datetime,
        *,
        calendar: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Listing[Event]:
        """List the events that overlap a window of at most 730 days, by start; recurring ones are expanded."""
        path = path_of("connections", connection_id, "events")
        return listing(path, Event, from_=start, to=end, calendar=calendar, limit=limit, cursor=cursor)

    @operation
    def get(self, connection_id: str, event_id: str) -> Call[Event]:
        """Return a single event, a whole series, or one meeting of a series."""
        return read(path_of("connections", connection_id, "events", event_id), one_tagged(Event))

    @operation
    def series(self, connection_id: str, event_id: str) -> Call[Series]:
        """Return the series that an event is, or is a meeting of."""
        return read(path_of("connections", connection_id, "events", event_id, "series"), one(Series))

    @operation
    def create(
        self,
        connection_id: str,
        subject: str,
        start: datetime | date,
        end: datetime | date,
        *,
        time_zone: str | None = None,
        location: str | None = None,
        text: str | None = None,
        html: str | None = None,
        attendees: Sequence[Invitee | str] = (),
        repeat: Repeat | None = None,
        show_as: ShowAs | None = None,
        sensitivity: Sensitivity | None = None,
        categories: Sequence[str] = (),
        reminder_minutes: int | None = None,
        is_online_meeting: bool = False,
        calendar_id: str | None = None,
        notify: bool = True,
        idempotency_key: str | None = None,
    ) -> Call[Event]:
        """Create an event or a series and invite its attendees; nobody is invited twice, whatever gets lost."""
        body = body_of(
            {
                "subject": subject,
                "location": location,
                "text": text,
                "html": html,
                "attendees": _invitees(attendees) or None,
                "recurrence": None if repeat is None else _repeat(repeat),
                "show_as": show_as,
                "sensitivity": sensitivity,
                "categories": list(categories) or None,
                "reminder_minutes": reminder_minutes,
                "is_online_meeting": is_online_meeting or None,
                "calendar_id": calendar_id,
            }
        )
        body |= _times(start, end, time_zone)
        call = create(
            "POST", path_of("connections", connection_id, "events"), one_tagged(Event), body, idempotency_key
        )
        return _with(call, {}, notify=None if notify else False)

    @operation
    def update(
        self,
        connection_id: str,
        event_id: str,
        *,
        subject: str | Unchanged = UNCHANGED,
        start: datetime | date | None = None,
        end: datetime | date | None = None,
        time_zone: str | None = None,
        location: str | Unchanged = UNCHANGED,
        text: str | Unchanged | None = UNCHANGED,
        html: str | Unchanged = UNCHANGED,
        attendees: Sequence[Invitee | str] | Unchanged = UNCHANGED,
        repeat: Repeat | Unchanged | None = UNCHANGED,
        show_as: ShowAs | Unchanged = UNCHANGED,
        reminder_minutes: int | Unchanged | None = UNCHANGED,
        scope: Scope | None = None,
        notify: bool = True,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Event]:
        """Change an event. Of a series ``scope`` says which meetings; left out: this one.

        With ``scope="following"`` the series ends before this meeting, and the answer is the new one that takes over.

        Args:
            if_match: ``etag`` of the version you know.

        Raises:
            VersionChanged: It has another one: read it again, then decide.
        """
        given: dict[str, Any] = {"subject": subject, "location": location, "text": text, "html": html}
        given |= {"show_as": show_as, "reminder_minutes": reminder_minutes}
        if attendees is not UNCHANGED:
            given["attendees"] = _invitees(attendees)
        if repeat is not UNCHANGED:
            given["recurrence"] = None if repeat is None else _repeat(repeat)
        body = {name: plain(value) for name, value in given.items() if value is not UNCHANGED}
        if start is not None and end is not None:
            body |= _times(start, end, time_zone)
        elif start is not None or end is not None:
            raise ValueError("give start and end together")
        path = path_of("connections", connection_id, "events", event_id)
        call = create("PATCH", path, one_tagged(Event), body, idempotency_key)
        return _with(call, match_header(if_match), scope=scope, notify=None if notify else False)

    @operation
    def delete(
        self,
        connection_id: str,
        event_id: str,
        *,
        scope: Scope | None = None,
        notify: bool = True,
        if_match: str | None = None,
    ) -> Call[None]:
        """Delete an event. The owner's own meeting is called off with it; of somebody else's the own copy goes."""
        path = path_of("connections", connection_id, "events", event_id)
        query = query_of({"scope": scope, "notify": None if notify else False})
        return Call("DELETE", path, nothing, query=query, headers=match_header(if_match))

    @operation
    def cancel(
        self,
        connection_id: str,
        event_id: str,
        *,
        comment: str = "",
        scope: Scope | None = None,
        if_match: str | None = None,
    ) -> Call[None]:
        """Call off the owner's own meeting and tell its attendees why."""
        path = path_of("connections", connection_id, "events", event_id, "cancel")
        query, headers = query_of({"scope": scope}), match_header(if_match)
        return Call("POST", path, nothing, query=query, headers=headers, body={"comment": comment})

    @operation
    def respond(
        self,
        connection_id: str,
        event_id: str,
        answer: Answer,
        *,
        comment: str = "",
        send: bool = True,
        scope: Scope | None = None,
    ) -> Call[None]:
        """Answer an invitation. A declined meeting leaves the calendar.

        Raises:
            Conflict: The person organizes this meeting (``not_attendee``).
        """
        path = path_of("connections", connection_id, "events", event_id, "respond")
        body = {"answer": answer, "comment": comment, "send": send}
        return Call("POST", path, nothing, query=query_of({"scope": scope}), body=body)

    @operation
    def free_busy(
        self, connection_id: str, people: Sequence[str], start: datetime, end: datetime
    ) -> Call[tuple[Schedule, ...]]:
        """Return when up to 50 people are taken in a window of at most 42 days, and their working hours."""
        body = {"people": list(people), **_window(start, end)}
        path = path_of("connections", connection_id, "free-busy")
        return Call("POST", path, items_of(Schedule), body=body, is_repeatable=True)

    @operation
    def free_slots(
        self,
        connection_id: str,
        people: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        duration_minutes: int,
        step_minutes: int = 30,
        with_owner: bool = True,
        only_working_hours: bool = True,
        tentative_is_free: bool = False,
    ) -> Call[FreeSlots]:
        """Return times at which everybody is free for a meeting."""
        body = {
            "people": list(people),
            **_window(start, end),
            "duration_minutes": duration_minutes,
            "step_minutes": step_minutes,
            "with_owner": with_owner,
            "only_working_hours": only_working_hours,
            "tentative_is_free": tentative_is_free,
        }
        path = path_of("connections", connection_id, "free-slots")
        return Call("POST", path, one(FreeSlots), body=body, is_repeatable=True)


def _times(start: datetime | date, end: datetime | date, time_zone: str | None) -> dict[str, Any]:
    is_all_day = not isinstance(start, datetime)
    return body_of(
        {
            "starts_at": _to_the_second(start),
            "ends_at": _to_the_second(end),
            "is_all_day": is_all_day or None,
            "time_zone": time_zone,
        }
    )


def _window(start: datetime, end: datetime) -> dict[str, Any]:
    return query_of({"starts_at": _to_the_second(start), "ends_at": _to_the_second(end)})


def _to_the_second(at: datetime | date) -> datetime | date:
    """Calendars know nothing finer, and the service takes nothing finer."""
    return at.replace(microsecond=0) if isinstance(at, datetime) else at


def _invitees(attendees: Sequence[Invitee | str]) -> list[dict[str, str]]:
    known = [Invitee(each) if isinstance(each, str) else each for each in attendees]
    return [{"address": each.address, "name": each.name, "kind": each.kind} for each in known]


def _repeat(repeat: Repeat) -> dict[str, Any]:
    return body_of({field.name: getattr(repeat, field.name) for field in fields(repeat)})


def _with(call: Call[Event], headers: Mapping[str, str], **query: object) -> Call[Event]:
    return replace(call, query=query_of(query), headers={**call.headers, **headers})
