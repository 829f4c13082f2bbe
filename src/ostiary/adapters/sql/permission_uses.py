"""The last day each permission of a connection was used."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

from sqlalchemy import Column, Date, ForeignKey, String, Table, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import metadata

permission_uses: Final = Table(
    "permission_uses",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("permission", String(64), primary_key=True),
    Column("last_used_on", Date, nullable=False),
)


class SQLPermissionUseStore:
    """Keeps one row for each connection and permission in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def note(self, connection_id: str, permission: str, *, day: date) -> None:
        statement = insert(permission_uses).values(
            connection_id=connection_id, permission=permission, last_used_on=day
        )
        # A row that says so already is not written again, whichever process comes second.
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[permission_uses.c.connection_id, permission_uses.c.permission],
                set_={"last_used_on": day},
                where=permission_uses.c.last_used_on < day,
            )
        )

    async def last_days(self, connection_ids: Iterable[str]) -> dict[tuple[str, str], date]:
        statement = select(permission_uses).where(permission_uses.c.connection_id.in_(list(connection_ids)))
        rows = (await self._connection.execute(statement)).mappings()
        return {(row["connection_id"], row["permission"]): row["last_used_on"] for row in rows}
