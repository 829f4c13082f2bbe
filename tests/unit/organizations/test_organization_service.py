"""Customers, members and licences on a real database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import Conflict, InvalidRequest, NotFound
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.organizations.service import OrganizationService

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

VIK = Actor(ActorKind.OPERATOR, name="Vik")


@pytest.fixture
def service(
    transactions: SQLTransactions, clock: MovableClock, entropy: SeededEntropy
) -> OrganizationService:
    return OrganizationService(transactions=transactions, clock=clock, entropy=entropy)


@pytest.fixture
async def harbour(service: OrganizationService) -> Organization:
    organization, _ = await service.create(external_id="hv", name="Harbour & Vale", seat_count=2, actor=VIK)
    return organization


async def _people(service: OrganizationService, harbour: Organization, count: int) -> list[Member]:
    return [
        (
            await service.add_member(
                organization_id=harbour.id,
                external_id=f"u{number}",
                email=f"person{number}@harbourvale.example",
                display_name=f"Person {number:02d}",
                actor=VIK,
            )
        )[0]
        for number in range(count)
    ]


async def test_saying_it_twice_adds_one_customer_and_one_record(
    service: OrganizationService, harbour: Organization, transactions: SQLTransactions
) -> None:
    again, is_new = await service.create(external_id="hv", name="Another name", actor=VIK)
    assert (again, is_new) == (harbour, False)
    async with transactions() as transaction:
        records = (await transaction.audit.page(organization_id=harbour.id)).items
    assert [record.what for record in records] == ["organization.created"]


async def test_domains_are_kept_as_microsoft_verifies_them(service: OrganizationService) -> None:
    organization, _ = await service.create(
        external_id="b",
        name="Bücher",
        allowed_domains=["Bücher.Example", "harbourvale.example.", "harbourvale.example"],
        actor=VIK,
    )
    assert organization.allowed_domains == ("xn--bcher-kva.example", "harbourvale.example")
    assert (await service.get(organization.id)) == organization


@pytest.mark.parametrize(
    "domain",
    ["hv.onmicrosoft.com", "onmicrosoft.com", "localhost", "a b.example", "-a.example", "", "*.example"],
)
async def test_domains_that_prove_nothing_or_are_none_are_refused(
    service: OrganizationService, domain: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await service.create(external_id="x", name="X", allowed_domains=[domain], actor=VIK)
    assert refusal.value.field == "allowed_domains"


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("external_id", {"external_id": "has blank"}),
        ("external_id", {"external_id": ""}),
        ("name", {"name": "  "}),
        ("name", {"name": "line\nbreak"}),
        ("expected_tenant_id", {"expected_tenant_id": "not-a-guid"}),
        ("it_contact_email", {"it_contact_email": "nobody"}),
        ("seat_count", {"seat_count": -1}),
    ],
)
async def test_values_that_cannot_be_used_name_their_field(
    service: OrganizationService, field: str, given: dict[str, object]
) -> None:
    values: dict[str, object] = {"external_id": "x", "name": "X", **given}
    with pytest.raises(InvalidRequest) as refusal:
        await service.create(**values, actor=VIK)  # type: ignore[arg-type]
    assert refusal.value.field == field


async def test_customer_is_found_by_either_id_and_only_by_those(
    service: OrganizationService, harbour: Organization
) -> None:
    assert await service.resolve("hv") == harbour
    assert await service.resolve(harbour.id) == harbour
    with pytest.raises(NotFound):
        await service.resolve("nobody")


async def test_all_get_a_licence_or_none(service: OrganizationService, harbour: Organization) -> None:
    people = await _people(service, harbour, 3)
    with pytest.raises(Conflict):
        await service.give_licences([each.id for each in people], organization_id=harbour.id, actor=VIK)
    assert await service.count_members(harbour.id, licensed=True) == 0
    await service.give_licences([each.id for each in people[:2]], organization_id=harbour.id, actor=VIK)
    assert await service.count_members(harbour.id, licensed=True) == 2
    # Who has one already needs no seat.
    again = await service.give_licences([people[0].id], organization_id=harbour.id, actor=VIK)
    assert again == ()


async def test_last_seat_is_given_once_however_many_ask(
    service: OrganizationService, harbour: Organization
) -> None:
    people = await _people(service, harbour, 8)
    tries = await asyncio.gather(
        *(service.give_licences([each.id], organization_id=harbour.id, actor=VIK) for each in people),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Conflict) for each in tries) == 6
    assert await service.count_members(harbour.id, licensed=True) == 2


async def test_no_seat_count_sets_no_limit(service: OrganizationService) -> None:
    organization, _ = await service.create(external_id="free", name="Free", actor=VIK)
    for number in range(3):
        await service.add_member(
            organization_id=organization.id,
            external_id=f"u{number}",
            email="a@b.example",
            display_name="A",
            licensed=True,
            actor=VIK,
        )
    assert await service.count_members(organization.id, licensed=True) == 3


async def test_taking_a_licence_queues_what_follows_in_the_same_transaction(
    service: OrganizationService, harbour: Organization, transactions: SQLTransactions
) -> None:
    (person,) = await _people(service, harbour, 1)
    await service.give_licences([person.id], organization_id=harbour.id, actor=VIK)
    await service.take_licences([person.id, person.id], organization_id=harbour.id, actor=VIK)
    await service.take_licences([person.id], organization_id=harbour.id, actor=VIK)
    async with transactions() as transaction:
        rows = await transaction._connection.execute(
            text("SELECT args FROM procrastinate_jobs WHERE task_name = 'licences.taken'")
        )
        assert [dict(row) for row in rows.scalars()] == [
            {"organization_id": harbour.id, "member_id": person.id}
        ]


async def test_person_of_another_customer_does_not_exist(
    service: OrganizationService, harbour: Organization
) -> None:
    other, _ = await service.create(external_id="other", name="Other", actor=VIK)
    (person,) = await _people(service, harbour, 1)
    for attempt in (
        service.get_member(person.id, organization_id=other.id),
        service.give_licences([person.id], organization_id=other.id, actor=VIK),
        service.take_licences([person.id], organization_id=other.id, actor=VIK),
        service.set_role(person.id, MemberRole.ORGANIZATION_ADMIN, organization_id=other.id, actor=VIK),
        service.resolve_member(person.email, organization_id=other.id),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_last_organization_admin_stays_one(service: OrganizationService, harbour: Organization) -> None:
    first, second = await _people(service, harbour, 2)
    for each in (first, second):
        await service.set_role(each.id, MemberRole.ORGANIZATION_ADMIN, organization_id=harbour.id, actor=VIK)
    await service.set_role(first.id, MemberRole.MEMBER, organization_id=harbour.id, actor=VIK)
    with pytest.raises(Conflict):
        await service.set_role(second.id, MemberRole.MEMBER, organization_id=harbour.id, actor=VIK)


async def test_list_comes_in_pages_by_name_without_repeats_or_gaps(
    service: OrganizationService, harbour: Organization
) -> None:
    people = await _people(service, harbour, 7)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await service.list_members(organization_id=harbour.id, cursor=cursor, limit=3)
        seen.extend(member.display_name for member in page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(person.display_name for person in people)


async def test_cursor_of_another_customer_is_refused(
    service: OrganizationService, harbour: Organization
) -> None:
    other, _ = await service.create(external_id="other", name="Other", actor=VIK)
    (person,) = await _people(service, harbour, 1)
    with pytest.raises(InvalidRequest):
        await service.list_members(organization_id=other.id, cursor=person.id)


async def test_search_takes_signs_literally(service: OrganizationService, harbour: Organization) -> None:
    await _people(service, harbour, 2)
    await service.add_member(
        organization_id=harbour.id,
        external_id="percent",
        email="p@harbourvale.example",
        display_name="100 % Tom",
        actor=VIK,
    )
    found = await service.list_members(organization_id=harbour.id, search="%")
    assert [member.display_name for member in found.items] == ["100 % Tom"]
    assert await service.count_members(harbour.id, search="PERSON") == 2
