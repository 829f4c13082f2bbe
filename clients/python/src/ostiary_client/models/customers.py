"""Customers, their people, and the sessions in which these connect."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Method = Literal["graph", "ews"]
Role = Literal["member", "organization_admin"]
SessionState = Literal["open", "started", "choosing", "returned", "confirmed", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A customer."""

    id: str
    external_id: str
    """Your own id for it."""
    name: str
    seat_count: int
    """Licences it bought; 0 sets no limit."""
    allowed_domains: tuple[str, ...]
    expected_tenant_id: str | None
    pinned_method: Method | None
    it_contact_name: str | None
    it_contact_email: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person of a customer."""

    id: str
    organization_id: str
    external_id: str
    """Your own id for the person."""
    email: str
    """A hint for the sign-in, never a key."""
    display_name: str
    role: Role
    licensed: bool
    tenant_id: str | None
    """Their Microsoft tenant, once a sign-in proved it."""
    object_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectSession:
    """Somebody's try to connect, and how far it has come."""

    id: str
    reference: str
    """For support; the person's pages show it, too."""
    organization_id: str
    member_id: str
    state: SessionState
    reason: str | None
    """Why the newest try failed: a reason id."""
    created_at: datetime
    expires_at: datetime
    connection_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnectSession(ConnectSession):
    """A session just made."""

    url: str = field(repr=False)
    """Send your user's browser there. It holds a secret: never mail it, never log it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalLink:
    """A link with which a customer's IT administrator approves."""

    id: str
    reference: str
    asked_by_name: str
    expected_tenant_id: str | None
    sent_to: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApprovalLink(ApprovalLink):
    """A link just made."""

    url: str = field(repr=False)
    """Holds a secret: give it only to the administrator it is for."""
