"""Operators, console sessions, API keys and one-time links in PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Column,
    Index,
    LargeBinary,
    RowMapping,
    Table,
    Text,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.access.model import (
    SESSION_ABSOLUTE_LIFE,
    SESSION_IDLE_LIFE,
    ApiKey,
    ConsoleSession,
    OneTimeLink,
    Operator,
    Permission,
    Role,
)
from ostiary.core.kernel.errors import NotFound

_TOUCH_EVERY: Final = timedelta(minutes=1)
"""How exact "last used" and "last seen" are; saves one write per request."""

operators: Final = Table(
    "operators",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("tenant_id", Text),
    Column("object_id", Text),
    Column("disabled_at", UTCDateTime),
    Index(
        "uq_operators_identity",
        "tenant_id",
        "object_id",
        unique=True,
        postgresql_where=text("tenant_id IS NOT NULL AND object_id IS NOT NULL"),
    ),
)

console_sessions: Final = Table(
    "console_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("organization_id", Text),
    Column("viewed_organization_id", Text),
    Column("created_at", UTCDateTime, nullable=False),
    Column("seen_at", UTCDateTime, nullable=False),
    Column("authenticated_at", UTCDateTime),
    Column("home_tenant_id", Text),
    Column("ended_at", UTCDateTime),
    Index("ix_console_sessions_subject", "subject_id", postgresql_where=text("ended_at IS NULL")),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("last_used_at", UTCDateTime),
    Column("revoked_at", UTCDateTime),
    Column("networks", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("last_used_ip", Text),
    Column("last_refused_at", UTCDateTime),
    Column("created_by", Text, nullable=False, server_default=""),
    Column("replaced_by", Text),
)

one_time_links: Final = Table(
    "one_time_links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("organization_id", Text),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("used_at", UTCDateTime),
)


class SQLConsoleSessionStore:
    """Keeps console sessions."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, session: ConsoleSession) -> None:
        await self._connection.execute(
            insert(console_sessions).values(
                id=session.id,
                secret_hash=session.secret_hash,
                role=session.role.value,
                subject_id=session.subject_id,
                name=session.name,
                organization_id=session.organization_id,
                viewed_organization_id=session.viewed_organization_id,
                created_at=session.created_at,
                seen_at=session.seen_at,
                authenticated_at=session.authenticated_at,
                home_tenant_id=session.home_tenant_id,
                ended_at=session.ended_at,
            )
        )

    async def find_by_secret_hash(self, secret_hash: bytes) -> ConsoleSession | None:
        statement = select(console_sessions).where(console_sessions.c.secret_hash == secret_hash)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _session(row)

    async def touch(self, session_id: str, *, seen_at: datetime) -> None:
        await self._connection.execute(
            update(console_sessions)
            .where(console_sessions.c.id == session_id, console_sessions.c.seen_at < seen_at - _TOUCH_EVERY)
            .values(seen_at=seen_at)
        )

    async def end(self, session_id: str, *, at: datetime) -> None:
        await self._connection.execute(
            update(console_sessions)
            .where(console_sessions.c.id == session_id, console_sessions.c.ended_at.is_(None))
            .values(ended_at=at)
        )

    async def end_all_of(self, subject_id: str, *, at: datetime) -> int:
        statement = update(console_sessions).where(*_live(subject_id, at)).values(ended_at=at)
        return (await self._connection.execute(statement)).rowcount

    async def live_of(self, subject_id: str, *, now: datetime) -> tuple[ConsoleSession, ...]:
        statement = (
            select(console_sessions)
            .where(*_live(subject_id, now))
            .order_by(console_sessions.c.created_at.desc())
        )
        rows = (await self._connection.execute(statement)).mappings().all()
        return tuple(_session(row) for row in rows)

    async def view(self, session_id: str, *, organization_id: str | None) -> None:
        await self._connection.execute(
            update(console_sessions)
            .where(console_sessions.c.id == session_id, console_sessions.c.ended_at.is_(None))
            .values(viewed_organization_id=organization_id)
        )


class SQLOperatorStore:
    """Keeps operators."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, operator: Operator) -> None:
        await self._connection.execute(
            insert(operators).values(
                id=operator.id,
                name=operator.name,
                created_at=operator.created_at,
                tenant_id=operator.tenant_id,
                object_id=operator.object_id,
            )
        )

    async def get(self, operator_id: str) -> Operator:
        found = await self._find(operators.c.id == operator_id)
        if found is None:
            raise NotFound("There is no such operator.")
        return found

    async def save(self, operator: Operator) -> None:
        await self._connection.execute(
            update(operators)
            .where(operators.c.id == operator.id)
            .values(
                name=operator.name,
                tenant_id=operator.tenant_id,
                object_id=operator.object_id,
                disabled_at=operator.disabled_at,
            )
        )

    async def find_by_identity(self, *, tenant_id: str, object_id: str) -> Operator | None:
        return await self._find(operators.c.tenant_id == tenant_id, operators.c.object_id == object_id)

    async def find_by_name(self, name: str) -> Operator | None:
        return await self._find(func.lower(operators.c.name) == name.lower())

    async def list_all(self) -> tuple[Operator, ...]:
        statement = select(operators).order_by(operators.c.created_at, operators.c.id)
        rows = (await self._connection.execute(statement)).mappings().all()
        return tuple(_operator(row) for row in rows)

    async def lock(self) -> None:
        await self._connection.execute(text("LOCK TABLE operators IN SHARE ROW EXCLUSIVE MODE"))

    async def count(self) -> int:
        statement = select(func.count()).select_from(operators)
        return (await self._connection.execute(statement)).scalar_one()

    async def _find(self, *conditions: Any) -> Operator | None:
        statement = select(operators).where(*conditions).order_by(operators.c.created_at).limit(1)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _operator(row)


class SQLApiKeyStore:
    """Keeps API keys: hashes only."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, key: ApiKey) -> None:
        await self._connection.execute(
            insert(api_keys).values(
                id=key.id,
                name=key.name,
                secret_hash=key.secret_hash,
                permissions=sorted(permission.value for permission in key.permissions),
                created_at=key.created_at,
                expires_at=key.expires_at,
                last_used_at=key.last_used_at,
                revoked_at=key.revoked_at,
                networks=list(key.networks),
                created_by=key.created_by,
                replaced_by=key.replaced_by,
            )
        )

    async def lock(self, key_id: str) -> ApiKey | None:
        statement = select(api_keys).where(api_keys.c.id == key_id).with_for_update()
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _api_key(row)

    async def save(self, key: ApiKey) -> None:
        await self._connection.execute(
            update(api_keys)
            .where(api_keys.c.id == key.id)
            .values(expires_at=key.expires_at, replaced_by=key.replaced_by)
        )

    async def note_refused(self, key_id: str, *, at: datetime) -> bool:
        last = api_keys.c.last_refused_at
        statement = (
            update(api_keys)
            .where(api_keys.c.id == key_id, or_(last.is_(None), last < at - _TOUCH_EVERY))
            .values(last_refused_at=at)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def find(self, key_id: str) -> ApiKey | None:
        statement = select(api_keys).where(api_keys.c.id == key_id)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _api_key(row)

    async def list_all(self) -> tuple[ApiKey, ...]:
        statement = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
        rows = (await self._connection.execute(statement)).mappings().all()
        return tuple(_api_key(row) for row in rows)

    async def touch(self, key_id: str, *, used_at: datetime, ip: str | None) -> None:
        last = api_keys.c.last_used_at
        await self._connection.execute(
            update(api_keys)
            .where(api_keys.c.id == key_id, or_(last.is_(None), last < used_at - _TOUCH_EVERY))
            .values(last_used_at=used_at, last_used_ip=ip)
        )

    async def revoke(self, key_id: str, *, at: datetime) -> None:
        statement = (
            update(api_keys)
            .where(api_keys.c.id == key_id)
            .values(revoked_at=func.coalesce(api_keys.c.revoked_at, at))
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise NotFound("There is no such API key.")


class SQLOneTimeLinkStore:
    """Keeps one-time links: hashes only."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, link: OneTimeLink) -> None:
        await self._connection.execute(
            insert(one_time_links).values(
                id=link.id,
                secret_hash=link.secret_hash,
                role=link.role.value,
                subject_id=link.subject_id,
                organization_id=link.organization_id,
                created_at=link.created_at,
                expires_at=link.expires_at,
                used_at=link.used_at,
            )
        )

    async def withdraw_all_of(self, subject_id: str, *, at: datetime) -> int:
        statement = (
            update(one_time_links)
            .where(one_time_links.c.subject_id == subject_id, *_unused(at))
            .values(expires_at=at)
        )
        return (await self._connection.execute(statement)).rowcount

    async def find_live(self, *, secret_hash: bytes, now: datetime) -> OneTimeLink | None:
        statement = select(one_time_links).where(one_time_links.c.secret_hash == secret_hash, *_unused(now))
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _link(row)

    async def consume(self, *, secret_hash: bytes, now: datetime) -> OneTimeLink | None:
        return await self._consume(one_time_links.c.secret_hash == secret_hash, now)

    async def consume_by_id(self, link_id: str, *, now: datetime) -> OneTimeLink | None:
        return await self._consume(one_time_links.c.id == link_id, now)

    async def _consume(self, which: Any, now: datetime) -> OneTimeLink | None:
        statement = (
            update(one_time_links).where(which, *_unused(now)).values(used_at=now).returning(one_time_links)
        )
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _link(row)


def _live(subject_id: str, now: datetime) -> tuple[Any, ...]:
    """The same rule as ``ConsoleSession.is_live``, for the database."""
    return (
        console_sessions.c.subject_id == subject_id,
        console_sessions.c.ended_at.is_(None),
        console_sessions.c.seen_at >= now - SESSION_IDLE_LIFE,
        console_sessions.c.created_at >= now - SESSION_ABSOLUTE_LIFE,
    )


def _unused(now: datetime) -> tuple[Any, ...]:
    return (one_time_links.c.used_at.is_(None), one_time_links.c.expires_at > now)


def _session(row: RowMapping) -> ConsoleSession:
    return ConsoleSession(
        id=row["id"],
        secret_hash=row["secret_hash"],
        role=Role(row["role"]),
        subject_id=row["subject_id"],
        name=row["name"],
        created_at=row["created_at"],
        seen_at=row["seen_at"],
        organization_id=row["organization_id"],
        viewed_organization_id=row["viewed_organization_id"],
        authenticated_at=row["authenticated_at"],
        home_tenant_id=row["home_tenant_id"],
        ended_at=row["ended_at"],
    )


def _operator(row: RowMapping) -> Operator:
    return Operator(
        id=row["id"],
        name=row["name"],
        created_at=row["created_at"],
        tenant_id=row["tenant_id"],
        object_id=row["object_id"],
        disabled_at=row["disabled_at"],
    )


def _api_key(row: RowMapping) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        secret_hash=row["secret_hash"],
        permissions=frozenset(Permission(value) for value in row["permissions"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
        networks=tuple(row["networks"]),
        last_used_ip=row["last_used_ip"],
        created_by=row["created_by"],
        replaced_by=row["replaced_by"],
    )


def _link(row: RowMapping) -> OneTimeLink:
    return OneTimeLink(
        id=row["id"],
        secret_hash=row["secret_hash"],
        role=Role(row["role"]),
        subject_id=row["subject_id"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        organization_id=row["organization_id"],
        used_at=row["used_at"],
    )
