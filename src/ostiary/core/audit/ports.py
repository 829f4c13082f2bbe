"""What audit needs from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ostiary.core.audit.chain import ChainedRecord
from ostiary.core.audit.checkpoint import Checkpoint
from ostiary.core.audit.model import Actor, AuditRecord
from ostiary.core.kernel.page import Page


class AuditTrail(Protocol):
    """The trail inside one transaction."""

    async def record(
        self,
        what: str,
        sentence: str,
        *,
        actor: Actor,
        outcome: str = "done",
        organization_id: str | None = None,
        object_id: str | None = None,
        reference: str | None = None,
        reason: str | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """Append one record; it commits with the act.

        It is written at the end of the transaction: writing locks the organization's chain until the commit,
        and a chain that is locked last and briefly can neither dead-lock with an act nor hold one up.
        """
        ...

    async def erase_personal(
        self, subject_ids: Sequence[str], *, organization_id: str | None, actor: Actor
    ) -> int:
        """Erase names, addresses and wording from records by or about these objects; return how many.

        The records stay, with their verbs, moments and ids, and the chain still closes. Each erasure is itself
        on record, else it would count as tampering.

        Args:
            subject_ids: Ids of a person and of what was theirs, such as connections.
        """
        ...

    async def page(
        self,
        *,
        organization_id: str | None,
        what_prefix: str | None = None,
        reference: str | None = None,
        who: str | None = None,
        outcome: str | None = None,
        object_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[AuditRecord]:
        """Return records newest first. ``organization_id`` None means all (operators only).

        Args:
            what_prefix: Start of the verb, such as ``consent.``.
            who: Part of the actor's name, in any letter case.
            object_id: Only what was done to this object.
            since: At or after this moment; ``until`` is exclusive.
        """
        ...

    async def newer_than(
        self, record_id: str | None, *, organization_id: str | None, limit: int = 200
    ) -> tuple[AuditRecord, ...]:
        """Return the records after ``record_id`` (None: from the start), oldest first."""
        ...


class AuditTransaction(Protocol):
    """What one transaction of audit can reach."""

    @property
    def audit(self) -> AuditTrail: ...


@dataclass(frozen=True, slots=True)
class ChainHead:
    """How far a chain has come, and where it begins since older records were removed."""

    chain: str
    position: int
    hash: bytes
    start_position: int
    """Position of the oldest record that is kept."""
    start_hash: bytes
    """Hash of the record before it."""


class AuditLedger(Protocol):
    """The chains as such, inside one transaction."""

    async def freeze_view(self) -> None:
        """Show one moment of the database from here on, and write nothing. First call of a transaction."""
        ...

    async def chain_names(self) -> set[str]:
        """Return every chain that a head, a record or a checkpoint names."""
        ...

    async def head(self, chain: str) -> ChainHead | None: ...
    def records(self, chain: str) -> AsyncIterator[ChainedRecord]:
        """Give the records of a chain by position."""
        ...

    def checkpoints(self, *, chain: str | None = None) -> AsyncIterator[Checkpoint]:
        """Give the checkpoints of one chain, or of all, by number."""
        ...

    async def lock_checkpoints(self) -> Checkpoint | None:
        """Keep others from adding checkpoints until the transaction ends; return the newest one."""
        ...

    async def add_checkpoint(self, checkpoint: Checkpoint) -> None: ...
    async def unsealed(self) -> tuple[ChainHead, ...]:
        """Return the chains that grew since their last checkpoint."""
        ...

    async def trim_points(self, *, before: datetime) -> tuple[Checkpoint, ...]:
        """Return, per chain, its newest checkpoint with nothing but records older than ``before`` under it."""
        ...

    async def start_after(self, start: Checkpoint) -> int:
        """Let the chain begin after this position and remove what is before; return how many went."""
        ...


class LedgerTransaction(AuditTransaction, Protocol):
    """What one transaction of keeping the trail can reach."""

    @property
    def audit_ledger(self) -> AuditLedger: ...
