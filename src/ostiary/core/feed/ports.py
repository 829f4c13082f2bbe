"""What the feed needs from outside, and what others see of it inside their transactions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, TypeVar

from ostiary.core.feed.model import FeedEvent, StreamHead

Tx = TypeVar("Tx", contravariant=True)


class Feed(Protocol):
    """The feed inside one transaction: the little that features which have news may know of it."""

    async def append(self, events: Sequence[FeedEvent]) -> None:
        """Append events; they commit with the change they tell of.

        An event whose id its stream has already is left out, so that noticing a change twice tells of it once.
        They are written at the end of the transaction: writing locks the head of each stream until the commit,
        and what is locked last and briefly can neither dead-lock with a change nor hold one up.
        """
        ...


class FeedStore(Feed, Protocol):
    """The whole feed inside one transaction."""

    async def head(self, stream_id: str) -> StreamHead: ...
    async def read(self, stream_id: str, *, after: int, limit: int) -> tuple[FeedEvent, ...]:
        """Events of a stream after a sequence, in order."""
        ...

    async def trim(self, *, before: datetime, limit: int) -> int:
        """Delete at most ``limit`` of the oldest events that were appended before a moment; returns how many."""
        ...


class FeedTransaction(Protocol):
    """What one transaction of the feed can reach."""

    @property
    def feed(self) -> FeedStore: ...


class Fanout(Protocol[Tx]):
    """Hears of events inside the transaction that appends them, so that what follows from them commits with them."""

    async def enqueue(self, tx: Tx, events: Sequence[FeedEvent]) -> None:
        """Take note of events that were just appended, with their sequences; none was told before.

        Runs while the heads of their streams are locked: write rows, and ask nobody outside.
        """
        ...


class FeedListener(Protocol):
    """Somebody who waits for news of one stream."""

    async def news(self, *, seconds: float) -> bool:
        """Return True once there may be news since the last call, False when nothing came for ``seconds``.

        True proves nothing: look, and wait again if there is nothing to see.
        """
        ...


class FeedSignals(Protocol):
    """Tells waiting readers that a stream has news."""

    def listen(self, stream_id: str) -> AbstractAsyncContextManager[FeedListener]:
        """Listen to one stream from now on."""
        ...
