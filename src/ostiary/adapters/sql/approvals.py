"""Approval requests and the people who wait for each."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    false,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.approvals.model import OPEN_STATES, ApprovalRequest, ApprovalRequestState, Waiter
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import Conflict, NotFound

approval_requests: Final = Table(
    "approval_requests",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("reference", String(16), nullable=False, unique=True),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("method", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_by_member_id", String(64), nullable=False),
    Column("asked_by_name", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Column("tenant_id", String(36)),
    Column("sent_to", Text),
    Column("reason", Text),
    Column("decline_reason", Text),
    Column("resolved_at", UTCDateTime),
    Column("sent_at", UTCDateTime),
    Column("by_mail", Boolean, nullable=False, server_default=false()),
    Column("reminders_sent", Integer, nullable=False, server_default="0"),
    Column("app_present", Boolean),
    Column("app_appeared_at", UTCDateTime),
    # One request that colleagues join, whoever asks first (UX 6.3).
    Index(
        "uq_approval_requests_open",
        "organization_id",
        "method",
        unique=True,
        postgresql_where=text("state IN ('waiting', 'sent', 'started')"),
    ),
)

approval_waiters: Final = Table(
    "approval_waiters",
    metadata,
    Column("request_id", ForeignKey("approval_requests.id", ondelete="CASCADE"), primary_key=True),
    Column("member_id", String(64), primary_key=True),
    Column("mail", Boolean, nullable=False),
    Column("calendar", Boolean, nullable=False),
    Column("joined_at", UTCDateTime, nullable=False),
    Column("browser_hash", LargeBinary),
    Column("return_url", Text),
    Column("link_reference", String(16)),
)

_OPEN: Final = tuple(state.value for state in OPEN_STATES)


class SQLApprovalRequestStore:
    """Keeps approval requests in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, request: ApprovalRequest) -> None:
        # ON CONFLICT keeps the transaction usable, so that the caller can join the other request in it.
        statement = (
            insert(approval_requests)
            .values(_request_values(request))
            .on_conflict_do_nothing()
            .returning(approval_requests.c.id)
        )
        if (await self._connection.execute(statement)).scalar_one_or_none() is None:
            raise Conflict("A request is open already.")

    async def save(self, request: ApprovalRequest) -> None:
        statement = (
            update(approval_requests)
            .where(
                approval_requests.c.id == request.id,
                approval_requests.c.organization_id == request.organization_id,
            )
            .values(_request_values(request))
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise NotFound("There is no such request.")

    async def get(
        self, request_id: str, *, organization_id: str, for_update: bool = False
    ) -> ApprovalRequest:
        statement = select(approval_requests).where(
            approval_requests.c.id == request_id,
            approval_requests.c.organization_id == organization_id,
        )
        if for_update:
            statement = statement.with_for_update()
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        if row is None:
            raise NotFound("There is no such request.")
        return _request(row)

    async def open_since(self, moment: datetime, *, limit: int) -> tuple[ApprovalRequest, ...]:
        statement = (
            select(approval_requests)
            .where(approval_requests.c.state.in_(_OPEN), approval_requests.c.created_at <= moment)
            .order_by(approval_requests.c.created_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_request(row) for row in rows)

    async def find(self, request_id: str) -> ApprovalRequest | None:
        statement = select(approval_requests).where(approval_requests.c.id == request_id)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _request(row)

    async def find_waiter(
        self, request_id: str, *, browser_hash: bytes | None, member_id: str | None
    ) -> Waiter | None:
        who: list[ColumnElement[bool]] = []
        if browser_hash is not None:
            who.append(approval_waiters.c.browser_hash == browser_hash)
        if member_id is not None:
            who.append(approval_waiters.c.member_id == member_id)
        if not who:
            return None
        statement = (
            select(approval_waiters)
            .where(approval_waiters.c.request_id == request_id, or_(*who))
            # The member who is known for sure comes before one who used the same browser.
            .order_by((approval_waiters.c.member_id == (member_id or "")).desc())
            .limit(1)
        )
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _waiter(row)

    async def find_open(
        self, *, organization_id: str, method: AccessMethod, for_update: bool = False
    ) -> ApprovalRequest | None:
        statement = select(approval_requests).where(
            approval_requests.c.organization_id == organization_id,
            approval_requests.c.method == method.value,
            approval_requests.c.state.in_(_OPEN),
        )
        if for_update:
            statement = statement.with_for_update()
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _request(row)

    async def find_latest_for_member(self, *, organization_id: str, member_id: str) -> ApprovalRequest | None:
        statement = (
            select(approval_requests)
            .join(approval_waiters, approval_waiters.c.request_id == approval_requests.c.id)
            .where(
                approval_requests.c.organization_id == organization_id,
                approval_waiters.c.member_id == member_id,
            )
            .order_by(approval_requests.c.created_at.desc())
            .limit(1)
        )
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _request(row)

    async def list_for(
        self, organization_id: str, *, states: tuple[ApprovalRequestState, ...] | None = None
    ) -> tuple[ApprovalRequest, ...]:
        statement = (
            select(approval_requests)
            .where(approval_requests.c.organization_id == organization_id)
            .order_by(approval_requests.c.created_at.desc(), approval_requests.c.id)
        )
        if states is not None:
            statement = statement.where(approval_requests.c.state.in_([state.value for state in states]))
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_request(row) for row in rows)

    async def join(self, waiter: Waiter) -> bool:
        values: dict[str, Any] = {
            "mail": waiter.mail,
            "calendar": waiter.calendar,
            "browser_hash": waiter.browser_hash,
            "return_url": waiter.return_url,
            "link_reference": waiter.link_reference,
        }
        known = (
            select(approval_waiters.c.member_id)
            .where(
                approval_waiters.c.request_id == waiter.request_id,
                approval_waiters.c.member_id == waiter.member_id,
            )
            .with_for_update()
        )
        was_waiting = (await self._connection.execute(known)).scalar_one_or_none() is not None
        statement = (
            insert(approval_waiters)
            .values(
                request_id=waiter.request_id,
                member_id=waiter.member_id,
                joined_at=waiter.joined_at,
                **values,
            )
            .on_conflict_do_update(
                index_elements=[approval_waiters.c.request_id, approval_waiters.c.member_id], set_=values
            )
        )
        await self._connection.execute(statement)
        return not was_waiting

    async def leave(self, request_id: str, *, member_id: str) -> None:
        statement = delete(approval_waiters).where(
            approval_waiters.c.request_id == request_id, approval_waiters.c.member_id == member_id
        )
        await self._connection.execute(statement)

    async def waiters(self, request_id: str) -> tuple[Waiter, ...]:
        statement = (
            select(approval_waiters)
            .where(approval_waiters.c.request_id == request_id)
            .order_by(approval_waiters.c.joined_at, approval_waiters.c.member_id)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_waiter(row) for row in rows)

    async def count_waiting(self, organization_id: str) -> int:
        statement = (
            select(func.count(func.distinct(approval_waiters.c.member_id)))
            .join(approval_requests, approval_requests.c.id == approval_waiters.c.request_id)
            .where(
                approval_requests.c.organization_id == organization_id,
                approval_requests.c.state.in_(_OPEN),
            )
        )
        return (await self._connection.execute(statement)).scalar_one()


def _request_values(request: ApprovalRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "reference": request.reference,
        "organization_id": request.organization_id,
        "method": request.method.value,
        "state": request.state.value,
        "asked_by_member_id": request.asked_by_member_id,
        "asked_by_name": request.asked_by_name,
        "created_at": request.created_at,
        "updated_at": request.updated_at,
        "tenant_id": request.tenant_id,
        "sent_to": request.sent_to,
        "reason": request.reason,
        "decline_reason": request.decline_reason,
        "resolved_at": request.resolved_at,
        "sent_at": request.sent_at,
        "by_mail": request.by_mail,
        "reminders_sent": request.reminders_sent,
        "app_present": request.app_present,
        "app_appeared_at": request.app_appeared_at,
    }


def _waiter(row: RowMapping) -> Waiter:
    return Waiter(
        request_id=row["request_id"],
        member_id=row["member_id"],
        mail=row["mail"],
        calendar=row["calendar"],
        joined_at=row["joined_at"],
        browser_hash=row["browser_hash"],
        return_url=row["return_url"],
        link_reference=row["link_reference"],
    )


def _request(row: RowMapping) -> ApprovalRequest:
    return ApprovalRequest(
        id=row["id"],
        reference=row["reference"],
        organization_id=row["organization_id"],
        method=AccessMethod(row["method"]),
        state=ApprovalRequestState(row["state"]),
        asked_by_member_id=row["asked_by_member_id"],
        asked_by_name=row["asked_by_name"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        tenant_id=row["tenant_id"],
        sent_to=row["sent_to"],
        reason=row["reason"],
        decline_reason=row["decline_reason"],
        resolved_at=row["resolved_at"],
        sent_at=row["sent_at"],
        by_mail=row["by_mail"],
        reminders_sent=row["reminders_sent"],
        app_present=row["app_present"],
        app_appeared_at=row["app_appeared_at"],
    )
