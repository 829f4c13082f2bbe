"""Reconnect: let somebody sign in again to the connection they have."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response
from pydantic import ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.entrypoints.api.connect_sessions import NewConnectSessionShape, new_session_shape
from ostiary.entrypoints.api.idempotency import IdempotencyKey, Outcome, once
from ostiary.entrypoints.api.problems import CHANGING
from ostiary.entrypoints.api.shapes import Line, ObjectId, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/connections/{connection_id}", tag="connections")


class Reconnect(RequestShape):
    """Where the person goes afterwards."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"return_url": "https://app.larkspur.example/settings/email"}]},
    )

    return_url: Annotated[
        Line | None,
        Field(max_length=2000, description="One of the addresses in `OSTIARY_RETURN_URLS`, exactly."),
    ] = None


@router.post(
    "/reconnect-session",
    dependencies=[requires(Permission.API_MANAGE)],
    status_code=201,
    response_model=NewConnectSessionShape,
    responses=CHANGING,
    summary="Let somebody sign in again",
    operation_id="create_reconnect_session",
)
async def create_reconnect_session(
    request: Request, connection_id: ObjectId, wanted: Reconnect, key: IdempotencyKey = None
) -> Response:
    """Make a session that renews exactly this connection; only the same Microsoft account can finish it.

    The connection keeps its id, and nothing has to be confirmed: the identity is on record.
    """

    async def act() -> Outcome:
        connections = services(request).connections
        connection = await connections.get(connection_id, organization_id=None)
        made = await connections.sessions.create(
            organization_id=connection.organization_id,
            member_id=connection.member_id,
            connection_id=connection.id,
            return_url=wanted.return_url,
            mail=connection.mail,
            calendar=connection.calendar,
            actor=actor(request),
        )
        return Outcome(201, new_session_shape(request, made))

    return await once(request, key, wanted, act)
