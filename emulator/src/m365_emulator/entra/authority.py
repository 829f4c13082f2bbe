"""The tenant segment of an address: one tenant, or a word for many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from m365_emulator.entra.errors import EntraError
from m365_emulator.world.tenants import Tenant

if TYPE_CHECKING:
    from m365_emulator.world.world import World

MSA_TENANT_ID = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""Directory of all personal accounts. Source: v2 protocols, OIDC."""
MANY_TENANTS = ("common", "organizations", "consumers")


@dataclass(frozen=True, slots=True)
class Authority:
    """What a client put before `/oauth2/…`."""

    segment: str
    """As asked, lower case."""
    tenant: Tenant | None
    """None for `common`, `organizations` and `consumers`."""

    @property
    def path(self) -> str:
        """The segment used in addresses that we hand out: the GUID, or the word for many."""
        return self.tenant.id if self.tenant else self.segment


def resolve_authority(world: World, segment: str) -> Authority:
    """Return the authority.

    Raises:
        EntraError: 90002 when no tenant has this id or domain.
    """
    lowered = segment.lower()
    if lowered == MSA_TENANT_ID:
        lowered = "consumers"
    if lowered in MANY_TENANTS:
        return Authority(lowered, None)
    tenant = world.find_tenant(lowered)
    if tenant is None:
        raise EntraError(90002, f"Tenant '{segment[:120]}'.")
    return Authority(lowered, tenant)
