"""Reading the feed, waiting for news, and forgetting what is old."""

from __future__ import annotations

import asyncio
from typing import Final

from ostiary.core.feed.model import (
    KEPT_FOR,
    LONGEST_WAIT_SECONDS,
    MOST_IN_PAGE,
    FeedPage,
    feed_cursor,
    position,
)
from ostiary.core.feed.ports import FeedSignals, FeedTransaction
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.transactions import Transactions

TRIM_JOB: Final = "feed.trim"
_TRIM_BATCH: Final = 5_000
_MOST_TRIM_BATCHES: Final = 200
"""A million rows a round; what is left waits for the next hour."""


class FeedService:
    """Use cases of the feed. Whether the caller may read a stream is decided before."""

    def __init__(
        self, *, transactions: Transactions[FeedTransaction], clock: Clock, signals: FeedSignals
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._signals = signals

    async def read(self, stream_id: str, *, cursor: str | None, limit: int) -> FeedPage:
        """Return what follows ``cursor``, oldest first; without one, what is kept from its beginning.

        Raises:
            InvalidRequest: Not a cursor of this stream.
            FeedCursorExpired: The reader was away for too long.
        """
        limit = min(max(limit, 1), MOST_IN_PAGE)
        async with self._transactions() as tx:
            head = await tx.feed.head(stream_id)
            after = head.trimmed if cursor is None else position(cursor, stream_id=stream_id, head=head)
            events = await tx.feed.read(stream_id, after=after, limit=limit) if after < head.last else ()
        reached = events[-1].sequence if events else after
        return FeedPage(events, feed_cursor(stream_id, reached), has_more=reached < head.last)

    async def newest(self, stream_id: str) -> FeedPage:
        """Return an empty page whose cursor stands after the newest event."""
        async with self._transactions() as tx:
            head = await tx.feed.head(stream_id)
        return FeedPage((), feed_cursor(stream_id, head.last), has_more=False)

    async def wait(self, stream_id: str, *, cursor: str | None, limit: int, seconds: float) -> FeedPage:
        """As :meth:`read`, but an empty page is held back for up to ``seconds`` until there is news."""
        page = await self.read(stream_id, cursor=cursor, limit=limit)
        deadline = asyncio.get_running_loop().time() + min(seconds, LONGEST_WAIT_SECONDS)
        if page.events or seconds <= 0:
            return page
        async with self._signals.listen(stream_id) as listener:
            while True:
                # Looked at again now that we listen: what was appended in between made no sound for us.
                page = await self.read(stream_id, cursor=page.cursor, limit=limit)
                left = deadline - asyncio.get_running_loop().time()
                if page.events or left <= 0 or not await listener.news(seconds=left):
                    return page

    async def trim(self) -> int:
        """Delete events older than :data:`KEPT_FOR`. Job ``feed.trim``; returns how many went."""
        before = self._clock.now() - KEPT_FOR
        gone = 0
        for _ in range(_MOST_TRIM_BATCHES):
            # One short transaction each: no lock on a stream's head lasts.
            async with self._transactions() as tx:
                trimmed = await tx.feed.trim(before=before, limit=_TRIM_BATCH)
            gone += trimmed
            if trimmed < _TRIM_BATCH:
                break
        return gone
