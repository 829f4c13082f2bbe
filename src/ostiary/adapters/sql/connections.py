"""Connections: one Microsoft identity is one live connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    and_,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.connection_tokens import refresh_tokens
from ostiary.adapters.sql.notices import notices
from ostiary.adapters.sql.provider_detail import provider_detail, provider_values
from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.connections.model import (
    Connection,
    ConnectionStatus,
)
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.cursor import unwrap_cursor, wrap_cursor
from ostiary.core.kernel.errors import Conflict, InvalidRequest, NotFound
from ostiary.core.kernel.page import Page

LIVE_IDENTITY: Final = "uq_connections_live_identity"

connections: Final = Table(
    "connections",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("organization_id", String(64), nullable=False),
    Column("member_id", String(64), nullable=False, index=True),
    Column("cloud", String(32), nullable=False),
    Column("tenant_id", String(36), nullable=False),
    Column("object_id", String(36), nullable=False),
    Column("method", String(16), nullable=False),
    Column("registration_id", String(64), nullable=False),
    Column("mail", Boolean, nullable=False),
    Column("calendar", Boolean, nullable=False),
    Column("status", String(32), nullable=False),
    Column("reference", String(16), nullable=False, unique=True),
    Column("address", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("changed_at", UTCDateTime, nullable=False),
    Column("granted_scopes", ARRAY(Text), nullable=False),
    Column("reason", String(64)),
    Column("provider", JSONB),
    Column("connected_at", UTCDateTime),
    Column("confirm_before", UTCDateTime),
    Column("last_success_at", UTCDateTime),
    Column("token_version", Integer, nullable=False),
    Column("left_out_reason", String(64)),
    Index("ix_connections_organization_page", "organization_id", "created_at", "id"),
    # One Microsoft identity is one connection (SR-28). An unconfirmed one claims nothing yet, so a sign-in that
    # somebody else began cannot keep the owner out.
    Index(
        LIVE_IDENTITY,
        "cloud",
        "tenant_id",
        "object_id",
        unique=True,
        postgresql_where=text("status NOT IN ('disconnected', 'unconfirmed')"),
    ),
    Index(
        "ix_connections_unconfirmed",
        "confirm_before",
        postgresql_where=text("status = 'unconfirmed'"),
    ),
)

_NOT_LIVE: Final = (ConnectionStatus.DISCONNECTED.value, ConnectionStatus.UNCONFIRMED.value)
_REFRESHABLE: Final = (ConnectionStatus.CONNECTED.value, ConnectionStatus.FAILING.value)


class SQLConnectionStore:
    """Keeps connections in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, connection: Connection) -> None:
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(insert(connections).values(_connection_values(connection)))
        except IntegrityError as error:
            if _is_second_live(error):
                raise Conflict("This mailbox is connected already.") from error
            raise

    async def save(self, connection: Connection) -> None:
        statement = (
            update(connections)
            .where(
                connections.c.id == connection.id,
                connections.c.organization_id == connection.organization_id,
            )
            .values(_connection_values(connection))
        )
        try:
            async with self._connection.begin_nested():
                changed = (await self._connection.execute(statement)).rowcount
        except IntegrityError as error:
            if _is_second_live(error):
                raise Conflict("This mailbox is connected already.") from error
            raise
        if changed != 1:
            raise NotFound("There is no such connection.")

    async def get(
        self, connection_id: str, *, organization_id: str | None = None, for_update: bool = False
    ) -> Connection:
        statement = select(connections).where(connections.c.id == connection_id)
        if organization_id is not None:
            statement = statement.where(connections.c.organization_id == organization_id)
        if for_update:
            statement = statement.with_for_update()
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        if row is None:
            raise NotFound("There is no such connection.")
        return _connection(row)

    async def find_live_by_identity(self, *, cloud: str, tenant_id: str, object_id: str) -> Connection | None:
        statement = select(connections).where(
            connections.c.cloud == cloud,
            connections.c.tenant_id == tenant_id,
            connections.c.object_id == object_id,
            connections.c.status.not_in(_NOT_LIVE),
        )
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _connection(row)

    async def list_for_member(self, member_id: str) -> tuple[Connection, ...]:
        statement = (
            select(connections)
            .where(connections.c.member_id == member_id)
            .order_by(connections.c.created_at.desc(), connections.c.id)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_connection(row) for row in rows)

    async def get_many(self, connection_ids: Sequence[str]) -> tuple[Connection, ...]:
        """Return those of these connections that exist, in no order."""
        statement = select(connections).where(connections.c.id.in_(connection_ids))
        rows = (await self._connection.execute(statement)).mappings().all()
        return tuple(_connection(row) for row in rows)

    async def find_by_reference(self, reference: str) -> Connection | None:
        statement = select(connections).where(connections.c.reference == reference)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _connection(row)

    async def of_people(self, people: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Connection]:
        if not people:
            return {}
        statement = (
            select(connections)
            .where(tuple_(connections.c.tenant_id, connections.c.object_id).in_(list(people)))
            .order_by(connections.c.created_at, connections.c.id)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return {(row["tenant_id"], row["object_id"]): _connection(row) for row in rows}

    async def page(
        self,
        *,
        organization_id: str | None,
        status: ConnectionStatus | None = None,
        reason: str | None = None,
        method: AccessMethod | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Connection]:
        table = connections.c
        statement = select(connections).order_by(table.created_at.desc(), table.id.desc()).limit(limit + 1)
        if organization_id is not None:
            statement = statement.where(table.organization_id == organization_id)
        if status is not None:
            statement = statement.where(table.status == status.value)
        else:
            statement = statement.where(table.status != ConnectionStatus.UNCONFIRMED.value)
        if reason is not None:
            statement = statement.where(table.reason == reason)
        if method is not None:
            statement = statement.where(table.method == method.value)
        if cursor is not None:
            created_at, last_id = _position(cursor)
            statement = statement.where(
                or_(
                    table.created_at < created_at,
                    and_(table.created_at == created_at, table.id < last_id),
                )
            )
        rows = (await self._connection.execute(statement)).mappings().all()
        items = tuple(_connection(row) for row in rows[:limit])
        return Page(items, _cursor_after(items[-1]) if len(rows) > limit else None)

    async def count_by_status(self, organization_id: str | None) -> dict[ConnectionStatus, int]:
        statement = select(connections.c.status, func.count()).group_by(connections.c.status)
        if organization_id is not None:
            statement = statement.where(connections.c.organization_id == organization_id)
        rows = await self._connection.execute(statement)
        return {ConnectionStatus(status): count for status, count in rows}

    async def count_by_method(self, organization_id: str) -> dict[AccessMethod, int]:
        statement = (
            select(connections.c.method, func.count())
            .where(
                connections.c.organization_id == organization_id,
                connections.c.status != ConnectionStatus.UNCONFIRMED.value,
            )
            .group_by(connections.c.method)
        )
        rows = await self._connection.execute(statement)
        return {AccessMethod(method): count for method, count in rows}

    async def count_by_reason(
        self, organization_id: str, *, status: ConnectionStatus | None = None
    ) -> dict[str, int]:
        statement = (
            select(connections.c.reason, func.count())
            .where(
                connections.c.organization_id == organization_id,
                connections.c.reason.is_not(None),
                connections.c.status.not_in(_NOT_LIVE),
            )
            .group_by(connections.c.reason)
        )
        if status is not None:
            statement = statement.where(connections.c.status == status.value)
        rows = await self._connection.execute(statement)
        return {reason: count for reason, count in rows if reason is not None}

    async def unconfirmed_before(self, moment: datetime, *, limit: int) -> tuple[str, ...]:
        statement = (
            select(connections.c.id)
            .where(
                connections.c.status == ConnectionStatus.UNCONFIRMED.value,
                connections.c.confirm_before <= moment,
            )
            .order_by(connections.c.confirm_before)
            .limit(limit)
        )
        return tuple((await self._connection.execute(statement)).scalars())

    async def lost_since(self, moment: datetime, *, limit: int) -> tuple[Connection, ...]:
        told = exists().where(
            notices.c.object_id == connections.c.id, notices.c.created_at >= connections.c.changed_at
        )
        statement = (
            select(connections)
            .where(
                connections.c.status == ConnectionStatus.NEEDS_SIGN_IN.value,
                connections.c.changed_at >= moment,
                ~told,
            )
            .order_by(connections.c.changed_at)
            .limit(limit)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_connection(row) for row in rows)

    async def idle_since(self, moment: datetime, *, limit: int) -> tuple[str, ...]:
        statement = (
            select(connections.c.id)
            .join(refresh_tokens, refresh_tokens.c.connection_id == connections.c.id)
            .where(refresh_tokens.c.stored_at <= moment, connections.c.status.in_(_REFRESHABLE))
            .order_by(refresh_tokens.c.stored_at)
            .limit(limit)
        )
        return tuple((await self._connection.execute(statement)).scalars())


def _is_second_live(error: IntegrityError) -> bool:
    diagnostics = getattr(error.orig, "diag", None)
    return getattr(diagnostics, "constraint_name", None) == LIVE_IDENTITY


def _connection_values(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.id,
        "organization_id": connection.organization_id,
        "member_id": connection.member_id,
        "cloud": connection.cloud,
        "tenant_id": connection.tenant_id,
        "object_id": connection.object_id,
        "method": connection.method.value,
        "registration_id": connection.registration_id,
        "mail": connection.mail,
        "calendar": connection.calendar,
        "status": connection.status.value,
        "reference": connection.reference,
        "address": connection.address,
        "display_name": connection.display_name,
        "created_at": connection.created_at,
        "changed_at": connection.changed_at,
        "granted_scopes": list(connection.granted_scopes),
        "reason": connection.reason,
        "provider": provider_values(connection.provider),
        "connected_at": connection.connected_at,
        "confirm_before": connection.confirm_before,
        "last_success_at": connection.last_success_at,
        "token_version": connection.token_version,
        "left_out_reason": connection.left_out_reason,
    }


def _connection(row: RowMapping) -> Connection:
    return Connection(
        id=row["id"],
        organization_id=row["organization_id"],
        member_id=row["member_id"],
        cloud=row["cloud"],
        tenant_id=row["tenant_id"],
        object_id=row["object_id"],
        method=AccessMethod(row["method"]),
        registration_id=row["registration_id"],
        mail=row["mail"],
        calendar=row["calendar"],
        status=ConnectionStatus(row["status"]),
        reference=row["reference"],
        address=row["address"],
        display_name=row["display_name"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        granted_scopes=tuple(row["granted_scopes"]),
        reason=row["reason"],
        provider=provider_detail(row["provider"]),
        connected_at=row["connected_at"],
        confirm_before=row["confirm_before"],
        last_success_at=row["last_success_at"],
        token_version=row["token_version"],
        left_out_reason=row["left_out_reason"],
    )


def connection_of_row(row: RowMapping) -> Connection:
    """Return the connection in a row of :data:`connections`, for queries that join it."""
    return _connection(row)


def _cursor_after(connection: Connection) -> str:
    position = {"at": connection.created_at.isoformat(), "id": connection.id}
    return wrap_cursor(position, binding="connections")


def _position(cursor: str) -> tuple[datetime, str]:
    position = unwrap_cursor(cursor, binding="connections")
    try:
        created_at = datetime.fromisoformat(str(position["at"]))
        return created_at.replace(tzinfo=created_at.tzinfo or UTC), str(position["id"])
    except (KeyError, ValueError) as error:
        raise InvalidRequest("This cursor is not one of ours.", field="cursor") from error
