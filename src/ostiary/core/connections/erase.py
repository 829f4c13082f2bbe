"""Erasing a person, a mailbox or an organization for good (SR-102).

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

from ostiary.core.audit.model import SYSTEM, Actor, AuditRecord
from ostiary.core.audit.ports import AuditTrail
from ostiary.core.connections.freeze import Freeze, FreezeScope, FreezeStore
from ostiary.core.connections.leaving import Leaving
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


SWEEP_BACK: Final = timedelta(days=30)
"""How far back the hourly look for unfinished erasures goes; they have 24 hours (SR-102)."""


_MOST_LEFT_IN_ORDER: Final = 200
"""Mailboxes of an organization that Microsoft is asked to tell us no more of; there is time for no more than these."""


class RecordEraser(Protocol):
    """Deletes rows of every feature, inside one transaction."""

    async def destroy_tokens(self, organization_id: str) -> int:
        """Delete every sealed token and every pending sign-in of an organization; returns how many tokens."""
        ...

    async def erase_member(self, member_id: str, *, organization_id: str) -> Mapping[str, int]:
        """Delete everything about one person; returns how many rows of each kind."""
        ...

    async def erase_connection(self, connection_id: str) -> Mapping[str, int]:
        """Delete everything about one connection; returns how many rows of each kind."""
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
    connection_id: str | None = None


@dataclass(frozen=True, slots=True)
class ErasureProgress:
    """How far the erasure of an organization has come."""

    organization_id: str
    started_at: datetime
    receipt: EraseReceipt | None
    """None while it goes on: the tokens are gone already, a worker does the rest."""


class Erasure:
    """Erases members and organizations."""

    def __init__(
        self,
        *,
        transactions: Transactions[EraseTransaction],
        clock: Clock,
        keys: KeyService,
        leaving: Leaving,
    ) -> None:
        self._leaving = leaving
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
            await tx.members.get(member_id, organization_id=organization_id)
            connected = await tx.connections.list_for_member(member_id)
        await self._leaving.leave([connection.id for connection in connected])
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

    async def erase_connection(
        self, connection_id: str, *, organization_id: str | None, actor: Actor
    ) -> EraseReceipt:
        """Destroy the tokens of one mailbox, and delete what we know of it. Its person stays.

        Raises:
            NotFound: There is no such connection, or not any more.
        """
        now = self._clock.now()
        async with self._transactions() as tx:
            await tx.connections.get(connection_id, organization_id=organization_id)
        await self._leaving.leave([connection_id])
        async with self._transactions() as tx:
            connection = await tx.connections.get(
                connection_id, organization_id=organization_id, for_update=True
            )
            own = connection.organization_id
            await tx.audit.erase_personal([connection.id], organization_id=own, actor=actor)
            rows = await tx.eraser.erase_connection(connection.id)
            await tx.audit.record(
                "connection.erased",
                "A mailbox was erased.",
                actor=actor,
                organization_id=own,
                object_id=connection.id,
                detail=_words(rows),
            )
        return self._receipt(own, None, now, rows, KeyFate.KEPT, connection_id=connection_id)

    async def erase_organization(self, organization_id: str, *, actor: Actor) -> EraseReceipt:
        """Destroy an organization's tokens and keys, and delete everything about it and its people.

        Raises:
            NotFound: There is no such organization, or not any more.
            TemporarilyUnavailable: The key service does not answer. The tokens are gone; a job does the rest.
        """
        tokens = await self._begin(organization_id, actor, finish_after=FINISH_AFTER)
        return await self._finish(organization_id, tokens, actor)

    async def begin_organization(self, organization_id: str, *, actor: Actor) -> ErasureProgress:
        """Destroy an organization's tokens now and leave the rest to a worker; :meth:`progress` tells how far it is.

        Raises:
            NotFound: There is no such organization, or not any more.
        """
        await self._begin(organization_id, actor, finish_after=timedelta())
        return await self.progress(organization_id)

    async def progress(self, organization_id: str) -> ErasureProgress:
        """Return how far the erasure of an organization has come, with the receipt once it has ended.

        Raises:
            NotFound: Nobody began to erase it.
        """
        async with self._transactions() as tx:
            began = await _latest(tx, "organization.erasing", organization_id)
            ended = await _latest(tx, "organization.erased", organization_id)
        if began is None:
            raise NotFound("Nobody asked to erase this.")
        if ended is None:
            return ErasureProgress(organization_id, began.at, None)
        rows = {kind: int(count) for kind, count in ended.detail.items() if kind != "keys"}
        receipt = self._receipt(organization_id, None, ended.at, rows, KeyFate(ended.detail["keys"]))
        return ErasureProgress(organization_id, began.at, receipt)

    async def sweep(self) -> int:
        """Queue again what began and did not end, such as after a long failure of the key service.

        Job ``organizations.erase_unfinished``, every hour; returns how many were queued.
        """
        now = self._clock.now()
        queued = 0
        cursor: str | None = None
        while True:
            async with self._transactions() as tx:
                page = await tx.audit.page(
                    organization_id=None,
                    what_prefix="organization.erasing",
                    since=now - SWEEP_BACK,
                    until=now - FINISH_AFTER,
                    cursor=cursor,
                )
                for record in page.items:
                    known = record.object_id or ""
                    if await _latest(tx, "organization.erased", known) is None:
                        await self._queue(tx, known, run_at=now)
                        queued += 1
            if page.next_cursor is None:
                return queued
            cursor = page.next_cursor

    async def _begin(self, organization_id: str, actor: Actor, *, finish_after: timedelta) -> int:
        now = self._clock.now()
        async with self._transactions() as tx:
            connected = await tx.connections.page(organization_id=organization_id, limit=_MOST_LEFT_IN_ORDER)
        await self._leaving.leave([connection.id for connection in connected.items])
        async with self._transactions() as tx:
            organization = await tx.organizations.lock(organization_id)
            tokens = await tx.eraser.destroy_tokens(organization.id)
            # Nobody may use what another process still holds in memory.
            freeze = Freeze(FreezeScope.ORGANIZATION, organization.id, now, actor.name, "being erased")
            await tx.freezes.add(freeze)
            if await _latest(tx, "organization.erasing", organization.id) is None:
                await tx.audit.record(
                    "organization.erasing",
                    "Erasing an organization began; its tokens were destroyed.",
                    actor=actor,
                    organization_id=organization.id,
                    object_id=organization.id,
                    detail={"tokens": str(tokens)},
                )
            await self._queue(tx, organization.id, run_at=now + finish_after)
        await hit(Failpoint.ERASE_MARKED)
        return tokens

    @staticmethod
    async def _queue(tx: EraseTransaction, organization_id: str, *, run_at: datetime) -> None:
        await tx.jobs.enqueue(
            ERASE_JOB,
            {"organization_id": organization_id},
            run_at=run_at,
            once_key=f"{ERASE_JOB} {organization_id}",
        )

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
        organization_id: str,
        member_id: str | None,
        at: datetime,
        rows: Mapping[str, int],
        keys: KeyFate,
        *,
        connection_id: str | None = None,
    ) -> EraseReceipt:
        return EraseReceipt(
            organization_id=organization_id,
            member_id=member_id,
            at=at,
            rows=rows,
            keys=keys,
            backups_gone_by=at + timedelta(days=BACKUP_DAYS),
            connection_id=connection_id,
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


async def _latest(tx: EraseTransaction, what: str, organization_id: str) -> AuditRecord | None:
    page = await tx.audit.page(
        organization_id=organization_id, what_prefix=what, object_id=organization_id, limit=1
    )
    return next(iter(page.items), None)


def _words(rows: Mapping[str, int]) -> dict[str, str]:
    return {kind: str(count) for kind, count in rows.items() if count}
