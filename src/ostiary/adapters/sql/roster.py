"""Members beside what they connected, in PostgreSQL."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Select, and_, func, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.connections import SQLConnectionStore, connections
from ostiary.adapters.sql.organizations import (
    MEMBER_NAME,
    member_filters,
    member_of_row,
    members,
    no_such_page,
)
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.connections.roster import RosterEntry
from ostiary.core.kernel.page import Page

_NOT_COUNTED: Final = (
    ConnectionStatus.DISCONNECTED.value,
    ConnectionStatus.UNCONFIRMED.value,
    ConnectionStatus.CONNECTING.value,
)


class SQLRoster:
    """Reads members and connections together."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def page(
        self,
        *,
        organization_id: str,
        search: str | None = None,
        licensed: bool | None = None,
        status: ConnectionStatus | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[RosterEntry]:
        latest = _latest()
        statement = (
            _joined(select(members, latest.c.id.label("connection_id")), latest)
            .where(*member_filters(organization_id, search, licensed, None), *_status(latest, status))
            .order_by(MEMBER_NAME, members.c.id)
            .limit(limit + 1)
        )
        if cursor is not None:
            after = select(MEMBER_NAME, members.c.id).where(
                members.c.id == cursor, members.c.organization_id == organization_id
            )
            last = (await self._connection.execute(after)).one_or_none()
            if last is None:
                raise no_such_page()
            statement = statement.where(tuple_(MEMBER_NAME, members.c.id) > tuple_(*last))
        rows = (await self._connection.execute(statement)).mappings().all()
        shown = rows[:limit]
        ids = [row["connection_id"] for row in shown if row["connection_id"] is not None]
        found = {each.id: each for each in await SQLConnectionStore(self._connection).get_many(ids)}
        entries = tuple(
            RosterEntry(member_of_row(row), found.get(row["connection_id"] or "")) for row in shown
        )
        return Page(entries, entries[-1].member.id if len(rows) > limit else None)

    async def count(
        self,
        *,
        organization_id: str,
        search: str | None = None,
        licensed: bool | None = None,
        status: ConnectionStatus | None = None,
    ) -> int:
        latest = _latest()
        statement = _joined(select(func.count()), latest).where(
            *member_filters(organization_id, search, licensed, None), *_status(latest, status)
        )
        return (await self._connection.execute(statement)).scalar_one()


def _latest() -> Any:
    return (
        select(connections.c.id, connections.c.status)
        .where(and_(connections.c.member_id == members.c.id, connections.c.status.not_in(_NOT_COUNTED)))
        .order_by(connections.c.created_at.desc(), connections.c.id)
        .limit(1)
        .lateral("latest")
    )


def _joined(statement: Select[Any], latest: Any) -> Select[Any]:
    return statement.select_from(members.outerjoin(latest, true()))


def _status(latest: Any, status: ConnectionStatus | None) -> tuple[Any, ...]:
    if status is None:
        return ()
    if status is ConnectionStatus.NOT_CONNECTED:
        return (latest.c.id.is_(None),)
    return (latest.c.status == status.value,)
