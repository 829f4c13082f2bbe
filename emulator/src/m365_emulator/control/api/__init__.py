"""The control API: JSON in, JSON out, under `/control`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from m365_emulator.control.api import (
    app_calls,
    people_calls,
    service_calls,
    tenant_calls,
    traffic_calls,
    world_calls,
)
from m365_emulator.control.api.call import Body, Handler, answer

if TYPE_CHECKING:
    from m365_emulator.world.world import World


def description(world: World, request: Request, body: Body) -> Body:
    from m365_emulator.openapi import document

    return document()


TABLE: list[tuple[str, str, Handler]] = [
    ("GET", "/control/state", world_calls.state),
    ("POST", "/control/reset", world_calls.reset),
    ("GET", "/control/clock", world_calls.clock),
    ("POST", "/control/clock", world_calls.move_clock),
    ("GET", "/control/scenarios", world_calls.scenarios),
    ("PUT", "/control/tenants/{tenant}/scenario", world_calls.set_scenario),
    ("DELETE", "/control/tenants/{tenant}/scenario", world_calls.clear_scenario),
    ("GET", "/control/tenants", tenant_calls.tenants),
    ("POST", "/control/tenants", tenant_calls.add_tenant),
    ("GET", "/control/tenants/{tenant}", tenant_calls.tenant_detail),
    ("PATCH", "/control/tenants/{tenant}/policies", tenant_calls.set_policies),
    ("POST", "/control/tenants/{tenant}/revoke-sessions", tenant_calls.revoke_tenant),
    ("GET", "/control/tenants/{tenant}/grants", tenant_calls.grants),
    ("POST", "/control/tenants/{tenant}/grants", tenant_calls.add_grant),
    ("DELETE", "/control/tenants/{tenant}/grants", tenant_calls.remove_grants),
    ("PATCH", "/control/tenants/{tenant}/service-principals/{app_id}", tenant_calls.change_principal),
    ("DELETE", "/control/tenants/{tenant}/service-principals/{app_id}", tenant_calls.remove_principal),
    ("GET", "/control/tenants/{tenant}/approval-requests", tenant_calls.approval_requests),
    ("POST", "/control/tenants/{tenant}/approval-requests/{request}", tenant_calls.decide),
    ("POST", "/control/tenants/{tenant}/guests", tenant_calls.invite),
    ("GET", "/control/users", people_calls.users),
    ("POST", "/control/users", people_calls.add_user),
    ("GET", "/control/users/{user}", people_calls.user_detail),
    ("PATCH", "/control/users/{user}", people_calls.change_user),
    ("DELETE", "/control/users/{user}", people_calls.delete_user),
    ("POST", "/control/users/{user}/revoke-sessions", people_calls.revoke_user),
    ("POST", "/control/users/{user}/reset-password", people_calls.revoke_user),
    ("POST", "/control/users/{user}/change-password", people_calls.change_password),
    ("GET", "/control/apps", app_calls.apps),
    ("GET", "/control/apps/{app_id}", app_calls.app_detail),
    ("PATCH", "/control/apps/{app_id}", app_calls.change_app),
    ("POST", "/control/keys/roll", app_calls.roll_keys),
    ("GET", "/control/faults", traffic_calls.faults),
    ("POST", "/control/faults", traffic_calls.add_fault),
    ("DELETE", "/control/faults", traffic_calls.clear_faults),
    ("DELETE", "/control/faults/{fault}", traffic_calls.remove_fault),
    ("GET", "/control/requests", traffic_calls.requests),
    ("GET", "/control/requests/{number}", traffic_calls.request_detail),
    ("DELETE", "/control/requests", traffic_calls.clear_requests),
    ("GET", "/control/notifications", traffic_calls.notifications),
    ("GET", "/control/services/graph", service_calls.graph),
    ("PATCH", "/control/services/graph", service_calls.change_graph),
    ("GET", "/control/services/ews", service_calls.ews),
    ("PATCH", "/control/services/ews", service_calls.change_ews),
    ("POST", "/control/services/ews/lose-subscriptions", service_calls.lose_subscriptions),
    ("GET", "/control/subscriptions", service_calls.subscriptions),
    ("POST", "/control/subscriptions/{subscription}/lifecycle", service_calls.send_lifecycle),
    ("POST", "/control/users/{user}/forget-changes", service_calls.forget_changes),
    ("GET", "/control/snapshots", world_calls.snapshots),
    ("POST", "/control/snapshots/{name}", world_calls.take_snapshot),
    ("POST", "/control/snapshots/{name}/restore", world_calls.restore_snapshot),
    ("DELETE", "/control/snapshots/{name}", world_calls.drop_snapshot),
    ("POST", "/control/persist", world_calls.persist),
    ("GET", "/control/openapi.json", description),
]
"""Method, path and what answers."""


def routes(world: World) -> list[BaseRoute]:
    """Return the routes of the control API."""

    def bound(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await answer(world, request, handler)

        return endpoint

    async def pretend(request: Request) -> Response:
        return await world_calls.pretend(world, request)

    listed: list[BaseRoute] = [Route(path, bound(handler), methods=[verb]) for verb, path, handler in TABLE]
    return [*listed, Route("/control/pretend", pretend, methods=["POST"])]
