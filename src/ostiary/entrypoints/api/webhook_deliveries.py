"""The delivery log: what was sent where, what came back, and sending it once more."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.webhooks.model import DeliveryState
from ostiary.core.webhooks.ports import DeliveryFilter
from ostiary.entrypoints.api.problems import CHANGING, READING
from ostiary.entrypoints.api.shapes import AnswerShape, ListQuery, ObjectId, PageShape, page_shape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/webhook-deliveries", tag="webhooks")

_DELIVERY: dict[str, Any] = {
    "id": "whd_5d41402abc4b2a76b9719d911017c592",
    "endpoint_id": "whe_7zq4m1c9x2t8v5w0y3k6r1d4fh",
    "organization_id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh",
    "connection_id": "con_9x2t8v5w0y3k6r1d4fh7zq4m1c",
    "event_id": "evt_m2v7q4k1c9x2t8z5w0y3k6r1d4",
    "type": "message.created",
    "created_at": "2026-11-24T12:00:00Z",
    "state": "delivered",
    "attempts": 1,
    "next_at": None,
    "last_at": "2026-11-24T12:00:01Z",
    "last_status": 204,
    "last_trouble": None,
}


class DeliveryShape(AnswerShape):
    """One event on its way to one endpoint."""

    model_config = ConfigDict(from_attributes=True, frozen=True, json_schema_extra={"examples": [_DELIVERY]})

    id: str
    endpoint_id: str
    organization_id: str
    connection_id: str | None
    event_id: Annotated[str, Field(description="The `webhook-id`: the same over every attempt and replay.")]
    type: str
    created_at: AwareDatetime
    state: Annotated[
        DeliveryState, Field(description="`dead`: all attempts failed; it can be replayed for 60 days.")
    ]
    attempts: int
    next_at: Annotated[AwareDatetime | None, Field(description="When it is tried next; null once finished.")]
    last_at: AwareDatetime | None
    last_status: Annotated[int | None, Field(description="Null where there was no answer.")]
    last_trouble: str | None


class AttemptShape(AnswerShape):
    """One attempt."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "at": "2026-11-24T12:00:01Z",
                    "status": 204,
                    "milliseconds": 38,
                    "trouble": None,
                    "answer": "",
                }
            ]
        },
    )

    at: AwareDatetime
    status: int | None
    milliseconds: int
    trouble: str | None
    answer: Annotated[str, Field(description="The first 200 printable characters of the answer.")]


class DeliveryDetail(DeliveryShape):
    """A delivery with what was sent and every attempt."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    **_DELIVERY,
                    "body": '{"id":"evt_m2v7q4k1c9x2t8z5w0y3k6r1d4","type":"message.created"}',
                    "attempts_made": [
                        {
                            "at": "2026-11-24T12:00:01Z",
                            "status": 204,
                            "milliseconds": 38,
                            "trouble": None,
                            "answer": "",
                        }
                    ],
                }
            ]
        },
    )

    body: Annotated[str, Field(description="Exactly what is signed and sent.")]
    attempts_made: list[AttemptShape]


class DeliveryQuery(ListQuery):
    """Which deliveries."""

    endpoint_id: ObjectId | None = None
    event_id: ObjectId | None = None
    connection_id: ObjectId | None = None
    organization_id: ObjectId | None = None
    state: Annotated[DeliveryState | None, Field(description="Only those in this state.")] = None
    since: Annotated[AwareDatetime | None, Field(description="Made at this moment or later.")] = None
    until: Annotated[AwareDatetime | None, Field(description="Made before this moment.")] = None


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List deliveries",
    operation_id="list_webhook_deliveries",
)
async def list_deliveries(
    request: Request, query: Annotated[DeliveryQuery, Query()]
) -> PageShape[DeliveryShape]:
    """Deliveries, newest first."""
    page = await services(request).webhooks.deliveries.page(
        DeliveryFilter(
            endpoint_id=query.endpoint_id,
            event_id=query.event_id,
            connection_id=query.connection_id,
            organization_id=query.organization_id,
            states=() if query.state is None else (query.state,),
            since=query.since,
            until=query.until,
        ),
        cursor=query.cursor,
        limit=query.limit,
    )
    return page_shape(page, DeliveryShape.model_validate)


@router.get(
    "/{delivery_id}",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="Get a delivery",
    operation_id="get_webhook_delivery",
)
async def get_delivery(request: Request, delivery_id: ObjectId) -> DeliveryDetail:
    """One delivery with what was sent, and every attempt."""
    delivery, attempts = await services(request).webhooks.deliveries.get(delivery_id)
    return DeliveryDetail(
        **DeliveryShape.model_validate(delivery).model_dump(),
        body=delivery.body,
        attempts_made=[AttemptShape.model_validate(attempt) for attempt in attempts],
    )


@router.post(
    "/{delivery_id}/replay",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Replay a delivery",
    operation_id="replay_webhook_delivery",
)
async def replay_delivery(request: Request, delivery_id: ObjectId) -> DeliveryShape:
    """Send a finished delivery once more, with the same id and body. One on its way stays so."""
    delivery = await services(request).webhooks.deliveries.replay_one(delivery_id, actor=actor(request))
    return DeliveryShape.model_validate(delivery)
