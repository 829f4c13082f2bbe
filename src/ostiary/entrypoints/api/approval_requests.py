"""People who wait for an approval."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.approvals.model import OPEN_STATES, ApprovalRequestState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.entrypoints.api.problems import READING
from ostiary.entrypoints.api.shapes import AnswerShape, ObjectId, PageShape, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/organizations/{organization_id}/approval-requests", tag="approval requests")


class ApprovalRequestQuery(RequestShape):
    """Which requests."""

    open: Annotated[bool, Field(description="Only those that still wait for an answer.")] = False


class ApprovalRequestShape(AnswerShape):
    """Somebody asked the IT administrator; colleagues wait with them."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "apr_2t8v5w0y3k6r1d4fh7zq4m1c9x",
                    "reference": "AR-6T1Q-2XNB",
                    "method": "graph",
                    "state": "sent",
                    "asked_by_member_id": "mem_1c9x2t8v5w0y3k6r1d4fh7zq4m",
                    "asked_by_name": "Tom Ellis",
                    "sent_to": "priya.nair@harbourvale.example",
                    "tenant_id": None,
                    "decline_reason": None,
                    "created_at": "2026-11-24T12:00:00Z",
                    "updated_at": "2026-11-24T12:03:00Z",
                    "resolved_at": None,
                }
            ]
        },
    )

    id: str
    reference: str
    method: AccessMethod
    state: ApprovalRequestState
    asked_by_member_id: str
    asked_by_name: str
    sent_to: str | None
    tenant_id: Annotated[str | None, Field(description="Known once somebody of it signed in.")]
    decline_reason: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    resolved_at: AwareDatetime | None


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List approval requests",
    operation_id="list_approval_requests",
)
async def list_approval_requests(
    request: Request, organization_id: ObjectId, query: Annotated[ApprovalRequestQuery, Query()]
) -> PageShape[ApprovalRequestShape]:
    """Requests of a customer's people, newest first; never more than one page."""
    await services(request).organizations.get(organization_id)
    found = await services(request).approvals.list_for(
        organization_id, states=OPEN_STATES if query.open else None
    )
    return PageShape(items=[ApprovalRequestShape.model_validate(each) for each in found])
