"""Every call to Microsoft takes its turn here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from ostiary.core.governor.fair_turns import FairTurns
from ostiary.core.governor.ledger_of_one import LedgerOfOne
from ostiary.core.governor.mailbox_turns import MailboxTurns
from ostiary.core.governor.model import Grant, Limits, MailboxKey, MailboxLoad, Urgency, Wish
from ostiary.core.governor.ports import GovernorLedger, GovernorMeter, GovernorTransaction
from ostiary.core.kernel.errors import Throttled
from ostiary.core.kernel.transactions import Transactions

LEASE_SECONDS: Final = 5.0
"""How long a process that died keeps others waiting; renewed every second by one that lives."""
FORGET_SECONDS: Final = 86_400.0


class Governor:
    """Keeps each mailbox within Microsoft's limits, across all processes that share a database (RR-6).

    What is held of a mailbox is leased and reused for a moment, so that the ledger is asked about once a second per
    busy mailbox and not for each call.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        transactions: Transactions[GovernorTransaction] | None = None,
        holder: str = "alone",
        most_in_background: int = 64,
        patience_seconds: float = 10.0,
        meter: GovernorMeter | None = None,
    ) -> None:
        """Without ``transactions`` the limits hold within this process only.

        Args:
            holder: This process's own name among all that share the database.
            most_in_background: Background calls of this process at once, which tenants take in turn.
            patience_seconds: A caller is refused with Throttled when its turn would come later.
        """
        self._limits = limits or Limits()
        self._transactions = transactions
        self._alone = LedgerOfOne()
        self._holder = holder
        self._patience_seconds = patience_seconds
        self._meter = meter
        self._fair = FairTurns(most_in_background)
        self._mailboxes: dict[MailboxKey, MailboxTurns] = {}

    @asynccontextmanager
    async def turn(self, key: MailboxKey, urgency: Urgency) -> AsyncGenerator[None]:
        """Wait until one call to the mailbox may be made, and make it inside the block.

        A Throttled that the block raises pauses the mailbox for everybody, for as long as Microsoft asked.

        Raises:
            Throttled: The turn would come later than the patience of a caller; nothing was sent.
            TemporarilyUnavailable: The shared state cannot be read.
        """
        mailbox = self._mailbox(key)
        began = time.monotonic()
        try:
            await mailbox.start(urgency)
        except Throttled:
            if self._meter is not None:
                self._meter.refused(key.method, urgency)
            raise
        waited = time.monotonic() - began
        if self._meter is not None and waited > 0.001:
            self._meter.waited(key.method, urgency, waited)
        try:
            if urgency is Urgency.BACKGROUND:
                async with self._fair.turn(key.tenant_id):
                    yield
            else:
                yield
        except Throttled as error:
            await self._pause(mailbox, error.retry_after_seconds)
            raise
        finally:
            mailbox.end(urgency)

    async def loads(self, *, limit: int = 100) -> Sequence[MailboxLoad]:
        """Return the mailboxes in use now or paused, the longest pause first."""
        async with self._ledger() as ledger:
            return await ledger.loads(limit=limit)

    async def resting_seconds(self, key: MailboxKey) -> float:
        """Return how long one mailbox has to be left alone still, as Microsoft asked; 0 for not at all."""
        async with self._ledger() as ledger:
            return await ledger.resting_seconds(key)

    async def forget(self) -> int:
        """Delete what is known of mailboxes that nobody used for a day; return how many."""
        async with self._ledger() as ledger:
            return await ledger.forget(unused_seconds=FORGET_SECONDS)

    async def close(self) -> None:
        """Give everything back; for the end of the process."""
        mailboxes, self._mailboxes = list(self._mailboxes.values()), {}
        await asyncio.gather(*(mailbox.close() for mailbox in mailboxes), return_exceptions=True)

    async def _pause(self, mailbox: MailboxTurns, seconds: float) -> None:
        mailbox.block(seconds)
        if self._meter is not None:
            self._meter.paused(mailbox.key.method, seconds)
        async with self._ledger() as ledger:
            await ledger.block(mailbox.key, seconds)

    def _mailbox(self, key: MailboxKey) -> MailboxTurns:
        mailbox = self._mailboxes.get(key)
        if mailbox is None:

            async def renew(wish: Wish) -> Grant:
                async with self._ledger() as ledger:
                    return await ledger.renew(
                        key, self._holder, wish, self._limits, lease_seconds=LEASE_SECONDS
                    )

            async def release(unused_calls: int) -> None:
                async with self._ledger() as ledger:
                    await ledger.release(key, self._holder, unused_calls=unused_calls)

            mailbox = self._mailboxes[key] = MailboxTurns(
                key,
                self._limits,
                renew=renew,
                release=release,
                gone=lambda: self._drop(key),
                patience_seconds=self._patience_seconds,
            )
        return mailbox

    def _drop(self, key: MailboxKey) -> None:
        self._mailboxes.pop(key, None)

    @asynccontextmanager
    async def _ledger(self) -> AsyncGenerator[GovernorLedger]:
        if self._transactions is None:
            yield self._alone
        else:
            async with self._transactions() as tx:
                yield tx.governor
