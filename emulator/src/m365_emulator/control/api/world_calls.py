"""The world, its clock, scenarios and snapshots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from m365_emulator.control import views
from m365_emulator.control.api.call import (
    BadRequest,
    Body,
    NotFound,
    named_tenant,
    refuse_foreign_origin,
    text_of,
)
from m365_emulator.entra.answers import read_form
from m365_emulator.entra.errors import EntraError
from m365_emulator.world import scenarios as known_scenarios
from m365_emulator.world import snapshot
from m365_emulator.world.mailbox.held import release_due
from m365_emulator.world.scenarios import SCENARIOS, UnknownScenario
from m365_emulator.world.seed import SeedSource
from m365_emulator.world.world import World


def state(world: World, request: Request, body: Body) -> Body:
    return {
        "seed": world.seed,
        "source": world.source.name,
        "clock": views.clock(world),
        "tenants": [views.tenant(tenant) for tenant in world.tenants],
        "apps": [views.app(app) for app in world.apps.values()],
        "faults": [fault.as_dict() for fault in world.faults],
        "requests": len(world.request_log),
    }


def reset(world: World, request: Request, body: Body) -> Body:
    number = body.get("messages", world.source.messages_per_mailbox)
    if number is not None and (not isinstance(number, int) or number < 0):
        raise BadRequest("'messages' must be a number.")
    if "yaml" in body:
        source = SeedSource("sent to /control/reset", number, text=text_of(body, "yaml"))
        World(source=source)  # A wrong file is told before anything is lost.
        world.source = source
    world.source.messages_per_mailbox = number
    if "seed" in body:
        if not isinstance(body["seed"], int):
            raise BadRequest("'seed' must be a number.")
        world.seed = body["seed"]
    world.reset()
    return state(world, request, body)


def clock(world: World, request: Request, body: Body) -> Body:
    return views.clock(world)


def move_clock(world: World, request: Request, body: Body) -> Body:
    try:
        if body.get("reset"):
            world.clock.reset()
        if "set" in body:
            moment = datetime.fromisoformat(str(body["set"]))
            world.clock.set(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        if "advance_seconds" in body:
            world.clock.advance(timedelta(seconds=float(body["advance_seconds"])))
        if "freeze" in body:
            if body["freeze"]:
                world.clock.freeze()
            else:
                world.clock.resume()
    except (ValueError, OverflowError, TypeError) as error:
        raise BadRequest(f"The clock cannot be moved so: {error}.") from None
    release_due(world)
    return views.clock(world)


def scenarios(world: World, request: Request, body: Body) -> Body:
    return {
        "scenarios": [{"id": item.id, "title": item.title} for item in SCENARIOS.values()],
        "active": {tenant.default_domain: tenant.scenario for tenant in world.tenants if tenant.scenario},
    }


def set_scenario(world: World, request: Request, body: Body) -> Body:
    tenant = named_tenant(world, request)
    try:
        known_scenarios.set_scenario(world, tenant, text_of(body, "id"))
    except UnknownScenario as error:
        raise BadRequest(f"There is no scenario {error}.") from None
    return views.tenant(tenant)


def clear_scenario(world: World, request: Request, body: Body) -> Body:
    tenant = named_tenant(world, request)
    known_scenarios.clear_scenario(world, tenant)
    return views.tenant(tenant)


async def pretend(world: World, request: Request) -> Response:
    """Take the form beside a page: choose a scenario, then begin the flow anew."""
    try:
        form = await read_form(request)
        refuse_foreign_origin(request)
    except (EntraError, BadRequest):
        return RedirectResponse("/", 303)
    tenant = world.find_tenant(form.get("tenant", ""))
    if tenant is not None:
        if form.get("scenario") in SCENARIOS:
            known_scenarios.set_scenario(world, tenant, form["scenario"])
        else:
            known_scenarios.clear_scenario(world, tenant)
    back_to = form.get("back_to", "/")
    is_local = back_to.startswith("/") and not back_to.startswith(("//", "/\\"))
    return RedirectResponse(back_to if is_local else "/", 303)


def snapshots(world: World, request: Request, body: Body) -> Body:
    return {"snapshots": {name: len(data) for name, data in world.snapshots.items()}}


def take_snapshot(world: World, request: Request, body: Body) -> Body:
    world.snapshots[request.path_params["name"]] = snapshot.dump(world)
    return snapshots(world, request, body)


def restore_snapshot(world: World, request: Request, body: Body) -> Body:
    data = world.snapshots.get(request.path_params["name"])
    if data is None:
        raise NotFound("There is no such snapshot.")
    snapshot.restore(world, data)
    return state(world, request, body)


def drop_snapshot(world: World, request: Request, body: Body) -> Body:
    world.snapshots.pop(request.path_params["name"], None)
    return snapshots(world, request, body)


def persist(world: World, request: Request, body: Body) -> Body:
    if world.data_file is None:
        raise BadRequest("The emulator was started without --data.")
    snapshot.save(world, world.data_file)
    return {"file": str(world.data_file)}
