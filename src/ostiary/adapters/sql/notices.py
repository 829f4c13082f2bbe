"""The outbox of mails."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.kernel.errors import NotFound
from ostiary.core.notices.model import Correspondent, Notice, NoticeKind

notices: Final = Table(
    "notices",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("to_address", Text, nullable=False),
    Column("to_name", Text, nullable=False),
    Column("reply_to_address", Text),
    Column("reply_to_name", Text),
    Column("created_at", UTCDateTime, nullable=False, index=True),
    Column("organization_id", String(64)),
    Column("facts", JSONB, nullable=False),
    Column("link_id", String(64)),
    Column("object_id", String(64), index=True),
    Column("reference", String(16)),
    Column("once_key", String(200), unique=True),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", UTCDateTime),
    Column("given_up_at", UTCDateTime),
    Column("trouble", Text),
    Index(
        "ix_notices_open",
        "created_at",
        postgresql_where=text("sent_at IS NULL AND given_up_at IS NULL"),
    ),
)


class SQLNoticeStore:
    """Keeps notices in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, notice: Notice) -> bool:
        statement = insert(notices).values(_values(notice)).on_conflict_do_nothing().returning(notices.c.id)
        return (await self._connection.execute(statement)).scalar_one_or_none() is not None

    async def save(self, notice: Notice) -> None:
        statement = update(notices).where(notices.c.id == notice.id).values(_values(notice))
        if (await self._connection.execute(statement)).rowcount != 1:
            raise NotFound("There is no such notice.")

    async def find(self, notice_id: str, *, for_update: bool = False) -> Notice | None:
        statement = select(notices).where(notices.c.id == notice_id)
        if for_update:
            statement = statement.with_for_update()
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _notice(row)

    async def latest_for(self, object_id: str, *, kinds: tuple[NoticeKind, ...]) -> Notice | None:
        statement = (
            select(notices)
            .where(notices.c.object_id == object_id, notices.c.kind.in_([kind.value for kind in kinds]))
            .order_by(notices.c.created_at.desc(), notices.c.id.desc())
            .limit(1)
        )
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _notice(row)

    async def count_for(self, object_id: str, *, kind: NoticeKind, since: datetime) -> int:
        statement = (
            select(func.count())
            .select_from(notices)
            .where(
                notices.c.object_id == object_id,
                notices.c.kind == kind.value,
                notices.c.created_at >= since,
            )
        )
        return (await self._connection.execute(statement)).scalar_one()

    async def stuck(self, *, created_before: datetime, limit: int) -> tuple[str, ...]:
        statement = (
            select(notices.c.id)
            .where(
                notices.c.sent_at.is_(None),
                notices.c.given_up_at.is_(None),
                notices.c.created_at < created_before,
            )
            .order_by(notices.c.created_at)
            .limit(limit)
        )
        return tuple(await self._connection.scalars(statement))

    async def forget(self, *, created_before: datetime) -> int:
        statement = delete(notices).where(
            notices.c.created_at < created_before,
            or_(notices.c.sent_at.is_not(None), notices.c.given_up_at.is_not(None)),
        )
        return (await self._connection.execute(statement)).rowcount


def _values(notice: Notice) -> dict[str, Any]:
    reply_to = notice.reply_to
    return {
        "id": notice.id,
        "kind": notice.kind.value,
        "to_address": notice.to.address,
        "to_name": notice.to.name,
        "reply_to_address": None if reply_to is None else reply_to.address,
        "reply_to_name": None if reply_to is None else reply_to.name,
        "created_at": notice.created_at,
        "organization_id": notice.organization_id,
        "facts": dict(notice.facts),
        "link_id": notice.link_id,
        "object_id": notice.object_id,
        "reference": notice.reference,
        "once_key": notice.once_key,
        "attempts": notice.attempts,
        "sent_at": notice.sent_at,
        "given_up_at": notice.given_up_at,
        "trouble": notice.trouble,
    }


def _notice(row: RowMapping) -> Notice:
    reply_to = row["reply_to_address"]
    return Notice(
        id=row["id"],
        kind=NoticeKind(row["kind"]),
        to=Correspondent(row["to_address"], row["to_name"]),
        created_at=row["created_at"],
        organization_id=row["organization_id"],
        reply_to=None if reply_to is None else Correspondent(reply_to, row["reply_to_name"] or ""),
        facts=row["facts"],
        link_id=row["link_id"],
        object_id=row["object_id"],
        reference=row["reference"],
        once_key=row["once_key"],
        attempts=row["attempts"],
        sent_at=row["sent_at"],
        given_up_at=row["given_up_at"],
        trouble=row["trouble"],
    )
