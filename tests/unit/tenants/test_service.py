"""Claims to a directory: first come is not enough, evidence is (SR-16, SR-17)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import NotFound
from ostiary.core.organizations.model import Organization
from ostiary.core.tenants.model import BindingState, ClaimOutcome
from ostiary.core.tenants.service import Claim, Directory, TenantService

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

TENANT = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
DIRECTORY = Directory("global", TENANT, "Harbour & Vale", ("harbourvale.example",))


@pytest.fixture
def tenants(transactions: SQLTransactions, clock: MovableClock, entropy: SeededEntropy) -> TenantService:
    return TenantService(transactions=transactions, clock=clock, entropy=entropy)


@pytest_asyncio.fixture
async def customers(transactions: SQLTransactions, clock: MovableClock) -> tuple[Organization, Organization]:
    rightful = Organization(
        "org_hv", "hv", "Harbour & Vale", clock.now(), allowed_domains=("harbourvale.example",)
    )
    other = Organization("org_other", "other", "Other Company", clock.now())
    async with transactions() as transaction:
        await transaction.organizations.add(rightful)
        await transaction.organizations.add(other)
    return rightful, other


async def claim(
    tenants: TenantService,
    transactions: SQLTransactions,
    organization: Organization,
    *,
    may_bind: bool = True,
    directory: Directory = DIRECTORY,
) -> Claim:
    async with transactions() as transaction:
        return await tenants.claim(
            transaction,
            directory,
            organization=organization,
            expected_tenant_id=None,
            may_bind=may_bind,
            actor=SYSTEM,
        )


async def test_evidence_binds_and_without_it_the_claim_waits(
    tenants: TenantService,
    transactions: SQLTransactions,
    customers: tuple[Organization, Organization],
) -> None:
    rightful, other = customers
    assert (await claim(tenants, transactions, rightful)).outcome is ClaimOutcome.BOUND
    second = replace(DIRECTORY, tenant_id="71f4c9e2-6a0d-4b38-9e57-d3a8b1c50f07")
    assert (await claim(tenants, transactions, other, directory=second)).outcome is ClaimOutcome.PENDING


async def test_evidence_without_a_role_waits(
    tenants: TenantService,
    transactions: SQLTransactions,
    customers: tuple[Organization, Organization],
) -> None:
    found = await claim(tenants, transactions, customers[0], may_bind=False)
    assert found.outcome is ClaimOutcome.PENDING
    assert (await claim(tenants, transactions, customers[0])).outcome is ClaimOutcome.BOUND
    # Bound stays bound, whoever signs in next.
    again = await claim(tenants, transactions, customers[0], may_bind=False)
    assert again.outcome is ClaimOutcome.BOUND


async def test_a_bound_directory_is_taken_for_everybody_else(
    tenants: TenantService,
    transactions: SQLTransactions,
    customers: tuple[Organization, Organization],
) -> None:
    rightful, other = customers
    await claim(tenants, transactions, rightful)
    found = await claim(tenants, transactions, other)
    assert found == Claim(ClaimOutcome.TAKEN)
    rival = replace(other, allowed_domains=("harbourvale.example",))
    assert (await claim(tenants, transactions, rival)).outcome is ClaimOutcome.TAKEN
    assert await tenants.list_for(other.id) == ()


async def test_an_unconfirmed_claim_does_not_keep_the_rightful_organization_out(
    tenants: TenantService,
    transactions: SQLTransactions,
    customers: tuple[Organization, Organization],
) -> None:
    rightful, other = customers
    assert (await claim(tenants, transactions, other)).outcome is ClaimOutcome.PENDING
    assert (await claim(tenants, transactions, rightful)).outcome is ClaimOutcome.BOUND
    assert await tenants.list_for(other.id) == ()
    (tenant,) = await tenants.list_for(rightful.id)
    assert tenant.bound_how == "verified_domain"


async def test_two_claims_at_once_leave_one_owner(
    tenants: TenantService,
    transactions: SQLTransactions,
    customers: tuple[Organization, Organization],
) -> None:
    rightful, other = customers
    rival = replace(other, allowed_domains=("harbourvale.example",))
    claims = await asyncio.gather(*(claim(tenants, transactions, each) for each in (rightful, rival) * 4))
    outcomes = [found.outcome for found in claims]
    assert outcomes.count(ClaimOutcome.BOUND) == 4
    assert outcomes.count(ClaimOutcome.TAKEN) == 4
    owners = [len(await tenants.list_for(each.id)) for each in (rightful, other)]
    assert sorted(owners) == [0, 1]


async def test_somebodys_word_binds_a_waiting_directory_of_their_own_organization_only(
    tenants: TenantService,
    transactions: SQLTransactions,
    customers: tuple[Organization, Organization],
) -> None:
    rightful, other = customers
    await claim(tenants, transactions, other)
    (waiting,) = await tenants.list_for(other.id)
    async with transactions() as transaction:
        with pytest.raises(NotFound):
            await tenants.confirm(transaction, waiting.id, organization_id=rightful.id, actor=SYSTEM)
    async with transactions() as transaction:
        bound = await tenants.confirm(transaction, waiting.id, organization_id=other.id, actor=SYSTEM)
    assert (bound.binding, bound.bound_how) == (BindingState.BOUND, "confirmed_by_admin")
    assert (await claim(tenants, transactions, rightful)).outcome is ClaimOutcome.TAKEN
