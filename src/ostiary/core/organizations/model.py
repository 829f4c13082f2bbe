"""Organizations, members, licences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ostiary.core.kernel.access_method import AccessMethod


@dataclass(frozen=True, slots=True)
class Organization:
    """One customer company."""

    id: str
    external_id: str
    """The vendor's own id for it; unique."""
    name: str
    created_at: datetime
    seat_count: int = 0
    """Most licences it may give out; 0 sets no limit."""
    allowed_domains: tuple[str, ...] = ()
    """Lower-case A-label domains; a tenant that verified one of them may bind without a click (SR-16)."""
    expected_tenant_id: str | None = None
    pinned_method: AccessMethod | None = None
    """Set when this organization must use one method; None means Graph when approved."""
    it_contact_name: str | None = None
    it_contact_email: str | None = None
    weekly_digest: bool = True
    """Whether its admins get the weekly mail about what needs them."""


class MemberRole(StrEnum):
    """What a person may do for their organization."""

    MEMBER = "member"
    ORGANIZATION_ADMIN = "organization_admin"


@dataclass(frozen=True, slots=True)
class Member:
    """A person of an organization, as the vendor knows them."""

    id: str
    organization_id: str
    external_id: str
    """The vendor's own id for the person; unique within the organization."""
    email: str
    """What the vendor has on file. A hint for sign-in, never a key (SR-28)."""
    display_name: str
    role: MemberRole
    licensed: bool
    created_at: datetime
    tenant_id: str | None = None
    """Microsoft directory and object id, once known for sure."""
    object_id: str | None = None
