"""The kill switch: stop the use of one connection's tokens, a customer's, or all of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.connections.freeze import LONGEST_NOTE, Freeze, FreezeScope
from ostiary.core.kernel.errors import NotFound
from ostiary.entrypoints.api.idempotency import IdempotencyKey, Outcome, once
from ostiary.entrypoints.api.problems import CHANGING, READING
from ostiary.entrypoints.api.shapes import AnswerShape, Line, ObjectId, PageShape, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/freezes", tag="freezes")

_TARGET: dict[str, Any] = {"scope": "organization", "target_id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh"}


class Target(RequestShape):
    """What is frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [_TARGET]})

    scope: FreezeScope
    target_id: Annotated[
        ObjectId | None, Field(description="The customer or connection; null for the whole instance.")
    ] = None


class NewFreeze(Target):
    """What to freeze, and why."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{**_TARGET, "note": "stolen laptop"}]},
    )

    note: Annotated[
        Line, Field(max_length=LONGEST_NOTE, description="For the audit log; customers do not see it.")
    ] = ""


class FreezeShape(AnswerShape):
    """Tokens that nobody may use."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [{**_TARGET, "at": "2026-11-24T12:00:00Z", "by": "key_live", "note": "stolen laptop"}]
        },
    )

    scope: FreezeScope
    target_id: Annotated[str | None, Field(description="Null for the whole instance.")]
    at: AwareDatetime
    by: str
    note: str


class LiftedShape(AnswerShape):
    """What lifting did."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [{"lifted": True}]})

    lifted: Annotated[bool, Field(description="False when it was not frozen.")]


@router.post(
    "",
    dependencies=[requires(Permission.API_MANAGE)],
    status_code=201,
    response_model=FreezeShape,
    responses={**CHANGING, 200: {"model": FreezeShape, "description": "It was frozen already."}},
    summary="Freeze",
    operation_id="freeze",
)
async def freeze(request: Request, new: NewFreeze, key: IdempotencyKey = None) -> Response:
    """Stop all use of tokens, in every process, within a minute. Nothing is lost; calls answer 409 `frozen`."""
    freezes = services(request).freezes
    target_id = new.target_id or ""

    async def act() -> Outcome:
        is_new = await freezes.freeze(new.scope, target_id, note=new.note, actor=actor(request))
        in_force = {(each.scope, each.target_id): each for each in await freezes.list_all()}
        found = in_force.get((new.scope, target_id))
        if found is None:
            raise NotFound("It was lifted again at once.")
        return Outcome(201 if is_new else 200, _shape(found))

    return await once(request, key, new, act)


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List freezes",
    operation_id="list_freezes",
)
async def list_freezes(request: Request) -> PageShape[FreezeShape]:
    """Everything that is frozen, oldest first. There are few at any time, so there is one page."""
    return PageShape(items=[_shape(each) for each in await services(request).freezes.list_all()])


@router.post(
    "/lift",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Lift a freeze",
    operation_id="lift_freeze",
)
async def lift(request: Request, target: Target) -> LiftedShape:
    """Let tokens be used again. What was frozen by itself inside stays frozen."""
    lifted = await services(request).freezes.unfreeze(
        target.scope, target.target_id or "", actor=actor(request)
    )
    return LiftedShape(lifted=lifted)


def _shape(freeze: Freeze) -> FreezeShape:
    return FreezeShape(
        scope=freeze.scope, target_id=freeze.target_id or None, at=freeze.at, by=freeze.by, note=freeze.note
    )
