"""What an organization admin does about a request, for everybody who waits (UX §10)."""

from __future__ import annotations

from dataclasses import replace

from ostiary.core.approvals.forms import clean_address
from ostiary.core.approvals.machine import RequestClosed, move
from ostiary.core.approvals.model import OPEN_STATES, ApprovalRequest, ApprovalRequestState
from ostiary.core.approvals.ports import ApprovalTransaction
from ostiary.core.approvals.post import ApprovalPost
from ostiary.core.audit.model import Actor
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.notices.model import NoticeKind


class OnBehalf:
    """Acts for the organization, not for one of those who wait."""

    def __init__(
        self, *, transactions: Transactions[ApprovalTransaction], clock: Clock, post: ApprovalPost
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._post = post

    async def send_to(
        self, request_id: str, *, organization_id: str, administrator_email: str, actor: Actor
    ) -> ApprovalRequest:
        """Name another administrator and, where mail is sent, write to them with a link of their own.

        Raises:
            NotFound: No such request of the organization.
            InvalidRequest: The address cannot be one.
            RequestClosed: The request has its answer.
            PermissionDenied: It was mailed too often today.
        """
        address = clean_address(administrator_email)
        if address is None:
            raise InvalidRequest("Enter the administrator’s email address.", field="administrator_email")
        now = self._clock.now()
        async with self._transactions() as tx:
            request = await _open(tx, request_id, organization_id)
            if request.state is not ApprovalRequestState.WAITING:
                request = move(request, ApprovalRequestState.WAITING, now=now)
            request = replace(request, sent_to=address, sent_at=None, by_mail=False, updated_at=now)
            await tx.approval_requests.save(request)
            await tx.audit.record(
                "approval.sent_to_other",
                f"Another administrator was named for the request: {address}.",
                actor=actor,
                organization_id=organization_id,
                object_id=request.id,
                reference=request.reference,
            )
            organization = await tx.organizations.get(organization_id)
            sender = await tx.members.get(request.asked_by_member_id, organization_id=organization_id)
            return await self._post.ask_administrator(tx, request, organization, sender, actor)

    async def mark_approved(self, request_id: str, *, organization_id: str, actor: Actor) -> None:
        """State that the app was approved without our link; everyone who waits is told to go on.

        It is a statement, not evidence: the next person to connect shows whether it is so.

        Raises:
            NotFound: No such request of the organization.
            RequestClosed: The request has its answer.
        """
        async with self._transactions() as tx:
            request = await _open(tx, request_id, organization_id)
            request = move(request, ApprovalRequestState.APPROVED, now=self._clock.now())
            await tx.approval_requests.save(request)
            await self._post.tell_waiters(tx, request, NoticeKind.CAN_CONNECT)
            await tx.audit.record(
                "approval.marked_approved",
                "The request was marked as approved elsewhere.",
                actor=actor,
                organization_id=organization_id,
                object_id=request.id,
                reference=request.reference,
            )


async def _open(tx: ApprovalTransaction, request_id: str, organization_id: str) -> ApprovalRequest:
    request = await tx.approval_requests.get(request_id, organization_id=organization_id, for_update=True)
    if request.state not in OPEN_STATES:
        raise RequestClosed(f"This request is {request.state.value} already.")
    return request
