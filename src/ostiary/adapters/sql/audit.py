"""The audit trail in PostgreSQL: a table that can only grow (SR-72)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Executable,
    Identity,
    Index,
    LargeBinary,
    RowMapping,
    Table,
    Text,
    bindparam,
    event,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.jobs import SQLJobQueue
from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.audit.chain import (
    ERASED_SENTENCE,
    ERASED_VERB,
    SALT_BYTES,
    chain_name,
    content_hash,
    genesis,
    link_hash,
    personal_hash,
)
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
    Column("chain", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("salt", LargeBinary),
    Column("personal_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("erased_by", Text),
    Index("uq_audit_records_chain_position", "chain", "position", unique=True),
    Index("ix_audit_records_organization", "organization_id", "sequence"),
    Index("ix_audit_records_object", "object_id", "sequence"),
    Index("ix_audit_records_reference", "reference", "sequence"),
)

audit_chains: Final = Table(
    "audit_chains",
    metadata,
    Column("chain", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("start_position", BigInteger, nullable=False),
    Column("start_hash", LargeBinary, nullable=False),
)
"""The head of each chain: the row that a writer locks."""

GUARD_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION audit_records_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.position < (SELECT start_position FROM audit_chains WHERE chain = OLD.chain) THEN
            RETURN OLD;
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        IF OLD.erased_by IS NULL AND NEW.erased_by IS NOT NULL AND NEW.salt IS NULL
            AND NEW.actor_name = '' AND NEW.ip IS NULL AND NEW.detail = '{}'::jsonb
            AND to_jsonb(NEW) - ARRAY['erased_by', 'salt', 'actor_name', 'ip', 'sentence', 'detail']
              = to_jsonb(OLD) - ARRAY['erased_by', 'salt', 'actor_name', 'ip', 'sentence', 'detail'] THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit trail can only grow' USING ERRCODE = 'insufficient_privilege';
END
$$
"""
"""Refuses to change the past even for the role that owns the table. Two things pass: what lies before the start of
its chain may go, and personal details may be erased, not replaced. Verification demands a signature for the one
and a record for the other."""

GUARD_TRIGGERS: Final = (
    "CREATE TRIGGER audit_records_keep_rows BEFORE UPDATE OR DELETE ON audit_records "
    "FOR EACH ROW EXECUTE FUNCTION audit_records_only_grow()",
    "CREATE TRIGGER audit_records_keep_table BEFORE TRUNCATE ON audit_records "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_records_only_grow()",
)

for _statement in (GUARD_FUNCTION, *GUARD_TRIGGERS):
    event.listen(audit_records, "after_create", DDL(_statement))

SEAL_EVERY: Final = 1000
"""Records of one chain after which a checkpoint is asked for at once (SR-73)."""

SEAL_JOB: Final = "audit.seal"


class SQLAuditTrail:
    """The trail inside one transaction. :meth:`flush` writes what was recorded; the unit of work calls it."""

    def __init__(self, connection: AsyncConnection, clock: Clock, entropy: Entropy) -> None:
        self._connection = connection
        self._clock = clock
        self._entropy = entropy
        self._waiting: list[AuditRecord] = []

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
        self._waiting.append(
            AuditRecord(
                id=new_id("aud", self._entropy),
                at=self._clock.now(),
                actor=actor,
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

    async def flush(self) -> None:
        """Append what waits to its chains.

        Always chain by chain in the order of their names, so that two transactions cannot wait for each other.
        """
        waiting, self._waiting = self._waiting, []
        by_chain: dict[str, list[AuditRecord]] = {}
        for record in waiting:
            by_chain.setdefault(chain_name(record.organization_id), []).append(record)
        seal = False
        for chain, records in sorted(by_chain.items()):
            first, last = await self._append(chain, records)
            seal = seal or last // SEAL_EVERY > (first - 1) // SEAL_EVERY
        if seal:
            await SQLJobQueue(self._connection).enqueue(SEAL_JOB, {}, once_key=SEAL_JOB)

    async def _append(self, chain: str, records: Sequence[AuditRecord]) -> tuple[int, int]:
        """Append records of one chain; return the positions of the first and the last.

        The first one's statement locks the head until the transaction ends, moves it on and inserts the record
        under it. What follows is computed from there, and costs no round trip for each.
        """
        first, *rest = (self._committed(chain, record) for record in records)
        row = (await self._connection.execute(_append_statement(), first)).one()
        position, link = row.position, bytes(row.hash)
        if not rest:
            return position, position
        for values in rest:
            link = link_hash(link, position + 1, values.pop("content"))
            position += 1
            values |= {"position": position, "hash": link}
            del values["genesis"]
        await self._connection.execute(
            update(audit_chains).where(audit_chains.c.chain == chain).values(position=position, hash=link)
        )
        await self._connection.execute(insert(audit_records), rest)
        return row.position, position

    def _committed(self, chain: str, record: AuditRecord) -> dict[str, Any]:
        salt = self._entropy.token_bytes(SALT_BYTES)
        personal = personal_hash(record, salt)
        return {
            **_values(record),
            "chain": chain,
            "salt": salt,
            "personal_hash": personal,
            "genesis": genesis(chain),
            "content": content_hash(record, personal),
        }

    async def erase_personal(
        self, subject_ids: Sequence[str], *, organization_id: str | None, actor: Actor
    ) -> int:
        await self.flush()
        erased = 0
        table = audit_records.c
        for subject_id in subject_ids:
            await self.record(
                ERASED_VERB,
                "Personal details in older records were erased.",
                actor=actor,
                organization_id=organization_id,
                object_id=subject_id,
            )
            statement = (
                update(audit_records)
                .where(
                    table.chain == chain_name(organization_id),
                    or_(table.actor_id == subject_id, table.object_id == subject_id),
                    table.erased_by.is_(None),
                    table.what != ERASED_VERB,
                )
                .values(
                    erased_by=self._waiting[-1].id,
                    salt=None,
                    actor_name="",
                    ip=None,
                    sentence=ERASED_SENTENCE,
                    detail={},
                )
            )
            erased += (await self._connection.execute(statement)).rowcount
        return erased

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
        await self.flush()
        statement = select(audit_records).where(*wanted).order_by(table.sequence.desc()).limit(limit + 1)
        rows = (await self._connection.execute(statement)).mappings().all()
        found = tuple(read_record(row) for row in rows[:limit])
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
        return tuple(read_record(row) for row in rows)

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


@cache
def _append_statement() -> Executable:
    """Built once: the token path runs it at each opening, and building it costs more than running it."""
    content = bindparam("content", type_=LargeBinary)
    first = bindparam("genesis", type_=LargeBinary)
    table = audit_chains.c
    head = (
        upsert(audit_chains)
        .values(
            chain=bindparam("chain", type_=Text),
            position=1,
            hash=func.sha256(first.op("||")(func.int8send(1)).op("||")(content)),
            start_position=1,
            start_hash=first,
        )
        .on_conflict_do_update(
            index_elements=[table.chain],
            set_={
                "position": table.position + 1,
                "hash": func.sha256(table.hash.op("||")(func.int8send(table.position + 1)).op("||")(content)),
            },
        )
        .returning(table.position, table.hash)
        .cte("head")
    )
    given = [
        column
        for column in audit_records.c
        if column.name not in {"sequence", "position", "hash", "erased_by"}
    ]
    rows = select(
        *(bindparam(column.name, type_=column.type) for column in given), head.c.position, head.c.hash
    )
    return (
        insert(audit_records)
        .from_select([*(column.name for column in given), "position", "hash"], rows)
        .returning(audit_records.c.position, audit_records.c.hash)
    )


def _values(record: AuditRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "at": record.at,
        "actor_kind": record.actor.kind.value,
        "actor_id": record.actor.id,
        "actor_name": record.actor.name,
        "ip": record.actor.ip,
        "request_id": record.actor.request_id,
        "what": record.what,
        "sentence": record.sentence,
        "outcome": record.outcome,
        "organization_id": record.organization_id,
        "object_id": record.object_id,
        "reference": record.reference,
        "reason": record.reason,
        "detail": dict(record.detail),
    }


def read_record(row: RowMapping) -> AuditRecord:
    """Return what a row of the table says."""
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
