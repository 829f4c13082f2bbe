"""What is finished, in PostgreSQL: where each class of leftovers is, and since when a row of it is finished."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.access import console_sessions, one_time_links
from ostiary.adapters.sql.approvals import approval_requests
from ostiary.adapters.sql.connect_sessions import connect_sessions
from ostiary.adapters.sql.consent import admin_consent_links, consent_attempts
from ostiary.adapters.sql.incidents import incidents
from ostiary.core.connections.retention import ClassCount, Leftover

_FINISHED: Final[Mapping[Leftover, tuple[Table, ColumnElement[Any]]]] = {
    # Idle sessions end without a write: the last use counts.
    Leftover.CONSOLE_SESSIONS: (
        console_sessions,
        func.coalesce(console_sessions.c.ended_at, console_sessions.c.seen_at),
    ),
    Leftover.SIGN_IN_LINKS: (one_time_links, one_time_links.c.expires_at),
    Leftover.CONNECT_SESSIONS: (connect_sessions, connect_sessions.c.expires_at),
    Leftover.APPROVAL_ATTEMPTS: (consent_attempts, consent_attempts.c.updated_at),
    Leftover.APPROVAL_LINKS: (admin_consent_links, admin_consent_links.c.expires_at),
    Leftover.APPROVAL_REQUESTS: (approval_requests, approval_requests.c.resolved_at),
    Leftover.INCIDENTS: (incidents, incidents.c.closed_at),
}
"""A moment that is null means: not finished, kept."""


class SQLRetentionStore:
    """Deletes by age."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def delete(self, leftover: Leftover, *, finished_before: datetime, limit: int) -> int:
        table, finished_at = _FINISHED[leftover]
        due = select(table.c.id).where(finished_at < finished_before).order_by(finished_at).limit(limit)
        result = await self._connection.execute(delete(table).where(table.c.id.in_(due)))
        return result.rowcount

    async def count(self, leftover: Leftover) -> ClassCount:
        table, finished_at = _FINISHED[leftover]
        statement = select(func.count(), func.count(finished_at), func.min(finished_at)).select_from(table)
        records, finished, oldest_at = (await self._connection.execute(statement)).one()
        return ClassCount(records, finished, oldest_at)
