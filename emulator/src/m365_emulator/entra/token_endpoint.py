"""The token endpoint and the start of the device flow."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from m365_emulator.entra.answers import base_url, error_answer, json_answer, read_form, token_headers
from m365_emulator.entra.authority import Authority, resolve_authority
from m365_emulator.entra.clients import authenticate, find_app
from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.grant_types import GRANT_TYPES, TokenCall
from m365_emulator.entra.grant_types import device_code as device_flow
from m365_emulator.entra.scopes import parse_scopes

if TYPE_CHECKING:
    from m365_emulator.world.world import World


def accepted_audiences(authority: Authority, base: str) -> list[str]:
    """Return every `aud` that a client assertion may carry, lower case."""
    host = base.partition("://")[2]
    hosts = (f"https://{host}", f"http://{host}", "https://login.microsoftonline.com")
    names = {authority.segment, authority.path}
    if authority.tenant:
        names |= {authority.tenant.id, *authority.tenant.domains}
    return [
        f"{prefix}/{name}{path}".lower()
        for prefix in hosts
        for name in names
        for path in ("/oauth2/v2.0/token", "/oauth2/token", "/v2.0", "")
    ]


async def token(world: World, request: Request) -> Response:
    """`POST /{tenant}/oauth2/v2.0/token` and its version 1 twin."""
    try:
        if request.method != "POST":
            raise EntraError(900561)
        authority = resolve_authority(world, request.path_params["tenant"])
        form = await read_form(request)
        content = _answer(world, request, authority, form)
    except EntraError as error:
        return error_answer(world, request, error)
    headers = token_headers(str(uuid.uuid4()))
    if request.headers.get("origin"):
        headers["access-control-allow-origin"] = request.headers["origin"]
    return json_answer(content, headers=headers)


def _answer(world: World, request: Request, authority: Authority, form: dict[str, str]) -> dict[str, object]:
    grant_type = form.get("grant_type", "")
    if not grant_type:
        raise EntraError(900144, "Parameter: 'grant_type'.")
    if authority.tenant is not None and authority.tenant.policies.outage:
        raise EntraError(90033)
    grant = GRANT_TYPES.get(grant_type)
    if grant is None:
        raise EntraError(70003, f"Grant type: '{grant_type[:64]}'.")
    base = base_url(request)
    client = authenticate(
        world,
        form,
        request.headers.get("authorization"),
        token_urls=accepted_audiences(authority, base),
        tenant_name=authority.segment,
        tenant=authority.tenant,
    )
    request.state.app_id = client.app.app_id
    if "resource" in form and not form.get("scope"):
        # Version 1 names a resource where version 2 names scopes.
        form = {**form, "scope": f"{form['resource'].rstrip('/')}/.default"}
    call = TokenCall(world, authority, client, form, base, request.headers.get("origin"))
    answer = grant(call)
    if request.url.path.endswith("/oauth2/token"):
        return _as_version_1(world, form, answer)
    return answer


def _as_version_1(world: World, form: dict[str, str], answer: dict[str, object]) -> dict[str, object]:
    seconds = int(str(answer["expires_in"]))
    now = int(world.clock.now().timestamp())
    return {
        **answer,
        "expires_in": str(seconds),
        "ext_expires_in": str(seconds),
        "not_before": str(now),
        "expires_on": str(now + seconds),
        "resource": form.get("resource", ""),
    }


async def device_code(world: World, request: Request) -> Response:
    """`POST /{tenant}/oauth2/v2.0/devicecode`."""
    try:
        if request.method != "POST":
            raise EntraError(900561)
        authority = resolve_authority(world, request.path_params["tenant"])
        form = await read_form(request)
        client_id = form.get("client_id", "")
        if not client_id:
            raise EntraError(900144, "Parameter: 'client_id'.")
        app = find_app(world, client_id, authority.segment)
        if not app.is_public_client:
            raise EntraError(7000218, "The device flow needs a public client.")
        scope = form.get("scope", "")
        parse_scopes(world, scope)
        device = device_flow.start(world, app_id=app.app_id, authority=authority.segment, scope=scope)
    except EntraError as error:
        return error_answer(world, request, error)
    address = f"{base_url(request)}/devicelogin"
    return json_answer(
        {
            "user_code": device.user_code,
            "device_code": device.device_code,
            "verification_uri": address,
            "expires_in": device_flow.DEVICE_CODE_SECONDS,
            "interval": device_flow.POLL_SECONDS,
            "message": f"To sign in, open the page {address} in a browser and enter the code {device.user_code}.",
        },
        headers=token_headers(str(uuid.uuid4())),
    )
