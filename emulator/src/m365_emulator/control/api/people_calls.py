"""People."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from starlette.requests import Request

from m365_emulator.control import views
from m365_emulator.control.api.call import (
    BadRequest,
    Body,
    NotFound,
    named_user,
    text_of,
)
from m365_emulator.world.seed.builder import add_person, role_ids
from m365_emulator.world.user_agents import ACCESS_POLICIES

if TYPE_CHECKING:
    from m365_emulator.world.world import World


_USER_FIELDS: dict[str, type | tuple[type, ...]] = {
    "display_name": str,
    "mail": (str, type(None)),
    "licensed": bool,
    "account_enabled": bool,
    "ews_enabled": (bool, type(None)),
    "ews_application_access_policy": (str, type(None)),
    "ews_allow_list": list,
    "ews_block_list": list,
    "frontline_licence": bool,
    "mailbox_location": (str, type(None)),
    "mfa_required": bool,
    "password_expired": bool,
    "token_error": (int, type(None)),
    "deleted": bool,
    "time_zone": str,
}


def users(world: World, request: Request, body: Body) -> Body:
    wanted = request.query_params.get("tenant")
    tenant = world.find_tenant(wanted) if wanted else None
    if wanted and tenant is None:
        raise NotFound(f"There is no tenant {wanted}.")
    found = [user for item in ([tenant] if tenant else world.tenants) for user in item.users]
    return {"users": [views.user(user) for user in found]}


def add_user(world: World, request: Request, body: Body) -> Body:

    address = text_of(body, "address")
    tenant = world.find_tenant(address.rpartition("@")[2])
    if tenant is None:
        raise NotFound("There is no tenant for this address.")
    if world.find_user(address) is not None:
        raise BadRequest(f"{address} is taken.")
    return views.user(add_person(tenant, body))


def user_detail(world: World, request: Request, body: Body) -> Body:
    return views.user(named_user(world, request))


def change_user(world: World, request: Request, body: Body) -> Body:
    user = named_user(world, request)
    for name, value in body.items():
        if name == "roles" and isinstance(value, list):
            continue
        kinds = _USER_FIELDS.get(name)
        if kinds is None:
            raise BadRequest(f"Unknown field: {name}.")
        if not isinstance(value, kinds):
            raise BadRequest(f"'{name}' has the wrong type.")
        if name == "mailbox_location" and value not in ("cloud", "on_premises", None):
            raise BadRequest("'mailbox_location' must be cloud, on_premises or null.")
        if name == "ews_application_access_policy" and value not in (None, *ACCESS_POLICIES):
            raise BadRequest(f"'{name}' must be {', '.join(ACCESS_POLICIES)} or null.")
        if isinstance(value, list) and not all(isinstance(part, str) for part in cast("list[object]", value)):
            raise BadRequest(f"'{name}' must be a list of texts.")
    roles = role_ids(body["roles"]) if "roles" in body else None
    for name, value in body.items():
        setattr(user, name, roles if name == "roles" else value)
    if (
        body.get("licensed")
        and not user.is_guest
        and "mailbox_location" not in body
        and not user.mailbox_location
    ):
        user.mailbox_location = "cloud"
        user.mail = user.mail or user.upn
    return views.user(user)


def delete_user(world: World, request: Request, body: Body) -> Body:
    user = named_user(world, request)
    user.deleted = True
    return views.user(user)


def revoke_user(world: World, request: Request, body: Body) -> Body:
    user = named_user(world, request)
    user.sessions_valid_from = world.clock.now()
    return views.user(user)


def change_password(world: World, request: Request, body: Body) -> Body:
    """Let the person change their own password: browsers are signed out, tokens of servers live on.

    Source: learn.microsoft.com/entra/identity-platform/refresh-tokens
    """
    user = named_user(world, request)
    user.browser_sessions_valid_from = world.clock.now()
    return views.user(user)
