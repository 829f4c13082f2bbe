"""Figures over all customers, for the operator."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.audit import audit_records
from ostiary.adapters.sql.connections import connections
from ostiary.adapters.sql.organizations import organizations
from ostiary.adapters.sql.tenants import tenants
from ostiary.core.connections.figures import EWSExposure, FailureClass
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod

_NOT_LIVE: Final = (ConnectionStatus.DISCONNECTED.value, ConnectionStatus.UNCONFIRMED.value)


class SQLFigures:
    """Counts in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def ews_exposure(self, *, moved_since: datetime, limit: int) -> tuple[EWSExposure, ...]:
        table = connections.c
        on_ews = func.count().filter(table.method == AccessMethod.EWS.value)
        moved = func.count().filter(
            table.method == AccessMethod.GRAPH.value, table.connected_at >= moved_since
        )
        statement = (
            select(
                table.organization_id,
                organizations.c.name,
                table.tenant_id,
                func.max(tenants.c.display_name),
                on_ews,
                moved,
            )
            .join(organizations, organizations.c.id == table.organization_id)
            .outerjoin(tenants, and_(tenants.c.cloud == table.cloud, tenants.c.tenant_id == table.tenant_id))
            .where(table.status.not_in(_NOT_LIVE))
            .group_by(table.organization_id, organizations.c.name, table.tenant_id)
            .having(on_ews > 0)
            .order_by(on_ews.desc(), organizations.c.name)
            .limit(limit)
        )
        rows = await self._connection.execute(statement)
        return tuple(
            EWSExposure(organization_id, name, tenant_id, display_name or tenant_id, count, newly)
            for organization_id, name, tenant_id, display_name, count, newly in rows
        )

    async def failures(
        self, *, since: datetime, before: datetime, until: datetime, limit: int
    ) -> tuple[FailureClass, ...]:
        table = audit_records.c
        latest = func.count().filter(table.at >= since)
        earlier = func.count().filter(table.at < since)
        statement = (
            select(table.reason, latest, earlier)
            .where(table.reason.is_not(None), table.at >= before, table.at < until)
            .group_by(table.reason)
            .order_by(latest.desc(), earlier.desc(), table.reason)
            .limit(limit)
        )
        rows = await self._connection.execute(statement)
        return tuple(FailureClass(reason, count, was) for reason, count, was in rows)
