"""A customer with two members who wait, an outbox, and a mail server that keeps what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from sqlalchemy import text

from ostiary.adapters.memory.authorization_server import MemoryAuthorizationServer
from ostiary.core.approvals.mails import APPROVAL_WRITERS
from ostiary.core.approvals.service import ApprovalService
from ostiary.core.consent.links import ApprovalLinks
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.notices.model import Link, OutgoingMail, Vendor
from ostiary.core.notices.service import NoticeService
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.signin.model import AppRegistration, Registrations

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ostiary.adapters.sql.unit_of_work import SQLTransactions

APP_ID = "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
TENANT = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
REGISTRATIONS = Registrations(
    (
        AppRegistration(
            "main", "global", APP_ID, "Larkspur", "Larkspur Software Ltd", True, frozenset(AccessMethod)
        ),
    )
)


@dataclass
class Postbox:
    """Takes every mail, or fails as told."""

    failure: OstiaryError | None = None
    mails: list[OutgoingMail] = field(default_factory=list)

    async def send(self, mail: OutgoingMail) -> None:
        if self.failure is not None:
            raise self.failure
        self.mails.append(mail)

    async def check(self) -> None:
        return None

    def to(self, address: str) -> list[OutgoingMail]:
        return [mail for mail in self.mails if mail.to.address == address]


def words(mail: OutgoingMail) -> str:
    """Everything a mail says."""
    parts = [
        f"{part.url.reveal()} {part.after}" if isinstance(part, Link) else part.words
        for part in mail.message.paragraphs
    ]
    return "\n\n".join([mail.message.subject, *parts])


@dataclass
class World:
    """The services of approvals, and a worker that sends what is due."""

    approvals: ApprovalService
    notices: NoticeService
    transactions: SQLTransactions
    postbox: Postbox
    server: MemoryAuthorizationServer
    database: AsyncEngine

    async def audit(self, prefix: str = "") -> list[str]:
        """Return what is on record, newest first."""
        async with self.transactions() as tx:
            page = await tx.audit.page(organization_id=None, what_prefix=prefix, limit=200)
        return [record.what for record in page.items]

    async def deliver(self) -> list[OutgoingMail]:
        """Run every waiting ``notices.send``; return what arrived by it."""
        before = len(self.postbox.mails)
        async with self.database.begin() as connection:
            due = await connection.scalars(
                text(
                    "DELETE FROM procrastinate_jobs WHERE task_name = 'notices.send'"
                    " RETURNING args->>'notice_id'"
                )
            )
            ids = list(due)
        for notice_id in ids:
            await self.notices.send(notice_id)
        return self.postbox.mails[before:]

    async def planned(self, name: str) -> list[dict[str, str]]:
        """Arguments of the waiting jobs of one name, earliest first."""
        async with self.database.connect() as connection:
            rows = await connection.execute(
                text("SELECT args FROM procrastinate_jobs WHERE task_name = :name ORDER BY scheduled_at, id"),
                {"name": name},
            )
            return [row[0] for row in rows]


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest_asyncio.fixture
async def make_world(
    transactions: SQLTransactions,
    clock: MovableClock,
    entropy: SeededEntropy,
    database: AsyncEngine,
    postbox: Postbox,
) -> Callable[..., World]:
    now = clock.now()
    async with transactions() as tx:
        await tx.organizations.add(
            Organization("org_1", "hv", "Harbour & Vale", now, expected_tenant_id=TENANT)
        )
        for number, name in enumerate(("Tom Ellis", "Dana Okafor"), start=1):
            await tx.members.add(
                Member(
                    f"mem_{number}",
                    "org_1",
                    f"u{number}",
                    f"p{number}@harbourvale.example",
                    name,
                    MemberRole.MEMBER,
                    True,
                    now,
                )
            )

    def make(*, mail: bool) -> World:
        links = ApprovalLinks(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            public_url="https://connect.example",
            link_key=b"l" * 32,
        )
        notices = NoticeService(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            vendor=Vendor(
                "Larkspur",
                "help@larkspur.example",
                "Larkspur Software Ltd",
                True,
                "https://connect.example",
                dict.fromkeys(AccessMethod, APP_ID),
            ),
            links=links,
            writers=APPROVAL_WRITERS,
            mailer=postbox if mail else None,
        )
        server = MemoryAuthorizationServer(clock)
        approvals = ApprovalService(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            links=links,
            notices=notices,
            authorization_server=server,
            registrations=REGISTRATIONS,
        )
        return World(approvals, notices, transactions, postbox, server, database)

    return make
