"""Erasing a person or an organization for good (SR-102).

An organization is erased in steps that each may be repeated: its tokens and pending sign-ins go and a job is queued,
in one transaction; its keys are destroyed, so that backups cannot be opened either; the rest of its rows go. A crash
anywhere leaves the job, and the job goes on.

The audit trail can only grow, so its records stay; names, addresses and wording are erased from those by or about the
person and their connections, and what erasing adds names ids and counts, no person.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from ostiary.core.audit.model import SYSTEM, Actor
from ostiary.core.audit.ports import AuditTrail
from ostiary.core.connections.freeze import Freeze, FreezeScope, FreezeStore
from ostiary.core.connections.ports import ConnectionStore
from ostiary.core.connections.service import BACKUP_DAYS
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import NotFound
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.jobs import JobQueue
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.ports import MemberStore, OrganizationStore
from ostiary.core.vault.model import KeyFate
from ostiary.core.vault.ports import KeyService

ERASE_JOB: Final = "organizations.erase"

FINISH_AFTER: Final = timedelta(minutes=1)
"""When a worker looks whether the call that began an erasure also ended it."""


class RecordEraser(Protocol):
    """Deletes rows of every feature, inside one transaction."""

    async def destroy_tokens(self, organization_id: str) -> int:
        """Delete every sealed token and every pending sign-in of an organization; returns how many tokens."""
        ...

    async def erase_member(self, member_id: str, *, organization_id: str) -> Mapping[str, int]:
        """Delete everything about one person; returns how many rows of each kind."""
        ...

    async def erase_organization(self, organization_id: str) -> Mapping[str, int]:
        """Delete everything about an organization and its people; returns how many rows of each kind."""
        ...


class EraseTransaction(Protocol):
    """What one transaction of erasing can reach."""

    @property
    def organizations(self) -> OrganizationStore: ...
    @property
    def members(self) -> MemberStore: ...
    @property
    def connections(self) -> ConnectionStore: ...
    @property
    def freezes(self) -> FreezeStore: ...
    @property
    def eraser(self) -> RecordEraser: ...
    @property
    def audit(self) -> AuditTrail: ...
    @property
    def jobs(self) -> JobQueue: ...


@dataclass(frozen=True, slots=True)
class EraseReceipt:
    """What was erased. It names no person."""

    organization_id: str
    member_id: str | None
    at: datetime
    rows: Mapping[str, int]
    """How many of each kind, such as ``connections``; tokens are counted as ``tokens``."""
    keys: KeyFate
    backups_gone_by: datetime
    """Backups made before hold what was erased until then at the latest, sealed values only as ``keys`` says."""


class Erasure:
    """Erases members and organizations."""

    def __init__(
        self, *, transactions: Transactions[EraseTransaction], clock: Clock, keys: KeyService
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._keys = keys

    async def erase_member(self, member_id: str, *, organization_id: str, actor: Actor) -> EraseReceipt:
        """Destroy the tokens of everything a person connected, and delete what we know of them.

        Raises:
            NotFound: There is no such member, or not any more.
        """
        now = self._clock.now()
        async with self._transactions() as tx:
            member = await tx.members.get(member_id, organization_id=organization_id)
            await _erase_from_trail(tx, member.id, organization_id=organization_id, actor=actor)
            rows = await tx.eraser.erase_member(member.id, organization_id=organization_id)
            await tx.audit.record(
                "member.erased",
                "A member was erased.",
                actor=actor,
                organization_id=organization_id,
                object_id=member.id,
                detail=_words(rows),
            )
        return self._receipt(organization_id, member_id, now, rows, KeyFate.KEPT)

    async def erase_organization(self, organization_id: str, *, actor: Actor) -> EraseReceipt:
        """Destroy an organization's tokens and keys, and delete everything about it and its people.

        Raises:
            NotFound: There is no such organization, or not any more.
            TemporarilyUnavailable: The key service does not answer. The tokens are gone; a job does the rest.
        """
        now = self._clock.now()
        async with self._transactions() as tx:
            organization = await tx.organizations.lock(organization_id)
            tokens = await tx.eraser.destroy_tokens(organization.id)
            # Nobody may use what another process still holds in memory.
            freeze = Freeze(FreezeScope.ORGANIZATION, organization.id, now, actor.name, "being erased")
            if await tx.freezes.add(freeze):
                await tx.audit.record(
                    "organization.erasing",
                    "Erasing an organization began; its tokens were destroyed.",
                    actor=actor,
                    organization_id=organization.id,
                    object_id=organization.id,
                    detail={"tokens": str(tokens)},
                )
            await tx.jobs.enqueue(
                ERASE_JOB,
                {"organization_id": organization.id},
                run_at=now + FINISH_AFTER,
                once_key=f"{ERASE_JOB} {organization.id}",
            )
        await hit(Failpoint.ERASE_MARKED)
        return await self._finish(organization_id, tokens, actor)

    async def finish(self, organization_id: str) -> None:
        """End an erasure that was cut off. Job ``organizations.erase``; nothing happens when it has ended."""
        try:
            async with self._transactions() as tx:
                await tx.organizations.get(organization_id)
        except NotFound:
            return
        await self._finish(organization_id, 0, SYSTEM)

    async def _finish(self, organization_id: str, tokens: int, actor: Actor) -> EraseReceipt:
        fate = await self._keys.destroy(organization_id=organization_id)
        await hit(Failpoint.ERASE_KEYS_SHREDDED)
        now = self._clock.now()
        async with self._transactions() as tx:
            await tx.organizations.lock(organization_id)
            async for member_id in _member_ids(tx, organization_id):
                await _erase_from_trail(tx, member_id, organization_id=organization_id, actor=actor)
            rows = dict(await tx.eraser.erase_organization(organization_id))
            rows["tokens"] = rows.get("tokens", 0) + tokens
            await tx.freezes.remove(FreezeScope.ORGANIZATION, organization_id)
            await tx.audit.record(
                "organization.erased",
                "An organization was erased.",
                actor=actor,
                organization_id=organization_id,
                object_id=organization_id,
                detail={**_words(rows), "keys": fate.value},
            )
            await hit(Failpoint.ERASE_ROWS_DELETED)
        await hit(Failpoint.ERASE_PURGED)
        return self._receipt(organization_id, None, now, rows, fate)

    @staticmethod
    def _receipt(
        organization_id: str, member_id: str | None, at: datetime, rows: Mapping[str, int], keys: KeyFate
    ) -> EraseReceipt:
        return EraseReceipt(
            organization_id=organization_id,
            member_id=member_id,
            at=at,
            rows=rows,
            keys=keys,
            backups_gone_by=at + timedelta(days=BACKUP_DAYS),
        )


async def _member_ids(tx: EraseTransaction, organization_id: str) -> AsyncIterator[str]:
    cursor: str | None = None
    while True:
        page = await tx.members.page(organization_id=organization_id, cursor=cursor, limit=200)
        for member in page.items:
            yield member.id
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


async def _erase_from_trail(
    tx: EraseTransaction, member_id: str, *, organization_id: str, actor: Actor
) -> None:
    connected = await tx.connections.list_for_member(member_id)
    subjects = [member_id, *(connection.id for connection in connected)]
    await tx.audit.erase_personal(subjects, organization_id=organization_id, actor=actor)


def _words(rows: Mapping[str, int]) -> dict[str, str]:
    return {kind: str(count) for kind, count in rows.items() if count}
