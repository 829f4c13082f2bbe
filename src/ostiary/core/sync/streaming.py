"""Holding EWS's streams: each connection's stream is held by one worker, spread over all of them by leases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

import structlog

from ostiary.core.connections.mailboxes import Mailboxes
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.governor.model import Urgency
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import OstiaryError, Throttled
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.sync.keeping import PARTS
from ostiary.core.sync.model import Source
from ostiary.core.sync.ports import SyncTransaction

LEASE_LIFE: Final = timedelta(seconds=60)
"""A worker that fell silent leaves its streams to others after this long; polling covers the time."""

NOBODY: Final = ""
"""Holder of a stream that was taken from its holder."""
STREAMS: Final = "streams"
"""What is announced when somebody was taken a stream."""

LOOK_EVERY_SECONDS: Final = 10.0
_TAKE_AT_ONCE: Final = 50
_BACK_OFF: Final = (5.0, 15.0, 60.0, 300.0)

log = structlog.get_logger("ostiary.streams")


@dataclass(frozen=True, slots=True)
class StreamNews:
    """What a stream says: in which folders something happened."""

    folder_ids: frozenset[str] = frozenset()
    is_opened: bool = False
    """It begins to be heard now: nothing was told before."""


class MailboxStreams(Protocol):
    """Tells of changes in a mailbox as they happen."""

    def listen(self, mailbox: MailboxAccess) -> AbstractAsyncContextManager[AsyncIterator[StreamNews]]:
        """Listen until told to stop, over as many connections as it takes.

        Whenever news may have been lost, ``is_opened`` comes again. Raises what ``ChangeSource`` raises.
        """
        ...


class StreamHolder:
    """Holds streams in one worker."""

    def __init__(
        self,
        *,
        transactions: Transactions[SyncTransaction],
        clock: Clock,
        mailboxes: Mailboxes,
        streams: MailboxStreams,
        most: int,
        holder: str,
    ) -> None:
        """``most``: how many this worker holds at once; ``holder`` names this process in its leases."""
        self._transactions = transactions
        self._clock = clock
        self._mailboxes = mailboxes
        self._streams = streams
        self._most = most
        self._holder = holder
        self._held: dict[str, asyncio.Task[None]] = {}

    async def look(self) -> int:
        """Go on holding what is held, take what nobody holds; return how many are held. Call it every ten seconds."""
        now = self._clock.now()
        for connection_id, task in list(self._held.items()):
            if task.done():
                del self._held[connection_id]
        async with self._transactions() as tx:
            kept = await tx.sync.keep_streams(list(self._held), holder=self._holder, until=now + LEASE_LIFE)
            room = min(self._most - len(kept), _TAKE_AT_ONCE)
            taken = (
                await tx.sync.take_streams(holder=self._holder, now=now, until=now + LEASE_LIFE, limit=room)
                if room > 0
                else ()
            )
        taken_away = set(self._held) - set(kept)
        await self._let_go(taken_away)
        if taken_away:
            # Whoever took it away waits for this: by now Microsoft was asked to end it.
            async with self._transactions() as tx:
                await tx.sync.drop_streams(taken_away, holder=NOBODY)
        for connection_id in taken:
            await self._let_go({connection_id} & set(self._held))
            self._held[connection_id] = asyncio.create_task(
                self._hold(connection_id), name=f"stream {connection_id}"
            )
        return len(self._held)

    async def close(self) -> None:
        """Let go of everything, so that others take it at once."""
        held = set(self._held)
        await self._let_go(held)
        if held:
            async with self._transactions() as tx:
                await tx.sync.drop_streams(held, holder=self._holder)

    async def _let_go(self, connection_ids: Collection[str]) -> None:
        tasks = [self._held.pop(connection_id) for connection_id in connection_ids]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _hold(self, connection_id: str) -> None:
        failures = 0
        while True:
            try:
                if not await self._listen(connection_id):
                    return
                failures = 0
            except Throttled as error:
                await self._fall_back(connection_id)
                await asyncio.sleep(error.retry_after_seconds)
            except OstiaryError as error:
                log.info("stream interrupted", connection_id=connection_id, why=error.code)
                await self._fall_back(connection_id)
                await asyncio.sleep(_BACK_OFF[min(failures, len(_BACK_OFF) - 1)])
                failures += 1

    async def _listen(self, connection_id: str) -> bool:
        """Hear one mailbox until its stream breaks; False when there is nothing to hear any more."""
        async with self._transactions() as tx:
            followed = {each.source: each.method for each in await tx.sync.progress(connection_id)}
        sources = [source for source in Source if followed.get(source) is AccessMethod.EWS]
        if not sources:
            return False
        async with (
            self._mailboxes.use(
                connection_id, PARTS[sources[0]], organization_id=None, urgency=Urgency.BACKGROUND
            ) as mailbox,
            self._streams.listen(mailbox.access) as news,
        ):
            strangers: set[str] = set()
            async for each in news:
                async with self._transactions() as tx:
                    marks = await _marks(tx, connection_id, sources, each, strangers)
                    await tx.sync.mark(marks, now=self._clock.now())
                    if each.is_opened:
                        await tx.sync.open_stream(connection_id, holder=self._holder, is_open=True)
        return True

    async def _fall_back(self, connection_id: str) -> None:
        async with self._transactions() as tx:
            await tx.sync.open_stream(connection_id, holder=self._holder, is_open=False)
            # Read once, so that polling takes over for as long as nothing is heard.
            sources = [each.source for each in await tx.sync.progress(connection_id)]
            await tx.sync.mark({(connection_id, source): None for source in sources}, now=self._clock.now())


async def _marks(
    tx: SyncTransaction,
    connection_id: str,
    sources: Collection[Source],
    news: StreamNews,
    strangers: set[str],
) -> dict[tuple[str, Source], Collection[str] | None]:
    """Return what to read because of some news: whole sources, or single folders of them.

    Args:
        strangers: Folders that were read for once and turned out to be nobody's, such as contacts; grows.
    """
    if news.is_opened:
        return {(connection_id, source): None for source in sources}
    marks: dict[tuple[str, Source], Collection[str] | None] = {}
    unknown = set(news.folder_ids) - strangers
    for source in sources:
        followed = {folder.id for folder in await tx.sync.folders(connection_id, source)}
        mine = followed & news.folder_ids
        unknown -= followed
        if mine:
            marks[connection_id, source] = mine
    if unknown:
        # A new folder, or one that nobody follows: everything is read once to find out.
        strangers |= unknown
        return {(connection_id, source): None for source in sources}
    return marks
