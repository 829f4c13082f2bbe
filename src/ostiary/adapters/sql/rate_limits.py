"""Rate limits in PostgreSQL: one row per bucket, one statement per try."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Column, Index, Interval, LargeBinary, Table, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.access.rate_limits import Budget

rate_limits: Final = Table(
    "rate_limits",
    metadata,
    Column("bucket", LargeBinary, primary_key=True),
    Column("full_at", UTCDateTime, nullable=False),
    Index("ix_rate_limits_full_at", "full_at"),
    # Nothing is lost when a crash empties it, and a try costs no write to the log that a disk must confirm.
    prefixes=["UNLOGGED"],
)


class SQLRateLimitStore:
    """Keeps buckets as the moment at which each is full again (a token bucket, told by one number)."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def take(self, bucket: bytes, *, budget: Budget, now: datetime) -> timedelta | None:
        held = rate_limits.c.full_at
        at = literal(now, UTCDateTime)
        after = func.greatest(held, at, type_=UTCDateTime) + literal(budget.cost, Interval)
        statement = (
            insert(rate_limits)
            .values(bucket=bucket, full_at=now + budget.cost)
            # Two processes that take at once wait for each other at the row, and the later one sees the
            # earlier one's moment. Where the condition fails, nothing is written or returned.
            .on_conflict_do_update(
                index_elements=[rate_limits.c.bucket],
                set_={"full_at": after},
                where=after <= literal(now + budget.per, UTCDateTime),
            )
            .returning(rate_limits.c.bucket)
        )
        if (await self._connection.execute(statement)).first() is not None:
            return None
        full_at = (
            await self._connection.execute(select(held).where(rate_limits.c.bucket == bucket))
        ).scalar_one_or_none()
        # Gone meanwhile: the next try finds it full.
        return timedelta(0) if full_at is None else full_at + budget.cost - budget.per - now

    async def forget_full(self, *, now: datetime) -> int:
        statement = delete(rate_limits).where(rate_limits.c.full_at < now)
        return (await self._connection.execute(statement)).rowcount
