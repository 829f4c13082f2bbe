"""Counting calls in a sliding window with two numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Window:
    """Calls of the running window and of the one before it.

    The one before counts by the part of it that a sliding window of the same length still covers: that never lets
    twice the limit through around the edge of two windows, which a plain counter does.
    """

    used: int
    used_before: int
    age_seconds: float
    """Since the running window began."""

    def at(self, length_seconds: float) -> Window:
        """Return the windows as they are now: an old one moved back, or forgotten."""
        if self.age_seconds < length_seconds:
            return self
        passed = int(self.age_seconds // length_seconds)
        return Window(
            used=0,
            used_before=self.used if passed == 1 else 0,
            age_seconds=self.age_seconds - passed * length_seconds,
        )

    def spent(self, length_seconds: float) -> float:
        """Return how many calls the sliding window holds."""
        return self.used + self.used_before * (1 - self.age_seconds / length_seconds)

    def take(self, wanted: int, *, most: float, length_seconds: float) -> tuple[int, Window]:
        """Return how many of ``wanted`` calls fit under ``most``, and the windows with them counted."""
        given = max(0, min(wanted, int(most - self.spent(length_seconds))))
        return given, replace(self, used=self.used + given)

    def free_in(self, *, most: float, length_seconds: float) -> float:
        """Return in how many seconds one call fits under ``most``; 0 when one does now."""
        excess = self.spent(length_seconds) + 1 - most
        if excess <= 0:
            return 0.0
        rest = length_seconds - self.age_seconds
        fading = self.used_before / length_seconds
        if fading > 0 and excess / fading <= rest:
            return excess / fading
        # The running window becomes the one before, and fades in its turn.
        if self.used + 1 <= most:
            return rest
        return rest + (self.used + 1 - most) * length_seconds / max(self.used, 1)
