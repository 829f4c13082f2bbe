"""Importing people from a CSV file: a preview first, and nothing is saved until *Apply*."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, Request, Response, UploadFile

from ostiary.core.access.model import Permission
from ostiary.core.kernel.errors import Conflict, InvalidRequest
from ostiary.core.organizations.people_file import MOST_BYTES
from ostiary.core.organizations.people_import import ChangeKind, ImportPlan
from ostiary.entrypoints.console.shell import render_console
from ostiary.entrypoints.web.context import actor, organization_id, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import see_other

router = APIRouter(include_in_schema=False)


@router.get("/console/members/import", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def show_form(request: Request) -> Response:
    """Show what a file has to look like."""
    return await _page(request)


@router.post("/console/members/import", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def preview(request: Request, file: Annotated[UploadFile, File()]) -> Response:
    """Show what the file would do."""
    # One byte more than allowed tells a file that is too large, without reading all of it.
    data = await file.read(MOST_BYTES + 1)
    try:
        plan = await services(request).people_import.preview(data, organization_id=organization_id(request))
    except InvalidRequest as refusal:
        return await _page(request, problem=refusal.message, status_code=400)
    return await _page(request, plan=plan, content=data.decode("utf-8-sig"))


@router.post("/console/members/import/apply", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def apply(
    request: Request,
    content: Annotated[str, Form(max_length=MOST_BYTES)],
    fingerprint: Annotated[str, Form(min_length=64, max_length=64)],
) -> Response:
    """Save what the preview showed."""
    try:
        await services(request).people_import.apply(
            content.encode(),
            organization_id=organization_id(request),
            fingerprint=fingerprint,
            actor=actor(request),
        )
    except (InvalidRequest, Conflict) as refusal:
        return await _page(request, problem=refusal.message, status_code=409)
    return see_other("/console/members")


async def _page(
    request: Request,
    *,
    plan: ImportPlan | None = None,
    content: str = "",
    problem: str | None = None,
    status_code: int = 200,
) -> Response:
    return await render_console(
        request,
        "console/member_import.html",
        section="members",
        status_code=status_code,
        plan=plan,
        added=() if plan is None else plan.of(ChangeKind.ADDED),
        changed=() if plan is None else plan.of(ChangeKind.CHANGED),
        same_count=0 if plan is None else len(plan.of(ChangeKind.SAME)),
        content=content,
        problems=[] if problem is None else [("file", problem)],
    )
