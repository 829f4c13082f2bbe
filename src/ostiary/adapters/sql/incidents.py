"""Incidents, and which states have none yet."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Index,
    RowMapping,
    String,
    Table,
    Text,
    and_,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.connection_tokens import refresh_tokens
from ostiary.adapters.sql.connections import connection_of_row, connections
from ostiary.adapters.sql.consent import consent_of_row, consents
from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.connections.incidents import (
    TROUBLED,
    TROUBLED_CONSENTS,
    Incident,
    IncidentEnd,
    IncidentSubject,
)
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.kernel.errors import Conflict, InvalidRequest, NotFound
from ostiary.core.kernel.page import Page

incidents: Final = Table(
    "incidents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("organization_id", String(64), nullable=False),
    Column("subject", String(16), nullable=False),
    Column("object_id", String(64), nullable=False),
    Column("reference", String(16), nullable=False),
    Column("label", Text, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("opened_at", UTCDateTime, nullable=False),
    Column("changed_at", UTCDateTime, nullable=False),
    Column("closed_at", UTCDateTime),
    Column("end", String(16)),
    Column("cause_id", String(64)),
    Index("ix_incidents_page", "opened_at", "id"),
    Index("ix_incidents_organization_page", "organization_id", "opened_at", "id"),
    # Whatever two workers race for, a trouble is announced once.
    Index("uq_incidents_open", "object_id", unique=True, postgresql_where=text("closed_at IS NULL")),
)

_TROUBLED: Final = [status.value for status in TROUBLED]
_TROUBLED_CONSENTS: Final = [state.value for state in TROUBLED_CONSENTS]
_MISSING: Final = "missing_permission"


class SQLIncidentStore:
    """Keeps incidents in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, incident: Incident) -> None:
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(insert(incidents).values(_values(incident)))
        except IntegrityError as error:
            raise Conflict("This trouble is on record already.") from error

    async def save(self, incident: Incident) -> None:
        statement = update(incidents).where(incidents.c.id == incident.id).values(_values(incident))
        if (await self._connection.execute(statement)).rowcount != 1:
            raise NotFound("There is no such incident.")

    async def find_open(self, object_id: str) -> Incident | None:
        statement = (
            select(incidents)
            .where(incidents.c.object_id == object_id, incidents.c.closed_at.is_(None))
            .with_for_update()
        )
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _incident(row)

    async def unannounced_consents(self, *, limit: int) -> tuple[Consent, ...]:
        reason = func.coalesce(consents.c.reason, _MISSING)
        statement = (
            select(consents)
            .where(consents.c.state.in_(_TROUBLED_CONSENTS), ~_announced(consents.c.id, reason))
            .order_by(consents.c.changed_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(consent_of_row(row) for row in rows)

    async def unannounced_connections(self, *, limit: int) -> tuple[Connection, ...]:
        reason = func.coalesce(connections.c.reason, "unknown")
        statement = (
            select(connections)
            .where(connections.c.status.in_(_TROUBLED), ~_announced(connections.c.id, reason))
            .order_by(connections.c.changed_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(connection_of_row(row) for row in rows)

    async def over(self, *, limit: int) -> tuple[tuple[Incident, IncidentEnd], ...]:
        is_open = incidents.c.closed_at.is_(None)
        recovered, ended = IncidentEnd.RECOVERED.value, IncidentEnd.ENDED.value
        of_connections = (
            select(
                incidents.c.id,
                case(
                    (connections.c.status == ConnectionStatus.CONNECTED.value, recovered), else_=ended
                ).label("outcome"),
            )
            .join(connections, connections.c.id == incidents.c.object_id)
            .where(is_open, connections.c.status.not_in(_TROUBLED))
        )
        of_consents = (
            select(
                incidents.c.id,
                case((consents.c.state == ConsentState.VERIFIED.value, recovered), else_=ended).label(
                    "outcome"
                ),
            )
            .join(consents, consents.c.id == incidents.c.object_id)
            .where(is_open, consents.c.state.not_in(_TROUBLED_CONSENTS))
        )
        ends = union_all(of_connections, of_consents).subquery()
        statement = (
            select(incidents, ends.c.outcome)
            .join(ends, ends.c.id == incidents.c.id)
            .order_by(incidents.c.opened_at)
            .limit(limit)
            .with_for_update(of=incidents, skip_locked=True)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple((_incident(row), IncidentEnd(row["outcome"])) for row in rows)

    async def contradictions(self, *, limit: int) -> tuple[tuple[Connection, datetime], ...]:
        known_since = func.greatest(consents.c.verified_at, consents.c.changed_at)
        refused = and_(
            connections.c.changed_at > known_since,
            or_(
                and_(
                    consents.c.state.in_((ConsentState.VERIFIED.value, ConsentState.PARTIAL.value)),
                    or_(
                        and_(
                            connections.c.status == ConnectionStatus.WAITING_FOR_APPROVAL.value,
                            connections.c.reason == "consent_withdrawn",
                        ),
                        and_(
                            connections.c.status == ConnectionStatus.FAILING.value,
                            connections.c.reason == "app_disabled",
                        ),
                    ),
                ),
                and_(
                    consents.c.state == ConsentState.VERIFIED.value,
                    connections.c.status == ConnectionStatus.FAILING.value,
                    connections.c.reason == _MISSING,
                ),
            ),
        )
        works = and_(
            connections.c.status == ConnectionStatus.CONNECTED.value,
            consents.c.state.in_(_TROUBLED_CONSENTS),
            refresh_tokens.c.stored_at > known_since,
        )
        seen_at = case((works, refresh_tokens.c.stored_at), else_=connections.c.changed_at)
        statement = (
            select(connections, seen_at.label("seen_at"))
            .join(
                consents,
                and_(
                    consents.c.cloud == connections.c.cloud,
                    consents.c.tenant_id == connections.c.tenant_id,
                    consents.c.method == connections.c.method,
                ),
            )
            .outerjoin(refresh_tokens, refresh_tokens.c.connection_id == connections.c.id)
            .where(consents.c.verified_at.is_not(None), or_(refused, works))
            .ext(distinct_on(consents.c.id))
            .order_by(consents.c.id, seen_at.desc())
            .limit(limit)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple((connection_of_row(row), row["seen_at"]) for row in rows)

    async def count_open(self, organization_id: str) -> int:
        statement = (
            select(func.count())
            .select_from(incidents)
            .where(incidents.c.organization_id == organization_id, incidents.c.closed_at.is_(None))
        )
        return (await self._connection.execute(statement)).scalar_one()

    async def page(
        self,
        *,
        organization_id: str | None,
        is_open: bool | None = None,
        since: datetime | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Incident]:
        table = incidents.c
        statement = select(incidents).order_by(table.opened_at.desc(), table.id.desc()).limit(limit + 1)
        if organization_id is not None:
            statement = statement.where(table.organization_id == organization_id)
        if is_open is not None:
            statement = statement.where(
                table.closed_at.is_(None) if is_open else table.closed_at.is_not(None)
            )
        if since is not None:
            statement = statement.where(table.changed_at >= since)
        if cursor is not None:
            last = select(table.opened_at, table.id).where(table.id == cursor)
            if organization_id is not None:
                last = last.where(table.organization_id == organization_id)
            found = (await self._connection.execute(last)).one_or_none()
            if found is None:
                raise InvalidRequest("This cursor is not one of ours.", field="cursor")
            statement = statement.where(tuple_(table.opened_at, table.id) < tuple_(*found))
        rows = (await self._connection.execute(statement)).mappings().all()
        items = tuple(_incident(row) for row in rows[:limit])
        return Page(items, items[-1].id if len(rows) > limit else None)


def _announced(object_id: Any, reason: Any) -> Any:
    return exists().where(
        incidents.c.object_id == object_id, incidents.c.closed_at.is_(None), incidents.c.reason == reason
    )


def _values(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "organization_id": incident.organization_id,
        "subject": incident.subject.value,
        "object_id": incident.object_id,
        "reference": incident.reference,
        "label": incident.label,
        "reason": incident.reason,
        "opened_at": incident.opened_at,
        "changed_at": incident.changed_at,
        "closed_at": incident.closed_at,
        "end": None if incident.end is None else incident.end.value,
        "cause_id": incident.cause_id,
    }


def _incident(row: RowMapping) -> Incident:
    return Incident(
        id=row["id"],
        organization_id=row["organization_id"],
        subject=IncidentSubject(row["subject"]),
        object_id=row["object_id"],
        reference=row["reference"],
        label=row["label"],
        reason=row["reason"],
        opened_at=row["opened_at"],
        changed_at=row["changed_at"],
        closed_at=row["closed_at"],
        end=None if row["end"] is None else IncidentEnd(row["end"]),
        cause_id=row["cause_id"],
    )
