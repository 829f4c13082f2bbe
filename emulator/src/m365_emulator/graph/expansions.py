"""$expand on messages and events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from m365_emulator.world.mailbox import CalendarEvent, Item, Message, PropertyKey
from m365_emulator.world.mailbox.properties import read_property

from .call import Call
from .errors import access_denied, bad_request
from .odata.filters import Both, Compare, Either, Node, parse_filter
from .odata.options import Expansion
from .shapes.attachments import attachment_json
from .shapes.events import CALENDAR, EVENT, event_json

Expander = Callable[[Item, dict[str, Any]], None]


def expanders(call: Call) -> list[Expander]:
    """Return what adds the expanded parts to a rendered item.

    Raises:
        GraphError: An expansion is unknown, or the token does not allow it.
    """
    return [_expander(call, expansion) for expansion in call.options.expand]


def _expander(call: Call, expansion: Expansion) -> Expander:
    name = (
        expansion.name.lower().split("/")[-1]
        if "eventmessage" in expansion.name.lower()
        else expansion.name.lower()
    )
    match name:
        case "attachments":
            if call.basic_only:
                raise access_denied()
            select = expansion.options.get("select")
            names = tuple(part.strip() for part in select.split(",")) if select else None
            return lambda item, found: found.__setitem__(
                "attachments", [attachment_json(call, item, part, names) for part in item.attachments or ()]
            )
        case "singlevalueextendedproperties":
            return _properties(expansion, "singleValueExtendedProperties", arrays=False)
        case "multivalueextendedproperties":
            return _properties(expansion, "multiValueExtendedProperties", arrays=True)
        case "extensions":
            wanted = _ids(expansion)
            return lambda item, found: found.__setitem__("extensions", extensions_json(item, wanted))
        case "calendar":
            return lambda item, found: found.__setitem__(
                "calendar", {key: get(call, item.folder) for key, get in CALENDAR.selection(call, ())}
            )
        case "event":
            return lambda item, found: _add_event(call, item, found)
        case "exceptionoccurrences":
            return lambda item, found: _add_exceptions(call, item, found)
        case _:
            raise bad_request(
                f"Could not find a property named '{expansion.name[:80]}' on type 'Microsoft.OutlookServices.Item'.",
                "RequestBroker--ParseUri",
            )


def _ids(expansion: Expansion) -> list[str]:
    text = expansion.options.get("filter")
    if text is None:
        raise bad_request(
            f"'{expansion.name}' can only be expanded with a filter on id.", "ErrorInvalidRequest"
        )

    def collect(node: Node) -> list[str]:
        match node:
            case Compare(path="id" | "Id", operator="eq", value=str(value)):
                return [value]
            case Either(left=left, right=right) | Both(left=left, right=right):
                return collect(left) + collect(right)
            case _:
                raise bad_request("Only 'id eq' conditions can be used here.", "ErrorInvalidUrlQueryFilter")

    return collect(parse_filter(text))


def _properties(expansion: Expansion, name: str, *, arrays: bool) -> Expander:
    keys = [(text, PropertyKey.from_graph(text)) for text in _ids(expansion)]

    def add(item: Item, found: dict[str, Any]) -> None:
        values = [
            {"id": text, "value": value}
            for text, key in keys
            if key.is_array is arrays and (value := read_property(item, key)) is not None
        ]
        if values:
            found[name] = values

    return add


def extensions_json(item: Item, wanted: list[str] | None) -> list[dict[str, Any]]:
    """Return the open extensions of an item, all or those named (with or without Outlook's prefix)."""
    prefix = "Microsoft.OutlookServices.OpenTypeExtension."
    names = None if wanted is None else {name.removeprefix(prefix) for name in wanted}
    return [
        {
            "@odata.type": "#microsoft.graph.openTypeExtension",
            "id": prefix + name,
            "extensionName": name,
            **values,
        }
        for name, values in (item.extensions or {}).items()
        if names is None or name in names
    ]


def _add_event(call: Call, item: Item, found: dict[str, Any]) -> None:
    if not isinstance(item, Message) or item.meeting is None or item.meeting.event_identity is None:
        return
    event = call.mailbox.find_item(item.meeting.event_identity)
    if isinstance(event, CalendarEvent):
        found["event"] = event_json(call, event, EVENT.selection(call, ()))


def _add_exceptions(call: Call, item: Item, found: dict[str, Any]) -> None:
    if isinstance(item, CalendarEvent) and item.kind == "seriesMaster":
        chosen = EVENT.selection(call, ())
        found["exceptionOccurrences"] = [
            event_json(call, item.exceptions[at], chosen) for at in sorted(item.exceptions)
        ]
