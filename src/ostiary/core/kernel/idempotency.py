"""Doing a creating call once, however often it is sent (SR-71)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

KEPT_FOR: Final = timedelta(hours=48)
"""How long an answer is repeated; SR-71 asks for at least a day."""

CLAIM_LIFE: Final = timedelta(seconds=60)
"""A call that runs longer has died with its process; the next one with its key may try again."""


@dataclass(frozen=True, slots=True)
class RepeatedCall:
    """A call that came with the same key before."""

    request_hash: bytes
    answer: bytes | None
    """The sealed answer; None while the first call still runs."""


class IdempotencyStore(Protocol):
    """Keeps keys and answers, inside one transaction."""

    async def claim(
        self, *, caller_id: str, key: str, request_hash: bytes, now: datetime
    ) -> RepeatedCall | None:
        """Claim a key, in one statement. None: it is the caller's to do now.

        Takes over a claim of the same request whose process died (see :data:`CLAIM_LIFE`), and forgets what is
        older than :data:`KEPT_FOR`.
        """
        ...

    async def keep_answer(self, *, caller_id: str, key: str, answer: bytes) -> None:
        """Keep the sealed answer of a claimed key."""
        ...

    async def release(self, *, caller_id: str, key: str) -> None:
        """Forget a claim without an answer, because the call failed."""
        ...
