"""Which processes live, and freeing what dead ones had claimed in any table."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import psycopg
from sqlalchemy import BigInteger, Column, String, Table, Text, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.feed import CHANNEL as FEED_CHANNEL
from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.adapters.sql.sync import CHANNEL as SYNC_CHANNEL
from ostiary.adapters.sql.sync_tables import sync_streams
from ostiary.adapters.sql.webhooks import webhook_deliveries
from ostiary.core.webhooks.model import DeliveryState
from ostiary.core.webhooks.sending import DELIVERIES

_FREE_READINGS: Final = text(
    """
    UPDATE sync_states
    SET lease_holder = NULL, lease_until = NULL, failures = failures + 1,
        not_before = CASE WHEN failures = 0 THEN not_before
            ELSE CAST(:now AS timestamptz) + least(failures * failures, 15) * interval '1 minute' END
    WHERE lease_holder = ANY(:gone)
    """
).bindparams(bindparam("gone", type_=ARRAY(Text)))
"""Perhaps it was this mailbox that brought the process down: one that does so again has to wait."""

processes: Final = Table(
    "processes",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("lock_key", BigInteger, nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
)
"""One row for each process that takes claims, for as long as it lives or until its claims are free."""

_P: Final = processes.c


class SQLProcessStore:
    """Satisfies ``ProcessStore``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, process_id: str, *, lock_key: int, now: datetime) -> None:
        await self._connection.execute(
            insert(processes)
            .values(id=process_id, lock_key=lock_key, started_at=now)
            .on_conflict_do_nothing()
        )

    async def absent(self, *, besides: str) -> frozenset[str]:
        # Whose lock can be had is dead. It is given back at the end of this transaction.
        statement = select(_P.id).where(_P.id != besides, func.pg_try_advisory_xact_lock(_P.lock_key))
        return frozenset((await self._connection.scalars(statement)).all())

    async def release(self, process_ids: Collection[str], *, now: datetime) -> int:
        gone = list(process_ids)
        readings = await self._connection.execute(_FREE_READINGS, {"gone": gone, "now": now})
        streams = await self._connection.execute(delete(sync_streams).where(sync_streams.c.holder.in_(gone)))
        deliveries = await self._connection.execute(
            update(webhook_deliveries)
            .where(
                webhook_deliveries.c.claimed_by.in_(gone),
                webhook_deliveries.c.state == DeliveryState.PENDING.value,
            )
            .values(next_at=now, claimed_by=None)
        )
        await self._connection.execute(delete(processes).where(_P.id.in_(gone)))
        await self._connection.execute(select(func.pg_notify(SYNC_CHANNEL, "")))
        await self._connection.execute(select(func.pg_notify(FEED_CHANNEL, DELIVERIES)))
        return readings.rowcount + streams.rowcount + deliveries.rowcount


class SQLLifeSign:
    """An advisory lock in a session of its own; satisfies ``LifeSign``."""

    def __init__(self, *, conninfo: str, keywords: Mapping[str, Any]) -> None:
        self._conninfo = conninfo
        self._keywords = dict(keywords)

    @asynccontextmanager
    async def held(self, key: int) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, **self._keywords)
        async with connection:
            # A host that lost its power hangs up no line: PostgreSQL asks whether it is still there.
            await connection.execute("SET tcp_keepalives_idle = 10")
            await connection.execute("SET tcp_keepalives_interval = 5")
            await connection.execute("SET tcp_keepalives_count = 2")
            await connection.execute("SELECT pg_advisory_lock(%s)", (key,))

            async def still_held() -> None:
                await connection.execute("SELECT 1")

            yield still_held
