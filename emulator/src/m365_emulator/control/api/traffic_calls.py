"""Faults, the request log and sent notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from m365_emulator.control.api.call import (
    BadRequest,
    Body,
    NotFound,
)
from m365_emulator.world.request_log import as_dict, matcher

if TYPE_CHECKING:
    from m365_emulator.world.world import World


def faults(world: World, request: Request, body: Body) -> Body:
    return {"faults": [fault.as_dict() for fault in world.faults]}


def add_fault(world: World, request: Request, body: Body) -> Body:
    try:
        return world.faults.add(**body).as_dict()
    except (ValueError, TypeError) as error:
        raise BadRequest(str(error)) from None


def clear_faults(world: World, request: Request, body: Body) -> Body:
    world.faults.clear()
    return faults(world, request, body)


def remove_fault(world: World, request: Request, body: Body) -> Body:
    if not world.faults.remove(request.path_params["fault"]):
        raise NotFound("There is no such fault.")
    return faults(world, request, body)


def requests(world: World, request: Request, body: Body) -> Body:
    asked = request.query_params
    try:
        wanted = matcher(
            path=asked.get("path", ""),
            tenant=asked.get("tenant", ""),
            app=asked.get("app", ""),
            status=int(asked["status"]) if "status" in asked else None,
            since=int(asked.get("since", "0")),
        )
        limit = min(max(int(asked.get("limit", "100")), 1), 2_000)
    except ValueError:
        raise BadRequest("'status', 'since' and 'limit' must be numbers.") from None
    return {"requests": [as_dict(entry) for entry in world.request_log.newest(limit, wanted)]}


def request_detail(world: World, request: Request, body: Body) -> Body:
    number = request.path_params["number"]
    entry = world.request_log.find(int(number)) if number.isdigit() else None
    if entry is None:
        raise NotFound("That request is not kept any more.")
    return {**as_dict(entry), "text": entry.as_text()}


def clear_requests(world: World, request: Request, body: Body) -> Body:
    world.request_log.clear()
    return {"requests": []}


def notifications(world: World, request: Request, body: Body) -> Body:
    return {"notifications": list(world.state.get("sent_notifications", []))}
