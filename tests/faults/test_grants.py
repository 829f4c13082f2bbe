"""Microsoft, or a person, ends a grant while a mailbox is followed; or a mailbox is closed for hours."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from ostiary.core.audit.model import SYSTEM

from .conftest import ROUNDS
from .following import RESYNC, Followed, RunningFeed

REFUSALS: dict[str, dict[str, Any]] = {
    "password-changed": {"error": "invalid_grant", "error_codes": [50173]},
    "unused-too-long": {"error": "invalid_grant", "error_codes": [700082]},
    "more-proof-wanted": {
        "error": "interaction_required",
        "suberror": "basic_action",
        "error_codes": [50076],
    },
    "account-disabled": {"error": "invalid_grant", "error_codes": [50057]},
    "consent-withdrawn": {"error": "invalid_grant", "suberror": "consent_required", "error_codes": [65001]},
}
CLOSED = {
    "access-denied": (403, "ErrorAccessDenied"),
    "mailbox-gone": (404, "MailboxNotEnabledForRESTAPI"),
}


async def told(feed: RunningFeed, whose: Followed) -> list[str]:
    events = await feed.oracle.feed(whose.connection_id)
    return [
        event["type"]
        for event in events
        if event["type"].startswith("connection.") and not event["type"].endswith("synced")
    ]


async def status(feed: RunningFeed, whose: Followed) -> str:
    return str(await feed.oracle.value("SELECT status FROM connections WHERE id = :c", c=whose.connection_id))


async def require_current(feed: RunningFeed, whose: Followed) -> None:
    """Whoever has no trouble is served on."""
    assert await status(feed, whose) == "connected"
    known = await feed.oracle.projection(whose.connection_id, "mail")
    assert known == await whose.mailbox.messages()


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_grant_that_was_ended_is_told_once_and_what_was_missed_is_read_after_it_is_back(
    feed: RunningFeed, name: str
) -> None:
    victim = feed.victim

    def refreshing(request: web.Request) -> bool:
        asked = request._read_bytes or b""
        return victim.customer.tenant_id in request.path and b"grant_type=refresh_token" in asked

    async def refuse(_: web.Request, __: bytes) -> web.StreamResponse:
        number = REFUSALS[name]["error_codes"][0]
        answer = {**REFUSALS[name], "error_description": f"AADSTS{number}: It was ended.", "timestamp": ""}
        return web.json_response(answer, status=400)

    for _ in range(ROUNDS):
        before = len(await told(feed, victim))
        projection = await feed.oracle.projection(victim.connection_id, "mail")
        with feed.wire.poison(refuse, where=refreshing, is_asked=False):
            # The access token has run out: from here on everything depends on the grant.
            await feed.move_clocks(timedelta(hours=2))
            await feed.under(steps=3, by=timedelta(hours=2))
            ended = "waiting_for_approval" if name == "consent-withdrawn" else "needs_sign_in"
            assert await status(feed, victim) == ended
            await require_current(feed, feed.neighbour)
            kept = await feed.oracle.projection(victim.connection_id, "mail")
            assert kept == projection, "what is known of a mailbox that cannot be read stays as it was"
        assert (await told(feed, victim))[before:] == [f"connection.{ended}"]
        # Somebody mended it at Microsoft, and presses *Check now* here.
        await feed.services.connections.check(victim.connection_id, organization_id=None, actor=SYSTEM)
        assert await status(feed, victim) == "connected"
        await feed.count_refreshes(victim)
        await feed.require_converged()


@pytest.mark.parametrize("name", CLOSED)
async def test_a_mailbox_that_is_closed_for_hours_is_left_as_it_is_known_and_read_when_it_opens(
    feed: RunningFeed, name: str
) -> None:
    for _ in range(ROUNDS):
        code, word = CLOSED[name]
        projection = await feed.oracle.projection(feed.victim.connection_id, "mail")
        body = json.dumps({"error": {"code": word, "message": "Closed."}})
        async with feed.fault(status=code, body=body, headers={"Content-Type": "application/json"}):
            await feed.under(steps=4, by=timedelta(hours=2))
            assert await feed.oracle.projection(feed.victim.connection_id, "mail") == projection
            await require_current(feed, feed.neighbour)
        for _ in range(3):
            await feed.step(by=RESYNC)
        await feed.require_converged()
