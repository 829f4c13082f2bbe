"""Harbour & Vale asks for an approval; Microsoft is a stand-in, the database is real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from ostiary.adapters.memory.authorization_server import MemoryAuthorizationServer, MemoryPerson
from ostiary.core.audit.model import SYSTEM, Actor, ActorKind, AuditRecord
from ostiary.core.consent.links import IssuedLink
from ostiary.core.consent.model import Consent, ConsentAttempt
from ostiary.core.consent.returns import AttemptStep
from ostiary.core.consent.service import ConsentService
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import OstiaryError, TemporarilyUnavailable
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Organization
from ostiary.core.signin.model import AppRegistration, RedirectAddresses, Registrations
from ostiary.core.signin.service import SignInService
from ostiary.core.tenants.ports import DirectoryFacts
from ostiary.core.tenants.service import TenantService

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

TENANT = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
OTHER_TENANT = "71f4c9e2-6a0d-4b38-9e57-d3a8b1c50f07"
CLOUD_APPLICATION_ADMINISTRATOR = "158c047a-c907-4556-b7ef-446551a6b5f7"
EXCHANGE_ADMINISTRATOR = "29232cdf-9323-42fd-ade2-1d097af3e4de"


@dataclass
class PretendDirectory:
    """Says of a directory what it is told to say."""

    facts: DirectoryFacts | OstiaryError
    asked_with: list[str] = field(default_factory=list)

    async def read(self, *, access_token: Secret) -> DirectoryFacts:
        self.asked_with.append(access_token.reveal())
        if isinstance(self.facts, OstiaryError):
            raise self.facts
        return self.facts


@dataclass
class PretendEWS:
    """Lets the app in, or not."""

    reachable: bool | OstiaryError = True
    asked: list[str] = field(default_factory=list)

    async def is_reachable(self, *, access_token: Secret, address: str) -> bool:
        self.asked.append(address)
        if isinstance(self.reachable, OstiaryError):
            raise self.reachable
        return self.reachable


@dataclass
class Company:
    """Everything a test of the approval flow needs, and the walk through it."""

    organization: Organization
    consent: ConsentService
    microsoft: MemoryAuthorizationServer
    directory: PretendDirectory
    ews: PretendEWS
    clock: MovableClock
    transactions: SQLTransactions
    priya: MemoryPerson
    link: IssuedLink
    browser: Secret = field(default_factory=lambda: Secret("browser-of-priya"))
    visitor: Actor = field(default_factory=lambda: Actor(ActorKind.ANONYMOUS, ip="192.0.2.7"))

    @property
    def link_secret(self) -> Secret:
        return Secret(self.link.url.reveal().rsplit("/", 1)[1])

    async def start(self, method: AccessMethod = AccessMethod.GRAPH, *, linked: bool = True) -> str:
        flow = await self.consent.start(
            method,
            browser_secret=self.browser,
            link_secret=self.link_secret if linked else None,
            actor=self.visitor,
        )
        return flow.url

    async def come_back(
        self, query: Sequence[tuple[str, str]], *, browser: Secret | None = None
    ) -> AttemptStep:
        return await self.consent.complete(
            SignInService.parse_return(query),
            registration_id="main",
            browser_secret=browser or self.browser,
            actor=self.visitor,
        )

    async def accept(
        self, method: AccessMethod = AccessMethod.GRAPH, *, linked: bool = True, scope: str | None = None
    ) -> str:
        """Accept at Microsoft, and return the address of the confirming sign-in."""
        url = await self.start(method, linked=linked)
        step = await self.come_back(self.microsoft.accept(url, tenant_id=TENANT, scope=scope))
        assert step.continue_at is not None
        return step.continue_at

    async def approve(
        self,
        method: AccessMethod = AccessMethod.GRAPH,
        *,
        person: MemoryPerson | None = None,
        linked: bool = True,
        scopes: Sequence[str] | None = None,
    ) -> ConsentAttempt:
        """Walk the whole way."""
        confirm = await self.accept(method, linked=linked)
        query = self.microsoft.sign_in(confirm, person or self.priya, scopes=scopes)
        return (await self.come_back(query)).attempt

    async def consents(self) -> tuple[Consent, ...]:
        return await self.consent.consents_of(self.organization.id)

    async def audited(self, prefix: str) -> list[AuditRecord]:
        async with self.transactions() as transaction:
            page = await transaction.audit.page(organization_id=None, what_prefix=prefix)
        return list(page.items)

    async def queued(self) -> list[str]:
        """Names of the jobs that wait."""
        async with self.transactions() as transaction:
            found = await transaction._connection.exec_driver_sql(
                "SELECT task_name FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id"
            )
            return [row[0] for row in found]


async def no_sleep(_seconds: float) -> None:
    """Waiting is not what these tests are about."""


@pytest.fixture
def organization(clock: MovableClock) -> Organization:
    return Organization(
        id="org_hv",
        external_id="hv",
        name="Harbour & Vale",
        created_at=clock.now(),
        allowed_domains=("harbourvale.example",),
    )


@pytest_asyncio.fixture
async def company(
    transactions: SQLTransactions,
    clock: MovableClock,
    entropy: SeededEntropy,
    organization: Organization,
) -> Company:
    microsoft = MemoryAuthorizationServer(clock)
    registrations = Registrations(
        (
            AppRegistration(
                id="main",
                cloud="global",
                client_id="4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa",
                display_name="Larkspur for Microsoft 365",
                publisher="Larkspur Software Ltd",
                publisher_verified=True,
                methods=frozenset(AccessMethod),
            ),
        )
    )
    directory = PretendDirectory(
        DirectoryFacts(
            tenant_id=TENANT,
            display_name="Harbour & Vale",
            verified_domains=("harbourvale.example", "harbourvale.onmicrosoft.com"),
            role_template_ids=frozenset({CLOUD_APPLICATION_ADMINISTRATOR}),
        )
    )
    ews = PretendEWS()
    sign_in = SignInService(
        transactions=transactions,
        clock=clock,
        entropy=entropy,
        authorization_server=microsoft,
        registrations=registrations,
        addresses=RedirectAddresses("https://connect.larkspur.example", "https://console.larkspur.example"),
        flow_key=b"f" * 32,
    )
    consent = ConsentService(
        transactions=transactions,
        clock=clock,
        entropy=entropy,
        sign_in=sign_in,
        tenants=TenantService(transactions=transactions, clock=clock, entropy=entropy),
        authorization_server=microsoft,
        directory=directory,
        ews=ews,
        registrations=registrations,
        public_url="https://connect.larkspur.example",
        link_key=b"l" * 32,
        sleep=no_sleep,
    )
    async with transactions() as transaction:
        await transaction.organizations.add(organization)
    link = await consent.links.create(
        organization_id=organization.id, asked_by_name="Dana Okafor", actor=SYSTEM
    )
    priya = MemoryPerson(
        tenant_id=TENANT,
        object_id="6a1d1c3e-0f52-4e0b-9d38-51a7c2be4401",
        username="priya.nair@harbourvale.example",
        display_name="Priya Nair",
    )
    return Company(organization, consent, microsoft, directory, ews, clock, transactions, priya, link)


@pytest.fixture
def tenant() -> str:
    return TENANT


@pytest.fixture
def other_tenant() -> str:
    return OTHER_TENANT


@pytest.fixture
def outage() -> TemporarilyUnavailable:
    return TemporarilyUnavailable("Microsoft isn’t answering properly.", reason="microsoft_down")
