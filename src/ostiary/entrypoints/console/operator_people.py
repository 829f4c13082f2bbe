"""Operators on the operator's pages: who may come in, who is signed in, switching off (SR-52, SR-66)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.kernel.errors import Conflict, InvalidRequest, NotFound
from ostiary.entrypoints.console.shell import render_operator
from ostiary.entrypoints.web.context import actor, principal, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import see_other

router = APIRouter(include_in_schema=False)

_FRESH = [requires(Permission.OPERATOR_MANAGE, fresh=True)]

DONE = {
    "disabled": "Switched off, and signed out everywhere.",
    "enabled": "Switched on again.",
    "ended": "Signed out everywhere.",
}


@router.get("/operator/people", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_people(request: Request, done: Annotated[str, Query(max_length=20)] = "") -> Response:
    """List operators, and offer to add one."""
    return await _page(request, done=done)


@router.post("/operator/people", dependencies=_FRESH)
async def add_operator(request: Request, name: Annotated[str, Form(max_length=200)] = "") -> Response:
    """Make a sign-in link for a new operator, or one who needs another; it is shown this once."""
    at = services(request)
    try:
        link, secret = await at.access.create_operator_link(name=name, actor=actor(request))
    except InvalidRequest as error:
        return await _page(request, problems=[("name", error.message)], typed=name, status_code=400)
    return render_operator(
        request,
        "console/operator_link.html",
        section="people",
        name=name.strip(),
        link=link,
        url=f"{at.settings.effective_console_url.rstrip('/')}/console/link/{secret.reveal()}",
    )


@router.post("/operator/people/{operator_id}/disable", dependencies=_FRESH)
async def disable(request: Request, operator_id: str) -> Response:
    """Let somebody in no more."""
    try:
        await services(request).access.operators.disable(operator_id, actor=actor(request))
    except Conflict as refusal:
        return await _page(request, problems=[("name", refusal.message)], status_code=409)
    return see_other("/operator/people?done=disabled")


@router.post("/operator/people/{operator_id}/enable", dependencies=_FRESH)
async def enable(request: Request, operator_id: str) -> Response:
    """Let somebody in again."""
    await services(request).access.operators.enable(operator_id, actor=actor(request))
    return see_other("/operator/people?done=enabled")


@router.post("/operator/people/{operator_id}/sign-out", dependencies=_FRESH)
async def end_sessions(request: Request, operator_id: str) -> Response:
    """Sign somebody out everywhere; they may sign in again."""
    try:
        await services(request).access.operators.end_sessions(operator_id, actor=actor(request))
    except NotFound:
        return see_other("/operator/people")
    return see_other("/operator/people?done=ended")


async def _page(
    request: Request,
    *,
    done: str = "",
    problems: list[tuple[str, str]] | None = None,
    typed: str = "",
    status_code: int = 200,
) -> Response:
    return render_operator(
        request,
        "console/operator_people.html",
        section="people",
        status_code=status_code,
        rows=await services(request).access.operators.list_all(),
        own_id=principal(request).id,
        done=DONE.get(done),
        problems=problems or [],
        typed=typed,
    )
