"""Pending authorization requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Index,
    LargeBinary,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.signin.model import AuthorizationRequest, FlowKind

authorization_requests: Final = Table(
    "authorization_requests",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("state_hash", LargeBinary, nullable=False, unique=True),
    Column("browser_hash", LargeBinary, nullable=False),
    Column("registration_id", String(64), nullable=False),
    Column("cloud", String(32), nullable=False),
    Column("authority", String(64), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("subject", JSONB, nullable=False),
    Column("consumed_at", UTCDateTime),
    Index(None, "expires_at"),
)


class SQLAuthorizationRequestStore:
    """Keeps pending authorization requests in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, request: AuthorizationRequest) -> None:
        await self._connection.execute(insert(authorization_requests).values(_values(request)))

    async def consume(
        self, *, state_hash: bytes, browser_hash: bytes, redirect_uri: str, now: datetime
    ) -> AuthorizationRequest | None:
        table = authorization_requests.c
        # One statement decides and marks: of any number of identical returns at most one sees the row (SR-3).
        statement = (
            update(authorization_requests)
            .where(
                table.state_hash == state_hash,
                table.browser_hash == browser_hash,
                table.redirect_uri == redirect_uri,
                table.consumed_at.is_(None),
                table.expires_at > now,
            )
            .values(consumed_at=now)
            .returning(authorization_requests)
        )
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _request(row)

    async def find_by_state(self, *, state_hash: bytes) -> AuthorizationRequest | None:
        statement = select(authorization_requests).where(authorization_requests.c.state_hash == state_hash)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _request(row)

    async def delete_expired(self, *, before: datetime) -> int:
        statement = delete(authorization_requests).where(authorization_requests.c.expires_at < before)
        return (await self._connection.execute(statement)).rowcount


def _values(request: AuthorizationRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "kind": request.kind.value,
        "state_hash": request.state_hash,
        "browser_hash": request.browser_hash,
        "registration_id": request.registration_id,
        "cloud": request.cloud,
        "authority": request.authority,
        "redirect_uri": request.redirect_uri,
        "scopes": list(request.scopes),
        "created_at": request.created_at,
        "expires_at": request.expires_at,
        "subject": dict(request.subject),
        "consumed_at": request.consumed_at,
    }


def _request(row: RowMapping) -> AuthorizationRequest:
    return AuthorizationRequest(
        id=row["id"],
        kind=FlowKind(row["kind"]),
        state_hash=row["state_hash"],
        browser_hash=row["browser_hash"],
        registration_id=row["registration_id"],
        cloud=row["cloud"],
        authority=row["authority"],
        redirect_uri=row["redirect_uri"],
        scopes=tuple(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        subject=row["subject"],
        consumed_at=row["consumed_at"],
    )
