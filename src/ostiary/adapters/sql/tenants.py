"""Customer tenants and the organization each is bound to."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, RowMapping, String, Table, Text, UniqueConstraint, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.kernel.errors import Conflict, NotFound
from ostiary.core.tenants.model import BindingState, Tenant

tenants: Final = Table(
    "tenants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("cloud", String(32), nullable=False),
    Column("tenant_id", String(36), nullable=False),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("binding", String(16), nullable=False),
    Column("bound_how", String(32), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("domains", ARRAY(Text), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("bound_at", UTCDateTime),
    # SR-17: a directory belongs to one organization at most, whatever two attempts race for.
    UniqueConstraint("cloud", "tenant_id"),
)


class SQLTenantStore:
    """Keeps tenants in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, tenant: Tenant) -> None:
        # ON CONFLICT keeps the transaction usable for the audit record of the refusal.
        statement = insert(tenants).values(_values(tenant)).on_conflict_do_nothing().returning(tenants.c.id)
        if (await self._connection.execute(statement)).scalar_one_or_none() is None:
            raise Conflict("This Microsoft directory is known already.")

    async def save(self, tenant: Tenant) -> None:
        values = _values(tenant)
        statement = update(tenants).where(tenants.c.id == tenant.id).values(values)
        if (await self._connection.execute(statement)).rowcount != 1:
            raise NotFound("There is no such tenant.")

    async def get(self, tenant_key: str, *, organization_id: str) -> Tenant:
        statement = select(tenants).where(
            tenants.c.id == tenant_key, tenants.c.organization_id == organization_id
        )
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        if row is None:
            raise NotFound("There is no such tenant.")
        return _tenant(row)

    async def find_by_tenant_id(self, *, cloud: str, tenant_id: str) -> Tenant | None:
        statement = select(tenants).where(tenants.c.cloud == cloud, tenants.c.tenant_id == tenant_id)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _tenant(row)

    async def list_for(self, organization_id: str) -> tuple[Tenant, ...]:
        statement = (
            select(tenants)
            .where(tenants.c.organization_id == organization_id)
            .order_by(tenants.c.created_at, tenants.c.id)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_tenant(row) for row in rows)


def _values(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "cloud": tenant.cloud,
        "tenant_id": tenant.tenant_id,
        "organization_id": tenant.organization_id,
        "binding": tenant.binding.value,
        "bound_how": tenant.bound_how,
        "display_name": tenant.display_name,
        "domains": list(tenant.domains),
        "created_at": tenant.created_at,
        "bound_at": tenant.bound_at,
    }


def _tenant(row: RowMapping) -> Tenant:
    return Tenant(
        id=row["id"],
        cloud=row["cloud"],
        tenant_id=row["tenant_id"],
        organization_id=row["organization_id"],
        binding=BindingState(row["binding"]),
        bound_how=row["bound_how"],
        display_name=row["display_name"],
        domains=tuple(row["domains"]),
        created_at=row["created_at"],
        bound_at=row["bound_at"],
    )
