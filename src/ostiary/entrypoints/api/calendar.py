"""Reading calendars and calendar events of a connection."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Query, Request, Response
from pydantic import AwareDatetime, Field

from ostiary.core.access.model import Permission
from ostiary.entrypoints.api.calendar_shapes import CalendarShape, EventShape, SeriesShape
from ostiary.entrypoints.api.etags import etag_of, is_unchanged
from ostiary.entrypoints.api.log_fields import NAMES_CONNECTION
from ostiary.entrypoints.api.problems import MAILBOX
from ostiary.entrypoints.api.shapes import ListQuery, ObjectId, PageShape, page_shape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/connections/{connection_id}", tag="calendar", dependencies=[NAMES_CONNECTION])
_MAY_READ = [requires(Permission.API_MAILBOX_READ)]


class EventQuery(ListQuery):
    """Which events."""

    starts_at: Annotated[
        AwareDatetime,
        Field(
            alias="from",
            description="Start of the window, RFC 3339. An event that ends at it is left out.",
            examples=["2026-11-23T00:00:00Z"],
        ),
    ]
    ends_at: Annotated[
        AwareDatetime,
        Field(
            alias="to",
            description="End of the window, at most 730 days later. An event that starts at it is left out.",
            examples=["2026-11-30T00:00:00Z"],
        ),
    ]
    calendar: Annotated[
        ObjectId | None, Field(description="A calendar's id; leave it out for the default calendar.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Most events wanted.")] = 100


@router.get(
    "/calendars",
    dependencies=_MAY_READ,
    responses=MAILBOX,
    summary="List calendars",
    operation_id="list_calendars",
)
async def list_calendars(
    request: Request, connection_id: ObjectId, query: Annotated[ListQuery, Query()]
) -> PageShape[CalendarShape]:
    """All calendars of the mailbox."""
    page = await services(request).calendar.list_calendars(
        connection_id,
        organization_id=principal(request).organization_id,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page_shape(page, CalendarShape.model_validate)


@router.get(
    "/events", dependencies=_MAY_READ, responses=MAILBOX, summary="List events", operation_id="list_events"
)
async def list_events(
    request: Request, connection_id: ObjectId, query: Annotated[EventQuery, Query()]
) -> PageShape[EventShape]:
    """Events that overlap a window, by start; recurring ones are expanded, cancelled meetings left out."""
    page = await services(request).calendar.list_events(
        connection_id,
        organization_id=principal(request).organization_id,
        starts_at=query.starts_at,
        ends_at=query.ends_at,
        calendar_id=query.calendar,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page_shape(page, EventShape.model_validate)


@router.get(
    "/events/{event_id}",
    dependencies=_MAY_READ,
    response_model=EventShape,
    responses={**MAILBOX, 304: {"description": "Unchanged since the version in `If-None-Match`."}},
    summary="Get an event",
    operation_id="get_event",
)
async def get_event(
    request: Request,
    response: Response,
    connection_id: ObjectId,
    event_id: ObjectId,
    if_none_match: Annotated[str | None, Header(alias="If-None-Match", max_length=2048)] = None,
) -> EventShape | Response:
    """A single event, a whole series, or one meeting of a series."""
    event = await services(request).calendar.get_event(
        connection_id, event_id, organization_id=principal(request).organization_id
    )
    tag = etag_of(event.version)
    if is_unchanged(tag, if_none_match):
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return EventShape.model_validate(event)


@router.get(
    "/events/{event_id}/series",
    dependencies=_MAY_READ,
    responses=MAILBOX,
    summary="Get a series",
    operation_id="get_series",
)
async def get_series(request: Request, connection_id: ObjectId, event_id: ObjectId) -> SeriesShape:
    """The series that an event is, or is a meeting of: how it repeats, what was changed and what was taken out."""
    series = await services(request).calendar.get_series(
        connection_id, event_id, organization_id=principal(request).organization_id
    )
    return SeriesShape.model_validate(series)
