"""Issue and read tokens."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from m365_emulator.entra.seal import seal, unseal
from m365_emulator.world.apps import AppRegistration
from m365_emulator.world.keys import b64url
from m365_emulator.world.tenants import Tenant, User
from m365_emulator.world.world import World

ACCESS_TOKEN_SECONDS = (3_600, 5_399)
"""Random 60 to 90 minutes. Source: access tokens, token lifetime."""
CAE_TOKEN_SECONDS = (72_000, 100_800)
"""Random 20 to 28 hours for clients that declare cp1. Source: continuous access evaluation."""
CAE_APP_TOKEN_SECONDS = 86_399
ID_TOKEN_SECONDS = 3_600
CODE_SECONDS = 600
REFRESH_TOKEN_IDLE = timedelta(days=90)
SPA_REFRESH_TOKEN_LIFETIME = timedelta(hours=24)
REFRESH_TOKEN_BYTES = 900
"""Padded to about the length of real ones, which break columns that are too short."""
MEMBER_ROLE = "b79fbf4d-3ef9-4689-8143-76b194e85509"
"""In the `wids` of every member; not an administrator role."""

ClientAuthentication = Literal["0", "1", "2"]
"""`appidacr`: 0 public client, 1 secret, 2 certificate."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A verified access token, as a resource (Graph, EWS) needs it."""

    tenant: Tenant
    user: User | None
    """None when the app acts for itself."""
    app_id: str
    scopes: frozenset[str]
    """Delegated permissions, short names (`Mail.Read`)."""
    roles: frozenset[str]
    """Application permissions."""
    expires_at: datetime
    audience: str
    can_be_challenged: bool
    """The client declared cp1: it understands claims challenges."""


class InvalidToken(Exception):
    """The request carries no token that this resource can use; answer 401.

    Args:
        reason: A sentence for the error body.
        code: `InvalidAuthenticationToken` and the like.
        claims_challenge: JSON of claims to ask for, when the client can cure it
            by asking for a new token with them (CAE).
    """

    def __init__(self, reason: str, code: str, claims_challenge: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.claims_challenge = claims_challenge


@dataclass(frozen=True, slots=True)
class SignIn:
    """One completed sign-in: who, where, when and how strongly."""

    tenant: Tenant
    user: User
    signed_in_at: datetime
    passed_mfa: bool
    session_id: str


def sign_jwt(world: World, claims: dict[str, Any], *, with_x5t: bool = False) -> str:
    """Sign claims with the current key (RS256)."""
    key = world.keyring.current
    header: dict[str, Any] = {"typ": "JWT", "alg": "RS256", "kid": key.kid}
    if with_x5t:
        header["x5t"] = key.kid
    signed = b64url(orjson.dumps(header)) + "." + b64url(orjson.dumps(claims))
    signature = key.private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return signed + "." + b64url(signature)


def verify_jwt(world: World, token: str) -> dict[str, Any] | None:
    """Return the claims of a token that one of our published keys signed, else None."""
    known = world.keyring.verified.get(token)
    if known is not None:
        return known
    try:
        head, body, signature = token.split(".")
        header = orjson.loads(_b64decode(head))
        key = world.keyring.find(str(header["kid"])) if header.get("alg") == "RS256" else None
        if key is None:
            return None
        key.private.public_key().verify(
            _b64decode(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        claims = orjson.loads(_b64decode(body))
    except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature):
        return None
    if not isinstance(claims, dict):
        return None
    world.keyring.remember(token, claims)
    return claims


def _b64decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def pairwise_subject(app_id: str, oid: str) -> str:
    """Return the `sub` of one person for one app; other apps get another one."""
    return b64url(hashlib.sha256(f"{app_id}|{oid}".encode()).digest())


def token_id(world: World) -> str:
    """Return a new `uti`."""
    return b64url(world.rng.randbytes(16))


def issue_access_token(
    world: World,
    *,
    tenant: Tenant,
    app: AppRegistration,
    audience: str,
    authentication: ClientAuthentication,
    user: User | None = None,
    scopes: list[str] | None = None,
    roles: list[str] | None = None,
    declares_cp1: bool = False,
    passed_mfa: bool = False,
) -> tuple[str, int]:
    """Return an access token (version 1, as Graph and Exchange get) and its life in seconds.

    Source: access token claims reference.
    """
    now = world.clock.now()
    if declares_cp1:
        lifetime = world.rng.randint(*CAE_TOKEN_SECONDS) if user else CAE_APP_TOKEN_SECONDS
    else:
        lifetime = world.rng.randint(*ACCESS_TOKEN_SECONDS) if user else ACCESS_TOKEN_SECONDS[0] - 1
    principal = tenant.service_principals.get(app.app_id)
    claims: dict[str, Any] = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{tenant.id}/",
        "iat": _epoch(now),
        "nbf": _epoch(now),
        "exp": _epoch(now) + lifetime,
        "appid": app.app_id,
        "app_displayname": app.display_name,
        "appidacr": authentication,
        "idp": f"https://sts.windows.net/{tenant.id}/",
        "tid": tenant.id,
        "uti": token_id(world),
        "ver": "1.0",
    }
    if user is None:
        claims["idtyp"] = "app"
        claims["oid"] = claims["sub"] = principal.id if principal else app.app_id
        if roles:
            claims["roles"] = roles
    else:
        claims["oid"] = user.oid
        claims["sub"] = pairwise_subject(audience, user.oid)
        claims["name"] = user.display_name
        claims["upn"] = claims["unique_name"] = user.upn
        claims["scp"] = " ".join(scopes or [])
        claims["amr"] = ["pwd", "mfa"] if passed_mfa else ["pwd"]
        claims["wids"] = active_roles(tenant, user)
    if declares_cp1:
        claims["xms_cc"] = ["cp1"]
    token = sign_jwt(world, claims, with_x5t=True)
    world.keyring.remember(token, claims)
    return token, lifetime


def active_roles(tenant: Tenant, user: User) -> list[str]:
    """Return the `wids` of a person: activated directory roles."""
    roles = [] if tenant.policies.roles_inactive else list(user.roles)
    return roles if user.is_guest else [*roles, MEMBER_ROLE]


def issue_id_token(
    world: World,
    sign_in: SignIn,
    app: AppRegistration,
    *,
    issuer_base: str,
    oidc_scopes: set[str],
    nonce: str | None,
    wants_auth_time: bool = False,
    code: str | None = None,
) -> str:
    """Return a version 2 ID token.

    Args:
        issuer_base: Scheme and host that the client talks to.
        code: Given when the token is issued beside a code, for `c_hash`.

    Source: ID token claims reference.
    """
    now, user, tenant = world.clock.now(), sign_in.user, sign_in.tenant
    claims: dict[str, Any] = {
        "aud": app.app_id,
        "iss": f"{issuer_base}/{tenant.id}/v2.0",
        "iat": _epoch(now),
        "nbf": _epoch(now),
        "exp": _epoch(now) + ID_TOKEN_SECONDS,
        "aio": b64url(world.rng.randbytes(48)),
        "rh": "0." + b64url(world.rng.randbytes(36)),
        "sid": sign_in.session_id,
        "sub": pairwise_subject(app.app_id, user.oid),
        "uti": token_id(world),
        "ver": "2.0",
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if "profile" in oidc_scopes:
        claims |= {
            "oid": user.oid,
            "tid": tenant.id,
            "name": user.display_name,
            "preferred_username": _shown_name(world, user),
        }
    if user.mail and ("email" in oidc_scopes or user.is_guest or "email" in app.optional_claims):
        claims["email"] = user.mail
        if "xms_edov" in app.optional_claims:
            claims["xms_edov"] = True
    if user.is_guest and user.home_tenant_id:
        claims["idp"] = f"https://sts.windows.net/{user.home_tenant_id}/"
    if app.directory_role_claims:
        claims["wids"] = active_roles(tenant, user)
    claims |= _optional_claims(world, app, sign_in)
    if wants_auth_time:
        claims["auth_time"] = _epoch(sign_in.signed_in_at)
    if code is not None:
        claims["c_hash"] = b64url(hashlib.sha256(code.encode()).digest()[:16])
    return sign_jwt(world, claims)


def _shown_name(world: World, user: User) -> str:
    home = world.home_of(user)
    return home.upn if home else user.upn


def _optional_claims(world: World, app: AppRegistration, sign_in: SignIn) -> dict[str, Any]:
    user, tenant = sign_in.user, sign_in.tenant
    values: dict[str, Any] = {
        "acct": 1 if user.is_guest else 0,
        "login_hint": login_hint_of(world, user),
        "upn": user.upn,
        "auth_time": _epoch(sign_in.signed_in_at),
        "tenant_ctry": tenant.country,
        "tenant_region_scope": tenant.region,
        "verified_primary_email": [user.mail] if user.mail else [],
    }
    return {name: values[name] for name in app.optional_claims if name in values}


def login_hint_of(world: World, user: User) -> str:
    """Return the opaque `login_hint` claim of a person."""
    return "O." + seal(world, "login hint", {"oid": user.oid})


def client_info(world: World, user: User) -> str:
    """Return `client_info`: the HOME object id and tenant id, which for a guest differ from `oid` and `tid`."""
    home = world.home_of(user) or user
    return b64url(orjson.dumps({"uid": home.oid, "utid": home.tenant.id}))


def issue_refresh_token(
    world: World,
    sign_in: SignIn,
    app: AppRegistration,
    *,
    audience: str,
    platform: str,
    began_at: datetime | None = None,
) -> str:
    """Return a refresh token: for every resource, every tenant where the person is known, and not bound to scopes.

    Args:
        audience: Resource of a later refresh that names no scope.
        began_at: Start of the chain for single-page apps, whose 24 hours do not slide.
    """
    now = world.clock.now()
    content = {
        "app": app.app_id,
        "tid": sign_in.tenant.id,
        "oid": sign_in.user.oid,
        "iat": now.timestamp(),
        "auth": sign_in.signed_in_at.timestamp(),
        "mfa": sign_in.passed_mfa,
        "sid": sign_in.session_id,
        "aud": audience,
        "platform": platform,
        "began": (began_at or now).timestamp(),
    }
    return "1." + seal(world, "refresh token", content, pad_to=REFRESH_TOKEN_BYTES)


def open_refresh_token(world: World, text: str) -> dict[str, Any] | None:
    """Return what `issue_refresh_token` put in, or None for anything else."""
    return unseal(world, "refresh token", text[2:]) if text.startswith("1.") else None


def revoked_at(tenant: Tenant, user: User) -> datetime | None:
    """Return the moment before which everything issued to the person is dead."""
    moments = [moment for moment in (tenant.sessions_valid_from, user.sessions_valid_from) if moment]
    return max(moments, default=None)


def read_access_token(world: World, authorization_header: str | None, audiences: set[str]) -> AccessToken:
    """Verify a bearer token for one of `audiences` and return what it says.

    Raises:
        InvalidToken: No token, not ours, expired, revoked, or for another resource.
    """
    scheme, _, token = (authorization_header or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken("Access token is empty.", "InvalidAuthenticationToken")
    if token.count(".") != 2:
        raise InvalidToken(
            "IDX14100: JWT is not well formed, there are no dots (.).", "InvalidAuthenticationToken"
        )
    claims = verify_jwt(world, token)
    if claims is None:
        raise InvalidToken("Invalid JWT access token.", "InvalidAuthenticationToken")
    audience = str(claims.get("aud", ""))
    if audience.rstrip("/") not in {accepted.rstrip("/") for accepted in audiences}:
        raise InvalidToken("Access token validation failure. Invalid audience.", "InvalidAuthenticationToken")
    now = world.clock.now()
    expires_at = datetime.fromtimestamp(int(claims["exp"]), UTC)
    if expires_at <= now:
        raise InvalidToken("Lifetime validation failed, the token is expired.", "InvalidAuthenticationToken")
    tenant = world.find_tenant(str(claims["tid"]))
    if tenant is None:
        raise InvalidToken("The tenant of the token does not exist.", "InvalidAuthenticationToken")
    user = None if claims.get("idtyp") == "app" else _live_user(world, tenant, claims)
    return AccessToken(
        tenant=tenant,
        user=user,
        app_id=str(claims["appid"]),
        scopes=frozenset(str(claims.get("scp", "")).split()),
        roles=frozenset(claims.get("roles", ())),
        expires_at=expires_at,
        audience=audience,
        can_be_challenged="cp1" in claims.get("xms_cc", ()),
    )


def _live_user(world: World, tenant: Tenant, claims: dict[str, Any]) -> User:
    user = world.find_user(str(claims["oid"]), tenant)
    if user is None:
        raise InvalidToken("The user of the token does not exist any more.", "InvalidAuthenticationToken")
    revoked = revoked_at(tenant, user)
    can_be_challenged = "cp1" in claims.get("xms_cc", ())
    dead = not user.account_enabled or (revoked is not None and int(claims["iat"]) < int(revoked.timestamp()))
    if dead and can_be_challenged:
        # Without cp1 the token lives on until it expires, as at Microsoft.
        not_before = str(int((revoked or world.clock.now()).timestamp()))
        challenge = orjson.dumps({"access_token": {"nbf": {"essential": True, "value": not_before}}}).decode()
        raise InvalidToken(
            "Continuous access evaluation resulted in challenge with result: InteractionRequired"
            " and code: TokenIssuedBeforeRevocationTimestamp",
            "InvalidAuthenticationToken",
            challenge,
        )
    return user
