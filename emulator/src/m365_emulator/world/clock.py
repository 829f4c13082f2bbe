"""The one clock of the world. It runs with the machine's clock and can be moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Time as the emulated services see it: real time plus an offset, or frozen."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._frozen_at: datetime | None = None

    @property
    def offset(self) -> timedelta:
        """How far this clock is ahead of the machine's (negative: behind)."""
        return self.now() - datetime.now(UTC)

    @property
    def is_frozen(self) -> bool:
        """True while time stands still."""
        return self._frozen_at is not None

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        if self._frozen_at is not None:
            return self._frozen_at
        return datetime.now(UTC) + self._offset

    def advance(self, by: timedelta) -> datetime:
        """Move forward (or back, when negative) and return the new time."""
        return self.set(self.now() + by)

    def set(self, moment: datetime) -> datetime:
        """Jump to `moment` (aware); time then runs on from there unless frozen."""
        moment = moment.astimezone(UTC)
        if self._frozen_at is not None:
            self._frozen_at = moment
        self._offset = moment - datetime.now(UTC)
        return self.now()

    def freeze(self) -> None:
        """Stop time at the current moment."""
        self._frozen_at = self.now()

    def resume(self) -> None:
        """Let time run on from where it stands."""
        if self._frozen_at is not None:
            moment, self._frozen_at = self._frozen_at, None
            self.set(moment)

    def reset(self) -> None:
        """Go back to the machine's own time."""
        self._offset = timedelta()
        self._frozen_at = None
