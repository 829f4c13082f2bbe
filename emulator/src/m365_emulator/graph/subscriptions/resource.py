"""Reading the `resource` of a subscription."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from m365_emulator.graph.access import (
    CALENDAR_READ,
    CALENDAR_READ_BASIC,
    MAIL_READ,
    MAIL_READ_BASIC,
    open_target,
)
from m365_emulator.graph.call import Call
from m365_emulator.graph.errors import GraphError, access_denied, bad_request
from m365_emulator.graph.folders import folder_of
from m365_emulator.graph.getters import event_listing, message_listing
from m365_emulator.graph.odata.filters import compile_filter, parse_filter
from m365_emulator.graph.odata.options import QueryOptions, parse_options
from m365_emulator.graph.paths import parse_path
from m365_emulator.graph.shapes.events import EVENT
from m365_emulator.graph.shapes.messages import MESSAGE

from .model import Watched

if TYPE_CHECKING:
    from m365_emulator.graph.access import Permission


def read_resource(call: Call, resource: str, *, with_data: bool) -> Watched:
    """Return what a resource names, after checking that the caller may watch it.

    Raises:
        GraphError: It cannot be watched; with a delegated token only the own mailbox can.

    Source: Graph, Outlook change notifications overview.
    """
    path, _, query = resource.partition("?")
    for root in (call.root, call.base_url):
        path = path.removeprefix(root)
    segments = parse_path(unquote(path).removeprefix("/v1.0")).segments
    lowered = [segment.lower() for segment in segments]
    if lowered[:1] == ["me"]:
        name, rest = None, segments[1:]
    elif lowered[:1] == ["users"] and len(segments) > 2:
        name, rest = segments[1], segments[2:]
    else:
        raise _unsupported(resource)
    low = [segment.lower() for segment in rest]
    is_mail = low == ["messages"] or (len(low) == 3 and low[0] == "mailfolders" and low[2] == "messages")
    if not is_mail and low != ["events"]:
        raise _unsupported(resource)
    options = parse_options(query)
    target = open_target(call.world, call.token, _permission(is_mail, with_data=with_data), name)
    if call.token.user is not None and not target.is_own:
        raise access_denied()
    call.target = target
    folder = folder_of(call, rest[1]).number if is_mail and len(low) == 3 else None
    _check_options(options, with_data=with_data)
    (MESSAGE if is_mail else EVENT).selection(call, options.select)
    watched = Watched(target, "messages" if is_mail else "events", folder, options.select, options.filter)
    compile_test(call, watched)
    return watched


def compile_test(call: Call, watched: Watched) -> Callable[[Any], bool] | None:
    """Return the filter of a resource as a test, None if it has none; raises GraphError for one that is wrong."""
    if watched.filter is None:
        return None
    listing = message_listing(call) if watched.kind == "messages" else event_listing(call)
    return compile_filter(parse_filter(watched.filter), listing.getters, listing.type_name)


def _permission(is_mail: bool, *, with_data: bool) -> Permission:
    if is_mail:
        return MAIL_READ if with_data else MAIL_READ_BASIC
    return CALENDAR_READ if with_data else CALENDAR_READ_BASIC


def _check_options(options: QueryOptions, *, with_data: bool) -> None:
    if options.top is not None or options.skip or options.orderby or options.search:
        raise bad_request(
            "The query options of the resource are not supported for subscriptions.", "InvalidRequest"
        )
    if not with_data:
        return
    if options.select is None:
        raise bad_request(
            "A subscription with resource data to this resource needs $select.", "InvalidRequest"
        )
    if {"body", "uniquebody"} & {name.lower() for name in options.select}:
        raise bad_request(
            "body and uniqueBody cannot be selected in a subscription with resource data.", "InvalidRequest"
        )


def _unsupported(resource: str) -> GraphError:
    return GraphError(
        400,
        "ExtensionError",
        f"Operation: Create; Exception: [Status Code: BadRequest; Reason: Resource '{resource[:200]}' is not supported.]",
    )
