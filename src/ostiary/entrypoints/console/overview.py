"""The console's first page."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ostiary.core.access.model import Permission
from ostiary.entrypoints.console.overview_facts import read_overview
from ostiary.entrypoints.console.shell import render_console
from ostiary.entrypoints.web.context import organization_id, principal, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import see_other

router = APIRouter(include_in_schema=False)


@router.get("/console", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_overview(request: Request) -> Response:
    """Show what needs somebody, the four numbers, health, approval and the last activity."""
    if principal(request).organization_id is None:
        return see_other("/operator")
    facts = await read_overview(services(request), organization_id(request))
    return await render_console(request, "console/overview.html", section="overview", facts=facts)
