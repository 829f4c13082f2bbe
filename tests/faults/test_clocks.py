"""Our clock jumps, and Microsoft's does not: no lease ends early for good, nothing is lost or told twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from .conftest import ROUNDS
from .following import RunningFeed

JUMPS = {
    "an-hour-on": timedelta(hours=1),
    "an-hour-back": timedelta(hours=-1),
    "a-day-on": timedelta(days=1),
    "a-second-back": timedelta(seconds=-1),
}


@pytest.mark.parametrize("name", JUMPS)
async def test_a_clock_that_jumps_loses_nothing(feed: RunningFeed, name: str) -> None:
    for _ in range(ROUNDS):
        await feed.write()
        feed.clock.advance(JUMPS[name])
        await feed.under(steps=2, by=timedelta(seconds=5))
        feed.clock.advance(-JUMPS[name])
        await feed.under(steps=1, by=timedelta(seconds=5))
        if JUMPS[name] > timedelta(0):
            # What was planned by the wrong clock lies as far ahead as it jumped.
            await feed.step(by=JUMPS[name])
        await feed.require_converged()
