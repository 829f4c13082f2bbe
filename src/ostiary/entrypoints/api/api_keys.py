"""The instance's API keys, for programs that keep theirs fresh by themselves (SR-60, SR-61)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Request
from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from ostiary.core.access.model import API_KEY_LONGEST_OVERLAP, ApiKey, Permission
from ostiary.entrypoints.api.problems import CHANGING, READING
from ostiary.entrypoints.api.shapes import AnswerShape, ObjectId, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/api-keys", tag="api keys")

_EXAMPLE: JsonDict = {
    "id": "key_7zq4m1c9x2t8v5w0y3k6r1d4fh",
    "name": "Larkspur backend",
    "permissions": ["api.mailbox.read", "api.read"],
    "networks": ["192.0.2.0/24"],
    "created_at": "2026-11-24T12:00:00Z",
    "created_by": "Vik",
    "expires_at": "2027-02-22T12:00:00Z",
    "last_used_at": "2026-11-24T14:02:00Z",
    "last_used_ip": "192.0.2.7",
    "replaced_by": None,
    "revoked_at": None,
}


class ApiKeyShape(AnswerShape):
    """A key, without the key itself."""

    model_config = ConfigDict(from_attributes=True, frozen=True, json_schema_extra={"examples": [_EXAMPLE]})

    id: str
    name: str
    permissions: list[Permission]
    networks: Annotated[list[str], Field(description="Where it works from; empty means from everywhere.")]
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_at: Annotated[datetime | None, Field(description="To the minute.")]
    last_used_ip: str | None
    replaced_by: Annotated[str | None, Field(description="The key that took its place.")]
    revoked_at: datetime | None


class ApiKeysShape(AnswerShape):
    """Every key, oldest first."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [{"items": [_EXAMPLE]}]})

    items: list[ApiKeyShape]


class RotationRequest(RequestShape):
    """How long the old key goes on."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"overlap_hours": 24}]}
    )

    overlap_hours: Annotated[
        float | None,
        Field(
            ge=0,
            le=API_KEY_LONGEST_OVERLAP.total_seconds() / 3600,
            description="Hours both keys work; the instance's own when left out.",
        ),
    ] = None


class RotatedShape(AnswerShape):
    """The new key, told this once."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={"examples": [{"key": "ost_7zq4m1c9…", "api_key": _EXAMPLE}]},
    )

    key: Annotated[str, Field(description="Send it as `Authorization: Bearer`. It is told this once.")]
    api_key: ApiKeyShape


@router.get(
    "",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=READING,
    summary="List API keys",
    operation_id="list_api_keys",
)
async def list_keys(request: Request) -> ApiKeysShape:
    """Every key of the instance, revoked ones too. Keys are made by an operator: in the console, or by command."""
    return ApiKeysShape(items=[_shape(key) for key in await services(request).access.list_api_keys()])


@router.post(
    "/{key_id}/rotate",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Rotate an API key",
    operation_id="rotate_api_key",
)
async def rotate_key(request: Request, key_id: ObjectId, body: RotationRequest) -> RotatedShape:
    """Make a key that may do the same; the old one goes on for a while. A key that may do more than yours is refused.

    Not repeatable: a key that was replaced already answers 409, because the new one is told once.
    """
    new, text = await services(request).access.rotate_api_key(
        key_id,
        overlap=None if body.overlap_hours is None else timedelta(hours=body.overlap_hours),
        allowed=principal(request).permissions,
        actor=actor(request),
    )
    return RotatedShape(key=text.reveal(), api_key=_shape(new))


@router.delete(
    "/{key_id}",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    status_code=204,
    summary="Revoke an API key",
    operation_id="revoke_api_key",
)
async def revoke_key(request: Request, key_id: ObjectId) -> None:
    """End a key with the next call, in every process. Saying it twice changes nothing."""
    await services(request).access.revoke_api_key(
        key_id, allowed=principal(request).permissions, actor=actor(request)
    )


def _shape(key: ApiKey) -> ApiKeyShape:
    return ApiKeyShape.model_validate(key).model_copy(update={"permissions": sorted(key.permissions)})
