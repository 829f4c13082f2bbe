"""The coverage ledger in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.sync_tables import coverage_stretches
from ostiary.core.sync.coverage import CoverageHow, Stretch
from ostiary.core.sync.model import Source

_C: Final = coverage_stretches.c


class SQLCoverageStore:
    """Keeps stretches of coverage."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def extend(
        self,
        *,
        connection_id: str,
        organization_id: str,
        source: Source,
        until: datetime,
        how: CoverageHow,
        reason: str | None,
        begins_at: datetime,
    ) -> None:
        newest = (
            await self._connection.execute(
                select(coverage_stretches)
                .where(_C.connection_id == connection_id, _C.source == source.value)
                .order_by(_C.end_at.desc())
                .limit(1)
                .with_for_update()
            )
        ).one_or_none()
        if newest is not None and newest.how == how.value and newest.reason == reason:
            await self._connection.execute(
                update(coverage_stretches)
                .where(_C.id == newest.id)
                .values(end_at=func.greatest(_C.end_at, until))
            )
            return
        begins = begins_at if newest is None else max(newest.end_at, begins_at)
        await self._connection.execute(
            insert(coverage_stretches).values(
                connection_id=connection_id,
                organization_id=organization_id,
                source=source.value,
                start_at=begins,
                end_at=max(begins, until),
                how=how.value,
                reason=reason,
            )
        )

    async def between(self, connection_id: str, *, start: datetime, end: datetime) -> tuple[Stretch, ...]:
        rows = await self._connection.execute(
            select(coverage_stretches)
            .where(_C.connection_id == connection_id, _C.end_at >= start, _C.start_at <= end)
            .order_by(_C.source, _C.start_at)
        )
        return tuple(
            Stretch(Source(row.source), row.start_at, row.end_at, CoverageHow(row.how), row.reason)
            for row in rows
        )
