"""A small company, a pretended Microsoft, and the real service on a real database."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest_asyncio

from ostiary.adapters.memory.key_service import MemoryKeyService
from ostiary.adapters.memory.mailbox_probe import MemoryMailboxProbe
from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.connections.freeze import Freezes
from ostiary.core.connections.leaving import Leaving
from ostiary.core.connections.model import Connection, ConnectOutcome, MailboxFacts
from ostiary.core.connections.service import ConnectionService
from ostiary.core.connections.sessions import NewSession
from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.consent.permissions import token_scopes
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import ConsentRequired, FlowRejected, OstiaryError
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.signin.model import (
    AppRegistration,
    MicrosoftIdentity,
    RedirectAddresses,
    Registrations,
    SignedClaims,
    TokenSet,
)
from ostiary.core.signin.ports import ServicePrincipalState
from ostiary.core.signin.service import SignInService
from ostiary.core.tenants.model import BindingState, Tenant
from ostiary.core.tenants.service import TenantService
from ostiary.core.vault.service import VaultService

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

TENANT = "11111111-aaaa-4bbb-8ccc-000000000001"
OTHER_TENANT = "22222222-aaaa-4bbb-8ccc-000000000002"
TOM = "aaaaaaaa-0000-4000-8000-00000000000a"
PRIYA = "bbbbbbbb-0000-4000-8000-00000000000b"
TOM_ADDRESS = "tom.ellis@harbourvale.example"
RETURN_URL = "https://app.larkspur.example/settings/email"
ACTOR = Actor(ActorKind.ANONYMOUS, ip="192.0.2.7", request_id="req_1")


@dataclass
class PretendMicrosoft:
    """Answers like the token endpoint, remembers every call, and fails as it is told to."""

    clock: MovableClock
    codes: dict[str, TokenSet | OstiaryError] = field(default_factory=dict)
    authorize_calls: list[dict[str, object]] = field(default_factory=list)
    exchanges: list[str] = field(default_factory=list)
    refreshes: list[str] = field(default_factory=list)
    refresh_answers: list[TokenSet | OstiaryError] = field(default_factory=list)
    remaining_scopes: Sequence[str] | None = None
    """What a request for whatever is left gets; None: the tenant grants nothing any more."""
    during_refresh: asyncio.Event | None = None
    """When set, a refresh waits for it before it answers."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def tokens(
        self,
        *,
        tenant_id: str = TENANT,
        object_id: str = TOM,
        username: str = TOM_ADDRESS,
        scopes: Sequence[str] | None = None,
        is_guest: bool = False,
        refresh_token: str | None = "",
    ) -> TokenSet:
        number = next(self._numbers)
        now = self.clock.now()
        return TokenSet(
            access_token=Secret(f"access-{number}"),
            expires_at=now + timedelta(minutes=75),
            scopes=frozenset(token_scopes(AccessMethod.GRAPH) if scopes is None else scopes),
            refresh_token=None if refresh_token is None else Secret(refresh_token or f"refresh-{number}"),
            claims=SignedClaims(
                identity=MicrosoftIdentity("global", tenant_id, object_id),
                username=username,
                display_name="Tom Ellis",
                issued_at=now,
                is_guest=is_guest,
            ),
        )

    def authorize_url(self, registration: AppRegistration, **asked: object) -> str:
        assert asked.get("prompt") != "consent"
        self.authorize_calls.append({"registration": registration.id, **asked})
        return "https://login.example/authorize?" + urlencode({"state": str(asked["state"])})

    def admin_consent_url(self, registration: AppRegistration, **asked: object) -> str:
        raise AssertionError("the connect flow never asks for admin consent")

    async def redeem_code(self, registration: AppRegistration, **asked: object) -> TokenSet:
        code = asked["code"]
        assert isinstance(code, Secret)
        self.exchanges.append(code.reveal())
        answer = self.codes.get(code.reveal(), FlowRejected("Unknown code.", reason="session_lost"))
        if isinstance(answer, OstiaryError):
            raise answer
        return answer

    async def refresh(
        self,
        registration: AppRegistration,
        *,
        tenant_id: str,
        refresh_token: Secret,
        scopes: Sequence[str],
    ) -> TokenSet:
        self.refreshes.append(refresh_token.reveal())
        if self.during_refresh is not None:
            await self.during_refresh.wait()
        if any(scope.endswith("/.default") for scope in scopes):
            if self.remaining_scopes is None:
                raise ConsentRequired("Nothing is granted.", reason="consent_withdrawn")
            return self.tokens(tenant_id=tenant_id, scopes=self.remaining_scopes)
        answer = self.refresh_answers.pop(0) if self.refresh_answers else self.tokens(tenant_id=tenant_id)
        if isinstance(answer, OstiaryError):
            raise answer
        return answer

    async def service_principal_state(self, registration: AppRegistration, *, tenant_id: str):
        return ServicePrincipalState.PRESENT


@dataclass
class World:
    """Everything a test needs, and the steps most tests share."""

    transactions: SQLTransactions
    clock: MovableClock
    microsoft: PretendMicrosoft
    probe: MemoryMailboxProbe
    keys: MemoryKeyService
    sign_in: SignInService
    service: ConnectionService
    organization: Organization
    tom: Member
    browser: Secret = field(default_factory=lambda: Secret("browser-of-tom" * 3))

    def another_service(self) -> ConnectionService:
        """A second process on the same database: nothing in memory is shared."""
        return make_service(self.transactions, self.clock, self.microsoft, self.probe, self.keys, seed=99)[1]

    async def session(self, **options: object) -> NewSession:
        values: dict[str, object] = {
            "organization_id": self.organization.id,
            "member_id": self.tom.id,
            "actor": ACTOR,
            "return_url": RETURN_URL,
        }
        values.update(options)
        return await self.service.sessions.create(**values)  # type: ignore[arg-type]

    async def start(self, session: NewSession, **options: object) -> str:
        """Press Continue to Microsoft; returns the state on the wire."""
        values: dict[str, object] = {
            "browser_secret": self.browser,
            "actor": ACTOR,
            "mail": True,
            "calendar": True,
        }
        values.update(options)
        started = await self.service.flow.start(session.secret, **values)  # type: ignore[arg-type]
        return parse_qs(urlsplit(started.url).query)["state"][0]

    async def come_back(
        self,
        state: str,
        answer: TokenSet | OstiaryError | None = None,
        *,
        browser: Secret | None = None,
        registration_id: str = "main",
    ) -> ConnectOutcome:
        code = f"code-{len(self.microsoft.codes) + 1}"
        self.microsoft.codes[code] = answer or self.microsoft.tokens()
        return await self.service.flow.finish(
            [("code", code), ("state", state)],
            registration_id=registration_id,
            browser_secret=browser or self.browser,
            actor=ACTOR,
        )

    async def connect(self, answer: TokenSet | None = None, **options: object) -> Connection:
        """Connect Tom with the vendor's confirmation; returns the connection."""
        session = await self.session(**options)
        outcome = await self.come_back(await self.start(session), answer)
        assert outcome.vendor_address is not None, outcome
        query = parse_qs(urlsplit(outcome.vendor_address).query)
        code = Secret(query["completion_code"][0])
        return await self.service.confirmation.confirm(
            query["connect_session"][0], completion_code=code, actor=ACTOR
        )

    async def reread(self, connection: Connection) -> Connection:
        return await self.service.get(connection.id, organization_id=None)

    async def has_token(self, connection_id: str) -> bool:
        async with self.transactions() as tx:
            return await tx.refresh_tokens.find(connection_id) is not None

    async def save_member(self, **changes: object) -> Member:
        async with self.transactions() as tx:
            current = await tx.members.get(self.tom.id, organization_id=self.organization.id)
            self.tom = replace(current, **changes)  # type: ignore[arg-type]
            await tx.members.save(self.tom)
        return self.tom

    async def audit(self, prefix: str = "") -> list[str]:
        async with self.transactions() as tx:
            page = await tx.audit.page(organization_id=None, what_prefix=prefix, limit=200)
        return [record.what for record in page.items]


def make_service(
    transactions: SQLTransactions,
    clock: MovableClock,
    microsoft: PretendMicrosoft,
    probe: MemoryMailboxProbe,
    keys: MemoryKeyService,
    *,
    seed: int,
) -> tuple[SignInService, ConnectionService]:
    entropy = SeededEntropy(seed)
    registrations = Registrations(
        (
            AppRegistration(
                "main", "global", "client-1", "Larkspur", "Larkspur Ltd", True, frozenset(AccessMethod)
            ),
        )
    )
    sign_in = SignInService(
        transactions=transactions,
        clock=clock,
        entropy=entropy,
        authorization_server=microsoft,  # type: ignore[arg-type]
        registrations=registrations,
        addresses=RedirectAddresses("https://connect.example", "https://console.example"),
        flow_key=b"f" * 32,
    )

    async def no_wait(seconds: float) -> None:
        await asyncio.sleep(0.005)

    service = ConnectionService(
        transactions=transactions,
        clock=clock,
        entropy=entropy,
        sign_in=sign_in,
        tenants=TenantService(transactions=transactions, clock=clock, entropy=entropy),
        authorization_server=microsoft,  # type: ignore[arg-type]
        registrations=registrations,
        vault=VaultService(keys=keys, entropy=entropy),
        freezes=Freezes(transactions=transactions, clock=clock),
        leaving=Leaving(transactions=transactions),
        probes={AccessMethod.GRAPH: probe, AccessMethod.EWS: probe},
        return_urls=(RETURN_URL,),
        sleep=no_wait,
    )
    return sign_in, service


@pytest_asyncio.fixture
async def world(transactions: SQLTransactions, clock: MovableClock) -> World:
    """Harbour & Vale, whose tenant is bound and approved Graph; Tom has a licence and a mailbox."""
    now = clock.now()
    microsoft = PretendMicrosoft(clock)
    probe = MemoryMailboxProbe()
    probe.add(MailboxFacts(TOM_ADDRESS, "Tom Ellis", TOM), object_id=TOM)
    keys = MemoryKeyService(SeededEntropy(3))
    sign_in, service = make_service(transactions, clock, microsoft, probe, keys, seed=5)
    organization = Organization("org_1", "hv", "Harbour & Vale", now)
    tom = Member("mem_1", "org_1", "u1", TOM_ADDRESS, "Tom Ellis", MemberRole.MEMBER, True, now)
    async with transactions() as tx:
        await tx.organizations.add(organization)
        await tx.members.add(tom)
        await tx.tenants.add(
            Tenant(
                id="ten_1",
                cloud="global",
                tenant_id=TENANT,
                organization_id="org_1",
                binding=BindingState.BOUND,
                bound_how="verified_domain",
                display_name="Harbour & Vale",
                domains=("harbourvale.example",),
                created_at=now,
                bound_at=now,
            )
        )
        await tx.consents.save(
            Consent(
                id="cns_1",
                cloud="global",
                tenant_id=TENANT,
                organization_id="org_1",
                method=AccessMethod.GRAPH,
                state=ConsentState.VERIFIED,
                reference="CN-0000-0001",
                verified_at=now,
            )
        )
    return World(
        transactions=transactions,
        clock=clock,
        microsoft=microsoft,
        probe=probe,
        keys=keys,
        sign_in=sign_in,
        service=service,
        organization=organization,
        tom=tom,
    )
