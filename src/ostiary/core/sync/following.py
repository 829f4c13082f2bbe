"""Beginning and ending to follow a connection, in the transaction that changes its state."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from ostiary.core.feed.model import FeedEvent, FeedEventType
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.sync.model import Source, SyncSettings
from ostiary.core.sync.ports import SyncTransaction

KEEP_SOON: Final = "subscriptions.keep/soon"


class FollowConnections:
    """Hears in the feed what becomes of connections, and follows those that work. A ``Fanout``."""

    def __init__(self, *, clock: Clock, settings: SyncSettings) -> None:
        self._clock = clock
        self._settings = settings

    async def enqueue(self, tx: SyncTransaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            if event.connection_id is None:
                continue
            if event.type is FeedEventType.CONNECTION_CONNECTED:
                sources = {source for source in Source if event.data.get(source.value) is True}
                await follow(
                    tx,
                    connection_id=event.connection_id,
                    organization_id=event.organization_id,
                    method=AccessMethod(str(event.data["method"])),
                    sources=sources,
                    settings=self._settings,
                    now=self._clock.now(),
                )
            elif event.type is FeedEventType.CONNECTION_DISCONNECTED:
                await tx.sync.forget(event.connection_id)


async def follow(
    tx: SyncTransaction,
    *,
    connection_id: str,
    organization_id: str,
    method: AccessMethod,
    sources: Collection[Source],
    settings: SyncSettings,
    now: datetime,
) -> None:
    """Follow these sources of a connection, and no others."""
    for source in Source:
        if source not in sources:
            await tx.sync.forget(connection_id, source=source)
            continue
        await tx.sync.ensure(
            connection_id=connection_id,
            organization_id=organization_id,
            source=source,
            method=method,
            backfill_since=None if settings.backfill is None else now - settings.backfill,
            now=now,
        )
    if settings.push and method is AccessMethod.GRAPH:
        await tx.jobs.enqueue("subscriptions.keep", {}, once_key=KEEP_SOON)
