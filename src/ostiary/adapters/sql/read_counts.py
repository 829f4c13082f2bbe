"""How often mailboxes were read, by API key and hour."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Column, SmallInteger, String, Table, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.access.bulk_reads import Level

read_counts: Final = Table(
    "read_counts",
    metadata,
    Column("subject_id", String(64), primary_key=True),
    Column("hour", UTCDateTime, primary_key=True),
    Column("reads", BigInteger, nullable=False),
    Column("level", SmallInteger, nullable=False),
)


class SQLReadCountStore:
    """Keeps counts in PostgreSQL; satisfies ``ReadCountStore``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, subject_id: str, *, hour: datetime, reads: int) -> int:
        fresh = insert(read_counts).values(
            subject_id=subject_id, hour=hour, reads=reads, level=Level.USUAL.value
        )
        statement = fresh.on_conflict_do_update(
            index_elements=["subject_id", "hour"], set_={"reads": read_counts.c.reads + reads}
        ).returning(read_counts.c.reads)
        return (await self._connection.execute(statement)).scalar_one()

    async def busiest(self, subject_id: str, *, since: datetime, before: datetime) -> tuple[int, int]:
        statement = select(func.count(), func.coalesce(func.max(read_counts.c.reads), 0)).where(
            read_counts.c.subject_id == subject_id,
            read_counts.c.hour >= since,
            read_counts.c.hour < before,
        )
        hours, most = (await self._connection.execute(statement)).one()
        return hours, most

    async def raise_level(self, subject_id: str, *, hour: datetime, level: Level) -> bool:
        statement = (
            update(read_counts)
            .where(
                read_counts.c.subject_id == subject_id,
                read_counts.c.hour == hour,
                read_counts.c.level < level.value,
            )
            .values(level=level.value)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def forget(self, *, before: datetime) -> int:
        statement = delete(read_counts).where(read_counts.c.hour < before)
        return (await self._connection.execute(statement)).rowcount
