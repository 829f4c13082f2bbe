"""What approvals needs from outside."""

from __future__ import annotations

from typing import Protocol

from ostiary.core.approvals.model import ApprovalRequest, ApprovalRequestState, Waiter
from ostiary.core.audit.ports import AuditTrail
from ostiary.core.consent.ports import AdminConsentLinkStore, ConsentStore
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.jobs import JobQueue
from ostiary.core.organizations.ports import MemberStore, OrganizationStore
from ostiary.core.tenants.ports import TenantStore


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
    async def join(self, waiter: Waiter) -> bool:
        """Add the member, or keep what they chose this time. True when they were not waiting yet."""
        ...

    async def leave(self, request_id: str, *, member_id: str) -> None: ...
    async def waiters(self, request_id: str) -> tuple[Waiter, ...]: ...
    async def count_waiting(self, organization_id: str) -> int: ...


class ApprovalTransaction(Protocol):
    """What one transaction of approvals can reach."""

    @property
    def approval_requests(self) -> ApprovalRequestStore: ...
    @property
    def admin_consent_links(self) -> AdminConsentLinkStore: ...
    @property
    def consents(self) -> ConsentStore: ...
    @property
    def organizations(self) -> OrganizationStore: ...
    @property
    def members(self) -> MemberStore: ...
    @property
    def tenants(self) -> TenantStore: ...
    @property
    def audit(self) -> AuditTrail: ...
    @property
    def jobs(self) -> JobQueue: ...
