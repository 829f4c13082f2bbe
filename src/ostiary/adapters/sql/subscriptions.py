"""Graph's subscriptions, and which sources lack one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, and_, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.connections import connections
from ostiary.adapters.sql.sync_tables import graph_subscriptions, sync_states, sync_streams
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.sync.model import Source
from ostiary.core.sync.subscriptions import Subscription, SubscriptionState, Wanted

_G: Final = graph_subscriptions.c
_S: Final = sync_states.c


class SQLSubscriptionStore:
    """Keeps subscriptions in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, subscription: Subscription) -> bool:
        statement = insert(graph_subscriptions).values(_values(subscription)).on_conflict_do_nothing()
        return (await self._connection.execute(statement.returning(_G.id))).one_or_none() is not None

    async def save(self, subscription: Subscription) -> bool:
        statement = update(graph_subscriptions).where(_G.id == subscription.id).values(_values(subscription))
        return (await self._connection.execute(statement)).rowcount == 1

    async def find(self, subscription_id: str) -> Subscription | None:
        statement = select(graph_subscriptions).where(_G.id == subscription_id)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _subscription(row)

    async def remove(self, subscription_id: str) -> None:
        await self._connection.execute(delete(graph_subscriptions).where(_G.id == subscription_id))

    async def leave(self, subscription_id: str, *, now: datetime) -> None:
        statement = delete(graph_subscriptions).where(_G.id == subscription_id)
        row = (await self._connection.execute(statement.returning(_G.connection_id, _G.source))).one_or_none()
        if row is not None:
            await self._connection.execute(
                update(sync_states)
                .where(_S.connection_id == row.connection_id, _S.source == row.source)
                .values(subscribe_tried_at=now)
            )

    async def look_soon(self, connection_ids: Collection[str]) -> None:
        await self._connection.execute(
            update(sync_states)
            .where(_S.connection_id.in_(connection_ids))
            .values(subscriptions_audited_at=None)
        )

    async def told_of(self, connection_ids: Collection[str]) -> frozenset[str]:
        usable = connections.c.status.in_((ConnectionStatus.CONNECTED.value, ConnectionStatus.FAILING.value))
        statement = select(connections.c.id).where(
            connections.c.id.in_(connection_ids),
            usable,
            or_(
                exists().where(_G.connection_id == connections.c.id, _G.microsoft_id.is_not(None)),
                exists().where(sync_streams.c.connection_id == connections.c.id, sync_streams.c.is_open),
            ),
        )
        return frozenset((await self._connection.scalars(statement)).all())

    async def count_telling(self, connection_id: str) -> int:
        subscriptions = select(func.count()).where(
            _G.connection_id == connection_id, _G.microsoft_id.is_not(None)
        )
        streams = select(func.count()).where(
            sync_streams.c.connection_id == connection_id, sync_streams.c.is_open
        )
        statement = select(subscriptions.scalar_subquery() + streams.scalar_subquery())
        return (await self._connection.execute(statement)).scalar_one()

    async def of_connection(self, connection_id: str) -> tuple[Subscription, ...]:
        return await self._select(_G.connection_id == connection_id)

    async def missing(self, *, now: datetime, retry_before: datetime, limit: int) -> tuple[Wanted, ...]:
        due = (
            select(_S.connection_id, _S.source)
            .join(connections, connections.c.id == _S.connection_id)
            .where(
                _S.method == AccessMethod.GRAPH.value,
                connections.c.status == ConnectionStatus.CONNECTED.value,
                or_(_S.subscribe_tried_at.is_(None), _S.subscribe_tried_at <= retry_before),
                ~exists().where(and_(_G.connection_id == _S.connection_id, _G.source == _S.source)),
            )
            .limit(limit)
            .with_for_update(skip_locked=True, of=sync_states)
        ).cte("due")
        statement = (
            update(sync_states)
            .where(
                tuple_(_S.connection_id, _S.source).in_(select(due.c.connection_id, due.c.source)),
                connections.c.id == _S.connection_id,
            )
            .values(subscribe_tried_at=now)
            .returning(_S.connection_id, _S.organization_id, _S.source, connections.c.tenant_id)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(
            Wanted(row["connection_id"], row["organization_id"], row["tenant_id"], Source(row["source"]))
            for row in rows
        )

    async def due(self, *, now: datetime, until: datetime, limit: int) -> tuple[Subscription, ...]:
        due = (
            select(_G.id)
            .where(_G.renew_at <= now, _G.state == SubscriptionState.LIVE.value)
            .order_by(_G.renew_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).cte("due")
        statement = (
            update(graph_subscriptions)
            .where(_G.id.in_(select(due.c.id)))
            .values(renew_at=until)
            .returning(graph_subscriptions)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_subscription(row) for row in rows)

    async def stale(self, *, created_before: datetime, limit: int) -> tuple[Subscription, ...]:
        return await self._select(
            and_(_G.state == SubscriptionState.CREATING.value, _G.created_at < created_before), limit=limit
        )

    async def expired(self, *, now: datetime, limit: int) -> tuple[Subscription, ...]:
        return await self._select(_G.expires_at <= now, limit=limit)

    async def bring_forward(self, subscription_ids: Sequence[str], *, to: datetime) -> None:
        await self._connection.execute(
            update(graph_subscriptions)
            .where(_G.id.in_(subscription_ids), _G.state == SubscriptionState.LIVE.value)
            .values(renew_at=to)
        )

    async def due_for_audit(self, *, before: datetime, now: datetime, limit: int) -> tuple[str, ...]:
        due = (
            select(_S.connection_id)
            .where(
                _S.method == AccessMethod.GRAPH.value,
                or_(_S.subscriptions_audited_at.is_(None), _S.subscriptions_audited_at < before),
            )
            .group_by(_S.connection_id)
            .limit(limit)
        ).cte("due")
        statement = (
            update(sync_states)
            .where(_S.connection_id.in_(select(due.c.connection_id)))
            .values(subscriptions_audited_at=now)
            .returning(_S.connection_id)
        )
        return tuple(dict.fromkeys((await self._connection.scalars(statement)).all()))

    async def doubt_all(self, *, now: datetime) -> None:
        await self._connection.execute(update(graph_subscriptions).values(renew_at=now))
        await self._connection.execute(
            update(sync_states).values(subscriptions_audited_at=None, subscribe_tried_at=None)
        )

    async def _select(self, condition: ColumnElement[bool], *, limit: int = 100) -> tuple[Subscription, ...]:
        statement = select(graph_subscriptions).where(condition).order_by(_G.created_at).limit(limit)
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_subscription(row) for row in rows)


def _values(subscription: Subscription) -> dict[str, Any]:
    return {
        "id": subscription.id,
        "connection_id": subscription.connection_id,
        "organization_id": subscription.organization_id,
        "tenant_id": subscription.tenant_id,
        "source": subscription.source.value,
        "client_state_hash": subscription.client_state_hash,
        "state": subscription.state.value,
        "created_at": subscription.created_at,
        "microsoft_id": subscription.microsoft_id,
        "expires_at": subscription.expires_at,
        "renew_at": subscription.renew_at,
    }


def _subscription(row: RowMapping) -> Subscription:
    return Subscription(
        id=row["id"],
        connection_id=row["connection_id"],
        organization_id=row["organization_id"],
        tenant_id=row["tenant_id"],
        source=Source(row["source"]),
        client_state_hash=bytes(row["client_state_hash"]),
        state=SubscriptionState(row["state"]),
        created_at=row["created_at"],
        microsoft_id=row["microsoft_id"],
        expires_at=row["expires_at"],
        renew_at=row["renew_at"],
    )
