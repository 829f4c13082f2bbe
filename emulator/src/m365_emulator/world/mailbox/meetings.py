"""The life of calendar events: create, change, answer, cancel, delete; whole series and single occurrences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from . import recurrence as series
from .delivery import distribute
from .errors import InvalidContent, MeetingRefused, OccurrenceCrossing
from .event import Attendee, CalendarEvent, OnlineMeeting
from .folder import Folder
from .item import Recipient
from .meeting_messages import make_cancellation, make_request, make_response
from .message import Message
from .store import DeleteMode, Mailbox, new_uid
from .timezones import to_local

MAX_ATTENDEES = 500
"""Source: Graph event resource, attendees."""

_NOT_OF_ONE_OCCURRENCE = frozenset({"recurrence", "uid", "transaction_id"})


def create_event(
    mailbox: Mailbox, event: CalendarEvent, folder: Folder | None = None, *, send_invitations: bool = True
) -> CalendarEvent:
    """Put a new event into a calendar (the default one unless given) and invite its attendees.

    Raises:
        InvalidContent: Times, recurrence or attendees do not make an event; `field` says which.
    """
    if event.recurrence is not None:
        series.check(event.recurrence)
        event.kind = "seriesMaster"
        _move_to_first_date(event)
    check_event(event)
    event.item_class = "IPM.Appointment"
    event.organizer = Recipient(mailbox.display_name, mailbox.address)
    event.is_organizer, event.response = True, "organizer"
    event.uid = event.uid or new_uid(mailbox.rng)
    mailbox.add(event, folder or mailbox.calendar)
    if event.attendees and send_invitations and not event.is_draft:
        _invite(mailbox, event, [one.recipient for one in event.attendees], previous=None)
    return event


def check_event(event: CalendarEvent) -> None:
    """Raise InvalidContent unless times, all-day rule and attendees are acceptable."""
    if event.end < event.start:
        raise InvalidContent("The event's end is before its start.", "end")
    if len(event.attendees) > MAX_ATTENDEES:
        raise InvalidContent(f"An event can have at most {MAX_ATTENDEES} attendees.", "attendees")
    if event.is_all_day:
        if event.start_zone != event.end_zone:
            raise InvalidContent("An all-day event must start and end in the same time zone.", "start")
        for at in (event.start, event.end):
            wall = to_local(at, event.start_zone)
            if (wall.hour, wall.minute, wall.second) != (0, 0, 0):
                raise InvalidContent(
                    "The Event.Start and Event.End property values for an all-day event must be set to midnight.",
                    "start",
                )
        if event.end <= event.start:
            raise InvalidContent("The duration of an all-day event must be at least 24 hours.", "end")
    if event.recurrence is not None and event.duration > timedelta(days=1826):
        raise InvalidContent("The occurrence is longer than five years.", "end")


def find_by_transaction(mailbox: Mailbox, transaction_id: str) -> CalendarEvent | None:
    """Return the event that a client already created under its own key, or None."""
    for folder in mailbox.folders:
        if folder.is_calendar:
            for item in folder.items.values():
                if isinstance(item, CalendarEvent) and item.transaction_id == transaction_id:
                    return item
    return None


def update_event(
    mailbox: Mailbox, event: CalendarEvent, values: Mapping[str, Any], *, send_updates: bool = True
) -> CalendarEvent:
    """Change an event, a series, or one occurrence of a series, and tell the attendees.

    An occurrence that is changed becomes an exception and keeps its id. Moving a series or changing its pattern
    drops its exceptions and cancellations, as Exchange does.

    Raises:
        InvalidContent: As `create_event`.
        OccurrenceCrossing: The occurrence would jump over or onto the one before or after.
    """
    if event.original_start is not None:
        return _update_occurrence(mailbox, event, values, send_updates=send_updates)
    before = event.copy()
    trial = event.copy(**values)
    if trial.recurrence is not None:
        series.check(trial.recurrence)
        trial.kind = "seriesMaster"
        _move_to_first_date(trial)
    else:
        trial.kind = "singleInstance"
    check_event(trial)
    changed = dict(values) | {"kind": trial.kind, "start": trial.start, "end": trial.end}
    if (trial.start, trial.end, trial.recurrence) != (before.start, before.end, before.recurrence):
        event.exceptions.clear()
        event.cancelled.clear()
        changed["sequence"] = event.sequence + 1
        _forget_answers(trial.attendees)
        changed["attendees"] = trial.attendees
    mailbox.update(event, changed)
    if event.is_organizer and send_updates and not event.is_draft:
        _tell_attendees(mailbox, event, before)
    return event


def _update_occurrence(
    mailbox: Mailbox, event: CalendarEvent, values: Mapping[str, Any], *, send_updates: bool
) -> CalendarEvent:
    master = master_of(mailbox, event)
    original = event.original_start
    if original is None:
        raise InvalidContent("The event is no occurrence.", "id")
    if _NOT_OF_ONE_OCCURRENCE & {name for name, value in values.items() if value is not None}:
        raise InvalidContent("The recurrence of a single occurrence cannot be set.", "recurrence")
    kept = {name: value for name, value in values.items() if name not in _NOT_OF_ONE_OCCURRENCE}
    before = event.copy()
    trial = event.copy(kind="exception", **kept)
    check_event(trial)
    if (trial.start, trial.end) != (before.start, before.end):
        _check_not_crossing(master, original, trial)
        _forget_answers(trial.attendees)
    trial.modified_at = mailbox.now()
    master.exceptions[original] = trial
    mailbox.touch(master, occurrence=original)
    trial.change = master.change
    if trial.is_organizer and send_updates:
        _tell_attendees(mailbox, trial, before)
    return trial


def add_attachment_holder(mailbox: Mailbox, event: CalendarEvent) -> CalendarEvent:
    """Return the event to hang an attachment on: an occurrence becomes an exception first."""
    if event.original_start is None or event.kind == "exception":
        return event
    return _update_occurrence(mailbox, event, {}, send_updates=False)


def delete_event(
    mailbox: Mailbox,
    event: CalendarEvent,
    mode: DeleteMode = DeleteMode.TO_DELETED_ITEMS,
    *,
    send_cancellations: bool = True,
    comment: str = "",
) -> None:
    """Delete an event or one occurrence; the organizer's attendees are told, an attendee just removes his copy."""
    if event.is_organizer and event.attendees and send_cancellations and not event.is_draft:
        message = make_cancellation(mailbox, event, [one.recipient for one in event.attendees], comment)
        _send(mailbox, message)
    if event.original_start is not None:
        master = master_of(mailbox, event)
        master.exceptions.pop(event.original_start, None)
        master.cancelled.add(event.original_start)
        mailbox.touch(master, occurrence=event.original_start)
        return
    mailbox.delete(event, mode)


def cancel_event(mailbox: Mailbox, event: CalendarEvent, comment: str = "") -> None:
    """Cancel a meeting as its organizer.

    Raises:
        MeetingRefused: The mailbox is not the organizer's.
    """
    if not event.is_organizer:
        raise MeetingRefused("You need to be an organizer to cancel a meeting.")
    delete_event(mailbox, event, comment=comment)


def respond(
    mailbox: Mailbox,
    event: CalendarEvent,
    answer: str,
    *,
    comment: str = "",
    send_response: bool = True,
    proposed: tuple[datetime, datetime] | None = None,
) -> None:
    """Accept, decline or tentatively accept as an attendee; a declined meeting goes to Deleted Items.

    Args:
        answer: accepted, declined or tentativelyAccepted.
        proposed: Another time (UTC) to suggest to the organizer; not together with accepting.

    Raises:
        MeetingRefused: The organizer cannot answer, nor can a time be proposed where the organizer forbids it.
    """
    if event.is_organizer:
        raise MeetingRefused(
            "Your request can't be completed. You can't respond to this meeting because you're the meeting organizer."
        )
    if proposed is not None and (answer == "accepted" or not event.allow_new_time_proposals):
        raise MeetingRefused(
            "The organizer doesn't allow new time proposals, or the meeting is being accepted."
        )
    if proposed is not None and not send_response:
        raise MeetingRefused("A new time can only be proposed together with a response to the organizer.")
    if send_response:
        _send(mailbox, make_response(mailbox, event, answer, comment, proposed))
    if answer == "declined":
        delete_event(mailbox, event)
        return
    show_as = "busy" if answer == "accepted" else "tentative"
    attendees = [one.copy() for one in event.attendees]
    for one in attendees:
        if one.recipient.address.lower() == mailbox.address.lower():
            one.response, one.responded_at = answer, mailbox.now()
    values: dict[str, Any] = {
        "response": answer,
        "responded_at": mailbox.now(),
        "show_as": show_as,
        "attendees": attendees,
    }
    if event.original_start is not None:
        _update_occurrence(mailbox, event, values, send_updates=False)
        return
    mailbox.update(event, values)


def forward_event(
    mailbox: Mailbox, event: CalendarEvent, recipients: Sequence[Recipient], comment: str = ""
) -> None:
    """Send the invitation on to more people; they join the attendees of the organizer's event."""
    organizer_box = mailbox.world.find_mailbox(event.organizer.address) if event.organizer else None
    source = organizer_box.find_event_by_uid(event.uid) if organizer_box else None
    if organizer_box is not None and source is not None:
        known = {one.recipient.address.lower() for one in source.attendees}
        added = [Attendee(person, "optional") for person in recipients if person.address.lower() not in known]
        organizer_box.update(source, {"attendees": [*source.attendees, *added]})
        event = source if organizer_box is mailbox else event
    message = make_request(mailbox, event, recipients, previous=None)
    message.subject = f"FW: {event.subject}"
    if comment and message.meeting is not None:
        message.body = type(event.body)(f"{comment}\r\n{event.body.content}", event.body.is_html)
    _send(mailbox, message)


def master_of(mailbox: Mailbox, event: CalendarEvent) -> CalendarEvent:
    """Return the stored event behind an occurrence (the event itself if it is none)."""
    item = mailbox.item(event.identity)
    if not isinstance(item, CalendarEvent):
        raise InvalidContent("The item is no event.", "id")
    return item


def make_online(mailbox: Mailbox, event: CalendarEvent, provider: str, base_url: str) -> OnlineMeeting:
    """Return joining details for an event, fresh but repeatable for the same mailbox history."""
    token = mailbox.rng.randbytes(24).hex()
    digits = mailbox.rng.randint(100_000_000, 999_999_999)
    return OnlineMeeting(
        provider,
        f"{base_url}/l/meetup-join/19%3ameeting_{token}%40thread.v2/0",
        str(digits),
        "+44 20 7946 0000",
    )


def _move_to_first_date(event: CalendarEvent) -> None:
    """Put the master on the first date of its pattern, as Exchange does when the start given does not fit it."""
    if event.recurrence is None:
        return
    first = next(series.original_starts(event), None)
    if first is None:
        raise InvalidContent("The recurrence has no occurrence.", "recurrence")
    length = event.duration
    event.start, event.end = first, first + length


def _check_not_crossing(master: CalendarEvent, original: datetime, trial: CalendarEvent) -> None:
    before, after = series.neighbours(master, original)
    zone = master.start_zone
    day = to_local(trial.start, zone).date()
    if before is not None and (trial.start < before.end or to_local(before.start, zone).date() == day):
        raise OccurrenceCrossing
    if after is not None and (trial.end > after.start or to_local(after.start, zone).date() == day):
        raise OccurrenceCrossing


def _forget_answers(attendees: Sequence[Attendee]) -> None:
    for attendee in attendees:
        attendee.response, attendee.responded_at = "none", None
        attendee.proposed_start = attendee.proposed_end = None


def _tell_attendees(mailbox: Mailbox, event: CalendarEvent, before: CalendarEvent) -> None:
    now = {one.recipient.address.lower(): one.recipient for one in event.attendees}
    then = {one.recipient.address.lower(): one.recipient for one in before.attendees}
    gone = [person for address, person in then.items() if address not in now]
    new = [person for address, person in now.items() if address not in then]
    kept = [person for address, person in now.items() if address in then]
    if gone:
        _send(mailbox, make_cancellation(mailbox, event, gone, ""))
    if new:
        _invite(mailbox, event, new, previous=None)
    if kept and _matters(event, before):
        _invite(mailbox, event, kept, previous=before)


def _matters(event: CalendarEvent, before: CalendarEvent) -> bool:
    """Return whether the change is one that attendees see; a category or reminder is the organizer's own."""
    names = (
        "subject",
        "body",
        "start",
        "end",
        "locations",
        "recurrence",
        "is_all_day",
        "importance",
        "online_meeting",
    )
    return any(getattr(event, name) != getattr(before, name) for name in names) or bool(
        {one.recipient.address for one in event.attendees}
        ^ {one.recipient.address for one in before.attendees}
    )


def _invite(
    mailbox: Mailbox, event: CalendarEvent, recipients: Sequence[Recipient], *, previous: CalendarEvent | None
) -> None:
    _send(mailbox, make_request(mailbox, event, recipients, previous=previous))


def _send(mailbox: Mailbox, message: Message) -> None:
    mailbox.add(message, mailbox.well_known("sentitems"))
    distribute(mailbox, message, message.to)
