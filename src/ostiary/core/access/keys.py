"""API keys: made, rotated with an overlap, revoked, and checked on every call (SR-60, SR-61)."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Final

from ostiary.core.access.api_key import SECRET_BYTES, key_hash, read_key, write_key
from ostiary.core.access.model import (
    API_KEY_DEFAULT_LIFE,
    API_KEY_LONGEST_LIFE,
    API_KEY_LONGEST_OVERLAP,
    API_KEY_OVERLAP,
    API_PERMISSIONS,
    ApiKey,
    Permission,
    Principal,
    Role,
)
from ostiary.core.access.ports import AccessTransaction
from ostiary.core.access.rate_limits import LimitedAct, RateLimits
from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions

HASH_KEY_BYTES: Final = 32
LONGEST_NAME: Final = 100
MOST_NETWORKS: Final = 20


class ApiKeyService:
    """Use cases of API keys. Nothing of a key is kept in memory, so that a revocation holds for the next call."""

    def __init__(
        self,
        *,
        transactions: Transactions[AccessTransaction],
        clock: Clock,
        entropy: Entropy,
        api_key_hash_key: bytes,
        rate_limits: RateLimits,
        api_key_overlap: timedelta = API_KEY_OVERLAP,
    ) -> None:
        """``api_key_hash_key``: at least 32 bytes, the same in every process, kept outside the database."""
        if len(api_key_hash_key) < HASH_KEY_BYTES:
            raise ValueError("the hash key of API keys is too short")
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._hash_key = api_key_hash_key
        self._rate_limits = rate_limits
        self._overlap = api_key_overlap

    async def create_api_key(
        self,
        *,
        name: str,
        permissions: Iterable[Permission],
        life: timedelta = API_KEY_DEFAULT_LIFE,
        networks: Iterable[str] = (),
        actor: Actor,
    ) -> tuple[ApiKey, Secret]:
        """Return a new key and its text, which is never shown again.

        Args:
            networks: Addresses or networks (CIDR) that the key works from; empty means from everywhere.

        Raises:
            InvalidRequest: No name, no permission, one that no key may have, a life beyond a year, or an
                unreadable network.
        """
        wanted = frozenset(permissions)
        if not name.strip() or len(name) > LONGEST_NAME:
            raise InvalidRequest("Give the key a name of up to 100 characters.", field="name")
        if not wanted or wanted - API_PERMISSIONS:
            raise InvalidRequest("Choose permissions that an API key may have.", field="permissions")
        if not timedelta(0) < life <= API_KEY_LONGEST_LIFE:
            raise InvalidRequest("A key lives for a day to a year.", field="life")
        allowed = _read_networks(networks)
        now = self._clock.now()
        key, text = self._make(
            name=name.strip(),
            permissions=wanted,
            networks=allowed,
            now=now,
            expires_at=now + life,
            actor=actor,
        )
        async with self._transactions() as transaction:
            await transaction.api_keys.add(key)
            await transaction.audit.record(
                "api_key.created",
                f"The API key “{key.name}” was made.",
                actor=actor,
                object_id=key.id,
                detail=_detail(key),
            )
        return key, text

    async def rotate_api_key(
        self,
        key_id: str,
        *,
        overlap: timedelta | None = None,
        allowed: frozenset[Permission] = API_PERMISSIONS,
        actor: Actor,
    ) -> tuple[ApiKey, Secret]:
        """Return a new key that may do the same, and let the old one end after the overlap.

        Args:
            overlap: How long both work; None is the instance's own. Zero ends the old one at once.
            allowed: What the caller itself may do; nobody gets a key for more than that (SR-66).

        Raises:
            NotFound: No such key.
            Conflict: It is revoked, ended, or was replaced before.
            PermissionDenied: The key may do more than the caller.
            InvalidRequest: The overlap is longer than a week.
        """
        both = self._overlap if overlap is None else overlap
        if not timedelta(0) <= both <= API_KEY_LONGEST_OVERLAP:
            raise InvalidRequest("Two keys overlap for a week at most.", field="overlap_hours")
        now = self._clock.now()
        async with self._transactions() as transaction:
            old = await transaction.api_keys.lock(key_id)
            if old is None:
                raise NotFound("There is no such API key.")
            if old.permissions - allowed:
                raise PermissionDenied("That key may do more than yours.")
            if not old.is_live(now) or old.replaced_by is not None:
                raise Conflict("This key has ended or was replaced already.")
            new, text = self._make(
                name=old.name,
                permissions=old.permissions,
                networks=old.networks,
                now=now,
                expires_at=now + (old.expires_at - old.created_at),
                actor=actor,
            )
            await transaction.api_keys.add(new)
            ending = replace(old, replaced_by=new.id, expires_at=min(old.expires_at, now + both))
            await transaction.api_keys.save(ending)
            await transaction.audit.record(
                "api_key.rotated",
                f"The API key “{old.name}” was replaced; the old one ends {ending.expires_at:%Y-%m-%d %H:%M} UTC.",
                actor=actor,
                object_id=old.id,
                detail=_detail(new) | {"replaced_by": new.id},
            )
        return new, text

    async def list_api_keys(self) -> tuple[ApiKey, ...]:
        """Return every key, oldest first, revoked ones too."""
        async with self._transactions() as transaction:
            return await transaction.api_keys.list_all()

    async def revoke_api_key(
        self, key_id: str, *, allowed: frozenset[Permission] = API_PERMISSIONS, actor: Actor
    ) -> None:
        """Make a key useless from the next request on, in every process.

        Raises:
            NotFound: No such key.
            PermissionDenied: The key may do more than the caller (``allowed``).
        """
        async with self._transactions() as transaction:
            key = await transaction.api_keys.find(key_id)
            if key is None:
                raise NotFound("There is no such API key.")
            if key.permissions - allowed:
                raise PermissionDenied("That key may do more than yours.")
            await transaction.api_keys.revoke(key_id, at=self._clock.now())
            await transaction.audit.record(
                "api_key.revoked", f"The API key “{key.name}” was revoked.", actor=actor, object_id=key_id
            )

    async def authenticate_api_key(self, text: Secret, *, ip: str | None = None) -> Principal | None:
        """Return who a key belongs to, or None. All keys that do not work look alike.

        Args:
            ip: Where the call comes from; a key with networks works from nowhere else.

        Raises:
            RateLimited: The key calls too often.
        """
        parts = read_key(text)
        if parts is None:
            return None
        now = self._clock.now()
        given = key_hash(self._hash_key, parts.secret)
        async with self._transactions() as transaction:
            key = await transaction.api_keys.find(parts.key_id)
            # Compared even when there is no such key, so that the time tells nothing.
            stored = given[::-1] if key is None else key.secret_hash
            fits = hmac.compare_digest(stored, given)
            if key is None or not fits or not key.is_live(now):
                return None
            if not key.works_from(ip):
                await self._note_elsewhere(transaction, key, ip, now)
                return None
            await transaction.api_keys.touch(key.id, used_at=now, ip=ip)
            # Last, because it keeps a row of the key locked until the transaction ends.
            await self._rate_limits.spend_within(transaction, LimitedAct.API, key.id)
        return Principal(role=Role.API_KEY, id=key.id, name=key.name, permissions=key.permissions)

    async def _note_elsewhere(
        self, transaction: AccessTransaction, key: ApiKey, ip: str | None, now: datetime
    ) -> None:
        """A good key from a wrong place may be a stolen one. Once a minute is enough to know."""
        if not await transaction.api_keys.note_refused(key.id, at=now):
            return
        await transaction.audit.record(
            "api_key.refused",
            f"The API key “{key.name}” was used from an address that it does not work from.",
            actor=Actor(ActorKind.API_KEY, id=key.id, name=key.name, ip=ip),
            outcome="refused",
            object_id=key.id,
        )

    def _make(
        self,
        *,
        name: str,
        permissions: frozenset[Permission],
        networks: tuple[str, ...],
        now: datetime,
        expires_at: datetime,
        actor: Actor,
    ) -> tuple[ApiKey, Secret]:
        text, parts = write_key(new_id("key", self._entropy), self._entropy.token_bytes(SECRET_BYTES))
        key = ApiKey(
            id=parts.key_id,
            name=name,
            secret_hash=key_hash(self._hash_key, parts.secret),
            permissions=permissions,
            created_at=now,
            expires_at=expires_at,
            networks=networks,
            created_by=actor.name or actor.kind.value,
        )
        return key, text


def _read_networks(texts: Iterable[str]) -> tuple[str, ...]:
    found: list[str] = []
    for text in texts:
        try:
            network = ip_network(text.strip(), strict=False)
        except ValueError:
            raise InvalidRequest(
                f"“{text.strip()[:60]}” is no address or network, such as 192.0.2.0/24.", field="networks"
            ) from None
        found.append(str(network))
    if len(found) > MOST_NETWORKS:
        raise InvalidRequest(f"A key has {MOST_NETWORKS} networks at most.", field="networks")
    return tuple(dict.fromkeys(found))


def _detail(key: ApiKey) -> dict[str, str]:
    return {
        "permissions": " ".join(sorted(key.permissions)),
        "networks": " ".join(key.networks),
        "expires_at": key.expires_at.isoformat(),
    }
