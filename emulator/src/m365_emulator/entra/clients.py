"""Client authentication: secrets by body or Basic, and signed assertions."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote_plus

import jwt
import orjson
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.tokens import ClientAuthentication
from m365_emulator.world.apps import AppRegistration, FederatedCredential
from m365_emulator.world.ids import is_guid
from m365_emulator.world.keys import thumbprints

if TYPE_CHECKING:
    from m365_emulator.world.tenants import Tenant
    from m365_emulator.world.world import World

JWT_BEARER_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALLOWED_SKEW_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Client:
    """A client that has proved who it is, or is public."""

    app: AppRegistration
    authentication: ClientAuthentication


def basic_credentials(header: str | None) -> tuple[str, str] | None:
    """Return client id and secret of a Basic header; both parts are form-encoded (RFC 6749, 2.3.1)."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise EntraError(
            9002313, "The Basic credentials cannot be decoded.", error="invalid_request"
        ) from None
    return (unquote_plus(name), unquote_plus(secret)) if colon else None


def find_app(world: World, client_id: str, tenant_name: str) -> AppRegistration:
    """Return the app registration.

    Raises:
        EntraError: 90023 when the id is no GUID, 700016 when nothing is registered under it.
    """
    app = world.apps.get(client_id.lower())
    if app is None:
        if client_id and not is_guid(client_id):
            raise EntraError(700016, f"The application identifier '{client_id[:64]}' is not a GUID.")
        raise EntraError(700016, f"Application '{client_id[:64]}', directory '{tenant_name[:64]}'.")
    return app


def authenticate(
    world: World,
    form: dict[str, str],
    authorization_header: str | None,
    *,
    token_urls: list[str],
    tenant_name: str,
    tenant: Tenant | None,
) -> Client:
    """Find out which client calls, and check its proof.

    Args:
        token_urls: Every `aud` that an assertion may carry.

    Raises:
        EntraError: 7000218, 7000215, 7000222, 700025, 700027 and relatives.
    """
    basic = basic_credentials(authorization_header)
    client_id = form.get("client_id") or (basic[0] if basic else "") or _assertion_subject(form)
    if not client_id:
        raise EntraError(900144, "Parameter: 'client_id'.")
    app = find_app(world, client_id, tenant_name)
    secret = form.get("client_secret") or (basic[1] if basic else "")
    assertion = form.get("client_assertion", "")
    if app.is_public_client:
        if secret or assertion:
            raise EntraError(700025, f"Application: '{app.app_id}'.")
        return Client(app, "0")
    if assertion:
        if form.get("client_assertion_type") != JWT_BEARER_ASSERTION:
            raise EntraError(900144, "Parameter: 'client_assertion_type'.")
        _check_assertion(world, app, assertion, token_urls)
        return Client(app, "2")
    if not secret:
        raise EntraError(7000218)
    _check_secret(world, app, secret, tenant)
    return Client(app, "1")


def _assertion_subject(form: dict[str, str]) -> str:
    try:
        return str(_unverified(form["client_assertion"])[1].get("sub", ""))
    except (KeyError, EntraError):
        return ""


def _check_secret(world: World, app: AppRegistration, secret: str, tenant: Tenant | None) -> None:
    known = next((item for item in app.secrets if item.value == secret), None)
    if known is None:
        raise EntraError(7000215, f"Application: '{app.app_id}'.")
    expired = known.expires_at is not None and known.expires_at <= world.clock.now()
    if expired or (tenant is not None and tenant.policies.client_secret_expired):
        raise EntraError(7000222, f"Application: '{app.app_id}'.")


def _unverified(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims; some clients leave base64 padding in every segment."""
    segments = [part.rstrip("=") for part in assertion.split(".")]
    try:
        parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in segments]
        header, claims = orjson.loads(parts[0]), orjson.loads(parts[1])
    except (ValueError, IndexError):
        raise EntraError(700027, "The client assertion is not a JWT.") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise EntraError(700027, "The client assertion is not a JWT.")
    return cast("dict[str, Any]", header), cast("dict[str, Any]", claims)


def _check_assertion(world: World, app: AppRegistration, assertion: str, token_urls: list[str]) -> None:
    header, claims = _unverified(assertion)
    if claims.get("iss") != app.app_id and app.federated_credentials:
        _check_federated(world, app, header, claims, assertion)
        return
    key = _certificate_key(world, app, header)
    _check_signature(assertion, key, header)
    if claims.get("iss") != app.app_id or claims.get("sub") != app.app_id:
        raise EntraError(700030)
    _check_times(world, claims)
    audiences: object = claims.get("aud")
    named = cast("list[object]", audiences) if isinstance(audiences, list) else [audiences]
    if not any(isinstance(name, str) and name.rstrip("/").lower() in token_urls for name in named):
        raise EntraError(50012, "The audience of the assertion is not the token endpoint.")


def _check_times(world: World, claims: dict[str, Any]) -> None:
    now = world.clock.now().timestamp()
    try:
        expires, begins = float(claims["exp"]), float(claims.get("nbf", 0))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise EntraError(700024, "The assertion has no usable 'exp'.") from None
    if not (begins - ALLOWED_SKEW_SECONDS <= now <= expires + ALLOWED_SKEW_SECONDS):
        raise EntraError(700024)


def _certificate_key(world: World, app: AppRegistration, header: dict[str, Any]) -> rsa.RSAPublicKey:
    named = {str(header.get(name, "")).rstrip("=") for name in ("x5t", "x5t#S256", "kid")} - {""}
    for pem in app.certificates:
        if named & set(thumbprints(pem)) or not named:
            certificate = x509.load_pem_x509_certificate(pem.encode())
            now = world.clock.now()
            if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
                raise EntraError(1000502)
            key = certificate.public_key()
            if isinstance(key, rsa.RSAPublicKey):
                return key
    raise EntraError(700027, f"Thumbprint of the key used by the client: '{', '.join(sorted(named))[:120]}'.")


def _check_signature(assertion: str, key: rsa.RSAPublicKey, header: dict[str, Any]) -> None:
    algorithm = str(header.get("alg"))
    if algorithm not in ("RS256", "PS256"):
        raise EntraError(700027, f"The algorithm '{algorithm[:16]}' is not accepted.")
    signing_input, _, signature = assertion.rpartition(".")
    try:
        raw = base64.urlsafe_b64decode(signature.rstrip("=") + "=" * (-len(signature.rstrip("=")) % 4))
    except (ValueError, binascii.Error):
        raise EntraError(700027) from None
    # The signature covers the segments as sent, padding and all.
    verifier = jwt.get_algorithm_by_name(algorithm)
    if not verifier.verify(signing_input.encode(), key, raw):
        raise EntraError(700027, "The signature of the assertion is wrong.")


def _check_federated(
    world: World, app: AppRegistration, header: dict[str, Any], claims: dict[str, Any], assertion: str
) -> None:
    issuer, subject, audience = (str(claims.get(name, "")) for name in ("iss", "sub", "aud"))
    same_issuer = [item for item in app.federated_credentials if item.issuer == issuer]
    if not same_issuer:
        raise EntraError(700211, f"Issuer: '{issuer[:120]}'.")
    same_subject = [item for item in same_issuer if item.subject == subject]
    if not same_subject:
        raise EntraError(700213, f"Subject: '{subject[:120]}'.")
    matching = next((item for item in same_subject if item.audience == audience), None)
    if matching is None:
        raise EntraError(700212, f"Audience: '{audience[:120]}'.")
    _check_times(world, claims)
    _check_signature(assertion, _federated_key(matching, header), header)


def _federated_key(credential: FederatedCredential, header: dict[str, Any]) -> rsa.RSAPublicKey:
    keys = cast("list[dict[str, Any]]", (credential.jwks or {}).get("keys", []))
    for entry in keys:
        if entry.get("kid") == header.get("kid"):
            key = jwt.PyJWK(entry, algorithm="RS256").key
            if isinstance(key, rsa.RSAPublicKey):
                return key
    raise EntraError(700211, "The issuer has no key with the assertion's key id.")
