"""`refresh_token`: new tokens for any consented resource, in any tenant where the person is known."""

from __future__ import annotations

import hashlib
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
from m365_emulator.entra.scopes import AskedResource, find_resource, graph_only, parse_scopes
from m365_emulator.entra.tokens import (
    REFRESH_TOKEN_IDLE,
    SPA_REFRESH_TOKEN_LIFETIME,
    SignIn,
    open_refresh_token,
    revoked_at,
)
from m365_emulator.world.tenants import Tenant, User


def answer(call: TokenCall) -> dict[str, Any]:
    """Redeem a refresh token. The old one stays valid, unless the app is in strict mode; the answer holds a new one.

    Source: learn.microsoft.com/entra/identity-platform/refresh-tokens
    """
    world = call.world
    content = open_refresh_token(world, call.need("refresh_token"))
    if content is None:
        raise EntraError(9002313, "The refresh token is malformed.", error="invalid_grant")
    if content["app"] != call.app.app_id:
        raise EntraError(70000, "The refresh token was issued to another client.", suberror="client_mismatch")
    spent = hashlib.sha256(call.form["refresh_token"].encode()).hexdigest()
    if spent in call.app.spent_refresh_tokens:
        raise EntraError(70000, "The refresh token was redeemed before, and this app's are good for once.")
    signed_in_tenant, signed_in_user = _holder(call, content)
    issued_at = datetime.fromtimestamp(content["iat"], UTC)
    _check_age(call, content, issued_at)
    check_person(signed_in_tenant, signed_in_user)
    revoked = revoked_at(signed_in_tenant, signed_in_user)
    if revoked is not None and issued_at < revoked:
        raise EntraError(50173, f"The grant was issued on {issued_at:%Y-%m-%dT%H:%M:%SZ}.")
    tenant, user = _target(call, signed_in_tenant, signed_in_user)
    if tenant.policies.outage:
        raise EntraError(90033)
    if tenant.policies.client_secret_expired and call.client.authentication != "0":
        raise EntraError(7000222, f"Application: '{call.app.app_id}'.")
    check_app_in_tenant(tenant, call.app)
    check_person(tenant, user)
    if not is_assigned(tenant, user, call.app):
        raise EntraError(50105, f"Application: '{call.app.app_id}' ({call.app.display_name}).")
    sign_in = SignIn(
        tenant, user, datetime.fromtimestamp(content["auth"], UTC), bool(content["mfa"]), str(content["sid"])
    )
    check_sign_in_policies(
        tenant,
        user,
        signed_in_at=sign_in.signed_in_at,
        passed_mfa=sign_in.passed_mfa,
        now=world.clock.now(),
        interaction_error=None,
    )
    scope = call.form.get("scope", "").strip()
    asked = parse_scopes(world, scope)
    resource = next(iter(asked.resources), None) or (graph_only(world) if scope else _last(call, content))
    if call.app.single_use_refresh_tokens:
        call.app.spent_refresh_tokens.add(spent)
    return person_answer(
        call,
        sign_in,
        resource,
        asked.oidc if scope else frozenset({"openid", "profile", "offline_access"}),
        platform=str(content["platform"]),
        with_refresh_token=True,
        began_at=datetime.fromtimestamp(content["began"], UTC),
    )


def _holder(call: TokenCall, content: dict[str, Any]) -> tuple[Tenant, User]:
    tenant = call.world.find_tenant(content["tid"])
    if tenant is None:
        raise EntraError(90002)
    user = call.world.find_user(content["oid"], tenant)
    if user is None:
        raise EntraError(50034, f"Directory: '{tenant.id}'.")
    return tenant, user


def _check_age(call: TokenCall, content: dict[str, Any], issued_at: datetime) -> None:
    now = call.world.clock.now()
    if content["platform"] == "spa":
        began = datetime.fromtimestamp(content["began"], UTC)
        if now - began > SPA_REFRESH_TOKEN_LIFETIME:
            raise EntraError(700084)
    elif now - issued_at > REFRESH_TOKEN_IDLE:
        raise EntraError(700082, f"The token was issued on {issued_at:%Y-%m-%dT%H:%M:%SZ}.")


def _target(call: TokenCall, tenant: Tenant, user: User) -> tuple[Tenant, User]:
    """Return where the new tokens are for: the same tenant, or another one that knows the person."""
    wanted = call.authority.tenant
    if wanted is None or wanted is tenant:
        return tenant, user
    home = call.world.home_of(user)
    if home is not None and home.tenant is wanted:
        return wanted, home
    guest = call.world.guest_in(wanted, home) if home else None
    if guest is None:
        raise EntraError(50020, f"Tenant: '{wanted.display_name}'.", error="invalid_grant")
    return wanted, guest

    return is_assigned(tenant, user, call.app)


def _last(call: TokenCall, content: dict[str, Any]) -> AskedResource:
    found = find_resource(call.world, str(content["aud"]))
    if found is None:
        return graph_only(call.world)
    resource, audience = found
    return AskedResource(resource, audience, (), False, audience + "/")
