"""Sealed tokens by the key they are wrapped under."""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.connection_tokens import access_tokens, refresh_tokens, sealed_of_row, sealed_values
from ostiary.adapters.sql.connections import connections
from ostiary.core.connections.rewrap import KeyUse, StoredToken
from ostiary.core.vault.model import Sealed


class SQLSealedTokenStore:
    """Finds and replaces sealed refresh tokens in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def organizations(self) -> tuple[str, ...]:
        statement = (
            select(connections.c.organization_id)
            .join(refresh_tokens, refresh_tokens.c.connection_id == connections.c.id)
            .distinct()
            .order_by(connections.c.organization_id)
        )
        return tuple(await self._connection.scalars(statement))

    async def under_other_keys(
        self, organization_id: str, *, current_key_id: str, after: str, limit: int
    ) -> tuple[StoredToken, ...]:
        statement = (
            select(refresh_tokens)
            .join(connections, connections.c.id == refresh_tokens.c.connection_id)
            .where(
                connections.c.organization_id == organization_id,
                refresh_tokens.c.key_id != current_key_id,
                refresh_tokens.c.connection_id > after,
            )
            .order_by(refresh_tokens.c.connection_id)
            .limit(limit)
        )
        rows = (await self._connection.execute(statement)).mappings().all()
        return tuple(
            StoredToken(row["connection_id"], organization_id, row["version"], sealed_of_row(row))
            for row in rows
        )

    async def replace(self, token: StoredToken, sealed: Sealed) -> bool:
        same = (
            refresh_tokens.c.connection_id == token.connection_id,
            refresh_tokens.c.version == token.version,
            refresh_tokens.c.key_id == token.sealed.key_id,
            refresh_tokens.c.ciphertext == token.sealed.ciphertext,
        )
        # A row that a refresh is writing now is left to it; waiting would only end in being too late.
        free = select(refresh_tokens.c.connection_id).where(*same).with_for_update(skip_locked=True)
        if (await self._connection.execute(free)).scalar_one_or_none() is None:
            return False
        statement = update(refresh_tokens).where(*same).values(sealed_values(sealed))
        return (await self._connection.execute(statement)).rowcount == 1

    async def uses(self) -> tuple[KeyUse, ...]:
        counted: dict[tuple[str, str], list[int]] = {}
        for place, table in enumerate((refresh_tokens, access_tokens)):
            statement = (
                select(connections.c.organization_id, table.c.key_id, func.count())
                .join(connections, connections.c.id == table.c.connection_id)
                .group_by(connections.c.organization_id, table.c.key_id)
            )
            for organization_id, key_id, count in await self._connection.execute(statement):
                counted.setdefault((organization_id, key_id), [0, 0])[place] = count
        return tuple(KeyUse(*key, *counts) for key, counts in sorted(counted.items()))
