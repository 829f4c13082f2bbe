"""Stored access tokens with everything that decides whether they may be opened: one statement for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import Executable, Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.connection_tokens import access_tokens, shared_of_row
from ostiary.adapters.sql.connections import connection_of_row, connections
from ostiary.adapters.sql.freezes import stops_row
from ostiary.core.connections.model import StoredAccessToken


class SQLStoredTokens:
    """Satisfies ``StoredTokenReader``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, connection_ids: Sequence[str]) -> Mapping[str, StoredAccessToken]:
        rows = await self._connection.execute(_statement(), {"ids": list(connection_ids)})
        return {
            row["id"]: StoredAccessToken(
                connection_of_row(row),
                is_frozen=row["is_frozen"],
                token=None if row["ciphertext"] is None else shared_of_row(row),
            )
            for row in rows.mappings()
        }


@cache
def _statement() -> Executable:
    """Built once: it runs at each opening, and building it costs more than running it."""
    columns = [column for column in access_tokens.c if column.name != "connection_id"]
    is_frozen = stops_row(connections.c.id, connections.c.organization_id).label("is_frozen")
    return (
        select(*connections.c, *columns, is_frozen)
        .select_from(connections.outerjoin(access_tokens, access_tokens.c.connection_id == connections.c.id))
        .where(connections.c.id == any_(bindparam("ids", type_=ARRAY(Text))))
    )
