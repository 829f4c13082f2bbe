"""Every row about a person or an organization: to hand out, and to delete (SR-102).

Rules say where such rows are; tables that only point at an organization or a connection need none. A test compares
with the schema, so that a new table that holds something about a person cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, LargeBinary, Select, Table, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.access import console_sessions, one_time_links
from ostiary.adapters.sql.approvals import approval_requests, approval_waiters
from ostiary.adapters.sql.audit import audit_records
from ostiary.adapters.sql.checks import connection_checks
from ostiary.adapters.sql.connect_sessions import connect_sessions
from ostiary.adapters.sql.connection_tokens import access_tokens, refresh_leases, refresh_tokens
from ostiary.adapters.sql.connections import connections
from ostiary.adapters.sql.consent import admin_consent_links, consent_attempts, consents
from ostiary.adapters.sql.freezes import freezes
from ostiary.adapters.sql.incidents import incidents
from ostiary.adapters.sql.key_ledger import key_ledger
from ostiary.adapters.sql.notices import notices
from ostiary.adapters.sql.organizations import members, organizations
from ostiary.adapters.sql.permission_uses import permission_uses
from ostiary.adapters.sql.signin import authorization_requests
from ostiary.adapters.sql.tenants import tenants
from ostiary.core.connections.export import ExportedRow

_SECRET_WORDS: Final = ("hash", "secret", "wrapped", "nonce", "commitment", "ciphertext", "once_key")
_BATCH: Final = 500

Filter = Callable[[str, str], ColumnElement[bool]]
"""Organization id and member id to a condition."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one table keeps something about people, in the order in which rows can be deleted."""

    table: Table
    of_organization: Filter
    of_member: Filter | None = None
    """None: nothing about a member by itself."""
    is_token: bool = False
    is_exported: bool = True
    is_erased: bool = True


def _by(table: Table, column: str = "organization_id") -> Filter:
    return lambda organization_id, _: table.c[column] == organization_id


def _by_member(table: Table, column: str) -> Filter:
    return lambda organization_id, member_id: and_(
        table.c.organization_id == organization_id, table.c[column] == member_id
    )


def _of_connections(table: Table, column: str) -> tuple[Filter, Filter]:
    def of_organization(organization_id: str, _: str) -> ColumnElement[bool]:
        return table.c[column].in_(
            select(connections.c.id).where(connections.c.organization_id == organization_id)
        )

    def of_member(organization_id: str, member_id: str) -> ColumnElement[bool]:
        return table.c[column].in_(
            select(connections.c.id).where(
                connections.c.organization_id == organization_id, connections.c.member_id == member_id
            )
        )

    return of_organization, of_member


def _waiters(organization_id: str, _: str) -> ColumnElement[bool]:
    own = select(approval_requests.c.id).where(approval_requests.c.organization_id == organization_id)
    return approval_waiters.c.request_id.in_(own)


def _notices_to(organization_id: str, member_id: str) -> ColumnElement[bool]:
    address = select(members.c.email).where(
        members.c.organization_id == organization_id, members.c.id == member_id
    )
    return and_(
        notices.c.organization_id == organization_id,
        or_(notices.c.object_id == member_id, notices.c.to_address.in_(address)),
    )


def _frozen(organization_id: str, _: str) -> ColumnElement[bool]:
    own = select(connections.c.id).where(connections.c.organization_id == organization_id)
    return and_(freezes.c.scope == "connection", freezes.c.target_id.in_(own))


def _frozen_of_member(organization_id: str, member_id: str) -> ColumnElement[bool]:
    return and_(
        freezes.c.scope == "connection", _of_connections(freezes, "target_id")[1](organization_id, member_id)
    )


def _subject(organization_id: str, _: str) -> ColumnElement[bool]:
    subject: Any = authorization_requests.c.subject
    return subject["organization_id"].astext == organization_id


def _subject_of_member(organization_id: str, member_id: str) -> ColumnElement[bool]:
    subject: Any = authorization_requests.c.subject
    own = select(connect_sessions.c.id).where(
        connect_sessions.c.organization_id == organization_id, connect_sessions.c.member_id == member_id
    )
    return subject["connect_session_id"].astext.in_(own)


def _about_connection(table: Table, connection_id: str) -> ColumnElement[bool] | None:
    """The rows of a table about one connection; None where there can be none."""
    if table is connections:
        return connections.c.id == connection_id
    if table is connect_sessions:
        return _sessions_of(connection_id)
    if table is authorization_requests:
        subject: Any = authorization_requests.c.subject
        own = select(connect_sessions.c.id).where(_sessions_of(connection_id))
        return or_(
            subject["connection_id"].astext == connection_id, subject["connect_session_id"].astext.in_(own)
        )
    if table is freezes:
        return and_(freezes.c.scope == "connection", freezes.c.target_id == connection_id)
    if table in (incidents, notices, audit_records):
        return table.c.object_id == connection_id
    return table.c.connection_id == connection_id if "connection_id" in table.c else None


def _sessions_of(connection_id: str) -> ColumnElement[bool]:
    return or_(
        connect_sessions.c.connection_id == connection_id,
        connect_sessions.c.made_connection_id == connection_id,
    )


RULES: Final = (
    Rule(access_tokens, *_of_connections(access_tokens, "connection_id"), is_token=True, is_exported=False),
    Rule(refresh_tokens, *_of_connections(refresh_tokens, "connection_id"), is_token=True, is_exported=False),
    Rule(refresh_leases, *_of_connections(refresh_leases, "connection_id"), is_exported=False),
    Rule(connection_checks, *_of_connections(connection_checks, "connection_id"), is_exported=False),
    Rule(permission_uses, *_of_connections(permission_uses, "connection_id")),
    Rule(incidents, _by(incidents), _of_connections(incidents, "object_id")[1]),
    Rule(freezes, _frozen, _frozen_of_member),
    Rule(authorization_requests, _subject, _subject_of_member, is_exported=False),
    Rule(connect_sessions, _by(connect_sessions), _by_member(connect_sessions, "member_id")),
    Rule(connections, _by(connections), _by_member(connections, "member_id")),
    Rule(
        approval_waiters,
        _waiters,
        lambda organization_id, member_id: and_(
            _waiters(organization_id, member_id), approval_waiters.c.member_id == member_id
        ),
    ),
    Rule(approval_requests, _by(approval_requests)),
    Rule(notices, _by(notices), _notices_to),
    Rule(one_time_links, _by(one_time_links), _by_member(one_time_links, "subject_id"), is_exported=False),
    Rule(console_sessions, _by(console_sessions), _by_member(console_sessions, "subject_id")),
    Rule(admin_consent_links, _by(admin_consent_links)),
    Rule(consent_attempts, _by(consent_attempts)),
    Rule(consents, _by(consents)),
    Rule(tenants, _by(tenants)),
    Rule(members, _by(members), _by_member(members, "id")),
    Rule(key_ledger, _by(key_ledger), is_exported=False),
    Rule(organizations, _by(organizations, "id")),
    # The trail can only grow. What it says of a person is handed out, and never deleted.
    Rule(
        audit_records,
        _by(audit_records),
        lambda organization_id, member_id: and_(
            audit_records.c.organization_id == organization_id,
            or_(
                audit_records.c.object_id == member_id,
                audit_records.c.actor_id == member_id,
                _of_connections(audit_records, "object_id")[1](organization_id, member_id),
            ),
        ),
        is_erased=False,
    ),
)


@cache
def every_rule() -> tuple[Rule, ...]:
    """Return the rules, with one for each further table that names an organization or a connection."""
    from ostiary.adapters.sql.tables import metadata

    ruled = {rule.table for rule in RULES}
    further: list[Rule] = []
    # Children first: a row that others point at goes last.
    for table in reversed(metadata.sorted_tables):
        if table in ruled or table.name.startswith("audit_"):
            continue
        of_connections = _of_connections(table, "connection_id") if "connection_id" in table.c else None
        if "organization_id" in table.c:
            by_person = _by_member(table, "member_id") if "member_id" in table.c else None
            of_member = of_connections[1] if of_connections is not None else by_person
            further.append(Rule(table, _by(table), of_member))
        elif of_connections is not None:
            further.append(Rule(table, *of_connections))
    return (*further, *RULES)


class SQLRecordEraser:
    """Deletes what the rules find."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def destroy_tokens(self, organization_id: str) -> int:
        count = 0
        for rule in every_rule():
            if rule.is_token or rule.table in (authorization_requests, connect_sessions):
                gone = await self._delete(rule.table, rule.of_organization(organization_id, ""))
                count += gone if rule.table is refresh_tokens else 0
        return count

    async def erase_member(self, member_id: str, *, organization_id: str) -> Mapping[str, int]:
        rows: dict[str, int] = {}
        for rule in every_rule():
            if rule.of_member is not None and rule.is_erased:
                _add(rows, rule, await self._delete(rule.table, rule.of_member(organization_id, member_id)))
        # Requests and links are the organization's; only the name of the person goes from them.
        for table in (approval_requests, admin_consent_links):
            await self._connection.execute(
                update(table)
                .where(table.c.organization_id == organization_id, table.c.asked_by_member_id == member_id)
                .values(asked_by_name="Somebody")
            )
        return rows

    async def erase_connection(self, connection_id: str) -> Mapping[str, int]:
        rows: dict[str, int] = {}
        for rule in every_rule():
            condition = _about_connection(rule.table, connection_id)
            if condition is not None and rule.is_erased:
                _add(rows, rule, await self._delete(rule.table, condition))
        return rows

    async def erase_organization(self, organization_id: str) -> Mapping[str, int]:
        rows: dict[str, int] = {}
        for rule in every_rule():
            if rule.is_erased:
                _add(rows, rule, await self._delete(rule.table, rule.of_organization(organization_id, "")))
        return rows

    async def _delete(self, table: Table, condition: ColumnElement[bool]) -> int:
        return (await self._connection.execute(delete(table).where(condition))).rowcount


class SQLRecordReader:
    """Hands out what the rules find, a batch at a time."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def rows(
        self, *, organization_id: str, member_id: str | None = None, connection_id: str | None = None
    ) -> AsyncIterator[ExportedRow]:
        for rule in every_rule():
            condition: ColumnElement[bool] | None = None
            if not rule.is_exported:
                continue
            if connection_id is not None:
                condition = _about_connection(rule.table, connection_id)
            elif member_id is None:
                condition = rule.of_organization(organization_id, "")
            elif rule.of_member is not None:
                condition = rule.of_member(organization_id, member_id)
            if condition is None:
                continue
            result = await self._connection.stream(
                _statement(rule.table, condition).execution_options(yield_per=_BATCH)
            )
            async for row in result.mappings():
                yield rule.table.name, {name: _plain(value) for name, value in row.items()}


def _statement(table: Table, condition: ColumnElement[bool]) -> Select[Any]:
    shown = [
        column
        for column in table.c
        if not isinstance(column.type, LargeBinary) and not any(word in column.name for word in _SECRET_WORDS)
    ]
    return select(*shown).where(condition).order_by(*table.primary_key.columns)


def _add(rows: dict[str, int], rule: Rule, count: int) -> None:
    if rule.table is access_tokens:
        return  # one saved sign-in is counted once
    kind = "tokens" if rule.is_token else rule.table.name
    rows[kind] = rows.get(kind, 0) + count


def _plain(value: Any) -> Any:
    # A moment is a day, too.
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return value
