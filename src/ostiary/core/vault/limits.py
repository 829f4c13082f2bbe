"""How much and how long one key may wrap, counted so that a crash can only count too much (SR-36).

A process takes room for some wraps at a time from the ledger and uses it up by itself, so that sealing costs no write
of its own. What it had left when it ended counts as used.

Source: NIST SP 800-38D §8.3 (at most 2^32 invocations with random nonces), NIST SP 800-57 part 1 §5.3.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import Misconfigured
from ostiary.core.kernel.transactions import Transactions

MOST_WRAPS: Final = 2**32
LONGEST_LIFE: Final = timedelta(days=365)

ROTATE_AT_WRAPS: Final = 2**31
ROTATE_AFTER: Final = LONGEST_LIFE - timedelta(days=15)
"""Early enough that a rotation that fails can be mended before the limit."""

BLOCK: Final = 256
"""Wraps that a process takes room for at a time."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What one key-encryption key has done."""

    organization_id: str
    key_id: str
    first_used_at: datetime
    wraps: int

    def is_due(self, now: datetime) -> bool:
        """Whether a new key should take over."""
        return self.wraps >= ROTATE_AT_WRAPS or now - self.first_used_at >= ROTATE_AFTER

    def is_over(self, now: datetime) -> bool:
        """Whether it is used beyond what one key may do."""
        return self.wraps > MOST_WRAPS or now - self.first_used_at > LONGEST_LIFE


class KeyLedger(Protocol):
    """Counts what keys wrap, inside one transaction."""

    async def reserve(self, *, organization_id: str, key_id: str, count: int, now: datetime) -> KeyRecord:
        """Count ``count`` more wraps and return the key's record with them."""
        ...

    async def records(self) -> tuple[KeyRecord, ...]:
        """Every key that ever wrapped something for an organization that is still there."""
        ...


class LedgerTransaction(Protocol):
    """What counting can reach."""

    @property
    def key_ledger(self) -> KeyLedger: ...


class WrapCounter:
    """Gives leave to wrap, one value at a time."""

    def __init__(self, *, transactions: Transactions[LedgerTransaction], clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock
        self._left: dict[str, int] = {}

    async def take(self, *, organization_id: str, key_id: str) -> None:
        """Return when the key may wrap one more value, which is counted.

        Raises:
            Misconfigured: The key has wrapped as much as one may; rotate keys.
        """
        left = self._left.get(key_id, 0)
        if left == 0:
            async with self._transactions() as tx:
                record = await tx.key_ledger.reserve(
                    organization_id=organization_id, key_id=key_id, count=BLOCK, now=self._clock.now()
                )
            if record.wraps > MOST_WRAPS:
                raise Misconfigured(
                    "This key has wrapped as many values as one key may. Run: ostiary keys rotate",
                    reason="our_fault",
                )
            # Another task may have taken room meanwhile; both rooms are ours.
            left = self._left.get(key_id, 0) + BLOCK
        self._left[key_id] = left - 1
