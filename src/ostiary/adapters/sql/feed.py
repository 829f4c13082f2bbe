"""The feed in PostgreSQL: one locked head per stream makes its sequence gap-free."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    RowMapping,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.feed.model import FeedEvent, FeedEventType, StreamHead
from ostiary.core.kernel.clock import Clock

CHANNEL: Final = "ostiary_feed"
"""What PostgreSQL is asked to announce, and listeners listen to; the message is the stream's id."""

feed_heads: Final = Table(
    "feed_heads",
    metadata,
    Column("stream_id", String(64), primary_key=True),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("connection_id", String(64)),
    Column("last", BigInteger, nullable=False),
    Column("trimmed", BigInteger, nullable=False),
)
"""The end of each stream: the row that a writer locks."""

feed_events: Final = Table(
    "feed_events",
    metadata,
    Column("stream_id", String(64), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("id", String(32), nullable=False),
    Column("organization_id", String(64), nullable=False),
    Column("connection_id", String(64)),
    Column("type", String(48), nullable=False),
    Column("occurred_at", UTCDateTime, nullable=False),
    Column("recorded_at", UTCDateTime, nullable=False, index=True),
    Column("data", JSONB, nullable=False),
    Index("uq_feed_events_stream_id_id", "stream_id", "id", unique=True),
    Index("ix_feed_events_organization_id", "organization_id"),
)


class SQLFeed:
    """The feed inside one transaction. :meth:`flush` writes what was appended; the unit of work calls it."""

    def __init__(
        self,
        connection: AsyncConnection,
        clock: Clock,
        *,
        fan_out: Callable[[Sequence[FeedEvent]], Awaitable[None]],
    ) -> None:
        """``fan_out`` gets what was newly appended, with sequences, before the transaction ends."""
        self._connection = connection
        self._clock = clock
        self._fan_out = fan_out
        self._waiting: list[FeedEvent] = []

    async def append(self, events: Sequence[FeedEvent]) -> None:
        self._waiting.extend(events)

    async def flush(self) -> None:
        """Write what waits.

        Always stream by stream in the order of their ids, so that two transactions cannot wait for each other.
        """
        waiting, self._waiting = self._waiting, []
        by_stream = attrgetter("stream_id")
        for _, events in groupby(sorted(waiting, key=by_stream), key=by_stream):
            appended = await self._append(list(events))
            if appended:
                await self._fan_out(appended)

    async def head(self, stream_id: str) -> StreamHead:
        statement = select(feed_heads.c.last, feed_heads.c.trimmed).where(feed_heads.c.stream_id == stream_id)
        row = (await self._connection.execute(statement)).one_or_none()
        return StreamHead() if row is None else StreamHead(last=row.last, trimmed=row.trimmed)

    async def read(self, stream_id: str, *, after: int, limit: int) -> tuple[FeedEvent, ...]:
        statement = (
            select(feed_events)
            .where(feed_events.c.stream_id == stream_id, feed_events.c.sequence > after)
            .order_by(feed_events.c.sequence)
            .limit(limit)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(event_of_row(row) for row in rows)

    async def trim(self, *, before: datetime, limit: int) -> int:
        old = (
            select(feed_events.c.stream_id, feed_events.c.sequence)
            .where(feed_events.c.recorded_at < before)
            .order_by(feed_events.c.recorded_at)
            .limit(limit)
            .subquery()
        )
        # Machines' clocks differ a little: what goes is always the beginning of a stream, without a hole.
        ends = (
            await self._connection.execute(
                select(old.c.stream_id, func.max(old.c.sequence))
                .group_by(old.c.stream_id)
                .order_by("stream_id")
            )
        ).all()
        gone = 0
        for stream_id, sequence in ends:
            await self._connection.execute(
                update(feed_heads)
                .where(feed_heads.c.stream_id == stream_id)
                .values(trimmed=func.greatest(feed_heads.c.trimmed, sequence))
            )
            result = await self._connection.execute(
                delete(feed_events).where(
                    feed_events.c.stream_id == stream_id, feed_events.c.sequence <= sequence
                )
            )
            gone += result.rowcount
        return gone

    async def jump(self, places: int) -> int:
        moved = feed_heads.c.last + places
        return (await self._connection.execute(update(feed_heads).values(last=moved, trimmed=moved))).rowcount

    async def _append(self, events: Sequence[FeedEvent]) -> list[FeedEvent]:
        """Append the events of one stream; return those that were not there yet, with their sequences."""
        stream_id = events[0].stream_id
        last = await self._lock_head(events[0])
        distinct = {event.id: event for event in events}
        known = set(
            await self._connection.scalars(
                select(feed_events.c.id).where(
                    feed_events.c.stream_id == stream_id, feed_events.c.id.in_(distinct)
                )
            )
        )
        fresh = [event for event_id, event in distinct.items() if event_id not in known]
        if not fresh:
            return []
        appended = [_with_sequence(event, last + place) for place, event in enumerate(fresh, start=1)]
        now = self._clock.now()
        await self._connection.execute(insert(feed_events), [_values(event, now) for event in appended])
        await self._connection.execute(
            update(feed_heads).where(feed_heads.c.stream_id == stream_id).values(last=last + len(appended))
        )
        # Heard by others when this transaction commits, and never if it does not.
        await self._connection.execute(select(func.pg_notify(CHANNEL, stream_id)))
        return appended

    async def _lock_head(self, event: FeedEvent) -> int:
        statement = upsert(feed_heads).values(
            stream_id=event.stream_id,
            organization_id=event.organization_id,
            connection_id=event.connection_id,
            last=0,
            trimmed=0,
        )
        return (
            await self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[feed_heads.c.stream_id], set_={"last": feed_heads.c.last}
                ).returning(feed_heads.c.last)
            )
        ).scalar_one()


def event_of_row(row: RowMapping) -> FeedEvent:
    """Return the event in a row of :data:`feed_events`."""
    return FeedEvent(
        id=row["id"],
        stream_id=row["stream_id"],
        organization_id=row["organization_id"],
        connection_id=row["connection_id"],
        type=FeedEventType(row["type"]),
        occurred_at=row["occurred_at"],
        data=row["data"],
        sequence=row["sequence"],
    )


def _with_sequence(event: FeedEvent, sequence: int) -> FeedEvent:
    return FeedEvent(
        id=event.id,
        stream_id=event.stream_id,
        organization_id=event.organization_id,
        connection_id=event.connection_id,
        type=event.type,
        occurred_at=event.occurred_at,
        data=event.data,
        sequence=sequence,
    )


def _values(event: FeedEvent, recorded_at: datetime) -> dict[str, Any]:
    return {
        "stream_id": event.stream_id,
        "sequence": event.sequence,
        "id": event.id,
        "organization_id": event.organization_id,
        "connection_id": event.connection_id,
        "type": event.type.value,
        "occurred_at": event.occurred_at,
        "recorded_at": recorded_at,
        "data": dict(event.data),
    }
