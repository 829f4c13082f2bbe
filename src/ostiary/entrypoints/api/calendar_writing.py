"""Creating, changing, answering and ending events of a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import orjson
from fastapi import Header, Query, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.calendar.model import CalendarEvent
from ostiary.entrypoints.api.calendar_requests import (
    AnswerRequest,
    CancelRequest,
    ChangeQuery,
    EventUpdate,
    NewEvent,
    NotifyQuery,
    ScopeQuery,
)
from ostiary.entrypoints.api.calendar_shapes import EventShape
from ostiary.entrypoints.api.etags import check_if_match, etag_of
from ostiary.entrypoints.api.idempotency import IdempotencyKey, Outcome, once_elsewhere
from ostiary.entrypoints.api.log_fields import NAMES_CONNECTION
from ostiary.entrypoints.api.problems import MAILBOX_CHANGING
from ostiary.entrypoints.api.shapes import ObjectId
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/connections/{connection_id}", tag="calendar", dependencies=[NAMES_CONNECTION])
_MAY_WRITE = [requires(Permission.API_MAILBOX_WRITE)]

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=2048,
        description="`ETag` of the version you know: the call fails with 412 when the event has another one.",
    ),
]


@router.post(
    "/events",
    dependencies=_MAY_WRITE,
    status_code=201,
    response_model=EventShape,
    responses=MAILBOX_CHANGING,
    summary="Create an event",
    operation_id="create_event",
)
async def create_event(
    request: Request,
    connection_id: ObjectId,
    new: NewEvent,
    query: Annotated[NotifyQuery, Query()],
    key: IdempotencyKey = None,
) -> Response:
    """Create an event or a series and invite its attendees. With a key nobody is invited twice, whatever gets lost."""

    async def act() -> Outcome:
        event = await services(request).calendar.create_event(
            connection_id,
            organization_id=principal(request).organization_id,
            times=new.times(),
            content=new.change(),
            calendar_id=new.calendar_id,
            key=_own_key(request, key),
            notify=query.notify,
        )
        return Outcome(201, EventShape.model_validate(event))

    return _tagged(await once_elsewhere(request, key, new, act, is_repeatable=True))


@router.patch(
    "/events/{event_id}",
    dependencies=_MAY_WRITE,
    response_model=EventShape,
    responses=MAILBOX_CHANGING,
    summary="Change an event",
    operation_id="update_event",
)
async def update_event(
    request: Request,
    connection_id: ObjectId,
    event_id: ObjectId,
    change: EventUpdate,
    query: Annotated[ChangeQuery, Query()],
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response:
    """Change an event, one meeting of a series, this and all after it, or all.

    With `scope=following` the series ends before this meeting and the answer is the new series that takes over; send
    an `Idempotency-Key` along.
    """

    async def act() -> Outcome:
        event: CalendarEvent = await services(request).calendar.update_event(
            connection_id,
            event_id,
            organization_id=principal(request).organization_id,
            change=change.change(),
            times=change.times(),
            scope=query.scope,
            key=_own_key(request, key),
            notify=query.notify,
            check=_check(if_match),
        )
        return Outcome(200, EventShape.model_validate(event))

    return _tagged(await once_elsewhere(request, key, change, act, is_repeatable=True))


@router.delete(
    "/events/{event_id}",
    dependencies=_MAY_WRITE,
    status_code=204,
    responses=MAILBOX_CHANGING,
    summary="Delete an event",
    operation_id="delete_event",
)
async def delete_event(
    request: Request,
    connection_id: ObjectId,
    event_id: ObjectId,
    query: Annotated[ChangeQuery, Query()],
    if_match: IfMatch = None,
) -> None:
    """Delete an event. The owner's own meeting is called off with it; of somebody else's the own copy goes."""
    await services(request).calendar.delete_event(
        connection_id,
        event_id,
        organization_id=principal(request).organization_id,
        scope=query.scope,
        notify=query.notify,
        check=_check(if_match),
    )


@router.post(
    "/events/{event_id}/cancel",
    dependencies=_MAY_WRITE,
    status_code=204,
    responses=MAILBOX_CHANGING,
    summary="Call a meeting off",
    operation_id="cancel_event",
)
async def cancel_event(
    request: Request,
    connection_id: ObjectId,
    event_id: ObjectId,
    why: CancelRequest,
    query: Annotated[ScopeQuery, Query()],
    if_match: IfMatch = None,
) -> None:
    """Call off the owner's own meeting and tell its attendees why."""
    await services(request).calendar.cancel_event(
        connection_id,
        event_id,
        organization_id=principal(request).organization_id,
        comment=why.comment,
        scope=query.scope,
        check=_check(if_match),
    )


@router.post(
    "/events/{event_id}/respond",
    dependencies=_MAY_WRITE,
    status_code=204,
    responses=MAILBOX_CHANGING,
    summary="Answer an invitation",
    operation_id="respond_to_event",
)
async def respond(
    request: Request,
    connection_id: ObjectId,
    event_id: ObjectId,
    said: AnswerRequest,
    query: Annotated[ScopeQuery, Query()],
) -> None:
    """Accept, accept tentatively, or decline. A declined meeting leaves the calendar."""
    await services(request).calendar.respond(
        connection_id,
        event_id,
        organization_id=principal(request).organization_id,
        answer=said.answer,
        comment=said.comment,
        send=said.send,
        scope=query.scope,
    )


def _check(if_match: str | None) -> Callable[[str], None] | None:
    return None if if_match is None else lambda version: check_if_match(version, if_match)


def _own_key(request: Request, key: str | None) -> str | None:
    """Return the key as nobody else's: two callers may happen to use the same one."""
    return None if key is None else f"{principal(request).id} {key}"


def _tagged(response: Response) -> Response:
    response.headers["ETag"] = etag_of(orjson.loads(response.body)["version"])
    return response
