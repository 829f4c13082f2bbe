"""Before a sign-in is destroyed: have Microsoft tell us no more of the mailbox, for which the sign-in is needed.

Nothing here may keep a token alive: it ends after :data:`LEAVE_SECONDS` whatever Microsoft and our workers do, and
what was not done is counted for the receipt. Pages and calls about records may open no sign-in (SR-40), so a worker
does it for them while they wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final, Protocol

import structlog

from ostiary.core.connections.ports import TellingStore
from ostiary.core.kernel.jobs import JobQueue
from ostiary.core.kernel.reach import Duty, current_reach
from ostiary.core.kernel.transactions import Transactions

LEAVE_JOB: Final = "connections.leave"
LEAVE_SECONDS: Final = 10.0
"""Of the sixty that a disconnect may take until the token is gone (SR-101)."""

_LOOK_EVERY_SECONDS: Final = 0.1
_AT_ONCE: Final = 8
_OPENS_SIGN_INS: Final = frozenset({Duty.WORKER, Duty.COMMAND, Duty.MAILBOX})

log = structlog.get_logger("ostiary.connections")


class LeavingTransaction(Protocol):
    """What one transaction of leaving can reach."""

    @property
    def subscriptions(self) -> TellingStore: ...
    @property
    def jobs(self) -> JobQueue: ...


class Leaving:
    """Takes leave of mailboxes."""

    def __init__(self, *, transactions: Transactions[LeavingTransaction]) -> None:
        self._transactions = transactions
        self._end: Callable[[str], Awaitable[object]] | None = None

    def ends_by(self, end: Callable[[str], Awaitable[object]]) -> None:
        """Say who ends what tells of a mailbox; it belongs to a feature above this one."""
        self._end = end

    async def leave(self, connection_ids: Collection[str]) -> None:
        """Have what tells of these mailboxes ended, as far as that can be done in time. Never raises for Microsoft."""
        async with self._transactions() as tx:
            told_of = await tx.subscriptions.told_of(connection_ids)
        if not told_of:
            return
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                if current_reach().duty in _OPENS_SIGN_INS:
                    await self._by_ourselves(told_of)
                else:
                    await self._by_a_worker(told_of)
        except TimeoutError:
            log.warning("not all that tells of disconnected mailboxes was ended in time", asked=len(told_of))

    async def _by_ourselves(self, connection_ids: Collection[str]) -> None:
        turns = asyncio.Semaphore(_AT_ONCE)

        async def end(connection_id: str) -> None:
            async with turns:
                if self._end is not None:
                    await self._end(connection_id)

        async with asyncio.TaskGroup() as tasks:
            for connection_id in sorted(connection_ids):
                tasks.create_task(end(connection_id))

    async def _by_a_worker(self, connection_ids: Collection[str]) -> None:
        async with self._transactions() as tx:
            for connection_id in sorted(connection_ids):
                await tx.jobs.enqueue(
                    LEAVE_JOB, {"connection_id": connection_id}, once_key=f"{LEAVE_JOB} {connection_id}"
                )
        left = frozenset(connection_ids)
        while left:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            async with self._transactions() as tx:
                left = await tx.subscriptions.told_of(left)
