"""On-behalf-of: a middle tier trades the token it was called with for one of another API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from m365_emulator.entra.consent import is_assigned
from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.grant_types.call import (
    TokenCall,
    check_app_in_tenant,
    check_person,
    check_sign_in_policies,
    person_answer,
)
from m365_emulator.entra.scopes import graph_only, own_api, parse_scopes
from m365_emulator.entra.tokens import SignIn, verify_jwt


def answer(call: TokenCall) -> dict[str, Any]:
    """Exchange a user's access token for our API.

    Interaction-type problems are `interaction_required` here, not `invalid_grant`.

    Source: learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow
    """
    if call.form.get("requested_token_use") != "on_behalf_of":
        raise EntraError(900144, "Parameter: 'requested_token_use'.")
    if call.client.authentication == "0":
        raise EntraError(7000216)
    world = call.world
    claims = verify_jwt(world, call.need("assertion"))
    own_names = {name.rstrip("/").lower() for name in own_api(call.app).identifier_uris}
    if (
        claims is None
        or str(claims.get("aud", "")).rstrip("/").lower() not in own_names
        or "scp" not in claims
    ):
        raise EntraError(50013, "The assertion must be a user's access token for the calling app.")
    if float(claims["exp"]) <= world.clock.now().timestamp():
        raise EntraError(500133)
    tenant = world.find_tenant(str(claims["tid"]))
    user = world.find_user(str(claims["oid"]), tenant)
    if tenant is None or user is None:
        raise EntraError(50034)
    if call.authority.tenant is not None and call.authority.tenant is not tenant:
        raise EntraError(50013, "The assertion is of another tenant.")
    check_app_in_tenant(tenant, call.app)
    check_person(tenant, user)
    if not is_assigned(tenant, user, call.app):
        raise EntraError(50105)
    sign_in = SignIn(
        tenant,
        user,
        datetime.fromtimestamp(int(claims["iat"]), UTC),
        "mfa" in claims.get("amr", ()),
        str(claims["uti"]),
    )
    check_sign_in_policies(
        tenant,
        user,
        signed_in_at=sign_in.signed_in_at,
        passed_mfa=sign_in.passed_mfa,
        now=world.clock.now(),
        interaction_error="interaction_required",
    )
    asked = parse_scopes(world, call.need("scope"))
    if len(asked.resources) > 1:
        raise EntraError(700022)
    return person_answer(
        call,
        sign_in,
        next(iter(asked.resources), None) or graph_only(world),
        asked.oidc,
        with_refresh_token="offline_access" in asked.oidc,
        error="interaction_required",
    )
