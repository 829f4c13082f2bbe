"""The segmented bar of connection health: an SVG sized by attributes, so that no inline style is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.core.connections.model import ConnectionStatus

_GAP_PERCENT: Final = 0.35
_LEAST_PERCENT: Final = 0.6
"""A single failing mailbox among thousands still has to be seen."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of the bar and its line in the legend."""

    label: str
    spoken: str
    fill: str
    count: int
    href: str
    x: str = "0%"
    width: str = "0%"


def health_bar(counts: Mapping[ConnectionStatus, int], *, not_connected: int) -> tuple[Segment, ...]:
    """Return the segments, healthy first, with their places on a bar of 100 %."""

    def count(*statuses: ConnectionStatus) -> int:
        return sum(counts.get(status, 0) for status in statuses)

    parts = (
        Segment(
            "Healthy",
            "healthy",
            "f-ok",
            count(ConnectionStatus.CONNECTED),
            "/console/connections?status=connected",
        ),
        Segment(
            "Needs the person to sign in",
            "need sign-in",
            "f-warn",
            count(ConnectionStatus.NEEDS_SIGN_IN),
            "/console/connections?status=needs_sign_in",
        ),
        Segment(
            "Failing",
            "failing",
            "f-bad",
            count(ConnectionStatus.FAILING),
            "/console/connections?status=failing",
        ),
        Segment(
            "Not connected yet", "not connected", "f-idle", not_connected, "/console/members?show=waiting"
        ),
    )
    return _placed(parts)


def spoken(segments: tuple[Segment, ...]) -> str:
    """Return the bar as one sentence for a screen reader."""
    return ", ".join(f"{segment.count} {segment.spoken}" for segment in segments)


def _placed(parts: tuple[Segment, ...]) -> tuple[Segment, ...]:
    total = sum(part.count for part in parts)
    shown = [part for part in parts if part.count]
    if not total:
        return parts
    room = 100 - _GAP_PERCENT * (len(shown) - 1)
    widths = {part.label: max(_LEAST_PERCENT, room * part.count / total) for part in shown}
    shrink = room / sum(widths.values())
    placed: list[Segment] = []
    x = 0.0
    for part in parts:
        width = widths.get(part.label, 0.0) * shrink
        placed.append(
            Segment(part.label, part.spoken, part.fill, part.count, part.href, f"{x:.2f}%", f"{width:.2f}%")
        )
        x += width + _GAP_PERCENT if width else 0
    return tuple(placed)
