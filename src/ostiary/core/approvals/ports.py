"""What approvals needs from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ostiary.core.approvals.model import ApprovalRequest, ApprovalRequestState, Waiter
from ostiary.core.consent.ports import ConsentTransaction
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.notices.ports import NoticeStore


class ApprovalRequestStore(Protocol):
    """Keeps approval requests and who waits for each."""

    async def add(self, request: ApprovalRequest) -> None:
        """Raises Conflict when the organization has an open request for this method."""
        ...

    async def save(self, request: ApprovalRequest) -> None: ...
    async def get(
        self, request_id: str, *, organization_id: str, for_update: bool = False
    ) -> ApprovalRequest:
        """Raises NotFound."""
        ...

    async def find_open(
        self, *, organization_id: str, method: AccessMethod, for_update: bool = False
    ) -> ApprovalRequest | None: ...
    async def find_latest_for_member(self, *, organization_id: str, member_id: str) -> ApprovalRequest | None:
        """The newest request this member waits for or waited for."""
        ...

    async def list_for(
        self, organization_id: str, *, states: tuple[ApprovalRequestState, ...] | None = None
    ) -> tuple[ApprovalRequest, ...]: ...
    async def open_since(self, moment: datetime, *, limit: int) -> tuple[ApprovalRequest, ...]:
        """Open requests made at or before ``moment``; locked against other workers."""
        ...

    async def find(self, request_id: str) -> ApprovalRequest | None:
        """For a caller who proves by browser that they wait for it; all others name the organization."""
        ...

    async def find_waiter(
        self, request_id: str, *, browser_hash: bytes | None, member_id: str | None
    ) -> Waiter | None:
        """The waiting member of this browser, or the one with this id."""
        ...

    async def join(self, waiter: Waiter) -> bool:
        """Add the member, or keep what they chose this time. True when they were not waiting yet."""
        ...

    async def leave(self, request_id: str, *, member_id: str) -> None: ...
    async def waiters(self, request_id: str) -> tuple[Waiter, ...]: ...
    async def count_waiting(self, organization_id: str) -> int: ...


class ApprovalTransaction(ConsentTransaction, Protocol):
    """What one transaction of approvals can reach: all that consent can, and the requests themselves."""

    @property
    def approval_requests(self) -> ApprovalRequestStore: ...
    @property
    def notices(self) -> NoticeStore: ...
