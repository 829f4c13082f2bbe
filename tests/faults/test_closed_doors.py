"""Microsoft refuses for a moment, or our keys and records are away: queues hold, no grant is given up (SR-39, SR-47)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from ostiary.core.kernel.errors import TemporarilyUnavailable

from .conftest import ROUNDS
from .following import RunningFeed

REFUSALS: dict[str, dict[str, Any]] = {
    "401": {"status": 401},
    "claims-challenge": {
        "status": 401,
        "headers": {
            "WWW-Authenticate": 'Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="'
        },
    },
    "403": {"status": 403},
    "404": {"status": 404},
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_that_passes_costs_no_grant(feed: RunningFeed, name: str) -> None:
    for _ in range(ROUNDS):
        projection = await feed.oracle.projection(feed.victim.connection_id, "mail")
        async with feed.fault(**REFUSALS[name], count=1, route="GET /v1.0/me/mailfolders*"):
            await feed.victim.write()
            await feed.step(by=timedelta(hours=7))
        known = await feed.oracle.projection(feed.victim.connection_id, "mail")
        assert known.keys() & projection.keys(), "a refusal emptied the projection"
        await feed.require_converged()


@asynccontextmanager
async def without_keys(feed: RunningFeed, patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    async def away(*_: object, **__: object) -> bytes:
        raise TemporarilyUnavailable("The key service does not answer.")

    with patch.context() as now:
        now.setattr(feed.services.vault._keys, "unwrap", away)
        now.setattr(feed.services.vault._keys, "wrap", away)
        yield


@asynccontextmanager
async def without_records(feed: RunningFeed, patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    del patch
    await feed.oracle.change(
        "CREATE FUNCTION sink_full() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
    )
    await feed.oracle.change(
        "CREATE TRIGGER sink_full BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION sink_full()"
    )
    try:
        yield
    finally:
        await feed.oracle.change("DROP TRIGGER sink_full ON audit_records")
        await feed.oracle.change("DROP FUNCTION sink_full()")


DOORS = {"key-service-down": without_keys, "audit-sink-full": without_records}


@pytest.mark.parametrize("name", DOORS)
async def test_without_keys_or_records_no_token_is_opened_and_everything_waits(
    feed: RunningFeed, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(ROUNDS):
        await feed.write()
        granted = feed.wire.refreshed.total()
        door: AbstractAsyncContextManager[None] = DOORS[name](feed, monkeypatch)
        async with door:
            # Every access token has run out.
            await feed.move_clocks(timedelta(hours=3))
            await feed.write()
            await feed.services.sync.read_due()
            assert feed.wire.refreshed.total() == granted
            for each in feed.both:
                assert (await feed.oracle.grant(each.connection_id))[0] == "connected"
        await feed.require_converged()
