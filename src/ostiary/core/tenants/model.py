"""Tenants and how far each is known to belong to an organization."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class BindingState(StrEnum):
    """How sure we are that the tenant belongs to the organization."""

    PENDING = "pending"
    """Somebody signed in from it; the organization admin or the vendor has to confirm (``tenant_pending``)."""
    BOUND = "bound"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One Microsoft Entra directory. The key is (cloud, tenant id), never a domain."""

    id: str
    cloud: str
    tenant_id: str
    organization_id: str
    binding: BindingState
    bound_how: str
    """``expected_tenant``, ``verified_domain``, ``confirmed_by_admin`` or empty while pending."""
    display_name: str
    domains: tuple[str, ...]
    created_at: datetime
    bound_at: datetime | None = None

    @property
    def primary_domain(self) -> str:
        """The domain people recognise it by, or the tenant id when none is known."""
        return self.domains[0] if self.domains else self.tenant_id
