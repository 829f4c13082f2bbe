"""How well the receivers answer: slow hosts are served late, very slow ones not at all.

Source: Graph, receive change notifications through webhooks: more than 10 % of the answers in 10 minutes slower than
3 seconds make a host "slow" (notifications are held for 10 minutes), more than 15 % slower than 10 seconds make it
"drop" (they are discarded for 10 minutes).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

WINDOW = timedelta(minutes=10)
FEWEST_ANSWERS = 10
"""Below that many answers in the window no host is judged."""


class HostState(StrEnum):
    """How a host is served."""

    GOOD = "good"
    SLOW = "slow"
    DROP = "drop"


@dataclass(slots=True)
class HostHealth:
    """Answers of one host in the window, and the state it is held in."""

    answers: deque[tuple[datetime, float]] = field(default_factory=deque)
    state: HostState = HostState.GOOD
    until: datetime | None = None

    def record(self, now: datetime, seconds: float) -> None:
        """Remember how long an answer took."""
        self.answers.append((now, seconds))
        self._forget(now)
        count = len(self.answers)
        if count < FEWEST_ANSWERS:
            return
        if sum(1 for _, took in self.answers if took > 10) > 0.15 * count:
            self.state, self.until = HostState.DROP, now + WINDOW
        elif sum(1 for _, took in self.answers if took > 3) > 0.10 * count:
            self.state, self.until = HostState.SLOW, now + WINDOW

    def state_at(self, now: datetime) -> HostState:
        """Return how the host is served now; after ten minutes it starts afresh."""
        if self.until is not None and now >= self.until:
            self.state, self.until = HostState.GOOD, None
            self.answers.clear()
        return self.state

    def _forget(self, now: datetime) -> None:
        while self.answers and self.answers[0][0] <= now - WINDOW:
            self.answers.popleft()
