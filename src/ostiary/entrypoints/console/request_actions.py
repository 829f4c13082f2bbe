"""What an organization admin does about an approval request: remind, send to someone else, mark as approved."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.access.rate_limits import LimitedAct
from ostiary.core.approvals.machine import RequestClosed
from ostiary.core.kernel.errors import InvalidRequest, PermissionDenied
from ostiary.entrypoints.web.context import actor, organization_id, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.rate_limits import by_address, by_organization, limited
from ostiary.entrypoints.web.templates import see_other

router = APIRouter(include_in_schema=False)

NOTES: Final = {
    "reminded": "The reminder is on its way.",
    "sent": "The request is on its way.",
    "named": "The address is kept. No mail is sent from here: get an approval link and send it yourself.",
    "marked": "Marked as approved. Everyone who waits is told to go on.",
}
PROBLEMS: Final = {
    "closed": "This request has its answer already.",
    "address": "Enter the administrator’s email address, such as name@company.example.",
    "enough": "This was mailed often enough. Send it to someone else, or send an approval link yourself.",
    "no_mail": "No reminder could be sent: nobody knows whom to write to, or no mail is sent from here.",
}
_MANAGE = [requires(Permission.CONSOLE_MANAGE)]
_WRITING = [*_MANAGE, limited(LimitedAct.MAIL, by_address, by_organization)]


@router.post("/console/requests/{request_id}/remind", dependencies=_WRITING)
async def remind(request: Request, request_id: str) -> Response:
    """Mail the administrator now."""
    try:
        await services(request).approvals.remind_administrator(
            request_id, organization_id=organization_id(request), actor=actor(request)
        )
    except RequestClosed:
        return _back(request_id, problem="closed")
    except InvalidRequest:
        return _back(request_id, problem="no_mail")
    except PermissionDenied:
        return _back(request_id, problem="enough")
    return _back(request_id, done="reminded")


@router.post("/console/requests/{request_id}/send-to", dependencies=_WRITING)
async def send_to(
    request: Request, request_id: str, administrator_email: Annotated[str, Form(max_length=320)] = ""
) -> Response:
    """Ask another administrator."""
    try:
        sent = await services(request).approvals.on_behalf.send_to(
            request_id,
            organization_id=organization_id(request),
            administrator_email=administrator_email,
            actor=actor(request),
        )
    except RequestClosed:
        return _back(request_id, problem="closed")
    except InvalidRequest:
        return _back(request_id, problem="address")
    except PermissionDenied:
        return _back(request_id, problem="enough")
    return _back(request_id, done="sent" if sent.by_mail else "named")


@router.post("/console/requests/{request_id}/approved-elsewhere", dependencies=_MANAGE)
async def mark_approved(request: Request, request_id: str) -> Response:
    """Tell everyone who waits to go on."""
    try:
        await services(request).approvals.on_behalf.mark_approved(
            request_id, organization_id=organization_id(request), actor=actor(request)
        )
    except RequestClosed:
        return _back(request_id, problem="closed")
    return _back(request_id, done="marked")


def _back(request_id: str, *, done: str = "", problem: str = "") -> Response:
    query = f"done={done}" if done else f"problem={problem}"
    return see_other(f"/console/requests/{request_id}?{query}")
