"""Permissions that connections hold and nobody uses."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import Query, Request
from pydantic import ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.connections.usage import UnusedPermissions
from ostiary.entrypoints.api.problems import READING
from ostiary.entrypoints.api.shapes import AnswerShape, ListQuery, ObjectId, PageShape, page_shape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/unused-permissions", tag="connections")


class PermissionUseShape(AnswerShape):
    """One permission."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={"examples": [{"permission": "Mail.Send", "last_used_on": None}]},
    )

    permission: Annotated[str, Field(description="Microsoft's name; for EWS with the part that is meant.")]
    last_used_on: Annotated[date | None, Field(description="Day (UTC) of the last use on record.")]


class UnusedShape(AnswerShape):
    """A connection with the permissions it does not use."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "connection_id": "con_9x2t8v5w0y3k6r1d4fh7zq4m1c",
                    "organization_id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh",
                    "address": "tom.ellis@harbourvale.example",
                    "permissions": [{"permission": "Mail.Send", "last_used_on": None}],
                }
            ]
        },
    )

    connection_id: str
    organization_id: str
    address: str
    permissions: list[PermissionUseShape]


class UnusedQuery(ListQuery):
    """How long unused, and whose."""

    days: Annotated[
        Literal["30", "60", "90"], Field(description="Held and not used for this many days, or never.")
    ] = "30"
    organization_id: Annotated[ObjectId | None, Field(description="Only of this customer.")] = None


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List unused permissions",
    operation_id="list_unused_permissions",
)
async def list_unused(request: Request, query: Annotated[UnusedQuery, Query()]) -> PageShape[UnusedShape]:
    """Connections that hold permissions nobody used. A page may be short or empty: go on while there is a cursor."""
    page = await services(request).permission_usage.unused(
        days=int(query.days),
        organization_id=principal(request).organization_id or query.organization_id,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page_shape(page, _shape)


def _shape(found: UnusedPermissions) -> UnusedShape:
    return UnusedShape(
        connection_id=found.connection.id,
        organization_id=found.connection.organization_id,
        address=found.connection.address,
        permissions=[PermissionUseShape.model_validate(each) for each in found.permissions],
    )
