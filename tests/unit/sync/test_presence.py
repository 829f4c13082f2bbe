"""What a process that died had claimed is free again at once; one that lives is never robbed, however slow it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.adapters.sql.processes import SQLLifeSign
from ostiary.adapters.sql.unit_of_work import SQLTransactions
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SystemEntropy
from ostiary.core.kernel.presence import Presence
from ostiary.core.sync.errors import Overtaken
from ostiary.core.sync.model import CLAIM_LIFE, Claim, Source


@dataclass
class World:
    """Processes of one database, and a mailbox that one of them reads."""

    transactions: SQLTransactions
    clock: MovableClock
    database: AsyncEngine

    def process(self) -> Presence:
        url = self.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return Presence(
            transactions=self.transactions,
            clock=self.clock,
            entropy=SystemEntropy(),
            life=SQLLifeSign(conninfo=url, keywords={"connect_timeout": 5}),
        )

    async def claim(self, process: Presence) -> Claim | None:
        now = self.clock.now()
        async with self.transactions() as tx:
            claimed = await tx.sync.claim(
                holder=process.id, now=now, until=now + CLAIM_LIFE, limit=1, sweep_before=now
            )
        return claimed[0] if claimed else None

    async def registered(self, process: Presence, locked: AsyncExitStack) -> None:
        """Make a process known as one that lives, until ``locked`` is closed: as if it were killed then."""
        await locked.enter_async_context(process._life.held(process._lock_key))
        async with self.transactions() as tx:
            await tx.processes.add(process.id, lock_key=process._lock_key, now=self.clock.now())

    async def count(self, table: str, where: str) -> int:
        async with self.database.connect() as connection:
            return (
                await connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}"))
            ).scalar_one()


@pytest_asyncio.fixture
async def world(transactions: SQLTransactions, clock: MovableClock, database: AsyncEngine) -> World:
    async with transactions() as tx:
        await tx.sync.ensure(
            connection_id="con_1",
            organization_id="org_1",
            source=Source.MAIL,
            method=AccessMethod.GRAPH,
            backfill_since=None,
            now=clock.now(),
        )
    return World(transactions, clock, database)


@pytest_asyncio.fixture
async def killable() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def test_what_a_dead_process_read_is_read_by_another_at_its_second_look(
    world: World, killable: AsyncExitStack
) -> None:
    dead, alive = world.process(), world.process()
    await world.registered(dead, killable)
    claim = await world.claim(dead)
    assert claim is not None
    assert await world.claim(alive) is None
    await killable.aclose()
    assert await alive.look() == 0, "perhaps it only lost its line for a moment"
    assert await alive.look() == 1
    assert await world.claim(alive) is not None
    assert await world.count("processes", "true") == 0


async def test_a_live_process_keeps_its_claim_however_slow_it_is(
    world: World, killable: AsyncExitStack
) -> None:
    slow, alive = world.process(), world.process()
    await world.registered(slow, killable)
    claim = await world.claim(slow)
    for _ in range(5):
        world.clock.advance(timedelta(seconds=30))
        assert await alive.look() == 0
    assert await world.claim(alive) is None
    async with world.transactions() as tx:
        assert claim is not None
        await tx.sync.hold(claim)


async def test_one_whose_line_broke_and_came_back_is_not_robbed(
    world: World, killable: AsyncExitStack
) -> None:
    process, alive = world.process(), world.process()
    await world.registered(process, killable)
    await world.claim(process)
    await killable.aclose()
    await alive.look()
    async with AsyncExitStack() as again:
        await world.registered(process, again)
        assert [await alive.look() for _ in range(3)] == [0, 0, 0]
    assert await world.claim(alive) is None


async def test_whoever_was_taken_for_dead_writes_nothing_more(world: World, killable: AsyncExitStack) -> None:
    robbed, alive = world.process(), world.process()
    await world.registered(robbed, killable)
    claim = await world.claim(robbed)
    assert claim is not None
    await killable.aclose()
    await alive.look()
    await alive.look()
    with pytest.raises(Overtaken):
        async with world.transactions() as tx:
            await tx.sync.hold(claim)
    now = world.clock.now()
    async with world.transactions() as tx:
        assert not await tx.sync.finish(claim, next_at=now, covered=True, live=True, now=now)


async def test_a_claim_that_ran_out_and_was_made_anew_by_the_same_process_is_another_one(
    world: World,
) -> None:
    process = world.process()
    first = await world.claim(process)
    world.clock.advance(CLAIM_LIFE)
    second = await world.claim(process)
    assert first is not None
    assert second is not None
    async with world.transactions() as tx:
        await tx.sync.hold(second)
        with pytest.raises(Overtaken):
            await tx.sync.hold(first)


async def test_a_mailbox_that_brings_processes_down_has_to_wait(world: World) -> None:
    alive = world.process()
    for _ in range(2):
        async with AsyncExitStack() as killable:
            dead = world.process()
            await world.registered(dead, killable)
            assert await world.claim(dead) is not None
        await alive.look()
        await alive.look()
    assert await world.claim(alive) is None
    world.clock.advance(timedelta(minutes=1))
    assert await world.claim(alive) is not None


async def test_a_process_that_ends_in_order_leaves_nothing_claimed(world: World) -> None:
    process = world.process()
    async with process.shown():
        assert await world.count("processes", "true") == 1
        async with process.shown():
            await world.claim(process)
        assert await world.count("processes", "true") == 1, "its other part works on"
    assert await world.count("processes", "true") == 0
    assert await world.count("sync_states", "lease_holder IS NOT NULL") == 0
