"""Incidents: what stopped working, why, and when it worked again."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.connections.incidents import IncidentEnd, IncidentSubject
from ostiary.entrypoints.api.problems import READING
from ostiary.entrypoints.api.shapes import AnswerShape, ListQuery, ObjectId, PageShape, page_shape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/incidents", tag="incidents")


class IncidentShape(AnswerShape):
    """One trouble of one connection, or of a customer's approval."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "inc_4fh7zq4m1c9x2t8v5w0y3k6r1d",
                    "organization_id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh",
                    "subject": "connection",
                    "object_id": "con_9x2t8v5w0y3k6r1d4fh7zq4m1c",
                    "reference": "CO-9D1M-7VHE",
                    "label": "tom.ellis@harbourvale.example",
                    "reason": "mailbox_missing",
                    "opened_at": "2026-11-24T12:00:00Z",
                    "changed_at": "2026-11-24T14:00:00Z",
                    "closed_at": "2026-11-24T14:00:00Z",
                    "end": "recovered",
                    "cause_id": None,
                }
            ]
        },
    )

    id: str
    organization_id: str
    subject: IncidentSubject
    object_id: Annotated[str, Field(description="The connection or consent it is about.")]
    reference: str
    label: Annotated[str, Field(description="Address of the mailbox or name of the method; display only.")]
    reason: Annotated[str, Field(description="Why, by now: a reason id, as on the pages.")]
    opened_at: AwareDatetime
    changed_at: Annotated[
        AwareDatetime, Field(description="When it was opened, got another reason, or ended.")
    ]
    closed_at: AwareDatetime | None
    end: Annotated[
        IncidentEnd | None,
        Field(description="`recovered`, or `ended` when the connection is not used any more."),
    ]
    cause_id: Annotated[
        str | None, Field(description="The incident of the customer's approval that this one follows from.")
    ]


class IncidentQuery(ListQuery):
    """Which incidents."""

    organization_id: Annotated[ObjectId | None, Field(description="Only of this customer.")] = None
    is_open: Annotated[
        bool | None, Field(alias="open", description="Only open ones, or only closed ones.")
    ] = None
    since: Annotated[
        AwareDatetime | None, Field(description="Only those opened, changed or closed since: poll with it.")
    ] = None


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List incidents",
    operation_id="list_incidents",
)
async def list_incidents(
    request: Request, query: Annotated[IncidentQuery, Query()]
) -> PageShape[IncidentShape]:
    """What stopped working and what works again, newest first. Each trouble is listed once, with its cause."""
    page = await services(request).incidents.page(
        organization_id=principal(request).organization_id or query.organization_id,
        is_open=query.is_open,
        since=query.since,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page_shape(page, IncidentShape.model_validate)
