"""`client_credentials`: the app acts for itself, with its granted application permissions."""

from __future__ import annotations

from typing import Any

from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.grant_types.call import TokenCall, check_service
from m365_emulator.entra.scopes import parse_scopes
from m365_emulator.entra.tokens import issue_access_token
from m365_emulator.world.grants import granted_roles


def answer(call: TokenCall) -> dict[str, Any]:
    """Return an app-only token; never a refresh token.

    A role that was taken away is simply missing from the token: the API answers
    403 then, not this endpoint.
    """
    if call.client.authentication == "0":
        raise EntraError(7000216)
    tenant = call.authority.tenant
    if tenant is None:
        raise EntraError(50059 if call.authority.segment == "organizations" else 9001023)
    if tenant.policies.outage:
        raise EntraError(90033)
    if tenant.policies.token_error is not None:
        raise EntraError(tenant.policies.token_error, "(Told so by the controls.)")
    asked = parse_scopes(call.world, call.need("scope"))
    if len(asked.resources) != 1 or not asked.resources[0].is_default:
        raise EntraError(70011, "Client credential flows must have one scope that ends in /.default.")
    resource = asked.resources[0]
    app = call.app
    principal = tenant.service_principals.get(app.app_id)
    if app.is_disabled or tenant.policies.app_disabled or (principal and not principal.account_enabled):
        raise EntraError(7000112, f"Application: '{app.app_id}' ({app.display_name}).")
    if principal is None:
        raise EntraError(7000229, f"Application: '{app.app_id}', directory: '{tenant.id}'.")
    check_service(tenant, resource)
    token, seconds = issue_access_token(
        call.world,
        tenant=tenant,
        app=app,
        audience=resource.audience,
        authentication=call.client.authentication,
        roles=granted_roles(tenant, app.app_id, resource.resource.app_id, at=call.world.clock.now()),
        declares_cp1=call.declares_cp1,
    )
    result: dict[str, Any] = {
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": token,
    }
    if seconds >= 7_200:
        result["refresh_in"] = seconds // 2
    return result
