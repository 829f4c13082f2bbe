"""The feed on a real database: its order, its ids, its cursors, and what commits with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.adapters.sql.feed_listener import SQLFeedSignals
from ostiary.adapters.sql.unit_of_work import SQLTransactions, UnitOfWork
from ostiary.core.audit.model import SYSTEM
from ostiary.core.feed.errors import FeedCursorExpired
from ostiary.core.feed.model import (
    KEPT_FOR,
    FeedEvent,
    FeedEventType,
    connection_event,
    event_id,
    feed_cursor,
)
from ostiary.core.feed.service import FeedService
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.sync.restored import AfterRestore

STREAM = "con_a"


def message(number: int, *, at: datetime, stream: str = STREAM, version: str = "v1") -> FeedEvent:
    return connection_event(
        connection_id=stream,
        organization_id="org_a",
        kind=FeedEventType.MESSAGE_CREATED,
        subject=f"message {number}",
        version=version,
        occurred_at=at,
        data={"message_id": f"message {number}", "version": version, "is_read": False},
    )


@pytest_asyncio.fixture
async def signals(database: AsyncEngine) -> AsyncIterator[SQLFeedSignals]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    listening = SQLFeedSignals(conninfo=url, keywords={"connect_timeout": 5})
    yield listening
    await listening.close()


@pytest.fixture
def feed(transactions: SQLTransactions, clock: MovableClock, signals: SQLFeedSignals) -> FeedService:
    return FeedService(transactions=transactions, clock=clock, signals=signals)


async def test_writers_at_the_same_time_leave_no_gap_and_no_twin(
    transactions: SQLTransactions, feed: FeedService, clock: MovableClock
) -> None:
    async def write(writer: int) -> None:
        for turn in range(10):
            async with transactions() as tx:
                # Each writer also repeats what the first one wrote, as two notices of one change would.
                await tx.feed.append(
                    [message(turn, at=clock.now()), message(100 * writer + turn, at=clock.now())]
                )

    await asyncio.gather(*(write(writer) for writer in range(1, 5)))

    page = await feed.read(STREAM, cursor=None, limit=500)
    assert [event.sequence for event in page.events] == list(range(1, 51))
    assert len({event.id for event in page.events}) == 50
    assert not page.has_more


async def test_what_is_rolled_back_leaves_nothing_and_takes_no_number(
    transactions: SQLTransactions, feed: FeedService, clock: MovableClock
) -> None:
    async def fail() -> None:
        async with transactions() as tx:
            await tx.feed.append([message(1, at=clock.now())])
            raise RuntimeError("the change failed")

    with pytest.raises(RuntimeError):
        await fail()
    async with transactions() as tx:
        await tx.feed.append([message(2, at=clock.now())])

    page = await feed.read(STREAM, cursor=None, limit=10)
    assert [(event.sequence, event.data["message_id"]) for event in page.events] == [(1, "message 2")]


async def test_pages_follow_each_other_by_cursor(
    transactions: SQLTransactions, feed: FeedService, clock: MovableClock
) -> None:
    async with transactions() as tx:
        await tx.feed.append([message(number, at=clock.now()) for number in range(7)])
        await tx.feed.append([message(1, at=clock.now(), stream="con_b")])

    seen: list[int] = []
    cursor: str | None = None
    while True:
        page = await feed.read(STREAM, cursor=cursor, limit=3)
        seen += [event.sequence for event in page.events]
        cursor = page.cursor
        if not page.has_more:
            break
    assert seen == list(range(1, 8))
    assert (await feed.read(STREAM, cursor=cursor, limit=3)).events == ()
    assert (await feed.newest(STREAM)).cursor == cursor


async def test_cursor_of_another_stream_is_refused(feed: FeedService) -> None:
    with pytest.raises(InvalidRequest):
        await feed.read(STREAM, cursor=feed_cursor("con_b", 0), limit=10)


async def test_events_go_after_thirty_days_and_their_cursors_say_so(
    transactions: SQLTransactions, feed: FeedService, clock: MovableClock
) -> None:
    async with transactions() as tx:
        await tx.feed.append([message(number, at=clock.now()) for number in range(3)])
    first = (await feed.read(STREAM, cursor=None, limit=1)).cursor
    clock.advance(KEPT_FOR)
    async with transactions() as tx:
        await tx.feed.append([message(number, at=clock.now()) for number in range(3, 5)])
    assert await feed.trim() == 0

    clock.advance(timedelta(seconds=1))
    assert await feed.trim() == 3
    with pytest.raises(FeedCursorExpired):
        await feed.read(STREAM, cursor=first, limit=10)
    page = await feed.read(STREAM, cursor=None, limit=10)
    assert [event.sequence for event in page.events] == [4, 5]
    assert (await feed.read(STREAM, cursor=feed_cursor(STREAM, 3), limit=10)).events == page.events


async def test_cursor_beyond_the_end_means_a_lost_stream(feed: FeedService) -> None:
    with pytest.raises(FeedCursorExpired):
        await feed.read(STREAM, cursor=feed_cursor(STREAM, 9), limit=10)


async def test_waiting_reader_is_woken_by_the_commit(
    transactions: SQLTransactions, feed: FeedService, clock: MovableClock
) -> None:
    waiting = asyncio.create_task(feed.wait(STREAM, cursor=None, limit=10, seconds=30))
    others = asyncio.create_task(feed.wait("con_b", cursor=None, limit=10, seconds=0.5))
    async with transactions() as tx:
        await tx.feed.append([message(1, at=clock.now())])

    async with asyncio.timeout(20):
        assert [event.sequence for event in (await waiting).events] == [1]
        assert (await others).events == ()


async def test_fanout_commits_with_the_event_and_hears_of_it_once(
    database: AsyncEngine, clock: MovableClock, entropy: SeededEntropy
) -> None:
    heard: list[str] = []

    class Outbox:
        async def enqueue(self, tx: UnitOfWork, events: Sequence[FeedEvent]) -> None:
            heard.extend(f"{event.sequence} {event.data['message_id']}" for event in events)
            if any(event.data["version"] == "poison" for event in events):
                raise RuntimeError("the outbox is full")
            await tx.jobs.enqueue("webhooks.example", {"event_id": events[0].id})

    transactions = SQLTransactions(database, clock=clock, entropy=entropy, fanouts=[Outbox()])
    for _ in range(2):
        async with transactions() as tx:
            await tx.feed.append([message(1, at=clock.now())])
    with pytest.raises(RuntimeError, match="full"):
        async with transactions() as tx:
            await tx.feed.append([message(2, at=clock.now(), version="poison")])

    assert heard == ["1 message 1", "2 message 2"]
    async with database.connect() as connection:
        jobs: Any = (await connection.scalars(text("SELECT args->>'event_id' FROM procrastinate_jobs"))).all()
        count = await connection.scalar(text("SELECT count(*) FROM feed_events"))
    assert jobs == [event_id(STREAM, "message 1", "v1", FeedEventType.MESSAGE_CREATED)]
    assert count == 1


def test_ids_differ_by_stream_subject_version_and_type() -> None:
    kind = FeedEventType.MESSAGE_CREATED
    ids = {
        event_id("con_a", "m", "1", kind),
        event_id("con_b", "m", "1", kind),
        event_id("con_a", "n", "1", kind),
        event_id("con_a", "m", "2", kind),
        event_id("con_a", "m", "1", FeedEventType.MESSAGE_UPDATED),
        event_id("con_a", "m1", "", kind),
    }
    assert len(ids) == 6
    assert all(len(each) == 30 and each.startswith("evt_") for each in ids)


async def test_after_a_restore_no_reader_stands_behind_places_that_new_events_take(
    transactions: SQLTransactions, feed: FeedService, clock: MovableClock
) -> None:
    async with transactions() as tx:
        await tx.feed.append([message(number, at=clock.now()) for number in range(3)])
    # The reader saw what was lost since the backup; the stream was put back to three.
    ahead = feed_cursor(STREAM, 5)
    report = await AfterRestore(transactions=transactions, clock=clock).run(actor=SYSTEM)
    assert report.streams_count == 1
    async with transactions() as tx:
        await tx.feed.append([message(number, at=clock.now()) for number in range(3, 9)])
    with pytest.raises(FeedCursorExpired):
        await feed.read(STREAM, cursor=ahead, limit=10)
    # Whoever begins anew gets what follows, and goes on as ever.
    page = await feed.read(STREAM, cursor=None, limit=10)
    assert [event.data["message_id"] for event in page.events] == [
        f"message {number}" for number in range(3, 9)
    ]
    assert (await feed.read(STREAM, cursor=page.cursor, limit=10)).events == ()
