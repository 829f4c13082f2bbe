"""The chains of the audit trail and their checkpoints in PostgreSQL (SR-73)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Index,
    LargeBinary,
    RowMapping,
    Table,
    Text,
    delete,
    event,
    func,
    insert,
    select,
    text,
    union,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.audit import audit_chains, audit_records, read_record
from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.audit.chain import ChainedRecord
from ostiary.core.audit.checkpoint import Checkpoint, CheckpointKind
from ostiary.core.audit.ports import ChainHead

_BATCH: Final = 1000

audit_checkpoints: Final = Table(
    "audit_checkpoints",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("chain", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Index("ix_audit_checkpoints_chain", "chain", "position"),
)

GUARD_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION audit_checkpoints_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit checkpoints can only be added' USING ERRCODE = 'insufficient_privilege';
END
$$
"""

GUARD_TRIGGERS: Final = (
    "CREATE TRIGGER audit_checkpoints_keep_rows BEFORE UPDATE OR DELETE ON audit_checkpoints "
    "FOR EACH ROW EXECUTE FUNCTION audit_checkpoints_only_grow()",
    "CREATE TRIGGER audit_checkpoints_keep_table BEFORE TRUNCATE ON audit_checkpoints "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_checkpoints_only_grow()",
)

for _statement in (GUARD_FUNCTION, *GUARD_TRIGGERS):
    event.listen(audit_checkpoints, "after_create", DDL(_statement))


class SQLAuditLedger:
    """The chains as such, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def freeze_view(self) -> None:
        await self._connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))

    async def chain_names(self) -> set[str]:
        named = union(
            select(audit_chains.c.chain), select(audit_records.c.chain), select(audit_checkpoints.c.chain)
        )
        return set((await self._connection.execute(named)).scalars())

    async def head(self, chain: str) -> ChainHead | None:
        statement = select(audit_chains).where(audit_chains.c.chain == chain)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _head(row)

    async def records(self, chain: str) -> AsyncIterator[ChainedRecord]:
        table = audit_records.c
        ordered = select(audit_records).where(table.chain == chain).order_by(table.position).limit(_BATCH)
        after: int | None = None
        while True:
            batch = ordered if after is None else ordered.where(table.position > after)
            rows = (await self._connection.execute(batch)).mappings().all()
            for row in rows:
                yield _entry(row)
            if len(rows) < _BATCH:
                return
            after = rows[-1]["position"]

    async def checkpoints(self, *, chain: str | None = None) -> AsyncIterator[Checkpoint]:
        table = audit_checkpoints.c
        ordered = select(audit_checkpoints).order_by(table.number).limit(_BATCH)
        if chain is not None:
            ordered = ordered.where(table.chain == chain)
        after: int | None = None
        while True:
            batch = ordered if after is None else ordered.where(table.number > after)
            rows = (await self._connection.execute(batch)).mappings().all()
            for row in rows:
                yield _checkpoint(row)
            if len(rows) < _BATCH:
                return
            after = rows[-1]["number"]

    async def lock_checkpoints(self) -> Checkpoint | None:
        await self._connection.execute(text("LOCK TABLE audit_checkpoints IN EXCLUSIVE MODE"))
        statement = select(audit_checkpoints).order_by(audit_checkpoints.c.number.desc()).limit(1)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _checkpoint(row)

    async def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        await self._connection.execute(
            insert(audit_checkpoints).values(
                number=checkpoint.number,
                kind=checkpoint.kind.value,
                chain=checkpoint.chain,
                position=checkpoint.position,
                hash=checkpoint.hash,
                at=checkpoint.at,
                previous=checkpoint.previous,
                signature=checkpoint.signature,
            )
        )

    async def unsealed(self) -> tuple[ChainHead, ...]:
        sealed = (
            select(func.coalesce(func.max(audit_checkpoints.c.position), 0))
            .where(audit_checkpoints.c.chain == audit_chains.c.chain)
            .scalar_subquery()
        )
        statement = (
            select(audit_chains).where(audit_chains.c.position > sealed).order_by(audit_chains.c.chain)
        )
        rows = (await self._connection.execute(statement)).mappings().all()
        return tuple(_head(row) for row in rows)

    async def trim_points(self, *, before: datetime) -> tuple[Checkpoint, ...]:
        records, seals, chains = audit_records.c, audit_checkpoints.c, audit_chains.c
        oldest_kept = (
            select(func.min(records.position))
            .where(records.chain == chains.chain, records.at >= before)
            .correlate(audit_chains)
            .scalar_subquery()
        )
        statement = (
            select(audit_checkpoints)
            .join(audit_chains, chains.chain == seals.chain)
            .where(
                seals.position >= chains.start_position,
                seals.position < func.coalesce(oldest_kept, chains.position + 1),
            )
            .ext(distinct_on(seals.chain))
            .order_by(seals.chain, seals.position.desc(), seals.number.desc())
        )
        rows = (await self._connection.execute(statement)).mappings().all()
        return tuple(_checkpoint(row) for row in rows)

    async def start_after(self, start: Checkpoint) -> int:
        await self._connection.execute(
            update(audit_chains)
            .where(audit_chains.c.chain == start.chain)
            .values(start_position=start.position + 1, start_hash=start.hash)
        )
        removed = await self._connection.execute(
            delete(audit_records).where(
                audit_records.c.chain == start.chain, audit_records.c.position <= start.position
            )
        )
        return removed.rowcount


def _head(row: RowMapping) -> ChainHead:
    return ChainHead(
        chain=row["chain"],
        position=row["position"],
        hash=row["hash"],
        start_position=row["start_position"],
        start_hash=row["start_hash"],
    )


def _entry(row: RowMapping) -> ChainedRecord:
    return ChainedRecord(
        record=read_record(row),
        chain=row["chain"],
        position=row["position"],
        sequence=row["sequence"],
        salt=row["salt"],
        personal_hash=row["personal_hash"],
        hash=row["hash"],
        erased_by=row["erased_by"],
    )


def _checkpoint(row: RowMapping) -> Checkpoint:
    return Checkpoint(
        number=row["number"],
        kind=CheckpointKind(row["kind"]),
        chain=row["chain"],
        position=row["position"],
        hash=row["hash"],
        at=row["at"],
        previous=row["previous"],
        signature=row["signature"],
    )
