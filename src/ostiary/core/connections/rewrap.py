"""Key rotation, and wrapping saved sign-ins anew under the current key (SR-36).

Nothing stops meanwhile. A batch is read, opened and sealed again with no lock held, and each value replaces exactly
the one it was made from: a refresh that was quicker wins, and a crash leaves every row under its old or its new key,
never between. What is left is found by asking which rows are not under their organization's current key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ostiary.core.audit.model import SYSTEM, Actor
from ostiary.core.audit.ports import AuditTrail
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.vault.errors import SealBroken
from ostiary.core.vault.limits import KeyLedger, KeyRecord
from ostiary.core.vault.model import SealContext, Sealed
from ostiary.core.vault.ports import KeyService
from ostiary.core.vault.service import VaultService

BATCH_SIZE: Final = 50
PER_SECOND: Final = 100.0
"""Rows a second, so that a key service that counts calls still has some left for people."""

MOST_IN_ONE_JOB: Final = 5_000


@dataclass(frozen=True, slots=True)
class StoredToken:
    """One sealed refresh token and where it belongs."""

    connection_id: str
    organization_id: str
    version: int
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class KeyUse:
    """How many sealed values one key holds shut."""

    organization_id: str
    key_id: str
    refresh_tokens: int
    access_tokens: int


class SealedTokenStore(Protocol):
    """Finds and replaces sealed refresh tokens by their key, inside one transaction."""

    async def organizations(self) -> tuple[str, ...]:
        """Ids of organizations that have a saved sign-in."""
        ...

    async def under_other_keys(
        self, organization_id: str, *, current_key_id: str, after: str, limit: int
    ) -> tuple[StoredToken, ...]:
        """Tokens not wrapped under the current key, by connection id, beginning after ``after``."""
        ...

    async def replace(self, token: StoredToken, sealed: Sealed) -> bool:
        """Put ``sealed`` in the place of exactly ``token``. False when that is not stored any more, or in use now."""
        ...

    async def uses(self) -> tuple[KeyUse, ...]:
        """Every key that something is wrapped under."""
        ...


class RewrapTransaction(Protocol):
    """What one transaction of re-wrapping can reach."""

    @property
    def sealed_tokens(self) -> SealedTokenStore: ...
    @property
    def key_ledger(self) -> KeyLedger: ...
    @property
    def audit(self) -> AuditTrail: ...


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key, what it holds shut, and whether new values go under it."""

    use: KeyUse
    is_current: bool


@dataclass(frozen=True, slots=True)
class RewrapReport:
    """What one round did."""

    rewrapped: int
    broken: int
    """Rows that did not open; they stay as they are, and the audit log names them."""


class KeyRotation:
    """Rotates keys, and moves saved sign-ins to the current ones."""

    def __init__(
        self,
        *,
        transactions: Transactions[RewrapTransaction],
        keys: KeyService,
        vault: VaultService,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transactions = transactions
        self._keys = keys
        self._vault = vault
        self._clock = clock
        self._sleep = sleep

    async def rotate(self, *, organization_ids: Sequence[str] = (), actor: Actor) -> int:
        """Make new keys current: for these organizations, or for all that have a saved sign-in.

        Returns for how many. What the old keys hold shut still opens; :meth:`rewrap` moves it.
        """
        async with self._transactions() as tx:
            wanted = tuple(organization_ids) or await tx.sealed_tokens.organizations()
            # On record before it happens: a key that nobody can account for must not exist.
            await tx.audit.record(
                "keys.rotated",
                f"New keys were made current for {len(wanted)} organizations.",
                actor=actor,
                organization_id=wanted[0] if len(wanted) == 1 else None,
            )
        await self._keys.rotate(organization_ids=wanted)
        return len(wanted)

    async def rotate_due(self) -> int:
        """Make new keys current where one has wrapped much or long. Job ``keys.rotate_due``; returns for how many.

        :meth:`rewrap` then moves what the old ones hold shut.

        Raises:
            TemporarilyUnavailable: The key service does not answer; the next round tries again.
            Misconfigured: It makes no keys for us, such as a key file that cannot be written: rotate by hand.
        """
        now = self._clock.now()
        due = sorted({key.organization_id for key in await self.worn() if key.is_due(now)})
        if due:
            await self.rotate(organization_ids=due, actor=SYSTEM)
        return len(due)

    async def worn(self) -> tuple[KeyRecord, ...]:
        """Return each organization's current key with what it has done, as far as it has done anything."""
        async with self._transactions() as tx:
            records = await tx.key_ledger.records()
        current: dict[str, str] = {}
        for organization_id in {record.organization_id for record in records}:
            current[organization_id] = await self._keys.current_key_id(organization_id=organization_id)
        return tuple(record for record in records if record.key_id == current[record.organization_id])

    async def status(self) -> tuple[KeyState, ...]:
        """Return every key that something is wrapped under. An older one without rows is not needed any more."""
        async with self._transactions() as tx:
            uses = await tx.sealed_tokens.uses()
        states: list[KeyState] = []
        for use in uses:
            current = await self._keys.current_key_id(organization_id=use.organization_id)
            states.append(KeyState(use, use.key_id == current))
        return tuple(states)

    async def rewrap(
        self,
        *,
        actor: Actor = SYSTEM,
        most: int = MOST_IN_ONE_JOB,
        per_second: float = PER_SECOND,
        progress: Callable[[int], None] | None = None,
    ) -> RewrapReport:
        """Move saved sign-ins to their organizations' current keys. Job ``keys.rewrap``; may be stopped anywhere.

        Args:
            most: Rows in this round; the next one goes on.
            per_second: Rows a second at most.
            progress: Hears how many are done after each batch.

        Raises:
            TemporarilyUnavailable: The key service does not answer; what is done stays done.
        """
        async with self._transactions() as tx:
            organization_ids = await tx.sealed_tokens.organizations()
        done = broken = 0
        for organization_id in organization_ids:
            current = await self._keys.current_key_id(organization_id=organization_id)
            after = ""
            while done + broken < most:
                batch = await self._read(
                    organization_id, current, after, min(BATCH_SIZE, most - done - broken), actor
                )
                if not batch:
                    break
                await hit(Failpoint.REWRAP_BATCH_READ)
                after = batch[-1].connection_id
                moved, failed = await self._move(organization_id, current, batch, actor)
                done, broken = done + moved, broken + failed
                if progress is not None:
                    progress(done)
                await self._sleep(len(batch) / per_second)
        return RewrapReport(done, broken)

    async def _read(
        self, organization_id: str, current: str, after: str, limit: int, actor: Actor
    ) -> tuple[StoredToken, ...]:
        async with self._transactions() as tx:
            batch = await tx.sealed_tokens.under_other_keys(
                organization_id, current_key_id=current, after=after, limit=limit
            )
            if batch:
                # SR-39: durable before the first of them is opened.
                await tx.audit.record(
                    "vault.opened",
                    f"{len(batch)} saved sign-ins were opened to wrap them under the current key.",
                    actor=actor,
                    organization_id=organization_id,
                    detail={
                        "kind": "refresh_token",
                        "purpose": "rewrap",
                        "first": batch[0].connection_id,
                        "last": batch[-1].connection_id,
                    },
                )
        return batch

    async def _move(
        self, organization_id: str, current: str, batch: Sequence[StoredToken], actor: Actor
    ) -> tuple[int, int]:
        anew: list[tuple[StoredToken, Sealed]] = []
        broken: list[StoredToken] = []
        for token in batch:
            context = SealContext(organization_id, token.connection_id, "refresh_token", token.version)
            try:
                anew.append((token, await self._vault.seal_again(token.sealed, context)))
            except SealBroken:
                broken.append(token)
        await hit(Failpoint.REWRAP_WRAPPED)
        moved = 0
        async with self._transactions() as tx:
            for token, sealed in anew:
                moved += await tx.sealed_tokens.replace(token, sealed)
            await tx.audit.record(
                "keys.rewrapped",
                f"{moved} saved sign-ins are wrapped under the current key.",
                actor=actor,
                organization_id=organization_id,
                detail={"to": current, "count": str(moved)},
            )
            for token in broken:
                await tx.audit.record(
                    "connection.seal_broken",
                    "A saved sign-in could not be opened: wrong key file or damaged row.",
                    actor=actor,
                    outcome="failed",
                    organization_id=organization_id,
                    object_id=token.connection_id,
                    reason="our_fault",
                )
        await hit(Failpoint.REWRAP_COMMITTED)
        return moved, len(broken)
