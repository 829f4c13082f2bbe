"""A sensitive act needs a proof of who somebody is that is minutes old, and operators more than a password (SR-57)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ostiary.adapters.memory.authorization_server import MemoryAuthorizationServer, MemoryPerson
from ostiary.core.access.console_sign_in import ConsoleSignIn
from ostiary.core.access.model import STEP_UP_LIFE, Role, SignedIn
from ostiary.core.access.service import AccessService
from ostiary.core.audit.model import Actor
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import PermissionDenied
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Member, MemberRole
from ostiary.core.organizations.service import OrganizationService
from ostiary.core.signin.returns import parse_return

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

BROWSER = Secret("browser-of-dana")
MakeAccess = Callable[..., AccessService]


@pytest.fixture
async def admin(organizations: OrganizationService, dana: MemoryPerson, operator: Actor) -> Member:
    """Dana, whose account was recorded before."""
    customer, _ = await organizations.create(external_id="hv", name="Harbour & Vale", actor=operator)
    member, _ = await organizations.add_member(
        organization_id=customer.id,
        external_id="dana",
        email=dana.username,
        display_name=dana.display_name,
        role=MemberRole.ORGANIZATION_ADMIN,
        actor=operator,
    )
    return member


async def walk(
    console: ConsoleSignIn,
    microsoft: MemoryAuthorizationServer,
    person: MemoryPerson,
    visitor: Actor,
    *,
    fresh: bool = False,
    as_operator: bool = False,
    link: Secret | None = None,
    replaces: Secret | None = None,
    tamper: Callable[[str], str] = str,
) -> SignedIn:
    """Go to Microsoft and come back, in one browser whose owner may change the address on the way."""
    flow = await console.begin(
        browser_secret=BROWSER, next_path=None, fresh=fresh, as_operator=as_operator, link_secret=link
    )
    return await console.finish(
        parse_return(microsoft.sign_in(tamper(flow.url), person)),
        registration_id="main",
        browser_secret=BROWSER,
        replaces=replaces,
        actor=visitor,
    )


async def first_sign_in(
    access: AccessService,
    microsoft: MemoryAuthorizationServer,
    dana: MemoryPerson,
    admin: Member,
    actor: Actor,
) -> SignedIn:
    _, link = await access.create_admin_link(
        organization_id=admin.organization_id, member_id=admin.id, actor=actor
    )
    return await walk(access.console, microsoft, dana, actor, link=link)


async def test_a_fresh_sign_in_asks_microsoft_for_the_password_again(access: AccessService) -> None:
    flow = await access.console.begin(browser_secret=BROWSER, next_path=None, fresh=True)
    assert "prompt=login" in flow.url
    assert "max_age=300" in flow.url


async def test_a_fresh_sign_in_gives_a_new_session_and_the_old_one_dies_at_once(
    access: AccessService,
    microsoft: MemoryAuthorizationServer,
    dana: MemoryPerson,
    admin: Member,
    visitor: Actor,
    clock: MovableClock,
) -> None:
    before = await first_sign_in(access, microsoft, dana, admin, visitor)
    clock.advance(timedelta(minutes=20))
    stale = await access.find_session(before.secret)
    assert stale is not None
    assert not stale.is_fresh(clock.now())
    after = await walk(access.console, microsoft, dana, visitor, fresh=True, replaces=before.secret)
    assert after.session.id != before.session.id
    assert await access.find_session(before.secret) is None
    caller = await access.find_session(after.secret)
    assert caller is not None
    assert caller.is_fresh(clock.now())
    assert caller.home_tenant_id == dana.tenant_id
    clock.advance(STEP_UP_LIFE + timedelta(seconds=1))
    assert not caller.is_fresh(clock.now())


async def test_an_old_sign_in_at_microsoft_is_no_fresh_one_whatever_the_session_is(
    access: AccessService,
    microsoft: MemoryAuthorizationServer,
    dana: MemoryPerson,
    admin: Member,
    visitor: Actor,
    clock: MovableClock,
) -> None:
    await first_sign_in(access, microsoft, dana, admin, visitor)
    hour_ago = replace(dana, authenticated_at=clock.now() - timedelta(hours=1))
    silent = await walk(access.console, microsoft, hour_ago, visitor)
    caller = await access.find_session(silent.secret)
    assert caller is not None
    assert not caller.is_fresh(clock.now())
    with pytest.raises(PermissionDenied) as refused:
        await walk(access.console, microsoft, hour_ago, visitor, fresh=True)
    assert refused.value.reason == "not_fresh"


async def test_taking_the_demand_out_of_the_address_does_not_make_a_sign_in_fresh(
    access: AccessService,
    microsoft: MemoryAuthorizationServer,
    dana: MemoryPerson,
    admin: Member,
    visitor: Actor,
) -> None:
    await first_sign_in(access, microsoft, dana, admin, visitor)
    with pytest.raises(PermissionDenied) as refused:
        await walk(
            access.console,
            microsoft,
            dana,
            visitor,
            fresh=True,
            tamper=lambda url: url.replace("max_age", "min_age"),
        )
    assert refused.value.reason == "not_fresh"


async def test_an_operator_goes_on_at_the_customer_that_was_being_viewed(
    access: AccessService, admin: Member, visitor: Actor, clock: MovableClock
) -> None:
    first = await access.ensure_first_operator()
    assert first is not None
    before = await access.use_operator_link(first, replaces=None, actor=visitor)
    caller = await access.find_session(before.secret)
    assert caller is not None
    await access.view_customer(
        caller, organization_id=admin.organization_id, reason="a ticket", actor=visitor
    )
    clock.advance(timedelta(minutes=10))
    _, link = await access.create_operator_link(name=None, actor=visitor)
    after = await access.use_operator_link(link, replaces=before.secret, actor=visitor)
    caller = await access.find_session(after.secret)
    assert caller is not None
    assert caller.is_fresh(clock.now())
    assert caller.organization_id == admin.organization_id


async def test_an_operator_who_signs_in_with_microsoft_once_needs_no_link_again(
    access: AccessService, microsoft: MemoryAuthorizationServer, visitor: Actor
) -> None:
    vik = MemoryPerson("11111111-2222-4333-8444-555555555555", "a" * 8, "vik@larkspur.example", "Vik")
    link = await access.ensure_first_operator()
    bound = await walk(access.console, microsoft, vik, visitor, link=link)
    assert bound.session.role is Role.OPERATOR
    again = await walk(access.console, microsoft, vik, visitor)
    assert again.session.subject_id == bound.session.subject_id
    _, other = await access.create_operator_link(name="Sam", actor=visitor)
    with pytest.raises(PermissionDenied) as refused:
        await walk(access.console, microsoft, vik, visitor, link=other)
    assert refused.value.reason == "account_mismatch"
    assert await access.find_link(other) is not None


async def test_operators_need_the_context_that_stands_for_mfa(
    make_access: MakeAccess, microsoft: MemoryAuthorizationServer, visitor: Actor
) -> None:
    access = make_access(operator_mfa="c3")
    vik = MemoryPerson("11111111-2222-4333-8444-555555555555", "a" * 8, "vik@larkspur.example", "Vik")
    strong = replace(vik, authentication_contexts=frozenset({"c3"}))
    link = await access.ensure_first_operator()
    assert link is not None
    for person in (vik, replace(vik, authentication_contexts=frozenset({"c1"}))):
        with pytest.raises(PermissionDenied) as refused:
            await walk(access.console, microsoft, person, visitor, link=link)
        assert refused.value.reason == "mfa_needed"
    flow = await access.console.begin(browser_secret=BROWSER, next_path=None, as_operator=True)
    assert "acrs=c3" in flow.url
    assert (await walk(access.console, microsoft, strong, visitor, link=link)).session.role is Role.OPERATOR
    assert (await walk(access.console, microsoft, strong, visitor)).session.role is Role.OPERATOR
    with pytest.raises(PermissionDenied):
        await walk(access.console, microsoft, vik, visitor)


async def test_a_link_alone_is_not_enough_where_operators_need_mfa(
    make_access: MakeAccess, visitor: Actor
) -> None:
    access = make_access(operator_mfa="amr")
    link = await access.ensure_first_operator()
    assert link is not None
    with pytest.raises(PermissionDenied) as refused:
        await access.use_operator_link(link, replaces=None, actor=visitor)
    assert refused.value.reason == "mfa_needed"
    assert await access.find_link(link) is not None


async def test_a_role_taken_away_ends_sessions_and_links_for_good(
    access: AccessService,
    organizations: OrganizationService,
    microsoft: MemoryAuthorizationServer,
    dana: MemoryPerson,
    admin: Member,
    visitor: Actor,
    transactions: SQLTransactions,
) -> None:
    signed_in = await first_sign_in(access, microsoft, dana, admin, visitor)
    _, link = await access.create_admin_link(
        organization_id=admin.organization_id, member_id=admin.id, actor=visitor
    )
    await organizations.add_member(
        organization_id=admin.organization_id,
        external_id="priya",
        email="priya.nair@harbourvale.example",
        display_name="Priya Nair",
        role=MemberRole.ORGANIZATION_ADMIN,
        actor=visitor,
    )
    for role in (MemberRole.MEMBER, MemberRole.ORGANIZATION_ADMIN):
        await organizations.set_role(admin.id, role, organization_id=admin.organization_id, actor=visitor)
        assert await access.find_session(signed_in.secret) is None
        assert await access.find_link(link) is None


async def test_a_session_counts_only_while_its_person_still_has_the_role(
    access: AccessService,
    microsoft: MemoryAuthorizationServer,
    dana: MemoryPerson,
    admin: Member,
    visitor: Actor,
    transactions: SQLTransactions,
) -> None:
    # The session itself stays alive: only the look at the person may refuse it.
    session = await first_sign_in(access, microsoft, dana, admin, visitor)
    async with transactions() as tx:
        current = await tx.members.get(admin.id, organization_id=admin.organization_id)
        await tx.members.save(replace(current, role=MemberRole.MEMBER))
    assert await access.find_session(session.secret) is None
    async with transactions() as tx:
        await tx.members.save(current)
    assert await access.find_session(session.secret) is not None


async def test_a_session_of_an_operator_counts_only_while_they_are_let_in(
    access: AccessService, visitor: Actor, clock: MovableClock, transactions: SQLTransactions
) -> None:
    link = await access.ensure_first_operator()
    assert link is not None
    session = await access.use_operator_link(link, replaces=None, actor=visitor)
    async with transactions() as tx:
        vik = await tx.operators.get(session.session.subject_id)
        await tx.operators.save(replace(vik, disabled_at=clock.now()))
    assert await access.find_session(session.secret) is None


async def test_a_cookie_of_somebody_else_ends_with_the_sign_in_and_hands_nothing_on(
    access: AccessService,
    microsoft: MemoryAuthorizationServer,
    dana: MemoryPerson,
    admin: Member,
    visitor: Actor,
    operator: Actor,
) -> None:
    link = await access.ensure_first_operator()
    assert link is not None
    before = await access.use_operator_link(link, replaces=None, actor=visitor)
    vik = await access.find_session(before.secret)
    assert vik is not None
    await access.view_customer(vik, organization_id=admin.organization_id, reason="Ticket 1", actor=operator)
    _, admin_link = await access.create_admin_link(
        organization_id=admin.organization_id, member_id=admin.id, actor=operator
    )
    after = await walk(access.console, microsoft, dana, visitor, link=admin_link, replaces=before.secret)
    assert await access.find_session(before.secret) is None
    assert after.session.viewed_organization_id is None
    unknown = await walk(access.console, microsoft, dana, visitor, replaces=Secret("nobody's"))
    assert await access.find_session(unknown.secret) is not None
