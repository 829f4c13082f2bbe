"""How far a connection has been read, and whether anything can be missing from its feed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.sync.coverage import CoverageHow, GapReason
from ostiary.core.sync.model import Source, Stage
from ostiary.entrypoints.api.problems import READING
from ostiary.entrypoints.api.shapes import AnswerShape, ObjectId, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/connections", tag="changes")

_PROGRESS: dict[str, Any] = {
    "source": "mail",
    "method": "graph",
    "stage": "live",
    "folders_done": 24,
    "folders_total": 24,
    "items_counted": 10231,
    "items_total": 10231,
    "started_at": "2026-11-24T12:00:00Z",
    "done_at": "2026-11-24T12:01:40Z",
    "covered_until": "2026-11-24T17:59:12Z",
    "backfill_since": "2026-08-26T12:00:00Z",
    "next_at": "2026-11-24T23:59:12Z",
    "stalled_reason": None,
}


class ProgressShape(AnswerShape):
    """How far one source has been read."""

    model_config = ConfigDict(from_attributes=True, frozen=True, json_schema_extra={"examples": [_PROGRESS]})

    source: Source
    method: AccessMethod
    stage: Annotated[
        Stage, Field(description="`initial` while the first reading runs; `live` once every change is told.")
    ]
    folders_done: int
    folders_total: int
    items_counted: Annotated[int, Field(description="Messages or events seen by the first reading.")]
    items_total: Annotated[
        int, Field(description="As the folders say; may change while they are read. Calendars do not say.")
    ]
    started_at: AwareDatetime
    done_at: Annotated[AwareDatetime | None, Field(description="When the first reading was done.")]
    covered_until: Annotated[
        AwareDatetime | None, Field(description="Whatever happened before is in the feed.")
    ]
    backfill_since: Annotated[
        AwareDatetime | None,
        Field(description="The first reading tells of nothing older; null: of everything."),
    ]
    next_at: Annotated[AwareDatetime | None, Field(description="When it is read next, without any news.")]
    stalled_reason: Annotated[
        str | None, Field(description="Why it cannot be read at the moment; null while it can.")
    ]


class SyncShape(AnswerShape):
    """How far a connection has been read."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [{"sources": [_PROGRESS]}]})

    sources: list[ProgressShape]


class CoverageQuery(RequestShape):
    """Which span of time."""

    start: Annotated[
        AwareDatetime, Field(alias="from", description="First moment.", examples=["2026-11-24T00:00:00Z"])
    ]
    end: Annotated[
        AwareDatetime,
        Field(
            alias="to",
            description="Last moment; one in the future counts as now.",
            examples=["2026-11-24T12:00:00Z"],
        ),
    ]


class StretchShape(AnswerShape):
    """A stretch of time that is covered."""

    source: Source
    start: AwareDatetime
    end: AwareDatetime
    how: Annotated[
        CoverageHow,
        Field(
            description="`reconciled`: Microsoft forgot where we were and everything was compared; nothing that stands "
            "is missing, what came and went meanwhile may be."
        ),
    ]
    reason: str | None


class GapShape(AnswerShape):
    """A stretch of time about which nothing can be said (yet)."""

    source: Source
    start: AwareDatetime
    end: AwareDatetime
    reason: GapReason
    detail: Annotated[str | None, Field(description="What stands in the way, as a reason id or code.")]


class CoverageShape(AnswerShape):
    """Whether anything can be missing from the feed."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "start": "2026-11-24T12:00:00Z",
                    "end": "2026-11-24T18:00:00Z",
                    "is_complete": False,
                    "stretches": [
                        {
                            "source": "mail",
                            "start": "2026-11-24T12:00:00Z",
                            "end": "2026-11-24T17:59:12Z",
                            "how": "changes",
                            "reason": None,
                        }
                    ],
                    "gaps": [
                        {
                            "source": "mail",
                            "start": "2026-11-24T17:59:12Z",
                            "end": "2026-11-24T18:00:00Z",
                            "reason": "not_read_yet",
                            "detail": None,
                        }
                    ],
                }
            ]
        },
    )

    start: AwareDatetime
    end: AwareDatetime
    is_complete: Annotated[
        bool, Field(description="True: nothing that happened in this span can be missing.")
    ]
    stretches: list[StretchShape]
    gaps: list[GapShape]


@router.get(
    "/{connection_id}/sync",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="See how far a connection has been read",
    operation_id="get_connection_sync",
)
async def get_connection_sync(request: Request, connection_id: ObjectId) -> SyncShape:
    """Progress of the first reading, and up to when the feed is complete."""
    connection = await services(request).connections.get(connection_id, organization_id=None)
    progress = await services(request).sync.progress(connection.id)
    return SyncShape(sources=[ProgressShape.model_validate(each) for each in progress])


@router.get(
    "/{connection_id}/coverage",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="Ask whether anything can be missing",
    operation_id="get_connection_coverage",
)
async def get_connection_coverage(
    request: Request, connection_id: ObjectId, query: Annotated[CoverageQuery, Query()]
) -> CoverageShape:
    """Whether everything that happened between two moments is in the feed, and if not, why."""
    connection = await services(request).connections.get(connection_id, organization_id=None)
    answer = await services(request).sync.coverage(connection.id, start=query.start, end=query.end)
    return CoverageShape.model_validate(answer)
