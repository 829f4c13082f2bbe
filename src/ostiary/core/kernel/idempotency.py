"""Doing a creating call once, however often it is sent (SR-71)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

KEPT_FOR: Final = timedelta(hours=48)
"""How long an answer is repeated; SR-71 asks for at least a day."""

RUNNING_FOR: Final = timedelta(seconds=60)
"""A call with an effect elsewhere that has no answer after this long has died: nobody knows what it did."""


@dataclass(frozen=True, slots=True)
class RepeatedCall:
    """A call that came with the same key before."""

    request_hash: bytes
    answer: bytes | None
    """The sealed answer; None while the first call runs, or when it died with its process."""
    claimed_at: datetime

    def has_died(self, now: datetime) -> bool:
        """Whether the first call will never answer: its effect elsewhere may have happened or not."""
        return self.answer is None and now - self.claimed_at >= RUNNING_FOR


class IdempotencyStore(Protocol):
    """Keeps keys and answers, inside one transaction."""

    async def claim(
        self, *, caller_id: str, key: str, request_hash: bytes, now: datetime
    ) -> RepeatedCall | None:
        """Claim a key without waiting for anybody. None: it is the caller's to do now.

        A claim belongs to the transaction that made it until that commits: when its process dies before, neither
        the claim nor what was done with it exists. Forgets what is older than :data:`KEPT_FOR`.
        """
        ...

    async def keep_answer(self, *, caller_id: str, key: str, answer: bytes) -> None:
        """Keep the sealed answer of a claimed key."""
        ...

    async def release(self, *, caller_id: str, key: str) -> None:
        """Forget a claim without an answer, because the call failed."""
        ...
