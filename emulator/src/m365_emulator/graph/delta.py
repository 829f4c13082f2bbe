"""Delta queries: what changed in a folder, in the folder tree, in a window of a calendar.

Source: Graph delta query overview, messages, events.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from m365_emulator.world.mailbox import CalendarEvent, ChangeKind, Folder, Item, Message
from m365_emulator.world.mailbox.recurrence import expand

from .access import CALENDAR_READ, CALENDAR_READ_BASIC, MAIL_READ, MAIL_READ_BASIC
from .calendars import calendar_of
from .call import Call, Reply
from .delta_rounds import adopt_options, changes_page, full_page, round_of
from .errors import bad_request
from .events import in_window, window_of
from .expansions import expanders
from .folders import folder_of
from .getters import message_listing
from .messages import newest_first
from .odata.filters import Both, Compare, Node, compile_filter, parse_filter
from .operations import Operations
from .shapes.events import EVENT, event_json
from .shapes.folders import FOLDER, folder_json
from .shapes.messages import MESSAGE, message_json
from .shapes.values import moment_in_zone

operations = Operations()
FILTERED_LIMIT = 5000
"""Source: Graph message delta, at most 5,000 messages with $filter."""


@operations.get("/{mailbox}/mailFolders/{folder}/messages/delta", MAIL_READ_BASIC, basic=MAIL_READ)
def messages(call: Call) -> Reply:
    """Return the messages of a folder, or what changed since a round ended."""
    folder = folder_of(call, call.arguments["folder"])
    state = round_of(call, "messages", str(folder.number))
    adopt_options(call, state)
    chosen = MESSAGE.selection(call)
    expanding = expanders(call)
    test = _message_filter(call)

    def render(item: Item) -> dict[str, Any]:
        if not isinstance(item, Message):
            raise TypeError("Only messages are brought by a round of messages.")
        found = {"@odata.type": "#microsoft.graph.message", **message_json(call, item, chosen)}
        for expand_into in expanding:
            expand_into(item, found)
        return found

    wanted: list[str] = str(state["c"]).split(",") if state.get("c") else []
    if state["k"] == "full":
        everything = newest_first(folder) if not wanted or "created" in wanted or "updated" in wanted else []
        found = [item for item in everything if test is None or test(item)]
        if test is not None:
            del found[FILTERED_LIMIT:]
        return full_page(call, state, found, _place_of_message, render)
    return changes_page(call, state, _message_changes(call, folder, state, test, wanted, render))


@operations.get("/{mailbox}/mailFolders/delta", MAIL_READ_BASIC)
def folders(call: Call) -> Reply:
    """Return all mail folders, or what changed since a round ended."""
    state = round_of(call, "folders", "")
    adopt_options(call, state)
    chosen = FOLDER.selection(call)
    top = call.mailbox.well_known("msgfolderroot")

    def render(folder: Folder) -> dict[str, Any]:
        return {"@odata.type": "#microsoft.graph.mailFolder", **folder_json(call, folder, chosen)}

    if state["k"] == "full":
        tree = sorted((one for one in top.walk() if one.is_mail), key=lambda one: one.number)
        return full_page(call, state, tree, lambda one: [one.number], render)
    found: list[dict[str, Any]] = []
    for change in call.mailbox.log.hierarchy_since(state["n"], state["e"]):
        identity = call.mailbox.ids.folder_rest_id(change.entry)
        if change.kind is ChangeKind.DELETED:
            found.append(
                {
                    "@odata.type": "#microsoft.graph.mailFolder",
                    "id": identity,
                    "@removed": {"reason": "deleted"},
                }
            )
        else:
            folder = call.mailbox.folder(change.entry)
            if folder.is_mail and folder.is_within(top) and folder is not top:
                found.append(render(folder))
    return changes_page(call, state, found)


@operations.get("/{mailbox}/calendarView/delta", CALENDAR_READ_BASIC, basic=CALENDAR_READ)
def view(call: Call) -> Reply:
    """Return a window of the default calendar, or what changed in it since a round ended."""
    return _view(call, call.mailbox.calendar)


@operations.get(
    "/{mailbox}/calendars/{calendar}/calendarView/delta", CALENDAR_READ_BASIC, basic=CALENDAR_READ
)
def view_of_calendar(call: Call) -> Reply:
    """Return a window of a calendar, or what changed in it since a round ended."""
    return _view(call, calendar_of(call, call.arguments["calendar"]))


# -- messages ------------------------------------------------------------------------------------------------------


def _message_filter(call: Call) -> Any:
    options = call.options
    if options.search is not None:
        raise bad_request(
            "The query parameter '$search' is not supported with change tracking.", "ErrorInvalidUrlQuery"
        )
    if options.orderby and options.orderby != (("receivedDateTime", True),):
        raise bad_request(
            "Change tracking supports only '$orderby=receivedDateTime desc'.", "ErrorInvalidUrlQuery"
        )
    if options.filter is None:
        return None
    node = parse_filter(options.filter)
    if not _only_received(node):
        raise bad_request(
            "Change tracking supports only '$filter=receivedDateTime ge' or 'gt' a time.",
            "ErrorInvalidUrlQueryFilter",
        )
    listing = message_listing(call)
    return compile_filter(node, listing.getters, listing.type_name)


def _only_received(node: Node) -> bool:
    match node:
        case Compare(path=path, operator="ge" | "gt"):
            return path.lower() == "receiveddatetime"
        case Both(left=left, right=right):
            return _only_received(left) and _only_received(right)
        case _:
            return False


def _message_changes(
    call: Call, folder: Folder, state: dict[str, Any], test: Any, wanted: list[str], render: Any
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    net = call.mailbox.log.net_since(folder.number, state["n"], state["e"])
    alive = {change.identity for change in net if change.kind is not ChangeKind.DELETED}
    for change in net:
        if change.kind is ChangeKind.DELETED:
            # With immutable ids an item that left and came back is still the same one.
            back = call.preferences.immutable_ids and change.identity in alive
            if not back and (not wanted or "deleted" in wanted):
                found.append(
                    _removed(call, folder, change.identity, change.entry, "#microsoft.graph.message")
                )
            continue
        kind = "created" if change.kind is ChangeKind.CREATED else "updated"
        item = call.mailbox.find_item(change.identity)
        if not isinstance(item, Message) or (wanted and kind not in wanted):
            continue
        if test is not None and kind == "created" and not test(item):
            continue
        found.append(render(item))
    return found


def _removed(
    call: Call, folder: Folder, identity: int, entry: int, kind: str, occurrence: datetime | None = None
) -> dict[str, Any]:
    ids = call.mailbox.ids
    if call.preferences.immutable_ids:
        item_id = ids.immutable_id(identity, occurrence=occurrence)
    else:
        item_id = ids.rest_id(folder.number, entry, occurrence=occurrence)
    return {"@odata.type": kind, "id": item_id, "@removed": {"reason": "deleted"}}


# -- calendar ------------------------------------------------------------------------------------------------------


def _view(call: Call, folder: Folder) -> Reply:
    options = call.options
    for name in ("select", "filter", "search", "expand"):
        if getattr(options, name):
            raise bad_request(
                f"The query parameter '${name}' is not supported with change tracking.",
                "ErrorInvalidUrlQuery",
            )
    if options.orderby:
        raise bad_request(
            "The query parameter '$orderby' is not supported with change tracking.", "ErrorInvalidUrlQuery"
        )
    state = round_of(call, "view", str(folder.number))
    if "w" in state:
        start, end = (datetime.fromtimestamp(second, UTC) for second in state["w"])
    else:
        start, end = window_of(call)
        state["w"] = [int(start.timestamp()), int(end.timestamp())]
    chosen = EVENT.selection(call)

    def render(event: CalendarEvent) -> dict[str, Any]:
        if event.kind == "occurrence":
            return _sparse(call, event)
        return {"@odata.type": "#microsoft.graph.event", **event_json(call, event, chosen)}

    if state["k"] == "full":
        return full_page(
            call, state, _with_masters(in_window(folder, start, end), call), _place_of_event, render
        )
    found: list[dict[str, Any]] = []
    for change in call.mailbox.log.net_since(folder.number, state["n"], state["e"]):
        if change.kind is ChangeKind.DELETED:
            found.append(_removed(call, folder, change.identity, change.entry, "#microsoft.graph.event"))
            continue
        event = call.mailbox.find_item(change.identity)
        if isinstance(event, CalendarEvent):
            found.extend(_event_changes(call, folder, event, start, end, state["n"], render))
    return changes_page(call, state, found)


def _event_changes(
    call: Call, folder: Folder, event: CalendarEvent, start: datetime, end: datetime, since: int, render: Any
) -> list[dict[str, Any]]:
    if event.kind != "seriesMaster":
        if event.start < end and event.end > start:
            return [render(event)]
        return [_removed(call, folder, event.identity, event.entry, "#microsoft.graph.event")]
    found = [render(event)]
    touched = {
        change.occurrence
        for change in call.mailbox.log.in_folder_since(folder.number, since)
        if change.identity == event.identity
    }
    # A change of the whole series concerns every occurrence, one of single occurrences only those.
    live = expand(event, start, end)
    if None not in touched:
        live = [one for one in live if one.original_start in touched]
    found.extend(render(one) for one in live)
    for at in sorted(event.cancelled):
        if start <= at < end and (None in touched or at in touched):
            found.append(_removed(call, folder, event.identity, event.entry, "#microsoft.graph.event", at))
    return found


def _with_masters(events: Sequence[CalendarEvent], call: Call) -> list[CalendarEvent]:
    """Return the masters of the series in a window, then everything in it."""
    identities = {event.identity for event in events if event.original_start is not None}
    masters = [call.mailbox.find_item(identity) for identity in sorted(identities)]
    found = [*(master for master in masters if isinstance(master, CalendarEvent)), *events]
    found.sort(key=_place_of_event)
    return found


def _place_of_event(event: CalendarEvent) -> list[float]:
    if event.kind == "seriesMaster":
        return [0, 0, event.identity]
    return [1, event.start.timestamp(), event.identity]


def _place_of_message(item: Item) -> list[float]:
    at = item.received_at if isinstance(item, Message) else item.created_at
    return [-at.timestamp(), -item.identity]


def _sparse(call: Call, event: CalendarEvent) -> dict[str, Any]:
    zone = call.preferences.time_zone or "UTC"
    ids = call.mailbox.ids
    master = (
        ids.immutable_id(event.identity)
        if call.preferences.immutable_ids
        else ids.rest_id(event.folder.number, event.entry)
    )
    return {
        "@odata.type": "#microsoft.graph.event",
        "id": call.id_of(event),
        "start": moment_in_zone(event.start, zone),
        "end": moment_in_zone(event.end, zone),
        "seriesMasterId": master,
        "type": "occurrence",
    }
