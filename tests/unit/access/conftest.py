"""Access on a real database, with a stand-in for Microsoft."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pytest

from ostiary.adapters.memory.authorization_server import MemoryAuthorizationServer, MemoryPerson
from ostiary.core.access.rate_limits import Budget, LimitedAct, RateLimits
from ostiary.core.access.service import AccessService
from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.organizations.service import OrganizationService
from ostiary.core.signin.model import AppRegistration, RedirectAddresses, Registrations
from ostiary.core.signin.service import SignInService

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

HARBOUR = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"


@pytest.fixture
def operator() -> Actor:
    return Actor(ActorKind.OPERATOR, name="Vik")


@pytest.fixture
def visitor() -> Actor:
    return Actor(ActorKind.ANONYMOUS, ip="192.0.2.7", request_id="RQ-1")


@pytest.fixture
def microsoft(clock: MovableClock) -> MemoryAuthorizationServer:
    return MemoryAuthorizationServer(clock)


@pytest.fixture
def organizations(
    transactions: SQLTransactions, clock: MovableClock, entropy: SeededEntropy
) -> OrganizationService:
    return OrganizationService(transactions=transactions, clock=clock, entropy=entropy)


@pytest.fixture
def access(make_access: Callable[..., AccessService]) -> AccessService:
    return make_access()


@pytest.fixture
def make_access(
    transactions: SQLTransactions,
    clock: MovableClock,
    entropy: SeededEntropy,
    microsoft: MemoryAuthorizationServer,
) -> Callable[..., AccessService]:
    """Makes access as a process of its own would have it."""
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
    signin = SignInService(
        transactions=transactions,
        clock=clock,
        entropy=entropy,
        authorization_server=microsoft,
        registrations=registrations,
        addresses=RedirectAddresses("https://connect.larkspur.example", "https://console.larkspur.example"),
        flow_key=b"f" * 32,
    )
    return partial(
        AccessService,
        transactions=transactions,
        clock=clock,
        entropy=entropy,
        signin=signin,
        registrations=registrations,
        api_key_hash_key=b"h" * 32,
        rate_limits=RateLimits(
            transactions=transactions,
            clock=clock,
            hash_key=b"r" * 32,
            budgets={LimitedAct.API: Budget.parse("5/m")},
        ),
    )


@pytest.fixture
def dana() -> MemoryPerson:
    """The organization admin, as Microsoft knows her."""
    return MemoryPerson(
        tenant_id=HARBOUR,
        object_id="b57c40d8-3e96-4f1b-a2c7-0d84e6f39a03",
        username="dana.okafor@harbourvale.example",
        display_name="Dana Okafor",
    )
