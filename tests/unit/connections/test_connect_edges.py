"""Connecting where two things happen at once, or something ended meanwhile (SR-19 to SR-23, SR-50)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.connections.errors import Frozen
from ostiary.core.connections.freeze import Freezes, FreezeScope
from ostiary.core.connections.model import ConnectionStatus, ConnectSessionState
from ostiary.core.consent.permissions import token_scopes
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import (
    Conflict,
    FlowRejected,
    MailboxMissing,
    NotFound,
    TemporarilyUnavailable,
)
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Member, MemberRole

ACTOR = Actor(ActorKind.API_KEY, id="key_1")
TENANT = "11111111-aaaa-4bbb-8ccc-000000000001"
TOM = "aaaaaaaa-0000-4000-8000-00000000000a"


async def view(world, outcome):
    return await world.service.view(outcome.reference, browser_secret=world.browser)


async def connections_of(world) -> int:
    return len(await world.service.list_for_member(world.tom.id, organization_id="org_1"))


async def freeze(world) -> None:
    freezes = Freezes(transactions=world.transactions, clock=world.clock)
    assert await freezes.freeze(FreezeScope.ORGANIZATION, "org_1", note="stolen laptop", actor=ACTOR)


def during_the_exchange(world, act) -> None:
    """Let ``act`` happen while the next code is exchanged."""
    exchange = world.microsoft.redeem_code

    async def and_meanwhile(*args, **asked):
        world.microsoft.redeem_code = exchange
        await act()
        return await exchange(*args, **asked)

    world.microsoft.redeem_code = and_meanwhile


async def test_nobody_is_sent_to_microsoft_for_what_the_operator_stopped(world) -> None:
    session = await world.session()
    await freeze(world)
    with pytest.raises(Frozen) as refused:
        await world.start(session)
    assert refused.value.reason == "frozen"
    assert world.microsoft.authorize_calls == []


async def test_a_return_after_the_operator_stopped_it_exchanges_nothing(world) -> None:
    state = await world.start(await world.session())
    await freeze(world)
    outcome = await world.come_back(state)
    seen = (await view(world, outcome)).session
    assert (seen.state, seen.reason, seen.account) == (ConnectSessionState.FAILED, "frozen", None)
    assert world.microsoft.exchanges == []


async def test_a_code_that_is_not_good_connects_nothing(world) -> None:
    state = await world.start(await world.session())
    outcome = await world.come_back(state, FlowRejected("x", reason="session_lost"))
    seen = (await view(world, outcome)).session
    assert (seen.state, seen.reason) == (ConnectSessionState.FAILED, "session_lost")
    assert await connections_of(world) == 0


async def test_of_two_tabs_the_first_connects_and_the_second_shows_where_that_led(world) -> None:
    session = await world.session()
    first, second = await world.start(session), await world.start(session)
    led: list[object] = []

    async def first_tab() -> None:
        led.append(await world.come_back(first))

    during_the_exchange(world, first_tab)
    outcome = await world.come_back(second)
    assert (outcome.state, outcome.vendor_address) == (ConnectSessionState.RETURNED, None)
    assert len(led) == 1
    assert await connections_of(world) == 1
    assert await world.has_token((await view(world, outcome)).connection.id)


async def test_a_tab_that_fails_late_does_not_undo_the_one_that_connected(world) -> None:
    session = await world.session()
    first, second = await world.start(session), await world.start(session)

    async def first_tab() -> None:
        await world.come_back(first)

    during_the_exchange(world, first_tab)
    outcome = await world.come_back(second, world.microsoft.tokens(scopes=["openid"]))
    assert outcome.state is ConnectSessionState.RETURNED
    seen = await view(world, outcome)
    assert (seen.session.reason, seen.connection.status) == (None, ConnectionStatus.UNCONFIRMED)
    assert "connect.refused" not in await world.audit("connect.")


async def test_a_connection_that_was_ended_meanwhile_is_not_renewed(world) -> None:
    connection = await world.connect()
    session = await world.session(connection_id=connection.id)
    state = await world.start(session)

    async def disconnect() -> None:
        await world.service.disconnect(connection.id, organization_id="org_1", actor=ACTOR)

    during_the_exchange(world, disconnect)
    outcome = await world.come_back(state)
    assert (await view(world, outcome)).session.reason == "unknown"
    assert (await world.reread(connection)).status is ConnectionStatus.DISCONNECTED
    assert not await world.has_token(connection.id)


async def test_a_mailbox_that_another_member_connects_at_the_same_moment_stays_theirs(world) -> None:
    async with world.transactions() as tx:
        await tx.members.add(
            Member(
                "mem_2",
                "org_1",
                "u2",
                "priya.nair@harbourvale.example",
                "Priya Nair",
                MemberRole.MEMBER,
                True,
                world.clock.now(),
            )
        )
    state = await world.start(await world.session(return_url=None))
    sealing = world.service.flow._keeper._seal

    async def and_meanwhile(connection, proven, version):
        world.service.flow._keeper._seal = sealing
        async with world.transactions() as tx:
            await tx.connections.add(
                replace(
                    connection,
                    id="con_2",
                    member_id="mem_2",
                    reference="CN-0000-0002",
                    status=ConnectionStatus.CONNECTED,
                )
            )
        return await sealing(connection, proven, version)

    world.service.flow._keeper._seal = and_meanwhile
    outcome = await world.come_back(state)
    assert (await view(world, outcome)).session.reason == "mailbox_in_use"
    assert await connections_of(world) == 0


async def test_another_account_cannot_be_used_from_another_browser_or_once_it_is_over(world) -> None:
    await world.save_member(email="t.ellis@elsewhere.example")
    outcome = await world.come_back(await world.start(await world.session()))
    with pytest.raises(NotFound):
        await world.service.flow.use_account(outcome.reference, browser_secret=Secret("x" * 40), actor=ACTOR)
    connection = (await view(world, outcome)).connection
    async with world.transactions() as tx:
        await tx.connections.save(replace(connection, status=ConnectionStatus.DISCONNECTED))
    with pytest.raises(Conflict):
        await world.service.flow.use_account(outcome.reference, browser_secret=world.browser, actor=ACTOR)


async def test_why_a_part_was_left_out_is_still_known_when_the_same_part_is_renewed(world) -> None:
    world.probe.fail_part("calendar", MailboxMissing("x", reason="mailbox_missing"))
    connection = await world.connect()
    assert (connection.calendar, connection.left_out_reason) == (False, "mailbox_missing")
    session = await world.session(connection_id=connection.id)
    outcome = await world.come_back(await world.start(session, calendar=False))
    renewed = (await view(world, outcome)).connection
    assert (renewed.id, renewed.left_out_reason) == (connection.id, "mailbox_missing")


async def test_one_thing_alone_is_not_connected_where_it_does_not_answer(world) -> None:
    world.probe.fail_part("mail", TemporarilyUnavailable("x", reason="microsoft_down"))
    outcome = await world.come_back(await world.start(await world.session(), calendar=False))
    assert (await view(world, outcome)).session.reason == "microsoft_down"
    assert await connections_of(world) == 0


async def test_a_wrong_account_is_what_is_said_even_where_it_has_no_mailbox(world) -> None:
    world.probe.remove(TOM)
    await world.save_member(email="t.ellis@elsewhere.example")
    outcome = await world.come_back(await world.start(await world.session()))
    assert (await view(world, outcome)).session.reason == "account_mismatch"


@pytest.mark.parametrize(("left_out", "told"), [(None, 1), ("missing_permission", 0)])
async def test_others_who_wait_are_told_only_of_an_approval_that_covers_everything(
    world, left_out, told
) -> None:
    scopes = list(token_scopes(AccessMethod.GRAPH))
    session = await world.session(return_url=None)
    if left_out:
        scopes = [scope for scope in scopes if "Calendars" not in scope]
        await world.come_back(await world.start(session), world.microsoft.tokens(scopes=scopes))
    state = await world.start(session, calendar=left_out is None)
    outcome = await world.come_back(state, world.microsoft.tokens(scopes=scopes))
    assert outcome.state is ConnectSessionState.CONFIRMED
    async with world.transactions() as tx:
        waiting = await tx.jobs._connection.execute(
            text("SELECT args->>'member_id' FROM procrastinate_jobs WHERE task_name = 'approvals.resolve'")
        )
    assert list(waiting.scalars()) == [world.tom.id] * told


async def test_the_vendors_server_sees_what_became_of_its_session(world) -> None:
    session = await world.session()
    assert (await world.service.sessions.get(session.session.id)).state is ConnectSessionState.OPEN
    with pytest.raises(NotFound):
        await world.service.sessions.get("cs_nobody_made")
