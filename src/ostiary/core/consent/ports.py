"""What consent needs from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ostiary.core.audit.ports import AuditTrail
from ostiary.core.consent.model import AdminConsentLink, Consent, ConsentAttempt
from ostiary.core.feed.ports import Feed
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.jobs import JobQueue
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.ports import MemberStore, OrganizationStore
from ostiary.core.signin.ports import AuthorizationRequestStore
from ostiary.core.tenants.ports import TenantStore


class ConsentStore(Protocol):
    """Keeps one consent per (cloud, tenant, method)."""

    async def find(self, *, cloud: str, tenant_id: str, method: AccessMethod) -> Consent | None: ...
    async def save(self, consent: Consent) -> None:
        """Insert or update by (cloud, tenant, method)."""
        ...

    async def list_for_organization(self, organization_id: str) -> tuple[Consent, ...]: ...
    async def list_for_tenant(self, *, cloud: str, tenant_id: str) -> tuple[Consent, ...]: ...
    async def due_for_check(self, *, checked_before: datetime, limit: int) -> tuple[Consent, ...]:
        """Consents to look after that were not checked since; locked against other workers.

        Verified and partial ones, and those withdrawn only because the app was switched off: that can end.
        """
        ...


class ConsentAttemptStore(Protocol):
    """Keeps attempts."""

    async def add(self, attempt: ConsentAttempt) -> None: ...
    async def save(self, attempt: ConsentAttempt) -> None: ...
    async def find_by_reference(self, reference: str) -> ConsentAttempt | None: ...
    async def get(self, attempt_id: str) -> ConsentAttempt:
        """Raises NotFound."""
        ...

    async def latest_for_browser(
        self, *, browser_hash: bytes, organization_id: str | None
    ) -> ConsentAttempt | None: ...
    async def page_for_organization(
        self, organization_id: str, *, limit: int = 50
    ) -> tuple[ConsentAttempt, ...]: ...
    async def waiting_for_confirmation(
        self, organization_id: str, *, cloud: str, tenant_id: str
    ) -> tuple[ConsentAttempt, ...]:
        """Attempts of the tenant that rest until somebody confirms the organization (``tenant_pending``)."""
        ...

    async def unclaimed(self, *, limit: int = 50) -> tuple[ConsentAttempt, ...]:
        """Approvals that fit no organization we know, newest first."""
        ...


class AdminConsentLinkStore(Protocol):
    """Keeps invitation links; the secret itself is never stored."""

    async def add(self, link: AdminConsentLink) -> None: ...
    async def save(self, link: AdminConsentLink) -> None: ...
    async def get(self, link_id: str) -> AdminConsentLink:
        """Raises NotFound."""
        ...

    async def find_by_secret_hash(self, secret_hash: bytes) -> AdminConsentLink | None: ...
    async def find_by_reference(self, reference: str) -> AdminConsentLink | None: ...
    async def bind_to_browser(self, link_id: str, *, browser_hash: bytes) -> bool:
        """Bind the link to the first browser that starts it, atomically. True also for that browser again."""
        ...

    async def live_for(self, organization_id: str, *, now: datetime) -> tuple[AdminConsentLink, ...]: ...


class WaitingPeople(Protocol):
    """The little that consent may know of approval requests: how many people wait for an organization."""

    async def count_waiting(self, organization_id: str) -> int: ...


class ConsentTransaction(Protocol):
    """What one transaction of consent can reach."""

    @property
    def approval_requests(self) -> WaitingPeople: ...

    @property
    def consents(self) -> ConsentStore: ...
    @property
    def consent_attempts(self) -> ConsentAttemptStore: ...
    @property
    def admin_consent_links(self) -> AdminConsentLinkStore: ...
    @property
    def authorization_requests(self) -> AuthorizationRequestStore: ...
    @property
    def organizations(self) -> OrganizationStore: ...
    @property
    def members(self) -> MemberStore: ...
    @property
    def tenants(self) -> TenantStore: ...
    @property
    def audit(self) -> AuditTrail: ...
    @property
    def feed(self) -> Feed: ...
    @property
    def jobs(self) -> JobQueue: ...


class EWSAvailability(Protocol):
    """Asks EWS once, with the administrator's own token, whether this app is let in."""

    async def is_reachable(self, *, access_token: Secret, address: str) -> bool:
        """Return False only on EWS's own 403; off and not listed look the same (ews.md).

        Raises:
            TemporarilyUnavailable, Throttled, ProviderContractBroken: EWS said nothing to that question.
        """
        ...
