"""Following mailboxes: who is due, one turn of reading, and what people may ask about it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from ostiary.core.connections.mailboxes import Mailboxes
from ostiary.core.governor.model import Urgency
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import InvalidRequest, NotFound, OstiaryError, Throttled
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.reach import confined
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.sync import events
from ostiary.core.sync.coverage import CoverageAnswer, CoverageHow, Following, answer
from ostiary.core.sync.errors import Overtaken
from ostiary.core.sync.following import follow
from ostiary.core.sync.keeping import PARTS
from ostiary.core.sync.model import CLAIM_LIFE, Claim, Progress, Source, Stage, SyncSettings
from ostiary.core.sync.ports import ChangeSource, SyncTransaction
from ostiary.core.sync.rounds import Round, turn_clock

Gateways = Mapping[tuple[AccessMethod, Source], ChangeSource]

SEED_JOB: Final = "sync.seed"
PURGE_JOB: Final = "sync.purge"

TURN_SECONDS: Final = 20.0
"""Longest time one source is read before others get their turn; a first reading goes on where it stopped."""
OVERDUE_AFTER: Final = timedelta(minutes=15)
"""Workers that keep up read what is due within seconds."""
_BACK_OFF: Final = (5, 15, 60, 300, 900)
_UNUSABLE_PAUSE: Final = timedelta(hours=1)
_PURGE_BATCH: Final = 5_000
_MOST_PURGE_BATCHES: Final = 100
_LONGEST_SPAN: Final = timedelta(days=366)

log = structlog.get_logger("ostiary.sync")


class SyncService:
    """Use cases of following. Whether a caller may see a connection is decided before."""

    def __init__(
        self,
        *,
        transactions: Transactions[SyncTransaction],
        clock: Clock,
        entropy: Entropy,
        mailboxes: Mailboxes,
        gateways: Gateways,
        settings: SyncSettings,
        holder: str,
    ) -> None:
        """``holder`` names this process in its claims."""
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._mailboxes = mailboxes
        self._gateways = gateways
        self._settings = settings
        self._holder = holder
        self._being_read: Counter[str] = Counter()
        """Turns under way by organization: who has few of them comes first."""
        self._open: set[Claim] = set()
        self._is_in_doubt = False
        """Something went wrong while claims were made or handed back: the table may hold some that nobody here reads."""

    async def seed(self) -> int:
        """Follow usable connections that are not followed yet. Job ``sync.seed``; returns how many sources."""
        async with self._transactions() as tx:
            found = await tx.sync.unfollowed(limit=1_000)
            for connection_id, source in found:
                connection = await tx.connections.get(connection_id)
                await follow(
                    tx,
                    connection_id=connection.id,
                    organization_id=connection.organization_id,
                    method=connection.method,
                    sources={source},
                    settings=self._settings,
                    now=self._clock.now(),
                )
        return len(found)

    async def purge(self) -> int:
        """Delete projections of connections that are gone. Job ``sync.purge``; returns how many rows."""
        gone = 0
        for _ in range(_MOST_PURGE_BATCHES):
            async with self._transactions() as tx:
                count = await tx.sync.purge(limit=_PURGE_BATCH)
            if count is None:
                break
            gone += count
        return gone

    async def claim(self, *, limit: int) -> tuple[Claim, ...]:
        """Take sources that are due, for :meth:`read`."""
        now = self._clock.now()
        in_doubt, self._is_in_doubt = self._is_in_doubt, True
        async with self._transactions() as tx:
            if in_doubt:
                await tx.sync.release_all(holder=self._holder, but=self._open)
            claimed = await tx.sync.claim(
                holder=self._holder,
                now=now,
                until=now + CLAIM_LIFE,
                limit=limit,
                sweep_before=now - self._settings.sweep_every,
                being_read=tuple(self._being_read.elements()),
            )
        self._is_in_doubt = False
        self._open.update(claimed)
        return claimed

    async def read_due(self, *, limit: int = 10) -> int:
        """Read what is due, all at once; return how many sources."""
        claims = await self.claim(limit=limit)
        await asyncio.gather(*(self.read(claim) for claim in claims))
        return len(claims)

    async def read(self, claim: Claim) -> None:
        """Give one source its turn. Whatever goes wrong is remembered with it and tried again; nothing is raised."""
        await hit(Failpoint.FOLLOW_CLAIMED)
        self._being_read[claim.organization_id] += 1
        try:
            with confined(claim.organization_id):
                await self._read(claim)
        finally:
            self._being_read[claim.organization_id] -= 1
            # Those at none, too, go: organizations come and end.
            self._being_read = +self._being_read
            self._open.discard(claim)
        await hit(Failpoint.FOLLOW_DONE)

    async def _read(self, claim: Claim) -> None:
        started_at = self._clock.now()
        try:
            async with self._mailboxes.use(
                claim.connection_id, PARTS[claim.source], organization_id=None, urgency=Urgency.BACKGROUND
            ) as mailbox:
                if mailbox.method is not claim.method:
                    await self._begin_anew(claim, mailbox.method)
                    return
                turn = Round(
                    transactions=self._transactions,
                    clock=self._clock,
                    entropy=self._entropy,
                    settings=self._settings,
                    claim=claim,
                    gateway=self._gateways[claim.method, claim.source],
                    mailbox=mailbox.access,
                    has_time=turn_clock(TURN_SECONDS),
                )
                is_done = await turn.run()
            await hit(Failpoint.FOLLOW_APPLIED)
            await self._finish(claim, turn, started_at, is_done=is_done)
        except Exception as error:
            # A bug in one mailbox's reading must not stop the others; it is said aloud and tried again later.
            try:
                await self._postpone(claim, error)
            except Exception as failure:
                # The database is away: the claim is handed back as soon as anything can be claimed again.
                log.warning("a claim is handed back later", error=type(failure).__name__)
                self._is_in_doubt = True

    async def overdue(self) -> int:
        """Return how many sources nobody read although they have been due for :data:`OVERDUE_AFTER`."""
        now = self._clock.now()
        async with self._transactions() as tx:
            return await tx.sync.overdue(due_before=now - OVERDUE_AFTER, now=now)

    async def progress(self, connection_id: str) -> tuple[Progress, ...]:
        """Return how far each source of a connection has come."""
        async with self._transactions() as tx:
            return await tx.sync.progress(connection_id)

    async def coverage(self, connection_id: str, *, start: datetime, end: datetime) -> CoverageAnswer:
        """Return whether anything that happened between two moments can be missing from the feed.

        Raises:
            InvalidRequest: The span is empty, or longer than a year.
        """
        end = min(end, self._clock.now())
        if start >= end:
            raise InvalidRequest("Ask about a span of time that has begun.", field="from")
        if end - start > _LONGEST_SPAN:
            raise InvalidRequest("Ask about a year at most.", field="from")
        async with self._transactions() as tx:
            progress = await tx.sync.progress(connection_id)
            stretches = await tx.coverage.between(connection_id, start=start, end=end)
        following = [
            Following(each.source, each.started_at, each.stage is Stage.LIVE, each.stalled_reason)
            for each in progress
        ]
        return answer(following, stretches, start=start, end=end)

    async def _begin_anew(self, claim: Claim, method: AccessMethod) -> None:
        """Follow a source over the method that the person signed in with last."""
        async with self._transactions() as tx:
            await tx.sync.ensure(
                connection_id=claim.connection_id,
                organization_id=claim.organization_id,
                source=claim.source,
                method=method,
                backfill_since=claim.backfill_since,
                now=self._clock.now(),
            )

    async def _finish(self, claim: Claim, turn: Round, started_at: datetime, *, is_done: bool) -> None:
        now = self._clock.now()
        if not is_done:
            async with self._transactions() as tx:
                await tx.sync.postpone(claim, next_at=now, reason=None, failures=0)
            return
        becomes_live = claim.stage is Stage.INITIAL
        async with self._transactions() as tx:
            is_ours = await tx.sync.finish(
                claim, next_at=now + self._pause(claim), covered=turn.was_complete, live=True, now=started_at
            )
            if not is_ours:
                return
            if turn.was_complete:
                reason = await tx.sync.take_reconciled(claim)
                how = CoverageHow.CHANGES if reason is None else CoverageHow.RECONCILED
                if becomes_live:
                    how, reason = CoverageHow.INITIAL, None
                await tx.coverage.extend(
                    connection_id=claim.connection_id,
                    organization_id=claim.organization_id,
                    source=claim.source,
                    until=started_at,
                    how=how,
                    reason=reason,
                    begins_at=claim.started_at,
                )
            if becomes_live:
                await tx.feed.append([events.synced(claim, started_at=claim.started_at)])

    async def _postpone(self, claim: Claim, error: Exception) -> None:
        failures = min(claim.failures + 1, len(_BACK_OFF))
        pause = timedelta(seconds=_BACK_OFF[failures - 1])
        reason: str | None = "our_fault"
        if isinstance(error, Overtaken):
            pause, reason = timedelta(0), None
        elif isinstance(error, Throttled):
            pause, reason = timedelta(seconds=error.retry_after_seconds), error.reason
        elif isinstance(error, NotFound):
            pause, reason = _UNUSABLE_PAUSE, error.code
        elif isinstance(error, OstiaryError):
            reason = error.reason or error.code
        else:
            log.error("reading failed", connection_id=claim.connection_id, exc_info=error)
        if reason is not None:
            log.info(
                "reading postponed",
                connection_id=claim.connection_id,
                source=claim.source.value,
                reason=reason,
            )
        async with self._transactions() as tx:
            await tx.sync.postpone(claim, next_at=self._clock.now() + pause, reason=reason, failures=failures)

    def _pause(self, claim: Claim) -> timedelta:
        is_told = claim.is_pushed and self._settings.push
        return self._settings.sweep_every if is_told else self._settings.poll_every
