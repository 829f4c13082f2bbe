"""What the status history needs from outside."""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

from ostiary.core.status.model import DayCount, Part


class StatusStore(Protocol):
    """Keeps one row per day and part."""

    async def count(self, part: Part, *, slot: datetime, works: bool) -> bool:
        """Add one look to its day, unless this look or a later one was counted; True when it was added."""
        ...

    async def since(self, day: date) -> tuple[DayCount, ...]:
        """Counts of ``day`` and after."""
        ...

    async def forget_before(self, day: date) -> int: ...


class StatusTransaction(Protocol):
    """What one transaction of the status history can reach."""

    @property
    def status(self) -> StatusStore: ...
