"""Tenants, their policies, grants and approval requests."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from starlette.requests import Request

from m365_emulator.control import views
from m365_emulator.control.api.call import (
    BadRequest,
    Body,
    NotFound,
    named_app,
    named_tenant,
    text_of,
)
from m365_emulator.entra.reviews import NotAReviewer, decide_request
from m365_emulator.world import grants as consent_grants
from m365_emulator.world.grants import ConsentRecord, record_consent
from m365_emulator.world.seed import builder

if TYPE_CHECKING:
    from m365_emulator.world.world import World


def tenants(world: World, request: Request, body: Body) -> Body:
    return {"tenants": [views.tenant(tenant) for tenant in world.tenants]}


def add_tenant(world: World, request: Request, body: Body) -> Body:
    domain = text_of(body, "domain").lower()
    if world.find_tenant(domain) is not None:
        raise BadRequest(f"{domain} is taken.")
    return views.tenant(builder.add_tenant(world, domain))


def tenant_detail(world: World, request: Request, body: Body) -> Body:
    return views.tenant(named_tenant(world, request))


def set_policies(world: World, request: Request, body: Body) -> Body:
    tenant = named_tenant(world, request)
    builder.set_policies(tenant.policies, body)
    return views.tenant(tenant)


def revoke_tenant(world: World, request: Request, body: Body) -> Body:
    tenant = named_tenant(world, request)
    tenant.sessions_valid_from = world.clock.now()
    return views.tenant(tenant)


def grants(world: World, request: Request, body: Body) -> Body:
    return views.grants(named_tenant(world, request))


def add_grant(world: World, request: Request, body: Body) -> Body:
    tenant = named_tenant(world, request)
    app = world.apps.get(text_of(body, "app_id").lower())
    if app is None:
        raise NotFound("There is no such app.")
    person = body.get("user")
    user = world.find_user(str(person), tenant) if person else None
    if person and user is None:
        raise NotFound(f"There is no user {person}.")
    record = ConsentRecord(
        cast("dict[str, list[str]]", body.get("delegated", app.delegated)),
        cast("dict[str, list[str]]", body.get("application", {} if user else app.application)),
    )
    record_consent(tenant, app, record, now=world.clock.now(), for_user=user, replaces=False)
    return views.grants(tenant)


def remove_grants(world: World, request: Request, body: Body) -> Body:
    tenant = named_tenant(world, request)
    app_id = request.query_params.get("app_id")
    return {
        "removed": consent_grants.remove_grants(tenant, app_id.lower() if app_id else None),
        **views.grants(tenant),
    }


def change_principal(world: World, request: Request, body: Body) -> Body:
    tenant, app = named_tenant(world, request), named_app(world, request)
    principal = tenant.service_principals.get(app.app_id)
    if principal is None:
        raise NotFound("The app has no service principal in this tenant.")
    for name in ("account_enabled", "app_role_assignment_required"):
        if name in body:
            if not isinstance(body[name], bool):
                raise BadRequest(f"'{name}' must be true or false.")
            setattr(principal, name, body[name])
    for name, change in (
        ("assign", principal.assigned_oids.add),
        ("unassign", principal.assigned_oids.discard),
    ):
        for address in cast("list[str]", body.get(name, [])):
            user = world.find_user(str(address), tenant)
            if user is None:
                raise NotFound(f"There is no user {address}.")
            change(user.oid)
    return views.grants(tenant)


def remove_principal(world: World, request: Request, body: Body) -> Body:
    tenant, app = named_tenant(world, request), named_app(world, request)
    tenant.service_principals.pop(app.app_id, None)
    consent_grants.remove_grants(tenant, app.app_id)
    return views.grants(tenant)


def approval_requests(world: World, request: Request, body: Body) -> Body:
    tenant = named_tenant(world, request)
    return {"approval_requests": [asdict(item) for item in tenant.consent_requests]}


def decide(world: World, request: Request, body: Body) -> Body:
    tenant = named_tenant(world, request)
    wanted = request.path_params["request"]
    found = next((item for item in tenant.consent_requests if item.id == wanted), None)
    if found is None:
        raise NotFound(f"There is no approval request {wanted}.")
    decision = body.get("decision")
    if decision not in ("approve", "deny", "block"):
        raise BadRequest("'decision' must be approve, deny or block.")
    reviewer = world.find_user(text_of(body, "reviewer"), tenant)
    if reviewer is None:
        raise NotFound(f"There is no user {body['reviewer']}.")
    try:
        decide_request(world, tenant, found, reviewer, decision)
    except NotAReviewer as error:
        raise BadRequest(str(error)) from None
    return asdict(found)


def invite(world: World, request: Request, body: Body) -> Body:
    tenant = named_tenant(world, request)
    home = world.find_user(text_of(body, "address"))
    if home is None or home.is_guest or home.tenant is tenant:
        raise BadRequest("'address' must be a member of another tenant.")
    guest = world.guest_in(tenant, home) or builder.invite(tenant, home)
    if guest not in tenant.users:
        tenant.users.append(guest)
    return views.user(guest)
