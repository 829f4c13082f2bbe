"""World: the one object everything hangs on, deterministic from a seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from m365_emulator.world.clock import Clock
from m365_emulator.world.tenants import Tenant, User

if TYPE_CHECKING:
    from m365_emulator.world.mailbox import Mailbox


class World:
    """Tenants, people, apps and mailboxes, with one clock and one random source."""

    def __init__(self, *, seed: int = 1) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = Clock()
        self.tenants: list[Tenant] = []
        self.state: dict[str, Any] = {}
        """Room for a service's own state (for example Graph subscriptions); emptied on reset."""

    def find_tenant(self, id_or_domain: str) -> Tenant | None:
        """Return the tenant with this GUID or verified domain, any case."""
        wanted = id_or_domain.lower()
        for tenant in self.tenants:
            if tenant.id == wanted or wanted in tenant.domains:
                return tenant
        return None

    def find_user(self, address_or_oid: str, tenant: Tenant | None = None) -> User | None:
        """Return the person with this object id, UPN or address (any case), not deleted."""
        wanted = address_or_oid.lower()
        for candidate in [tenant] if tenant else self.tenants:
            for user in candidate.users:
                if not user.deleted and (user.oid == wanted or wanted in user.addresses):
                    return user
        return None

    def mailbox_of(self, user: User) -> Mailbox | None:
        """Return the person's cloud mailbox; None when unlicensed, guest or on-premises."""
        raise NotImplementedError

    def find_mailbox(self, address_or_guid: str) -> Mailbox | None:
        """Return the mailbox with this address or mailbox GUID, if it can be used."""
        raise NotImplementedError
