"""Verifies ID tokens ourselves: the one place that decides whether Microsoft vouches for a person (SR-10)."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import jwt

from ostiary.adapters.entra.clouds import Cloud
from ostiary.adapters.entra.keys import SigningKey, SigningKeys
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import FlowRejected
from ostiary.core.signin.model import MicrosoftIdentity, SignedClaims

ALGORITHMS: Final = frozenset({"RS256", "PS256"})
LEEWAY_SECONDS: Final = 60
"""Tolerated difference between Microsoft's clock and ours."""
LONGEST_TOKEN: Final = 32 * 1024
_LONGEST_LIFE_SECONDS: Final = 26 * 3600
"""ID tokens live about an hour, a day at most by policy; a longer one is not Microsoft's."""

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_NAME: Final = 256


class IdTokenVerifier:
    """Verifies the ID tokens of one cloud."""

    def __init__(self, *, cloud: Cloud, keys: SigningKeys, clock: Clock) -> None:
        self._cloud = cloud
        self._keys = keys
        self._clock = clock

    async def verify(self, token: str, *, client_id: str, nonce: str | None) -> SignedClaims:
        """Return the claims of a token that is good in every respect.

        Args:
            nonce: The one sent in the authorization request; None only for a token from a refresh.

        Raises:
            FlowRejected: Not good. Never says why to the person; the cause is chained for the log.
            TemporarilyUnavailable: Microsoft's keys cannot be fetched.

        Source: OpenID Connect Core 3.1.3.7; entra-id.md §3.4.
        """
        key = await self._signing_key(token)
        claims = self._verified_payload(token, key)
        tenant_id = _guid(claims, "tid")
        issuer = self._cloud.issuer(tenant_id)
        _require(claims.get("iss") == issuer, "issuer")
        _require(_key_may_sign(key, issuer, tenant_id), "key of another issuer")
        _require(claims.get("aud") == client_id, "audience")
        _require(claims.get("azp", client_id) == client_id, "authorized party")
        _require(claims.get("ver") == "2.0", "version")
        issued_at = self._check_times(claims)
        if nonce is not None:
            given = claims.get("nonce")
            _require(isinstance(given, str) and hmac.compare_digest(given.encode(), nonce.encode()), "nonce")
        return SignedClaims(
            identity=MicrosoftIdentity(self._cloud.name, tenant_id, _guid(claims, "oid")),
            username=_name(claims.get("preferred_username")),
            display_name=_name(claims.get("name")),
            issued_at=issued_at,
            role_template_ids=_role_ids(claims.get("wids")),
            is_guest=_is_guest(claims, issuer),
            login_hint=_name(claims.get("login_hint")) or None,
            authenticated_at=_authenticated_at(claims, issued_at),
            authentication_methods=_words(claims.get("amr")),
            authentication_contexts=_words(claims.get("acrs")),
        )

    async def _signing_key(self, token: str) -> SigningKey:
        _require(len(token) <= LONGEST_TOKEN, "size")
        segments = token.split(".")
        # Strict base64url without padding: anything laxer lets one token have several spellings.
        _require(len(segments) == 3 and all(_is_strict(segment) for segment in segments), "form")
        try:
            header: Mapping[str, Any] = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise _refused("header") from error
        algorithm = header.get("alg")
        _require(isinstance(algorithm, str) and algorithm in ALGORITHMS, "algorithm")
        # No extension is understood here, so a token that insists on one cannot be judged (RFC 7515 4.1.11).
        _require("crit" not in header and "b64" not in header, "critical header")
        _require(str(header.get("typ", "JWT")).upper() == "JWT", "type")
        # Keys that the token itself brings or points to (jwk, jku, x5u, x5c) are never looked at.
        key_id = header.get("kid")
        if not isinstance(key_id, str) or not 0 < len(key_id) <= 128:
            raise _refused("key id")
        key = await self._keys.find(key_id)
        if key is None:
            raise _refused("unknown key")
        return key

    def _verified_payload(self, token: str, key: SigningKey) -> Mapping[str, Any]:
        try:
            # Only the signature here: the claims are judged below, against our own clock.
            payload: Mapping[str, Any] = jwt.decode(
                token,
                key.public_key,
                algorithms=sorted(ALGORITHMS),
                options={
                    "verify_signature": True,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "verify_iss": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise _refused("signature") from error
        return payload

    def _check_times(self, claims: Mapping[str, Any]) -> datetime:
        now = self._clock.now().timestamp()
        expires, begins, issued = _time(claims, "exp"), _time(claims, "nbf"), _time(claims, "iat")
        _require(expires + LEEWAY_SECONDS > now, "expired")
        _require(begins - LEEWAY_SECONDS <= now, "not yet valid")
        _require(issued - LEEWAY_SECONDS <= now, "issued in the future")
        _require(0 < expires - issued <= _LONGEST_LIFE_SECONDS, "life")
        return datetime.fromtimestamp(issued, UTC)


def _is_strict(segment: str) -> bool:
    """Whether a segment is the one spelling of its bytes: the bits that its last letter has too many are zero."""
    if _SEGMENT.fullmatch(segment) is None or len(segment) % 4 == 1:
        return False
    content = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    return base64.urlsafe_b64encode(content).rstrip(b"=") == segment.encode()


def _key_may_sign(key: SigningKey, issuer: str, tenant_id: str) -> bool:
    """Whether the key's own published issuer fits: personal accounts have keys of their own (entra-id.md §1.6)."""
    return key.issuer is None or key.issuer.replace("{tenantid}", tenant_id) == issuer


def _guid(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or _GUID.fullmatch(value) is None:
        raise _refused(name)
    return value


def _time(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    # True is an int in Python, and a huge number would overflow datetime.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 40:
        raise _refused(name)
    return value


def _name(value: object) -> str:
    return value[:_LONGEST_NAME] if isinstance(value, str) else ""


def _role_ids(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        return frozenset()
    return frozenset(item.lower() for item in value if isinstance(item, str) and len(item) == 36)


def _authenticated_at(claims: Mapping[str, Any], issued_at: datetime) -> datetime | None:
    if "auth_time" not in claims:
        return None
    # Nobody proved who they are after the token that says so was made.
    return min(datetime.fromtimestamp(_time(claims, "auth_time"), UTC), issued_at)


def _words(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        return frozenset()
    return frozenset(item for item in value if isinstance(item, str) and len(item) <= 32)


def _is_guest(claims: Mapping[str, Any], issuer: str) -> bool:
    """Guests carry their home issuer in ``idp``, or ``acct`` 1 where the vendor asked for it (entra-id.md §3.1)."""
    provider = claims.get("idp")
    return (provider is not None and provider != issuer) or claims.get("acct") in (1, "1")


def _require(fits: bool, what: str) -> None:
    if not fits:
        raise _refused(what)


def _refused(what: str) -> FlowRejected:
    error = FlowRejected("Microsoft's sign-in could not be verified.", reason="session_lost")
    error.add_note(f"ID token refused: {what}")
    return error
