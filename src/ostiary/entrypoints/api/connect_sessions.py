"""Connect sessions: let one of your users connect, and confirm that it was them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import AwareDatetime, ConfigDict, Field, StrictBool

from ostiary.core.access.model import Permission
from ostiary.core.connections.model import ConnectSession, ConnectSessionState
from ostiary.core.connections.sessions import NewSession
from ostiary.core.kernel.errors import FlowRejected
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.api.connections import ConnectionShape
from ostiary.entrypoints.api.idempotency import IdempotencyKey, Outcome, once
from ostiary.entrypoints.api.problems import CHANGING, READING
from ostiary.entrypoints.api.shapes import AnswerShape, Line, ObjectId, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.rate_limits import count_guess

router = api_router("/v1/connect-sessions", tag="connect sessions")

_EXAMPLE: dict[str, Any] = {
    "organization_id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh",
    "member_id": "mem_1c9x2t8v5w0y3k6r1d4fh7zq4m",
    "return_url": "https://app.larkspur.example/settings/email",
}
_SESSION: dict[str, Any] = {
    "id": "cs_6r1d4fh7zq4m1c9x2t8v5w0y3k",
    "reference": "CO-9D1M-7VHE",
    "organization_id": _EXAMPLE["organization_id"],
    "member_id": _EXAMPLE["member_id"],
    "state": "open",
    "reason": None,
    "created_at": "2026-11-24T12:00:00Z",
    "expires_at": "2026-11-24T12:15:00Z",
    "connection_id": None,
}


class NewConnectSession(RequestShape):
    """Who may connect, and where they go afterwards."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [_EXAMPLE]},
    )

    organization_id: ObjectId
    member_id: ObjectId
    return_url: Annotated[
        Line | None,
        Field(
            max_length=2000,
            description="One of the addresses in `OSTIARY_RETURN_URLS`, exactly. The browser comes back there with "
            "`connect_session` and `completion_code`. Without it the person ends on our own page.",
        ),
    ] = None
    vendor_verified_identity: Annotated[
        StrictBool,
        Field(
            description="You state that your own user is signed in with the Microsoft identity on record for the "
            "member, so that no confirmation is needed. An address they can edit is no such proof."
        ),
    ] = False
    mail: Annotated[StrictBool, Field(description="Tick email beforehand.")] = True
    calendar: Annotated[StrictBool, Field(description="Tick calendar beforehand.")] = True


class Completion(RequestShape):
    """What the browser brought back to your page."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"completion_code": "NfQ2hB7wzR0cJ1xQe5uTt8mLk3sVg6yPa9dHn4oXi2E"}]},
    )

    completion_code: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")]


class ConnectSessionShape(AnswerShape):
    """A session and how far it has come."""

    model_config = ConfigDict(from_attributes=True, frozen=True, json_schema_extra={"examples": [_SESSION]})

    id: str
    reference: Annotated[str, Field(description="For support; the person's pages show it, too.")]
    organization_id: str
    member_id: str
    state: ConnectSessionState
    reason: Annotated[str | None, Field(description="Why the newest try failed: a reason id.")]
    created_at: AwareDatetime
    expires_at: AwareDatetime
    connection_id: Annotated[str | None, Field(description="The connection that was made or renewed.")]


class NewConnectSessionShape(ConnectSessionShape):
    """A session just made."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    **_SESSION,
                    "url": "https://connect.larkspur.example/connect/s/…",
                }
            ]
        },
    )

    url: Annotated[
        str, Field(description="Send your user's browser there. Holds a secret: never mail it, never log it.")
    ]


@router.post(
    "",
    dependencies=[requires(Permission.API_MANAGE)],
    status_code=201,
    response_model=NewConnectSessionShape,
    responses=CHANGING,
    summary="Let somebody connect",
    operation_id="create_connect_session",
)
async def create_connect_session(
    request: Request, new: NewConnectSession, key: IdempotencyKey = None
) -> Response:
    """Make a session for one of your signed-in users. It lasts 15 minutes and connects once."""

    async def act() -> Outcome:
        made = await services(request).connections.sessions.create(**new.model_dump(), actor=actor(request))
        return Outcome(201, new_session_shape(request, made))

    return await once(request, key, new, act)


@router.get(
    "/{session_id}",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="Look at a session",
    operation_id="get_connect_session",
)
async def get_connect_session(request: Request, session_id: ObjectId) -> ConnectSessionShape:
    """How far a session has come."""
    return session_shape(await services(request).connections.sessions.get(session_id))


@router.post(
    "/{session_id}/confirm",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Confirm that it was your user",
    operation_id="confirm_connect_session",
)
async def confirm_connect_session(
    request: Request, session_id: ObjectId, completion: Completion
) -> ConnectionShape:
    """Make the connection usable, within five minutes of the sign-in. Doing it twice is harmless.

    Call it from your server, and only if the user who is signed in to **your** app in that browser is the member
    the session was made for: this is what keeps a link passed on to somebody else from connecting their mailbox.
    """
    try:
        connection = await services(request).connections.confirmation.confirm(
            session_id, completion_code=Secret(completion.completion_code), actor=actor(request)
        )
    except FlowRejected:
        await count_guess(request)
        raise
    return ConnectionShape.model_validate(connection)


def session_shape(session: ConnectSession) -> ConnectSessionShape:
    """Return a session as the API shows it."""
    return ConnectSessionShape(
        id=session.id,
        reference=session.reference,
        organization_id=session.organization_id,
        member_id=session.member_id,
        state=session.state,
        reason=session.reason,
        created_at=session.created_at,
        expires_at=session.expires_at,
        connection_id=session.made_connection_id or session.connection_id,
    )


def new_session_shape(request: Request, made: NewSession) -> NewConnectSessionShape:
    """Return a session just made, with the address that is shown this once."""
    public_url = services(request).settings.public_url.rstrip("/")
    return NewConnectSessionShape(
        **session_shape(made.session).model_dump(), url=f"{public_url}/connect/s/{made.secret.reveal()}"
    )
