"""Microsoft's signing keys: fetched from the one pinned address of the cloud, cached, refreshed sparingly."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import TemporarilyUnavailable

KEYS_LIFE: Final = timedelta(hours=1)
"""Microsoft advises to look hourly (entra-id.md §1.6)."""
REFRESH_PAUSE: Final = timedelta(minutes=1)
"""An unknown key id triggers at most one look per minute, so that forged tokens cannot make us flood (SR-10)."""

_MOST_KEYS: Final = 64
_LEAST_BITS: Final = 2048
_MOST_BITS: Final = 8192


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One RSA key of a cloud."""

    key_id: str
    public_key: RSAPublicKey
    issuer: str | None
    """Whose tokens it may sign, where published; may hold ``{tenantid}`` (entra-id.md §1.6)."""


class SigningKeys:
    """The keys of one cloud, by id."""

    def __init__(self, *, fetch: Callable[[], Awaitable[object]], clock: Clock) -> None:
        """``fetch`` returns the decoded JWKS document, or raises ``TemporarilyUnavailable``."""
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._lock = asyncio.Lock()

    async def find(self, key_id: str) -> SigningKey | None:
        """Return the key, looking at Microsoft once more when it is unknown or the copy is old.

        Raises:
            TemporarilyUnavailable: There is no copy yet and Microsoft does not answer.
        """
        if not self._is_fresh() or key_id not in self._keys:
            async with self._lock:
                # Whoever held the lock before us may have fetched it already.
                if not self._is_fresh() or key_id not in self._keys:
                    await self._refresh()
        return self._keys.get(key_id)

    def _is_fresh(self) -> bool:
        return self._fetched_at is not None and self._clock.now() - self._fetched_at < KEYS_LIFE

    async def _refresh(self) -> None:
        now = self._clock.now()
        if self._tried_at is not None and now - self._tried_at < REFRESH_PAUSE and self._keys:
            return
        self._tried_at = now
        try:
            keys = parse_keys(await self._fetch())
        except TemporarilyUnavailable:
            # Old keys stay good: an outage must not lock everybody out.
            if self._keys:
                return
            raise
        if keys:
            self._keys = keys
            self._fetched_at = now


def parse_keys(document: object) -> dict[str, SigningKey]:
    """Return the usable RSA signing keys of a JWKS document; what does not fit is left out."""
    listed: object = cast("dict[str, object]", document).get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise TemporarilyUnavailable("Microsoft’s key list is unreadable.", reason="microsoft_down")
    found: dict[str, SigningKey] = {}
    for item in cast("list[object]", listed)[:_MOST_KEYS]:
        key = _signing_key(item)
        if key is not None:
            found[key.key_id] = key
    return found


def _signing_key(item: object) -> SigningKey | None:
    if not isinstance(item, dict):
        return None
    fields = cast("dict[str, Any]", item)
    key_id, issuer = fields.get("kid"), fields.get("issuer")
    if fields.get("kty") != "RSA" or fields.get("use", "sig") != "sig" or not isinstance(key_id, str):
        return None
    if issuer is not None and not isinstance(issuer, str):
        return None
    modulus, exponent = _number(fields.get("n")), _number(fields.get("e"))
    if modulus is None or exponent is None or not _LEAST_BITS <= modulus.bit_length() <= _MOST_BITS:
        return None
    try:
        public_key = RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        return None
    return SigningKey(key_id, public_key, issuer)


def _number(value: object) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        return int.from_bytes(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)), "big")
    except (binascii.Error, ValueError):
        return None
