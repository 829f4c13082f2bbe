"""Connections: list, look, check, pause, resume, disconnect."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import BackgroundTasks, Query, Request
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.entrypoints.api.problems import CHANGING, MAILBOX, READING
from ostiary.entrypoints.api.shapes import AnswerShape, ListQuery, ObjectId, PageShape, page_shape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/connections", tag="connections")

_EXAMPLE: dict[str, Any] = {
    "id": "con_9x2t8v5w0y3k6r1d4fh7zq4m1c",
    "reference": "CO-9D1M-7VHE",
    "organization_id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh",
    "member_id": "mem_1c9x2t8v5w0y3k6r1d4fh7zq4m",
    "status": "connected",
    "reason": None,
    "method": "graph",
    "mail": True,
    "calendar": True,
    "left_out_reason": None,
    "address": "tom.ellis@harbourvale.example",
    "display_name": "Tom Ellis",
    "tenant_id": "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918",
    "object_id": "2f8e6b94-7c1a-4d25-8a6f-93b0d5e17c02",
    "created_at": "2026-11-24T12:00:00Z",
    "changed_at": "2026-11-24T12:00:00Z",
    "connected_at": "2026-11-24T12:00:00Z",
    "last_success_at": "2026-11-24T12:00:00Z",
}


class ConnectionShape(AnswerShape):
    """Somebody's connected mailbox, calendar or both."""

    model_config = ConfigDict(from_attributes=True, frozen=True, json_schema_extra={"examples": [_EXAMPLE]})

    id: Annotated[str, Field(description="Survives every reconnect.")]
    reference: str
    organization_id: str
    member_id: str
    status: ConnectionStatus
    reason: Annotated[
        str | None, Field(description="What is wrong, when something is: a reason id, as on the pages.")
    ]
    method: AccessMethod
    mail: bool
    calendar: bool
    left_out_reason: Annotated[
        str | None,
        Field(
            description="Why email or calendar, whichever the person asked for and does not have here, was left out: a "
            "reason id. Offer it again by a new connect session for this connection."
        ),
    ]
    address: Annotated[str, Field(description="Primary address of the mailbox; display only.")]
    display_name: str
    tenant_id: Annotated[str, Field(description="With `object_id`, the one key of a Microsoft identity.")]
    object_id: str
    created_at: AwareDatetime
    changed_at: AwareDatetime
    connected_at: AwareDatetime | None
    last_success_at: Annotated[
        AwareDatetime | None, Field(description="When the mailbox last answered a check.")
    ]


class ReceiptShape(AnswerShape):
    """What a disconnect did, and what it leaves to people."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "connection": _EXAMPLE,
                    "tokens_destroyed": True,
                    "subscriptions_left": 0,
                    "at": "2026-11-24T12:00:00Z",
                    "backups_gone_by": "2026-12-24T12:00:00Z",
                }
            ]
        },
    )

    connection: ConnectionShape
    tokens_destroyed: Annotated[bool, Field(description="False when there was nothing left to destroy.")]
    at: AwareDatetime
    backups_gone_by: Annotated[
        AwareDatetime, Field(description="Backups may hold the sealed token until then at the latest.")
    ]
    subscriptions_left: Annotated[
        int,
        Field(
            description="What at Microsoft could not be ended in time. It tells us of changes, which are thrown away,"
            " for up to a week."
        ),
    ]


class ConnectionQuery(ListQuery):
    """Which connections."""

    organization_id: Annotated[ObjectId | None, Field(description="Only of this customer.")] = None
    status: Annotated[ConnectionStatus | None, Field(description="Only in this state.")] = None
    reason: Annotated[
        str | None, Field(max_length=64, pattern=r"^[a-z_]+$", description="Only those with this reason.")
    ] = None


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List connections",
    operation_id="list_connections",
)
async def list_connections(
    request: Request, query: Annotated[ConnectionQuery, Query()]
) -> PageShape[ConnectionShape]:
    """Connections of all customers or of one, newest first. Unconfirmed ones only when asked for by state."""
    page = await services(request).connections.page(
        organization_id=query.organization_id,
        status=query.status,
        reason=query.reason,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page_shape(page, ConnectionShape.model_validate)


@router.get(
    "/{connection_id}",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="Look at a connection",
    operation_id="get_connection",
)
async def get_connection(request: Request, connection_id: ObjectId) -> ConnectionShape:
    """One connection, as it was when it was last used or checked."""
    return ConnectionShape.model_validate(
        await services(request).connections.get(connection_id, organization_id=None)
    )


@router.post(
    "/{connection_id}/check",
    dependencies=[requires(Permission.API_MANAGE, uses_mailbox=True)],
    responses=MAILBOX,
    summary="Check a connection",
    operation_id="check_connection",
)
async def check_connection(request: Request, connection_id: ObjectId) -> ConnectionShape:
    """Try the connection now. A fault that may pass is answered with 503 and changes nothing."""
    return ConnectionShape.model_validate(
        await services(request).connections.check(connection_id, organization_id=None, actor=actor(request))
    )


@router.post(
    "/{connection_id}/pause",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Pause a connection",
    operation_id="pause_connection",
)
async def pause_connection(request: Request, connection_id: ObjectId) -> ConnectionShape:
    """Stop using the connection until it is resumed. Pausing twice is harmless."""
    return ConnectionShape.model_validate(
        await services(request).connections.pause(connection_id, organization_id=None, actor=actor(request))
    )


@router.post(
    "/{connection_id}/resume",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Resume a connection",
    operation_id="resume_connection",
)
async def resume_connection(request: Request, connection_id: ObjectId) -> ConnectionShape:
    """Use a paused connection again."""
    return ConnectionShape.model_validate(
        await services(request).connections.resume(connection_id, organization_id=None, actor=actor(request))
    )


@router.post(
    "/{connection_id}/disconnect",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Disconnect",
    operation_id="disconnect_connection",
)
async def disconnect_connection(
    request: Request, connection_id: ObjectId, afterwards: BackgroundTasks
) -> ReceiptShape:
    """Destroy the connection's tokens for good. There is no way back: the person connects anew."""
    afterwards.add_task(hit, Failpoint.DISCONNECT_RECEIPT_SENT)
    return ReceiptShape.model_validate(
        await services(request).connections.disconnect(
            connection_id, organization_id=None, actor=actor(request)
        )
    )
