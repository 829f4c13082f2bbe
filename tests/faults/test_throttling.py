"""Microsoft slows us down or is out of order: we wait as told, for that mailbox alone, and lose nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from .conftest import ROUNDS
from .following import RunningFeed

SPELLINGS: dict[str, dict[str, Any]] = {
    "429-seconds": {"status": 429, "headers": {"Retry-After": "90"}},
    "429-date": {"status": 429, "headers": {"Retry-After": "date"}},
    "429-bare": {"status": 429},
    "503": {"status": 503},
    "503-seconds": {"status": 503, "headers": {"Retry-After": "90"}},
    "504": {"status": 504},
    "509": {"status": 509},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_slowed_down_mailboxes_wait_and_others_go_on(feed: RunningFeed, spelling: str) -> None:
    for _ in range(ROUNDS):
        rule = dict(SPELLINGS[spelling])
        if rule.get("headers", {}).get("Retry-After") == "date":
            # Read against the answer's own date, which is that of this machine.
            at = datetime.now(UTC) + timedelta(seconds=90)
            rule["headers"] = {"Retry-After": format_datetime(at, usegmt=True)}
        cursors = await feed.oracle.cursors(feed.victim.connection_id)
        grants = [(await feed.oracle.grant(each.connection_id))[0] for each in feed.both]
        async with feed.fault(**rule):
            await feed.victim.write()
            await feed.until_marked(feed.victim)
            await feed.step()
            asked = sum(feed.wire.asked.values())
            if "Retry-After" in rule.get("headers", {}):
                await feed.services.sync.read_due()
                await feed.step(by=timedelta(seconds=60))
                assert sum(feed.wire.asked.values()) == asked, "asked again before it may"
            await feed.under(steps=2, by=timedelta(seconds=40))
            assert await feed.oracle.cursors(feed.victim.connection_id) == cursors
        assert [(await feed.oracle.grant(each.connection_id))[0] for each in feed.both] == grants
        await feed.require_converged()
