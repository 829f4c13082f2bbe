"""The ``calendar:`` fields: of calendar items, and of meeting messages, which show those of their meeting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from m365_emulator.ews.fields.registry import Comparable, Field, Getter, Renderer
from m365_emulator.ews.fields.values import (
    FREE_BUSY,
    ITEM_TYPE,
    RESPONSE,
    attendees,
    bool_element,
    is_set,
    moment,
    single_recipient,
    text_element,
    time_element,
)
from m365_emulator.ews.recurrence_xml import recurrence_element
from m365_emulator.ews.view import View
from m365_emulator.ews.zone_definition import duration
from m365_emulator.world.mailbox.event import CalendarEvent, Recurrence
from m365_emulator.world.mailbox.item import Item, PropertyKey, PropertyType
from m365_emulator.world.mailbox.message import MeetingDetails, Message

# MS-OXOCAL PidLidAppointmentStateFlags: meeting, received, cancelled.
_MEETING_BIT, _RECEIVED_BIT, _CANCELLED_BIT = 1, 2, 4

INVITED = PropertyKey(PropertyType.BOOLEAN, set_id="00062002-0000-0000-c000-000000000046", number=0x8229)
"""PidLidFInvited: whether invitations of a meeting ever went out (MS-OXOCAL)."""


def event_of(view: View, item: Item) -> CalendarEvent | None:
    """Return the event itself, or the one a meeting message is about if it is still there."""
    if isinstance(item, CalendarEvent):
        return item
    if isinstance(item, Message) and item.meeting is not None:
        return view.meeting_event(item.meeting)
    return None


def _details(item: Item) -> MeetingDetails | None:
    return item.meeting if isinstance(item, Message) else None


def _start(view: View, item: Item) -> datetime | None:
    details = _details(item)
    return details.start if details else item.start if isinstance(item, CalendarEvent) else None


def _end(view: View, item: Item) -> datetime | None:
    details = _details(item)
    return details.end if details else item.end if isinstance(item, CalendarEvent) else None


def _location(view: View, item: Item) -> str:
    details = _details(item)
    return details.location if details else item.location if isinstance(item, CalendarEvent) else ""


def _all_day(view: View, item: Item) -> bool:
    details = _details(item)
    return details.is_all_day if details else isinstance(item, CalendarEvent) and item.is_all_day


def _recurrence(view: View, item: Item) -> Recurrence | None:
    details = _details(item)
    if details:
        return details.recurrence
    return item.recurrence if isinstance(item, CalendarEvent) and item.kind == "seriesMaster" else None


def _uid(view: View, item: Item) -> str:
    details = _details(item)
    return details.uid if details else item.uid if isinstance(item, CalendarEvent) else ""


def _zone(view: View, item: Item, end: bool = False) -> str:
    details = _details(item)
    if details:
        return details.zone
    if isinstance(item, CalendarEvent):
        return item.end_zone if end else item.start_zone
    return ""


def _original_start(view: View, item: Item) -> datetime | None:
    details = _details(item)
    return (
        details.original_start
        if details
        else item.original_start
        if isinstance(item, CalendarEvent)
        else None
    )


def _item_type(view: View, item: Item) -> str:
    if isinstance(item, CalendarEvent):
        return ITEM_TYPE.get(item.kind, "Single")
    details = _details(item)
    if details is None:
        return "Single"
    if details.original_start is not None:
        return "Exception"
    return "RecurringMaster" if details.recurrence is not None else "Single"


def _is_recurring(view: View, item: Item) -> bool:
    # The service says true for occurrences and exceptions and false for the master itself.
    return _item_type(view, item) in {"Occurrence", "Exception"}


def _is_cancelled(view: View, item: Item) -> bool:
    if isinstance(item, CalendarEvent):
        return item.is_cancelled
    details = _details(item)
    return details is not None and details.kind == "cancellation"


def _is_meeting(view: View, item: Item) -> bool:
    return not isinstance(item, CalendarEvent) or item.is_meeting or not item.is_organizer


def _state(view: View, item: Item) -> int:
    event = event_of(view, item)
    received = not event.is_organizer if event else True
    return (
        (_MEETING_BIT if _is_meeting(view, item) else 0)
        | (_RECEIVED_BIT if received else 0)
        | (_CANCELLED_BIT if _is_cancelled(view, item) else 0)
    )


def _free_busy(view: View, item: Item) -> str:
    event = event_of(view, item)
    if isinstance(item, Message):
        return "Tentative" if item.meeting is not None and item.meeting.kind == "request" else "Free"
    return FREE_BUSY.get(event.show_as, "Busy") if event else "Busy"


def _my_response(view: View, item: Item) -> str:
    event = event_of(view, item)
    return RESPONSE.get(event.response, "Unknown") if event else "Unknown"


def _attendees(name: str, kind: str) -> Field:
    def render(view: View, item: Item) -> str:
        event = event_of(view, item)
        return attendees(name, (person for person in event.attendees if person.kind == kind)) if event else ""

    def value(view: View, item: Item) -> tuple[str, ...]:
        event = event_of(view, item)
        people = event.attendees if event else ()
        return tuple(f"{one.recipient.name} {one.recipient.address}" for one in people if one.kind == kind)

    return Field(f"calendar:{name}", name, render, value, in_find=False)


def _organizer(view: View, item: Item) -> str:
    event = event_of(view, item)
    if event is not None:
        return single_recipient("Organizer", event.organizer)
    return single_recipient("Organizer", item.from_) if isinstance(item, Message) else ""


def _organizer_value(view: View, item: Item) -> tuple[str, ...] | None:
    event = event_of(view, item)
    person = event.organizer if event else None
    return (f"{person.name} {person.address}",) if person else None


def _duration(view: View, item: Item) -> str:
    start, end = _start(view, item), _end(view, item)
    if start is None or end is None:
        return ""
    return f"<t:Duration>{duration(end - start)}</t:Duration>"


def _zone_definition(name: str, *, end: bool) -> Renderer:
    def render(view: View, item: Item) -> str:
        return view.zone_element(name, _zone(view, item, end))

    return render


def _wall_clock(name: str, get: Callable[[View, Item], datetime | None], *, end: bool) -> Renderer:
    def render(view: View, item: Item) -> str:
        stamp = get(view, item)
        if stamp is None or not is_set(stamp):
            return ""
        local = view.local(stamp, _zone(view, item, end))
        return f"<t:{name}>{local.isoformat(timespec='seconds')}</t:{name}>"

    return render


def _occurrence_edge(name: str, *, last: bool) -> Renderer:
    def render(view: View, item: Item) -> str:
        if not isinstance(item, CalendarEvent) or item.kind != "seriesMaster":
            return ""
        found = view.last_occurrence(item) if last else view.first_occurrence(item)
        return _occurrence_info(view, name, found) if found is not None else ""

    return render


def _modified(view: View, item: Item) -> str:
    if not isinstance(item, CalendarEvent) or not item.exceptions:
        return ""
    inner = "".join(
        _occurrence_info(view, "Occurrence", view.occurrence(item, original))
        for original in sorted(item.exceptions)
    )
    return f"<t:ModifiedOccurrences>{inner}</t:ModifiedOccurrences>"


def _deleted(view: View, item: Item) -> str:
    if not isinstance(item, CalendarEvent) or not item.cancelled:
        return ""
    inner = "".join(
        f"<t:DeletedOccurrence><t:Start>{moment(original)}</t:Start></t:DeletedOccurrence>"
        for original in sorted(item.cancelled)
    )
    return f"<t:DeletedOccurrences>{inner}</t:DeletedOccurrences>"


def _occurrence_info(view: View, name: str, event: CalendarEvent) -> str:
    return (
        f"<t:{name}>{view.item_id(event)}<t:Start>{moment(event.start)}</t:Start><t:End>{moment(event.end)}</t:End>"
        f"<t:OriginalStart>{moment(event.original_start or event.start)}</t:OriginalStart></t:{name}>"
    )


def _recurrence_id(view: View, item: Item) -> str:
    return time_element("RecurrenceId", _original_start(view, item))


def _request_sent(view: View, item: Item) -> bool:
    if not isinstance(item, CalendarEvent) or not item.is_meeting or not item.is_organizer or item.is_draft:
        return False
    return (item.properties or {}).get(INVITED) != "false"


def _response_requested(view: View, item: Item) -> bool:
    event = event_of(view, item)
    return event.response_requested if event else False


def _reply_time(view: View, item: Item) -> str:
    event = event_of(view, item)
    return (
        time_element("AppointmentReplyTime", event.responded_at) if event and not event.is_organizer else ""
    )


def _sequence(view: View, item: Item) -> int:
    event = event_of(view, item)
    return event.sequence if event else 0


def _new_times(view: View, item: Item) -> bool:
    event = event_of(view, item)
    return event.allow_new_time_proposals if event else True


def _online(view: View, item: Item) -> bool:
    event = event_of(view, item)
    return event is not None and event.online_meeting is not None


def _join_url(view: View, item: Item) -> str:
    event = event_of(view, item)
    if event is None or event.online_meeting is None:
        return ""
    return text_element("JoinOnlineMeetingUrl", event.online_meeting.join_url)


def _enhanced_location(view: View, item: Item) -> str:
    name = _location(view, item)
    return f"<t:EnhancedLocation>{text_element('DisplayName', name)}</t:EnhancedLocation>" if name else ""


def _conflicts(view: View, item: Item) -> int:
    return view.conflicting_count(item) if isinstance(item, CalendarEvent) else 0


def _when(view: View, item: Item) -> str:
    start, end = _start(view, item), _end(view, item)
    if start is None or end is None:
        return ""
    zone = _zone(view, item)
    first, last = view.local(start, zone), view.local(end, zone)
    return f"<t:When>{first:%A, %B} {first.day}, {first:%Y %H:%M}-{last:%H:%M}</t:When>"


def _time(name: str, get: Callable[[View, Item], datetime | None]) -> tuple[Renderer, Getter]:
    def render(view: View, item: Item) -> str:
        return time_element(name, get(view, item))

    def value(view: View, item: Item) -> Comparable | None:
        stamp = get(view, item)
        return moment(stamp) if stamp is not None and is_set(stamp) else None

    return render, value


def _flag(name: str, get: Callable[[View, Item], bool]) -> Field:
    return Field(f"calendar:{name}", name, lambda view, item: bool_element(name, get(view, item)), get)


def _word(name: str, get: Callable[[View, Item], str]) -> Field:
    return Field(f"calendar:{name}", name, lambda view, item: text_element(name, get(view, item)), get)


def _count(name: str, get: Callable[[View, Item], int], *, in_find: bool = True) -> Field:
    return Field(
        f"calendar:{name}",
        name,
        lambda view, item: f"<t:{name}>{get(view, item)}</t:{name}>",
        get,
        in_find=in_find,
    )


FIELDS: tuple[Field, ...] = (
    _word("UID", _uid),
    Field("calendar:RecurrenceId", "RecurrenceId", _recurrence_id),
    Field(
        "calendar:DateTimeStamp",
        "DateTimeStamp",
        lambda view, item: time_element("DateTimeStamp", item.modified_at),
    ),
    Field("calendar:Start", "Start", *_time("Start", _start)),
    Field("calendar:End", "End", *_time("End", _end)),
    Field("calendar:OriginalStart", "OriginalStart", *_time("OriginalStart", _original_start)),
    _flag("IsAllDayEvent", _all_day),
    _word("LegacyFreeBusyStatus", _free_busy),
    _word("Location", _location),
    Field("calendar:When", "When", _when),
    _flag("IsMeeting", _is_meeting),
    _flag("IsCancelled", _is_cancelled),
    _flag("IsRecurring", _is_recurring),
    _flag("MeetingRequestWasSent", _request_sent),
    _flag("IsResponseRequested", _response_requested),
    _word("CalendarItemType", _item_type),
    _word("MyResponseType", _my_response),
    Field("calendar:Organizer", "Organizer", _organizer, _organizer_value),
    _attendees("RequiredAttendees", "required"),
    _attendees("OptionalAttendees", "optional"),
    _attendees("Resources", "resource"),
    _count("ConflictingMeetingCount", _conflicts, in_find=False),
    _count("AdjacentMeetingCount", lambda view, item: 0, in_find=False),
    Field("calendar:Duration", "Duration", _duration),
    Field(
        "calendar:TimeZone",
        "TimeZone",
        lambda view, item: text_element("TimeZone", view.zone_name(_zone(view, item))),
    ),
    Field("calendar:AppointmentReplyTime", "AppointmentReplyTime", _reply_time),
    _count("AppointmentSequenceNumber", _sequence),
    _count("AppointmentState", _state),
    Field(
        "calendar:Recurrence",
        "Recurrence",
        lambda view, item: recurrence_element(_recurrence(view, item)),
        in_find=False,
    ),
    Field(
        "calendar:FirstOccurrence",
        "FirstOccurrence",
        _occurrence_edge("FirstOccurrence", last=False),
        in_find=False,
    ),
    Field(
        "calendar:LastOccurrence",
        "LastOccurrence",
        _occurrence_edge("LastOccurrence", last=True),
        in_find=False,
    ),
    Field("calendar:ModifiedOccurrences", "ModifiedOccurrences", _modified, in_find=False),
    Field("calendar:DeletedOccurrences", "DeletedOccurrences", _deleted, in_find=False),
    Field("calendar:StartTimeZone", "StartTimeZone", _zone_definition("StartTimeZone", end=False)),
    Field("calendar:EndTimeZone", "EndTimeZone", _zone_definition("EndTimeZone", end=True)),
    _count("ConferenceType", lambda view, item: 0, in_find=False),
    _flag("AllowNewTimeProposal", _new_times),
    _flag("IsOnlineMeeting", _online),
    Field("calendar:EnhancedLocation", "EnhancedLocation", _enhanced_location, in_find=False),
    Field("calendar:StartWallClock", "StartWallClock", _wall_clock("StartWallClock", _start, end=False)),
    Field("calendar:EndWallClock", "EndWallClock", _wall_clock("EndWallClock", _end, end=True)),
    Field(
        "calendar:StartTimeZoneId",
        "StartTimeZoneId",
        lambda view, item: text_element("StartTimeZoneId", _zone(view, item)),
    ),
    Field(
        "calendar:EndTimeZoneId",
        "EndTimeZoneId",
        lambda view, item: text_element("EndTimeZoneId", _zone(view, item, end=True)),
    ),
    Field("calendar:JoinOnlineMeetingUrl", "JoinOnlineMeetingUrl", _join_url),
    _flag(
        "IsOrganizer", lambda view, item: (event := event_of(view, item)) is not None and event.is_organizer
    ),
)
