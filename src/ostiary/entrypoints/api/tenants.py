"""Microsoft tenants of a customer."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.tenants.model import BindingState
from ostiary.entrypoints.api.problems import CHANGING, READING
from ostiary.entrypoints.api.shapes import AnswerShape, ObjectId, PageShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/organizations/{organization_id}/tenants", tag="tenants")


class TenantShape(AnswerShape):
    """One Microsoft Entra directory."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "ten_0y3k6r1d4fh7zq4m1c9x2t8v5w",
                    "tenant_id": "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918",
                    "cloud": "global",
                    "display_name": "Harbour & Vale",
                    "domains": ["harbourvale.example"],
                    "binding": "bound",
                    "bound_how": "verified_domain",
                    "created_at": "2026-11-24T12:00:00Z",
                    "bound_at": "2026-11-24T12:00:00Z",
                }
            ]
        },
    )

    id: str
    tenant_id: Annotated[str, Field(description="Microsoft's id of the directory.")]
    cloud: str
    display_name: str
    domains: list[str]
    binding: Annotated[
        BindingState, Field(description="`pending` until you or the customer's admin confirms it.")
    ]
    bound_how: str
    created_at: AwareDatetime
    bound_at: AwareDatetime | None


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List tenants",
    operation_id="list_tenants",
)
async def list_tenants(request: Request, organization_id: ObjectId) -> PageShape[TenantShape]:
    """All directories of a customer, oldest first; never more than one page."""
    await services(request).organizations.get(organization_id)
    tenants = await services(request).tenants.list_for(organization_id)
    return PageShape(items=[TenantShape.model_validate(tenant) for tenant in tenants])


@router.post(
    "/{tenant_key}/confirm",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Confirm a tenant",
    operation_id="confirm_tenant",
)
async def confirm_tenant(request: Request, organization_id: ObjectId, tenant_key: ObjectId) -> TenantShape:
    """Say that a waiting directory belongs to this customer. Saying it twice is harmless."""
    tenant = await services(request).consent.confirm_tenant(
        tenant_key, organization_id=organization_id, actor=actor(request)
    )
    return TenantShape.model_validate(tenant)
