"""Verifies ID tokens ourselves: the one place that decides whether Microsoft vouches for a person (SR-10)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ostiary.adapters.entra.clouds import Cloud
from ostiary.adapters.entra.keys import SigningKeys
from ostiary.adapters.entra.signed_token import (
    SignedTokenReader,
    guid,
    key_may_sign,
    require,
    token_time,
)
from ostiary.core.kernel.clock import Clock
from ostiary.core.signin.model import MicrosoftIdentity, SignedClaims

_LONGEST_NAME: Final = 256


class IdTokenVerifier:
    """Verifies the ID tokens of one cloud."""

    def __init__(self, *, cloud: Cloud, keys: SigningKeys, clock: Clock) -> None:
        self._cloud = cloud
        self._reader = SignedTokenReader(keys=keys, clock=clock)

    async def verify(self, token: str, *, client_id: str, nonce: str | None) -> SignedClaims:
        """Return the claims of a token that is good in every respect.

        Args:
            nonce: The one sent in the authorization request; None only for a token from a refresh.

        Raises:
            FlowRejected: Not good. Never says why to the person; the cause is chained for the log.
            TemporarilyUnavailable: Microsoft's keys cannot be fetched.

        Source: OpenID Connect Core 3.1.3.7; entra-id.md §3.4.
        """
        key = await self._reader.signing_key(token)
        claims = self._reader.verified_payload(token, key)
        tenant_id = guid(claims, "tid")
        issuer = self._cloud.issuer(tenant_id)
        require(claims.get("iss") == issuer, "issuer")
        require(key_may_sign(key, issuer, tenant_id), "key of another issuer")
        require(claims.get("aud") == client_id, "audience")
        require(claims.get("azp", client_id) == client_id, "authorized party")
        require(claims.get("ver") == "2.0", "version")
        issued_at = self._reader.check_times(claims)
        if nonce is not None:
            given = claims.get("nonce")
            require(isinstance(given, str) and hmac.compare_digest(given.encode(), nonce.encode()), "nonce")
        return SignedClaims(
            identity=MicrosoftIdentity(self._cloud.name, tenant_id, guid(claims, "oid")),
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
    return min(datetime.fromtimestamp(token_time(claims, "auth_time"), UTC), issued_at)


def _words(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        return frozenset()
    return frozenset(item for item in value if isinstance(item, str) and len(item) <= 32)


def _is_guest(claims: Mapping[str, Any], issuer: str) -> bool:
    """Guests carry their home issuer in ``idp``, or ``acct`` 1 where the vendor asked for it (entra-id.md §3.1)."""
    provider = claims.get("idp")
    return (provider is not None and provider != issuer) or claims.get("acct") in (1, "1")
