"""The database is away, full or stuck: what is not stored is not acknowledged, and all recovers by itself (SR-85)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

import pytest
from sqlalchemy import text

from ostiary.adapters.sql.embedded import EmbeddedServer

from ..kill.database import DatabaseProcess
from .conftest import ROUNDS
from .following import RunningFeed

RECOVERY_SECONDS = 30
"""What RR-9 allows after the cause has ended."""


@asynccontextmanager
async def locked(feed: RunningFeed) -> AsyncIterator[None]:
    async with feed.oracle.engine.begin() as connection:
        await connection.execute(text("LOCK TABLE sync_states IN ACCESS EXCLUSIVE MODE"))
        yield


@asynccontextmanager
async def exhausted(feed: RunningFeed) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for _ in range(feed.services.settings.database_pool_size):
            await stack.enter_async_context(feed.services.transactions())
        yield


@asynccontextmanager
async def read_only(feed: RunningFeed) -> AsyncIterator[None]:
    await feed.oracle.setting("default_transaction_read_only", "on")
    try:
        yield
    finally:
        await feed.oracle.setting("default_transaction_read_only", "off")


@asynccontextmanager
async def disk_full(feed: RunningFeed) -> AsyncIterator[None]:
    """Every write of a mark fails as on a full disk, with the code that PostgreSQL gives then."""
    await feed.oracle.change(
        "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
    )
    await feed.oracle.change(
        "CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE ON sync_states"
        " FOR EACH ROW EXECUTE FUNCTION disk_full()"
    )
    try:
        yield
    finally:
        await feed.oracle.change("DROP TRIGGER disk_full ON sync_states")
        await feed.oracle.change("DROP FUNCTION disk_full()")


TROUBLES: dict[str, Callable[[RunningFeed], AbstractAsyncContextManager[None]]] = {
    "lock-wait": locked,
    "pool-exhausted": exhausted,
    "read-only": read_only,
    "disk-full": disk_full,
}


def answered(feed: RunningFeed) -> list[int]:
    """How we answered each post of Microsoft's, oldest first."""
    return [each["status"] for each in feed.emulator.control("GET", "/notifications")["notifications"]]


@pytest.mark.parametrize("name", TROUBLES)
async def test_what_cannot_be_stored_is_not_acknowledged_and_comes_again(
    feed: RunningFeed, name: str
) -> None:
    for _ in range(ROUNDS):
        before = len(answered(feed))
        async with TROUBLES[name](feed):
            await feed.victim.write(3)
            async with asyncio.timeout(20):
                while len(answered(feed)) == before:
                    await asyncio.sleep(0.05)
            assert 202 not in answered(feed)[before:]
        # No sweep: Microsoft posts it again, and now it is kept.
        async with asyncio.timeout(RECOVERY_SECONDS):
            while 202 not in answered(feed)[before:]:
                await asyncio.sleep(0.05)
        await feed.require_converged()


async def test_a_database_that_dies_under_load_loses_no_acknowledged_notification(
    feed: RunningFeed, fault_database: EmbeddedServer
) -> None:
    process = DatabaseProcess(fault_database, chance=random.Random(3))
    for _ in range(ROUNDS):

        async def work() -> None:
            with suppress(Exception):
                await feed.step()

        for _ in range(2):
            await feed.write(2)
            working = asyncio.create_task(work())
            await asyncio.sleep(0.05)
            await process.kill()
            await working
        began = time.monotonic()
        async with asyncio.timeout(RECOVERY_SECONDS):
            while True:
                try:
                    await feed.services.sync.read_due()
                    await feed.services.webhooks.sender.send_due()
                    break
                except Exception:
                    await asyncio.sleep(0.1)
        assert time.monotonic() - began < RECOVERY_SECONDS
        await feed.oracle.engine.dispose()
        await feed.require_converged()
