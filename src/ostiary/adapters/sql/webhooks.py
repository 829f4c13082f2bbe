"""Webhook endpoints and deliveries in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Identity,
    Index,
    Integer,
    RowMapping,
    SmallInteger,
    String,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.feed import CHANNEL
from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.feed.model import FeedEventType
from ostiary.core.kernel.cursor import unwrap_cursor, wrap_cursor
from ostiary.core.kernel.errors import InvalidRequest, NotFound
from ostiary.core.kernel.page import Page
from ostiary.core.webhooks.model import (
    Attempt,
    Delivery,
    DeliveryState,
    DisabledBecause,
    EndpointStatus,
    WebhookEndpoint,
    Work,
    delivery_id,
)
from ostiary.core.webhooks.ports import DeliveryFilter, Outgoing, Result
from ostiary.core.webhooks.sending import DELIVERIES

_PENDING: Final = DeliveryState.PENDING.value
_CURSOR: Final = "webhook deliveries"

webhook_endpoints: Final = Table(
    "webhook_endpoints",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("only_organization_id", String(64)),
    Column("types", ARRAY(Text), nullable=False),
    Column("status", String(16), nullable=False),
    Column("disabled_because", String(16)),
    Column("created_at", UTCDateTime, nullable=False),
    Column("secret_number", Integer, nullable=False),
    Column("old_secret_until", UTCDateTime),
    Column("failing_since", UTCDateTime),
)
"""The vendor's own: ``only_organization_id`` chooses events and gives no customer anything to see."""

webhook_deliveries: Final = Table(
    "webhook_deliveries",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("endpoint_id", ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), nullable=False),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("connection_id", String(64), index=True),
    Column("event_id", String(64), nullable=False, index=True),
    Column("type", String(48), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("next_at", UTCDateTime),
    Column("last_at", UTCDateTime),
    Column("last_status", SmallInteger),
    Column("last_trouble", Text),
    Column("claimed_by", String(64)),
)
Index(
    "ix_webhook_deliveries_due",
    webhook_deliveries.c.endpoint_id,
    webhook_deliveries.c.next_at,
    postgresql_where=webhook_deliveries.c.state == _PENDING,
)
Index("ix_webhook_deliveries_newest", webhook_deliveries.c.created_at, webhook_deliveries.c.id)
Index(
    "ix_webhook_deliveries_endpoint_newest",
    webhook_deliveries.c.endpoint_id,
    webhook_deliveries.c.created_at,
    webhook_deliveries.c.id,
)

webhook_attempts: Final = Table(
    "webhook_attempts",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column(
        "delivery_id", ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("at", UTCDateTime, nullable=False),
    Column("status", SmallInteger),
    Column("milliseconds", Integer, nullable=False),
    Column("trouble", Text),
    Column("answer", Text, nullable=False),
)

_CLAIM: Final = text(
    """
    WITH due AS (
        SELECT d.id, e.url, e.secret_number, coalesce(e.old_secret_until > :now, false) AS signs_with_old
        FROM webhook_endpoints AS e
        CROSS JOIN LATERAL (
            SELECT id FROM webhook_deliveries
            WHERE endpoint_id = e.id AND state = 'pending' AND next_at <= :now
            ORDER BY next_at LIMIT :each FOR UPDATE SKIP LOCKED
        ) AS d
        WHERE e.status = 'active' AND e.id <> ALL(:without)
        LIMIT :most
    )
    UPDATE webhook_deliveries AS d SET next_at = :until, claimed_by = :holder FROM due WHERE d.id = due.id
    RETURNING d.*, due.url, due.secret_number, due.signs_with_old
    """
).bindparams(bindparam("without", type_=ARRAY(Text)))
"""The new ``next_at`` is the lease, and what tells this claim from a later one."""


class SQLWebhookStore:
    """Satisfies ``WebhookStore``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, endpoint: WebhookEndpoint) -> None:
        await self._connection.execute(insert(webhook_endpoints).values(**_values(endpoint)))

    async def get(self, endpoint_id: str, *, for_update: bool = False) -> WebhookEndpoint:
        statement = select(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id)
        if for_update:
            statement = statement.with_for_update()
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        if row is None:
            raise NotFound("There is no such webhook endpoint.")
        return _endpoint(row)

    async def list_endpoints(self) -> tuple[WebhookEndpoint, ...]:
        statement = select(webhook_endpoints).order_by(webhook_endpoints.c.created_at, webhook_endpoints.c.id)
        return tuple(_endpoint(row) for row in (await self._connection.execute(statement)).mappings())

    async def save(self, endpoint: WebhookEndpoint) -> None:
        await self._connection.execute(
            update(webhook_endpoints).where(webhook_endpoints.c.id == endpoint.id).values(**_values(endpoint))
        )

    async def delete(self, endpoint_id: str) -> None:
        await self._connection.execute(delete(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id))

    async def add_deliveries(self, events: Sequence[Outgoing], *, now: datetime) -> int:
        wanting = (
            await self._connection.execute(
                select(
                    webhook_endpoints.c.id,
                    webhook_endpoints.c.only_organization_id,
                    webhook_endpoints.c.types,
                ).where(webhook_endpoints.c.status != EndpointStatus.UNPROVEN.value)
            )
        ).all()
        rows = [
            {
                "id": delivery_id(endpoint.id, event.event_id),
                "endpoint_id": endpoint.id,
                "organization_id": event.organization_id,
                "connection_id": event.connection_id,
                "event_id": event.event_id,
                "type": event.type,
                "body": event.body,
                "created_at": now,
                "state": _PENDING,
                "attempts": 0,
                "next_at": now,
            }
            for endpoint in wanting
            for event in events
            if endpoint.only_organization_id in (None, event.organization_id)
            and (not endpoint.types or event.type in endpoint.types)
        ]
        if not rows:
            return 0
        # The feed tells of each event once, so there is nothing to conflict with.
        await self._connection.execute(insert(webhook_deliveries), rows)
        await self._connection.execute(select(func.pg_notify(CHANNEL, DELIVERIES)))
        return len(rows)

    async def claim(
        self,
        *,
        holder: str,
        now: datetime,
        lease: timedelta,
        each: int,
        most: int,
        without: Collection[str],
    ) -> Sequence[Work]:
        rows = await self._connection.execute(
            _CLAIM,
            {
                "holder": holder,
                "now": now,
                "until": now + lease,
                "each": each,
                "most": most,
                "without": list(without),
            },
        )
        return [
            Work(_delivery(row), row["url"], row["secret_number"], row["signs_with_old"])
            for row in rows.mappings()
        ]

    async def release_all(self, *, holder: str, but: Collection[str], now: datetime) -> None:
        await self._connection.execute(
            update(webhook_deliveries)
            .where(
                webhook_deliveries.c.claimed_by == holder,
                webhook_deliveries.c.state == _PENDING,
                webhook_deliveries.c.id.not_in(but),
            )
            .values(next_at=now, claimed_by=None)
        )

    async def record(self, results: Sequence[Result]) -> None:
        statement = (
            update(webhook_deliveries)
            .where(
                webhook_deliveries.c.id == bindparam("delivery"),
                webhook_deliveries.c.next_at == bindparam("claimed_until"),
                webhook_deliveries.c.state == _PENDING,
            )
            .values(
                state=bindparam("new_state"),
                claimed_by=None,
                attempts=webhook_deliveries.c.attempts + 1,
                next_at=bindparam("again_at", type_=UTCDateTime),
                last_at=bindparam("tried_at", type_=UTCDateTime),
                last_status=bindparam("answered", type_=SmallInteger),
                last_trouble=bindparam("trouble", type_=Text),
            )
        )
        # In the order of their ids, so that two senders cannot wait for each other.
        ordered = sorted(results, key=lambda result: result.work.delivery.id)
        await self._connection.execute(
            statement,
            [
                {
                    "delivery": result.work.delivery.id,
                    "claimed_until": result.work.delivery.next_at,
                    "new_state": result.state.value,
                    "again_at": result.next_at,
                    "tried_at": result.attempt.at,
                    "answered": result.attempt.status,
                    "trouble": result.attempt.trouble,
                }
                for result in ordered
            ],
        )
        # An endpoint that was deleted meanwhile took its deliveries with it.
        known = set(
            await self._connection.scalars(
                select(webhook_deliveries.c.id).where(
                    webhook_deliveries.c.id.in_([result.work.delivery.id for result in ordered])
                )
            )
        )
        attempts = [
            {
                "delivery_id": result.work.delivery.id,
                "organization_id": result.work.delivery.organization_id,
                "at": result.attempt.at,
                "status": result.attempt.status,
                "milliseconds": result.attempt.milliseconds,
                "trouble": result.attempt.trouble,
                "answer": result.attempt.answer,
            }
            for result in ordered
            if result.work.delivery.id in known
        ]
        if attempts:
            await self._connection.execute(insert(webhook_attempts), attempts)

    async def succeeded(self, endpoint_ids: Collection[str]) -> None:
        await self._connection.execute(
            update(webhook_endpoints)
            .where(webhook_endpoints.c.id.in_(endpoint_ids), webhook_endpoints.c.failing_since.is_not(None))
            .values(failing_since=None)
        )

    async def find(self, delivery_id: str) -> Delivery:
        statement = select(webhook_deliveries).where(webhook_deliveries.c.id == delivery_id)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        if row is None:
            raise NotFound("There is no such delivery.")
        return _delivery(row)

    async def page(
        self, wanted: DeliveryFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Delivery]:
        newest = (webhook_deliveries.c.created_at, webhook_deliveries.c.id)
        statement = (
            select(webhook_deliveries)
            .where(_matches(wanted))
            .order_by(*(column.desc() for column in newest))
            .limit(limit + 1)
        )
        if cursor is not None:
            statement = statement.where(tuple_(*newest) < tuple_(*_position(cursor)))
        rows = (await self._connection.execute(statement)).mappings().all()
        items = tuple(_delivery(row) for row in rows[:limit])
        more = len(rows) > limit
        return Page(items, wrap_cursor(_place(items[-1]), binding=_CURSOR) if more else None)

    async def attempts(self, delivery_id: str) -> tuple[Attempt, ...]:
        statement = (
            select(webhook_attempts)
            .where(webhook_attempts.c.delivery_id == delivery_id)
            .order_by(webhook_attempts.c.number)
        )
        return tuple(
            Attempt(row["at"], row["status"], row["milliseconds"], row["trouble"], row["answer"])
            for row in (await self._connection.execute(statement)).mappings()
        )

    async def replay(self, wanted: DeliveryFilter, *, now: datetime, limit: int) -> int:
        chosen = (
            select(webhook_deliveries.c.id)
            .where(_matches(wanted), webhook_deliveries.c.state != _PENDING)
            .order_by(webhook_deliveries.c.created_at, webhook_deliveries.c.id)
            .limit(limit)
        )
        result = await self._connection.execute(
            update(webhook_deliveries)
            .where(webhook_deliveries.c.id.in_(chosen))
            .values(state=_PENDING, attempts=0, next_at=now)
        )
        if result.rowcount:
            await self._connection.execute(select(func.pg_notify(CHANNEL, DELIVERIES)))
        return result.rowcount

    async def counts(self) -> Mapping[str, Mapping[DeliveryState, int]]:
        statement = select(
            webhook_deliveries.c.endpoint_id, webhook_deliveries.c.state, func.count()
        ).group_by(webhook_deliveries.c.endpoint_id, webhook_deliveries.c.state)
        counted: dict[str, dict[DeliveryState, int]] = {}
        for endpoint_id, state, count in (await self._connection.execute(statement)).all():
            counted.setdefault(endpoint_id, {})[DeliveryState(state)] = count
        return counted

    async def trim(self, *, delivered_before: datetime, dead_before: datetime, limit: int) -> int:
        old = (
            select(webhook_deliveries.c.id)
            .where(
                or_(
                    and_(
                        webhook_deliveries.c.state == DeliveryState.DELIVERED.value,
                        webhook_deliveries.c.created_at < delivered_before,
                    ),
                    and_(
                        webhook_deliveries.c.state != DeliveryState.DELIVERED.value,
                        webhook_deliveries.c.created_at < dead_before,
                    ),
                )
            )
            .order_by(webhook_deliveries.c.created_at)
            .limit(limit)
        )
        return (
            await self._connection.execute(delete(webhook_deliveries).where(webhook_deliveries.c.id.in_(old)))
        ).rowcount


def _matches(wanted: DeliveryFilter) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [
        webhook_deliveries.c[name] == value
        for name in ("endpoint_id", "event_id", "connection_id", "organization_id")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.states:
        conditions.append(webhook_deliveries.c.state.in_([state.value for state in wanted.states]))
    if wanted.types:
        conditions.append(webhook_deliveries.c.type.in_(wanted.types))
    if wanted.since is not None:
        conditions.append(webhook_deliveries.c.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(webhook_deliveries.c.created_at < wanted.until)
    return and_(True, *conditions)


def _place(delivery: Delivery) -> dict[str, object]:
    return {"at": delivery.created_at.isoformat(), "id": delivery.id}


def _position(cursor: str) -> tuple[datetime, str]:
    place = unwrap_cursor(cursor, binding=_CURSOR)
    try:
        return datetime.fromisoformat(str(place.get("at"))), str(place.get("id"))
    except ValueError:
        raise InvalidRequest("This cursor is not one of ours.", field="cursor") from None


def _values(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "only_organization_id": endpoint.organization_id,
        "types": [kind.value for kind in endpoint.types],
        "status": endpoint.status.value,
        "disabled_because": None if endpoint.disabled_because is None else endpoint.disabled_because.value,
        "created_at": endpoint.created_at,
        "secret_number": endpoint.secret_number,
        "old_secret_until": endpoint.old_secret_until,
        "failing_since": endpoint.failing_since,
    }


def _endpoint(row: RowMapping) -> WebhookEndpoint:
    because = row["disabled_because"]
    return WebhookEndpoint(
        id=row["id"],
        url=row["url"],
        description=row["description"],
        organization_id=row["only_organization_id"],
        types=tuple(FeedEventType(kind) for kind in row["types"]),
        status=EndpointStatus(row["status"]),
        disabled_because=None if because is None else DisabledBecause(because),
        created_at=row["created_at"],
        secret_number=row["secret_number"],
        old_secret_until=row["old_secret_until"],
        failing_since=row["failing_since"],
    )


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(
        id=row["id"],
        endpoint_id=row["endpoint_id"],
        organization_id=row["organization_id"],
        connection_id=row["connection_id"],
        event_id=row["event_id"],
        type=row["type"],
        body=row["body"],
        created_at=row["created_at"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        next_at=row["next_at"],
        last_at=row["last_at"],
        last_status=row["last_status"],
        last_trouble=row["last_trouble"],
    )
