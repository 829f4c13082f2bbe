"""Openings of stored tokens that are asked for together: one commit, a record for each, and no shared fate."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.connections.conftest import PRIYA

from ostiary.core.connections.errors import ConnectionNotUsable
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.connections.stored_tokens import StoredTokens
from ostiary.core.kernel.errors import NotFound

if TYPE_CHECKING:
    from tests.unit.connections.conftest import World

    from ostiary.core.connections.model import Connection


async def opened_count(world: World, connection: Connection) -> int:
    async with world.transactions() as tx:
        page = await tx.audit.page(organization_id=None, what_prefix="vault.opened", object_id=connection.id)
    return len(page.items)


async def test_openings_asked_for_together_share_a_commit_and_each_has_its_record(world: World) -> None:
    connection = await world.connect()
    begun = 0

    def counted():
        nonlocal begun
        begun += 1
        return world.transactions()

    stored = StoredTokens(transactions=counted, clock=world.clock)
    before = await opened_count(world, connection)
    found = await asyncio.gather(
        *(stored.take(connection.id, newer_than=0, try_lost=False) for _ in range(12))
    )
    assert {each is not None and each[1].version for each in found} == {1}
    assert begun == 1
    assert await opened_count(world, connection) == before + 12
    # Nothing is left behind that would hold up the next one.
    assert await stored.take(connection.id, newer_than=0, try_lost=False) is not None
    assert begun == 2


async def test_one_that_may_not_be_used_stops_nobody_else_of_its_commit(world: World) -> None:
    good = await world.connect()
    paused = replace(
        good, id="con_paused", object_id=PRIYA, reference="OST-PAUSED", status=ConnectionStatus.PAUSED
    )
    async with world.transactions() as tx:
        await tx.connections.add(paused)
    stored = StoredTokens(transactions=world.transactions, clock=world.clock)
    before = await opened_count(world, paused)
    answers = await asyncio.gather(
        *(stored.take(each, newer_than=0, try_lost=False) for each in (paused.id, good.id, "con_nobody")),
        return_exceptions=True,
    )
    assert isinstance(answers[0], ConnectionNotUsable)
    assert isinstance(answers[1], tuple)
    assert isinstance(answers[2], NotFound)
    assert await opened_count(world, paused) == before


async def test_when_the_records_cannot_be_written_nobody_gets_anything(world: World) -> None:
    connection = await world.connect()

    class Unwritten(Exception):
        pass

    def failing():
        raise Unwritten

    stored = StoredTokens(transactions=failing, clock=world.clock)
    answers = await asyncio.gather(
        *(stored.take(connection.id, newer_than=0, try_lost=False) for _ in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [Unwritten] * 3


async def test_a_caller_that_gives_up_takes_nothing_from_the_others(world: World) -> None:
    connection = await world.connect()
    stored = StoredTokens(transactions=world.transactions, clock=world.clock)
    patient, hasty = (
        asyncio.create_task(stored.take(connection.id, newer_than=0, try_lost=False)) for _ in range(2)
    )
    await asyncio.sleep(0)
    hasty.cancel()
    assert await patient is not None
    with pytest.raises(asyncio.CancelledError):
        await hasty
