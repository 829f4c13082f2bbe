"""Sealed tokens of connections, and the lease that keeps refreshes apart."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.connections.model import SharedAccessToken
from ostiary.core.kernel.errors import Conflict
from ostiary.core.vault.model import Sealed

refresh_tokens: Final = Table(
    "refresh_tokens",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("format_version", Integer, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("commitment", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("stored_at", UTCDateTime, nullable=False, index=True),
)

access_tokens: Final = Table(
    "access_tokens",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("format_version", Integer, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("commitment", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False, index=True),
)

refresh_leases: Final = Table(
    "refresh_leases",
    metadata,
    Column("connection_id", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("held_until", UTCDateTime, nullable=False),
    Column("fence", Integer, nullable=False),
)

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SQLRefreshTokenStore:
    """Keeps one sealed refresh token per connection in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, connection_id: str, sealed: Sealed, *, version: int, at: datetime) -> None:
        values = sealed_values(sealed) | {"version": version, "stored_at": at}
        if version == 1:
            statement = (
                postgresql.insert(refresh_tokens)
                .values(connection_id=connection_id, **values)
                .on_conflict_do_nothing()
                .returning(refresh_tokens.c.version)
            )
        else:
            # Never an insert: a refresh that ends after a disconnect must not bring the token back.
            statement = (
                update(refresh_tokens)
                .where(
                    refresh_tokens.c.connection_id == connection_id,
                    refresh_tokens.c.version == version - 1,
                )
                .values(values)
                .returning(refresh_tokens.c.version)
            )
        if (await self._connection.execute(statement)).scalar_one_or_none() is None:
            raise Conflict("The saved sign-in changed meanwhile.")

    async def find(self, connection_id: str) -> tuple[Sealed, int] | None:
        statement = select(refresh_tokens).where(refresh_tokens.c.connection_id == connection_id)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        if row is None:
            return None
        return sealed_of_row(row), row["version"]

    async def destroy(self, connection_id: str) -> bool:
        statement = delete(refresh_tokens).where(refresh_tokens.c.connection_id == connection_id)
        return (await self._connection.execute(statement)).rowcount == 1


class SQLAccessTokenStore:
    """Keeps the current access token of a connection, sealed, for the other processes."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, connection_id: str, sealed: Sealed, *, version: int, expires_at: datetime) -> None:
        values = sealed_values(sealed) | {"version": version, "expires_at": expires_at}
        statement = (
            postgresql.insert(access_tokens)
            .values(connection_id=connection_id, **values)
            .on_conflict_do_update(index_elements=[access_tokens.c.connection_id], set_=values)
        )
        await self._connection.execute(statement)

    async def find(self, connection_id: str) -> SharedAccessToken | None:
        statement = select(access_tokens).where(access_tokens.c.connection_id == connection_id)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        if row is None:
            return None
        return shared_of_row(row)

    async def destroy(self, connection_id: str) -> bool:
        statement = delete(access_tokens).where(access_tokens.c.connection_id == connection_id)
        return (await self._connection.execute(statement)).rowcount == 1

    async def destroy_expired(self, *, before: datetime) -> int:
        statement = delete(access_tokens).where(access_tokens.c.expires_at <= before)
        return (await self._connection.execute(statement)).rowcount


class SQLRefreshLease:
    """One refresh at a time per connection, across processes and machines."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def acquire(self, connection_id: str, *, holder: str, until: datetime, now: datetime) -> int | None:
        attempt = postgresql.insert(refresh_leases).values(
            connection_id=connection_id, holder=holder, held_until=until, fence=1
        )
        statement = attempt.on_conflict_do_update(
            index_elements=[refresh_leases.c.connection_id],
            set_={
                "holder": holder,
                "held_until": until,
                "fence": refresh_leases.c.fence + 1,
            },
            where=refresh_leases.c.held_until <= now,
        ).returning(refresh_leases.c.fence)
        return (await self._connection.execute(statement)).scalar_one_or_none()

    async def release(self, connection_id: str, *, holder: str) -> None:
        # The row stays, so that its fencing number never starts over.
        statement = (
            update(refresh_leases)
            .where(refresh_leases.c.connection_id == connection_id, refresh_leases.c.holder == holder)
            .values(held_until=_LONG_AGO)
        )
        await self._connection.execute(statement)


def shared_of_row(row: RowMapping) -> SharedAccessToken:
    """Return the access token of a row, for queries that join it."""
    return SharedAccessToken(sealed_of_row(row), version=row["version"], expires_at=row["expires_at"])


def sealed_values(sealed: Sealed) -> dict[str, Any]:
    """Return a sealed value as columns; both token tables have the same ones."""
    return {
        "format_version": sealed.format_version,
        "key_id": sealed.key_id,
        "wrapped_key": sealed.wrapped_key,
        "nonce": sealed.nonce,
        "commitment": sealed.commitment,
        "ciphertext": sealed.ciphertext,
    }


def sealed_of_row(row: RowMapping) -> Sealed:
    """Return the sealed value of a row of either token table."""
    return Sealed(
        format_version=row["format_version"],
        key_id=row["key_id"],
        wrapped_key=row["wrapped_key"],
        nonce=row["nonce"],
        commitment=row["commitment"],
        ciphertext=row["ciphertext"],
    )
