"""Checks every live connection by and by, and at once after an error that means something (SR-47)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

from ostiary.core.audit.model import SYSTEM, Actor
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import (
    NotFound,
    OstiaryError,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.core.kernel.transactions import Transactions

CHECK_EVERY: Final[Mapping[ConnectionStatus, timedelta]] = {
    ConnectionStatus.CONNECTED: timedelta(hours=12),
    # Somebody may have mended these; the sooner it is seen, the sooner people are told.
    ConnectionStatus.FAILING: timedelta(hours=2),
    ConnectionStatus.WAITING_FOR_APPROVAL: timedelta(hours=2),
    # Only the person mends this one, and that is noticed without us; a policy that was lifted is not.
    ConnectionStatus.NEEDS_SIGN_IN: timedelta(hours=24),
}
"""How often a connection is looked after, by its state."""

CLAIM_LIFE: Final = timedelta(minutes=15)
"""A worker that died while it checked holds up a check for this long."""

LOOK_AGAIN: Final = timedelta(minutes=10)
"""After Microsoft gave no answer that means anything; longer when it asked for more."""

BATCH: Final = 50
AT_ONCE: Final = 5
_JITTER: Final = 0.2

CHECK_JOB: Final = "connections.check_due"


class CheckSchedule(Protocol):
    """Keeps when each connection is to be checked next."""

    async def seed(self, *, now: datetime, spread: timedelta, limit: int) -> int:
        """Plan connections that have no plan yet at random moments within ``spread``; forget those that are over."""
        ...

    async def claim_due(self, *, now: datetime, until: datetime, limit: int) -> tuple[str, ...]:
        """Take connections that are due, longest overdue first; nobody else takes them before ``until``."""
        ...

    async def plan(self, connection_id: str, *, at: datetime) -> None: ...
    async def bring_forward(self, connection_id: str, *, to: datetime) -> None:
        """Plan at ``to``, unless it is planned sooner."""
        ...

    async def bring_forward_troubled(self, organization_id: str, *, to: datetime) -> None:
        """The same for every connection of an organization that does not work."""
        ...


class HealthTransaction(ConnectionTransaction, Protocol):
    """What one transaction of health checks can reach."""

    @property
    def checks(self) -> CheckSchedule: ...


class Checker(Protocol):
    """Tries a connection for real and stores how it is; satisfied by ``ConnectionService``."""

    async def check(self, connection_id: str, *, organization_id: str | None, actor: Actor) -> Connection: ...


class ConnectionHealth:
    """Job ``connections.check_due``."""

    def __init__(
        self,
        *,
        transactions: Transactions[HealthTransaction],
        clock: Clock,
        entropy: Entropy,
        checker: Checker,
        settled: Callable[[], Awaitable[object]],
    ) -> None:
        """``settled`` runs after a round that checked something: it turns changed states into incidents."""
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._checker = checker
        self._settled = settled

    async def check_due(self) -> int:
        """Check what is due, a bounded batch a round; return how many were tried."""
        now = self._clock.now()
        async with self._transactions() as tx:
            await tx.checks.seed(now=now, spread=CHECK_EVERY[ConnectionStatus.CONNECTED], limit=20 * BATCH)
            due = await tx.checks.claim_due(now=now, until=now + CLAIM_LIFE, limit=BATCH)
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(connection_id: str) -> None:
            async with gate:
                await self._check(connection_id)

        await asyncio.gather(*(one(connection_id) for connection_id in due))
        if due:
            await self._settled()
        return len(due)

    async def check_soon(self, connection_id: str) -> None:
        """Have the next round check this connection, because its use failed in a way that means something."""
        now = self._clock.now()
        async with self._transactions() as tx:
            await tx.checks.bring_forward(connection_id, to=now)
            await tx.jobs.enqueue(CHECK_JOB, {}, once_key=f"{CHECK_JOB}/soon")

    async def _check(self, connection_id: str) -> None:
        try:
            connection = await self._checker.check(connection_id, organization_id=None, actor=SYSTEM)
            pause = CHECK_EVERY.get(connection.status)
        except NotFound:
            return
        except Throttled as error:
            pause = max(LOOK_AGAIN, timedelta(seconds=error.retry_after_seconds))
        except TemporarilyUnavailable:
            pause = LOOK_AGAIN
        except OstiaryError:
            # Our own fault or a riddle: the operator is told elsewhere, and asking at once again helps nobody.
            pause = CHECK_EVERY[ConnectionStatus.FAILING]
        if pause is None:
            # Paused or disconnected meanwhile; planned afresh when it is used again.
            return
        async with self._transactions() as tx:
            await tx.checks.plan(connection_id, at=self._clock.now() + self._spread(pause))

    def _spread(self, pause: timedelta) -> timedelta:
        """Return ``pause``, up to a fifth shorter or longer, so that checks do not gather at one moment."""
        fraction = int.from_bytes(self._entropy.token_bytes(2), "big") / 0xFFFF
        return pause * (1 - _JITTER + 2 * _JITTER * fraction)
