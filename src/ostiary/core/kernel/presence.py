"""Who is alive: what a process that died had claimed is free again within seconds, and a slow one is never robbed.

A process that takes claims shows that it lives by holding a lock in a database session of its own. The database drops
the lock the moment the process is gone, and not before, however slow it is; so others need no clock to tell dead from
slow. Claims still end by the clock as well: for hosts that fall silent without hanging up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Final, Protocol

import structlog

from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.transactions import Transactions

LOOK_EVERY_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 1.0
_SHOWN_WITHIN_SECONDS: Final = 5.0
"""A process whose database is away begins its work all the same; its claims end by the clock until it is shown."""

log = structlog.get_logger("ostiary.presence")


class LifeSign(Protocol):
    """A lock that lives exactly as long as this process and its way to the database."""

    def held(self, key: int) -> AbstractAsyncContextManager[Callable[[], Awaitable[None]]]:
        """Hold the lock inside the block; the function it gives raises when the lock is lost."""
        ...


class ProcessStore(Protocol):
    """The processes that show that they live, inside one transaction."""

    async def add(self, process_id: str, *, lock_key: int, now: datetime) -> None:
        """Adding what is there is no fault."""
        ...

    async def absent(self, *, besides: str) -> frozenset[str]:
        """Processes, ``besides`` the one that asks, whose lock nobody holds."""
        ...

    async def release(self, process_ids: Collection[str], *, now: datetime) -> int:
        """Free everything that these processes had claimed, and forget them; returns how many claims."""
        ...


class PresenceTransaction(Protocol):
    """What one transaction of looking who is alive can reach."""

    @property
    def processes(self) -> ProcessStore: ...


class Presence:
    """Shows that this process lives, and frees what dead ones had claimed. One for a process."""

    def __init__(
        self,
        *,
        transactions: Transactions[PresenceTransaction],
        clock: Clock,
        entropy: Entropy,
        life: LifeSign,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._life = life
        self.id: Final = new_id("prc", entropy)
        """Whoever claims anything in this process claims it under this name."""
        self._lock_key = int.from_bytes(entropy.token_bytes(8), "big", signed=True)
        self._absent: frozenset[str] = frozenset()
        self._showing: asyncio.Task[None] | None = None
        self._users = 0

    @asynccontextmanager
    async def shown(self) -> AsyncGenerator[None]:
        """Show that this process lives, inside the block. The parts of a process share one such sign."""
        self._users += 1
        if self._showing is None:
            is_shown = asyncio.Event()
            self._showing = asyncio.create_task(self._show(is_shown), name="presence")
            try:
                async with asyncio.timeout(_SHOWN_WITHIN_SECONDS):
                    await is_shown.wait()
            except TimeoutError:
                log.warning("nobody can see yet that this process lives", process=self.id)
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                await self._hide()

    async def look(self) -> int:
        """Free what processes had claimed that are gone; return how many claims.

        One is gone that is missed at two looks in a row: after the database was away everybody comes back, but not
        at the same moment.
        """
        async with self._transactions() as tx:
            absent = await tx.processes.absent(besides=self.id)
            gone = absent & self._absent
            freed = await tx.processes.release(gone, now=self._clock.now()) if gone else 0
        self._absent = absent - gone
        if gone:
            log.warning("a process died; what it had claimed is free", processes=sorted(gone), claims=freed)
        return freed

    async def _show(self, is_shown: asyncio.Event) -> None:
        while True:
            try:
                async with self._life.held(self._lock_key) as still_held:
                    self._absent = frozenset()
                    async with self._transactions() as tx:
                        await tx.processes.add(self.id, lock_key=self._lock_key, now=self._clock.now())
                    is_shown.set()
                    while True:
                        await self.look()
                        await asyncio.sleep(LOOK_EVERY_SECONDS)
                        await still_held()
            except Exception as error:
                # Whatever it is, the database that is away included: this process works on, and is shown again.
                log.warning("cannot show that this process lives", error=type(error).__name__)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _hide(self) -> None:
        task, self._showing = self._showing, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        try:
            async with self._transactions() as tx:
                await tx.processes.release([self.id], now=self._clock.now())
        except Exception as error:
            # Others find out by themselves.
            log.info("this process ends unannounced", error=type(error).__name__)
