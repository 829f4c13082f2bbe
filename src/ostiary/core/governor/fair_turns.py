"""Turns that groups take one after another, so that a big one cannot crowd out a small one."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class FairTurns:
    """At most ``most`` turns at once within this process; who waits is served group by group, in rotation (RR-6)."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, group: str) -> AsyncGenerator[None]:
        """Wait for a turn of ``group`` and hold it inside the block."""
        await self._start(group)
        try:
            yield
        finally:
            self._end()

    async def _start(self, group: str) -> None:
        if self._free > 0:
            self._free -= 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, deque()).append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._end()  # The turn came at the moment the caller went away.
            raise

    def _end(self) -> None:
        while self._waiting:
            group, waiters = next(iter(self._waiting.items()))
            waiter = waiters.popleft()
            if waiters:
                self._waiting.move_to_end(group)
            else:
                del self._waiting[group]
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1
