"""Every change of state of a connection is told once, in the transaction that stores it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.announcing import EVENT_OF, change_event
from ostiary.core.connections.machine import TRANSITIONS, transition
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.feed.model import FeedEventType
from ostiary.core.kernel.errors import AccessBlocked, ReauthorizationRequired


async def told(transactions, stream_id: str) -> list[tuple[str, str | None]]:
    async with transactions() as tx:
        events = await tx.feed.read(stream_id, after=0, limit=100)
    return [(event.type.value, event.data["reason"]) for event in events]


async def test_a_connection_tells_what_becomes_of_it(world) -> None:
    connection = await world.connect()
    blocked = AccessBlocked("x", reason="ews_off")
    lost = ReauthorizationRequired("x")

    async def check(*errors) -> None:
        world.clock.advance(timedelta(minutes=1))
        world.probe.fail_next(*errors)
        await world.service.check(connection.id, organization_id="org_1", actor=SYSTEM)

    await check()
    await check(blocked, blocked)
    await check(blocked, blocked)
    await check(lost, lost)
    await check()
    await world.service.pause(connection.id, organization_id="org_1", actor=SYSTEM, reason="no_licence")
    await world.service.pause(connection.id, organization_id="org_1", actor=SYSTEM)
    world.clock.advance(timedelta(minutes=1))
    await world.service.resume(connection.id, organization_id="org_1", actor=SYSTEM)
    await world.service.disconnect(connection.id, organization_id="org_1", actor=SYSTEM)
    await world.service.disconnect(connection.id, organization_id="org_1", actor=SYSTEM)

    assert await told(world.transactions, connection.id) == [
        ("connection.connected", None),
        ("connection.failing", "ews_off"),
        ("connection.needs_sign_in", "sign_in_needed"),
        ("connection.connected", None),
        ("connection.paused", "no_licence"),
        ("connection.connected", None),
        ("connection.disconnected", None),
    ]


async def test_every_state_people_hear_of_has_its_event(world) -> None:
    connection: Connection = await world.connect()
    for (status, event), target in TRANSITIONS.items():
        before = replace(connection, status=status)
        after = transition(before, event, now=world.clock.now())
        told_of = change_event(before, after)
        if status is ConnectionStatus.UNCONFIRMED and target is not ConnectionStatus.CONNECTED:
            assert told_of is None, "nobody was told that it began"
        elif target is status or target is ConnectionStatus.UNCONFIRMED:
            assert told_of is None
        else:
            assert told_of is not None
            assert told_of.type is EVENT_OF[target]
    assert {kind for kind in FeedEventType if kind.value.startswith("connection.")} == {
        *EVENT_OF.values(),
        FeedEventType.CONNECTION_SYNCED,
    }
