"""Principals, permissions and sessions. Pure rules, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from ostiary.core.kernel.secret import Secret

SESSION_IDLE_LIFE: Final = timedelta(minutes=30)
SESSION_ABSOLUTE_LIFE: Final = timedelta(hours=12)
"""SR-52."""

OPERATOR_LINK_LIFE: Final = timedelta(hours=24)
"""How long a sign-in link printed for an operator works."""

ADMIN_LINK_LIFE: Final = timedelta(days=7)
"""How long an organization admin has to sign in for the first time (SR-67)."""

API_KEY_DEFAULT_LIFE: Final = timedelta(days=90)
API_KEY_LONGEST_LIFE: Final = timedelta(days=365)
"""SR-60."""

API_KEY_OVERLAP: Final = timedelta(hours=24)
"""How long the old key goes on beside the one that replaces it: a day to deploy (SR-61)."""

API_KEY_LONGEST_OVERLAP: Final = timedelta(days=7)


class Permission(StrEnum):
    """What a route may ask for. Each route declares exactly one (SR-62)."""

    PUBLIC = "public"
    """Anyone; the page itself guards by link, session secret or browser binding."""
    CONSOLE_READ = "console.read"
    CONSOLE_MANAGE = "console.manage"
    CONSOLE_LEAVE = "console.leave"
    """Ending one's own sessions."""
    OPERATOR_READ = "operator.read"
    OPERATOR_MANAGE = "operator.manage"
    API_READ = "api.read"
    """Organizations, members, consents, connections."""
    API_MANAGE = "api.manage"
    API_MAILBOX_READ = "api.mailbox.read"
    """Mail and calendar content of connections."""
    API_MAILBOX_WRITE = "api.mailbox.write"
    """Changing mail and calendars of connections, and sending as their owners."""
    METRICS_READ = "metrics.read"


class Role(StrEnum):
    OPERATOR = "operator"
    ORGANIZATION_ADMIN = "organization_admin"
    API_KEY = "api_key"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller and what it may do."""

    role: Role
    id: str
    name: str
    permissions: frozenset[Permission]
    organization_id: str | None = None
    """Set for an organization admin: nothing outside it can be seen. For an operator: the customer being viewed."""
    session_id: str | None = None
    authenticated_at: datetime | None = None
    """When they last proved who they are; a sensitive act asks for a fresh proof (SR-57)."""
    home_tenant_id: str | None = None
    """Directory they signed in from, where it was with Microsoft."""
    session_ends_at: datetime | None = None
    """When this session ends even if it is used all the time (SR-52)."""

    def is_fresh(self, now: datetime) -> bool:
        """Whether they proved who they are a moment ago (SR-57)."""
        return self.authenticated_at is not None and now - self.authenticated_at <= STEP_UP_LIFE

    def may(self, permission: Permission) -> bool:
        """Whether the caller holds the permission."""
        return permission is Permission.PUBLIC or permission in self.permissions


CONSOLE_PERMISSIONS: Final = frozenset(
    {Permission.CONSOLE_READ, Permission.CONSOLE_MANAGE, Permission.CONSOLE_LEAVE}
)
"""What an organization admin may do, inside the own organization."""

OPERATOR_PERMISSIONS: Final = frozenset(
    {Permission.CONSOLE_READ, Permission.CONSOLE_LEAVE, Permission.OPERATOR_READ, Permission.OPERATOR_MANAGE}
)
"""What an operator may do. A customer's console can be viewed but not changed (UX §10)."""

API_PERMISSIONS: Final = frozenset(
    {
        Permission.API_READ,
        Permission.API_MANAGE,
        Permission.API_MAILBOX_READ,
        Permission.API_MAILBOX_WRITE,
        Permission.METRICS_READ,
    }
)
"""What an API key may be given."""

STEP_UP_LIFE: Final = timedelta(minutes=5)
"""How fresh the sign-in before a sensitive act must be (SR-57)."""


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """A signed-in console user; the cookie's value is stored only as SHA-256."""

    id: str
    secret_hash: bytes
    role: Role
    subject_id: str
    """Operator id or member id."""
    name: str
    created_at: datetime
    seen_at: datetime
    organization_id: str | None = None
    viewed_organization_id: str | None = None
    """The customer an operator is looking at."""
    authenticated_at: datetime | None = None
    """When the person proved who they are: at Microsoft, or with a link. None: Microsoft did not say."""
    home_tenant_id: str | None = None
    """Directory they signed in from."""
    ended_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether the session still counts."""
        return (
            self.ended_at is None
            and now - self.seen_at <= SESSION_IDLE_LIFE
            and now - self.created_at <= SESSION_ABSOLUTE_LIFE
        )


@dataclass(frozen=True, slots=True)
class Operator:
    """Vendor staff who run the instance."""

    id: str
    name: str
    created_at: datetime
    tenant_id: str | None = None
    object_id: str | None = None
    disabled_at: datetime | None = None
    """Since when they may not come in any more."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A vendor's key: only a keyed hash is stored (SR-60)."""

    id: str
    name: str
    secret_hash: bytes
    permissions: frozenset[Permission]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    networks: tuple[str, ...] = ()
    """Networks (CIDR) it works from; empty means from everywhere."""
    last_used_ip: str | None = None
    created_by: str = ""
    """Whoever made it."""
    replaced_by: str | None = None
    """The key that took its place; until it ends, both work (SR-61)."""

    def works_from(self, ip: str | None) -> bool:
        """Whether a call from this address may use it. An unknown address lies in no network."""
        if not self.networks:
            return True
        try:
            address = ip_address(ip or "")
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any((mapped or address) in ip_network(network) for network in self.networks)

    def is_live(self, now: datetime) -> bool:
        """Whether the key still opens anything."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """A sign-in link, used once and never by a GET.

    For an operator it signs in by itself. For an organization admin it opens a sign-in with Microsoft, which
    then records whose identity the admin has; it is used up when that worked (UX §17).
    """

    id: str
    secret_hash: bytes
    role: Role
    subject_id: str
    """Operator id or member id."""
    created_at: datetime
    expires_at: datetime
    organization_id: str | None = None
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that just began. ``secret`` goes into the browser's cookie and is kept nowhere else."""

    session: ConsoleSession
    secret: Secret
    next_path: str | None = None
