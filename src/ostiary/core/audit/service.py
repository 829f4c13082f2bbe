"""Reading the trail. Writing happens inside the transaction of each act."""

from __future__ import annotations

from datetime import datetime, timedelta

from ostiary.core.audit.checkpoint import CheckpointKey
from ostiary.core.audit.keeping import RETENTION_DEFAULT, AuditKeeping
from ostiary.core.audit.model import AuditRecord
from ostiary.core.audit.ports import LedgerTransaction
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.page import Page
from ostiary.core.kernel.transactions import Transactions


class AuditService:
    """Use cases of audit; :attr:`keeping` holds those around the hash chain."""

    def __init__(
        self,
        *,
        transactions: Transactions[LedgerTransaction],
        clock: Clock,
        checkpoint_seed: bytes,
        retention: timedelta = RETENTION_DEFAULT,
    ) -> None:
        """``checkpoint_seed``: 32 bytes, the same in every process, kept outside the database."""
        self._transactions = transactions
        self.keeping = AuditKeeping(
            transactions=transactions,
            clock=clock,
            key=CheckpointKey(checkpoint_seed),
            retention=retention,
        )
        """Checkpoints, verification, export, retention."""

    async def list_records(
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
        """Return one page, newest first. See ``AuditTrail.page`` for the filters.

        Args:
            organization_id: None means every organization: for operators only.
        """
        async with self._transactions() as transaction:
            return await transaction.audit.page(
                organization_id=organization_id,
                what_prefix=what_prefix,
                reference=reference,
                who=who,
                outcome=outcome,
                object_id=object_id,
                since=since,
                until=until,
                cursor=cursor,
                limit=limit,
            )

    async def newer_than(
        self, record_id: str | None, *, organization_id: str | None, limit: int = 200
    ) -> tuple[AuditRecord, ...]:
        """Return what was recorded after ``record_id``, oldest first: to follow the trail."""
        async with self._transactions() as transaction:
            return await transaction.audit.newer_than(record_id, organization_id=organization_id, limit=limit)
