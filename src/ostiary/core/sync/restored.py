"""What follows once the database was put back from a backup (SR-109).

Cursors and subscriptions mend themselves: whatever was read after the backup is read again, and Microsoft's list of
subscriptions is compared with ours. That happens within hours; this makes it happen now. One thing does not mend
itself: readers of the feed hold cursors from a time that this database knows nothing of. Without a jump, new events
would take the places of lost ones, and a reader that stands behind them would never see them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from ostiary.core.audit.model import Actor
from ostiary.core.audit.ports import AuditTrail
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.transactions import Transactions

JUMP: Final = 1_000_000_000
"""Places that every stream skips: more than were ever appended between a backup and a restore."""


class RestoredFeed(Protocol):
    """The part of the feed that this needs."""

    async def jump(self, places: int) -> int:
        """Begin every stream anew, that many places on; cursors from before are expired. Returns how many there are."""
        ...


class RestoredSync(Protocol):
    """The part of following that this needs."""

    async def mark_all(self, *, now: datetime) -> int:
        """Have everything read once, told or not; returns how many sources there are."""
        ...


class RestoredSubscriptions(Protocol):
    """The part of keeping subscriptions that this needs."""

    async def doubt_all(self, *, now: datetime) -> None:
        """Have every subscription renewed now, and Microsoft's list compared with ours."""
        ...


class RestoredTransaction(Protocol):
    """What one transaction of this reaches."""

    @property
    def feed(self) -> RestoredFeed: ...
    @property
    def sync(self) -> RestoredSync: ...
    @property
    def subscriptions(self) -> RestoredSubscriptions: ...
    @property
    def audit(self) -> AuditTrail: ...


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was set going."""

    streams_count: int
    """Feeds whose readers are told to read their mailboxes anew."""
    sources_count: int
    """Mailboxes and calendars that are read again."""


class AfterRestore:
    """The one use case of ``ostiary restored``."""

    def __init__(self, *, transactions: Transactions[RestoredTransaction], clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    async def run(self, *, actor: Actor) -> RestoreReport:
        """Set everything going that a restore leaves to do. Once more does no harm, save that readers begin anew again."""
        now = self._clock.now()
        async with self._transactions() as tx:
            streams = await tx.feed.jump(JUMP)
            sources = await tx.sync.mark_all(now=now)
            await tx.subscriptions.doubt_all(now=now)
            await tx.audit.record(
                "instance.restored",
                "The database was put back from a backup; mailboxes are read again, and readers of the feed begin anew.",
                actor=actor,
            )
        return RestoreReport(streams, sources)
