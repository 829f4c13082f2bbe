"""Reading events: lists, windows with occurrences, instances, single ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from m365_emulator.world.mailbox import CalendarEvent, Folder, Item
from m365_emulator.world.mailbox.recurrence import expand

from .access import CALENDAR_READ, CALENDAR_READ_BASIC
from .calendars import calendar_of, calendar_reply
from .call import Call, Reply
from .errors import GraphError, bad_request, not_found
from .expansions import expanders
from .getters import event_listing
from .inputs.values import parse_moment
from .odata.listing import page_json, select_page
from .operations import Operations
from .shapes.events import EVENT, event_json

operations = Operations()
LONGEST_VIEW = timedelta(days=1825)
"""Source: calendarView, range of at most five years."""


@operations.get("/{mailbox}/events", CALENDAR_READ_BASIC, basic=CALENDAR_READ)
def list_default(call: Call) -> Reply:
    """List single events and series masters of the default calendar."""
    return _list(call, call.mailbox.calendar, "events")


@operations.get("/{mailbox}/calendars/{calendar}/events", CALENDAR_READ_BASIC, basic=CALENDAR_READ)
def list_in_calendar(call: Call) -> Reply:
    """List single events and series masters of a calendar."""
    name = call.arguments["calendar"]
    return _list(call, calendar_of(call, name), f"calendars('{name}')/events")


@operations.get("/{mailbox}/events/$count", CALENDAR_READ_BASIC)
def count_default(call: Call) -> Reply:
    """Count single events and series masters of the default calendar."""
    page = select_page(call, event_listing(call), _stored(call.mailbox.calendar))
    return Reply(content=str(page.total).encode(), content_type="text/plain")


@operations.get("/{mailbox}/calendarView", CALENDAR_READ_BASIC, basic=CALENDAR_READ)
def view_default(call: Call) -> Reply:
    """List what is in a window of the default calendar, recurring events expanded."""
    return _view(call, call.mailbox.calendar)


@operations.get("/{mailbox}/calendars/{calendar}/calendarView", CALENDAR_READ_BASIC, basic=CALENDAR_READ)
def view_calendar(call: Call) -> Reply:
    """List what is in a window of a calendar, recurring events expanded."""
    return _view(call, calendar_of(call, call.arguments["calendar"]))


@operations.get("/{mailbox}/events/{event}", CALENDAR_READ_BASIC, basic=CALENDAR_READ)
def get(call: Call) -> Reply:
    """Return one event, master, occurrence or exception."""
    return event_reply(call, event_of(call))


@operations.get("/{mailbox}/events/{event}/instances", CALENDAR_READ_BASIC, basic=CALENDAR_READ)
def list_instances(call: Call) -> Reply:
    """List the occurrences of a series in a window."""
    event = event_of(call)
    start, end = window_of(call)
    found = expand(event, start, end) if event.kind == "seriesMaster" else []
    return _reply(call, found, f"events('{call.arguments['event']}')/instances")


@operations.get("/{mailbox}/events/{event}/exceptionOccurrences", CALENDAR_READ_BASIC, basic=CALENDAR_READ)
def list_exceptions(call: Call) -> Reply:
    """List the changed occurrences of a series."""
    event = event_of(call)
    found = [event.exceptions[at] for at in sorted(event.exceptions)]
    return _reply(call, found, f"events('{call.arguments['event']}')/exceptionOccurrences")


@operations.get("/{mailbox}/events/{event}/calendar", CALENDAR_READ_BASIC)
def get_calendar(call: Call) -> Reply:
    """Return the calendar an event is in."""
    return calendar_reply(call, event_of(call).folder)


@operations.get("/{mailbox}/reminderView", CALENDAR_READ)
def reminder_view(call: Call) -> Reply:
    """List the reminders that are due in a window (a function: its window stands in the path)."""
    start = parse_moment(call.parameters.get("startdatetime"), "StartDateTime")
    end = parse_moment(call.parameters.get("enddatetime"), "EndDateTime")
    found = [
        event
        for event in in_window(call.mailbox.calendar, start, end + timedelta(days=14))
        if event.is_reminder_on and start <= event.start - timedelta(minutes=event.reminder_minutes) < end
    ]
    value = [_reminder(call, event) for event in found]
    return Reply(
        json={"@odata.context": f"{call.root}/$metadata#Collection(microsoft.graph.reminder)", "value": value}
    )


def event_of(call: Call, name: str = "event") -> CalendarEvent:
    """Return the event a path names; raises ItemNotFound, OccurrenceGone or MalformedId."""
    item = call.mailbox.resolve(call.key(name))
    if not isinstance(item, CalendarEvent):
        raise not_found()
    return item


def event_reply(call: Call, event: Item, status: int = 200) -> Reply:
    """Return one event as an answer."""
    if not isinstance(event, CalendarEvent):
        raise not_found()
    chosen = EVENT.selection(call)
    expanding = expanders(call)
    body: dict[str, Any] = {"@odata.context": f"{call.context('events')}/$entity"}
    body |= event_json(call, event, chosen)
    for add in expanding:
        add(event, body)
    return Reply(status, body, headers={"ETag": body["@odata.etag"]})


def window_of(call: Call) -> tuple[datetime, datetime]:
    """Return the window in startDateTime and endDateTime, UTC.

    Raises:
        GraphError: One is missing or cannot be read, they are the wrong way round, or too far apart.
    """
    texts = call.options.other("startDateTime"), call.options.other("endDateTime")
    if not texts[0] or not texts[1]:
        raise bad_request(
            "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.",
            "ErrorInvalidParameter",
        )
    start, end = parse_moment(texts[0], "StartDateTime"), parse_moment(texts[1], "EndDateTime")
    if end < start:
        raise bad_request("The end of the time window is before its start.", "ErrorInvalidParameter")
    if end - start > LONGEST_VIEW:
        raise GraphError(
            400,
            "ErrorCalendarViewRangeTooBig",
            f"The requested time duration specified for FreeBusyViewOptions.TimeWindow is too long. The allowed limit = "
            f"{LONGEST_VIEW.days} days; the actual limit = {(end - start).days} days.",
        )
    return start, end


def in_window(folder: Folder, start: datetime, end: datetime) -> list[CalendarEvent]:
    """Return single events, occurrences and exceptions that touch a window, by start."""
    found: list[CalendarEvent] = []
    for item in folder.items.values():
        if not isinstance(item, CalendarEvent):
            continue
        if item.kind == "seriesMaster":
            found.extend(expand(item, start, end))
        elif (item.start < end and item.end > start) or (
            item.start == item.end and start <= item.start < end
        ):
            found.append(item)
    found.sort(key=lambda event: (event.start, event.identity))
    return found


def _stored(folder: Folder) -> list[CalendarEvent]:
    found = folder.newest_first("start", _start, CalendarEvent)
    return [item for item in found if isinstance(item, CalendarEvent)]


def _start(item: Item) -> Any:
    return (item.start if isinstance(item, CalendarEvent) else item.created_at, item.identity)


def _list(call: Call, folder: Folder, context: str) -> Reply:
    return _reply(call, _stored(folder), context)


def _view(call: Call, folder: Folder) -> Reply:
    start, end = window_of(call)
    return _reply(call, in_window(folder, start, end), "calendarView")


def _reply(call: Call, events: list[CalendarEvent], context: str) -> Reply:
    chosen = EVENT.selection(call)
    expanding = expanders(call)
    page = select_page(call, event_listing(call), events)
    rendered = [event_json(call, event, chosen) for event in page.items]
    for event, found in zip(page.items, rendered, strict=True):
        for add in expanding:
            add(event, found)
    return Reply(json=page_json(call, page, call.context(context), rendered))


def _reminder(call: Call, event: CalendarEvent) -> dict[str, Any]:
    chosen = dict(EVENT.selection(call, ()))
    due = event.start - timedelta(minutes=event.reminder_minutes)
    return {
        "eventId": call.id_of(event),
        "eventSubject": event.subject,
        "eventStartTime": chosen["start"](call, event),
        "eventEndTime": chosen["end"](call, event),
        "eventLocation": chosen["location"](call, event),
        "eventWebLink": chosen["webLink"](call, event),
        "reminderFireTime": {"dateTime": due.isoformat()[:19] + ".0000000", "timeZone": "UTC"},
        "changeKey": chosen["changeKey"](call, event),
    }
