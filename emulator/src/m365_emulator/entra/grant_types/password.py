"""Resource owner password credentials: a program that asks for the password itself. Old, and refused where MFA is."""

from __future__ import annotations

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
from m365_emulator.entra.scopes import graph_only, parse_scopes
from m365_emulator.entra.tokens import SignIn, token_id


def answer(call: TokenCall) -> dict[str, Any]:
    """Sign a person in without a page. As on the pages, any password is right unless a policy says otherwise.

    Source: learn.microsoft.com/entra/identity-platform/v2-oauth-ropc
    """
    world, tenant = call.world, call.authority.tenant
    if call.authority.segment in ("common", "consumers"):
        raise EntraError(9001023)
    name = call.need("username")
    call.need("password")
    user = world.find_user(name, tenant)
    if user is None:
        raise EntraError(50034, f"Account: '{name[:320]}'.")
    tenant = tenant or user.tenant
    if tenant.policies.wrong_password:
        raise EntraError(50126)
    check_app_in_tenant(tenant, call.app)
    check_person(tenant, user)
    if not is_assigned(tenant, user, call.app):
        raise EntraError(50105)
    now = world.clock.now()
    check_sign_in_policies(tenant, user, signed_in_at=now, passed_mfa=False, now=now, interaction_error=None)
    asked = parse_scopes(world, call.need("scope"))
    return person_answer(
        call,
        SignIn(tenant, user, now, False, token_id(world)),
        next(iter(asked.resources), None) or graph_only(world),
        asked.oidc,
        platform="public" if call.app.is_public_client else "web",
        with_refresh_token="offline_access" in asked.oidc,
    )
