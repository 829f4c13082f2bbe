"""World: the one object everything hangs on, deterministic from a seed."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m365_emulator.world.apps import AppRegistration
from m365_emulator.world.background import BackgroundTasks
from m365_emulator.world.clock import Clock
from m365_emulator.world.faults import Faults
from m365_emulator.world.first_party import first_party_resources
from m365_emulator.world.ids import stable_guid
from m365_emulator.world.keys import KeyRing
from m365_emulator.world.mailbox.delivery import receive
from m365_emulator.world.mailbox.generate import fill
from m365_emulator.world.mailbox.held import HeldMessage
from m365_emulator.world.mailbox.store import Mailbox
from m365_emulator.world.request_log import RequestLog
from m365_emulator.world.resources import Resource
from m365_emulator.world.seed import SeedSource, apply_overrides, build
from m365_emulator.world.tenants import Tenant, User

if TYPE_CHECKING:
    from m365_emulator.world.mailbox.message import Message
    from m365_emulator.world.scenarios import ActiveScenario

EVENT_SHARE = 4
"""One calendar event for so many messages."""
MOST_EVENTS = 200


class World:
    """Tenants, people, apps and mailboxes, with one clock and one random source.

    A new world is built from `source`; two worlds with the same seed and source are equal.

    Raises:
        SeedError: The seed file is wrong.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        source: SeedSource | None = None,
        request_log: RequestLog | None = None,
        keyring: KeyRing | None = None,
    ) -> None:
        self.seed = seed
        self.source = source or SeedSource()
        # An empty log counts as false.
        self.request_log = RequestLog() if request_log is None else request_log
        self.keyring = keyring or KeyRing()
        self.snapshots: dict[str, bytes] = {}
        """Named snapshots; they outlive a reset."""
        self.background = BackgroundTasks()
        """What goes on behind the requests; it outlives a reset, and whoever serves the world ends it."""
        self.data_file: Path | None = None
        """Where the world is persisted, if anywhere."""
        self._fill()

    def _fill(self) -> None:
        self.rng = random.Random(self.seed)  # noqa: S311 - repeatable on purpose
        self.clock = Clock()
        self.faults = Faults()
        self.tenants: list[Tenant] = []
        self.apps: dict[str, AppRegistration] = {}
        """App registrations by application (client) id."""
        self.resources: dict[str, Resource] = first_party_resources()
        self.active_scenarios: dict[str, ActiveScenario] = {}
        """By tenant id."""
        self._names: dict[str, User] = {}
        self.messages_per_mailbox = 0
        self.mailboxes: dict[str, Mailbox] = {}
        """Mailboxes opened so far, by the owner's object id."""
        self.held: list[HeldMessage] = []
        """Mail that waits for its time."""
        self.state: dict[str, Any] = {}
        """Room for a service's own state (for example Graph subscriptions); emptied on reset."""
        self.secret = hashlib.sha256(f"m365-emulator {self.seed}".encode()).digest()
        """Seals refresh tokens and forms, so that they outlive a restart with the same seed."""
        build(self, self.source)

    def reset(self) -> None:
        """Build everything anew from the seed; clock, faults, log and scenarios too."""
        self.request_log.clear()
        self._fill()

    def apply_overrides(self, source: SeedSource) -> None:
        """Add what the command line says about the first app to a world that was loaded from a file."""
        self.source = source
        apply_overrides(self, source)

    def adopt(self, content: dict[str, Any]) -> None:
        """Replace everything by what a snapshot holds."""
        for name, value in content.items():
            setattr(self, name, value)
        self._names = {}

    def find_tenant(self, id_or_domain: str) -> Tenant | None:
        """Return the tenant with this GUID or verified domain, any case."""
        wanted = id_or_domain.lower()
        for tenant in self.tenants:
            if tenant.id == wanted or wanted in tenant.domains:
                return tenant
        return None

    def find_user(self, address_or_oid: str, tenant: Tenant | None = None) -> User | None:
        """Return the person with this object id, UPN or address (any case), not deleted.

        Members win over guests, because a guest carries the address of somebody elsewhere.
        """
        wanted = address_or_oid.lower()
        known = self._names.get(wanted)
        if (
            known is not None
            and not known.deleted
            and (tenant is None or known.tenant is tenant)
            and (known.oid == wanted or wanted in known.addresses)
        ):
            return known
        found = self._search(wanted, tenant)
        if found is not None and not found.is_guest:
            self._names[wanted] = found
        return found

    def _search(self, wanted: str, tenant: Tenant | None) -> User | None:
        guest: User | None = None
        for candidate in [tenant] if tenant else self.tenants:
            for user in candidate.users:
                if not user.deleted and (user.oid == wanted or wanted in user.addresses):
                    if not user.is_guest:
                        return user
                    guest = guest or user
        return guest

    def home_of(self, user: User) -> User | None:
        """Return the identity in the home tenant: the person, or for a guest the one invited."""
        if not user.is_guest:
            return user
        return self.find_user(user.home_oid) if user.home_oid else None

    def guest_in(self, tenant: Tenant, home: User) -> User | None:
        """Return the guest of `tenant` who is `home` elsewhere."""
        return next((user for user in tenant.users if user.home_oid == home.oid and not user.deleted), None)

    def mailbox_of(self, user: User) -> Mailbox | None:
        """Return the person's cloud mailbox; None when unlicensed, guest or on-premises."""
        policies = user.tenant.policies
        if (
            user.deleted
            or user.is_guest
            or not user.licensed
            or user.mailbox_location != "cloud"
            or policies.mailboxes_missing
            or not policies.exchange_subscribed
        ):
            return None
        return self.mailboxes.get(user.oid) or self._open_mailbox(user)

    def find_mailbox(self, address_or_guid: str) -> Mailbox | None:
        """Return the mailbox with this address or mailbox GUID, if it can be used."""
        user = self.find_user(address_or_guid)
        if user is None:
            wanted = address_or_guid.lower()
            user = next(
                (u for t in self.tenants for u in t.users if mailbox_guid(u) == wanted and not u.deleted),
                None,
            )
        return self.mailbox_of(user) if user else None

    def deliver(self, message: Message, recipients: list[str]) -> list[str]:
        """Put mail from outside into the mailboxes of `recipients`; returns the addresses that are nobody's."""
        unknown: list[str] = []
        for address in recipients:
            mailbox = self.find_mailbox(address)
            if mailbox is None:
                unknown.append(address)
            else:
                receive(mailbox, message)
        return unknown

    def _open_mailbox(self, user: User) -> Mailbox:
        mailbox = Mailbox(self, user, mailbox_guid(user), user.time_zone)
        self.mailboxes[user.oid] = mailbox
        if self.messages_per_mailbox:
            number = self.messages_per_mailbox
            # Its own generator, so that the order in which mailboxes are opened changes nothing.
            fill(
                mailbox,
                random.Random(f"{self.seed} {user.oid}"),  # noqa: S311
                messages=number,
                events=min(number // EVENT_SHARE, MOST_EVENTS),
            )
        return mailbox


def mailbox_guid(user: User) -> str:
    """Return the GUID of the person's mailbox, whether or not it can be used."""
    return stable_guid("mailbox", user.oid)
