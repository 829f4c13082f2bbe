"""The sign-in service on a real database, with a stand-in for Microsoft."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ostiary.adapters.memory.authorization_server import MemoryAuthorizationServer, MemoryPerson
from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.secret import Secret
from ostiary.core.signin.model import AppRegistration, RedirectAddresses, Registrations
from ostiary.core.signin.service import SignInService

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions


@pytest.fixture
def visitor() -> Actor:
    return Actor(ActorKind.ANONYMOUS, ip="192.0.2.7", request_id="RQ-1")


@pytest.fixture
def browser() -> Secret:
    return Secret("browser-of-tom")


@pytest.fixture
def other_browser() -> Secret:
    return Secret("browser-of-somebody-else")


@pytest.fixture
def tom() -> MemoryPerson:
    return MemoryPerson(
        tenant_id="9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918",
        object_id="2f8e6b94-7c1a-4d25-8a6f-93b0d5e17c02",
        username="tom.ellis@harbourvale.example",
        display_name="Tom Ellis",
    )


@pytest.fixture
def microsoft(clock: MovableClock) -> MemoryAuthorizationServer:
    return MemoryAuthorizationServer(clock)


@pytest.fixture
def registrations() -> Registrations:
    main = AppRegistration(
        id="main",
        cloud="global",
        client_id="4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa",
        display_name="Larkspur for Microsoft 365",
        publisher="Larkspur Software Ltd",
        publisher_verified=True,
        methods=frozenset(AccessMethod),
    )
    return Registrations((main,))


@pytest.fixture
def sign_in(
    transactions: SQLTransactions,
    clock: MovableClock,
    entropy: SeededEntropy,
    microsoft: MemoryAuthorizationServer,
    registrations: Registrations,
) -> SignInService:
    return SignInService(
        transactions=transactions,
        clock=clock,
        entropy=entropy,
        authorization_server=microsoft,
        registrations=registrations,
        addresses=RedirectAddresses("https://connect.larkspur.example", "https://console.larkspur.example"),
        flow_key=b"k" * 32,
    )
