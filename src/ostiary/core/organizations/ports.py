"""What organizations needs from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ostiary.core.audit.ports import AuditTrail
from ostiary.core.kernel.jobs import JobQueue
from ostiary.core.kernel.page import Page
from ostiary.core.organizations.model import Member, MemberRole, Organization


class OrganizationStore(Protocol):
    """Keeps organizations."""

    async def add(self, organization: Organization) -> None:
        """Raises Conflict when ``external_id`` is taken."""
        ...

    async def save(self, organization: Organization) -> None: ...
    async def get(self, organization_id: str) -> Organization:
        """Raises NotFound."""
        ...

    async def lock(self, organization_id: str) -> Organization:
        """Like ``get``, and no other transaction changes it until this one ends. Raises NotFound."""
        ...

    async def find_by_external_id(self, external_id: str) -> Organization | None: ...
    async def candidates_for_tenant(
        self, *, tenant_id: str, domains: Sequence[str]
    ) -> tuple[Organization, ...]:
        """Organizations that expect this directory or allow one of its domains; at most a handful."""
        ...

    async def page(
        self, *, search: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Organization]:
        """Return organizations by name. ``search`` looks in the name and the vendor's id."""
        ...

    async def count(self) -> int: ...


class MemberStore(Protocol):
    """Keeps members. Every look-up names the organization (SR-30)."""

    async def add(self, member: Member) -> None:
        """Raises Conflict when ``external_id`` is taken in the organization."""
        ...

    async def save(self, member: Member) -> None: ...
    async def get(self, member_id: str, *, organization_id: str) -> Member:
        """Raises NotFound."""
        ...

    async def find_by_external_id(self, external_id: str, *, organization_id: str) -> Member | None: ...
    async def find_by_email(self, email: str, *, organization_id: str) -> Member | None:
        """For the operator's command line and import; never for sign-in."""
        ...

    async def find_by_identity(self, *, tenant_id: str, object_id: str) -> Member | None:
        """The member that this Microsoft identity was proven to be, in whichever organization."""
        ...

    async def page(
        self,
        *,
        organization_id: str,
        search: str | None = None,
        licensed: bool | None = None,
        role: MemberRole | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Member]:
        """Return members by name. ``search`` looks in the name, the address and the vendor's id."""
        ...

    async def count(
        self, organization_id: str, *, search: str | None = None, licensed: bool | None = None
    ) -> int: ...
    async def count_licensed(self, organization_id: str) -> int: ...


class MemberSessions(Protocol):
    """Ends console sessions. Satisfied by the store of ``access``, which stands above this feature."""

    async def end_all_of(self, subject_id: str, *, at: datetime) -> int: ...


class MemberLinks(Protocol):
    """Withdraws sign-in links. Satisfied by the store of ``access``, too."""

    async def withdraw_all_of(self, subject_id: str, *, at: datetime) -> int: ...


class OrganizationTransaction(Protocol):
    """What one transaction of organizations can reach."""

    @property
    def organizations(self) -> OrganizationStore: ...
    @property
    def members(self) -> MemberStore: ...
    @property
    def audit(self) -> AuditTrail: ...
    @property
    def jobs(self) -> JobQueue: ...
    @property
    def console_sessions(self) -> MemberSessions: ...
    @property
    def one_time_links(self) -> MemberLinks: ...
