"""Looks at every part and remembers what it saw."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, timedelta
from typing import Final

from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.status.model import HISTORY_DAYS, KEPT_DAYS, DayStatus, Part, history, slot_of
from ostiary.core.status.ports import StatusTransaction

LOOK_SECONDS: Final = 5.0
"""A part that takes longer to say that it is well is not well."""


class StatusHistory:
    """Job ``status.look``, and what the status page shows of it."""

    def __init__(
        self,
        *,
        transactions: Transactions[StatusTransaction],
        clock: Clock,
        parts: Mapping[Part, Callable[[], Awaitable[None]]],
    ) -> None:
        """``parts``: each call returns when the part works and raises when it does not."""
        self._transactions = transactions
        self._clock = clock
        self._parts = dict(parts)

    async def look(self) -> dict[Part, bool]:
        """Ask every part and count the answers; forget days that nobody is shown. Safe to run twice."""
        slot = slot_of(self._clock.now())
        answers = await asyncio.gather(*(self._works(part) for part in self._parts))
        seen = dict(zip(self._parts, answers, strict=True))
        async with self._transactions() as tx:
            # That this is written at all is the service's own sign of life.
            for part, works in {Part.SERVICE: True, **seen}.items():
                await tx.status.count(part, slot=slot, works=works)
            await tx.status.forget_before(slot.date() - timedelta(days=KEPT_DAYS - 1))
        return seen

    async def last_days(self) -> tuple[DayStatus, ...]:
        """Return the last seven days, newest first; fewer where the instance is younger."""
        now = self._clock.now()
        first = now.astimezone(UTC).date() - timedelta(days=HISTORY_DAYS)
        async with self._transactions() as tx:
            counts = await tx.status.since(first)
        return history(counts, now=now)

    async def _works(self, part: Part) -> bool:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._parts[part]()
        except Exception:
            # Whatever it raises, people notice the same: it cannot be used now.
            return False
        return True
