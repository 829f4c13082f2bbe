"""A small world of two mailboxes, without any service in front of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from m365_emulator.world.mailbox import Mailbox
from m365_emulator.world.mailbox.held import HeldMessage


@dataclass
class Clock:
    at: datetime = datetime(2026, 11, 24, 9, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@dataclass
class Owner:
    oid: str
    upn: str
    display_name: str

    @property
    def mail(self) -> str:
        return self.upn


@dataclass
class SmallWorld:
    clock: Clock = field(default_factory=Clock)
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    held: list[HeldMessage] = field(default_factory=list)

    def find_mailbox(self, address_or_guid: str) -> Mailbox | None:
        return self.mailboxes.get(address_or_guid.lower())

    def find_tenant(self, id_or_domain: str) -> object | None:
        return self if id_or_domain == "vale.example" else None

    def find_user(self, address_or_oid: str) -> object | None:
        return None

    def open(self, name: str, number: int) -> Mailbox:
        owner = Owner(f"00000000-0000-4000-8000-00000000000{number}", f"{name.lower()}@vale.example", name)
        mailbox = Mailbox(
            self, owner, f"0b1e8e0c-12ab-4000-8000-00000000000{number}", "W. Europe Standard Time"
        )
        self.mailboxes[owner.upn] = mailbox
        return mailbox


@pytest.fixture
def small_world() -> SmallWorld:
    return SmallWorld()


@pytest.fixture
def sales(small_world: SmallWorld) -> Mailbox:
    return small_world.open("Sales", 1)


@pytest.fixture
def support(small_world: SmallWorld) -> Mailbox:
    return small_world.open("Support", 2)
