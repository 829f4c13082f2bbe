"""Keeping the trail trustworthy: checkpoints, verification, and removing what is past its time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

from ostiary.core.audit.chain import ChainedRecord
from ostiary.core.audit.checkpoint import Checkpoint, CheckpointKey, CheckpointKind
from ostiary.core.audit.model import SYSTEM
from ostiary.core.audit.ports import AuditLedger, LedgerTransaction
from ostiary.core.audit.verification import Report, verify
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.transactions import Transactions

RETENTION_DEFAULT: Final = timedelta(days=400)
"""A year with room for whoever looks into it late (SR-75)."""


class AuditKeeping:
    """Use cases around the chain."""

    def __init__(
        self,
        *,
        transactions: Transactions[LedgerTransaction],
        clock: Clock,
        key: CheckpointKey,
        retention: timedelta,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._key = key
        self._retention = retention

    @property
    def public_key(self) -> bytes:
        """With which anybody can check an exported checkpoint (Ed25519, 32 bytes)."""
        return self._key.public_bytes

    async def seal(self) -> tuple[Checkpoint, ...]:
        """Sign how far each chain has come since its last checkpoint. Job ``audit.seal``."""
        made: list[Checkpoint] = []
        async with self._transactions() as transaction:
            ledger = transaction.audit_ledger
            last = await ledger.lock_checkpoints()
            for head in await ledger.unsealed():
                last = self._key.sign(
                    kind=CheckpointKind.SEAL,
                    chain=head.chain,
                    position=head.position,
                    reached=head.hash,
                    at=self._clock.now(),
                    after=last,
                )
                await ledger.add_checkpoint(last)
                made.append(last)
        return tuple(made)

    async def trim(self) -> int:
        """Remove records past their time, up to a checkpoint; return how many. Job ``audit.trim``.

        The new start of each chain is signed, so that removing more than this shows.
        """
        before = self._clock.now() - self._retention
        removed = 0
        async with self._transactions() as transaction:
            ledger = transaction.audit_ledger
            last = await ledger.lock_checkpoints()
            for seal in await ledger.trim_points(before=before):
                last = self._key.sign(
                    kind=CheckpointKind.START,
                    chain=seal.chain,
                    position=seal.position,
                    reached=seal.hash,
                    at=self._clock.now(),
                    after=last,
                )
                await ledger.add_checkpoint(last)
                removed += await ledger.start_after(last)
            if removed:
                await transaction.audit.record(
                    "audit.trimmed",
                    f"{removed} records older than {self._retention.days} days were removed.",
                    actor=SYSTEM,
                    detail={"records": str(removed)},
                )
        return removed

    async def verify(self, *, known: Sequence[Checkpoint] = ()) -> Report:
        """Check the whole trail as it stands at one moment; see :func:`verification.verify`."""
        async with self._transactions() as transaction:
            await transaction.audit_ledger.freeze_view()
            return await verify(transaction.audit_ledger, self._key, now=self._clock.now(), known=known)

    async def export(self, chains: Sequence[str]) -> AsyncIterator[ChainedRecord | Checkpoint]:
        """Give the records of some chains with their proofs, each followed by its checkpoints.

        Args:
            chains: Names of chains; none means all of them.
        """
        async with self._transactions() as transaction:
            ledger: AuditLedger = transaction.audit_ledger
            await ledger.freeze_view()
            for chain in chains or sorted(await ledger.chain_names()):
                async for entry in ledger.records(chain):
                    yield entry
                async for checkpoint in ledger.checkpoints(chain=chain):
                    yield checkpoint
