"""The change feed: what happened to a connection or a customer, in order, with a cursor."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.feed.model import (
    LONGEST_WAIT_SECONDS,
    MOST_IN_PAGE,
    FeedEvent,
    FeedEventType,
    FeedPage,
)
from ostiary.core.kernel.cursor import MOST_CURSOR_CHARACTERS
from ostiary.entrypoints.api.problems import problem_responses
from ostiary.entrypoints.api.shapes import AnswerShape, ObjectId, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1", tag="changes")

_FOLLOWING = problem_responses(400, 401, 403, 404, 410, 429)

_EVENT: dict[str, Any] = {
    "id": "evt_k5yqz2m7c4xw6t3rdn8hv0bf1g",
    "sequence": 4211,
    "type": "message.created",
    "organization_id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh",
    "connection_id": "con_9x2t8v5w0y3k6r1d4fh7zq4m1c",
    "occurred_at": "2026-11-24T12:00:00Z",
    "data": {
        "message_id": "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A",
        "version": "CQAAABYAAAB1",
        "folder_id": "AQMkAGQ0ZGIxAC4AAAM",
        "internet_message_id": "<quarterly-figures@larkspur.example>",
        "received_at": "2026-11-24T11:59:58Z",
        "is_read": False,
        "is_draft": False,
        "backfill": False,
    },
}


class ChangeQuery(RequestShape):
    """Where to go on, and how long to wait for news."""

    cursor: Annotated[
        str | None,
        Field(
            max_length=MOST_CURSOR_CHARACTERS,
            description="`next_cursor` of the answer before; leave it out to begin.",
        ),
    ] = None
    start: Annotated[
        Literal["oldest", "newest"],
        Field(
            description="Without a cursor: begin with the oldest event that is kept, or get a cursor after the newest."
        ),
    ] = "oldest"
    limit: Annotated[int, Field(ge=1, le=MOST_IN_PAGE, description="Most events wanted.")] = 100
    wait: Annotated[
        int,
        Field(
            ge=0,
            le=LONGEST_WAIT_SECONDS,
            description="Seconds to hold back an empty answer until something happens.",
        ),
    ] = 0


class ChangeShape(AnswerShape):
    """One thing that happened, once."""

    model_config = ConfigDict(from_attributes=True, frozen=True, json_schema_extra={"examples": [_EVENT]})

    id: Annotated[str, Field(description="Stable: every copy of this event has it, here and in webhooks.")]
    sequence: Annotated[int, Field(description="Place in this feed: from 1, without a gap.")]
    type: FeedEventType
    organization_id: str
    connection_id: Annotated[str | None, Field(description="Null for what concerns a whole customer.")]
    occurred_at: AwareDatetime
    data: Annotated[
        dict[str, str | int | bool | list[str] | None],
        Field(description="Ids, versions, times and states, by type: see the reference. Never content."),
    ]


class ChangePageShape(AnswerShape):
    """Events in order, oldest first."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [{"items": [_EVENT], "next_cursor": "eyJzIjo0MjExfQ", "has_more": False}]
        },
    )

    items: list[ChangeShape]
    next_cursor: Annotated[str, Field(description="Always there: gets what follows, whenever it happens.")]
    has_more: Annotated[bool, Field(description="More can be had at once, without waiting.")]


@router.get(
    "/connections/{connection_id}/changes",
    dependencies=[requires(Permission.API_MAILBOX_READ, only_ids=True)],
    responses=_FOLLOWING,
    summary="Follow a connection",
    operation_id="list_connection_changes",
)
async def list_connection_changes(
    request: Request, connection_id: ObjectId, query: Annotated[ChangeQuery, Query()]
) -> ChangePageShape:
    """Changes of the mailbox, the calendar and the connection itself, each at least once.

    Events are kept for thirty days. `410` says that what follows the cursor is gone: read the mailbox anew, then
    begin with `start=newest`.
    """
    connection = await services(request).connections.get(connection_id, organization_id=None)
    return await _answer(request, connection.id, query)


@router.get(
    "/organizations/{organization_id}/changes",
    dependencies=[requires(Permission.API_READ)],
    responses=_FOLLOWING,
    summary="Follow a customer",
    operation_id="list_organization_changes",
)
async def list_organization_changes(
    request: Request, organization_id: ObjectId, query: Annotated[ChangeQuery, Query()]
) -> ChangePageShape:
    """What concerns the whole customer: approvals given, shortened and withdrawn."""
    organization = await services(request).organizations.get(organization_id)
    return await _answer(request, organization.id, query)


async def _answer(request: Request, stream_id: str, query: ChangeQuery) -> ChangePageShape:
    feed = services(request).feed
    if query.cursor is None and query.start == "newest":
        return _shape(await feed.newest(stream_id))
    return _shape(
        await feed.wait(stream_id, cursor=query.cursor, limit=query.limit, seconds=float(query.wait))
    )


def _shape(page: FeedPage) -> ChangePageShape:
    return ChangePageShape(
        items=[_event(event) for event in page.events], next_cursor=page.cursor, has_more=page.has_more
    )


def _event(event: FeedEvent) -> ChangeShape:
    return ChangeShape.model_validate(event)
