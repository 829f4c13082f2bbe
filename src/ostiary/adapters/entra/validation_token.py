"""Verifies the tokens by which Microsoft says that a post of notifications is its own (SR-86)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ostiary.adapters.entra.clouds import Cloud
from ostiary.adapters.entra.keys import SigningKeys
from ostiary.adapters.entra.signed_token import SignedTokenReader, guid, key_may_sign, require
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import FlowRejected

PUBLISHER: Final = "0bf30f3b-4a52-48df-9a82-234910c4a086"
"""App id of Graph's change tracking: nobody else may vouch for a notification."""


class ValidationTokenVerifier:
    """Verifies the validation tokens of one cloud for our registrations."""

    def __init__(self, *, cloud: Cloud, keys: SigningKeys, clock: Clock, client_ids: Collection[str]) -> None:
        self._cloud = cloud
        self._client_ids = frozenset(client_ids)
        self._reader = SignedTokenReader(keys=keys, clock=clock)

    async def tenant_of(self, token: str) -> str | None:
        """Return the tenant whose notifications the token vouches for; None if it is not good in every respect.

        Raises:
            TemporarilyUnavailable: Microsoft's keys cannot be fetched; the post should come again.

        Source: Graph, change notifications that include resource data; graph.md §9.
        """
        try:
            return await self._verified_tenant(token)
        except FlowRejected:
            return None

    async def _verified_tenant(self, token: str) -> str:
        key = await self._reader.signing_key(token)
        claims = self._reader.verified_payload(token, key)
        tenant_id = guid(claims, "tid")
        issuer = self._cloud.issuer(tenant_id)
        is_first_version = claims.get("ver") == "1.0"
        # Keys name the issuer of the newer tokens, whichever version they sign.
        require(key_may_sign(key, issuer, tenant_id), "key of another issuer")
        expected = self._cloud.first_issuer(tenant_id) if is_first_version else issuer
        require(claims.get("iss") == expected, "issuer")
        require(is_first_version or claims.get("ver") == "2.0", "version")
        audience = claims.get("aud")
        require(isinstance(audience, str) and audience in self._client_ids, "audience")
        require(claims.get("appid" if is_first_version else "azp") == PUBLISHER, "publisher")
        self._reader.check_times(claims)
        return tenant_id
