"""The control API: JSON in, JSON out, under `/control`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from m365_emulator.control import views
from m365_emulator.entra.answers import read_form
from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.reviews import NotAReviewer, decide_request
from m365_emulator.world import snapshot
from m365_emulator.world.apps import AppRegistration, ClientSecret, RedirectURI
from m365_emulator.world.grants import ConsentRecord, record_consent, remove_grants
from m365_emulator.world.request_log import as_dict, matcher
from m365_emulator.world.scenarios import SCENARIOS, UnknownScenario, clear_scenario, set_scenario
from m365_emulator.world.seed.build import SeedError, add_tenant, invite, role_ids, set_policies
from m365_emulator.world.tenants import Tenant, User

if TYPE_CHECKING:
    from m365_emulator.world.world import World

MAX_BODY_BYTES = 1_048_576
Body = dict[str, Any]
Handler = Callable[["World", Request, Body], Any]
_USER_FIELDS: dict[str, type | tuple[type, ...]] = {
    "display_name": str,
    "mail": (str, type(None)),
    "licensed": bool,
    "account_enabled": bool,
    "ews_enabled": (bool, type(None)),
    "mailbox_location": (str, type(None)),
    "mfa_required": bool,
    "password_expired": bool,
    "deleted": bool,
    "time_zone": str,
}


class BadRequest(Exception):
    """The control request is wrong; its message says how."""


class NotFound(Exception):
    """There is no such thing in the world."""


def routes(world: World) -> list[BaseRoute]:
    """Return the routes of the control API."""

    def bound(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await _call(world, request, handler)

        return endpoint

    async def pretend(request: Request) -> Response:
        return await _pretend(world, request)

    table: list[tuple[str, str, Handler]] = [
        ("GET", "/control/state", _state),
        ("POST", "/control/reset", _reset),
        ("GET", "/control/clock", _clock),
        ("POST", "/control/clock", _move_clock),
        ("GET", "/control/scenarios", _scenarios),
        ("PUT", "/control/tenants/{tenant}/scenario", _set_scenario),
        ("DELETE", "/control/tenants/{tenant}/scenario", _clear_scenario),
        ("GET", "/control/tenants", _tenants),
        ("POST", "/control/tenants", _add_tenant),
        ("GET", "/control/tenants/{tenant}", _tenant_detail),
        ("PATCH", "/control/tenants/{tenant}/policies", _set_policies),
        ("POST", "/control/tenants/{tenant}/revoke-sessions", _revoke_tenant),
        ("GET", "/control/tenants/{tenant}/grants", _grants),
        ("POST", "/control/tenants/{tenant}/grants", _add_grant),
        ("DELETE", "/control/tenants/{tenant}/grants", _remove_grants),
        ("PATCH", "/control/tenants/{tenant}/service-principals/{app_id}", _change_principal),
        ("DELETE", "/control/tenants/{tenant}/service-principals/{app_id}", _remove_principal),
        ("GET", "/control/tenants/{tenant}/approval-requests", _approval_requests),
        ("POST", "/control/tenants/{tenant}/approval-requests/{request}", _decide),
        ("POST", "/control/tenants/{tenant}/guests", _invite),
        ("GET", "/control/users", _users),
        ("POST", "/control/users", _add_user),
        ("GET", "/control/users/{user}", _user_detail),
        ("PATCH", "/control/users/{user}", _change_user),
        ("DELETE", "/control/users/{user}", _delete_user),
        ("POST", "/control/users/{user}/revoke-sessions", _revoke_user),
        ("POST", "/control/users/{user}/reset-password", _revoke_user),
        ("GET", "/control/apps", _apps),
        ("GET", "/control/apps/{app_id}", _app_detail),
        ("PATCH", "/control/apps/{app_id}", _change_app),
        ("POST", "/control/keys/roll", _roll_keys),
        ("GET", "/control/faults", _faults),
        ("POST", "/control/faults", _add_fault),
        ("DELETE", "/control/faults", _clear_faults),
        ("DELETE", "/control/faults/{fault}", _remove_fault),
        ("GET", "/control/requests", _requests),
        ("GET", "/control/requests/{number}", _request_detail),
        ("DELETE", "/control/requests", _clear_requests),
        ("GET", "/control/notifications", _notifications),
        ("GET", "/control/snapshots", _snapshots),
        ("POST", "/control/snapshots/{name}", _take_snapshot),
        ("POST", "/control/snapshots/{name}/restore", _restore_snapshot),
        ("DELETE", "/control/snapshots/{name}", _drop_snapshot),
        ("POST", "/control/persist", _persist),
    ]
    listed: list[BaseRoute] = [Route(path, bound(handler), methods=[verb]) for verb, path, handler in table]
    return [*listed, Route("/control/pretend", pretend, methods=["POST"])]


async def _call(world: World, request: Request, handler: Handler) -> Response:
    try:
        body = await _read_json(request)
        answer, status = handler(world, request, body), 200
    except BadRequest as error:
        answer, status = {"error": str(error)}, 400
    except SeedError as error:
        answer, status = {"error": str(error)}, 400
    except NotFound as error:
        answer, status = {"error": str(error)}, 404
    return Response(
        orjson.dumps(answer, default=_plain), status, {"cache-control": "no-store"}, "application/json"
    )


def _plain(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(cast("set[str]", value))
    raise TypeError


async def _read_json(request: Request) -> Body:
    if request.method == "GET":
        return {}
    body = await request.body()
    if len(body) > MAX_BODY_BYTES:
        raise BadRequest("The body is too large.")
    if not body:
        # A page of another site can send an empty POST without asking; it changes nothing then.
        _refuse_foreign_origin(request)
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise BadRequest("The body must be application/json.")
    try:
        parsed: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(parsed, dict):
        raise BadRequest("The body must be a JSON object.")
    return cast("Body", parsed)


def _refuse_foreign_origin(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin and urlsplit(origin).netloc != request.headers.get("host"):
        raise BadRequest("The control API does not take orders from other sites.")


# -- finding things --------------------------------------------------------------------------------------------------


def _tenant(world: World, request: Request) -> Tenant:
    name = request.path_params["tenant"]
    tenant = world.find_tenant(name)
    if tenant is None:
        raise NotFound(f"There is no tenant {name}.")
    return tenant


def _user(world: World, request: Request) -> User:
    name = str(request.path_params["user"])
    user = world.find_user(name)
    if user is None:
        deleted = (
            u for t in world.tenants for u in t.users if u.oid == name.lower() or name.lower() in u.addresses
        )
        user = next(deleted, None)
    if user is None:
        raise NotFound(f"There is no user {name}.")
    return user


def _app(world: World, request: Request) -> AppRegistration:
    app = world.apps.get(request.path_params["app_id"].lower())
    if app is None:
        raise NotFound(f"There is no app {request.path_params['app_id']}.")
    return app


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"'{name}' must be a text.")
    return value


# -- world and clock -------------------------------------------------------------------------------------------------


def _state(world: World, request: Request, body: Body) -> Body:
    return {
        "seed": world.seed,
        "source": world.source.name,
        "clock": views.clock(world),
        "tenants": [views.tenant(tenant) for tenant in world.tenants],
        "apps": [views.app(app) for app in world.apps.values()],
        "faults": [fault.as_dict() for fault in world.faults],
        "requests": len(world.request_log),
    }


def _reset(world: World, request: Request, body: Body) -> Body:
    number = body.get("messages", world.source.messages_per_mailbox)
    if number is not None and (not isinstance(number, int) or number < 0):
        raise BadRequest("'messages' must be a number.")
    world.source.messages_per_mailbox = number
    if "seed" in body:
        if not isinstance(body["seed"], int):
            raise BadRequest("'seed' must be a number.")
        world.seed = body["seed"]
    world.reset()
    return _state(world, request, body)


def _clock(world: World, request: Request, body: Body) -> Body:
    return views.clock(world)


def _move_clock(world: World, request: Request, body: Body) -> Body:
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
    return views.clock(world)


# -- scenarios -------------------------------------------------------------------------------------------------------


def _scenarios(world: World, request: Request, body: Body) -> Body:
    return {
        "scenarios": [{"id": item.id, "title": item.title} for item in SCENARIOS.values()],
        "active": {tenant.default_domain: tenant.scenario for tenant in world.tenants if tenant.scenario},
    }


def _set_scenario(world: World, request: Request, body: Body) -> Body:
    tenant = _tenant(world, request)
    try:
        set_scenario(world, tenant, _text(body, "id"))
    except UnknownScenario as error:
        raise BadRequest(f"There is no scenario {error}.") from None
    return views.tenant(tenant)


def _clear_scenario(world: World, request: Request, body: Body) -> Body:
    tenant = _tenant(world, request)
    clear_scenario(world, tenant)
    return views.tenant(tenant)


async def _pretend(world: World, request: Request) -> Response:
    """Take the form beside a page: choose a scenario, then begin the flow anew."""
    try:
        form = await read_form(request)
        _refuse_foreign_origin(request)
    except (EntraError, BadRequest):
        return RedirectResponse("/", 303)
    tenant = world.find_tenant(form.get("tenant", ""))
    if tenant is not None:
        if form.get("scenario") in SCENARIOS:
            set_scenario(world, tenant, form["scenario"])
        else:
            clear_scenario(world, tenant)
    back_to = form.get("back_to", "/")
    is_local = back_to.startswith("/") and not back_to.startswith(("//", "/\\"))
    return RedirectResponse(back_to if is_local else "/", 303)


# -- tenants ---------------------------------------------------------------------------------------------------------


def _tenants(world: World, request: Request, body: Body) -> Body:
    return {"tenants": [views.tenant(tenant) for tenant in world.tenants]}


def _add_tenant(world: World, request: Request, body: Body) -> Body:
    domain = _text(body, "domain").lower()
    if world.find_tenant(domain) is not None:
        raise BadRequest(f"{domain} is taken.")
    return views.tenant(add_tenant(world, domain))


def _tenant_detail(world: World, request: Request, body: Body) -> Body:
    return views.tenant(_tenant(world, request))


def _set_policies(world: World, request: Request, body: Body) -> Body:
    tenant = _tenant(world, request)
    set_policies(tenant.policies, body)
    return views.tenant(tenant)


def _revoke_tenant(world: World, request: Request, body: Body) -> Body:
    tenant = _tenant(world, request)
    tenant.sessions_valid_from = world.clock.now()
    return views.tenant(tenant)


def _grants(world: World, request: Request, body: Body) -> Body:
    return views.grants(_tenant(world, request))


def _add_grant(world: World, request: Request, body: Body) -> Body:
    tenant = _tenant(world, request)
    app = world.apps.get(_text(body, "app_id").lower())
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


def _remove_grants(world: World, request: Request, body: Body) -> Body:
    tenant = _tenant(world, request)
    app_id = request.query_params.get("app_id")
    return {"removed": remove_grants(tenant, app_id.lower() if app_id else None), **views.grants(tenant)}


def _change_principal(world: World, request: Request, body: Body) -> Body:
    tenant, app = _tenant(world, request), _app(world, request)
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


def _remove_principal(world: World, request: Request, body: Body) -> Body:
    tenant, app = _tenant(world, request), _app(world, request)
    tenant.service_principals.pop(app.app_id, None)
    remove_grants(tenant, app.app_id)
    return views.grants(tenant)


def _approval_requests(world: World, request: Request, body: Body) -> Body:
    tenant = _tenant(world, request)
    return {"approval_requests": [asdict(item) for item in tenant.consent_requests]}


def _decide(world: World, request: Request, body: Body) -> Body:
    tenant = _tenant(world, request)
    wanted = request.path_params["request"]
    found = next((item for item in tenant.consent_requests if item.id == wanted), None)
    if found is None:
        raise NotFound(f"There is no approval request {wanted}.")
    decision = body.get("decision")
    if decision not in ("approve", "deny", "block"):
        raise BadRequest("'decision' must be approve, deny or block.")
    reviewer = world.find_user(_text(body, "reviewer"), tenant)
    if reviewer is None:
        raise NotFound(f"There is no user {body['reviewer']}.")
    try:
        decide_request(world, tenant, found, reviewer, decision)
    except NotAReviewer as error:
        raise BadRequest(str(error)) from None
    return asdict(found)


def _invite(world: World, request: Request, body: Body) -> Body:
    tenant = _tenant(world, request)
    home = world.find_user(_text(body, "address"))
    if home is None or home.is_guest or home.tenant is tenant:
        raise BadRequest("'address' must be a member of another tenant.")
    guest = world.guest_in(tenant, home) or invite(tenant, home)
    if guest not in tenant.users:
        tenant.users.append(guest)
    return views.user(guest)


# -- people ----------------------------------------------------------------------------------------------------------


def _users(world: World, request: Request, body: Body) -> Body:
    wanted = request.query_params.get("tenant")
    tenant = world.find_tenant(wanted) if wanted else None
    if wanted and tenant is None:
        raise NotFound(f"There is no tenant {wanted}.")
    found = [user for item in ([tenant] if tenant else world.tenants) for user in item.users]
    return {"users": [views.user(user) for user in found]}


def _add_user(world: World, request: Request, body: Body) -> Body:
    from m365_emulator.world.seed.build import add_person

    address = _text(body, "address")
    tenant = world.find_tenant(address.rpartition("@")[2])
    if tenant is None:
        raise NotFound("There is no tenant for this address.")
    if world.find_user(address) is not None:
        raise BadRequest(f"{address} is taken.")
    return views.user(add_person(tenant, body))


def _user_detail(world: World, request: Request, body: Body) -> Body:
    return views.user(_user(world, request))


def _change_user(world: World, request: Request, body: Body) -> Body:
    user = _user(world, request)
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


def _delete_user(world: World, request: Request, body: Body) -> Body:
    user = _user(world, request)
    user.deleted = True
    return views.user(user)


def _revoke_user(world: World, request: Request, body: Body) -> Body:
    user = _user(world, request)
    user.sessions_valid_from = world.clock.now()
    return views.user(user)


# -- apps ------------------------------------------------------------------------------------------------------------


def _apps(world: World, request: Request, body: Body) -> Body:
    return {"apps": [views.app(app) for app in world.apps.values()]}


def _app_detail(world: World, request: Request, body: Body) -> Body:
    return views.app(_app(world, request))


def _change_app(world: World, request: Request, body: Body) -> Body:
    app = _app(world, request)
    known = {"publisher_verified", "is_disabled", "implicit_id_token", "directory_role_claims", "is_public_client",
             "redirect_uris", "secrets", "certificates", "delegated", "application", "optional_claims"}  # fmt: skip
    if unknown := set(body) - known:
        raise BadRequest(f"Unknown field: {', '.join(sorted(unknown))}.")
    for name, value in body.items():
        if isinstance(getattr(app, name), bool):
            if not isinstance(value, bool):
                raise BadRequest(f"'{name}' must be true or false.")
            setattr(app, name, value)
    if "redirect_uris" in body:
        app.redirect_uris = [_redirect(entry) for entry in cast("list[Any]", body["redirect_uris"])]
    if "secrets" in body:
        app.secrets = [_secret(entry) for entry in cast("list[Any]", body["secrets"])]
    for name in ("certificates", "optional_claims"):
        if name in body:
            setattr(app, name, [str(value) for value in cast("list[Any]", body[name])])
    for name in ("delegated", "application"):
        if name in body:
            if not isinstance(body[name], dict):
                raise BadRequest(f"'{name}' must map a resource id to permissions.")
            setattr(app, name, {str(key): [str(v) for v in values] for key, values in body[name].items()})
    return views.app(app)


def _redirect(entry: Any) -> RedirectURI:
    if isinstance(entry, str):
        return RedirectURI(entry)
    platform = entry.get("platform", "web")
    if platform not in ("web", "spa", "public") or not isinstance(entry.get("url"), str):
        raise BadRequest("A redirect URI is a text, or has 'url' and 'platform' web, spa or public.")
    return RedirectURI(entry["url"], platform)


def _secret(entry: Any) -> ClientSecret:
    if isinstance(entry, str):
        return ClientSecret(entry)
    try:
        expires = datetime.fromisoformat(entry["expires_at"]) if entry.get("expires_at") else None
        return ClientSecret(str(entry["value"]), expires)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise BadRequest("A secret is a text, or has 'value' and 'expires_at' (RFC 3339).") from None


def _roll_keys(world: World, request: Request, body: Body) -> Body:
    current = world.keyring.roll()
    return {"current": current.kid, "published": [key.kid for key in world.keyring.keys]}


# -- faults and requests ---------------------------------------------------------------------------------------------


def _faults(world: World, request: Request, body: Body) -> Body:
    return {"faults": [fault.as_dict() for fault in world.faults]}


def _add_fault(world: World, request: Request, body: Body) -> Body:
    try:
        return world.faults.add(**body).as_dict()
    except (ValueError, TypeError) as error:
        raise BadRequest(str(error)) from None


def _clear_faults(world: World, request: Request, body: Body) -> Body:
    world.faults.clear()
    return _faults(world, request, body)


def _remove_fault(world: World, request: Request, body: Body) -> Body:
    if not world.faults.remove(request.path_params["fault"]):
        raise NotFound("There is no such fault.")
    return _faults(world, request, body)


def _requests(world: World, request: Request, body: Body) -> Body:
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


def _request_detail(world: World, request: Request, body: Body) -> Body:
    number = request.path_params["number"]
    entry = world.request_log.find(int(number)) if number.isdigit() else None
    if entry is None:
        raise NotFound("That request is not kept any more.")
    return {**as_dict(entry), "text": entry.as_text()}


def _clear_requests(world: World, request: Request, body: Body) -> Body:
    world.request_log.clear()
    return {"requests": []}


def _notifications(world: World, request: Request, body: Body) -> Body:
    return {"notifications": list(world.state.get("sent_notifications", []))}


# -- snapshots -------------------------------------------------------------------------------------------------------


def _snapshots(world: World, request: Request, body: Body) -> Body:
    return {"snapshots": {name: len(data) for name, data in world.snapshots.items()}}


def _take_snapshot(world: World, request: Request, body: Body) -> Body:
    world.snapshots[request.path_params["name"]] = snapshot.dump(world)
    return _snapshots(world, request, body)


def _restore_snapshot(world: World, request: Request, body: Body) -> Body:
    data = world.snapshots.get(request.path_params["name"])
    if data is None:
        raise NotFound("There is no such snapshot.")
    snapshot.restore(world, data)
    return _state(world, request, body)


def _drop_snapshot(world: World, request: Request, body: Body) -> Body:
    world.snapshots.pop(request.path_params["name"], None)
    return _snapshots(world, request, body)


def _persist(world: World, request: Request, body: Body) -> Body:
    if world.data_file is None:
        raise BadRequest("The emulator was started without --data.")
    snapshot.save(world, world.data_file)
    return {"file": str(world.data_file)}
