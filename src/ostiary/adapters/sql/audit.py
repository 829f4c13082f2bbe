"""The audit trail in PostgreSQL: a table that can only grow (SR-72)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Identity,
    Index,
    RowMapping,
    Table,
    Text,
    event,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.audit.model import Actor, ActorKind, AuditRecord
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.page import Page

audit_records: Final = Table(
    "audit_records",
    metadata,
    Column("sequence", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("at", UTCDateTime, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("ip", Text),
    Column("request_id", Text),
    Column("what", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("organization_id", Text),
    Column("object_id", Text),
    Column("reference", Text),
    Column("reason", Text),
    Column("detail", JSONB, nullable=False),
    Index("ix_audit_records_organization", "organization_id", "sequence"),
    Index("ix_audit_records_object", "object_id", "sequence"),
    Index("ix_audit_records_reference", "reference", "sequence"),
)

GUARD_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION audit_records_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail can only grow' USING ERRCODE = 'insufficient_privilege';
END
$$
"""
"""Refuses to change the past even for the role that owns the table."""

GUARD_TRIGGERS: Final = (
    "CREATE TRIGGER audit_records_keep_rows BEFORE UPDATE OR DELETE ON audit_records "
    "FOR EACH ROW EXECUTE FUNCTION audit_records_only_grow()",
    "CREATE TRIGGER audit_records_keep_table BEFORE TRUNCATE ON audit_records "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_records_only_grow()",
)

for _statement in (GUARD_FUNCTION, *GUARD_TRIGGERS):
    event.listen(audit_records, "after_create", DDL(_statement))


class SQLAuditTrail:
    """The trail inside one transaction."""

    def __init__(self, connection: AsyncConnection, clock: Clock, entropy: Entropy) -> None:
        self._connection = connection
        self._clock = clock
        self._entropy = entropy

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
        await self._connection.execute(
            insert(audit_records).values(
                id=new_id("aud", self._entropy),
                at=self._clock.now(),
                actor_kind=actor.kind.value,
                actor_id=actor.id,
                actor_name=actor.name,
                ip=actor.ip,
                request_id=actor.request_id,
                what=what,
                sentence=sentence,
                outcome=outcome,
                organization_id=organization_id,
                object_id=object_id,
                reference=reference,
                reason=reason,
                detail=dict(detail or {}),
            )
        )

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
        table = audit_records.c
        wanted: list[Any] = []
        if organization_id is not None:
            wanted.append(table.organization_id == organization_id)
        if what_prefix:
            wanted.append(table.what.startswith(what_prefix, autoescape=True))
        if reference:
            wanted.append(table.reference == reference)
        if who:
            wanted.append(table.actor_name.icontains(who, autoescape=True))
        if outcome:
            wanted.append(table.outcome == outcome)
        if object_id:
            wanted.append(table.object_id == object_id)
        if since is not None:
            wanted.append(table.at >= since)
        if until is not None:
            wanted.append(table.at < until)
        if cursor is not None:
            wanted.append(table.sequence < await self._sequence_of(cursor, organization_id))
        statement = select(audit_records).where(*wanted).order_by(table.sequence.desc()).limit(limit + 1)
        rows = (await self._connection.execute(statement)).mappings().all()
        found = tuple(_record(row) for row in rows[:limit])
        return Page(found, found[-1].id if len(rows) > limit else None)

    async def newer_than(
        self, record_id: str | None, *, organization_id: str | None, limit: int = 200
    ) -> tuple[AuditRecord, ...]:
        """Records after ``record_id`` (None: from the start), oldest first."""
        table = audit_records.c
        wanted: list[Any] = []
        if organization_id is not None:
            wanted.append(table.organization_id == organization_id)
        if record_id is not None:
            wanted.append(table.sequence > await self._sequence_of(record_id, organization_id))
        statement = select(audit_records).where(*wanted).order_by(table.sequence).limit(limit)
        rows = (await self._connection.execute(statement)).mappings().all()
        return tuple(_record(row) for row in rows)

    async def _sequence_of(self, record_id: str, organization_id: str | None) -> int:
        statement = select(audit_records.c.sequence).where(audit_records.c.id == record_id)
        if organization_id is not None:
            statement = statement.where(audit_records.c.organization_id == organization_id)
        found = (await self._connection.execute(statement)).scalar_one_or_none()
        if found is None:
            raise InvalidRequest(
                "This page of the list no longer exists. Start at the first one.", field="cursor"
            )
        return found


def _record(row: RowMapping) -> AuditRecord:
    return AuditRecord(
        id=row["id"],
        at=row["at"],
        actor=Actor(
            kind=ActorKind(row["actor_kind"]),
            id=row["actor_id"],
            name=row["actor_name"],
            ip=row["ip"],
            request_id=row["request_id"],
        ),
        what=row["what"],
        sentence=row["sentence"],
        outcome=row["outcome"],
        organization_id=row["organization_id"],
        object_id=row["object_id"],
        reference=row["reference"],
        reason=row["reason"],
        detail=row["detail"],
    )
