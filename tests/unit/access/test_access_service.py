"""Operators, links, sessions and API keys on a real database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ostiary.core.access.model import API_PERMISSIONS, Permission, Role
from ostiary.core.access.service import AccessService
from ostiary.core.audit.model import Actor
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import InvalidRequest, NotFound, PermissionDenied
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import MemberRole
from ostiary.core.organizations.service import OrganizationService

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions


async def test_first_start_makes_one_link_and_the_second_start_none(access: AccessService) -> None:
    assert await access.ensure_first_operator() is not None
    assert await access.ensure_first_operator() is None


async def test_processes_that_start_together_make_one_operator(
    access: AccessService, transactions: SQLTransactions
) -> None:
    made = await asyncio.gather(*(access.ensure_first_operator() for _ in range(5)))
    assert sum(secret is not None for secret in made) == 1
    async with transactions() as transaction:
        assert await transaction.operators.count() == 1


async def test_looking_at_a_link_does_not_use_it_up(access: AccessService, visitor: Actor) -> None:
    secret = await access.ensure_first_operator()
    assert secret is not None
    for _ in range(3):
        assert await access.find_link(secret) is not None
    signed_in = await access.use_operator_link(secret, replaces=None, actor=visitor)
    assert signed_in.session.role is Role.OPERATOR
    assert await access.find_link(secret) is None


async def test_link_works_once_however_many_press_at_the_same_time(
    access: AccessService, visitor: Actor
) -> None:
    secret = await access.ensure_first_operator()
    assert secret is not None
    tries = await asyncio.gather(
        *(access.use_operator_link(secret, replaces=None, actor=visitor) for _ in range(6)),
        return_exceptions=True,
    )
    assert sum(not isinstance(each, BaseException) for each in tries) == 1
    assert sum(isinstance(each, PermissionDenied) for each in tries) == 5


async def test_expired_and_unknown_links_are_refused_alike_and_audited(
    access: AccessService, visitor: Actor, clock: MovableClock, transactions: SQLTransactions
) -> None:
    secret = await access.ensure_first_operator()
    assert secret is not None
    clock.advance(timedelta(hours=24))
    messages: set[str] = set()
    for tried in (secret, Secret("no-such-link")):
        with pytest.raises(PermissionDenied) as refusal:
            await access.use_operator_link(tried, replaces=None, actor=visitor)
        messages.add(refusal.value.message)
        assert refusal.value.reason == "link_expired"
    assert len(messages) == 1
    async with transactions() as transaction:
        records = (
            await transaction.audit.page(organization_id=None, what_prefix="console.sign_in_refused")
        ).items
    assert len(records) == 2


async def test_session_ends_after_half_an_hour_without_a_request(
    access: AccessService, visitor: Actor, clock: MovableClock
) -> None:
    secret = await _operator_session(access, visitor)
    clock.advance(timedelta(minutes=29))
    assert await access.find_session(secret) is not None
    clock.advance(timedelta(minutes=29))
    assert await access.find_session(secret) is not None
    clock.advance(timedelta(minutes=31))
    assert await access.find_session(secret) is None


async def test_session_ends_after_twelve_hours_however_busy(
    access: AccessService, visitor: Actor, clock: MovableClock
) -> None:
    secret = await _operator_session(access, visitor)
    for _ in range(36):
        clock.advance(timedelta(minutes=20))
        assert await access.find_session(secret) is not None
    clock.advance(timedelta(minutes=1))
    assert await access.find_session(secret) is None


async def test_signing_in_again_gives_a_new_session_and_kills_the_old_one(
    access: AccessService, visitor: Actor, operator: Actor
) -> None:
    first = await _operator_session(access, visitor)
    _, link = await access.create_operator_link(name=None, actor=operator)
    second = await access.use_operator_link(link, replaces=first, actor=visitor)
    assert second.secret != first
    assert await access.find_session(first) is None
    assert await access.find_session(second.secret) is not None


async def test_own_sessions_are_listed_and_ended_and_nobody_elses(
    access: AccessService, visitor: Actor, operator: Actor
) -> None:
    first = await _operator_session(access, visitor)
    _, link = await access.create_operator_link(name="Sam", actor=operator)
    sam = await access.use_operator_link(link, replaces=None, actor=visitor)
    vik = await access.find_session(first)
    assert vik is not None
    own = await access.list_sessions(vik)
    assert [session.id for session in own] == [vik.session_id]
    with pytest.raises(NotFound):
        await access.end_session(vik, sam.session.id, actor=visitor)
    await access.end_session(vik, vik.session_id or "", actor=visitor)
    assert await access.find_session(first) is None
    assert await access.find_session(sam.secret) is not None


async def test_session_secret_is_not_in_the_database(
    access: AccessService, visitor: Actor, transactions: SQLTransactions
) -> None:
    from sqlalchemy import text

    secret = await _operator_session(access, visitor)
    async with transactions() as transaction:
        rows = await transaction._connection.execute(
            text("SELECT console_sessions::text FROM console_sessions")
        )
        stored = " ".join(rows.scalars())
    assert secret.reveal() not in stored
    assert secret.reveal().encode().hex() not in stored


async def test_operator_looks_at_a_customer_only_with_a_reason_that_the_customer_can_read(
    access: AccessService,
    organizations: OrganizationService,
    visitor: Actor,
    operator: Actor,
    transactions: SQLTransactions,
) -> None:
    customer, _ = await organizations.create(external_id="hv", name="Harbour & Vale", actor=operator)
    secret = await _operator_session(access, visitor)
    vik = await access.find_session(secret)
    assert vik is not None
    assert vik.organization_id is None
    with pytest.raises(InvalidRequest):
        await access.view_customer(vik, organization_id=customer.id, reason="  ", actor=operator)
    await access.view_customer(vik, organization_id=customer.id, reason="Ticket 4711", actor=operator)
    looking = await access.find_session(secret)
    assert looking is not None
    assert looking.organization_id == customer.id
    assert not looking.may(Permission.CONSOLE_MANAGE)
    async with transactions() as transaction:
        records = (await transaction.audit.page(organization_id=customer.id, what_prefix="operator.")).items
    assert "Ticket 4711" in records[0].sentence
    await access.stop_viewing(looking, actor=operator)
    back = await access.find_session(secret)
    assert back is not None
    assert back.organization_id is None


async def test_admin_link_is_only_for_organization_admins(
    access: AccessService, organizations: OrganizationService, operator: Actor
) -> None:
    customer, _ = await organizations.create(external_id="hv", name="Harbour & Vale", actor=operator)
    tom, _ = await organizations.add_member(
        organization_id=customer.id,
        external_id="tom",
        email="tom.ellis@harbourvale.example",
        display_name="Tom Ellis",
        actor=operator,
    )
    with pytest.raises(InvalidRequest):
        await access.create_admin_link(organization_id=customer.id, member_id=tom.id, actor=operator)
    await organizations.set_role(
        tom.id, MemberRole.ORGANIZATION_ADMIN, organization_id=customer.id, actor=operator
    )
    link, secret = await access.create_admin_link(
        organization_id=customer.id, member_id=tom.id, actor=operator
    )
    with pytest.raises(PermissionDenied):
        await access.use_operator_link(secret, replaces=None, actor=operator)
    assert link.role is Role.ORGANIZATION_ADMIN
    assert await access.find_link(secret) is not None


async def test_api_key_opens_what_it_was_given_and_is_stored_only_as_a_hash(
    access: AccessService, operator: Actor
) -> None:
    key, text = await access.create_api_key(name="reports", permissions=[Permission.API_READ], actor=operator)
    caller = await access.authenticate_api_key(text)
    assert caller is not None
    assert caller.role is Role.API_KEY
    assert caller.may(Permission.API_READ)
    assert not caller.may(Permission.API_MANAGE)
    (stored,) = await access.list_api_keys()
    assert text.reveal().encode() not in stored.secret_hash
    assert len(stored.secret_hash) == 32
    assert stored.id == key.id


async def test_api_key_stops_at_its_end_and_at_once_when_revoked(
    access: AccessService, operator: Actor, clock: MovableClock
) -> None:
    key, text = await access.create_api_key(
        name="a", permissions=API_PERMISSIONS, life=timedelta(days=1), actor=operator
    )
    _, other = await access.create_api_key(name="b", permissions=API_PERMISSIONS, actor=operator)
    await access.revoke_api_key(key.id, actor=operator)
    assert await access.authenticate_api_key(text) is None
    assert await access.authenticate_api_key(other) is not None
    clock.advance(timedelta(days=90))
    assert await access.authenticate_api_key(other) is None


async def test_api_key_with_another_secret_or_id_is_refused(access: AccessService, operator: Actor) -> None:
    from ostiary.core.access.api_key import write_key

    key, _ = await access.create_api_key(name="a", permissions=API_PERMISSIONS, actor=operator)
    forged, _ = write_key(key.id, b"x" * 32)
    unknown, _ = write_key("key_" + "0" * 26, b"x" * 32)
    assert await access.authenticate_api_key(forged) is None
    assert await access.authenticate_api_key(unknown) is None
    assert await access.authenticate_api_key(Secret("ost_nonsense")) is None


@pytest.mark.parametrize(
    ("name", "permissions", "life"),
    [
        ("", API_PERMISSIONS, timedelta(days=1)),
        ("a", frozenset[Permission](), timedelta(days=1)),
        ("a", frozenset({Permission.OPERATOR_MANAGE}), timedelta(days=1)),
        ("a", API_PERMISSIONS, timedelta(days=366)),
        ("a", API_PERMISSIONS, timedelta(0)),
    ],
)
async def test_api_key_that_may_not_exist_is_refused(
    access: AccessService, operator: Actor, name: str, permissions: frozenset[Permission], life: timedelta
) -> None:
    with pytest.raises(InvalidRequest):
        await access.create_api_key(name=name, permissions=permissions, life=life, actor=operator)


async def test_last_use_of_a_key_is_kept_to_the_minute(
    access: AccessService, operator: Actor, clock: MovableClock
) -> None:
    _, text = await access.create_api_key(name="a", permissions=API_PERMISSIONS, actor=operator)
    first = clock.now()
    await access.authenticate_api_key(text)
    clock.advance(timedelta(seconds=30))
    await access.authenticate_api_key(text)
    (key,) = await access.list_api_keys()
    assert key.last_used_at == first
    clock.advance(timedelta(minutes=2))
    await access.authenticate_api_key(text)
    (key,) = await access.list_api_keys()
    assert key.last_used_at == clock.now()


async def _operator_session(access: AccessService, visitor: Actor) -> Secret:
    link = await access.ensure_first_operator()
    assert link is not None
    return (await access.use_operator_link(link, replaces=None, actor=visitor)).secret


async def test_closing_what_nobody_looks_at_writes_nothing(
    access: AccessService, visitor: Actor, operator: Actor, transactions: SQLTransactions
) -> None:
    secret = await _operator_session(access, visitor)
    vik = await access.find_session(secret)
    assert vik is not None
    await access.stop_viewing(vik, actor=operator)
    async with transactions() as transaction:
        page = await transaction.audit.page(organization_id=None, what_prefix="operator.viewing")
    assert page.items == ()


async def test_a_denial_is_on_record_with_what_was_asked_for(
    access: AccessService, visitor: Actor, transactions: SQLTransactions
) -> None:
    vik = await access.find_session(await _operator_session(access, visitor))
    assert vik is not None
    await access.record_denial(vik, Permission.CONSOLE_MANAGE, actor=visitor)
    async with transactions() as transaction:
        (record,) = (await transaction.audit.page(organization_id=None, what_prefix="access.denied")).items
    assert (record.outcome, record.object_id) == ("refused", vik.session_id)
    assert Permission.CONSOLE_MANAGE.value in record.sentence


async def test_a_link_without_a_name_is_for_the_only_operator(access: AccessService, operator: Actor) -> None:
    first, _ = await access.create_operator_link(name=None, actor=operator)
    again, _ = await access.create_operator_link(name=None, actor=operator)
    assert first.subject_id == again.subject_id
    second, _ = await access.create_operator_link(name="  Sam ", actor=operator)
    assert second.subject_id != first.subject_id
    same, _ = await access.create_operator_link(name="Sam", actor=operator)
    assert same.subject_id == second.subject_id
    with pytest.raises(InvalidRequest, match="say which one") as raised:
        await access.create_operator_link(name=None, actor=operator)
    assert raised.value.field == "name"


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
async def test_what_is_no_name_makes_no_operator(access: AccessService, operator: Actor, name: str) -> None:
    with pytest.raises(InvalidRequest, match="100 characters"):
        await access.create_operator_link(name=name, actor=operator)
