"""Where the reading of each followed source stands: marked by notices, claimed by workers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.connections import connections
from ostiary.adapters.sql.schema import UTCDateTime
from ostiary.adapters.sql.sync_items import SQLSyncItems, is_held
from ostiary.adapters.sql.sync_tables import (
    graph_subscriptions,
    sync_forgotten,
    sync_hints,
    sync_items,
    sync_states,
    sync_streams,
)
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.sync.model import Claim, Progress, Source, Stage
from ostiary.core.sync.streaming import NOBODY, STREAMS

CHANNEL: Final = "ostiary_sync"
"""What PostgreSQL is asked to announce when there is something to read."""

_S: Final = sync_states.c
_USABLE: Final = (ConnectionStatus.CONNECTED.value, ConnectionStatus.FAILING.value)


class SQLSyncStore(SQLSyncItems):
    """Keeps the state of reading in PostgreSQL; workers share it without waiting for each other."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection)
        self._connection = connection

    # -- following -----------------------------------------------------------------------------------------------

    async def ensure(
        self,
        *,
        connection_id: str,
        organization_id: str,
        source: Source,
        method: AccessMethod,
        backfill_since: datetime | None,
        now: datetime,
    ) -> bool:
        of_source = _of(connection_id, source)
        current = (
            await self._connection.execute(select(_S.method).where(of_source).with_for_update())
        ).scalar_one_or_none()
        if current == method.value:
            await self._connection.execute(
                update(sync_states).where(of_source).values(due_at=now, not_before=None, stalled_reason=None)
            )
            await self._announce()
            return False
        await self._forget(connection_id, source)
        await self.drop_projection([(connection_id, source.value)])
        await self._connection.execute(
            delete(sync_forgotten).where(
                sync_forgotten.c.connection_id == connection_id, sync_forgotten.c.source == source.value
            )
        )
        await self._connection.execute(
            insert(sync_states)
            .values(
                connection_id=connection_id,
                source=source.value,
                organization_id=organization_id,
                method=method.value,
                stage=Stage.INITIAL.value,
                started_at=now,
                backfill_since=backfill_since,
                mark=0,
                full_mark=0,
                done_mark=0,
                due_at=now,
                failures=0,
            )
            .on_conflict_do_nothing()
        )
        await self._announce()
        return True

    async def forget(self, connection_id: str, *, source: Source | None = None) -> None:
        for each in Source if source is None else (source,):
            await self._forget(connection_id, each)
        if source is None:
            await self._connection.execute(
                delete(sync_streams).where(sync_streams.c.connection_id == connection_id)
            )

    async def _forget(self, connection_id: str, source: Source) -> None:
        organization_id = (
            await self._connection.execute(
                delete(sync_states).where(_of(connection_id, source)).returning(_S.organization_id)
            )
        ).scalar_one_or_none()
        if organization_id is None:
            return
        await self._connection.execute(
            delete(sync_hints).where(
                sync_hints.c.connection_id == connection_id, sync_hints.c.source == source.value
            )
        )
        await self._connection.execute(
            delete(graph_subscriptions).where(
                graph_subscriptions.c.connection_id == connection_id,
                graph_subscriptions.c.source == source.value,
            )
        )
        await self._connection.execute(
            insert(sync_forgotten)
            .values(connection_id=connection_id, source=source.value, organization_id=organization_id)
            .on_conflict_do_nothing()
        )

    async def purge(self, *, limit: int) -> int | None:
        target = (
            await self._connection.execute(
                select(sync_forgotten.c.connection_id, sync_forgotten.c.source)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
        ).one_or_none()
        if target is None:
            return None
        of_target = and_(
            sync_items.c.connection_id == target.connection_id, sync_items.c.source == target.source
        )
        batch = select(sync_items.c.item_id).where(of_target).limit(limit)
        gone = (
            await self._connection.execute(
                delete(sync_items).where(of_target, sync_items.c.item_id.in_(batch.scalar_subquery()))
            )
        ).rowcount
        if gone < limit:
            await self.drop_projection([(target.connection_id, target.source)])
            await self._connection.execute(
                delete(sync_forgotten).where(
                    sync_forgotten.c.connection_id == target.connection_id,
                    sync_forgotten.c.source == target.source,
                )
            )
        return gone

    async def unfollowed(self, *, limit: int) -> tuple[tuple[str, Source], ...]:
        wanted = union_all(
            select(connections.c.id.label("id"), literal(Source.MAIL.value).label("source")).where(
                connections.c.mail, connections.c.status.in_(_USABLE)
            ),
            select(connections.c.id.label("id"), literal(Source.CALENDAR.value).label("source")).where(
                connections.c.calendar, connections.c.status.in_(_USABLE)
            ),
        ).subquery()
        statement = (
            select(wanted.c.id, wanted.c.source)
            .where(~exists().where(and_(_S.connection_id == wanted.c.id, _S.source == wanted.c.source)))
            .order_by(wanted.c.id)
            .limit(limit)
        )
        return tuple((row.id, Source(row.source)) for row in await self._connection.execute(statement))

    # -- notices -------------------------------------------------------------------------------------------------

    async def mark(self, marks: Mapping[tuple[str, Source], Collection[str] | None], *, now: datetime) -> int:
        if not marks:
            return 0
        keys = sorted(marks, key=lambda key: (key[0], key[1].value))
        hints = [(*key, item_id) for key in keys for item_id in sorted(marks[key] or ())]
        marked = await self._connection.execute(
            _MARK,
            {
                "connections": [key[0] for key in keys],
                "sources": [key[1].value for key in keys],
                "everything": [marks[key] is None for key in keys],
                "hint_connections": [hint[0] for hint in hints],
                "hint_sources": [hint[1].value for hint in hints],
                "hint_items": [hint[2] for hint in hints],
                "now": now,
                "channel": CHANNEL,
            },
        )
        return marked.one().marked_count

    async def mark_all(self, *, now: datetime) -> int:
        rows = (await self._connection.execute(select(_S.connection_id, _S.source))).all()
        return await self.mark({(row.connection_id, Source(row.source)): None for row in rows}, now=now)

    async def hints(self, claim: Claim, *, limit: int) -> tuple[str, ...]:
        statement = (
            select(sync_hints.c.item_id)
            .where(
                sync_hints.c.connection_id == claim.connection_id,
                sync_hints.c.source == claim.source.value,
                sync_hints.c.mark <= claim.mark,
            )
            .limit(limit)
        )
        return tuple((await self._connection.scalars(statement)).all())

    # -- turns ---------------------------------------------------------------------------------------------------

    async def claim(
        self,
        *,
        holder: str,
        now: datetime,
        until: datetime,
        limit: int,
        sweep_before: datetime,
        being_read: Sequence[str] = (),
    ) -> tuple[Claim, ...]:
        is_due = and_(
            _S.due_at <= now,
            or_(_S.not_before.is_(None), _S.not_before <= now),
            or_(_S.lease_until.is_(None), _S.lease_until <= now),
        )
        is_first = case((_S.stage == Stage.INITIAL.value, 1), else_=0)
        # One of each organization, then a second of each, counting those under way: however much of one is marked.
        place = func.row_number().over(partition_by=_S.organization_id, order_by=(is_first, _S.due_at))
        under_way = func.cardinality(
            func.array_positions(literal(list(being_read), ARRAY(Text)), cast(_S.organization_id, Text))
        )
        ranked = (
            select(_S.connection_id, _S.source, (place + under_way).label("turn")).where(is_due).cte("ranked")
        )
        due = (
            select(_S.connection_id, _S.source)
            .join(ranked, and_(ranked.c.connection_id == _S.connection_id, ranked.c.source == _S.source))
            # Once more under the lock: another worker may have taken it meanwhile.
            .where(is_due)
            .order_by(is_first, ranked.c.turn, _S.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True, of=sync_states)
        ).cte("due")
        statement = (
            update(sync_states)
            .where(tuple_(_S.connection_id, _S.source).in_(select(due.c.connection_id, due.c.source)))
            .values(lease_holder=holder, lease_until=until)
            .returning(sync_states, _is_pushed(now).label("is_pushed"))
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(
            Claim(
                connection_id=row["connection_id"],
                organization_id=row["organization_id"],
                source=Source(row["source"]),
                method=AccessMethod(row["method"]),
                stage=Stage(row["stage"]),
                holder=holder,
                until=until,
                mark=row["mark"],
                is_full=row["full_mark"] > row["done_mark"]
                or row["mark"] == row["done_mark"]
                or row["full_at"] is None
                or row["full_at"] <= sweep_before,
                failures=row["failures"],
                backfill_since=row["backfill_since"],
                started_at=row["started_at"],
                is_pushed=row["is_pushed"],
            )
            for row in rows
        )

    async def release_all(self, *, holder: str, but: Collection[Claim]) -> None:
        kept = [(claim.connection_id, claim.source.value) for claim in but]
        await self._connection.execute(
            update(sync_states)
            .where(_S.lease_holder == holder, tuple_(_S.connection_id, _S.source).not_in(kept))
            .values(lease_holder=None, lease_until=None)
        )

    async def finish(
        self, claim: Claim, *, next_at: datetime, covered: bool, live: bool, now: datetime
    ) -> bool:
        values: dict[str, Any] = {
            "done_mark": claim.mark,
            # What was marked meanwhile is read at once.
            "due_at": case((_S.mark > claim.mark, literal(now, UTCDateTime)), else_=next_at),
            "not_before": None,
            "lease_holder": None,
            "lease_until": None,
            "failures": 0,
            "stalled_reason": None,
        }
        if covered:
            values["full_at"] = now
        else:
            # A reading of what notices named proves nothing, and puts off no sweep.
            values["due_at"] = case(
                (_S.mark > claim.mark, literal(now, UTCDateTime)),
                else_=func.least(
                    literal(next_at, UTCDateTime), func.coalesce(_S.full_at, now) + (next_at - now)
                ),
            )
        if live and claim.stage is Stage.INITIAL:
            values |= {"stage": Stage.LIVE.value, "done_at": now}
        done = await self._connection.execute(update(sync_states).where(is_held(claim)).values(**values))
        if done.rowcount != 1:
            return False
        await self._connection.execute(
            delete(sync_hints).where(
                sync_hints.c.connection_id == claim.connection_id,
                sync_hints.c.source == claim.source.value,
                sync_hints.c.mark <= claim.mark,
            )
        )
        return True

    async def postpone(self, claim: Claim, *, next_at: datetime, reason: str | None, failures: int) -> None:
        await self._connection.execute(
            update(sync_states)
            .where(is_held(claim))
            .values(
                due_at=next_at,
                not_before=next_at,
                lease_holder=None,
                lease_until=None,
                failures=failures,
                stalled_reason=reason,
            )
        )

    async def take_reconciled(self, claim: Claim) -> str | None:
        of_source = _of(claim.connection_id, claim.source)
        reason = (await self._connection.scalars(select(_S.reconciled_reason).where(of_source))).one_or_none()
        if reason is not None:
            await self._connection.execute(
                update(sync_states).where(of_source).values(reconciled_reason=None)
            )
        return reason

    async def overdue(self, *, due_before: datetime, now: datetime) -> int:
        statement = select(func.count()).where(
            _S.due_at < due_before,
            or_(_S.not_before.is_(None), _S.not_before < due_before),
            or_(_S.lease_until.is_(None), _S.lease_until <= now),
        )
        return (await self._connection.execute(statement)).scalar_one()

    async def progress(self, connection_id: str) -> tuple[Progress, ...]:
        rows = (
            (
                await self._connection.execute(
                    select(sync_states).where(_S.connection_id == connection_id).order_by(_S.source.desc())
                )
            )
            .mappings()
            .all()
        )
        counts = await self.counts(connection_id) if rows else {}
        nothing = (0, 0, 0, 0)
        return tuple(
            Progress(
                source=Source(row["source"]),
                stage=Stage(row["stage"]),
                method=AccessMethod(row["method"]),
                folders_done=counts.get(row["source"], nothing)[0],
                folders_total=counts.get(row["source"], nothing)[1],
                items_counted=counts.get(row["source"], nothing)[2],
                items_total=counts.get(row["source"], nothing)[3],
                started_at=row["started_at"],
                done_at=row["done_at"],
                covered_until=row["full_at"],
                stalled_reason=row["stalled_reason"],
                backfill_since=row["backfill_since"],
                next_at=row["due_at"],
            )
            for row in rows
        )

    # -- streams -------------------------------------------------------------------------------------------------

    async def take_streams(
        self, *, holder: str, now: datetime, until: datetime, limit: int
    ) -> tuple[str, ...]:
        held = exists().where(sync_streams.c.connection_id == _S.connection_id, sync_streams.c.until > now)
        wanted = (
            select(
                _S.connection_id,
                func.min(_S.organization_id),
                literal(holder),
                literal(until, UTCDateTime),
                literal(False),
            )
            .where(
                _S.method == AccessMethod.EWS.value,
                # Where nothing can be read nothing needs to be heard.
                or_(_S.not_before.is_(None), _S.not_before <= now),
                ~held,
            )
            .group_by(_S.connection_id)
            .limit(limit)
        )
        statement = insert(sync_streams).from_select(
            ["connection_id", "organization_id", "holder", "until", "is_open"], wanted
        )
        statement = statement.on_conflict_do_update(
            index_elements=[sync_streams.c.connection_id],
            set_={"holder": holder, "until": until, "is_open": False},
            where=sync_streams.c.until <= now,
        )
        return tuple(
            (await self._connection.scalars(statement.returning(sync_streams.c.connection_id))).all()
        )

    async def keep_streams(
        self, connection_ids: Collection[str], *, holder: str, until: datetime
    ) -> tuple[str, ...]:
        return tuple(
            (
                await self._connection.scalars(
                    update(sync_streams)
                    .where(sync_streams.c.connection_id.in_(connection_ids), sync_streams.c.holder == holder)
                    .values(until=until)
                    .returning(sync_streams.c.connection_id)
                )
            ).all()
        )

    async def open_stream(self, connection_id: str, *, holder: str, is_open: bool) -> None:
        await self._connection.execute(
            update(sync_streams)
            .where(sync_streams.c.connection_id == connection_id, sync_streams.c.holder == holder)
            .values(is_open=is_open)
        )

    async def end_stream(self, connection_id: str, *, until: datetime) -> None:
        await self._connection.execute(
            update(sync_streams)
            .where(sync_streams.c.connection_id == connection_id)
            .values(holder=NOBODY, until=until)
        )
        await self._connection.execute(select(func.pg_notify(CHANNEL, STREAMS)))

    async def drop_streams(self, connection_ids: Collection[str], *, holder: str) -> None:
        await self._connection.execute(
            delete(sync_streams).where(
                sync_streams.c.connection_id.in_(connection_ids), sync_streams.c.holder == holder
            )
        )

    async def _announce(self) -> None:
        await self._connection.execute(select(func.pg_notify(CHANNEL, "")))


_MARK: Final = text(
    """
    WITH given AS (
        SELECT * FROM unnest(CAST(:connections AS text[]), CAST(:sources AS text[]), CAST(:everything AS boolean[]))
            AS g (connection_id, source, everything)
    ), locked AS (
        SELECT s.connection_id, s.source, g.everything
        FROM sync_states s JOIN given g ON s.connection_id = g.connection_id AND s.source = g.source
        ORDER BY s.connection_id, s.source
        FOR UPDATE OF s
    ), marked AS (
        UPDATE sync_states s
        SET mark = s.mark + 1,
            full_mark = CASE WHEN l.everything THEN s.mark + 1 ELSE s.full_mark END,
            due_at = LEAST(s.due_at, :now)
        FROM locked l
        WHERE s.connection_id = l.connection_id AND s.source = l.source
        RETURNING s.connection_id, s.source, s.organization_id, s.mark
    ), hinted AS (
        INSERT INTO sync_hints (connection_id, source, item_id, organization_id, mark)
        SELECT m.connection_id, m.source, h.item_id, m.organization_id, m.mark
        FROM unnest(
            CAST(:hint_connections AS text[]), CAST(:hint_sources AS text[]), CAST(:hint_items AS text[])
        ) AS h (connection_id, source, item_id)
        JOIN marked m ON m.connection_id = h.connection_id AND m.source = h.source
        ON CONFLICT (connection_id, source, item_id) DO UPDATE SET mark = excluded.mark
    )
    SELECT count(*) AS marked_count, pg_notify(:channel, '') FROM marked
    """
).bindparams(
    *(
        bindparam(name, type_=ARRAY(Text))
        for name in ("connections", "sources", "hint_connections", "hint_sources", "hint_items")
    )
)
"""One statement, because Microsoft waits for it. Always locks in the same order: of the sources, under whose lock
the hints are written, so that two batches of notices cannot wait for each other."""


def _of(connection_id: str, source: Source) -> ColumnElement[bool]:
    return and_(_S.connection_id == connection_id, _S.source == source.value)


def _is_pushed(now: datetime) -> ColumnElement[bool]:
    subscribed = exists().where(
        graph_subscriptions.c.connection_id == _S.connection_id,
        graph_subscriptions.c.source == _S.source,
        graph_subscriptions.c.expires_at > now,
    )
    heard = exists().where(
        sync_streams.c.connection_id == _S.connection_id,
        sync_streams.c.is_open,
        sync_streams.c.until > now,
        _S.method == AccessMethod.EWS.value,
    )
    return or_(subscribed, heard)
