"""When each connection is to be checked next."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    Column,
    ForeignKey,
    Table,
    bindparam,
    delete,
    exists,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.connections import connections
from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.connections.health import CHECK_EVERY
from ostiary.core.connections.incidents import TROUBLED

connection_checks: Final = Table(
    "connection_checks",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("next_check_at", UTCDateTime, nullable=False, index=True),
)

_CHECKED: Final = [status.value for status in CHECK_EVERY]
_TROUBLED: Final = [status.value for status in TROUBLED]


class SQLCheckSchedule:
    """Keeps the plan in PostgreSQL; workers share it without waiting for each other."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def seed(self, *, now: datetime, spread: timedelta, limit: int) -> int:
        due = connection_checks.c.next_check_at <= now
        over = exists().where(
            connections.c.id == connection_checks.c.connection_id, connections.c.status.not_in(_CHECKED)
        )
        await self._connection.execute(delete(connection_checks).where(due, over))
        unplanned = ~exists().where(connection_checks.c.connection_id == connections.c.id)
        # Spread by the database: one statement for all, and nothing secret hangs on this randomness.
        at = literal(now, UTCDateTime) + func.random() * bindparam("spread", spread)
        source = (
            select(connections.c.id, at).where(connections.c.status.in_(_CHECKED), unplanned).limit(limit)
        )
        statement = (
            insert(connection_checks)
            .from_select(["connection_id", "next_check_at"], source)
            .on_conflict_do_nothing()
        )
        return (await self._connection.execute(statement)).rowcount

    async def claim_due(self, *, now: datetime, until: datetime, limit: int) -> tuple[str, ...]:
        due = (
            select(connection_checks.c.connection_id)
            .where(connection_checks.c.next_check_at <= now)
            .order_by(connection_checks.c.next_check_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        statement = (
            update(connection_checks)
            .where(connection_checks.c.connection_id.in_(due.scalar_subquery()))
            .values(next_check_at=until)
            .returning(connection_checks.c.connection_id)
        )
        return tuple((await self._connection.execute(statement)).scalars())

    async def plan(self, connection_id: str, *, at: datetime) -> None:
        statement = insert(connection_checks).values(connection_id=connection_id, next_check_at=at)
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[connection_checks.c.connection_id], set_={"next_check_at": at}
            )
        )

    async def bring_forward(self, connection_id: str, *, to: datetime) -> None:
        statement = insert(connection_checks).values(connection_id=connection_id, next_check_at=to)
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[connection_checks.c.connection_id],
                set_={"next_check_at": func.least(connection_checks.c.next_check_at, to)},
            )
        )

    async def bring_forward_troubled(self, organization_id: str, *, to: datetime) -> None:
        troubled = select(connections.c.id).where(
            connections.c.organization_id == organization_id, connections.c.status.in_(_TROUBLED)
        )
        await self._connection.execute(
            update(connection_checks)
            .where(
                connection_checks.c.connection_id.in_(troubled.scalar_subquery()),
                connection_checks.c.next_check_at > to,
            )
            .values(next_check_at=to)
        )
