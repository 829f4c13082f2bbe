"""The coverage ledger: between which moments nothing can be missing from the feed, and why not at others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ostiary.core.sync.model import Source


class CoverageHow(StrEnum):
    """On what a stretch of coverage rests."""

    INITIAL = "initial"
    """The first reading: what was there at its beginning is known."""
    CHANGES = "changes"
    """Rounds of changes, each beginning where the one before ended."""
    RECONCILED = "reconciled"
    """Microsoft forgot where we were: everything was read again and compared. Nothing that stands is missing; what
    came and went within the stretch may be."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time that is covered, from its first moment up to its last."""

    source: Source
    start: datetime
    end: datetime
    how: CoverageHow
    reason: str | None = None
    """Why it had to be reconciled."""


class GapReason(StrEnum):
    """Why a stretch is not covered."""

    NOT_CONNECTED = "not_connected"
    """Before the source was followed for the first time."""
    FIRST_READING = "first_reading"
    """The first reading is not complete yet."""
    NOT_READ_YET = "not_read_yet"
    """Nothing was lost: the next reading covers it."""
    STALLED = "stalled"
    """Nothing can be read at the moment; the next reading that works covers it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time about which nothing can be said (yet)."""

    source: Source
    start: datetime
    end: datetime
    reason: GapReason
    detail: str | None = None
    """Reason id or code of what stands in the way."""


@dataclass(frozen=True, slots=True)
class CoverageAnswer:
    """Whether anything can be missing between two moments."""

    start: datetime
    end: datetime
    is_complete: bool
    stretches: tuple[Stretch, ...]
    gaps: tuple[Gap, ...]


class CoverageStore(Protocol):
    """Keeps stretches, inside one transaction."""

    async def extend(
        self,
        *,
        connection_id: str,
        organization_id: str,
        source: Source,
        until: datetime,
        how: CoverageHow,
        reason: str | None,
        begins_at: datetime,
    ) -> None:
        """Say that everything up to ``until`` is covered.

        The newest stretch grows when it rests on the same; otherwise a new one begins where it ends. A first one
        begins at ``begins_at``.
        """
        ...

    async def between(self, connection_id: str, *, start: datetime, end: datetime) -> tuple[Stretch, ...]:
        """Stretches that touch a span of time, by source and start."""
        ...


@dataclass(frozen=True, slots=True)
class Following:
    """What is known of a source beside its stretches."""

    source: Source
    started_at: datetime
    is_live: bool
    stalled_reason: str | None


def answer(
    following: Sequence[Following],
    stretches: Sequence[Stretch],
    *,
    start: datetime,
    end: datetime,
) -> CoverageAnswer:
    """Return what can be said of a span of time, for all sources that are followed."""
    clipped: list[Stretch] = []
    gaps: list[Gap] = []
    for source in following:
        at = start
        own = sorted(
            (stretch for stretch in stretches if stretch.source is source.source), key=lambda each: each.start
        )
        for stretch in own:
            first, last = max(stretch.start, start), min(stretch.end, end)
            if first >= last:
                continue
            if at < first:
                gaps.extend(_gaps(source, at, first, is_open=False))
            clipped.append(Stretch(stretch.source, first, last, stretch.how, stretch.reason))
            at = max(at, last)
        if at < end:
            gaps.extend(_gaps(source, at, end, is_open=True))
    return CoverageAnswer(
        start=start,
        end=end,
        is_complete=not gaps and bool(following),
        stretches=tuple(clipped),
        gaps=tuple(gaps),
    )


def _gaps(source: Following, start: datetime, end: datetime, *, is_open: bool) -> list[Gap]:
    found: list[Gap] = []
    if start < source.started_at:
        until = min(end, source.started_at)
        found.append(Gap(source.source, start, until, GapReason.NOT_CONNECTED))
        start = until
    if start >= end:
        return found
    if not is_open:
        found.append(Gap(source.source, start, end, GapReason.NOT_CONNECTED))
    elif source.stalled_reason is not None:
        found.append(Gap(source.source, start, end, GapReason.STALLED, source.stalled_reason))
    else:
        reason = GapReason.NOT_READ_YET if source.is_live else GapReason.FIRST_READING
        found.append(Gap(source.source, start, end, reason))
    return found
