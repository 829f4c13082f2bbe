"""Customers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import AwareDatetime, ConfigDict, Field, StrictInt

from ostiary.core.access.model import Permission
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import Conflict
from ostiary.entrypoints.api.idempotency import IdempotencyKey, Outcome, once
from ostiary.entrypoints.api.problems import CHANGING, READING
from ostiary.entrypoints.api.shapes import (
    AnswerShape,
    Line,
    ListQuery,
    ObjectId,
    PageShape,
    RequestShape,
    page_shape,
)
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/organizations", tag="organizations")

_EXAMPLE: dict[str, Any] = {
    "external_id": "hv",
    "name": "Harbour & Vale",
    "seat_count": 50,
    "allowed_domains": ["harbourvale.example"],
    "expected_tenant_id": None,
    "pinned_method": None,
    "it_contact_name": "Priya Nair",
    "it_contact_email": "priya.nair@harbourvale.example",
}


class NewOrganization(RequestShape):
    """A customer as you know it."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [_EXAMPLE]},
    )

    external_id: Annotated[
        Line, Field(min_length=1, max_length=128, description="Your own id for it; unique.")
    ]
    name: Annotated[Line, Field(min_length=1, max_length=200)]
    seat_count: Annotated[
        StrictInt, Field(ge=0, le=10_000_000, description="Licences it bought; 0 sets no limit.")
    ] = 0
    allowed_domains: Annotated[
        tuple[Annotated[Line, Field(min_length=1, max_length=253)], ...],
        Field(
            max_length=100, description="A Microsoft tenant that verified one of these may bind by itself."
        ),
    ] = ()
    expected_tenant_id: Annotated[
        Line | None, Field(max_length=64, description="Its Microsoft tenant, when you know it.")
    ] = None
    pinned_method: Annotated[
        AccessMethod | None, Field(description="Use only this method; null uses Graph where approved.")
    ] = None
    it_contact_name: Annotated[Line | None, Field(max_length=200)] = None
    it_contact_email: Annotated[Line | None, Field(max_length=320)] = None


class OrganizationShape(AnswerShape):
    """A customer."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {"id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh", **_EXAMPLE, "created_at": "2026-11-24T12:00:00Z"}
            ]
        },
    )

    id: str
    external_id: str
    name: str
    seat_count: int
    allowed_domains: list[str]
    expected_tenant_id: str | None
    pinned_method: AccessMethod | None
    it_contact_name: str | None
    it_contact_email: str | None
    created_at: AwareDatetime


class OrganizationQuery(ListQuery):
    """Which customers."""

    search: Annotated[
        Line | None, Field(min_length=1, max_length=200, description="Part of the name or of your id.")
    ] = None


@router.post(
    "",
    dependencies=[requires(Permission.API_MANAGE)],
    status_code=201,
    response_model=OrganizationShape,
    responses={**CHANGING, 200: {"model": OrganizationShape, "description": "It was there already."}},
    summary="Add a customer",
    operation_id="create_organization",
)
async def create_organization(request: Request, new: NewOrganization, key: IdempotencyKey = None) -> Response:
    """Add a customer. One with the same `external_id` and name is returned as it is."""

    async def act() -> Outcome:
        organization, is_new = await services(request).organizations.create(
            **new.model_dump(), actor=actor(request)
        )
        if not is_new and organization.name != new.name:
            raise Conflict(f"{new.external_id} is the id of another customer already.")
        return Outcome(201 if is_new else 200, OrganizationShape.model_validate(organization))

    return await once(request, key, new, act)


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List customers",
    operation_id="list_organizations",
)
async def list_organizations(
    request: Request, query: Annotated[OrganizationQuery, Query()]
) -> PageShape[OrganizationShape]:
    """Customers by name."""
    page = await services(request).organizations.list_organizations(
        search=query.search, cursor=query.cursor, limit=query.limit
    )
    return page_shape(page, OrganizationShape.model_validate)


@router.get(
    "/{organization_id}",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="Read a customer",
    operation_id="get_organization",
)
async def get_organization(request: Request, organization_id: ObjectId) -> OrganizationShape:
    """One customer."""
    return OrganizationShape.model_validate(await services(request).organizations.get(organization_id))
