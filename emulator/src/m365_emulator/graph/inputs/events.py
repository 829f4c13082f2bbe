"""Events out of JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from m365_emulator.graph.errors import GraphError, bad_request
from m365_emulator.world.mailbox import Attendee, CalendarEvent, Location, Mailbox, Recurrence
from m365_emulator.world.mailbox.event import DAYS, INDEXES
from m365_emulator.world.mailbox.timezones import windows_name

from .messages import body_of, build_attachment, categories_of, extensions_of, properties_of
from .values import (
    choice_of,
    list_of,
    member,
    object_of,
    recipient_of,
    text_of,
    truth_of,
    wrong_type,
    zoned_moment_of,
)

SHOW_AS = ("free", "tentative", "busy", "oof", "workingElsewhere", "unknown")
SENSITIVITY = ("normal", "personal", "private", "confidential")
ATTENDEE_TYPES = ("required", "optional", "resource")
PATTERNS = ("daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly")
LOCATION_TYPES = (
    "default", "conferenceRoom", "homeAddress", "businessAddress", "geoCoordinates", "streetAddress", "hotel", "restaurant",
    "localBusiness", "postalAddress",
)  # fmt: skip
_READ_ONLY = frozenset(
    {
        "id", "createddatetime", "lastmodifieddatetime", "changekey", "bodypreview", "hasattachments", "weblink", "type",
        "seriesmasterid", "icaluid", "isorganizer", "organizer", "responsestatus", "iscancelled", "originalstart",
        "originalstarttimezone", "originalendtimezone", "onlinemeetingurl", "onlinemeeting", "isdraft", "calendar",
        "cancelledoccurrences", "uid", "occurrenceid",
    }
)  # fmt: skip


def _location_of(value: Any, name: str) -> Location | None:
    found = object_of(value, name)
    label = text_of(member(found, "displayName"), f"{name}/displayName", limit=500)
    kind = choice_of(member(found, "locationType") or "default", f"{name}/locationType", LOCATION_TYPES)
    address = member(found, "address")
    coordinates = member(found, "coordinates")
    place = Location(
        label,
        kind,
        text_of(member(found, "locationEmailAddress"), name, limit=320) or None,
        text_of(member(found, "locationUri"), name, limit=2000) or None,
        _address_of(address) if address is not None else (),
        _coordinates_of(coordinates) if coordinates is not None else (),
    )
    return place if label or place.email or place.uri else None


def _address_of(value: Any) -> tuple[tuple[str, str], ...]:
    found = object_of(value, "location/address")
    names = ("street", "city", "state", "countryOrRegion", "postalCode")
    return tuple((name, text_of(part, name, limit=500)) for name in names if (part := member(found, name)))


def _coordinates_of(value: Any) -> tuple[tuple[str, float], ...]:
    found = object_of(value, "location/coordinates")
    names = ("latitude", "longitude", "accuracy", "altitude", "altitudeAccuracy")
    parts = [(name, member(found, name)) for name in names]
    if any(part is not None and not isinstance(part, (int, float)) for _, part in parts):
        raise wrong_type("location/coordinates")
    return tuple((name, float(part)) for name, part in parts if part is not None)


def attendees_of(value: Any, known: list[Attendee] | None = None) -> list[Attendee]:
    """Return attendees; who was there before keeps the answer given."""
    answers = {one.recipient.address.lower(): one for one in known or ()}
    found: dict[str, Attendee] = {}
    for number, one in enumerate(list_of(value, "attendees")):
        entry = object_of(one, f"attendees[{number}]")
        person = recipient_of(entry, f"attendees[{number}]")
        if "@" not in person.address:
            raise GraphError(
                400,
                "ErrorInvalidRecipients",
                f"At least one recipient isn't valid., '{person.address[:100]}'.",
            )
        kind = choice_of(member(entry, "type") or "required", f"attendees[{number}]/type", ATTENDEE_TYPES)
        attendee = (
            answers[person.address.lower()].copy() if person.address.lower() in answers else Attendee(person)
        )
        attendee.recipient, attendee.kind = person, kind
        found[person.address.lower()] = attendee
    return list(found.values())


def recurrence_of(value: Any, zone: str) -> Recurrence | None:
    """Return a recurrence; what a pattern needs is checked by the store."""
    if value is None:
        return None
    found = object_of(value, "recurrence")
    pattern = object_of(member(found, "pattern"), "recurrence/pattern")
    span = object_of(member(found, "range"), "recurrence/range")
    start_on = _date_of(member(span, "startDate"), "recurrence/range/startDate")
    if start_on is None:
        raise bad_request("A recurrence range needs a startDate.", "ErrorInvalidRequest")
    range_zone = text_of(member(span, "recurrenceTimeZone"), "recurrence/range/recurrenceTimeZone", limit=200)
    end_on = _date_of(member(span, "endDate"), "recurrence/range/endDate")
    days = tuple(
        dict.fromkeys(
            choice_of(day, "recurrence/pattern/daysOfWeek", DAYS)
            for day in list_of(member(pattern, "daysOfWeek"), "daysOfWeek")
        )
    )
    return Recurrence(
        choice_of(member(pattern, "type"), "recurrence/pattern/type", PATTERNS),
        _whole(member(pattern, "interval"), "recurrence/pattern/interval", 1),
        days,
        _whole(member(pattern, "dayOfMonth"), "recurrence/pattern/dayOfMonth", 0),
        _whole(member(pattern, "month"), "recurrence/pattern/month", 0),
        choice_of(member(pattern, "index") or "first", "recurrence/pattern/index", INDEXES),
        choice_of(member(pattern, "firstDayOfWeek") or "sunday", "recurrence/pattern/firstDayOfWeek", DAYS),
        choice_of(member(span, "type"), "recurrence/range/type", ("endDate", "noEnd", "numbered")),
        start_on,
        end_on if end_on != date.min else None,
        _whole(member(span, "numberOfOccurrences"), "recurrence/range/numberOfOccurrences", 0),
        windows_name(range_zone) if range_zone else zone,
    )


def _whole(value: Any, name: str, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not -1 <= value <= 100_000:
        raise wrong_type(name)
    return value


def _date_of(value: Any, name: str) -> date | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong_type(name)
    try:
        return date.fromisoformat(value[:10])
    except ValueError as error:
        raise bad_request(
            f"The value '{value[:30]}' of '{name}' is no date.", "ErrorInvalidRequest"
        ) from error


def _minutes_of(value: Any) -> int:
    return _whole(value, "reminderMinutesBeforeStart", 15)


def _transaction_of(value: Any) -> str | None:
    return text_of(value, "transactionId", limit=500) or None


_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "subject": ("subject", lambda value: text_of(value, "subject", limit=100_000)),
    "body": ("body", body_of),
    "importance": ("importance", lambda value: choice_of(value, "importance", ("low", "normal", "high"))),
    "sensitivity": ("sensitivity", lambda value: choice_of(value, "sensitivity", SENSITIVITY)),
    "showas": ("show_as", lambda value: choice_of(value, "showAs", SHOW_AS)),
    "isallday": ("is_all_day", lambda value: truth_of(value, "isAllDay")),
    "isreminderon": ("is_reminder_on", lambda value: truth_of(value, "isReminderOn")),
    "reminderminutesbeforestart": ("reminder_minutes", _minutes_of),
    "responserequested": ("response_requested", lambda value: truth_of(value, "responseRequested")),
    "allownewtimeproposals": (
        "allow_new_time_proposals",
        lambda value: truth_of(value, "allowNewTimeProposals"),
    ),
    "hideattendees": ("hide_attendees", lambda value: truth_of(value, "hideAttendees")),
    "categories": ("categories", categories_of),
    "transactionid": ("transaction_id", _transaction_of),
}
_HANDLED_APART = frozenset(
    {"start", "end", "recurrence", "attendees", "location", "locations", "attachments", "extensions"}
)


def read_event(
    body: dict[str, Any], known: CalendarEvent | None = None, default_zone: str = "UTC"
) -> dict[str, Any]:
    """Return attribute names and values of an event in JSON.

    `is_online` and `online_provider` stand for the wish for an online meeting; the caller makes one.

    Raises:
        GraphError: A property is unknown or its value is not acceptable.
        UnknownTimeZone: A time zone does not exist.
    """
    values: dict[str, Any] = {}
    properties: dict[Any, Any] = {}
    for key, value in body.items():
        name = key.lower()
        if name.startswith("@") or "@odata." in name or name in _READ_ONLY or name in _HANDLED_APART:
            continue
        if name == "isonlinemeeting":
            values["is_online"] = truth_of(value, key) if value is not None else False
        elif name == "onlinemeetingprovider":
            values["online_provider"] = choice_of(
                value or "unknown",
                key,
                ("unknown", "teamsForBusiness", "skypeForBusiness", "skypeForConsumer"),
            )
        elif name in _READERS:
            attribute, read = _READERS[name]
            if value is not None or name in ("transactionid", "subject", "categories"):
                values[attribute] = read(value)
        elif name in ("singlevalueextendedproperties", "multivalueextendedproperties"):
            properties |= properties_of(value, key)
        else:
            raise bad_request(
                f"The property '{key[:80]}' does not exist on type 'Microsoft.OutlookServices.Event'. Make sure to only use "
                "property names that are defined by the type.",
                "RequestBodyRead",
            )
    if properties:
        values["properties"] = properties
    _read_times(values, body, default_zone)
    _read_rest(values, body, known)
    return values


def _read_times(values: dict[str, Any], body: dict[str, Any], default_zone: str) -> None:
    for name in ("start", "end"):
        given = member(body, name)
        if given is not None:
            values[name], values[f"{name}_zone"] = zoned_moment_of(given, name, default_zone)


def _read_rest(values: dict[str, Any], body: dict[str, Any], known: CalendarEvent | None) -> None:
    lowered = {key.lower() for key in body}
    if "recurrence" in lowered:
        zone = values.get("start_zone") or (known.start_zone if known else "UTC")
        values["recurrence"] = recurrence_of(member(body, "recurrence"), zone)
    if "attendees" in lowered:
        values["attendees"] = attendees_of(member(body, "attendees"), known.attendees if known else None)
    places = [_location_of(one, "locations") for one in list_of(member(body, "locations"), "locations")]
    single = member(body, "location")
    if single is not None:
        first = _location_of(single, "location")
        places = [
            first,
            *(
                place
                for place in places
                if place is not None and first is not None and place.display_name != first.display_name
            ),
        ]
    if single is not None or "locations" in lowered:
        values["locations"] = tuple(place for place in places if place is not None)
    if "attachments" in lowered:
        values["attachments"] = list_of(member(body, "attachments"), "attachments")
    if "extensions" in lowered:
        values["extensions"] = extensions_of(member(body, "extensions"))


def build_event(mailbox: Mailbox, body: dict[str, Any], default_zone: str = "UTC") -> CalendarEvent:
    """Return an unsaved event made of JSON; start and end must be there."""
    values = read_event(body, default_zone=default_zone)
    for name in ("start", "end"):
        if name not in values:
            raise GraphError(400, "ErrorRequiredPropertyMissing", f"Required property is missing: {name}.")
    attachments = values.pop("attachments", None)
    values.pop("is_online", None)
    values.pop("online_provider", None)
    event = CalendarEvent(**values)
    event.item_class = "IPM.Appointment"
    if attachments:
        event.attachments = [build_attachment(mailbox, one) for one in attachments]
    return event
