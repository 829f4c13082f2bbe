"""What all processes hold of each mailbox, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    case,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.governor.budget import Window
from ostiary.core.governor.model import Grant, Held, Limits, MailboxKey, MailboxLoad, Wish
from ostiary.core.governor.sharing import held, share
from ostiary.core.kernel.access_method import AccessMethod

# Nothing is lost when a crash empties these: Microsoft refuses one call too many, and says for how long. So no write
# of theirs has to reach a disk.
governor_mailboxes: Final = Table(
    "governor_mailboxes",
    metadata,
    Column("method", String(8), primary_key=True),
    Column("tenant_id", String(64), primary_key=True),
    Column("object_id", String(64), primary_key=True),
    Column("window_began", UTCDateTime, nullable=False),
    Column("used", Integer, nullable=False),
    Column("used_before", Integer, nullable=False),
    Column("blocked_until", UTCDateTime),
    Column("touched_at", UTCDateTime, nullable=False),
    Index("ix_governor_mailboxes_touched_at", "touched_at"),
    Index("ix_governor_mailboxes_blocked_until", "blocked_until"),
    prefixes=["UNLOGGED"],
)

governor_leases: Final = Table(
    "governor_leases",
    metadata,
    Column("method", String(8), primary_key=True),
    Column("tenant_id", String(64), primary_key=True),
    Column("object_id", String(64), primary_key=True),
    Column("holder", String(64), primary_key=True),
    Column("interactive", Integer, nullable=False),
    Column("background", Integer, nullable=False),
    Column("is_short", Boolean, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Index("ix_governor_leases_expires_at", "expires_at"),
    prefixes=["UNLOGGED"],
)

_NOW: Final = func.clock_timestamp(type_=UTCDateTime)
"""The database's clock: the one that all processes share."""


class SQLGovernorLedger:
    """Satisfies ``GovernorLedger``. The mailbox's row is the lock of whoever changes what is held of it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def renew(
        self, key: MailboxKey, holder: str, wish: Wish, limits: Limits, *, lease_seconds: float
    ) -> Grant:
        window, blocked_seconds = await self._lock(key)
        others = await self._others(key, holder)
        grant, counted = share(wish, limits, others, window, blocked_seconds=blocked_seconds)
        await self._connection.execute(
            update(governor_mailboxes)
            .where(*_is(governor_mailboxes, key))
            .values(
                window_began=_NOW - func.make_interval(0, 0, 0, 0, 0, 0, counted.age_seconds),
                used=counted.used,
                used_before=counted.used_before,
            )
        )
        lease: dict[str, Any] = {
            **asdict(held(wish, grant)),
            "expires_at": _in(lease_seconds),
        }
        await self._connection.execute(
            insert(governor_leases)
            .values(**_names(key), holder=holder, **lease)
            .on_conflict_do_update(index_elements=governor_leases.primary_key.columns, set_=lease)
        )
        return grant

    async def release(self, key: MailboxKey, holder: str, *, unused_calls: int) -> None:
        await self._connection.execute(
            update(governor_mailboxes)
            .where(*_is(governor_mailboxes, key))
            .values(used=func.greatest(0, governor_mailboxes.c.used - unused_calls), touched_at=_NOW)
        )
        await self._connection.execute(
            delete(governor_leases).where(*_is(governor_leases, key), governor_leases.c.holder == holder)
        )

    async def block(self, key: MailboxKey, seconds: float) -> None:
        until = _in(seconds)
        await self._connection.execute(
            insert(governor_mailboxes)
            .values(**_fresh(key), blocked_until=until)
            .on_conflict_do_update(
                index_elements=governor_mailboxes.primary_key.columns,
                # GREATEST passes over NULL.
                set_={"blocked_until": func.greatest(governor_mailboxes.c.blocked_until, until)},
            )
        )

    async def resting_seconds(self, key: MailboxKey) -> float:
        pause = func.extract("epoch", governor_mailboxes.c.blocked_until - _NOW)
        statement = select(func.greatest(0, func.coalesce(pause, 0))).where(*_is(governor_mailboxes, key))
        return float((await self._connection.execute(statement)).scalar_one_or_none() or 0)

    async def loads(self, *, limit: int) -> Sequence[MailboxLoad]:
        at_once = (
            select(
                *_key_of(governor_leases),
                func.sum(governor_leases.c.interactive + governor_leases.c.background).label("at_once"),
            )
            .where(governor_leases.c.expires_at > _NOW)
            .group_by(*_key_of(governor_leases))
            .subquery()
        )
        pause = func.extract("epoch", governor_mailboxes.c.blocked_until - _NOW)
        blocked = func.greatest(0, func.coalesce(pause, 0)).label("blocked")
        same = [column == at_once.c[column.name] for column in _key_of(governor_mailboxes)]
        statement = (
            select(
                *_key_of(governor_mailboxes),
                governor_mailboxes.c.used,
                func.coalesce(at_once.c.at_once, 0).label("at_once"),
                blocked,
            )
            .join_from(governor_mailboxes, at_once, same[0] & same[1] & same[2], isouter=True)
            .where((at_once.c.at_once > 0) | (governor_mailboxes.c.blocked_until > _NOW))
            .order_by(blocked.desc(), *_key_of(governor_mailboxes))
            .limit(limit)
        )
        rows = (await self._connection.execute(statement)).mappings().all()
        return [
            MailboxLoad(
                MailboxKey(AccessMethod(row["method"]), row["tenant_id"], row["object_id"]),
                at_once=int(row["at_once"]),
                calls_in_window=row["used"],
                blocked_seconds=float(row["blocked"]),
            )
            for row in rows
        ]

    async def forget(self, *, unused_seconds: float) -> int:
        await self._connection.execute(
            delete(governor_leases).where(governor_leases.c.expires_at < _in(-unused_seconds))
        )
        statement = delete(governor_mailboxes).where(
            governor_mailboxes.c.touched_at < _in(-unused_seconds),
            func.coalesce(governor_mailboxes.c.blocked_until < _NOW, True),
        )
        return (await self._connection.execute(statement)).rowcount

    async def _lock(self, key: MailboxKey) -> tuple[Window, float]:
        age = func.extract("epoch", _NOW - governor_mailboxes.c.window_began)
        pause = func.extract("epoch", governor_mailboxes.c.blocked_until - _NOW)
        statement = (
            insert(governor_mailboxes)
            .values(**_fresh(key))
            .on_conflict_do_update(
                index_elements=governor_mailboxes.primary_key.columns, set_={"touched_at": _NOW}
            )
            .returning(
                governor_mailboxes.c.used,
                governor_mailboxes.c.used_before,
                # A clock that was set back makes no window younger than new.
                func.greatest(0, age).label("age"),
                case((pause.is_(None), literal(0.0)), else_=pause).label("pause"),
            )
        )
        row = (await self._connection.execute(statement)).mappings().one()
        return Window(row["used"], row["used_before"], float(row["age"])), float(row["pause"])

    async def _others(self, key: MailboxKey, holder: str) -> list[Held]:
        statement = select(
            governor_leases.c.interactive, governor_leases.c.background, governor_leases.c.is_short
        ).where(
            *_is(governor_leases, key),
            governor_leases.c.holder != holder,
            governor_leases.c.expires_at > _NOW,
        )
        return [Held(*row) for row in (await self._connection.execute(statement)).all()]


def _names(key: MailboxKey) -> dict[str, str]:
    return {"method": key.method.value, "tenant_id": key.tenant_id, "object_id": key.object_id}


def _fresh(key: MailboxKey) -> dict[str, Any]:
    return {**_names(key), "window_began": _NOW, "used": 0, "used_before": 0, "touched_at": _NOW}


def _key_of(table: Table) -> list[Column[Any]]:
    return [table.c.method, table.c.tenant_id, table.c.object_id]


def _is(table: Table, key: MailboxKey) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in _names(key).items()]


def _in(seconds: float) -> ColumnElement[Any]:
    return _NOW + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
