"""Staying signed in while one works on a page."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ostiary.core.access.model import Permission
from ostiary.entrypoints.console.shell import seconds_left
from ostiary.entrypoints.web.permissions import requires

router = APIRouter(include_in_schema=False)


@router.get("/console/still-here", dependencies=[requires(Permission.CONSOLE_READ)])
async def stay(request: Request) -> Response:
    """Tell how long the session lasts now. Asking is a use of it, like opening any page."""
    return JSONResponse({"seconds": seconds_left(request)})
