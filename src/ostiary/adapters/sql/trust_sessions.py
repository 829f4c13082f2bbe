"""Sessions of the trust page, and the connections it shows."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Boolean, Column, LargeBinary, String, Table, Text, and_, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.connections import connection_of_row, connections
from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.connections.trust import TrustSession
from ostiary.core.kernel.cursor import unwrap_cursor, wrap_cursor
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.page import Page

trust_sessions: Final = Table(
    "trust_sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("organization_id", String(64), nullable=False),
    Column("cloud", String(32), nullable=False),
    Column("tenant_id", String(36), nullable=False),
    Column("object_id", String(36), nullable=False),
    Column("name", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("is_administrator", Boolean, nullable=False),
    Column("created_at", UTCDateTime, nullable=False, index=True),
    Column("authenticated_at", UTCDateTime),
)

_NOT_LIVE: Final = (ConnectionStatus.DISCONNECTED.value, ConnectionStatus.UNCONFIRMED.value)
_BINDING: Final = "connections of a directory"


class SQLTrustSessionStore:
    """Keeps trust sessions in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, session: TrustSession) -> None:
        names = (column.name for column in trust_sessions.columns)
        await self._connection.execute(
            insert(trust_sessions).values({name: getattr(session, name) for name in names})
        )

    async def find_by_secret_hash(self, secret_hash: bytes) -> TrustSession | None:
        statement = select(trust_sessions).where(trust_sessions.c.secret_hash == secret_hash)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else TrustSession(**row)

    async def end(self, session_id: str) -> None:
        await self._connection.execute(delete(trust_sessions).where(trust_sessions.c.id == session_id))

    async def delete_begun_before(self, moment: datetime) -> int:
        statement = delete(trust_sessions).where(trust_sessions.c.created_at < moment)
        return (await self._connection.execute(statement)).rowcount


class SQLTenantConnections:
    """Finds the live connections of a directory in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def page(
        self,
        *,
        organization_id: str,
        cloud: str,
        tenant_id: str,
        object_id: str | None,
        cursor: str | None,
        limit: int,
    ) -> Page[Connection]:
        table = connections.c
        statement = (
            select(connections)
            .where(
                table.organization_id == organization_id,
                table.cloud == cloud,
                table.tenant_id == tenant_id,
                table.status.not_in(_NOT_LIVE),
            )
            .order_by(table.created_at.desc(), table.id.desc())
            .limit(limit + 1)
        )
        if object_id is not None:
            statement = statement.where(table.object_id == object_id)
        if cursor is not None:
            at, last_id = _position(cursor)
            statement = statement.where(
                or_(table.created_at < at, and_(table.created_at == at, table.id < last_id))
            )
        rows = (await self._connection.execute(statement)).mappings().all()
        items = tuple(connection_of_row(row) for row in rows[:limit])
        return Page(items, _cursor_after(items[-1]) if len(rows) > limit else None)


def _cursor_after(last: Connection) -> str:
    return wrap_cursor({"at": last.created_at.isoformat(), "id": last.id}, binding=_BINDING)


def _position(cursor: str) -> tuple[datetime, str]:
    position = unwrap_cursor(cursor, binding=_BINDING)
    try:
        return datetime.fromisoformat(str(position["at"])), str(position["id"])
    except (KeyError, ValueError) as error:
        raise InvalidRequest("This cursor is not one of ours.", field="cursor") from error
