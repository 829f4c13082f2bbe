"""Acts of sending in PostgreSQL: ids and states, no content and no address."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Column, RowMapping, String, Table, Text, UniqueConstraint, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.mail.sends import KEPT_FOR, SendRecord, SendState

mail_sends: Final = Table(
    "mail_sends",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("connection_id", String(64), nullable=False),
    Column("stamp", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UTCDateTime, nullable=False, index=True),
    Column("changed_at", UTCDateTime, nullable=False),
    Column("draft_id", Text),
    Column("internet_message_id", Text),
    Column("deliver_at", UTCDateTime),
    UniqueConstraint("connection_id", "stamp"),
)


class SQLSendLedger:
    """Keeps acts of sending; satisfies ``SendLedger``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def begin(self, record: SendRecord) -> SendRecord:
        table = mail_sends
        await self._connection.execute(delete(table).where(table.c.created_at < record.created_at - KEPT_FOR))
        new = insert(table).values(
            id=record.id,
            organization_id=record.organization_id,
            connection_id=record.connection_id,
            stamp=record.stamp,
            state=record.state.value,
            created_at=record.created_at,
            changed_at=record.changed_at,
            deliver_at=record.deliver_at,
        )
        await self._connection.execute(new.on_conflict_do_nothing(index_elements=["connection_id", "stamp"]))
        known = await self._connection.execute(
            select(table).where(table.c.connection_id == record.connection_id, table.c.stamp == record.stamp)
        )
        return _record(known.mappings().one())

    async def start_sending(
        self, record_id: str, *, draft_id: str, internet_message_id: str | None, now: datetime
    ) -> SendRecord | None:
        table = mail_sends
        await self._connection.execute(
            update(table)
            .where(table.c.id == record_id, table.c.state == SendState.PREPARING.value)
            .values(
                state=SendState.SENDING.value,
                draft_id=draft_id,
                internet_message_id=internet_message_id,
                changed_at=now,
            )
        )
        known = await self._connection.execute(select(table).where(table.c.id == record_id))
        row = known.mappings().one_or_none()
        return None if row is None else _record(row)

    async def mark_sent(self, record_id: str, *, now: datetime) -> None:
        await self._connection.execute(
            update(mail_sends)
            .where(mail_sends.c.id == record_id)
            .values(state=SendState.SENT.value, changed_at=now)
        )

    async def forget(self, record_id: str) -> None:
        await self._connection.execute(delete(mail_sends).where(mail_sends.c.id == record_id))


def _record(row: RowMapping) -> SendRecord:
    return SendRecord(
        id=row["id"],
        organization_id=row["organization_id"],
        connection_id=row["connection_id"],
        stamp=row["stamp"],
        state=SendState(row["state"]),
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        draft_id=row["draft_id"],
        internet_message_id=row["internet_message_id"],
        deliver_at=row["deliver_at"],
    )
