"""The end of a flow that went well: code, ID token, or the admin consent answer."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from starlette.responses import Response

from m365_emulator.entra.authorization import AuthorizationRequest, Refused, send_back
from m365_emulator.entra.codes import AuthorizationCode, new_code_id, seal_code
from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.grant_types.device_code import find_by_user_code
from m365_emulator.entra.scopes import ScopeRequest
from m365_emulator.entra.tokens import SignIn, client_info, issue_id_token
from m365_emulator.web import render

if TYPE_CHECKING:
    from m365_emulator.world.world import World


def finish(
    world: World, request: AuthorizationRequest, scopes: ScopeRequest | None, sign_in: SignIn
) -> Response:
    """Send the browser back with what it came for."""
    state = "" if sign_in.tenant.policies.omit_state else request.state or ""
    if request.is_for_tenant:
        values = {"admin_consent": "True", "tenant": sign_in.tenant.id, "state": state}
        if scopes is not None:
            values["scope"] = _granted_scope(scopes, sign_in)
        return send_back(request, values)
    if request.kind == "device":
        return _finish_device(world, request, sign_in)
    return send_back(request, _sign_in_values(world, request, scopes or ScopeRequest(""), sign_in, state))


def _granted_scope(scopes: ScopeRequest, sign_in: SignIn) -> str:
    withheld = sign_in.tenant.policies.withheld_scopes
    return " ".join(word for word in scopes.text.split() if word.rpartition("/")[2] not in withheld)


def _sign_in_values(
    world: World, request: AuthorizationRequest, scopes: ScopeRequest, sign_in: SignIn, state: str
) -> dict[str, str]:
    params = request.params
    values: dict[str, str] = {}
    if "code" in request.response_type or request.kind == "authorize_v1":
        values["code"] = seal_code(world, _code(world, request, scopes, sign_in))
    if "id_token" in request.response_type:
        values["id_token"] = issue_id_token(
            world,
            sign_in,
            request.app,
            issuer_base=request.base_url,
            oidc_scopes=set(scopes.oidc),
            nonce=params.get("nonce"),
            code=values.get("code"),
        )
    if params.get("client_info") == "1":
        values["client_info"] = client_info(world, sign_in.user)
    values["state"] = state
    values["session_state"] = str(uuid.uuid5(uuid.NAMESPACE_OID, sign_in.session_id))
    return values


def _code(
    world: World, request: AuthorizationRequest, scopes: ScopeRequest, sign_in: SignIn
) -> AuthorizationCode:
    params = request.params
    return AuthorizationCode(
        id=new_code_id(world),
        app_id=request.app.app_id,
        tenant_id=sign_in.tenant.id,
        oid=sign_in.user.oid,
        redirect_uri=request.redirect_uri,
        scope=scopes.text,
        issued_at=world.clock.now().timestamp(),
        signed_in_at=sign_in.signed_in_at.timestamp(),
        passed_mfa=sign_in.passed_mfa,
        session_id=sign_in.session_id,
        platform=request.platform,
        nonce=params.get("nonce"),
        challenge=params.get("code_challenge") or None,
        challenge_method=params.get("code_challenge_method", "plain"),
        wants_auth_time=bool(params.get("max_age")),
        authority=request.authority.segment,
    )


def _finish_device(world: World, request: AuthorizationRequest, sign_in: SignIn) -> Response:
    device = find_by_user_code(world, request.params.get("user_code", ""))
    if device is None:
        raise Refused(EntraError(70020))
    device.status, device.tenant_id, device.oid = "approved", sign_in.tenant.id, sign_in.user.oid
    device.signed_in_at, device.passed_mfa = sign_in.signed_in_at.timestamp(), sign_in.passed_mfa
    device.session_id = sign_in.session_id
    return render(
        "message.html",
        title="You have signed in",
        text=f"{request.app.display_name} goes on by itself. You can close this page.",
    )


def decline_device(world: World, request: AuthorizationRequest) -> Response:
    """Tell the waiting device that its person said no, or was not let in."""
    device = find_by_user_code(world, request.params.get("user_code", ""))
    if device is not None:
        device.status = "declined"
    return render(
        "message.html",
        title="You have not signed in",
        text=f"{request.app.display_name} is told. You can close this page.",
    )
