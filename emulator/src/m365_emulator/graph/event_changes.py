"""Writing events: create, change, delete, answer, cancel, pass on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from m365_emulator.world.mailbox import CalendarEvent, DeleteMode, Folder
from m365_emulator.world.mailbox.meetings import (
    cancel_event,
    create_event,
    delete_event,
    find_by_transaction,
    forward_event,
    make_online,
    respond,
    update_event,
)

from .access import CALENDAR_READ, CALENDAR_WRITE
from .calendars import calendar_of
from .call import Call, Reply
from .errors import GraphError
from .events import event_of, event_reply
from .inputs.events import build_event, read_event
from .inputs.values import member, object_of, recipients_of, text_of, truth_of, zoned_moment_of
from .message_changes import check_if_match
from .operations import Operations
from .shapes.events import ONLINE_PROVIDERS

operations = Operations()


@operations.post("/{mailbox}/events", CALENDAR_WRITE)
def create(call: Call) -> Reply:
    """Create an event in the default calendar; attendees are invited at once."""
    return _create(call, call.mailbox.calendar)


@operations.post("/{mailbox}/calendars/{calendar}/events", CALENDAR_WRITE)
def create_in_calendar(call: Call) -> Reply:
    """Create an event in a calendar."""
    return _create(call, calendar_of(call, call.arguments["calendar"]))


@operations.patch("/{mailbox}/events/{event}", CALENDAR_WRITE)
def update(call: Call) -> Reply:
    """Change an event, a series or one occurrence; attendees are told."""
    event = event_of(call)
    check_if_match(call, event)
    values = read_event(call.json(), event, call.preferences.time_zone or "UTC")
    values.pop("attachments", None)
    values.pop("transaction_id", None)
    online, provider = values.pop("is_online", None), values.pop("online_provider", None)
    if "properties" in values:
        values["properties"] = {**(event.properties or {}), **values["properties"]}
    # Once an event is online it stays so.
    if online and event.online_meeting is None:
        values["online_meeting"] = _online(call, event, provider)
    if not event.is_organizer:
        values = {name: value for name, value in values.items() if name in _OF_ATTENDEES}
    return event_reply(call, update_event(call.mailbox, event, values))


_OF_ATTENDEES = frozenset(
    {
        "categories",
        "is_reminder_on",
        "reminder_minutes",
        "show_as",
        "sensitivity",
        "importance",
        "properties",
        "extensions",
        "subject",
        "body",
        "locations",
    }
)
"""What an attendee may change on his own copy; the rest is the organizer's."""


@operations.delete("/{mailbox}/events/{event}", CALENDAR_WRITE)
def delete(call: Call) -> Reply:
    """Delete an event or one occurrence; the organizer's attendees are told."""
    event = event_of(call)
    check_if_match(call, event)
    delete_event(call.mailbox, event)
    return Reply(204)


@operations.post("/{mailbox}/events/{event}/permanentDelete", CALENDAR_WRITE)
def delete_for_good(call: Call) -> Reply:
    """Delete an event beyond the owner's reach."""
    delete_event(call.mailbox, event_of(call), DeleteMode.PURGE)
    return Reply(204)


@operations.post("/{mailbox}/events/{event}/cancel", CALENDAR_WRITE)
def cancel(call: Call) -> Reply:
    """Cancel a meeting as its organizer."""
    comment = text_of(member(call.json(), "comment"), "comment")
    cancel_event(call.mailbox, event_of(call), comment)
    return Reply(202)


@operations.post("/{mailbox}/events/{event}/accept", CALENDAR_WRITE)
def accept(call: Call) -> Reply:
    """Accept as an attendee."""
    return _respond(call, "accepted")


@operations.post("/{mailbox}/events/{event}/decline", CALENDAR_WRITE)
def decline(call: Call) -> Reply:
    """Decline as an attendee, maybe proposing another time."""
    return _respond(call, "declined")


@operations.post("/{mailbox}/events/{event}/tentativelyAccept", CALENDAR_WRITE)
def accept_tentatively(call: Call) -> Reply:
    """Accept tentatively as an attendee, maybe proposing another time."""
    return _respond(call, "tentativelyAccepted")


@operations.post("/{mailbox}/events/{event}/forward", CALENDAR_READ)
def forward(call: Call) -> Reply:
    """Pass an invitation on."""
    body = call.json()
    recipients = recipients_of(member(body, "toRecipients"), "toRecipients")
    if not recipients:
        raise GraphError(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
    forward_event(call.mailbox, event_of(call), recipients, text_of(member(body, "comment"), "comment"))
    return Reply(202)


@operations.post("/{mailbox}/events/{event}/dismissReminder", CALENDAR_WRITE)
def dismiss_reminder(call: Call) -> Reply:
    """Switch the reminder of an event off."""
    event = event_of(call)
    update_event(call.mailbox, event, {"is_reminder_on": False}, send_updates=False)
    return Reply(200, content=b"")


@operations.post("/{mailbox}/events/{event}/snoozeReminder", CALENDAR_WRITE)
def snooze_reminder(call: Call) -> Reply:
    """Put the reminder of an event off to another time."""
    event = event_of(call)
    at, _ = zoned_moment_of(member(call.json(), "newReminderTime"), "newReminderTime")
    minutes = max(0, int((event.start - at) / timedelta(minutes=1)))
    update_event(
        call.mailbox, event, {"reminder_minutes": minutes, "is_reminder_on": True}, send_updates=False
    )
    return Reply(200, content=b"")


def _create(call: Call, folder: Folder) -> Reply:
    body = call.json()
    event = build_event(call.mailbox, body, call.preferences.time_zone or "UTC")
    if event.transaction_id is not None:
        # The client's own key makes a repeated creation return the first event.
        known = find_by_transaction(call.mailbox, event.transaction_id)
        if known is not None:
            return event_reply(call, known, 201)
    wish = member(body, "isOnlineMeeting")
    if wish is not None and truth_of(wish, "isOnlineMeeting"):
        event.online_meeting = _online(call, event, member(body, "onlineMeetingProvider"))
    create_event(call.mailbox, event, folder)
    return event_reply(call, event, 201)


def _online(call: Call, event: CalendarEvent, provider: Any) -> Any:
    wanted = provider if isinstance(provider, str) and provider.lower() != "unknown" else ONLINE_PROVIDERS[0]
    if wanted.lower() not in {known.lower() for known in ONLINE_PROVIDERS}:
        raise GraphError(
            400, "ErrorInvalidRequest", "The online meeting provider is not allowed in this calendar."
        )
    return make_online(call.mailbox, event, ONLINE_PROVIDERS[0], call.base_url)


def _respond(call: Call, answer: str) -> Reply:
    event = event_of(call)
    body = call.json()
    wish, proposal = member(body, "sendResponse"), member(body, "proposedNewTime")
    proposed = None
    if proposal is not None:
        slot = object_of(proposal, "proposedNewTime")
        proposed = (
            zoned_moment_of(member(slot, "start"), "start")[0],
            zoned_moment_of(member(slot, "end"), "end")[0],
        )
    respond(
        call.mailbox,
        event,
        answer,
        comment=text_of(member(body, "comment"), "comment"),
        send_response=truth_of(wish, "sendResponse") if wish is not None else True,
        proposed=proposed,
    )
    return Reply(202)
