"""Somebody who reads far more than usual is noticed, and can be stopped (SR-51).

A stolen API key is used to copy what it reaches, quickly. Calls that read mailboxes are counted by the hour, for each
key and for the whole instance. Two lines are watched: twice the busiest hour of the subject's own last two weeks, and a
ceiling that the operator sets. Crossing either is told once an hour; the ceiling can also stop the reading.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final, Protocol

from ostiary.core.audit.model import SYSTEM
from ostiary.core.audit.ports import AuditTrail
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import RateLimited
from ostiary.core.kernel.jobs import JobQueue
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.notices.model import Correspondent, Message, Notice, NoticeKind, Text, Vendor, Writer
from ostiary.core.notices.ports import NoticeStore
from ostiary.core.notices.service import NoticeService

INSTANCE: Final = "instance"
"""The subject that stands for all keys together."""

LOOK_BACK: Final = timedelta(days=14)
KEPT_FOR: Final = timedelta(days=35)
UNUSUAL_TIMES: Final = 2
LEAST_UNUSUAL: Final = 1_000
"""Fewer reads in an hour are nobody's bulk, however quiet the weeks before were."""
LEAST_HISTORY: Final = 24
"""Hours with reads before a subject has a baseline at all."""

BATCH: Final = 20
FLUSH_AFTER: Final = timedelta(seconds=10)
"""A process counts by itself for so many calls or so long: a ceiling is overrun by at most that in each process."""

_HOUR: Final = timedelta(hours=1)


class Level(IntEnum):
    """How far a subject went in one hour."""

    USUAL = 0
    UNUSUAL = 1
    CEILING = 2


class CeilingAction(StrEnum):
    """What happens at the ceiling, besides the alarm."""

    ALERT = "alert"
    STOP = "stop"
    """The subject reads nothing more until the hour is over."""
    FREEZE = "freeze"
    """The kill switch is pulled for the whole instance; an operator lets it go."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Most reads in an hour."""

    of_one_key: int
    of_instance: int
    action: CeilingAction


class ReadCountStore(Protocol):
    """Keeps reads by subject and hour, inside one transaction."""

    async def add(self, subject_id: str, *, hour: datetime, reads: int) -> int:
        """Add reads and return the hour's total over all processes."""
        ...

    async def busiest(self, subject_id: str, *, since: datetime, before: datetime) -> tuple[int, int]:
        """Return how many hours had reads, and the most of any one."""
        ...

    async def raise_level(self, subject_id: str, *, hour: datetime, level: Level) -> bool:
        """Note how far the subject went. False when that much was noted already."""
        ...

    async def forget(self, *, before: datetime) -> int: ...


class BulkReadTransaction(Protocol):
    """What one transaction of counting can reach."""

    @property
    def read_counts(self) -> ReadCountStore: ...
    @property
    def audit(self) -> AuditTrail: ...
    @property
    def notices(self) -> NoticeStore: ...
    @property
    def jobs(self) -> JobQueue: ...


@dataclass(slots=True)
class _Pending:
    reads: int = 0
    since: datetime | None = None
    name: str = ""


@dataclass(slots=True)
class _Local:
    pending: dict[str, _Pending] = field(default_factory=dict[str, _Pending])
    stopped_until: dict[str, datetime] = field(default_factory=dict[str, datetime])


class BulkReads:
    """Counts reads and watches them."""

    def __init__(
        self,
        *,
        transactions: Transactions[BulkReadTransaction],
        clock: Clock,
        notices: NoticeService,
        ceilings: Ceilings,
        vendor: Correspondent,
        freeze: Callable[[str], Awaitable[object]],
        alarmed: Callable[[str, Level], None],
    ) -> None:
        """``freeze`` pulls the kill switch with a note; ``alarmed`` hears of each alarm: subject and level."""
        self._transactions = transactions
        self._clock = clock
        self._notices = notices
        self._ceilings = ceilings
        self._vendor = vendor
        self._freeze = freeze
        self._alarmed = alarmed
        self._local = _Local()

    async def count(self, key_id: str, *, name: str, reads: int = 1) -> None:
        """Count a call that reads a mailbox, before it reads.

        Args:
            reads: How many messages it gets whole, where they are more than one.

        Raises:
            RateLimited: The key, or the instance, is over its ceiling for this hour.
        """
        now = self._clock.now()
        self._require_going(key_id, now)
        pending = self._local.pending.setdefault(key_id, _Pending())
        pending.reads += reads
        pending.name = name
        pending.since = pending.since or now
        if pending.reads >= BATCH or now - pending.since >= FLUSH_AFTER:
            # Taken before the first await, so that each read is counted once.
            del self._local.pending[key_id]
            await self._flush(key_id, pending, now)
            self._require_going(key_id, now)

    async def forget(self) -> int:
        """Delete counts that no baseline needs any more. Job ``reads.forget``."""
        async with self._transactions() as tx:
            return await tx.read_counts.forget(before=self._clock.now() - KEPT_FOR)

    def _require_going(self, key_id: str, now: datetime) -> None:
        for subject in (key_id, INSTANCE):
            until = self._local.stopped_until.get(subject)
            if until is None:
                continue
            if now < until:
                raise RateLimited(
                    "Too many mailbox reads in this hour; the vendor's operators have been told.",
                    retry_after_seconds=max(1, int((until - now).total_seconds())),
                )
            del self._local.stopped_until[subject]

    async def _flush(self, key_id: str, pending: _Pending, now: datetime) -> None:
        hour = now.replace(minute=0, second=0, microsecond=0)
        subjects = (
            (key_id, pending.name, self._ceilings.of_one_key),
            (INSTANCE, "all keys", self._ceilings.of_instance),
        )
        must_freeze = ""
        for subject, name, ceiling in subjects:
            async with self._transactions() as tx:
                total = await tx.read_counts.add(subject, hour=hour, reads=pending.reads)
                level = await self._level(tx, subject, hour, total, ceiling)
                is_new = level > Level.USUAL and await tx.read_counts.raise_level(
                    subject, hour=hour, level=level
                )
                if is_new:
                    await self._tell(tx, subject, name, hour, total, level)
            if is_new:
                self._alarmed(subject, level)
            if level is Level.CEILING:
                if self._ceilings.action is CeilingAction.STOP:
                    self._local.stopped_until[subject] = hour + _HOUR
                elif self._ceilings.action is CeilingAction.FREEZE and is_new:
                    must_freeze = f"{total} mailbox reads in one hour by {name}"
        if must_freeze:
            await self._freeze(must_freeze)

    async def _level(
        self, tx: BulkReadTransaction, subject: str, hour: datetime, total: int, ceiling: int
    ) -> Level:
        if total >= ceiling:
            return Level.CEILING
        if total < LEAST_UNUSUAL:
            return Level.USUAL
        hours, most = await tx.read_counts.busiest(subject, since=hour - LOOK_BACK, before=hour)
        is_unusual = hours >= LEAST_HISTORY and total >= most * UNUSUAL_TIMES
        return Level.UNUSUAL if is_unusual else Level.USUAL

    async def _tell(
        self, tx: BulkReadTransaction, subject: str, name: str, hour: datetime, total: int, level: Level
    ) -> None:
        line = "the ceiling" if level is Level.CEILING else "twice its busiest hour of two weeks"
        await tx.audit.record(
            "reads.alarm",
            f"{name} read mailboxes {total} times in one hour: {line}.",
            actor=SYSTEM,
            outcome="failed" if level is Level.CEILING else "done",
            object_id=subject,
            detail={"hour": hour.isoformat(), "reads": str(total), "level": level.name.lower()},
        )
        await self._notices.add(
            tx,
            NoticeKind.BULK_READ,
            to=self._vendor,
            organization_id=None,
            facts={
                "name": name,
                "reads": str(total),
                "line": line,
                "hour": f"{hour:%d %B %Y, %H:%M} UTC",
                "action": self._ceilings.action.value if level is Level.CEILING else "",
            },
            once_key=f"bulk_read/{subject}/{hour.isoformat()}/{level.value}",
        )


def write_bulk_read(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Tell the vendor that somebody reads far more than usual."""
    facts = notice.facts
    done = {
        CeilingAction.STOP.value: "It reads nothing more until the hour is over.",
        CeilingAction.FREEZE.value: "Every connection is frozen until an operator ends that.",
    }.get(facts["action"], "Nothing was stopped.")
    return Message(
        f"Unusual mailbox reads by {facts['name']}",
        (
            Text(
                f"{facts['name']} read mailboxes {facts['reads']} times in the hour that began at {facts['hour']}: "
                f"{facts['line']}. {done}"
            ),
            Text(
                "If this is not your own product at work, the API key may be stolen: revoke it and make another one."
            ),
            Text(
                "ostiary api-key revoke, and the console under API keys, do that at once. The audit log has the calls."
            ),
        ),
    )


BULK_READ_WRITERS: Final[Mapping[NoticeKind, Writer]] = MappingProxyType(
    {NoticeKind.BULK_READ: write_bulk_read}
)
