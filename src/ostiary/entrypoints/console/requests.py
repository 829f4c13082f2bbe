"""Approval requests: who asked, since when, and how far each is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fastapi import APIRouter, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.approvals.model import OPEN_STATES, ApprovalRequest, ApprovalRequestState, Waiter
from ostiary.core.organizations.model import Member
from ostiary.entrypoints.console.request_actions import NOTES, PROBLEMS
from ostiary.entrypoints.console.shell import render_console
from ostiary.entrypoints.console.words import REQUEST_WORDS, Word
from ostiary.entrypoints.web.context import organization_id, services
from ostiary.entrypoints.web.permissions import requires

router = APIRouter(include_in_schema=False)

Tab = Literal["waiting", "approved", "declined"]
TABS: Final[dict[Tab, tuple[str, tuple[ApprovalRequestState, ...]]]] = {
    "waiting": (
        "Waiting",
        (ApprovalRequestState.WAITING, ApprovalRequestState.SENT, ApprovalRequestState.STARTED),
    ),
    "approved": ("Approved", (ApprovalRequestState.APPROVED,)),
    "declined": (
        "Declined",
        (ApprovalRequestState.DECLINED, ApprovalRequestState.EXPIRED, ApprovalRequestState.CANCELLED),
    ),
}


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request with how many wait for it."""

    request: ApprovalRequest
    waiting_count: int

    @property
    def word(self) -> Word:
        """Its state as people read it."""
        return REQUEST_WORDS[self.request.state]


@dataclass(frozen=True, slots=True)
class WaiterRow:
    """Somebody who waits."""

    waiter: Waiter
    member: Member


@router.get("/console/requests", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_requests(request: Request, tab: Tab = "waiting") -> Response:
    """List requests by how they ended, or did not yet."""
    async with services(request).transactions() as transaction:
        found = await transaction.approval_requests.list_for(organization_id(request), states=TABS[tab][1])
        rows = [RequestRow(each, len(await transaction.approval_requests.waiters(each.id))) for each in found]
    return await render_console(
        request, "console/requests.html", section="requests", rows=rows, tab=tab, tabs=TABS
    )


@router.get("/console/requests/{request_id}", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_request(request: Request, request_id: str, done: str = "", problem: str = "") -> Response:
    """Show one request and everybody who waits for it."""
    own = organization_id(request)
    async with services(request).transactions() as transaction:
        found = await transaction.approval_requests.get(request_id, organization_id=own)
        waiters = [
            WaiterRow(waiter, await transaction.members.get(waiter.member_id, organization_id=own))
            for waiter in await transaction.approval_requests.waiters(found.id)
        ]
        history = await transaction.audit.page(organization_id=own, reference=found.reference, limit=20)
    return await render_console(
        request,
        "console/request.html",
        section="requests",
        row=RequestRow(found, len(waiters)),
        waiters=waiters,
        records=history.items,
        is_open=found.state in OPEN_STATES,
        sends_mail=services(request).approvals.sends_mail,
        note=NOTES.get(done),
        problem=PROBLEMS.get(problem),
    )
