"""The part of a worker that follows mailboxes: reads what is due, and holds EWS's streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from ostiary.bootstrap import Services
from ostiary.core.sync.streaming import LOOK_EVERY_SECONDS, STREAMS

IDLE_SECONDS: Final = 1.0
"""How often to look for sources that are due by the clock; notices are heard at once."""

_AGAIN_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 10.0

log = structlog.get_logger("ostiary.worker")


class Follower:
    """Gives each due source its turn, as many at once as the settings say."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until :meth:`stop`; turns that run are finished."""
        running: set[asyncio.Task[None]] = set()
        async with self._services.sync_signals.listen("") as listener:
            while not self._stopping.is_set():
                running = {task for task in running if not task.done()}
                free = self._services.settings.sync_concurrency - len(running)
                try:
                    claims = await self._services.sync.claim(limit=free) if free > 0 else ()
                except Exception as error:
                    # The database is away: nothing is lost, and everything waits until it is back.
                    log.warning("cannot look for mailboxes to read", error=type(error).__name__)
                    await asyncio.sleep(_AGAIN_SECONDS)
                    continue
                running |= {asyncio.create_task(self._services.sync.read(claim)) for claim in claims}
                if free <= len(claims):
                    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await listener.news(seconds=IDLE_SECONDS)
        if running:
            await asyncio.wait(running, timeout=_STOP_SECONDS)

    def stop(self) -> None:
        """Take no more turns."""
        self._stopping.set()


async def hold_streams(services: Services, stopping: asyncio.Event) -> None:
    """Hold streams until told to stop."""
    told_to_stop = asyncio.create_task(stopping.wait())
    try:
        async with services.sync_signals.listen(STREAMS) as listener:
            while not stopping.is_set():
                try:
                    await services.streams.look()
                except Exception as error:
                    log.warning("cannot look after streams", error=type(error).__name__)
                news = asyncio.create_task(listener.news(seconds=LOOK_EVERY_SECONDS))
                await asyncio.wait({news, told_to_stop}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
    finally:
        told_to_stop.cancel()
        await services.streams.close()


@asynccontextmanager
async def following(services: Services) -> AsyncGenerator[None]:
    """Follow mailboxes beside something else, unless that is left to other workers; stops gracefully at the end."""
    if services.settings.sync_concurrency == 0:
        yield
        return
    async with services.presence.shown(), _following(services):
        yield


@asynccontextmanager
async def _following(services: Services) -> AsyncGenerator[None]:
    follower = Follower(services)
    stopping = asyncio.Event()
    tasks = {asyncio.create_task(follower.run(), name="follower")}
    if services.settings.change_detection == "push":
        tasks.add(asyncio.create_task(hold_streams(services, stopping), name="streams"))
    try:
        yield
    finally:
        follower.stop()
        stopping.set()
        _, unfinished = await asyncio.wait(tasks, timeout=2 * _STOP_SECONDS)
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished)
