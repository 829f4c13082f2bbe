"""What tenants needs from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ostiary.core.audit.ports import AuditTrail
from ostiary.core.kernel.secret import Secret
from ostiary.core.tenants.model import Tenant


@dataclass(frozen=True, slots=True)
class DirectoryFacts:
    """What a tenant says of itself, read with a signed-in person's own token."""

    tenant_id: str
    display_name: str
    verified_domains: tuple[str, ...]
    """Default domain first; lower case; ``*.onmicrosoft.com`` included as given."""
    role_template_ids: frozenset[str]
    """Active directory roles of the signed-in person; empty when Microsoft would not say."""
    has_unnamed_roles: bool = False
    """Microsoft listed at least one role of the person without saying which it is."""


class TenantDirectory(Protocol):
    """Reads a tenant's own facts over Microsoft Graph (``User.Read`` suffices, SR-16)."""

    async def read(self, *, access_token: Secret) -> DirectoryFacts:
        """Raises TemporarilyUnavailable, Throttled, AccessBlocked or ProviderContractBroken: nothing is known then."""
        ...


class TenantStore(Protocol):
    """Keeps tenants; (cloud, tenant id) is unique, so a second claim cannot bind (SR-17)."""

    async def add(self, tenant: Tenant) -> None:
        """Raises Conflict when the directory is known already."""
        ...

    async def save(self, tenant: Tenant) -> None: ...
    async def get(self, tenant_key: str, *, organization_id: str) -> Tenant:
        """Raises NotFound."""
        ...

    async def find_by_tenant_id(self, *, cloud: str, tenant_id: str) -> Tenant | None: ...
    async def list_for(self, organization_id: str) -> tuple[Tenant, ...]: ...


class TenantTransaction(Protocol):
    """What one transaction of tenants can reach."""

    @property
    def tenants(self) -> TenantStore: ...
    @property
    def audit(self) -> AuditTrail: ...
