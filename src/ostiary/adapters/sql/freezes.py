"""What the operator froze."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, ColumnElement, String, Table, Text, and_, delete, exists, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.connections.errors import Frozen
from ostiary.core.connections.freeze import Freeze, FreezeScope

freezes: Final = Table(
    "freezes",
    metadata,
    Column("scope", String(16), primary_key=True),
    Column("target_id", String(64), primary_key=True),
    Column("at", UTCDateTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
)


class SQLFreezeStore:
    """Keeps freezes in PostgreSQL. There are few of them at any time."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, freeze: Freeze) -> bool:
        statement = (
            postgresql.insert(freezes)
            .values(
                scope=freeze.scope.value,
                target_id=freeze.target_id,
                at=freeze.at,
                by=freeze.by,
                note=freeze.note,
            )
            .on_conflict_do_nothing()
            .returning(freezes.c.scope)
        )
        return (await self._connection.execute(statement)).scalar_one_or_none() is not None

    async def remove(self, scope: FreezeScope, target_id: str) -> bool:
        statement = delete(freezes).where(freezes.c.scope == scope.value, freezes.c.target_id == target_id)
        return (await self._connection.execute(statement)).rowcount == 1

    async def all(self) -> tuple[Freeze, ...]:
        statement = select(freezes).order_by(freezes.c.at, freezes.c.scope, freezes.c.target_id)
        rows = (await self._connection.execute(statement)).mappings().all()
        return tuple(_freeze(row) for row in rows)

    async def covering(self, organization_id: str) -> Freeze | None:
        statement = select(freezes).where(_stops(organization_id)).order_by(freezes.c.at).limit(1)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _freeze(row)

    async def is_frozen(self, connection_id: str | None, *, organization_id: str) -> bool:
        condition = _stops(organization_id)
        if connection_id is not None:
            condition = or_(condition, _is(FreezeScope.CONNECTION, connection_id))
        statement = select(freezes.c.scope).where(condition).limit(1)
        return (await self._connection.execute(statement)).scalar_one_or_none() is not None

    async def require_thawed(self, connection_id: str, *, organization_id: str) -> None:
        if await self.is_frozen(connection_id, organization_id=organization_id):
            raise Frozen("The use of this connection was stopped by the operator.", reason="frozen")


def stops_row(connection_id: ColumnElement[str], organization_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the connection of a row is frozen, for queries of connections."""

    def targets(scope: FreezeScope, target_id: ColumnElement[str]) -> ColumnElement[bool]:
        return and_(freezes.c.scope == scope.value, freezes.c.target_id == target_id)

    return exists().where(
        or_(
            freezes.c.scope == FreezeScope.INSTANCE.value,
            targets(FreezeScope.ORGANIZATION, organization_id),
            targets(FreezeScope.CONNECTION, connection_id),
        )
    )


def _is(scope: FreezeScope, target_id: str) -> ColumnElement[bool]:
    return and_(freezes.c.scope == scope.value, freezes.c.target_id == target_id)


def _stops(organization_id: str) -> ColumnElement[bool]:
    return or_(freezes.c.scope == FreezeScope.INSTANCE.value, _is(FreezeScope.ORGANIZATION, organization_id))


def _freeze(row: Any) -> Freeze:
    return Freeze(FreezeScope(row["scope"]), row["target_id"], row["at"], row["by"], row["note"])
