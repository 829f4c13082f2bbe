"""`authorization_code`: a code, and the proof that its holder asked for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

from m365_emulator.entra.codes import AuthorizationCode, open_code, use_up
from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.grant_types.call import TokenCall, check_app_in_tenant, check_person, person_answer
from m365_emulator.entra.scopes import graph_only, parse_scopes
from m365_emulator.entra.tokens import SignIn


def answer(call: TokenCall) -> dict[str, Any]:
    """Redeem a code.

    A redemption that fails leaves the code usable, so that a client that asked too
    early (before consent has spread) can ask again.
    """
    code = open_code(call.world, call.need("code"))
    _check_binding(call, code)
    tenant = call.world.find_tenant(code.tenant_id)
    user = call.world.find_user(code.oid, tenant)
    if tenant is None or user is None:
        raise EntraError(50034)
    if call.authority.tenant is not None and call.authority.tenant is not tenant:
        raise EntraError(700005)
    if tenant.policies.outage:
        raise EntraError(90033)
    if tenant.policies.client_secret_expired and call.client.authentication != "0":
        raise EntraError(7000222, f"Application: '{call.app.app_id}'.")
    check_app_in_tenant(tenant, call.app)
    check_person(tenant, user)
    authorized = parse_scopes(call.world, code.scope)
    asked = parse_scopes(call.world, call.form["scope"]) if call.form.get("scope") else authorized
    if call.form.get("scope") and len(asked.resources) > 1:
        raise EntraError(700022)
    resource = next(iter(asked.resources or authorized.resources), None) or graph_only(call.world)
    oidc = asked.oidc or authorized.oidc
    result = person_answer(
        call,
        SignIn(
            tenant, user, datetime.fromtimestamp(code.signed_in_at, UTC), code.passed_mfa, code.session_id
        ),
        resource,
        oidc,
        nonce=code.nonce,
        platform=code.platform,
        with_refresh_token="offline_access" in oidc | authorized.oidc,
        wants_auth_time=code.wants_auth_time,
    )
    use_up(call.world, code)
    return result


def _check_binding(call: TokenCall, code: AuthorizationCode) -> None:
    if code.app_id != call.app.app_id:
        raise EntraError(70000, "The code was issued to another client.")
    if call.need("redirect_uri") != code.redirect_uri:
        raise EntraError(500112, error="invalid_grant")
    if code.platform == "spa":
        if call.client.authentication != "0" and call.form.get("client_secret"):
            raise EntraError(700025)
        if not call.origin:
            raise EntraError(9002327)
    if code.challenge is None:
        return
    verifier = call.form.get("code_verifier", "")
    if not verifier:
        raise EntraError(50148, "The body has no 'code_verifier'.")
    if code.challenge_method == "S256":
        digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
        computed = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    else:
        computed = verifier
    if not hmac.compare_digest(
        computed.encode("utf-8", "replace"), code.challenge.encode("utf-8", "replace")
    ):
        raise EntraError(50148)
