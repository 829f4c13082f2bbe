"""Turns within one process."""

from __future__ import annotations

import asyncio

from ostiary.core.governor.fair_turns import FairTurns


async def test_a_small_group_waits_for_one_turn_of_a_big_one_not_for_all() -> None:
    turns, order = FairTurns(1), list[str]()

    async def call(group: str) -> None:
        async with turns.turn(group):
            order.append(group)
            await asyncio.sleep(0)

    async with turns.turn("first"):
        tasks = [asyncio.create_task(call("big")) for _ in range(5)]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(call("small")))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == ["big", "small", "big", "big", "big", "big"]


async def test_a_caller_that_goes_away_takes_no_turn_with_it() -> None:
    turns = FairTurns(1)

    async def call() -> None:
        async with turns.turn("group"):
            await asyncio.sleep(0)

    async with turns.turn("group"):
        waits = asyncio.create_task(call())
        stays = asyncio.create_task(call())
        await asyncio.sleep(0)
        waits.cancel()
    # Cancelled at the very moment its turn came.
    late = asyncio.create_task(call())
    await asyncio.gather(waits, stays, late, return_exceptions=True)
    async with asyncio.timeout(1), turns.turn("group"):
        pass
