"""Waking those who wait for news of the feed: one PostgreSQL connection per process listens for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import psycopg
import structlog
from psycopg import sql

from ostiary.adapters.sql.feed import CHANNEL

LOOK_ANYWAY_SECONDS: Final = 5.0
"""Waiting readers look this often even when nothing is heard: a lost connection delays news and loses none."""

_RECONNECT_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 30.0

log = structlog.get_logger("ostiary.feed")


class SQLFeedSignals:
    """Listens while somebody waits. Made once per process and channel; :meth:`close` ends it."""

    def __init__(self, *, conninfo: str, keywords: Mapping[str, Any], channel: str = CHANNEL) -> None:
        """``channel`` is what PostgreSQL announces on; its messages are what :meth:`listen` is asked for."""
        self._channel = channel
        self._conninfo = conninfo
        self._keywords = dict(keywords)
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._listening: asyncio.Task[None] | None = None
        self._closed = False

    @asynccontextmanager
    async def listen(self, stream_id: str) -> AsyncGenerator[_Listener]:
        """Listen to one stream from now on."""
        heard = asyncio.Event()
        self._waiting.setdefault(stream_id, set()).add(heard)
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen(), name="feed signals")
        try:
            yield _Listener(heard, lambda: self._closed)
        finally:
            others = self._waiting[stream_id]
            others.discard(heard)
            if not others:
                del self._waiting[stream_id]

    async def close(self) -> None:
        """Wake everybody who waits and hang up."""
        self._closed = True
        self._wake_all()
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening

    async def _listen(self) -> None:
        idle = 0.0
        while not self._closed:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    self._conninfo, autocommit=True, **self._keywords
                )
                async with connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
                    # What was announced before this moment was heard by nobody.
                    self._wake_all()
                    while True:
                        async for notice in connection.notifies(timeout=LOOK_ANYWAY_SECONDS):
                            self._wake(notice.payload)
                        idle = 0.0 if self._waiting else idle + LOOK_ANYWAY_SECONDS
                        if idle >= _IDLE_SECONDS:
                            return
            except psycopg.Error as error:
                log.warning("feed signals interrupted", error=type(error).__name__)
                await asyncio.sleep(_RECONNECT_SECONDS)

    def _wake(self, stream_id: str) -> None:
        for heard in self._waiting.get(stream_id, ()):
            heard.set()

    def _wake_all(self) -> None:
        for waiting in self._waiting.values():
            for heard in waiting:
                heard.set()


class _Listener:
    """Somebody who waits for one stream."""

    def __init__(self, heard: asyncio.Event, is_closed: Callable[[], bool]) -> None:
        self._heard = heard
        self._is_closed = is_closed

    async def news(self, *, seconds: float) -> bool:
        if self._is_closed():
            return False
        try:
            async with asyncio.timeout(min(seconds, LOOK_ANYWAY_SECONDS)):
                await self._heard.wait()
        except TimeoutError:
            # Nothing heard: still time left means that it is worth a look all the same.
            return seconds > LOOK_ANYWAY_SECONDS
        self._heard.clear()
        return not self._is_closed()
