"""How long records are kept that are not kept for as long as their person or customer (SR-103).

What belongs to a person or a customer goes with them (``erase.py``); tokens go with their connection. Everything
here is left over from something that is finished, and goes by its age.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

from ostiary.core.audit.model import SYSTEM
from ostiary.core.audit.ports import AuditTrail
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.transactions import Transactions

LATE_AFTER: Final = timedelta(days=2)
"""The job runs every day; a record this much older than it should be means that it does not."""

_BATCH: Final = 1000
_MOST_BATCHES: Final = 1000


class Leftover(StrEnum):
    """A class of records that go by age."""

    CONSOLE_SESSIONS = "console_sessions"
    SIGN_IN_LINKS = "sign_in_links"
    CONNECT_SESSIONS = "connect_sessions"
    APPROVAL_ATTEMPTS = "approval_attempts"
    APPROVAL_LINKS = "approval_links"
    APPROVAL_REQUESTS = "approval_requests"
    INCIDENTS = "incidents"


KEPT_FOR: Final[Mapping[Leftover, timedelta]] = MappingProxyType(
    {
        # Long enough to answer "who was signed in last month?".
        Leftover.CONSOLE_SESSIONS: timedelta(days=30),
        Leftover.SIGN_IN_LINKS: timedelta(days=30),
        # People read a reference to support weeks later.
        Leftover.CONNECT_SESSIONS: timedelta(days=90),
        # A year: reviews ask how an approval came about.
        Leftover.APPROVAL_ATTEMPTS: timedelta(days=365),
        Leftover.APPROVAL_LINKS: timedelta(days=365),
        Leftover.APPROVAL_REQUESTS: timedelta(days=365),
        Leftover.INCIDENTS: timedelta(days=365),
    }
)
"""Counted from the moment a record was finished: ended, expired, answered or solved."""


@dataclass(frozen=True, slots=True)
class ClassCount:
    """How many records of one class there are, and how old."""

    records: int
    finished: int
    """Of them, those that will go by age."""
    oldest_at: datetime | None
    """When the oldest of those was finished."""


@dataclass(frozen=True, slots=True)
class ClassReport:
    """One line of the report."""

    leftover: Leftover
    kept_for: timedelta
    count: ClassCount
    is_late: bool
    """Something is older than it should be: the job does not run, or fails."""


class RetentionStore(Protocol):
    """Finds and deletes what is finished."""

    async def delete(self, leftover: Leftover, *, finished_before: datetime, limit: int) -> int:
        """Delete at most ``limit`` records; return how many."""
        ...

    async def count(self, leftover: Leftover) -> ClassCount: ...


class RetentionTransaction(Protocol):
    """What one transaction of the retention job can reach."""

    @property
    def retention(self) -> RetentionStore: ...
    @property
    def audit(self) -> AuditTrail: ...


class Retention:
    """Job ``retention.enforce``, every night, and its report."""

    def __init__(self, *, transactions: Transactions[RetentionTransaction], clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    async def enforce(self) -> Mapping[Leftover, int]:
        """Delete what was kept long enough, a batch and its record per transaction; put on record how much in all."""
        now = self._clock.now()
        deleted: dict[Leftover, int] = {}
        for leftover, kept_for in KEPT_FOR.items():
            for _ in range(_MOST_BATCHES):
                async with self._transactions() as tx:
                    gone = await tx.retention.delete(leftover, finished_before=now - kept_for, limit=_BATCH)
                    if gone:
                        # With the deletion itself: the round may die before it comes to its summary.
                        await tx.audit.record(
                            "retention.deleted",
                            "Records that were kept long enough were deleted.",
                            actor=SYSTEM,
                            detail={leftover.value: str(gone)},
                        )
                deleted[leftover] = deleted.get(leftover, 0) + gone
                if gone < _BATCH:
                    break
        async with self._transactions() as tx:
            await tx.audit.record(
                "retention.enforced",
                "What was kept long enough was looked for and deleted.",
                actor=SYSTEM,
                detail={leftover.value: str(count) for leftover, count in deleted.items()},
            )
        return deleted

    async def report(self) -> tuple[ClassReport, ...]:
        """Return what there is of each class, and whether anything is older than it should be."""
        now = self._clock.now()
        lines: list[ClassReport] = []
        async with self._transactions() as tx:
            for leftover, kept_for in KEPT_FOR.items():
                count = await tx.retention.count(leftover)
                is_late = count.oldest_at is not None and count.oldest_at < now - kept_for - LATE_AFTER
                lines.append(ClassReport(leftover, kept_for, count, is_late))
        return tuple(lines)
