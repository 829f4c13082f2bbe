"""Open extensions on messages and events."""

from __future__ import annotations

from typing import Any

from m365_emulator.world.mailbox import Item

from .access import CALENDAR_READ, CALENDAR_WRITE, MAIL_READ, MAIL_WRITE
from .call import Call, Reply
from .errors import GraphError, not_found
from .events import event_of
from .expansions import extensions_json
from .inputs.messages import extensions_of
from .messages import message_of
from .operations import Operations

operations = Operations()
_PREFIX = "Microsoft.OutlookServices.OpenTypeExtension."


@operations.get("/{mailbox}/messages/{message}/extensions", MAIL_READ)
def list_of_message(call: Call) -> Reply:
    """List the open extensions of a message."""
    return _list(call, message_of(call))


@operations.get("/{mailbox}/events/{event}/extensions", CALENDAR_READ)
def list_of_event(call: Call) -> Reply:
    """List the open extensions of an event."""
    return _list(call, event_of(call))


@operations.post("/{mailbox}/messages/{message}/extensions", MAIL_WRITE)
def add_to_message(call: Call) -> Reply:
    """Add an open extension to a message."""
    return _add(call, message_of(call))


@operations.post("/{mailbox}/events/{event}/extensions", CALENDAR_WRITE)
def add_to_event(call: Call) -> Reply:
    """Add an open extension to an event."""
    return _add(call, event_of(call))


@operations.get("/{mailbox}/messages/{message}/extensions/{extension}", MAIL_READ)
def get_of_message(call: Call) -> Reply:
    """Return one open extension of a message."""
    return _get(call, message_of(call))


@operations.get("/{mailbox}/events/{event}/extensions/{extension}", CALENDAR_READ)
def get_of_event(call: Call) -> Reply:
    """Return one open extension of an event."""
    return _get(call, event_of(call))


@operations.patch("/{mailbox}/messages/{message}/extensions/{extension}", MAIL_WRITE)
def update_of_message(call: Call) -> Reply:
    """Replace the values of an open extension of a message."""
    return _update(call, message_of(call))


@operations.patch("/{mailbox}/events/{event}/extensions/{extension}", CALENDAR_WRITE)
def update_of_event(call: Call) -> Reply:
    """Replace the values of an open extension of an event."""
    return _update(call, event_of(call))


@operations.delete("/{mailbox}/messages/{message}/extensions/{extension}", MAIL_WRITE)
def remove_from_message(call: Call) -> Reply:
    """Take an open extension off a message."""
    return _remove(call, message_of(call))


@operations.delete("/{mailbox}/events/{event}/extensions/{extension}", CALENDAR_WRITE)
def remove_from_event(call: Call) -> Reply:
    """Take an open extension off an event."""
    return _remove(call, event_of(call))


def _list(call: Call, item: Item) -> Reply:
    return Reply(json={"@odata.context": call.context("extensions"), "value": extensions_json(item, None)})


def _name(call: Call, item: Item) -> str:
    name = call.arguments["extension"].removeprefix(_PREFIX)
    if name not in (item.extensions or {}):
        raise not_found()
    return name


def _reply(call: Call, item: Item, name: str, status: int = 200) -> Reply:
    body: dict[str, Any] = {"@odata.context": f"{call.context('extensions')}/$entity"}
    return Reply(status, body | extensions_json(item, [name])[0])


def _get(call: Call, item: Item) -> Reply:
    return _reply(call, item, _name(call, item))


# Extensions are no part of what change tracking watches, so the item's change key stays as it is.


def _add(call: Call, item: Item) -> Reply:
    added = extensions_of([call.json()])
    name = next(iter(added))
    if name in (item.extensions or {}):
        raise GraphError(
            409, "ErrorDuplicateExtension", f"An extension with the name '{name}' already exists."
        )
    item.extensions = {**(item.extensions or {}), **added}
    return _reply(call, item, name, 201)


def _update(call: Call, item: Item) -> Reply:
    name = _name(call, item)
    values = extensions_of([{**call.json(), "extensionName": name}])
    item.extensions = {**(item.extensions or {}), **values}
    return _reply(call, item, name)


def _remove(call: Call, item: Item) -> Reply:
    name = _name(call, item)
    item.extensions = {
        known: value for known, value in (item.extensions or {}).items() if known != name
    } or None
    return Reply(204)
