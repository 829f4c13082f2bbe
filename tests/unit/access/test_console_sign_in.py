"""Signing in to the console with Microsoft: who is let in, and who is not."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.adapters.memory.authorization_server import MemoryAuthorizationServer, MemoryPerson
from ostiary.core.access.model import Permission, Role, SignedIn
from ostiary.core.access.service import AccessService
from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import FlowRejected, PermissionDenied
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Member, MemberRole
from ostiary.core.organizations.service import OrganizationService
from ostiary.core.signin.model import PERSONAL_ACCOUNTS_TENANT_ID
from ostiary.core.tenants.model import BindingState, Tenant

from ...statements import recorded

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

BROWSER = Secret("browser-of-dana")
SignIn = Callable[..., Coroutine[Any, Any, SignedIn]]


@pytest.fixture
async def member(organizations: OrganizationService, operator: Actor) -> Member:
    """Dana as an organization admin of Harbour & Vale, whose account nobody knows yet."""
    customer, _ = await organizations.create(external_id="hv", name="Harbour & Vale", actor=operator)
    found, _ = await organizations.add_member(
        organization_id=customer.id,
        external_id="dana",
        email="dana.okafor@harbourvale.example",
        display_name="Dana Okafor",
        role=MemberRole.ORGANIZATION_ADMIN,
        actor=operator,
    )
    return found


@pytest.fixture
async def link(access: AccessService, member: Member, operator: Actor) -> Secret:
    """Dana's one-time link."""
    _, secret = await access.create_admin_link(
        organization_id=member.organization_id, member_id=member.id, actor=operator
    )
    return secret


@pytest.fixture
def sign_in(access: AccessService, microsoft: MemoryAuthorizationServer, visitor: Actor) -> SignIn:
    """Walks to Microsoft and back."""

    async def walk(
        person: MemoryPerson,
        *,
        link: Secret | None = None,
        finish_in: Secret = BROWSER,
        replaces: Secret | None = None,
    ) -> SignedIn:
        flow = await access.console.begin(
            browser_secret=BROWSER, next_path="/console/members", link_secret=link
        )
        query = microsoft.sign_in(flow.url, person)
        from ostiary.core.signin.returns import parse_return

        return await access.console.finish(
            parse_return(query),
            registration_id="main",
            browser_secret=finish_in,
            replaces=replaces,
            actor=visitor,
        )

    return walk


async def test_first_sign_in_by_link_records_the_identity_and_later_ones_need_no_link(
    access: AccessService,
    organizations: OrganizationService,
    sign_in: SignIn,
    link: Secret,
    member: Member,
    dana: MemoryPerson,
) -> None:
    first = await sign_in(dana, link=link)
    assert first.session.role is Role.ORGANIZATION_ADMIN
    assert first.next_path == "/console/members"
    known = await organizations.get_member(member.id, organization_id=member.organization_id)
    assert (known.tenant_id, known.object_id) == (dana.tenant_id, dana.object_id)
    assert await access.find_link(link) is None
    again = await sign_in(dana)
    caller = await access.find_session(again.secret)
    assert caller is not None
    assert caller.organization_id == member.organization_id
    assert caller.may(Permission.CONSOLE_MANAGE)
    assert not caller.may(Permission.OPERATOR_READ)


async def test_somebody_nobody_invited_is_refused_and_audited(
    sign_in: SignIn, member: Member, dana: MemoryPerson, transactions: SQLTransactions
) -> None:
    with pytest.raises(PermissionDenied) as refusal:
        await sign_in(dana)
    assert refusal.value.reason == "account_mismatch"
    async with transactions() as transaction:
        (record,) = (
            await transaction.audit.page(organization_id=None, what_prefix="console.sign_in_refused")
        ).items
    assert record.outcome == "refused"


async def test_same_address_from_another_tenant_is_somebody_else(
    sign_in: SignIn, link: Secret, dana: MemoryPerson
) -> None:
    await sign_in(dana, link=link)
    impostor = replace(
        dana,
        tenant_id="5e7b91c4-d02f-4a83-b6e9-84c3f1a7d205",
        object_id="00000000-0000-4000-8000-000000000001",
    )
    with pytest.raises(PermissionDenied):
        await sign_in(impostor)


@pytest.mark.parametrize("kind", ["guest", "personal"])
async def test_guests_and_personal_accounts_are_refused(
    sign_in: SignIn, link: Secret, dana: MemoryPerson, access: AccessService, kind: str
) -> None:
    person = (
        replace(dana, is_guest=True)
        if kind == "guest"
        else replace(dana, tenant_id=PERSONAL_ACCOUNTS_TENANT_ID)
    )
    with pytest.raises(PermissionDenied) as refusal:
        await sign_in(person, link=link)
    assert refusal.value.reason == "personal_account"
    # The link is still good for the right account.
    assert await access.find_link(link) is not None
    await sign_in(dana, link=link)


async def test_member_who_is_no_admin_is_refused_even_with_a_known_identity(
    sign_in: SignIn,
    link: Secret,
    dana: MemoryPerson,
    member: Member,
    organizations: OrganizationService,
    operator: Actor,
    access: AccessService,
) -> None:
    signed_in = await sign_in(dana, link=link)
    await organizations.add_member(
        organization_id=member.organization_id,
        external_id="other",
        email="o@harbourvale.example",
        display_name="Other",
        role=MemberRole.ORGANIZATION_ADMIN,
        actor=operator,
    )
    await organizations.set_role(
        member.id, MemberRole.MEMBER, organization_id=member.organization_id, actor=operator
    )
    # The role is gone from the running session at once, and no new one begins.
    assert await access.find_session(signed_in.secret) is None
    with pytest.raises(PermissionDenied):
        await sign_in(dana)


async def test_tenant_of_another_organization_is_refused(
    sign_in: SignIn,
    link: Secret,
    dana: MemoryPerson,
    organizations: OrganizationService,
    operator: Actor,
    transactions: SQLTransactions,
    clock: MovableClock,
) -> None:
    other, _ = await organizations.create(external_id="other", name="Other", actor=operator)
    async with transactions() as transaction:
        await transaction.tenants.add(
            Tenant(
                id="ten_other",
                cloud="global",
                tenant_id=dana.tenant_id,
                organization_id=other.id,
                binding=BindingState.BOUND,
                bound_how="expected_tenant",
                display_name="Other",
                domains=("other.example",),
                created_at=clock.now(),
                bound_at=clock.now(),
            )
        )
    with pytest.raises(PermissionDenied) as refusal:
        await sign_in(dana, link=link)
    assert refusal.value.reason == "wrong_tenant"
    async with transactions() as transaction:
        assert (
            await transaction.members.find_by_identity(tenant_id=dana.tenant_id, object_id=dana.object_id)
            is None
        )


async def test_one_identity_belongs_to_one_member(
    sign_in: SignIn,
    link: Secret,
    dana: MemoryPerson,
    member: Member,
    organizations: OrganizationService,
    access: AccessService,
    operator: Actor,
) -> None:
    await sign_in(dana, link=link)
    second, _ = await organizations.add_member(
        organization_id=member.organization_id,
        external_id="second",
        email="second@harbourvale.example",
        display_name="Second",
        role=MemberRole.ORGANIZATION_ADMIN,
        actor=operator,
    )
    _, other_link = await access.create_admin_link(
        organization_id=member.organization_id, member_id=second.id, actor=operator
    )
    with pytest.raises(PermissionDenied) as refusal:
        await sign_in(dana, link=other_link)
    assert refusal.value.reason == "account_mismatch"


async def test_a_customers_directory_and_an_unknown_one_are_refused_alike_by_the_same_work(
    sign_in: SignIn,
    member: Member,
    dana: MemoryPerson,
    clock: MovableClock,
    database: AsyncEngine,
    transactions: SQLTransactions,
) -> None:
    stranger = replace(dana, object_id="00000000-0000-4000-8000-000000000002")
    async with transactions() as transaction:
        await transaction.tenants.add(
            Tenant(
                id="ten_1",
                cloud="global",
                tenant_id=dana.tenant_id,
                organization_id=member.organization_id,
                binding=BindingState.BOUND,
                bound_how="expected_tenant",
                display_name="Harbour & Vale",
                domains=("harbourvale.example",),
                created_at=clock.now(),
                bound_at=clock.now(),
            )
        )
    found: list[tuple[str, list[str]]] = []
    for directory in (dana.tenant_id, "5e7b91c4-d02f-4a83-b6e9-84c3f1a7d205"):
        with recorded(database) as statements, pytest.raises(PermissionDenied) as refusal:
            await sign_in(replace(stranger, tenant_id=directory))
        found.append((str(refusal.value), list(statements)))
    assert found[0] == found[1]


async def test_return_in_another_browser_exchanges_nothing(
    sign_in: SignIn, link: Secret, dana: MemoryPerson, microsoft: MemoryAuthorizationServer
) -> None:
    with pytest.raises(FlowRejected):
        await sign_in(dana, link=link, finish_in=Secret("somebody-else"))
    assert microsoft.exchange_count == 0


async def test_a_code_of_another_flow_is_refused_and_audited_as_the_visitors_doing(
    access: AccessService,
    microsoft: MemoryAuthorizationServer,
    visitor: Actor,
    dana: MemoryPerson,
    transactions: SQLTransactions,
) -> None:
    from ostiary.core.signin.returns import parse_return

    foreign = await access.console.begin(browser_secret=Secret("somebody-else"), next_path=None)
    own = await access.console.begin(browser_secret=BROWSER, next_path=None)
    code = dict(microsoft.sign_in(foreign.url, dana))["code"]
    state = dict(microsoft.sign_in(own.url, dana))["state"]
    with pytest.raises(PermissionDenied) as refusal:
        await access.console.finish(
            parse_return([("code", code), ("state", state)]),
            registration_id="main",
            browser_secret=BROWSER,
            replaces=None,
            actor=visitor,
        )
    assert refusal.value.reason == "session_lost"
    async with transactions() as transaction:
        (record,) = (
            await transaction.audit.page(organization_id=None, what_prefix="console.sign_in_refused")
        ).items
    assert (record.outcome, record.reason, record.actor.ip) == ("refused", "session_lost", visitor.ip)


async def test_error_of_microsoft_is_a_reason_and_not_a_session(
    access: AccessService, microsoft: MemoryAuthorizationServer, visitor: Actor
) -> None:
    from ostiary.core.signin.returns import parse_return

    flow = await access.console.begin(browser_secret=BROWSER, next_path=None)
    with pytest.raises(PermissionDenied) as refusal:
        await access.console.finish(
            parse_return(microsoft.refuse(flow.url, "access_denied")),
            registration_id="main",
            browser_secret=BROWSER,
            replaces=None,
            actor=visitor,
        )
    assert refusal.value.reason == "declined"
    assert microsoft.exchange_count == 0


async def test_link_of_an_admin_ends_after_a_week(
    access: AccessService, link: Secret, clock: MovableClock
) -> None:
    clock.advance(timedelta(days=7))
    with pytest.raises(PermissionDenied):
        await access.console.begin(browser_secret=BROWSER, next_path=None, link_secret=link)


async def test_fresh_sign_in_makes_microsoft_ask_again(access: AccessService) -> None:
    usual = await access.console.begin(browser_secret=BROWSER, next_path=None)
    fresh = await access.console.begin(browser_secret=BROWSER, next_path=None, fresh=True)
    assert "prompt=select_account" in usual.url
    assert "prompt=login" in fresh.url
    assert "offline_access" not in fresh.url


async def test_a_link_that_was_used_meanwhile_lets_nobody_in(
    access: AccessService,
    microsoft: MemoryAuthorizationServer,
    visitor: Actor,
    link: Secret,
    dana: MemoryPerson,
    sign_in: SignIn,
) -> None:
    from ostiary.core.signin.returns import parse_return

    late = await access.console.begin(browser_secret=BROWSER, next_path=None, link_secret=link)
    await sign_in(dana, link=link)
    with pytest.raises(PermissionDenied) as refused:
        await access.console.finish(
            parse_return(microsoft.sign_in(late.url, dana)),
            registration_id="main",
            browser_secret=BROWSER,
            replaces=None,
            actor=visitor,
        )
    assert refused.value.reason == "link_expired"


async def test_an_admin_comes_from_the_directory_that_the_organization_expects(
    sign_in: SignIn,
    link: Secret,
    dana: MemoryPerson,
    member: Member,
    access: AccessService,
    transactions: SQLTransactions,
) -> None:
    async def expect(tenant_id: str) -> None:
        async with transactions() as transaction:
            organization = await transaction.organizations.get(member.organization_id)
            await transaction.organizations.save(replace(organization, expected_tenant_id=tenant_id))

    await expect("5e7b91c4-d02f-4a83-b6e9-84c3f1a7d205")
    with pytest.raises(PermissionDenied) as refused:
        await sign_in(dana, link=link)
    assert refused.value.reason == "wrong_tenant"
    assert await access.find_link(link) is not None, "the right account may still use it"
    await expect(dana.tenant_id.upper())
    assert (await sign_in(dana, link=link)).session.subject_id == member.id


async def test_a_link_does_not_move_somebody_to_another_account(
    sign_in: SignIn, link: Secret, dana: MemoryPerson, member: Member, access: AccessService, operator: Actor
) -> None:
    await sign_in(dana, link=link)
    _, second = await access.create_admin_link(
        organization_id=member.organization_id, member_id=member.id, actor=operator
    )
    for other in (
        replace(dana, object_id="00000000-0000-4000-8000-000000000001"),
        replace(dana, tenant_id="5e7b91c4-d02f-4a83-b6e9-84c3f1a7d205"),
    ):
        with pytest.raises(PermissionDenied) as refused:
            await sign_in(other, link=second)
        assert refused.value.reason == "account_mismatch"
    assert (await sign_in(dana, link=second)).session.subject_id == member.id


async def test_who_signed_in_is_on_record_as_a_person_of_the_organization(
    sign_in: SignIn, link: Secret, dana: MemoryPerson, member: Member, transactions: SQLTransactions
) -> None:
    signed_in = await sign_in(dana, link=link)
    async with transactions() as transaction:
        (record,) = (
            await transaction.audit.page(organization_id=None, what_prefix="console.signed_in")
        ).items
    assert record.actor == Actor(
        ActorKind.PERSON, id=member.id, name="Dana Okafor", ip="192.0.2.7", request_id="RQ-1"
    )
    assert (record.organization_id, record.object_id) == (member.organization_id, signed_in.session.id)


async def test_an_operator_who_signed_in_is_on_record_as_one(
    access: AccessService, sign_in: SignIn, dana: MemoryPerson, transactions: SQLTransactions
) -> None:
    first = await access.ensure_first_operator()
    signed_in = await sign_in(dana, link=first)
    async with transactions() as transaction:
        (record,) = (
            await transaction.audit.page(organization_id=None, what_prefix="console.signed_in")
        ).items
    assert (record.actor.kind, record.actor.id) == (ActorKind.OPERATOR, signed_in.session.subject_id)
    assert record.organization_id is None
