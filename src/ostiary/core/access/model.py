"""Principals, permissions and sessions. Pure rules, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

SESSION_IDLE_LIFE: Final = timedelta(minutes=30)
SESSION_ABSOLUTE_LIFE: Final = timedelta(hours=12)
"""SR-52."""


class Permission(StrEnum):
    """What a route may ask for. Each route declares exactly one (SR-62)."""

    PUBLIC = "public"
    """Anyone; the page itself guards by link, session secret or browser binding."""
    CONSOLE_READ = "console.read"
    CONSOLE_MANAGE = "console.manage"
    OPERATOR_READ = "operator.read"
    OPERATOR_MANAGE = "operator.manage"
    API_READ = "api.read"
    """Organizations, members, consents, connections."""
    API_MANAGE = "api.manage"
    API_MAILBOX_READ = "api.mailbox.read"
    """Mail and calendar content of connections."""
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
    """Set for an organization admin: nothing outside it can be seen."""
    session_id: str | None = None


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


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """A sign-in link for an operator, used once by a POST."""

    id: str
    secret_hash: bytes
    operator_id: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
