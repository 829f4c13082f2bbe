"""What each tenant of a customer approved."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.entrypoints.api.problems import READING
from ostiary.entrypoints.api.shapes import AnswerShape, ObjectId, PageShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/organizations/{organization_id}/consents", tag="consents")


class ConsentShape(AnswerShape):
    """The approval of one tenant for one access method, as our own check found it."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "cns_3k6r1d4fh7zq4m1c9x2t8v5w0y",
                    "tenant_id": "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918",
                    "cloud": "global",
                    "method": "graph",
                    "state": "verified",
                    "reference": "CN-5H2R-9WTB",
                    "granted_scopes": ["https://graph.microsoft.com/Mail.ReadWrite"],
                    "approved_by_name": "Priya Nair",
                    "approved_by_username": "priya.nair@harbourvale.example",
                    "verified_at": "2026-11-24T12:00:00Z",
                    "checked_at": "2026-11-24T12:00:00Z",
                    "reason": None,
                }
            ]
        },
    )

    id: str
    tenant_id: str
    cloud: str
    method: AccessMethod
    state: ConsentState
    reference: Annotated[str, Field(description="Of the walk that led to this state.")]
    granted_scopes: list[str]
    approved_by_name: str | None
    approved_by_username: str | None
    verified_at: AwareDatetime | None
    checked_at: AwareDatetime | None
    reason: str | None


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List approvals",
    operation_id="list_consents",
)
async def list_consents(request: Request, organization_id: ObjectId) -> PageShape[ConsentShape]:
    """One entry per tenant and access method; never more than one page."""
    await services(request).organizations.get(organization_id)
    consents = await services(request).consent.consents_of(organization_id)
    return PageShape(items=[ConsentShape.model_validate(consent) for consent in consents])
