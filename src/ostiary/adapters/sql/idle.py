"""Connections that nobody uses, and when that was first said."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from sqlalchemy import Column, ColumnElement, Date, ForeignKey, String, Table, cast, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.connect_sessions import connect_sessions
from ostiary.adapters.sql.connection_tokens import refresh_tokens
from ostiary.adapters.sql.connections import connection_of_row, connections
from ostiary.adapters.sql.permission_uses import permission_uses
from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.connections.model import Connection

idle_reports: Final = Table(
    "idle_reports",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("reported_at", UTCDateTime, nullable=False),
)


def _last_day() -> ColumnElement[date]:
    """The last day somebody used the connection or signed in to it."""
    used = (
        select(func.max(permission_uses.c.last_used_on))
        .where(permission_uses.c.connection_id == connections.c.id)
        .scalar_subquery()
    )
    signed_in = (
        select(cast(func.max(connect_sessions.c.used_at), Date))
        .where(connect_sessions.c.made_connection_id == connections.c.id)
        .scalar_subquery()
    )
    begun = cast(func.coalesce(connections.c.connected_at, connections.c.created_at), Date)
    return func.greatest(used, signed_in, begun, type_=Date)


class SQLIdleStore:
    """Finds idle connections in PostgreSQL; satisfies ``IdleStore``. Only those that hold a sign-in count."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def unreported(self, *, before: date, limit: int) -> tuple[tuple[Connection, date], ...]:
        last = _last_day()
        statement = (
            select(connections, last.label("last_used_on"))
            .join(refresh_tokens, refresh_tokens.c.connection_id == connections.c.id)
            .outerjoin(idle_reports, idle_reports.c.connection_id == connections.c.id)
            .where(idle_reports.c.connection_id.is_(None), last <= before)
            .order_by(connections.c.id)
            .limit(limit)
        )
        rows = (await self._connection.execute(statement)).mappings().all()
        return tuple((connection_of_row(row), row["last_used_on"]) for row in rows)

    async def report(self, connection: Connection, *, now: datetime) -> None:
        statement = insert(idle_reports).values(
            connection_id=connection.id, organization_id=connection.organization_id, reported_at=now
        )
        await self._connection.execute(statement.on_conflict_do_nothing())

    async def due(
        self, *, before: date, reported_before: datetime, limit: int
    ) -> tuple[tuple[Connection, date], ...]:
        last = _last_day()
        statement = (
            select(connections, last.label("last_used_on"))
            .join(refresh_tokens, refresh_tokens.c.connection_id == connections.c.id)
            .join(idle_reports, idle_reports.c.connection_id == connections.c.id)
            .where(idle_reports.c.reported_at <= reported_before, last <= before)
            .order_by(connections.c.id)
            .limit(limit)
        )
        rows = (await self._connection.execute(statement)).mappings().all()
        return tuple((connection_of_row(row), row["last_used_on"]) for row in rows)

    async def forget_used(self, *, after: date) -> int:
        used = select(connections.c.id).where(_last_day() > after)
        gone = select(refresh_tokens.c.connection_id)
        statement = delete(idle_reports).where(
            idle_reports.c.connection_id.in_(used) | idle_reports.c.connection_id.not_in(gone)
        )
        return (await self._connection.execute(statement)).rowcount
