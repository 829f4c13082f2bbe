"""A call of the token endpoint, and what all grants that act for a person share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import orjson

from m365_emulator.entra.authority import Authority
from m365_emulator.entra.clients import Client
from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.loops import check_loop
from m365_emulator.entra.scopes import AskedResource, echo
from m365_emulator.entra.tokens import (
    SignIn,
    client_info,
    issue_access_token,
    issue_id_token,
    issue_refresh_token,
)
from m365_emulator.world.apps import AppRegistration
from m365_emulator.world.grants import granted_scopes
from m365_emulator.world.ids import stable_guid
from m365_emulator.world.resources import EXCHANGE, GRAPH, OIDC_SCOPES
from m365_emulator.world.tenants import Tenant, User

if TYPE_CHECKING:
    from m365_emulator.world.world import World

REFRESH_EARLY_FROM_SECONDS = 7_200
"""Long-lived tokens say when to refresh: half-way. Source: MSAL, refresh_in."""


@dataclass(slots=True)
class TokenCall:
    """One request to the token endpoint, with an authenticated client."""

    world: World
    authority: Authority
    client: Client
    form: dict[str, str] = field(repr=False)
    base_url: str
    origin: str | None

    @property
    def app(self) -> AppRegistration:
        """The calling client's registration."""
        return self.client.app

    def need(self, name: str) -> str:
        """Return a parameter of the body; 900144 when it is missing."""
        value = self.form.get(name, "")
        if not value:
            raise EntraError(900144, f"Parameter: '{name}'.")
        return value

    @property
    def declares_cp1(self) -> bool:
        """True when the client asks for CAE tokens."""
        return declares_cp1(self.form.get("claims"))


def parse_claims(text: str | None) -> dict[str, Any]:
    """Return the `claims` parameter; 90023 when it is not a JSON object."""
    if not text:
        return {}
    try:
        parsed: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise EntraError(90023, "Parameter: 'claims' is not JSON.") from None
    if not isinstance(parsed, dict):
        raise EntraError(90023, "Parameter: 'claims' is not a JSON object.")
    return cast("dict[str, Any]", parsed)


def declares_cp1(text: str | None) -> bool:
    """Say whether a claims request declares the capability cp1 (any case)."""
    asked: Any = parse_claims(text).get("access_token")
    capability: Any = cast("dict[str, Any]", asked).get("xms_cc") if isinstance(asked, dict) else None
    values: Any = cast("dict[str, Any]", capability).get("values") if isinstance(capability, dict) else None
    return isinstance(values, list) and any(
        str(value).lower() == "cp1" for value in cast("list[object]", values)
    )


def check_app_in_tenant(tenant: Tenant, app: AppRegistration) -> None:
    """Raise 700016 or 7000112 when the app cannot get tokens here."""
    principal = tenant.service_principals.get(app.app_id)
    if app.is_disabled or tenant.policies.app_disabled or (principal and not principal.account_enabled):
        raise EntraError(7000112, f"Application: '{app.app_id}' ({app.display_name}).")
    if principal is None:
        raise EntraError(700016, f"Application '{app.app_id}', directory '{tenant.display_name}'.")


def check_person(tenant: Tenant, user: User) -> None:
    """Raise 50034, 50057 or 50055 when the person is gone, switched off, or must change the password."""
    forced = user.token_error or tenant.policies.token_error
    if forced is not None:
        raise EntraError(forced, "(Told so by the controls.)")
    if user.deleted:
        raise EntraError(50034, f"Directory: '{tenant.id}'.")
    if not user.account_enabled:
        raise EntraError(50057)
    if user.password_expired:
        raise EntraError(50055)


def check_sign_in_policies(
    tenant: Tenant,
    user: User,
    *,
    signed_in_at: datetime,
    passed_mfa: bool,
    now: datetime,
    interaction_error: str | None,
) -> None:
    """Raise what Conditional Access says about an old sign-in.

    Args:
        interaction_error: OAuth error used instead of `invalid_grant` (on-behalf-of).
    """
    policies = tenant.policies
    frequency = policies.sign_in_frequency_seconds
    if frequency is not None and (now - signed_in_at).total_seconds() > frequency:
        raise EntraError(70043)
    if policies.sign_in_blocked or policies.allowed_locations_only:
        raise EntraError(53003, error=interaction_error, claims=policy_claims(tenant))
    if policies.compliant_device_required:
        raise EntraError(53000, error=interaction_error, claims=policy_claims(tenant))
    if (policies.mfa_required or user.mfa_required) and not passed_mfa:
        raise EntraError(50076, error=interaction_error, claims=policy_claims(tenant))


def policy_claims(tenant: Tenant) -> str:
    """Return the claims that name the Conditional Access policy, to be passed to /authorize."""
    policy_id = stable_guid("conditional access policy", tenant.id)
    return orjson.dumps({"access_token": {"capolids": {"essential": True, "values": [policy_id]}}}).decode()


def check_service(tenant: Tenant, asked: AskedResource) -> None:
    """Raise 650052 when the tenant has not subscribed to the service behind the resource."""
    if asked.resource.app_id == EXCHANGE and not tenant.policies.exchange_subscribed:
        raise EntraError(650052, f"Service: '{asked.resource.display_name}'.")


def effective_scopes(
    call: TokenCall, tenant: Tenant, user: User, asked: AskedResource, *, error: str | None = None
) -> list[str]:
    """Return every permission granted for the resource, the asked ones first.

    Raises:
        EntraError: 65001 when something asked for is not granted (or has not spread yet).
    """
    now = call.world.clock.now()
    granted = granted_scopes(tenant, call.app.app_id, user, at=now).get(asked.resource.app_id, set())
    withheld = set(tenant.policies.withheld_scopes)
    missing = [name for name in asked.names if name not in granted and name not in withheld]
    usable = granted - {"offline_access"}
    if missing or not (usable if asked.resource.app_id == GRAPH else usable - set(OIDC_SCOPES)):
        raise EntraError(
            65001,
            f"Application '{call.app.app_id}' ({call.app.display_name}). Send an interactive authorization request.",
            error=error,
        )
    first = [name for name in asked.names if name in usable]
    return first + sorted(usable - set(first))


def person_answer(
    call: TokenCall,
    sign_in: SignIn,
    asked: AskedResource,
    oidc: frozenset[str],
    *,
    nonce: str | None = None,
    platform: str = "web",
    with_refresh_token: bool,
    wants_auth_time: bool = False,
    began_at: datetime | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    """Return the token answer for one person and one resource."""
    tenant, user = sign_in.tenant, sign_in.user
    check_loop(call.world, user, app_id=call.app.app_id, audience=asked.audience)
    check_service(tenant, asked)
    scopes = effective_scopes(call, tenant, user, asked, error=error)
    in_token = (
        scopes if asked.resource.app_id == GRAPH else [name for name in scopes if name not in OIDC_SCOPES]
    )
    token, seconds = issue_access_token(
        call.world,
        tenant=tenant,
        app=call.app,
        audience=asked.audience,
        authentication=call.client.authentication,
        user=user,
        scopes=in_token,
        declares_cp1=call.declares_cp1,
        passed_mfa=sign_in.passed_mfa,
    )
    answer: dict[str, Any] = {
        "token_type": "Bearer",
        "scope": echo(asked, in_token, oidc),
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": token,
    }
    if seconds >= REFRESH_EARLY_FROM_SECONDS:
        answer["refresh_in"] = seconds // 2
    if with_refresh_token:
        answer["refresh_token"] = issue_refresh_token(
            call.world, sign_in, call.app, audience=asked.audience, platform=platform, began_at=began_at
        )
    if "openid" in oidc:
        answer["id_token"] = issue_id_token(
            call.world,
            sign_in,
            call.app,
            issuer_base=call.base_url,
            oidc_scopes=set(oidc),
            nonce=nonce,
            wants_auth_time=wants_auth_time,
        )
    if call.form.get("client_info") == "1":
        answer["client_info"] = client_info(call.world, user)
    return answer
