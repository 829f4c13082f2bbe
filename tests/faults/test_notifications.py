"""Notifications that come twice, late, in disorder, for somebody else, or never; subscriptions that are gone."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from .conftest import ROUNDS
from .following import RunningFeed

NO_CONDITION: dict[str, Any] = {"route": "*", "mailbox": None}


@pytest.mark.parametrize(
    ("what", "probability"),
    [
        ("drop", 0.01),
        ("drop", 0.1),
        ("drop", 0.3),
        ("drop", 1.0),
        ("double", 1.0),
        ("shuffle", 0.6),
        ("late", 0.5),
    ],
)
async def test_however_notifications_come_the_feed_is_whole_after_a_sweep(
    feed: RunningFeed, what: str, probability: float
) -> None:
    for turn in range(ROUNDS):
        rule = {**NO_CONDITION, "notification": what, "probability": probability, "seed": turn + 1}
        if what == "late":
            rule["late_seconds"] = 0.3
        made = feed.emulator.control("POST", "/faults", rule)
        await feed.under(steps=3)
        feed.emulator.control("DELETE", f"/faults/{made['id']}")
        await feed.require_converged()


async def own_subscriptions(feed: RunningFeed) -> list[dict[str, Any]]:
    return await feed.oracle.rows(
        "SELECT id, microsoft_id, connection_id, source, tenant_id FROM graph_subscriptions ORDER BY id"
    )


async def test_posts_of_strangers_change_nothing_and_learn_nothing(feed: RunningFeed) -> None:
    paths = feed.services.notifications._paths
    for _ in range(ROUNDS):
        before = await feed.oracle.rows("SELECT connection_id, source, mark FROM sync_states ORDER BY 1, 2")
        ours = await own_subscriptions(feed)
        async with httpx.AsyncClient(trust_env=False, timeout=10) as stranger:
            for one in ours:
                url = paths.url(one["id"])
                everybody = [
                    {
                        "subscriptionId": each["microsoft_id"],
                        "clientState": "guessed",
                        "tenantId": each["tenant_id"],
                        "changeType": "updated",
                        "resource": "Users/x/Messages/y",
                        "resourceData": {"@odata.type": "#Microsoft.Graph.Message", "id": "AAkA"},
                    }
                    for each in ours
                ]
                # All tenants in one batch, each with a wrong secret: acknowledged like any, and dropped.
                assert (await stranger.post(url, json={"value": everybody * 10})).status_code == 202
                unknown = urlsplit(url)._replace(path="/notifications/graph/sub_unknown.AAAA").geturl()
                assert (await stranger.post(unknown, json={"value": everybody})).status_code == 404
        after = await feed.oracle.rows("SELECT connection_id, source, mark FROM sync_states ORDER BY 1, 2")
        assert after == before
        await feed.write()
        await feed.require_converged()


@pytest.mark.parametrize("event", ["missed", "reauthorizationRequired", "subscriptionRemoved"])
async def test_a_storm_over_all_subscriptions_at_once_is_weathered(feed: RunningFeed, event: str) -> None:
    for _ in range(ROUNDS):
        await feed.write()
        there = feed.emulator.control("GET", "/subscriptions")["graph"]
        assert len(there) == 4
        for one in there:
            feed.emulator.control("POST", f"/subscriptions/{one['id']}/lifecycle", {"event": event})
        await heard(feed, event, len(there))
        asked = feed.wire.asked.total()
        await feed.under(steps=2, by=timedelta(minutes=6))
        assert feed.wire.asked.total() - asked < 200
        await feed.require_converged()
        await require_subscribed(feed)


async def heard(feed: RunningFeed, event: str, count: int) -> None:
    """Wait until Microsoft has told us, and we have said that we know."""
    async with asyncio.timeout(20):
        while True:
            sent = feed.emulator.control("GET", "/notifications")["notifications"]
            if sum(each["summary"].count(event) for each in sent if each["status"] == 202) >= count:
                return
            await asyncio.sleep(0.05)


async def require_subscribed(feed: RunningFeed) -> None:
    """One live subscription for each source, the same ones that Microsoft has."""
    there = {each["id"] for each in feed.emulator.control("GET", "/subscriptions")["graph"]}
    assert {each["microsoft_id"] for each in await own_subscriptions(feed)} == there
    assert len(there) == 4


async def test_subscriptions_that_ran_out_unseen_are_made_anew_and_the_gap_is_read(feed: RunningFeed) -> None:
    for _ in range(ROUNDS):
        before = {each["microsoft_id"] for each in await own_subscriptions(feed)}
        # Nobody works for longer than a subscription lives, and people write meanwhile.
        await feed.move_clocks(timedelta(days=8))
        await feed.write()
        assert feed.emulator.control("GET", "/subscriptions")["graph"] == []
        await feed.require_converged()
        await require_subscribed(feed)
        assert not before & {each["microsoft_id"] for each in await own_subscriptions(feed)}


async def test_subscriptions_that_nobody_knows_are_gone_after_a_sweep(feed: RunningFeed) -> None:
    for _ in range(ROUNDS):
        (one, *_) = await own_subscriptions(feed)
        await feed.oracle.change("DELETE FROM graph_subscriptions WHERE id = :id", id=one["id"])
        await feed.write()
        await feed.under(steps=1, by=timedelta(minutes=6))
        assert len(feed.emulator.control("GET", "/subscriptions")["graph"]) == 5
        await feed.step(by=timedelta(hours=25))
        assert await feed.services.subscriptions.audit() == 1
        await feed.require_converged()
        await require_subscribed(feed)
