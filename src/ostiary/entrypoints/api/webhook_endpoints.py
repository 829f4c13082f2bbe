"""The vendor's webhook endpoints: add, prove, change, rotate, disable, delete, replay."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.feed.model import FeedEventType
from ostiary.core.webhooks.endpoints import LONGEST_DESCRIPTION, Issued
from ostiary.core.webhooks.model import DeliveryState, DisabledBecause, EndpointStatus, WebhookEndpoint
from ostiary.core.webhooks.ports import DeliveryFilter
from ostiary.entrypoints.api.idempotency import IdempotencyKey, Outcome, once
from ostiary.entrypoints.api.problems import CHANGING, READING
from ostiary.entrypoints.api.shapes import AnswerShape, Line, ObjectId, PageShape, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/webhook-endpoints", tag="webhooks")

_URL = "https://app.larkspur.example/hooks/ostiary"
_ENDPOINT: dict[str, Any] = {
    "id": "whe_7zq4m1c9x2t8v5w0y3k6r1d4fh",
    "url": _URL,
    "description": "production",
    "organization_id": None,
    "types": ["message.created"],
    "status": "active",
    "disabled_because": None,
    "created_at": "2026-11-24T12:00:00Z",
    "old_secret_until": None,
    "failing_since": None,
}
_TYPES = Annotated[
    tuple[FeedEventType, ...],
    Field(max_length=len(FeedEventType), description="Only these types of events; empty for all."),
]
_URL_FIELD = Field(max_length=2000, description="An https address on a public network.")


class NewEndpoint(RequestShape):
    """Where events are to go, and which."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"url": _URL, "types": ["message.created"]}]},
    )

    url: Annotated[str, _URL_FIELD]
    description: Annotated[Line, Field(max_length=LONGEST_DESCRIPTION)] = ""
    organization_id: Annotated[ObjectId | None, Field(description="Only this customer; null for all.")] = None
    types: _TYPES = ()


class EndpointChange(RequestShape):
    """What to change; a field that is not given stays."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"types": []}]},
    )

    url: Annotated[str | None, _URL_FIELD] = None
    description: Annotated[Line | None, Field(max_length=LONGEST_DESCRIPTION)] = None
    types: _TYPES | None = None


class Replay(RequestShape):
    """Which finished deliveries go out once more."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"states": ["dead"], "since": "2026-11-24T00:00:00Z"}]},
    )

    states: Annotated[
        tuple[DeliveryState, ...], Field(max_length=3, description="Empty for delivered and dead ones.")
    ] = ()
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class EndpointShape(AnswerShape):
    """An address that gets events."""

    model_config = ConfigDict(from_attributes=True, frozen=True, json_schema_extra={"examples": [_ENDPOINT]})

    id: str
    url: str
    description: str
    organization_id: str | None
    types: list[FeedEventType]
    status: Annotated[
        EndpointStatus,
        Field(description="`unproven` ones get nothing; for `disabled` ones events wait."),
    ]
    disabled_because: DisabledBecause | None
    created_at: AwareDatetime
    old_secret_until: Annotated[
        AwareDatetime | None,
        Field(description="Until then messages carry a signature of the old secret, too."),
    ]
    failing_since: Annotated[
        AwareDatetime | None, Field(description="No attempt has succeeded since; null after a success.")
    ]


class IssuedShape(AnswerShape):
    """An endpoint and its signing secret, which is shown this once."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [{"endpoint": _ENDPOINT, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}]
        },
    )

    endpoint: EndpointShape
    secret: str


class ReplayedShape(AnswerShape):
    """How much goes out once more."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [{"replayed": 12}]})

    replayed: int


@router.post(
    "",
    dependencies=[requires(Permission.API_MANAGE)],
    status_code=201,
    response_model=IssuedShape,
    responses=CHANGING,
    summary="Add a webhook endpoint",
    operation_id="add_webhook_endpoint",
)
async def add_endpoint(request: Request, new: NewEndpoint, key: IdempotencyKey = None) -> Response:
    """Add an endpoint. It gets events once it has answered the challenge: call `verify` next."""

    async def act() -> Outcome:
        issued = await services(request).webhooks.endpoints.add(
            new.url,
            description=new.description,
            organization_id=new.organization_id,
            types=new.types,
            actor=actor(request),
        )
        return Outcome(201, _issued(issued))

    return await once(request, key, new, act)


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List webhook endpoints",
    operation_id="list_webhook_endpoints",
)
async def list_endpoints(request: Request) -> PageShape[EndpointShape]:
    """All endpoints, oldest first; there are at most 50, so there is one page."""
    endpoints = await services(request).webhooks.endpoints.list_all()
    return PageShape(items=[_shape(endpoint) for endpoint in endpoints])


@router.get(
    "/{endpoint_id}",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="Get a webhook endpoint",
    operation_id="get_webhook_endpoint",
)
async def get_endpoint(request: Request, endpoint_id: ObjectId) -> EndpointShape:
    """One endpoint."""
    return _shape(await services(request).webhooks.endpoints.get(endpoint_id))


@router.patch(
    "/{endpoint_id}",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Change a webhook endpoint",
    operation_id="change_webhook_endpoint",
)
async def change_endpoint(request: Request, endpoint_id: ObjectId, change: EndpointChange) -> EndpointShape:
    """Change an endpoint. Another address has to be verified again."""
    changed = await services(request).webhooks.endpoints.change(
        endpoint_id,
        url=change.url,
        description=change.description,
        types=change.types,
        actor=actor(request),
    )
    return _shape(changed)


@router.delete(
    "/{endpoint_id}",
    dependencies=[requires(Permission.API_MANAGE)],
    status_code=204,
    responses=CHANGING,
    summary="Delete a webhook endpoint",
    operation_id="delete_webhook_endpoint",
)
async def delete_endpoint(request: Request, endpoint_id: ObjectId) -> Response:
    """Delete an endpoint and what was to go there."""
    await services(request).webhooks.endpoints.delete(endpoint_id, actor=actor(request))
    return Response(status_code=204)


@router.post(
    "/{endpoint_id}/verify",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Verify a webhook endpoint",
    operation_id="verify_webhook_endpoint",
)
async def verify_endpoint(request: Request, endpoint_id: ObjectId) -> EndpointShape:
    """Send a signed `webhook.verify` message. An endpoint that answers `{"challenge": …}` with its `data.challenge` gets
    events from now on; a disabled one is enabled by it. 409 `endpoint_not_proven` says what it answered instead."""
    return _shape(await services(request).webhooks.endpoints.prove(endpoint_id, actor=actor(request)))


@router.post(
    "/{endpoint_id}/disable",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Disable a webhook endpoint",
    operation_id="disable_webhook_endpoint",
)
async def disable_endpoint(request: Request, endpoint_id: ObjectId) -> EndpointShape:
    """Stop sending; events wait until it is verified again."""
    return _shape(await services(request).webhooks.endpoints.disable(endpoint_id, actor=actor(request)))


@router.post(
    "/{endpoint_id}/rotate-secret",
    dependencies=[requires(Permission.API_MANAGE)],
    response_model=IssuedShape,
    responses=CHANGING,
    summary="Rotate a signing secret",
    operation_id="rotate_webhook_secret",
)
async def rotate_secret(request: Request, endpoint_id: ObjectId, key: IdempotencyKey = None) -> Response:
    """Get a new secret. For 24 hours messages carry signatures of both."""

    async def act() -> Outcome:
        issued = await services(request).webhooks.endpoints.rotate_secret(endpoint_id, actor=actor(request))
        return Outcome(200, _issued(issued))

    return await once(request, key, None, act)


@router.post(
    "/{endpoint_id}/replay",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Replay deliveries of an endpoint",
    operation_id="replay_webhook_endpoint",
)
async def replay(request: Request, endpoint_id: ObjectId, wanted: Replay) -> ReplayedShape:
    """Send finished deliveries once more, with the same ids; at most 10,000 at a time, the oldest first."""
    replayed = await services(request).webhooks.deliveries.replay(
        endpoint_id,
        DeliveryFilter(endpoint_id=endpoint_id, states=wanted.states, since=wanted.since, until=wanted.until),
        actor=actor(request),
    )
    return ReplayedShape(replayed=replayed)


def _shape(endpoint: WebhookEndpoint) -> EndpointShape:
    return EndpointShape.model_validate(endpoint)


def _issued(issued: Issued) -> IssuedShape:
    return IssuedShape(endpoint=_shape(issued.endpoint), secret=issued.secret.reveal())
