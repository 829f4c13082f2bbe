"""Meeting messages: making them from an event, and what they do to the calendar they arrive in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from .event import CalendarEvent
from .item import EMPTY_BODY, Body, Recipient
from .message import (
    ACCEPTED_CLASS,
    CANCELLATION_CLASS,
    DECLINED_CLASS,
    REQUEST_CLASS,
    TENTATIVE_CLASS,
    MeetingDetails,
    Message,
)
from .recurrence import has_start, make_occurrence
from .store import Mailbox
from .threads import new_message_id, start_thread

RESPONSES = {
    "accepted": ("accepted", ACCEPTED_CLASS, "Accepted"),
    "tentativelyAccepted": ("tentative", TENTATIVE_CLASS, "Tentative"),
    "declined": ("declined", DECLINED_CLASS, "Declined"),
}
"""The answer in an attendee's words: kind of message, its class, what stands before the subject."""

_ANSWERS = {kind: answer for answer, (kind, _, _) in RESPONSES.items()}


def details(event: CalendarEvent, kind: str) -> MeetingDetails:
    """Return what a message of that kind carries about an event."""
    return MeetingDetails(
        kind,
        event.uid,
        None,
        event.start,
        event.end,
        event.start_zone,
        is_all_day=event.is_all_day,
        location=event.location,
        recurrence=event.recurrence,
        original_start=event.original_start,
        response_requested=event.response_requested,
        allow_new_time_proposals=event.allow_new_time_proposals,
    )


def make_request(
    mailbox: Mailbox, event: CalendarEvent, recipients: Sequence[Recipient], *, previous: CalendarEvent | None
) -> Message:
    """Return an invitation, an update if `previous` says what the meeting was before."""
    meeting = details(event, "request")
    meeting.event_identity = event.identity
    meeting.snapshot = _snapshot(event)
    if previous is not None:
        meeting.is_update = True
        meeting.previous_start, meeting.previous_end = previous.start, previous.end
        meeting.previous_location = previous.location
    return _message(mailbox, event, REQUEST_CLASS, event.subject, event.body, recipients, meeting)


def make_cancellation(
    mailbox: Mailbox, event: CalendarEvent, recipients: Sequence[Recipient], comment: str
) -> Message:
    """Return a cancellation of an event or of one occurrence."""
    meeting = details(event, "cancellation")
    meeting.snapshot = _snapshot(event)
    body = Body(comment) if comment else EMPTY_BODY
    return _message(
        mailbox, event, CANCELLATION_CLASS, f"Canceled: {event.subject}", body, recipients, meeting
    )


def make_response(
    mailbox: Mailbox,
    event: CalendarEvent,
    answer: str,
    comment: str,
    proposed: tuple[datetime, datetime] | None,
) -> Message:
    """Return an attendee's answer to the organizer."""
    kind, item_class, word = RESPONSES[answer]
    meeting = details(event, kind)
    meeting.attendee = Recipient(mailbox.display_name, mailbox.address)
    if proposed is not None:
        meeting.proposed_start, meeting.proposed_end = proposed
        word = "New Time Proposed"
    recipients = (event.organizer,) if event.organizer else ()
    return _message(
        mailbox,
        event,
        item_class,
        f"{word}: {event.subject}",
        Body(comment) if comment else EMPTY_BODY,
        recipients,
        meeting,
    )


def apply(mailbox: Mailbox, message: Message) -> None:
    """Bring the calendar of the mailbox a meeting message arrives in up to date."""
    meeting = message.meeting
    if meeting is None:
        return
    event = mailbox.find_event_by_uid(meeting.uid)
    if event is not None and meeting.kind in ("request", "cancellation"):
        _outdate(mailbox, meeting)
    match meeting.kind:
        case "request":
            event = _apply_request(mailbox, meeting, event)
        case "cancellation":
            if event is not None and not event.is_organizer:
                _apply_cancellation(mailbox, meeting, event)
        case _:
            if event is not None and event.is_organizer:
                _apply_response(mailbox, message, meeting, event)
    meeting.event_identity = event.identity if event is not None else None
    meeting.snapshot = None


def _outdate(mailbox: Mailbox, meeting: MeetingDetails) -> None:
    """Mark the earlier messages about the same meeting (or the same occurrence of it) as out of date."""
    for item in mailbox.well_known("inbox").items.values():
        earlier = item.meeting if isinstance(item, Message) else None
        if earlier is None or earlier.kind != "request" or earlier.uid != meeting.uid:
            continue
        if meeting.original_start is None or earlier.original_start == meeting.original_start:
            earlier.is_out_of_date = True


def _apply_request(
    mailbox: Mailbox, meeting: MeetingDetails, event: CalendarEvent | None
) -> CalendarEvent | None:
    sent = meeting.snapshot
    if sent is None or (event is not None and event.is_organizer):
        return event
    if meeting.original_start is not None and event is not None and event.kind == "seriesMaster":
        if has_start(event, meeting.original_start):
            event.cancelled.discard(meeting.original_start)
            changed = _as_received(mailbox, sent)
            changed.identity, changed.entry, changed.folder = event.identity, event.entry, event.folder
            event.exceptions[meeting.original_start] = changed
            mailbox.touch(event, occurrence=meeting.original_start)
        return event
    received = _as_received(mailbox, sent)
    if event is None:
        mailbox.add(received, mailbox.calendar)
        return received
    rescheduled = (sent.start, sent.end, sent.recurrence) != (event.start, event.end, event.recurrence)
    values = {name: getattr(received, name) for name in _RECEIVED_FIELDS}
    if not rescheduled:
        values["response"], values["responded_at"], values["show_as"] = (
            event.response,
            event.responded_at,
            event.show_as,
        )
    else:
        event.exceptions.clear()
        event.cancelled.clear()
    mailbox.update(event, values)
    return event


_RECEIVED_FIELDS = (
    "subject",
    "body",
    "start",
    "end",
    "start_zone",
    "end_zone",
    "is_all_day",
    "locations",
    "show_as",
    "attendees",
    "recurrence",
    "kind",
    "importance",
    "sensitivity",
    "response",
    "responded_at",
    "response_requested",
    "allow_new_time_proposals",
    "hide_attendees",
    "online_meeting",
    "is_cancelled",
    "sequence",
)


def _as_received(mailbox: Mailbox, sent: CalendarEvent) -> CalendarEvent:
    attachments = list(sent.attachments) if sent.attachments else None
    received = sent.copy(
        is_organizer=False,
        response="notResponded",
        responded_at=None,
        show_as="tentative",
        categories=(),
        properties=None,
        extensions=None,
        attachments=attachments,
        transaction_id=None,
        created_at=mailbox.now(),
        modified_at=mailbox.now(),
        is_draft=False,
    )
    if received.hide_attendees:
        me = mailbox.address.lower()
        received.attendees = [one for one in received.attendees if one.recipient.address.lower() == me]
    return received


def _apply_cancellation(mailbox: Mailbox, meeting: MeetingDetails, event: CalendarEvent) -> None:
    at = meeting.original_start
    if at is not None and event.kind == "seriesMaster":
        if has_start(event, at):
            event.exceptions.pop(at, None)
            event.cancelled.add(at)
            mailbox.touch(event, occurrence=at)
        return
    subject = event.subject if event.subject.startswith("Canceled: ") else f"Canceled: {event.subject}"
    mailbox.update(event, {"is_cancelled": True, "show_as": "free", "subject": subject})


def _apply_response(
    mailbox: Mailbox, message: Message, meeting: MeetingDetails, event: CalendarEvent
) -> None:
    if meeting.attendee is None:
        return
    targets = [event]
    at = meeting.original_start
    if at is not None and event.kind == "seriesMaster" and has_start(event, at) and at not in event.cancelled:
        if at not in event.exceptions:
            exception = make_occurrence(event, at)
            exception.kind = "exception"
            event.exceptions[at] = exception
        targets = [event.exceptions[at]]
    address = meeting.attendee.address.lower()
    for target in targets:
        for attendee in target.attendees:
            if attendee.recipient.address.lower() == address:
                attendee.response = _ANSWERS[meeting.kind]
                attendee.responded_at = message.sent_at
                attendee.proposed_start, attendee.proposed_end = meeting.proposed_start, meeting.proposed_end
    mailbox.touch(event, occurrence=at)


def _snapshot(event: CalendarEvent) -> CalendarEvent:
    return event.copy(identity=0, entry=0, change=0)


def _message(
    mailbox: Mailbox,
    event: CalendarEvent,
    item_class: str,
    subject: str,
    body: Body,
    recipients: Sequence[Recipient],
    meeting: MeetingDetails,
) -> Message:
    me = Recipient(mailbox.display_name, mailbox.address)
    message = Message(
        subject=subject,
        body=body,
        importance=event.importance,
        sensitivity=event.sensitivity,
        item_class=item_class,
        sender=me,
        from_=me,
        to=tuple(recipients),
        sent_at=mailbox.now(),
        received_at=mailbox.now(),
        is_read=True,
        internet_message_id=new_message_id(mailbox.rng, mailbox.address),
        meeting=meeting,
    )
    if event.attachments and item_class == REQUEST_CLASS:
        message.attachments = list(event.attachments)
    start_thread(message, mailbox.rng, mailbox.now())
    return message
