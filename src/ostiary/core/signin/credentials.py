"""How long the app can still prove who it is, and when to say so (SR-9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

ALARM_DAYS: Final = (60, 30, 14, 7)
"""Days before the end at which a credential is spoken of, louder each time."""


@dataclass(frozen=True, slots=True)
class CredentialFact:
    """One credential of an app registration, without anything secret."""

    registration_id: str
    kind: str
    """``certificate`` or ``secret``."""
    is_previous: bool
    expires_at: datetime | None
    """None for a secret: only Microsoft's portal knows when it ends."""
    thumbprint: str | None = None

    def days_left(self, now: datetime) -> int | None:
        """Return whole days until it ends, negative once it has; None when nobody here can know."""
        return None if self.expires_at is None else (self.expires_at - now) // timedelta(days=1)

    def alarm(self, now: datetime) -> int | None:
        """Return the smallest of :data:`ALARM_DAYS` that has been reached, 0 once it has ended, or None."""
        left = self.days_left(now)
        if left is None or left > max(ALARM_DAYS):
            return None
        return 0 if left < 0 else min(days for days in ALARM_DAYS if left <= days)


def newest(facts: Sequence[CredentialFact]) -> tuple[CredentialFact, ...]:
    """Return the credentials that must be watched: the ones in use, not those that are being replaced."""
    return tuple(fact for fact in facts if not fact.is_previous)
