"""Connect sessions."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    LargeBinary,
    RowMapping,
    String,
    Table,
    Text,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.provider_detail import provider_detail, provider_values
from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.connections.model import ConnectSession, ConnectSessionState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import NotFound

connect_sessions: Final = Table(
    "connect_sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("reference", String(16), nullable=False, unique=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("organization_id", String(64), nullable=False),
    Column("member_id", String(64), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False, index=True),
    Column("return_url", Text),
    Column("vendor_verified_identity", Boolean, nullable=False),
    Column("connection_id", String(64)),
    Column("completion_hash", LargeBinary),
    Column("browser_hash", LargeBinary),
    Column("state", String(16), nullable=False),
    Column("mail", Boolean, nullable=False),
    Column("calendar", Boolean, nullable=False),
    Column("method", String(16)),
    Column("reason", String(64)),
    Column("reason_variant", String(32)),
    Column("missing", ARRAY(Text), nullable=False),
    Column("account", Text),
    Column("provider", JSONB),
    Column("used_at", UTCDateTime),
    Column("made_connection_id", String(64), index=True),
)


class SQLConnectSessionStore:
    """Keeps connect sessions in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, session: ConnectSession) -> None:
        await self._connection.execute(insert(connect_sessions).values(_session_values(session)))

    async def save(self, session: ConnectSession) -> None:
        values = _session_values(session)
        # The binding is written by `bind_to_browser` alone, which decides a race in the database.
        del values["browser_hash"]
        statement = (
            update(connect_sessions)
            .where(
                connect_sessions.c.id == session.id,
                connect_sessions.c.organization_id == session.organization_id,
            )
            .values(values)
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise NotFound("There is no such connect session.")

    async def get(self, session_id: str, *, for_update: bool = False) -> ConnectSession:
        statement = select(connect_sessions).where(connect_sessions.c.id == session_id)
        if for_update:
            statement = statement.with_for_update()
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        if row is None:
            raise NotFound("There is no such connect session.")
        return _session(row)

    async def find_by_secret_hash(self, secret_hash: bytes) -> ConnectSession | None:
        statement = select(connect_sessions).where(connect_sessions.c.secret_hash == secret_hash)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _session(row)

    async def find_by_reference(self, reference: str) -> ConnectSession | None:
        statement = select(connect_sessions).where(connect_sessions.c.reference == reference)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _session(row)

    async def find_by_connection(self, connection_id: str) -> ConnectSession | None:
        statement = (
            select(connect_sessions)
            .where(connect_sessions.c.made_connection_id == connection_id)
            .order_by(connect_sessions.c.created_at.desc())
            .limit(1)
            .with_for_update()
        )
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _session(row)

    async def bind_to_browser(self, session_id: str, *, browser_hash: bytes) -> bool:
        statement = (
            update(connect_sessions)
            .where(
                connect_sessions.c.id == session_id,
                or_(
                    connect_sessions.c.browser_hash.is_(None),
                    connect_sessions.c.browser_hash == browser_hash,
                ),
            )
            .values(browser_hash=browser_hash)
        )
        return (await self._connection.execute(statement)).rowcount == 1


def _session_values(session: ConnectSession) -> dict[str, Any]:
    return {
        "id": session.id,
        "reference": session.reference,
        "secret_hash": session.secret_hash,
        "organization_id": session.organization_id,
        "member_id": session.member_id,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "return_url": session.return_url,
        "vendor_verified_identity": session.vendor_verified_identity,
        "connection_id": session.connection_id,
        "completion_hash": session.completion_hash,
        "browser_hash": session.browser_hash,
        "state": session.state.value,
        "mail": session.mail,
        "calendar": session.calendar,
        "method": None if session.method is None else session.method.value,
        "reason": session.reason,
        "reason_variant": session.reason_variant,
        "missing": list(session.missing),
        "account": session.account,
        "provider": provider_values(session.provider),
        "used_at": session.used_at,
        "made_connection_id": session.made_connection_id,
    }


def _session(row: RowMapping) -> ConnectSession:
    return ConnectSession(
        id=row["id"],
        reference=row["reference"],
        secret_hash=row["secret_hash"],
        organization_id=row["organization_id"],
        member_id=row["member_id"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        return_url=row["return_url"],
        vendor_verified_identity=row["vendor_verified_identity"],
        connection_id=row["connection_id"],
        completion_hash=row["completion_hash"],
        browser_hash=row["browser_hash"],
        state=ConnectSessionState(row["state"]),
        mail=row["mail"],
        calendar=row["calendar"],
        method=None if row["method"] is None else AccessMethod(row["method"]),
        reason=row["reason"],
        reason_variant=row["reason_variant"],
        missing=tuple(row["missing"]),
        account=row["account"],
        provider=provider_detail(row["provider"]),
        used_at=row["used_at"],
        made_connection_id=row["made_connection_id"],
    )
