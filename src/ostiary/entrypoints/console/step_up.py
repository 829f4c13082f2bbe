"""Going on after a fresh sign-in with what was about to be sent (SR-57)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ostiary.core.access.model import Permission, Role
from ostiary.entrypoints.web.context import principal
from ostiary.entrypoints.web.held_form import PAGE, find_held
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import render, see_other

router = APIRouter(include_in_schema=False)


@router.get(PAGE, dependencies=[requires(Permission.CONSOLE_READ)])
async def show_held_form(request: Request) -> Response:
    """Show the one button that sends the form; nothing is sent without it."""
    caller = principal(request)
    home = "/operator" if caller.role is Role.OPERATOR else "/console"
    held = find_held(request, caller.id)
    if held is None:
        return see_other(home)
    return render(request, "console/step_up_done.html", held=held, home=home)
