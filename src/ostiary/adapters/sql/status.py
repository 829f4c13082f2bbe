"""What was seen of each part of the service, day by day."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from sqlalchemy import Column, Date, Integer, String, Table, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.status.model import DayCount, Part

status_days: Final = Table(
    "status_days",
    metadata,
    Column("day", Date, primary_key=True),
    Column("part", String(32), primary_key=True),
    Column("good", Integer, nullable=False),
    Column("bad", Integer, nullable=False),
    Column("first_at", UTCDateTime, nullable=False),
    Column("last_at", UTCDateTime, nullable=False),
)


class SQLStatusStore:
    """Counts looks in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def count(self, part: Part, *, slot: datetime, works: bool) -> bool:
        table = status_days.c
        new = insert(status_days).values(
            day=slot.date(),
            part=part.value,
            good=int(works),
            bad=int(not works),
            first_at=slot,
            last_at=slot,
        )
        statement = new.on_conflict_do_update(
            index_elements=[table.day, table.part],
            set_={
                "good": table.good + new.excluded.good,
                "bad": table.bad + new.excluded.bad,
                "last_at": new.excluded.last_at,
            },
            where=table.last_at < new.excluded.last_at,
        ).returning(table.part)
        return (await self._connection.execute(statement)).first() is not None

    async def since(self, day: date) -> tuple[DayCount, ...]:
        table = status_days.c
        statement = select(table.day, table.part, table.good, table.bad, table.first_at, table.last_at).where(
            table.day >= day, table.part.in_([part.value for part in Part])
        )
        rows = await self._connection.execute(statement)
        return tuple(
            DayCount(on, Part(part), good, bad, first_at, last_at)
            for on, part, good, bad, first_at, last_at in rows
        )

    async def forget_before(self, day: date) -> int:
        return (await self._connection.execute(delete(status_days).where(status_days.c.day < day))).rowcount
