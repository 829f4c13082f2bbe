"""The audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Query, Request
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.audit.model import ActorKind
from ostiary.entrypoints.api.problems import READING
from ostiary.entrypoints.api.shapes import AnswerShape, Line, ListQuery, ObjectId, PageShape, page_shape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/audit", tag="audit")


class AuditQuery(ListQuery):
    """Which records."""

    organization: Annotated[ObjectId | None, Field(description="Only of this customer.")] = None
    what: Annotated[
        str | None,
        Field(pattern=r"^[a-z_.]{1,64}$", description="Start of the act's name, such as `consent.`."),
    ] = None
    reference: Annotated[
        Line | None,
        Field(
            min_length=1,
            max_length=32,
            description="Only records of one act, by what people can read out.",
            examples=["CN-7Q4M-1C9X"],
        ),
    ] = None
    object_id: Annotated[ObjectId | None, Field(alias="object", description="Only about this object.")] = None
    since: Annotated[AwareDatetime | None, Field(description="Not before.")] = None
    until: Annotated[AwareDatetime | None, Field(description="Before.")] = None


class ActorShape(AnswerShape):
    """Who acted, as far as it was verified."""

    kind: ActorKind
    id: str
    name: str


class AuditRecordShape(AnswerShape):
    """One act."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "aud_d4fh7zq4m1c9x2t8v5w0y3k6r1",
                    "at": "2026-11-24T12:00:00Z",
                    "actor": {"kind": "api_key", "id": "key_1", "name": "Larkspur backend"},
                    "what": "organization.created",
                    "sentence": "The customer Harbour & Vale was added.",
                    "outcome": "done",
                    "organization_id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh",
                    "object_id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh",
                    "reference": None,
                    "reason": None,
                    "detail": {},
                }
            ]
        },
    )

    id: str
    at: AwareDatetime
    actor: ActorShape
    what: Annotated[str, Field(description="Stable name of the act.")]
    sentence: Annotated[str, Field(description="The same for people; may change.")]
    outcome: Annotated[str, Field(description="`done`, `refused` or `failed`.")]
    organization_id: str | None
    object_id: str | None
    reference: str | None
    reason: str | None
    detail: Mapping[str, str]


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="Read the audit trail",
    operation_id="list_audit_records",
)
async def list_records(
    request: Request, query: Annotated[AuditQuery, Query()]
) -> PageShape[AuditRecordShape]:
    """Records, newest first."""
    page = await services(request).audit.list_records(
        organization_id=principal(request).organization_id or query.organization,
        what_prefix=query.what,
        reference=query.reference,
        object_id=query.object_id,
        since=query.since,
        until=query.until,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page_shape(page, AuditRecordShape.model_validate)
